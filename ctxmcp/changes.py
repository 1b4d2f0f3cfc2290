"""What installing or removing changes on disk: decided first, whole, then carried out.

For each target, what stands there is compared with what shall stand there and with what the lock
recorded when it was written:

    there is nothing, or the recorded file        it is written
    it is what shall stand there                  nothing is done
    it is a recorded file that the user edited    it is kept; if the package's own file changed
                                                  too, the new one is written beside, as FILE.new
    it is a file the lock knows nothing of        Conflict, before anything is written

The same holds for files that a new version no longer has, or a removed package: edited ones stay.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ctxmcp import staging
from ctxmcp.hosts.layout import unit, units
from ctxmcp.lock import LINK, LOCK, Lock, Locked
from ctxmcp.staging import FOLDER, Places, Stage
from registry_core.errors import Conflict
from registry_core.operations.install import Written

if TYPE_CHECKING:
    from pathlib import Path

NEW = ".new"
_MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Staged:
    """One package whose files stand in staging: its entry as the lock will have it."""

    entry: Locked
    what: Mapping[str, str] = field(default_factory=dict)
    """Target -> the word for having written it."""


@dataclass(slots=True)
class Changes:
    """Targets to write, to write beside and to remove; and all that there is to tell."""

    moves: list[str] = field(default_factory=list)
    beside: list[str] = field(default_factory=list)
    removals: list[str] = field(default_factory=list)
    outcome: dict[str, str] = field(default_factory=dict)
    strangers: list[str] = field(default_factory=list)

    @property
    def any(self) -> bool:
        """Whether the disk will differ."""
        return bool(self.moves or self.beside or self.removals)

    def written(self) -> list[Written]:
        """Tell what became of each target; one line for a folder with one outcome."""
        return list(_summary(self.outcome))

    def notes(self) -> Iterator[str]:
        """Tell about files that were not replaced."""
        for target in self.beside:
            yield f"{target} was edited and is kept; the package's own is in {target}{NEW}"


def decide(
    places: Places, staged: Iterable[Staged], leaving: Iterable[Locked], lock: Lock
) -> Changes:
    """Compare what shall be with what is. Raises Conflict where something is in the way."""
    coming, changes = list(staged), Changes()
    _check_owners(coming, lock)
    for package in coming:
        before = lock.packages.get(package.entry.name)
        for target, digest in package.entry.targets.items():
            _place(changes, places, target, digest, before, package.what.get(target, "installed"))
        if before:
            _drop(changes, places, before, before.known - package.entry.known)
    for entry in leaving:
        _drop(changes, places, entry, entry.known)
    if changes.strangers:
        raise _in_the_way(changes.strangers)
    return changes


def carry_out(stage: Stage, changes: Changes, after: Lock) -> None:
    """Move what is staged, remove what leaves, write the lock; each step leaves it true."""
    for folder, targets in units(changes.moves).items():
        stage.move_unit(folder, targets)
    for target in changes.beside:
        stage.move(target, f"{target}{NEW}")
    for target in changes.removals:
        staging.remove(stage.places, target)
    write_lock(stage.places.project, after)


def write_lock(project: Path, lock: Lock) -> None:
    """Write the lock of a project, in one rename."""
    staging.write_file(project / LOCK, lock.text().encode())


def meanwhile(
    changes: Changes, staged: Iterable[Staged], leaving: Iterable[Locked], lock: Lock
) -> Lock:
    """Return the lock that is true at every moment of `carry_out`."""
    entries = [_open(changes, s.entry, lock.packages.get(s.entry.name)) for s in staged]
    entries += [_open(changes, e.model_copy(update={"targets": {}}), e) for e in leaving]
    return lock.with_(entries)


def _open(changes: Changes, coming: Locked, before: Locked | None) -> Locked:
    """Move what is about to change from `targets` to `pending`, with every digest it may have."""
    settled = dict(before.targets) if before else {}
    pending = dict(before.pending) if before else {}
    mine = coming.known | (before.known if before else frozenset())
    for target in mine.intersection((*changes.moves, *changes.removals)):
        old = before.recorded(target) if before else frozenset()
        new = {coming.targets[target]} if target in coming.targets else set()
        settled.pop(target, None)
        pending[target] = sorted(old | new)
    return (before or coming).model_copy(update={"targets": settled, "pending": pending})


def _check_owners(coming: list[Staged], lock: Lock) -> None:
    """See that no two packages, installed or to be, want one place."""
    names = {package.entry.name for package in coming}
    owners = {t: owner for t, owner in lock.owners().items() if owner not in names}
    for package in coming:
        for target in package.entry.targets:
            other = owners.setdefault(target, package.entry.name)
            if other != package.entry.name:
                raise Conflict(
                    f"{other} and {package.entry.name} both want {unit(target)}",
                    hint=f"One of them only: `ctxmcp remove {other}` makes room.",
                )


def _place(
    changes: Changes,
    places: Places,
    target: str,
    digest: str,
    before: Locked | None,
    word: str,
) -> None:
    there = places.state(target)
    recorded = before.recorded(target) if before else frozenset()
    if there == digest:
        changes.outcome[target] = "unchanged"
    elif there is None or there in recorded:
        changes.moves.append(target)
        changes.outcome[target] = "linked" if digest.startswith(LINK) else word
    elif recorded and there != FOLDER:
        _keep(changes, places, target, digest, recorded)
        return
    else:
        changes.strangers.append(target)
    _drop_beside(changes, places, target, recorded)


def _keep(
    changes: Changes, places: Places, target: str, digest: str, recorded: frozenset[str]
) -> None:
    changes.outcome[target] = "kept (user edits)"
    if digest in recorded or digest.startswith(LINK):
        return
    if places.state(f"{target}{NEW}") in {None, digest, *recorded}:
        changes.beside.append(target)
        changes.outcome[f"{target}{NEW}"] = "installed beside your edited file"
    else:
        changes.outcome[f"{target}{NEW}"] = "kept (no room for the package's own)"


def _drop(changes: Changes, places: Places, entry: Locked, targets: Iterable[str]) -> None:
    for target in sorted(targets):
        there = places.state(target)
        if there in entry.recorded(target):
            changes.removals.append(target)
            changes.outcome[target] = "removed"
        elif there is not None:
            changes.outcome[target] = "kept (user edits)"
        _drop_beside(changes, places, target, entry.recorded(target))


def _drop_beside(changes: Changes, places: Places, target: str, recorded: frozenset[str]) -> None:
    """Remove a FILE.new that we wrote and nobody touched, once it has no more use."""
    if recorded and places.state(f"{target}{NEW}") in recorded:
        changes.removals.append(f"{target}{NEW}")


def _in_the_way(strangers: list[str]) -> Conflict:
    more = len(strangers) - _MOST_NAMED
    named = ", ".join(strangers[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
    return Conflict(
        f"not installed by ctxmcp and in the way: {named}",
        hint="Move them away, then install again. Nothing was written.",
    )


_ROUTINE = ("installed", "pointer", "linked", "unchanged")
"""Words that one line for a folder may stand for, the one that says most first."""


def _summary(outcome: Mapping[str, str]) -> Iterator[Written]:
    for folder, targets in units(sorted(outcome)).items():
        words = {outcome[target] for target in targets}
        whole = next((w for w in _ROUTINE if w in words), words.pop() if len(words) == 1 else "")
        if targets == [folder] or not whole:
            whole, special = "", targets
        else:
            special = [t for t in targets if outcome[t] not in {whole, *_ROUTINE}]
        if whole:
            yield Written(path=f"{folder}/", what=whole)
        yield from (Written(path=target, what=outcome[target]) for target in special)
