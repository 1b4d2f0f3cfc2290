"""What will be installed: the registry's plan, held against what was asked and against the lock.

    no references      every entry of the lock, in exactly its version
    references         these, resolved anew
    --frozen           exactly the lock, or what of it the references need; else LockOutOfDate

A registry is believed nothing that can be checked here: that it planned what was asked and no
more, that a version it served once is still the same bytes, that the same key signed, and that its
transparency log has it all (`ctxmcp.logs`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ctxmcp import standing
from ctxmcp.lock import Proven
from ctxmcp.logs import Demand, check_proof, says
from ctxmcp.standing import Standing
from registry_core.errors import (
    Conflict,
    DependencyConflict,
    Invalid,
    LockOutOfDate,
    Tampered,
    TooLarge,
    Unproven,
    Untrusted,
)
from registry_core.formats import MAX_ARTIFACT
from registry_core.names import PackageName, Range, Reference, Version
from registry_core.operations.install import Installation, Logged, Planned
from registry_core.transparency.notes import Verifier

if TYPE_CHECKING:
    from datetime import datetime

    from ctxmcp.connection import Connection
    from ctxmcp.lock import Lock, Locked
    from ctxmcp.logs import Memory
    from registry_core.operations.install import Shown

_ATTEMPTS = 3
_RELOCK = "Install without --frozen to bring the lock up to date."


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be installed, and what the registry's log has proven of it."""

    releases: list[Planned]
    log: Shown | None
    standing: Standing | None

    @property
    def proven(self) -> str:
        """What was proven, in a line; "" where the registry has no log."""
        if self.log is None:
            return ""
        origin, size, *_ = self.log.checkpoint.split("\n")
        grown = f"in the log {origin} of {size} leaves, which has only grown"
        if self.standing is None:
            return grown
        known = f"{self.standing.said.issued:%Y-%m-%d %H:%M} UTC"
        return f"{grown}; what was taken back is known as of {known}"

    def proof(self, release: Planned) -> Proven | None:
        """Return what the lock keeps of the proof of a release."""
        if self.log is None or release.log is None:
            return None
        return Proven(key=self.log.key, **release.log.model_dump())


@dataclass(frozen=True, slots=True)
class Source:
    """The registry that is asked, what is remembered of it, and the time by the user's clock."""

    connection: Connection
    memory: Memory
    now: datetime
    nothing: str = "installed"
    """What was not done, where the registry's log proves that it lies."""


async def plan(
    source: Source,
    refs: Sequence[str],
    lock: Lock,
    *,
    frozen: bool,
    include_held: bool = False,
) -> Plan:
    """Ask the registry what to install, and check its answer.

    Raises Invalid, NotFound, LockOutOfDate, DependencyConflict, Tampered, Untrusted, TooLarge,
    Unproven.
    """
    asked = [Reference.parse(text) for text in refs]
    pinned = _pinned(asked, lock, frozen=frozen)
    wanted = [Reference.parse(entry.ref) for entry in pinned] if pinned else asked
    if not wanted:
        raise Invalid(
            "there is nothing to install: no reference, and no lock",
            hint="Name a package, such as @ns/name.",
        )
    given = {"refs": [str(r) for r in wanted]} | ({"include_held": True} if include_held else {})
    answered = await ask(source, wanted, given, lock)
    found = answered.releases
    if not include_held:
        _refuse_held(found)
    if frozen:
        _check_frozen(pinned, found)
    _check_continuity(found, lock)
    _check_the_rest(found, lock)
    releases = [_remembered(planned, lock, pinned=bool(pinned)) for planned in found]
    key = answered.log.key if answered.log else ""
    return replace(answered, releases=[_proven_before(one, lock, key) for one in releases])


