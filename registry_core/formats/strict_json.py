"""Strict JSON: a text that two readers cannot read differently, read within bounds.

Accepted is one object in UTF-8 as RFC 8259 has it, and less than `json.loads` accepts:

    encoding    UTF-8 without a byte order mark
    keys        no object names a key twice; the top level has at most 1,000
    numbers     finite; an integer beyond 64 bits is read as a float, as Rust's serde reads it
    strings     no lone surrogate, written raw or as an escape
    depth       at most 127 objects and arrays inside each other, as serde allows
    values      at most 1,000,000

Everything else raises `InvalidPackage` with the line and column, or the top-level member, as its
place; more bytes than the caller allows raise `TooLarge`. A `Document` knows the exact text of
each top-level member, for digests over what was written instead of what it means.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from dataclasses import dataclass
from itertools import accumulate
from json.decoder import (  # type: ignore[attr-defined]  # scanstring is not in the stubs
    JSONDecodeError,
    JSONDecoder,
    scanstring,
)
from typing import TYPE_CHECKING, Any, NoReturn

from registry_core.errors import InvalidPackage, TooLarge
from registry_core.names import shown

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_DEPTH = 127
MAX_VALUES = 1_000_000
MAX_MEMBERS = 1_000

_BLANK = re.compile(r"[ \t\n\r]*+")
# Both match every text linearly: an open string runs to the end, and nothing is tried twice.
_STRING = re.compile(r'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_TOKENS = re.compile(r'"(?:[^"\\]++|\\.)*+"|[^" \t\n\r]++', re.DOTALL)
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")

_NOT_STRUCTURE = bytes(set(range(256)) - set(b"[]{},"))
_NOT_BRACKETS = b","
_STEP = [{"[": 1, "{": 1, "]": -1, "}": -1}.get(chr(byte), 0) for byte in range(256)]


@dataclass(frozen=True, slots=True)
class Document:
    """One JSON object: its members as Python values, and the text each was written as."""

    members: Mapping[str, Any]
    text: str
    spans: Mapping[str, tuple[int, int]]

    def source(self, member: str) -> str:
        """Return the value of a top-level member exactly as it was written."""
        start, end = self.spans[member]
        return self.text[start:end]


def read(data: bytes, *, max_bytes: int) -> Document:
    """Read one object from at most `max_bytes`; see the module for what is refused."""
    if len(data) > max_bytes:
        raise TooLarge(f"the document has {len(data)} bytes, at most {max_bytes} are read")
    text = _decoded(data)
    _refuse_excess(text)
    try:
        members, spans = _members(text)
    except JSONDecodeError as error:
        raise InvalidPackage(error.msg, place=_place(text, error.pos)) from None
    return Document(members, text, spans)


def compact(source: str) -> str:
    """Remove the white space outside strings from a JSON text that has been read, and no more."""
    return "".join(_TOKENS.findall(source))


def _decoded(data: bytes) -> str:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidPackage("not UTF-8", place=f"byte {error.start}") from None
    if text.startswith("\ufeff"):
        raise InvalidPackage("starts with a byte order mark", place="byte 0")
    return text


def _refuse_excess(text: str) -> None:
    """Bound depth and number of values before anything is built from them."""
    structure = _STRING.sub("", text).encode().translate(None, _NOT_STRUCTURE)
    if len(structure) - structure.count(b"]") - structure.count(b"}") > MAX_VALUES:
        raise InvalidPackage(f"more than {MAX_VALUES} values")
    brackets = structure.translate(None, _NOT_BRACKETS)
    if len(brackets) > 2 * MAX_VALUES:
        raise InvalidPackage("more brackets are closed than opened")
    if max(accumulate(map(_STEP.__getitem__, brackets)), default=0) > MAX_DEPTH:
        raise InvalidPackage(f"nested deeper than {MAX_DEPTH}")


def _members(text: str) -> tuple[dict[str, Any], dict[str, tuple[int, int]]]:
    """Walk the top-level object; the standard decoder reads each value."""
    members: dict[str, Any] = {}
    spans: dict[str, tuple[int, int]] = {}
    at = _skip(text, _after(text, 0, "{"))
    closed = text[at : at + 1] == "}"
    while not closed:
        key, start = _key(text, at, members)
        members[key], end = _value(text, start, key)
        spans[key] = (start, end)
        at = _skip(text, end)
        closed = text[at : at + 1] == "}"
        at = at if closed else _after(text, at, ",")
    if (end := _skip(text, at + 1)) != len(text):
        raise JSONDecodeError("text after the end of the object", text, end)
    return members, spans


def _key(text: str, at: int, members: Mapping[str, Any]) -> tuple[str, int]:
    """Read one key and its colon; return it with the position of the value."""
    key, end = scanstring(text, _after(text, at, '"'))
    if key in members:
        raise JSONDecodeError(f"the key {shown(key)} stands twice", text, at)
    if len(members) == MAX_MEMBERS:
        raise JSONDecodeError(f"more than {MAX_MEMBERS} members", text, at)
    if not _encodes(key):
        raise JSONDecodeError("a key holds a lone surrogate", text, at)
    return key, _skip(text, _after(text, end, ":"))


def _value(text: str, start: int, key: str) -> tuple[Any, int]:
    try:
        value, end = _DECODER.raw_decode(text, start)
    except _Refused as error:
        raise InvalidPackage(str(error), place=shown(key)) from None
    if _SURROGATE.search(text, start, end) and not _encodes(json.dumps(value, ensure_ascii=False)):
        raise InvalidPackage("holds a lone surrogate", place=shown(key))
    return value, end


def _after(text: str, at: int, token: str) -> int:
    """Step over white space and `token`."""
    at = _skip(text, at)
    if text[at : at + 1] != token:
        raise JSONDecodeError(f"expected {token}", text, at)
    return at + 1


def _skip(text: str, at: int) -> int:
    found = _BLANK.match(text, at)
    return found.end() if found else at


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _place(text: str, at: int) -> str:
    line = text.count("\n", 0, at) + 1
    return f"line {line} column {at - text.rfind(chr(10), 0, at)}"


class _Refused(Exception):
    """Legal for Python's decoder, and not for this one; leaves the decoder's own callbacks."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    [(twice, _)] = Counter(key for key, _ in pairs).most_common(1)
    raise _Refused(f"the key {shown(twice)} stands twice in one object")


def _float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise _Refused(f"the number {shown(text, 24)} is too large")
    return number


def _integer(text: str) -> int | float:
    # The length first: int() of a long text takes quadratic time, or raises.
    if len(text) <= 20 and -(2**63) <= (number := int(text)) < 2**64:
        return number
    return _float(text)


def _constant(text: str) -> NoReturn:
    raise _Refused(f"{text} is no JSON")


_DECODER = JSONDecoder(
    object_pairs_hook=_object, parse_float=_float, parse_int=_integer, parse_constant=_constant
)
