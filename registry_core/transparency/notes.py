r"""C2SP signed-note: a text, and lines that say who signed it.

    text, one or more lines
                                            an empty line
    — <name> base64(key id || signature)    one or more

A key is known by its name and its id together, the first four bytes of SHA-256(name || "\n" ||
type || public key). What names a key that the reader does not know is ignored, whatever it says;
what names a known key has to be its signature, or the whole note is refused. Keys travel as text:

    <name>+<id, 8 hex>+base64(type || public key)                 to verify with
    PRIVATE+KEY+<name>+<id, 8 hex>+base64(type || seed)           to sign with

Two types of Ed25519 signatures are read. `0x01` is over the text. `0x04` is a witness's (C2SP
tlog-cosignature, version 1): a time, 8 bytes of seconds, and then a signature over

    cosignature/v1
    time <seconds>
    text
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from registry_core.errors import Invalid, Tampered
from registry_core.names import shown
from registry_core.signing import SigningKey, is_valid

MOST_BYTES = 64 * 1024
MOST_SIGNATURES = 64

ED25519 = 0x01
COSIGNATURE = 0x04

_DASH = "\u2014 "
_PRIVATE = "PRIVATE+KEY+"
_ID_BYTES = 4
_TIME_BYTES = 8
_KEY_BYTES = 32
_MOST_NAME = 256
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Verifier:
    """A key that is known, for one type of signature. `public_key` is 64 hex characters."""

    name: str
    public_key: str
    type: int = ED25519

    @classmethod
    def parse(cls, text: str) -> Verifier:
        """Read a key as it travels. Raises Invalid."""
        name, key_id, material = _key(text)
        kind, key = material[0], material[1:]
        found = cls(name, key.hex(), kind)
        if kind not in {ED25519, COSIGNATURE} or len(key) != _KEY_BYTES or found.id != key_id:
            raise _no_key(text)
        return found

    @property
    def id(self) -> bytes:
        """The four bytes that name it in a signature."""
        material = bytes([self.type]) + bytes.fromhex(self.public_key)
        return hashlib.sha256(f"{self.name}\n".encode() + material).digest()[:_ID_BYTES]

    @property
    def text(self) -> str:
        """The key as it travels."""
        material = bytes([self.type]) + bytes.fromhex(self.public_key)
        return f"{self.name}+{self.id.hex()}+{encode(material)}"

    def holds(self, text: str, signature: bytes) -> bool:
        """Tell whether a signature is this key's over a text."""
        message = text.encode()
        if self.type == COSIGNATURE:
            message = _timed(text, time_of(signature))
            signature = signature[_TIME_BYTES:]
        return is_valid(signature.hex(), message, self.public_key)


@dataclass(frozen=True, slots=True)
class Signer:
    """A key to sign notes with under a name."""

    name: str
    key: SigningKey

    def __post_init__(self) -> None:
        check_name(self.name)

    @classmethod
    def parse(cls, text: str) -> Signer:
        """Read a private key as it is kept. Raises Invalid, and never shows it."""
        try:
            name, key_id, material = _key(text.strip().removeprefix(_PRIVATE))
            found = cls(name, SigningKey(material[1:]))
        except Invalid:
            raise Invalid("this is no private key of a log or a witness") from None
        if not text.startswith(_PRIVATE) or material[0] != ED25519 or found.verifier.id != key_id:
            raise Invalid("this is no private key of a log or a witness")
        return found

    @property
    def verifier(self) -> Verifier:
        """The key that its signatures are verified with."""
        return Verifier(self.name, self.key.public_key)

    @property
    def witness(self) -> Verifier:
        """The key that its cosignatures are verified with."""
        return Verifier(self.name, self.key.public_key, COSIGNATURE)

    def private_text(self) -> str:
        """Write the private key: for a file with mode 0600, and nowhere else."""
        material = bytes([ED25519]) + bytes.fromhex(self.key.to_hex())
        return f"{_PRIVATE}{self.name}+{self.verifier.id.hex()}+{encode(material)}"

    def sign(self, text: str) -> Signature:
        """Sign a text."""
        return Signature(
            self.name, self.verifier.id, bytes.fromhex(self.key.sign(_body(text).encode()))
        )

    def signed(self, note: Note) -> Note:
        """Return a note with a signature of this key, if it has none."""
        mine = (self.name, self.verifier.id)
        if any((one.name, one.id) == mine for one in note.signatures):
            return note
        return note.with_([self.sign(note.text)])

    def cosign(self, text: str, seconds: int) -> Signature:
        """Say, as a witness, that this is what was seen at a time."""
        signature = bytes.fromhex(self.key.sign(_timed(_body(text), seconds)))
        return Signature(
            self.name, self.witness.id, seconds.to_bytes(_TIME_BYTES, "big") + signature
        )


