"""Auditing a project: its lock, what is really on disk, and what the registry says of it today.

    disk        every file and artifact of the lock, as `check` verifies it; and what agents read
                there that no lock knows
    registry    `today`: of each release whether it is withdrawn, known to be bad or deprecated,
                whether its key was revoked, and whether there is a newer one

What one registry gave is not asked of another by its name, only by the digests of its bytes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from ctxmcp import check, staging
from ctxmcp import lock as locking
from ctxmcp.changes import NEW
from ctxmcp.hosts import managed_folders
from ctxmcp.lock import LINK, Lock
from registry_core.errors import Conflict, Tampered, Unavailable
from registry_core.operations.audit import (
    MOST_ASKED,
    MOST_DIGESTS,
    Audited,
    Had,
    Standing,
    Stranger,
)

if TYPE_CHECKING:
    from pathlib import Path

    from ctxmcp.connection import Connection
    from ctxmcp.lock import Locked
    from ctxmcp.staging import Places
    from registry_core.operations.verify import Checked

MOST_UNLOCKED = 1000
"""Things that no lock knows, at most; what is beyond is said not to have been looked at."""

_ASKED = 5000
"""Digests of one question, at most."""

_TODAY = "yanks, revocations, advisories, revoked keys, deprecations and newer versions"


async def audit(connection: Connection, places: Places, *, offline: bool) -> Audited:
    """Audit a project. Raises Invalid for a lock that is none."""
    lock = await asyncio.to_thread(locking.read, places.project)
    checked = await asyncio.to_thread(check.locked, lock, places)
    unlocked = _Unlocked(lock, places)
    found = await asyncio.to_thread(lambda: [*unlocked.find()])
    had = [*(_had(entry, connection.base) for entry in lock.packages.values()), *_copies(found)]
    reached, said = True, [Standing(ref="") for _ in had]
    not_checked = [*unlocked.not_checked, *_elsewhere(lock, connection.base)]
    if offline:
        not_checked.append(f"{_TODAY}: no registry was asked")
    else:
        try:
            said = await today(connection, had)
        except Unavailable as error:
            reached = False
            not_checked.append(f"{_TODAY}: {error.message}")
    releases = [_with(disk, standing) for disk, standing in zip(checked, said, strict=False)]
    bytes_ = said[len(checked) :]
    strangers = [
        Stranger(path=one.path, advisories=standing.advisories)
        for one, standing in zip(found, bytes_, strict=True)
    ]
    return Audited(
        ok=reached
        and not any(one.problems or one.refused for one in releases)
        and not any(one.advisories for one in strangers),
        registry=connection.base,
        project=str(places.project),
        releases=releases,
        unlocked=strangers,
        not_checked=not_checked,
        reached=reached,
    )


async def today(connection: Connection, had: Sequence[Had]) -> list[Standing]:
    """Return what the registry says of each release today, in their order.

    Raises Unavailable, Tampered for an answer about something else.
    """
    found: list[Standing] = []
    for some in _batches(had):
        asked = [one.model_dump(exclude_defaults=True) for one in some]
        answer = await connection.invoke("audit", {"had": asked})
        assert isinstance(answer, Audited)  # noqa: S101 - the operation's own output
        told = [one.ref for one in answer.releases]
        if told != [one.ref for one in some]:
            raise Tampered("what the registry says of releases", expected="each", found=str(told))
        found += answer.releases
    return found


def _batches(had: Iterable[Had]) -> Iterator[list[Had]]:
    some: list[Had] = []
    for one in had:
        if len(some) == MOST_ASKED or sum(len(h.sha256) for h in (*some, one)) > _ASKED:
            yield some
            some = []
        some.append(one)
    if some:
        yield some


def _had(entry: Locked, registry: str) -> Had:
    digests = sorted({d for d in entry.targets.values() if not d.startswith(LINK)})
    ref = entry.ref if entry.registry == registry else ""
    return Had(ref=ref, artifact=entry.artifact_sha256, sha256=digests[:MOST_DIGESTS])


def _copies(found: Iterable[_Found]) -> Iterator[Had]:
    return (Had(sha256=list(one.digests)) for one in found)


def _elsewhere(lock: Lock, registry: str) -> Iterator[str]:
    """Say of what another registry gave that this one was asked for its bytes alone."""
    for other in sorted({entry.registry for entry in lock.packages.values()} - {registry}):
        names = [entry.name for entry in lock.packages.values() if entry.registry == other]
        yield (
            f"what {other} says of {', '.join(names[:5])}{' and others' * (len(names) > 5)}:"
            f" `--registry` names one registry, here {registry}"
        )


def _with(disk: Checked, standing: Standing) -> Standing:
    return standing.model_copy(update={"ref": disk.what, "problems": disk.problems})


@dataclass(frozen=True, slots=True)
class _Found:
    """Something on disk that the lock does not know, and the digests of its files."""

    path: str
    digests: tuple[str, ...]


class _Unlocked:
    """What stands in the folders that ctxmcp installs to, and is not the lock's."""

    def __init__(self, lock: Lock, places: Places) -> None:
        self._places = places
        self._targets = frozenset(lock.owners())
        parents = (PurePosixPath(target).parents for target in self._targets)
        self._folders = {folder.as_posix() for some in parents for folder in some}
        self.not_checked: list[str] = []

    def find(self) -> Iterator[_Found]:
        """Look through the folders."""
        seen: set[Path] = set()
        count = 0
        for folder, levels in managed_folders().items():
            base = self._base(folder)
            if base is None or base.resolve() in seen:
                continue
            seen.add(base.resolve())
            for path in self._below(base, levels):
                for one in self._look(path):
                    count += 1
                    if count > MOST_UNLOCKED:
                        self.not_checked.append(f"more than {MOST_UNLOCKED} things in no lock")
                        return
                    yield one

    def _base(self, folder: str) -> Path | None:
        try:
            base = self._places.at(f"{folder}/x").parent
        except Conflict as error:
            self.not_checked.append(f"{folder}: {error.message}")
            return None
        return base if base.is_dir() else None

    def _below(self, folder: Path, levels: int) -> Iterator[Path]:
        for path in sorted(folder.iterdir()):
            if levels > 1 and path.is_dir() and not path.is_symlink():
                yield from self._below(path, levels - 1)
            else:
                yield path

    def _look(self, path: Path) -> Iterator[_Found]:
        """Give what the lock does not know at a path: all of it as one thing, or some files."""
        target = path.relative_to(self._places.project).as_posix()
        if target in self._targets or self._is_beside(target):
            return
        if path.is_symlink() or not path.is_dir():
            yield _Found(target, tuple(_digests([path])))
        elif target in self._folders:
            for below in sorted(path.iterdir()):
                yield from self._look(below)
        else:
            files = [p for p in sorted(path.rglob("*")) if not p.is_symlink() and p.is_file()]
            if len(files) > MOST_DIGESTS:
                self.not_checked.append(f"{target}/: more than {MOST_DIGESTS} files of it")
            yield _Found(f"{target}/", tuple(_digests(files[:MOST_DIGESTS])))

    def _is_beside(self, target: str) -> bool:
        """Tell whether it is a package's own file, beside one that the user has edited."""
        return target.removesuffix(NEW) in self._targets


def _digests(files: Iterable[Path]) -> Iterator[str]:
    for path in files:
        state = staging.state_of(path)
        if state not in {None, staging.FOLDER} and not str(state).startswith(LINK):
            yield str(state)
