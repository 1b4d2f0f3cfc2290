"""What a witness signs, and what it never does: C2SP tlog-witness, without the wire.

A submission is how a log asks for a cosignature:

    old 20852014                                    the size of the tree that the witness saw last
    PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=    the consistency proof from there, if any
                                                    an empty line
    example.com/behind-the-sofa                     the checkpoint, signed by its log
    ...

A witness remembers one checkpoint of each log and cosigns a larger one only if that is its
beginning. It never goes back, and it never signs two trees of one size.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from registry_core.errors import Conflict, Invalid, Unproven
from registry_core.transparency import checkpoints, notes
from registry_core.transparency.checkpoints import Checkpoint
from registry_core.transparency.merkle import is_consistent
from registry_core.transparency.notes import Verifier
from registry_core.transparency.proofs import read_hashes

MOST_BYTES = 2 * notes.MOST_BYTES

_OLD = re.compile(r"old (0|[1-9][0-9]{0,18})")


class Stale(Conflict):
    """The proof begins at another tree than the one seen last; `size` is the size of that."""

    def __init__(self, size: int) -> None:
        super().__init__(f"the last tree that this witness saw has {size} leaves")
        self.size = size


class Fork(Unproven):
    """Another tree of the same size as the one seen last."""


@dataclass(frozen=True, slots=True)
class Submission:
    """A checkpoint, and the proof that it has grown from the one of `old` leaves."""

    old: int
    proof: tuple[bytes, ...]
    note: str

    @property
    def text(self) -> str:
        """The body of the request."""
        return "\n".join([f"old {self.old}", *map(notes.encode, self.proof), "", self.note])

    @property
    def data(self) -> bytes:
        """The note, as it was signed."""
        return self.note.encode(errors="surrogatepass")

    @property
    def origin(self) -> str:
        """The log that it says it is of. Raises Invalid."""
        return Checkpoint.parse(notes.parse(self.data).text).origin

    @classmethod
    def parse(cls, text: str) -> Submission:
        """Read a body. Raises Invalid."""
        if len(text) > MOST_BYTES:
            raise Invalid(f"a submission has at most {MOST_BYTES:,} characters")
        lines, gap, note = text.partition("\n\n")
        old, *proof = lines.split("\n")
        found = _OLD.fullmatch(old)
        if found is None or not gap:
            raise Invalid("a submission begins with `old`, a size and the hashes of a proof")
        return cls(int(found[1]), read_hashes(proof), note)


def judge(submission: Submission, log: Verifier, known: Checkpoint | None) -> Checkpoint:
    """Return the checkpoint that may be cosigned, and has to be remembered before it is.

    Raises Invalid, Tampered where the log did not sign it, Stale, Unproven for another history or
    a smaller tree than the one seen last.
    """
    tree = checkpoints.read(submission.data, log).checkpoint
    last = known.size if known else 0
    if submission.old != last:
        raise Stale(last)
    if known is None or known.size == 0:
        if submission.proof:
            raise Invalid("from no leaves on there is nothing to prove")
        return tree
    if not is_consistent(known.size, tree.size, known.root, tree.root, submission.proof):
        kind = Fork if tree.size == known.size else Unproven
        raise kind(
            f"the log {tree.origin} has another history",
            expected=f"growth from {known}",
            found=str(tree),
            evidence=f"--- known\n{known.text}\n--- now\n{submission.note}",
        )
    return tree
