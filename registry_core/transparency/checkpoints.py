"""C2SP tlog-checkpoint: what a log says it is, as the text of a signed note.

    registry.example/log                            the origin: which log this is
    20852163                                        how many leaves it has
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=    the root of its tree

Further lines may follow; they mean nothing here and are kept as they are.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from registry_core.errors import Invalid, Tampered
from registry_core.names import shown
from registry_core.transparency import notes
from registry_core.transparency.merkle import EMPTY_ROOT, HASH_BYTES, MOST_LEAVES
from registry_core.transparency.notes import Note, Signature, Verifier

_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")
_MOST_ORIGIN = 256


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A tree of a log."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """What is signed."""
        lines = (self.origin, str(self.size), notes.encode(self.root), *self.extensions)
        return "".join(f"{line}\n" for line in lines)

    def __str__(self) -> str:
        return f"{self.size} leaves, root {notes.encode(self.root)}"

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """Read the text of a note. Raises Invalid."""
        origin, size, root, *extensions = (*text.removesuffix("\n").split("\n"), "", "")
        extensions = extensions[: max(len(extensions) - 2, 0)]
        if not origin or len(origin) > _MOST_ORIGIN or "" in extensions:
            raise Invalid("a checkpoint without an origin, or with empty lines")
        if not _SIZE.fullmatch(size) or int(size) > MOST_LEAVES:
            raise Invalid(f"{shown(size)} is no size of a log")
        found = cls(origin, int(size), notes.decode(root), tuple(extensions))
        if len(found.root) != HASH_BYTES or (found.size == 0 and found.root != EMPTY_ROOT):
            raise Invalid(f"{shown(root)} is no root of a log with {size} leaves")
        return found


@dataclass(frozen=True, slots=True)
class Signed:
    """A checkpoint that its log signed, and the cosignatures of witnesses that are known."""

    checkpoint: Checkpoint
    note: Note
    witnessed: tuple[Signature, ...] = ()


def read(
    data: bytes,
    log: Verifier,
    witnesses: Sequence[Verifier] = (),
    *,
    before: Sequence[Verifier] = (),
) -> Signed:
    """Read a checkpoint of a log, signed by its key or by one that it had `before`.

    Raises Invalid for what is none, Tampered where the log did not sign it, or a known key signed
    something else.
    """
    note = notes.parse(data)
    checkpoint = Checkpoint.parse(note.text)
    if checkpoint.origin != log.name:
        raise Tampered("the origin of a checkpoint", expected=log.name, found=checkpoint.origin)
    if not note.signed_by([log, *before]):
        raise Tampered(
            f"the checkpoint of {log.name}", expected=f"signed by {log.text}", found="it is not"
        )
    return Signed(checkpoint, note, note.signed_by(witnesses))
