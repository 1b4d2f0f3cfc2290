r"""What is written in an encoding inside a text, decoded so that rules can read it.

Looked for are base64 (of 24 characters and more), hex digits (of 40 and more), and runs of `\x41`
and `%41` escapes. What decodes to readable text is given, and so is what that encodes in turn, one
level deeper. Time is linear in the text.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

import re2  # type: ignore[import-untyped]

from registry_core.unicode import scan_copy

MOST_PIECES = 256
MOST_DECODED = 512 * 1024
"""Readable pieces of one text that are given, and bytes of all of them, at most."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """A piece of text as UTF-8, what it was encoded in, and where in the whole text it stood."""

    data: bytes
    encoding: str
    offset: int

    @property
    def is_command(self) -> bool:
        """Whether it runs a shell or fetches something."""
        return bool(_COMMAND.search(self.data))


def decoded(data: bytes, depth: int = 2) -> Iterator[Decoded]:
    """Give what is encoded in a text, and one level of what is encoded in that."""
    pieces = left = 0
    for found in _PIECE.finditer(data):
        encoding, plain = _decode(found.group())
        if not plain:
            continue
        pieces, left = pieces + 1, left + len(plain)
        if pieces > MOST_PIECES or left > MOST_DECODED:
            return
        yield Decoded(plain, encoding, found.start())
        if depth > 1:
            deeper = decoded(plain, depth - 1)
            yield from (Decoded(d.data, d.encoding, found.start()) for d in deeper)


_PIECE = re2.compile(
    rb"(?:\\x[0-9A-Fa-f]{2}){8,}|(?:%[0-9A-Fa-f]{2}){8,}|[A-Za-z0-9+/_-]{24,}={0,2}"
)
_COMMAND = re2.compile(
    rb"(?i)\b(?:curl|wget)\b.{0,80}https?:|/bin/(?:ba|z)?sh\b|\|\s*(?:ba|z)?sh\b|\bpowershell\b"
    rb"|/dev/tcp/|\b(?:exec|eval|system|popen)\s*\(|\brm\s+-rf\b|\bsubprocess\."
)
_HEX = frozenset(b"0123456789abcdefABCDEF")
_SHORTEST_HEX = 40


def _decode(piece: bytes) -> tuple[str, bytes]:
    """Return the encoding and what is readable in it; empty where nothing is."""
    if piece.startswith(b"%"):
        return "percent", _readable(unquote_to_bytes(piece))
    if piece.startswith(b"\\x"):
        return "escapes", _readable(_from_hex(piece.replace(b"\\x", b"")))
    if len(piece) >= _SHORTEST_HEX and len(piece) % 2 == 0 and _HEX.issuperset(piece):
        return "hex", _readable(_from_hex(piece))
    return "base64", _readable(_from_base64(piece))


def _from_hex(piece: bytes) -> bytes:
    return bytes.fromhex(piece.decode("ascii"))


def _from_base64(piece: bytes) -> bytes:
    plain = piece.rstrip(b"=").translate(bytes.maketrans(b"-_", b"+/"))
    plain = plain[: len(plain) - (len(plain) % 4 == 1)]
    try:
        return base64.b64decode(plain + b"=" * (-len(plain) % 4))
    except binascii.Error:
        return b""


def _readable(data: bytes) -> bytes:
    """Return data as UTF-8, if it is text; PowerShell encodes its commands as UTF-16."""
    wide = len(data) > 8 and data[1:16:2].count(0) > 4
    try:
        text = data.decode("utf-16-le" if wide else "utf-8")
    except UnicodeDecodeError:
        return b""
    printable = sum(char.isprintable() or char in "\t\n\r" for char in text)
    return scan_copy(text).encode("utf-8", "replace") if printable >= 0.95 * len(text) else b""
