"""Installing into a project and removing from it: plan, fetch, verify, stage, decide, move, lock.

    plan      the registry resolves; its answer is held against the request, the lock and its log,
              the policies, and the keys that were believed so far
    fetch     under the planned size, a few at once
    verify    digest, then the registry's own checks, under the planned name, version and signer,
              that it needs what was planned for it, then what the policies ask of each package,
              and that the registry's status knows none of its files to be bad
    stage     every file on the project's disk, in a folder that no agent host watches
    decide    against what stands there; a conflict ends here, and nothing was written
    move      the lock says what may be old or new, the files are renamed, the lock says what is

Nothing is ever run. A crash leaves each target as it was or as it shall be, and the next
installation goes on from there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import Field

from ctxmcp import changes as changing
from ctxmcp import check, continuity, hosts, planning, staging
from ctxmcp import lock as locking
from ctxmcp.changes import Changes, Staged
from ctxmcp.hosts import Audience
from ctxmcp.hosts.layout import Layout, lay_out, unit
from ctxmcp.hosts.rendering import link_text
from ctxmcp.lock import LOCK, Lock, Locked
from ctxmcp.policy import NONE, Policies
from ctxmcp.staging import Places, Stage
from registry_core.errors import NotFound, Tampered
from registry_core.names import Reference, Version, shown
from registry_core.operation import Model
from registry_core.operations.install import Installation, Planned, Written
from registry_core.verification import Binding

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from ctxmcp.connection import Connection, Progress
    from ctxmcp.logs import Memory
    from ctxmcp.planning import Plan
    from registry_core.formats import Candidate

T = TypeVar("T")
AT_ONCE = 4


class Removal(Model):
    """What was removed, and what of it was kept."""

    removed: list[str] = Field(description="@ns/name@version of each.")
    project: str
    written: list[Written]
    lock: str
    notes: list[str]


@dataclass(frozen=True, slots=True)
class Site:
    """Where packages are installed, and whose hosts are looked for."""

    places: Places
    home: Path

    @property
    def project(self) -> Path:
        """The folder of the project."""
        return self.places.project


@dataclass(frozen=True, slots=True)
class Wish:
    """What the user asked for."""

    refs: Sequence[str]
    now: datetime
    policies: Policies = NONE
    frozen: bool = False
    dry_run: bool = False
    include_held: bool = False


async def install(
    connection: Connection,
    memory: Memory,
    site: Site,
    wish: Wish,
    progress: Progress | None = None,
) -> Installation:
    """Install packages and what they need.

    Raises what `planning.plan` and `continuity.check` raise, PolicyRefused, Tampered, Rejected,
    InvalidPackage, and Conflict.
    """
    with staging.alone(site.project):
        lock = locking.read(site.project)
        plan = await planning.plan(
            planning.Source(connection, memory, wish.now),
            wish.refs,
            lock,
            frozen=wish.frozen,
            include_held=wish.include_held,
        )
        wish.policies.check_plan(plan, wish.now)
        pins, broken = await continuity.check(connection, plan.releases, lock, wish.now)
        if plan.standing is not None:
            await plan.standing.check(plan.releases)
        told = Installation(
            plan=[release.model_copy(update={"log": None}) for release in plan.releases],
            proven=plan.proven,
            project=str(site.project),
            notes=[*_notes(plan.releases), *broken],
        )
        if wish.dry_run:
            return told
        lock = lock.believing(pins)
        staging.sweep(site.project)
        with Stage(site.places) as stage:
            bench = _bench(stage, site, lock, connection.base, plan, wish.policies)
            fetched = await _fetch_all(connection, bench, progress)
            changes = await _to_its_end(_commit, stage, fetched, lock)
    return told.model_copy(
        update={
            "installed": True,
            "written": changes.written(),
            "lock": LOCK,
            "notes": [*told.notes, *(n for f in fetched for n in f.notes), *changes.notes()],
        }
    )


def remove(site: Site, refs: Sequence[str]) -> Removal:
    """Remove installed packages, and those that nothing needs any more.

    Raises NotFound for what is not installed.
    """
    with staging.alone(site.project):
        lock = locking.read(site.project)
        names = [_installed_name(ref, lock) for ref in refs]
        unwanted = [lock.packages[n].model_copy(update={"requested": False}) for n in names]
        rest = lock.with_(unwanted)
        roots = [entry.name for entry in rest.packages.values() if entry.requested]
        stays = planning.needed(roots, rest.packages)
        leaving = [entry for entry in rest.packages.values() if entry.name not in stays]
        changes = changing.decide(site.places, (), leaving, lock)
        with Stage(site.places) as stage:
            after = rest.with_((), without=[entry.name for entry in leaving])
            changing.write_lock(site.project, changing.meanwhile(changes, (), leaving, rest))
            changing.carry_out(stage, changes, after)
    return Removal(
        removed=[entry.ref for entry in leaving],
        project=str(site.project),
        written=changes.written(),
        lock=LOCK,
        notes=[f"{name} stays: another package needs it" for name in names if name in stays],
    )


@dataclass(frozen=True, slots=True)
class _Fetched:
    """One package that was verified and stands in staging."""

    staged: Staged
    notes: tuple[str, ...]
    digests: frozenset[str]
    """What it may be known by to be bad."""


@dataclass(frozen=True, slots=True)
class _Bench:
    """What every package of one installation is prepared with."""

    stage: Stage
    audience: Audience
    linking: bool
    registry: str
    plan: Plan
    policies: Policies

    def prepare(self, planned: Planned, data: bytes) -> _Fetched:
        """Verify an artifact as what was planned, and stage what it becomes."""
        name, version = planning.split(planned)
        check.check_digest(f"download of {planned.ref}", data, planned.sha256)
        package, report = check.read_reported(
            data,
            planned.media_type,
            Binding(name, version),
            kind=planned.kind,
            signer=planned.signer,
        )
        _check_dependencies(planned, package.candidate)
        self.policies.check_package(planned, package.candidate, report)
        layout = lay_out(package, self.audience, linking=self.linking)
        entry = Locked(
            name=str(name),
            version=str(version),
            artifact_sha256=planned.sha256,
            registry=self.registry,
            kind=planned.kind,
            signer=planned.signer or "",
            requested=planned.requested,
            dependencies=planned.dependencies,
            targets=self._staged(layout),
            log=self.plan.proof(planned),
        )
        what = {file.target: file.what for file in layout.files}
        return _Fetched(Staged(entry, what), layout.notes, package.candidate.known_by)

    def _staged(self, layout: Layout) -> dict[str, str]:
        put, link = self.stage.put, self.stage.link
        files = {f.target: put(f.target, f.data, executable=f.executable) for f in layout.files}
        return files | {target: link(target, link_text(target)) for target in layout.links}


def _check_dependencies(planned: Planned, package: Candidate) -> None:
    """See that the registry let in for a package's sake what that itself asks for, and no more."""
    declared = [f"{needed.name} {needed.requirement}".strip() for needed in package.dependencies]
    if sorted(planned.dependencies) != sorted(declared):
        raise Tampered(
            f"what {planned.ref} depends on",
            expected=shown(", ".join(declared) or "nothing", 300),
            found=shown(", ".join(planned.dependencies) or "nothing", 300),
            hint="The registry's plan is not what the package says; ask who runs it.",
        )


