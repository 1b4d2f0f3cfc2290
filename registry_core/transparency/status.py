"""The status note: what a registry would take back, signed and soon expired.

It is a signed note (C2SP signed-note) of the log's own key. No checkpoint reads as one, nor the
other way round, because a log's name has no blanks:

    ctxmcp status 1
    registry.example/log                            the log
    20852163                                        its tree that this speaks of, size
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=    and root
    2026-01-02T03:04:05.000000Z                     issued; of two notes the later one holds
    2026-01-03T03:04:05.000000Z                     expires
    q9eGHeXtjC3vRYQzLcEJ7flBGTWPPtPaqTLqDQ7Ajj8=    SHA-256 of each part of the list

The list says of what something is to be known. It is cut into 1, 2, 4 .. 256 parts by the first
bits of SHA-256(subject), so that one change changes one part, and who asks about a package fetches
what speaks of it. A part is lines, each once and sorted by their bytes:

    @acme/review yanked 1.0.0
    @acme/review revoked 1.0.1                          or rejected
    @acme/review advisory CTXMCP-2026-0001 1.0.0 1.0.2  first version that has it, first without
    <sha256> advisory CTXMCP-2026-0002                  of an artifact, or of a file in one
    <public key> compromised @acme 17                   by the leaf that it signed from then on
    <seal> yanked                                       a private release: SHA-256("ctxmcp sealed
                                                        status 1", a line feed, salt, reference)

`-` stands for no version. The salt is that of the leaf by which the private release was published,
so only who may see the package finds it in the list.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from registry_core.errors import Invalid, Tampered
from registry_core.names import shown
from registry_core.transparency import notes
from registry_core.transparency.checkpoints import Checkpoint
from registry_core.transparency.notes import Note, Signer, Verifier

MOST_PARTS = 256
MOST_PART = 8 * 1024 * 1024
"""Bytes of a part; with the usual lines that is a list of twenty million."""

MOST_AHEAD = timedelta(minutes=5)
"""How far a note may be ahead of the clock; nobody believes one that is more."""

_HEAD = "ctxmcp status 1"
_FEW = 512
"""Lines that a part has on the average, at most, as long as there may be more parts."""
_TIME = "%Y-%m-%dT%H:%M:%S.%fZ"
_DIGEST_BYTES = 32
_LINE = re.compile(r"[!-~]+( [!-~]+)+")
_SEAL = b"ctxmcp sealed status 1\n"


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the list: what is to be known of a subject."""

    subject: str
    word: str
    args: tuple[str, ...] = ()

    def __str__(self) -> str:
        return " ".join((self.subject, self.word, *self.args))


@dataclass(frozen=True, slots=True)
class Status:
    """What a status note says."""

    tree: Checkpoint
    issued: datetime
    expires: datetime
    parts: tuple[str, ...]
    """SHA-256 of each, 64 hex characters."""

    @property
    def text(self) -> str:
        """What is signed."""
        times = (f"{moment:{_TIME}}" for moment in (self.issued, self.expires))
        digests = (notes.encode(bytes.fromhex(digest)) for digest in self.parts)
        tree = (self.tree.origin, str(self.tree.size), notes.encode(self.tree.root))
        return "".join(f"{line}\n" for line in (_HEAD, *tree, *times, *digests))

    @property
    def day(self) -> str:
        """The folder that its parts stand in."""
        return f"{self.issued:%Y-%m-%d}"

    def part_of(self, subject: str) -> str:
        """Return the digest of the part that a subject is in, if it is in any."""
        return self.parts[_place(subject, len(self.parts))]

    def read_part(self, digest: str, data: bytes) -> frozenset[Entry]:
        """Read a part, strictly. Raises Tampered for other bytes, Invalid for no list."""
        found = hashlib.sha256(data).hexdigest()
        if found != digest:
            raise Tampered("a part of the registry's status", expected=digest, found=found)
        lines = _lines(data)
        if lines != sorted(set(lines)):
            raise Invalid("a part of the registry's status is not sorted")
        entries = [_entry(line) for line in lines]
        if any(self.part_of(entry.subject) != digest for entry in entries):
            raise Invalid("a part of the registry's status has what belongs into another")
        return frozenset(entries)

    def sign(self, signer: Signer) -> Note:
        """Sign it as the log that it is of."""
        return Note(self.text, (signer.sign(self.text),))

    @classmethod
    def parse(cls, text: str) -> Status:
        """Read the text of a note. Raises Invalid."""
        lines = text.removesuffix("\n").split("\n")
        head, parts = lines[:6], lines[6:]
        if len(head) < 6 or head[0] != _HEAD:
            raise Invalid("this is no status note of a registry")
        tree = Checkpoint.parse("".join(f"{line}\n" for line in head[1:4]))
        if len(parts) not in {1 << bits for bits in range(9)}:
            raise Invalid(f"a status note does not have {len(parts)} parts")
        found = cls(tree, _moment(head[4]), _moment(head[5]), tuple(map(_digest, parts)))
        if found.text != text or found.expires <= found.issued:
            raise Invalid("a status note that expires before it is issued, or is oddly written")
        return found


