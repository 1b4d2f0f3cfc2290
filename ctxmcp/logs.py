r"""What this machine knows of a registry's log, and what it demands of its next answer.

The registry shows its newest checkpoint, a proof for each release that it plans, and that its log
has only grown. Nothing of it is believed:

    the key         is the one that signed before, or one that it has handed over to
    the log         has grown from the largest tree that this machine, or the project's lock, knows
    each release    is a leaf of it, which says the same name, version, digest, kind and signer
    its status      is what it signed last, and has not expired (`ctxmcp.standing`)

A registry that never showed a log is used without one; one that did has to show it for ever, and
so with its status note. What fails raises Unproven, and what the registry has signed is kept as
evidence. A lock may come from another machine, so two people to whom a registry shows two histories
find out by sharing a project.

The memory is one file for each registry in the user's state folder:

    { "registry": "https://packages.example/api", "key": "packages.example/log+..",
      "checkpoint": "packages.example/log\n..", "status": "ctxmcp status 1\n.." }
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from ctxmcp import staging, standing
from registry_core.errors import Invalid, RegistryError, Tampered, Unproven
from registry_core.events.leaves import Leaf
from registry_core.names import Reference, shown
from registry_core.operations.install import MOST_SEEN
from registry_core.transparency import checkpoints, handover, status
from registry_core.transparency.merkle import is_consistent
from registry_core.transparency.notes import Verifier
from registry_core.transparency.proofs import Proof, read_hashes

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from ctxmcp.lock import Lock, Proven
    from registry_core.operations.install import Installation, Planned, Shown
    from registry_core.transparency.checkpoints import Checkpoint

MOST_BYTES = 256 * 1024

SAYING = frozenset({"package_published", "release_held"})
"""Events whose leaf says that a release is in the registry."""


@dataclass(frozen=True, slots=True)
class Known:
    """What a registry's log has proven to be, the last time."""

    registry: str
    key: str
    checkpoint: str
    status: str = ""
    """The status note that was shown last."""

    def read(self) -> Checkpoint:
        """Return the checkpoint, with the status note verified. Raises Invalid, Tampered."""
        key = Verifier.parse(self.key)
        if self.status:
            status.read(_bytes(self.status), key)
        return checkpoints.read(_bytes(self.checkpoint), key).checkpoint


class Memory:
    """What is known of one registry, in a file. `base` is what locks call it; "" for one's own."""

    def __init__(self, folder: Path, registry: str, base: str = "") -> None:
        name = hashlib.sha256(registry.encode(errors="replace")).hexdigest()[:32]
        self.registry = registry
        self.base = base
        self.file = folder / "logs" / f"{name}.json"
        self.standing = folder / "standing" / name

    def read(self) -> Known | None:
        """Return what is known, None where nothing is. Raises Invalid."""
        try:
            with self.file.open("rb") as file:
                data = file.read(MOST_BYTES)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Invalid(f"{self.file} cannot be read: {error.strerror}") from error
        try:
            known = Known(**json.loads(data))
            known.read()
        except (ValueError, TypeError, AttributeError, RecursionError, RegistryError):
            raise Invalid(
                f"{self.file} is not what this program wrote there", hint="Restore or delete it."
            ) from None
        return known

    def keep(self, before: Known | None, after: Known) -> bool:
        """Remember more than before; False where somebody else has changed it meanwhile."""
        self.file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _held(self.file.parent):
            if self.read() != before:
                return False
            if after != before:
                staging.write_file(self.file, json.dumps(asdict(after), indent=2).encode())
        return True

    def with_evidence(self, error: Unproven, nothing: str) -> Unproven:
        """Write down what the registry has signed, and let the error say where.

        `nothing` says what was not done because of it.
        """
        data = error.evidence.encode(errors="replace")
        path = self.file.with_suffix("") / f"{hashlib.sha256(data).hexdigest()[:16]}.txt"
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        staging.write_file(path, data)
        error.hint = (
            f"Nothing was {nothing}. The evidence is in {path}: show it to who runs the registry."
            f" If they began another log on purpose, delete {self.file}."
        )
        return error