async def _fetch_all(
    connection: Connection, bench: _Bench, progress: Progress | None
) -> list[_Fetched]:
    """Fetch, verify and stage every planned release; the first refusal ends all."""
    plan = bench.plan.releases
    turns, done = asyncio.Semaphore(AT_ONCE), 0

    async def one(planned: Planned) -> _Fetched:
        nonlocal done
        async with turns:
            data = await connection.artifact(planned.url, planned.sha256, planned.size)
            fetched = await _to_its_end(bench.prepare, planned, data)
            if bench.plan.standing is not None:
                await bench.plan.standing.check_files(planned, fetched.digests)
        done += 1
        await _tell(progress, done, len(plan), planned.ref)
        return fetched

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(planned)) for planned in plan]
    except ExceptionGroup as found:
        raise found.exceptions[0] from None
    return [task.result() for task in tasks]


async def _to_its_end(work: Callable[..., T], *given: Any) -> T:
    """Run `work` in a thread; whoever is cancelled waits for it, since it writes into the stage."""
    running = asyncio.get_running_loop().run_in_executor(None, work, *given)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait({running})
        raise


async def _tell(progress: Progress | None, done: int, total: int, message: str) -> None:
    told = progress(done, total, message) if progress else None
    if told is not None:
        await told


def _bench(
    stage: Stage, site: Site, lock: Lock, registry: str, plan: Plan, policies: Policies
) -> _Bench:
    audience = hosts.audience(site.project, site.home)
    linking = stage.links_work() and not _has_copies(audience, lock)
    return _Bench(stage, audience, linking, registry, plan, policies)


def _has_copies(audience: Audience, lock: Lock) -> bool:
    """Tell whether skills were copied here: what began with copies goes on with them."""
    return any(
        target.startswith(f"{folder}/") and target != unit(target)
        for folder in audience.skill_folders
        for target in lock.owners()
    )


def _commit(stage: Stage, fetched: Sequence[_Fetched], lock: Lock) -> Changes:
    staged = [one.staged for one in fetched]
    changes = changing.decide(stage.places, staged, (), lock)
    if changes.any:
        changing.write_lock(stage.places.project, changing.meanwhile(changes, staged, (), lock))
    changing.carry_out(stage, changes, lock.with_(one.entry for one in staged))
    return changes


def _notes(plan: Sequence[Planned]) -> Iterator[str]:
    for release in plan:
        if release.yanked:
            yield f"{release.ref} is yanked, or known to be bad: `trust` says why"
        if release.deprecated:
            yield f"{release.ref} is deprecated by its publisher: `trust` says what to use"
        if release.held:
            yield f"{release.ref} is held: nobody has looked yet at what a check found in it"
        if release.signer is None:
            yield f"{release.ref} is not signed: nobody vouches for it"


def _installed_name(ref: str, lock: Lock) -> str:
    reference = Reference.parse(ref)
    entry = lock.packages.get(str(reference.name))
    if entry is None:
        raise NotFound(f"{reference.name} is not installed here")
    if isinstance(reference.selector, Version) and str(reference.selector) != entry.version:
        raise NotFound(f"{reference} is not installed here", hint=f"{entry.ref} is.")
    return entry.name
