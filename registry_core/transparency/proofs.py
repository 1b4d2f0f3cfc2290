"""C2SP tlog-proof: one file that proves, offline, that a leaf is in a log.

    c2sp.org/tlog-proof@v1
    index 73894
    gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=    the inclusion proof, from the leaf up
    B95lDa8R83lS8n0eG+o0buTxRKQTYFi//1U8anccXmA=
                                                    an empty line
    registry.example/log                            the checkpoint, with its signatures
    ...

Before `index` may stand `extra <base64>`, which nobody signed: it is read and not used.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from registry_core.errors import Invalid, Tampered
from registry_core.names import shown
from registry_core.transparency import checkpoints, notes
from registry_core.transparency.checkpoints import Signed
from registry_core.transparency.merkle import HASH_BYTES, is_included, leaf_hash
from registry_core.transparency.notes import Verifier

HEAD = "c2sp.org/tlog-proof@v1"
MOST_HASHES = 63
MOST_BYTES = notes.MOST_BYTES + 16 * 1024

_INDEX = re.compile(r"index (0|[1-9][0-9]{0,18})")


@dataclass(frozen=True, slots=True)
class Proof:
    """A proof as it was read or made; nothing of it is verified before `check`."""

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: str
    """The signed note."""
    extra: bytes = b""

    @property
    def text(self) -> str:
        """The file."""
        extra = [f"extra {notes.encode(self.extra)}"] if self.extra else []
        hashes = map(notes.encode, self.hashes)
        return "\n".join([HEAD, *extra, f"index {self.index}", *hashes, "", self.checkpoint])

    @classmethod
    def parse(cls, text: str) -> Proof:
        """Read a file. Raises Invalid."""
        if len(text) > MOST_BYTES:
            raise Invalid(f"a proof is not longer than {MOST_BYTES:,} characters")
        lines, gap, checkpoint = text.partition("\n\n")
        head, *rest = lines.split("\n")
        extra = notes.decode(rest.pop(0)[6:]) if rest and rest[0].startswith("extra ") else b""
        found = _INDEX.fullmatch(rest[0]) if rest else None
        if head != HEAD or not gap or found is None:
            raise Invalid(f"this is no proof of a log: it begins {shown(text)}")
        return cls(int(found[1]), read_hashes(rest[1:]), checkpoint, extra)

    def check(self, leaf: bytes, log: Verifier, witnesses: Sequence[Verifier] = ()) -> Signed:
        """Verify that a log has a leaf; return the checkpoint that says so.

        Raises Invalid for what is no checkpoint, Tampered where anything does not fit.
        """
        # What came as JSON may hold halves of characters; in a note they are no UTF-8 and refused.
        note = self.checkpoint.encode(errors="surrogatepass")
        signed = checkpoints.read(note, log, witnesses)
        tree = signed.checkpoint
        if not is_included(leaf_hash(leaf), self.index, tree.size, self.hashes, tree.root):
            raise Tampered(
                f"the proof that {tree.origin} has leaf {self.index}",
                expected=f"one that leads to {tree}",
                found="one that does not",
            )
        return signed


def read_hashes(lines: Sequence[str]) -> tuple[bytes, ...]:
    """Read the hashes of a proof, one a line. Raises Invalid."""
    if len(lines) > MOST_HASHES:
        raise Invalid(f"a proof has at most {MOST_HASHES} hashes, not {len(lines)}")
    found = tuple(map(notes.decode, lines))
    if any(len(one) != HASH_BYTES for one in found):
        raise Invalid(f"each hash of a proof has {HASH_BYTES} bytes")
    return found
