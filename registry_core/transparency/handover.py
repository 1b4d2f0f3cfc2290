"""How a log changes its key: a signed note in which the old key names the next one.

    ctxmcp log key 1
    registry.example/log                            the log
    registry.example/log+5c3b3e0a+AQ..              the key that signed until now
    registry.example/log+1f0a9c77+AQ..              the key that signs from now on

Both sign it: the old one, so that who knows that one follows, and the new one, so that nobody is
named who does not have it. All of a log's notes, oldest first with an empty line between, are one
chain, and each key hands over once. Who has followed does not go back, so an old key that is stolen
later is worth nothing to them; who steals the key in use can hand over, as he can sign anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from registry_core.errors import Invalid, Tampered
from registry_core.names import shown
from registry_core.transparency import notes
from registry_core.transparency.notes import ED25519, Note, Signer, Verifier

MOST = 64
"""Times that a log changes its key, at most."""

MOST_BYTES = MOST * 2048

_HEAD = "ctxmcp log key 1"
_LINES = 4


@dataclass(frozen=True, slots=True)
class Handover:
    """What such a note says."""

    old: Verifier
    new: Verifier

    @property
    def text(self) -> str:
        """What is signed."""
        return f"{_HEAD}\n{self.old.name}\n{self.old.text}\n{self.new.text}\n"

    @classmethod
    def read(cls, note: Note) -> Handover:
        """Verify a note. Raises Invalid, Tampered where one of the two did not sign it."""
        lines = note.text.removesuffix("\n").split("\n")
        if len(lines) != _LINES:
            raise Invalid(f"{shown(note.text)} is no handover of a log's key")
        found = cls(*map(Verifier.parse, lines[2:]))
        both = (found.old, found.new)
        if found.text != note.text or found.old.name != found.new.name or found.old == found.new:
            raise Invalid(f"{shown(note.text)} is no handover of a log's key")
        if any(key.type != ED25519 for key in both) or len(note.signed_by(both)) < len(both):
            what = f"the handover of the log {found.old.name}"
            raise Tampered(what, expected="signed by its old key and the new one", found="not")
        return found


def make(old: Signer, new: Signer) -> str:
    """Let a key hand over to the next."""
    text = Handover(old.verifier, new.verifier).text
    return str(Note(text, (old.sign(text), new.sign(text))))


def join(handovers: Iterable[str]) -> str:
    """Write notes as one text."""
    return "\n".join(handovers)


def split(text: str) -> tuple[str, ...]:
    """Read such a text; the notes are not verified. Raises Invalid."""
    if len(text) > MOST_BYTES:
        raise Invalid(f"a log's handovers have at most {MOST_BYTES:,} characters")
    parts = text.split("\n\n") if text else []
    if len(parts) % 2:
        raise Invalid("a log's handovers are signed notes, with an empty line between them")
    pairs = zip(parts[::2], parts[1::2], strict=True)
    return tuple(f"{said}\n\n{signatures.removesuffix(chr(10))}\n" for said, signatures in pairs)


def line(handovers: Sequence[str]) -> tuple[Verifier, ...]:
    """Return the keys of a log, oldest first; none where it never changed its key.

    Raises Invalid, Tampered for what is no chain.
    """
    if len(handovers) > MOST:
        raise Invalid(f"a log changes its key at most {MOST} times")
    data = (one.encode(errors="surrogatepass") for one in handovers)
    chain = [Handover.read(notes.parse(one)) for one in data]
    for before, after in pairwise(chain):
        if after.old != before.new:
            raise Tampered(
                f"a handover of the log {after.old.name}",
                expected=f"from {before.new.text}",
                found=after.old.text,
            )
    keys = (*(one.old for one in chain[:1]), *(one.new for one in chain))
    if len(set(keys)) < len(keys):
        raise Invalid("a log went back to a key that it had given up")
    return keys


def leading_to(key: Verifier, handovers: Sequence[str]) -> tuple[Verifier, ...]:
    """Return the keys that a log had before this one, oldest first. Raises Invalid, Tampered."""
    *before, last = (*line(handovers),) or (key,)
    if last != key:
        what = f"the last handover of the log {key.name}"
        raise Tampered(what, expected=f"to {key.text}", found=last.text)
    return tuple(before)