@dataclass(frozen=True, slots=True)
class Seen:
    """A tree of a log that somebody was shown: its key, the signed note, and what it says."""

    key: str
    note: str
    tree: Checkpoint

    @classmethod
    def read(cls, key: str, note: str) -> Seen:
        """Verify a note. Raises Invalid, Tampered."""
        return cls(key, note, checkpoints.read(_bytes(note), Verifier.parse(key)).checkpoint)


@dataclass(frozen=True, slots=True)
class Demand:
    """What an answer is held against: what is remembered of the registry, and what a lock has.

    Trees that a lock has of other registries count as well, where these show the same log.
    """

    registry: str
    keys: tuple[str, ...]
    """The keys that it has signed with before: one, unless it has changed it."""
    trees: tuple[Seen, ...]
    status: str = ""
    """The status note that is remembered."""

    @classmethod
    def of(cls, memory: Memory, known: Known | None, lock: Lock) -> Demand:
        """Gather it. Raises Invalid, Tampered for a proof in the lock that is none."""
        remembered = [Seen.read(known.key, known.checkpoint)] if known else []
        locked = [(entry.registry, entry.log) for entry in lock.packages.values() if entry.log]
        mine = [log.key for registry, log in locked if registry == memory.base]
        keys = dict.fromkeys([*(seen.key for seen in remembered), *mine])
        trees = [*remembered, *_largest((log for _, log in locked), first=keys)]
        note = known.status if known else ""
        return cls(memory.registry, tuple(keys), tuple(trees[:MOST_SEEN]), note)

    def seen(self) -> list[int]:
        """Return the sizes of the trees that the log has to have grown from."""
        return sorted({seen.tree.size for seen in self.trees})

    def check(self, answer: Installation, now: datetime) -> Known | None:
        """Return what is known after an answer; None of a registry without a log."""
        if answer.log is None:
            self._check_none_before()
            return None
        try:
            return self._checked(answer, answer.log, now)
        except Unproven:
            raise
        except (Invalid, Tampered) as error:
            self._unproven(str(error), "a proof that holds", "none", answer.log)

    def _checked(self, answer: Installation, log: Shown, now: datetime) -> Known:
        verifier = Verifier.parse(log.key)
        line = {log.key, *(k.text for k in handover.leading_to(verifier, log.handovers))}
        for key in self.keys:
            if key not in line:
                self._unproven(f"the key of the log of {self.registry}", key, log.key, log)
        tree = checkpoints.read(_bytes(log.checkpoint), verifier).checkpoint
        for seen in self.trees:
            if seen.key in line:
                self._check_growth(seen.tree, tree, log)
        for release in answer.plan:
            self._check_release(release, verifier, log)
        try:
            standing.check_note(log, tree, self.status, now)
        except Tampered as error:
            raise self.unproven(error, log) from None
        return Known(self.registry, log.key, log.checkpoint, log.status)

    def _check_none_before(self) -> None:
        for key in self.keys:
            self._unproven(f"the log of {self.registry}", f"one signed by {key}", "none", None)

    def _check_growth(self, old: Checkpoint, new: Checkpoint, log: Shown) -> None:
        what = f"the log of {self.registry}"
        if new.size < old.size:
            self._unproven(f"{what} has lost leaves", str(old), str(new), log)
        if old.size == 0:
            return
        proofs = {one.size: read_hashes(one.hashes) for one in log.consistency}
        hashes = proofs.get(old.size, ())
        if not is_consistent(old.size, new.size, old.root, new.root, hashes):
            self._unproven(f"{what} has another history", f"growth from {old}", str(new), log)

    def _check_release(self, release: Planned, log: Verifier, answer: Shown) -> None:
        if release.log is None:
            self._unproven(f"{release.ref} in the log", "a leaf of it", "none", answer)
        proof = check_proof(release.log, log, says(release))
        if proof.checkpoint != answer.checkpoint:
            what = f"the checkpoint in the proof of {release.ref}"
            self._unproven(what, answer.checkpoint, proof.checkpoint, answer)

    def unproven(self, error: Tampered, log: Shown | None) -> Unproven:
        """Return what was found out as something that the registry has to answer for."""
        found = error.what, error.expected, error.found
        return Unproven(
            error.what,
            expected=_short(error.expected),
            found=_short(error.found),
            evidence=self._evidence(*found, log),
        )

    def _unproven(self, what: str, expected: str, found: str, log: Shown | None) -> NoReturn:
        raise self.unproven(Tampered(what, expected=expected, found=found), log)

    def _evidence(self, what: str, expected: str, found: str, log: Shown | None) -> str:
        now = json.dumps(log.model_dump(), indent=2) if log else "(no log is shown)"
        said = f"registry: {self.registry}\n{what}\nexpected: {expected}\nfound: {found}\n"
        seen = [*(tree.note for tree in self.trees), *([self.status] if self.status else [])]
        return said + "".join(f"\n--- seen\n{note}" for note in seen) + f"\n--- now\n{now}\n"