async def ask(
    source: Source, wanted: Sequence[Reference], given: Mapping[str, Any], lock: Lock
) -> Plan:
    """Ask for a plan, until nobody else has learned more of the registry's log meanwhile.

    Raises Tampered, Untrusted, TooLarge, Unproven, and what the registry refuses.
    """
    memory = source.memory
    for _ in range(_ATTEMPTS):
        known = memory.read()
        demand = Demand.of(memory, known, lock)
        answer = await source.connection.invoke("install", {**given, "seen": demand.seen()})
        assert isinstance(answer, Installation)  # noqa: S101 - the operation's own output
        _check_answer(wanted, answer.plan)
        try:
            now = demand.check(answer, source.now)
        except Unproven as error:
            raise memory.with_evidence(error, source.nothing) from None
        if now is None or memory.keep(known, now):
            return Plan(answer.plan, answer.log, _standing(source, demand, answer.log))
    raise Conflict(f"others are learning of {memory.registry} all the time", hint="Try again.")


def _standing(source: Source, demand: Demand, log: Shown | None) -> Standing | None:
    """Return what the registry's status note says, which was checked; None where there is none."""

    def refused(error: Tampered) -> Unproven:
        return source.memory.with_evidence(demand.unproven(error, log), source.nothing)

    if log is None or not log.status:
        return None
    return Standing(standing.read(log), source.connection, source.memory.standing, refused)


def split(planned: Planned) -> tuple[PackageName, Version]:
    """Read the name and exact version of a planned release."""
    reference = Reference.parse(planned.ref)
    if not isinstance(reference.selector, Version):
        raise Tampered("the registry's plan", expected="exact versions", found=planned.ref)
    return reference.name, reference.selector


def needed(names: Iterable[str], packages: Mapping[str, Locked]) -> set[str]:
    """Return locked packages and all locked ones that they depend on."""
    found: set[str] = set()
    open_ = [name for name in names if name in packages]
    while open_:
        name = open_.pop()
        if name not in found:
            found.add(name)
            open_ += [n for n, _ in _needs(packages[name].dependencies) if n in packages]
    return found


def _needs(dependencies: Iterable[str]) -> list[tuple[str, str]]:
    split_ = (text.partition(" ") for text in dependencies)
    return [(name, requirement) for name, _, requirement in split_]


def _pinned(asked: Sequence[Reference], lock: Lock, *, frozen: bool) -> list[Locked]:
    """Return the lock's entries to install in exactly their versions; none to resolve anew."""
    if asked and not frozen:
        return []
    if frozen and not lock.packages:
        raise LockOutOfDate("there is no lock to install from", hint=_RELOCK)
    for reference in asked:
        _check_locked(reference, lock)
    names = needed([str(r.name) for r in asked] or lock.packages, lock.packages)
    return [lock.packages[name] for name in sorted(names)]


def _check_locked(reference: Reference, lock: Lock) -> None:
    entry = lock.packages.get(str(reference.name))
    if entry is None:
        raise LockOutOfDate(f"the lock has no {reference.name}", hint=_RELOCK)
    if not satisfies(Version.parse(entry.version), reference):
        raise LockOutOfDate(f"the lock has {entry.ref}, not {reference}", hint=_RELOCK)


def satisfies(version: Version, reference: Reference) -> bool:
    """Tell whether a version is one asked for; a channel alone says nothing that can be checked."""
    selector = reference.selector
    if isinstance(selector, Version):
        return version == selector  # build metadata is no part of what was asked for
    return not isinstance(selector, Range) or selector.holds(version)


def _check_answer(wanted: Sequence[Reference], planned: Sequence[Planned]) -> None:
    there = {name: (version, p) for p in planned for name, version in [split(p)]}
    if len(there) != len(planned):
        raise Tampered("the registry's plan", expected="one version of each", found="several")
    for reference in wanted:
        version, _ = there.get(reference.name, (None, None))
        if version is None or not satisfies(version, reference):
            found = f"{reference.name}@{version}" if version else "none"
            raise Tampered("the registry's plan", expected=str(reference), found=found)
    allowed = {str(r.name) for r in wanted} | {
        n for p in planned for n, _ in _needs(p.dependencies)
    }
    exact = {r.name for r in wanted if isinstance(r.selector, Version)}
    for name, (_, release) in there.items():
        _check_release(release, wanted=str(name) in allowed, pinned=name in exact)