def read(data: bytes, log: Verifier, *, before: Sequence[Verifier] = ()) -> Status:
    """Read the status note of a log, signed by its key or by one that it had `before`.

    Raises Invalid, Tampered where the log did not sign it.
    """
    note = notes.parse(data)
    status = Status.parse(note.text)
    if status.tree.origin != log.name:
        raise Tampered("the log of a status note", expected=log.name, found=status.tree.origin)
    if not note.signed_by([log, *before]):
        what = f"the status note of {log.name}"
        raise Tampered(what, expected=f"signed by {log.text}", found="it is not")
    return status


def cut(entries: Iterable[Entry]) -> list[bytes]:
    """Make the parts of a list: as many as keep each small."""
    lines = sorted({str(entry) for entry in entries})
    count = 1
    while count < MOST_PARTS and count * _FEW < len(lines):
        count *= 2
    parts: list[list[str]] = [[] for _ in range(count)]
    for line in lines:
        parts[_place(line.partition(" ")[0], count)].append(line)
    return ["".join(f"{line}\n" for line in part).encode() for part in parts]


def seal(salt: str, ref: str) -> str:
    """Return the subject of a private release. Raises Invalid for what is no salt."""
    if not re.fullmatch(r"[0-9a-f]{64}", salt):
        raise Invalid(f"{shown(salt)} is no salt of a leaf")
    return hashlib.sha256(_SEAL + bytes.fromhex(salt) + ref.encode()).hexdigest()


def _place(subject: str, count: int) -> int:
    """Return the part of a subject: the first bits of its digest."""
    return hashlib.sha256(subject.encode()).digest()[0] * count // MOST_PARTS


def _lines(data: bytes) -> list[str]:
    if len(data) > MOST_PART or (data and not data.endswith(b"\n")):
        raise Invalid("a part of the registry's status is too long, or not whole lines")
    try:
        return data.decode("ascii").split("\n")[:-1]
    except UnicodeDecodeError:
        raise Invalid("a part of the registry's status is not ASCII") from None


def _entry(line: str) -> Entry:
    if not _LINE.fullmatch(line):
        raise Invalid(f"{shown(line)} is no line of a registry's status")
    subject, word, *args = line.split(" ")
    return Entry(subject, word, tuple(args))


def _moment(text: str) -> datetime:
    try:
        return datetime.strptime(text, _TIME).replace(tzinfo=UTC)
    except ValueError:
        raise Invalid(f"{shown(text)} is no time of a status note") from None


def _digest(text: str) -> str:
    found = notes.decode(text)
    if len(found) != _DIGEST_BYTES:
        raise Invalid(f"{shown(text)} is no digest of a part")
    return found.hex()


def digests_of(parts: Sequence[bytes]) -> tuple[str, ...]:
    """Return what a note says of parts."""
    return tuple(hashlib.sha256(part).hexdigest() for part in parts)