def _largest(proofs: Iterable[Proven], first: Iterable[str]) -> list[Seen]:
    """Return the largest tree of each log that a lock has proofs of, some before the others."""
    largest: dict[str, Seen] = {}
    for kept in proofs:
        seen = Seen.read(kept.key, Proof.parse(kept.proof).checkpoint)
        if kept.key not in largest or largest[kept.key].tree.size < seen.tree.size:
            largest[kept.key] = seen
    wanted = [key for key in first if key in largest]
    return [largest[key] for key in dict.fromkeys([*wanted, *largest])]


class Kept(Protocol):
    """A proof as a plan or a lock has it."""

    @property
    def leaf(self) -> str: ...
    @property
    def statement(self) -> str: ...
    @property
    def salt(self) -> str: ...
    @property
    def proof(self) -> str: ...


def says(release: Planned) -> dict[str, Any]:
    """Return what the leaf of a planned release has to say."""
    reference = Reference.parse(release.ref)
    return {
        "name": str(reference.name),
        "version": str(reference.selector),
        "sha256": release.sha256,
        "kind": release.kind.value,
        "signer": release.signer,
    }


def check_proof(kept: Kept, log: Verifier, expected: Mapping[str, Any]) -> Proof:
    """See that a log has a leaf and that it says what is expected. Raises Invalid, Tampered."""
    proof = Proof.parse(kept.proof)
    leaf = Leaf(_bytes(kept.leaf), _bytes(kept.statement), kept.salt)
    proof.check(leaf.data, log)
    said, ref = leaf.says(), f"{expected['name']}@{expected['version']}"
    if said.get("event") not in SAYING:
        raise Tampered(f"the leaf of {ref}", expected="a publication", found=_said(said, "event"))
    for name, value in expected.items():
        if said.get(name) != value:
            what = f"the {name} of {ref} in the log"
            raise Tampered(what, expected=str(value), found=_said(said, name))
    return proof


def _said(said: Mapping[str, Any], name: str) -> str:
    return shown(str(said.get(name)), 100)


def _short(text: str) -> str:
    return shown(" ".join(text.split()), 300)


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogatepass")


@contextlib.contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Hold a folder for the moment it takes to write a file."""
    try:
        import fcntl  # noqa: PLC0415 - POSIX only; Windows goes without
    except ImportError:
        yield
        return
    with (folder / ".held").open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def witnesses(log: Shown, known: Iterable[Verifier]) -> Mapping[str, int]:
    """Return the size of the tree that each known witness has vouched for, by its name.

    Only what the newest checkpoint has grown from counts. Raises Invalid, Tampered.
    """
    verifier, looked = Verifier.parse(log.key), tuple(known)
    newest = checkpoints.read(_bytes(log.checkpoint), verifier, looked)
    found = {one.name: newest.checkpoint.size for one in newest.witnessed}
    if not log.witnessed:
        return found
    before = checkpoints.read(_bytes(log.witnessed), verifier, looked)
    old, new = before.checkpoint, newest.checkpoint
    hashes = read_hashes(log.witnessed_consistency)
    if not is_consistent(old.size, new.size, old.root, new.root, hashes):
        raise Tampered("the witnessed tree", expected=f"the beginning of {new}", found=str(old))
    return {**{one.name: old.size for one in before.witnessed}, **found}