def _check_release(release: Planned, *, wanted: bool, pinned: bool) -> None:
    if not wanted:
        raise Tampered("the registry's plan", expected="what was asked for", found=release.ref)
    if release.yanked and not pinned:
        raise Untrusted(
            f"{release.ref} is yanked, or known to be bad",
            hint=f"Ask for exactly {release.ref} if you need it all the same.",
        )
    if release.size > MAX_ARTIFACT:
        raise TooLarge(f"{release.ref} has {release.size:,} bytes, at most {MAX_ARTIFACT:,}")


def _refuse_held(planned: Sequence[Planned]) -> None:
    for release in planned:
        if release.held:
            raise Tampered("the registry's plan", expected="no held release", found=release.ref)


def _check_frozen(pinned: Sequence[Locked], planned: Sequence[Planned]) -> None:
    locked = {entry.ref: entry.artifact_sha256 for entry in pinned}
    offered = {release.ref: release.sha256 for release in planned}
    for ref in sorted(locked.keys() | offered.keys()):
        if locked.get(ref) != offered.get(ref):
            raise LockOutOfDate(
                f"{ref}: the lock says {locked.get(ref, 'nothing')},"
                f" the registry {offered.get(ref, 'nothing')}",
                hint=_RELOCK,
            )


def _check_continuity(planned: Sequence[Planned], lock: Lock) -> None:
    for release in planned:
        name, version = split(release)
        entry = lock.packages.get(str(name))
        if entry is None:
            continue
        if entry.version == str(version) and entry.artifact_sha256 != release.sha256:
            raise Tampered(
                f"{release.ref} is not what the lock has",
                expected=entry.artifact_sha256,
                found=release.sha256,
                hint="A published version never changes; ask its publisher.",
            )
        known = name.namespace in lock.namespaces  # then `continuity` says who may sign
        if not known and entry.signer and entry.signer != release.signer:
            raise Untrusted(
                f"{release.ref} is signed by {release.signer or 'nobody'},"
                f" while {entry.ref} was signed by {entry.signer}",
                hint=f"If you trust the new key: `ctxmcp remove {name}`, then install it again.",
            )


def _check_the_rest(planned: Sequence[Planned], lock: Lock) -> None:
    """See that what stays installed can live with what is to come."""
    coming = {str(name): version for release in planned for name, version in [split(release)]}
    for entry in lock.packages.values():
        if entry.name in coming:
            continue
        for name, requirement in _needs(entry.dependencies):
            version = coming.get(name)
            if version is not None and not Range.parse(requirement).holds(version):
                raise DependencyConflict(
                    f"{entry.ref}, which is installed, needs {name} {requirement},"
                    f" and this would install {version}",
                    hint=f"Install {entry.name} with it, or remove it.",
                )


def _remembered(planned: Planned, lock: Lock, *, pinned: bool) -> Planned:
    """Keep what the lock knows: whether the user asked for it, or only another package did."""
    entry = lock.packages.get(str(split(planned)[0]))
    before = entry.requested if entry else False
    requested = before if pinned and entry else before or planned.requested
    return planned.model_copy(update={"requested": requested})


def _proven_before(planned: Planned, lock: Lock, key: str) -> Planned:
    """Keep the proof that the lock has, where it still holds: the lock of a release stays as it is.

    The registry has just proven the same of a tree that is larger, with this key of its log.
    """
    entry = lock.packages.get(str(split(planned)[0]))
    if entry is None or entry.log is None or planned.log is None or entry.log.key != key:
        return planned
    try:
        check_proof(entry.log, Verifier.parse(entry.log.key), says(planned))
    except (Invalid, Tampered):
        return planned
    kept = Logged(**entry.log.model_dump(exclude={"key"}))
    return planned.model_copy(update={"log": kept})