@dataclass(frozen=True, slots=True)
class Signature:
    """One line of a note: whose it says it is, and what was signed."""

    name: str
    id: bytes
    value: bytes

    @property
    def line(self) -> str:
        """The line, with its end."""
        return f"{_DASH}{self.name} {encode(self.id + self.value)}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """A text and its signatures, none of them verified."""

    text: str
    signatures: tuple[Signature, ...]

    def __str__(self) -> str:
        return f"{self.text}\n{''.join(signature.line for signature in self.signatures)}"

    def with_(self, signatures: Iterable[Signature]) -> Note:
        """Return the note with more signatures, each line once."""
        return Note(self.text, tuple(dict.fromkeys((*self.signatures, *signatures))))

    def signed_by(self, known: Sequence[Verifier]) -> tuple[Signature, ...]:
        """Return the signatures of known keys, one of each: of a witness's the newest.

        Raises Tampered where one is not what it says; what unknown keys signed is ignored.
        """
        found: dict[Verifier, Signature] = {}
        for signature in self.signatures:
            verifier = _whose(signature, known)
            if verifier is None:
                continue
            if not verifier.holds(self.text, signature.value):
                raise Tampered(
                    f"a signed note that begins {shown(self.text.split(chr(10))[0])}",
                    expected=f"a signature of {shown(verifier.name, 256)}",
                    found="one that its key did not make",
                )
            before = found.get(verifier)
            if before is None or before.value[:_TIME_BYTES] < signature.value[:_TIME_BYTES]:
                found[verifier] = signature
        return tuple(found.values())


def parse(data: bytes) -> Note:
    """Read a note, strictly. Raises Invalid."""
    if len(data) > MOST_BYTES:
        raise _no_note(f"it is longer than {MOST_BYTES:,} bytes")
    try:
        written = data.decode("utf-8")
    except UnicodeDecodeError:
        raise _no_note("it is not UTF-8") from None
    if _CONTROL.search(written):
        raise _no_note("it has control characters")
    text, gap, lines = written.rpartition("\n\n")
    if not gap or not lines.endswith("\n"):
        raise _no_note("it does not end in an empty line and signatures")
    return Note(f"{text}\n", parse_signatures(lines))


def parse_signatures(lines: str) -> tuple[Signature, ...]:
    """Read the lines that a note ends in. Raises Invalid."""
    found = lines.removesuffix("\n").split("\n")
    if len(found) > MOST_SIGNATURES:
        raise _no_note(f"it has more than {MOST_SIGNATURES} signatures")
    return tuple(_signature(line) for line in found)


def time_of(cosignature: bytes) -> int:
    """Return when a cosignature was made, in seconds."""
    return int.from_bytes(cosignature[:_TIME_BYTES], "big")


def check_name(name: str) -> str:
    """Return the name of a key. Raises Invalid for what cannot stand in a note."""
    spaced = any(c.isspace() or not c.isprintable() for c in name)
    if not name or spaced or "+" in name or len(name) > _MOST_NAME:
        raise Invalid(
            f"{shown(name)} cannot name a key",
            hint="Such names look like `registry.example/log`: no blanks and no plus.",
        )
    return name


def encode(data: bytes) -> str:
    """Write bytes as base64."""
    return base64.b64encode(data).decode()


def decode(text: str) -> bytes:
    """Read base64, in the one way it can be written. Raises Invalid."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        data = b""
    if encode(data) != text:
        raise Invalid(f"{shown(text)} is no base64")
    return data


def _signature(line: str) -> Signature:
    name, _, encoded = line.removeprefix(_DASH).partition(" ")
    try:
        value = decode(encoded)
        check_name(name)
    except Invalid:
        value = b""
    if not line.startswith(_DASH) or len(value) <= _ID_BYTES:
        raise _no_note(f"{shown(line)} is no signature")
    return Signature(name, value[:_ID_BYTES], value[_ID_BYTES:])


def _whose(signature: Signature, known: Sequence[Verifier]) -> Verifier | None:
    mine = {v for v in known if (v.name, v.id) == (signature.name, signature.id)}
    if len(mine) > 1:  # made to collide: four bytes are quickly found
        raise Invalid(f"two known keys are called {shown(signature.name)} and have one id")
    return mine.pop() if mine else None


def _key(text: str) -> tuple[str, bytes, bytes]:
    """Split a key as it travels into name, id and material."""
    name, _, rest = text.partition("+")
    key_id, _, encoded = rest.partition("+")
    if not re.fullmatch(r"[0-9a-f]{8}", key_id):
        raise _no_key(text)
    material = decode(encoded)
    if not material:
        raise _no_key(text)
    return check_name(name), bytes.fromhex(key_id), material


def _body(text: str) -> str:
    """Return a text that can be signed. Raises Invalid."""
    if not text.endswith("\n") or _CONTROL.search(text):
        raise Invalid("what is signed is lines, without control characters")
    return text


def _timed(text: str, seconds: int) -> bytes:
    return f"cosignature/v1\ntime {seconds}\n{text}".encode()


def _no_key(text: str) -> Invalid:
    return Invalid(
        f"{shown(text)} is no key of a log or a witness",
        hint="Such a key looks like `registry.example/log+5c3b3e0a+AQ…`.",
    )


def _no_note(why: str) -> Invalid:
    return Invalid(f"this is no signed note: {why}")
