"""The statements that read and write packages and releases.

Two rules live here because everything passes through here: a package that a caller may not see
does not exist for that caller (`find`, `list`); and whatever is done to a release, what the package
says now (its latest release, how many there are) and what others make of it (the verdict) change
in the same transaction, with their events (`_act`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, delete, insert, or_, select, true, update
from sqlalchemy.exc import IntegrityError

from registry_core import keyring
from registry_core.accounts import claim as claim_namespace
from registry_core.callers import Caller, Scope
from registry_core.canonical import digest
from registry_core.errors import Conflict, Forbidden, NotFound
from registry_core.events import Draft
from registry_core.events.kinds import EventKind
from registry_core.formats import Visibility
from registry_core.keys import Ring
from registry_core.names import Kind, PackageName, Version, newest_first, shown
from registry_core.packages import (
    Claim,
    Details,
    Listed,
    NewRelease,
    Package,
    Price,
    Release,
    State,
    Summary,
    Waiting,
)
from registry_core.schema import cards, packages, release_details, releases

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement, Row
    from sqlalchemy.ext.asyncio import AsyncConnection

    from registry_core.events.journal import Journal


# Built once: putting a statement together costs more than running it.
_LOAD = (
    select(packages, releases)
    .outerjoin(releases, releases.c.package_id == packages.c.id)
    .where(packages.c.namespace == bindparam("namespace"), packages.c.name == bindparam("name"))
)
_THESE = packages.c.id.in_(bindparam("ids", expanding=True))
_BY_ID = (
    select(packages, releases)
    .outerjoin(releases, releases.c.id == packages.c.latest_id)
    .where(_THESE)
)
_LISTED = (
    select(
        *(packages.c[column] for column in ("id", "namespace", "name", "kind", "downloads")),
        *(releases.c[column] for column in ("version", "description", "tags", "signer", "outcome")),
    )
    .join(releases, releases.c.id == packages.c.latest_id)
    .where(_THESE)
)
_INSERT_PACKAGE = insert(packages).returning(packages.c.id)
_INSERT_RELEASE = insert(releases).returning(releases.c.id)
_INSERT_DETAILS = insert(release_details)
_REPORT = select(release_details.c.report).where(release_details.c.release_id == bindparam("of"))
_RELEASED = (
    update(packages)
    .where(packages.c.id == bindparam("of"))
    .values(
        latest_id=bindparam("newest"),
        release_count=packages.c.release_count + 1,
        updated_at=bindparam("now"),
    )
)


Weigh = Callable[[Package, Release, Mapping[str, Any], Ring], str]
"""Says the verdict on a release, by its report as it is stored and its namespace's keys."""


@dataclass(frozen=True, slots=True)
class Scales:
    """What weighs a release before and after something is done: with the keys of that time."""

    weigh: Weigh
    before: Ring
    after: Ring


@dataclass(frozen=True, slots=True)
class _Act:
    """Something that is done to a release: who may, what it writes, and the event it is."""

    kind: EventKind
    reason: str
    allowed: Callable[[Caller, str], bool]
    values: Callable[[Release, datetime], Mapping[str, Any]]
    """Columns of `releases` to write; none where nothing is left to do. May raise Conflict."""


class Packages:
    """The packages of one registry."""

    def __init__(self, journal: Journal, weigh: Weigh) -> None:
        self._journal = journal
        self._weigh = weigh

    async def find(self, name: PackageName, caller: Caller) -> Package:
        """Return a package that the caller may see. Raises NotFound for every other."""
        async with self._journal.database.read() as connection:
            package = await load(connection, name)
        if package is None or not _exists_for(caller, package):
            raise NotFound(
                f"no package {name}",
                hint="Check the spelling; a private package needs a token of its namespace.",
            )
        return package

    async def list(
        self, caller: Caller, *, kind: Kind | None = None, namespace: str | None = None
    ) -> Sequence[Summary]:
        """Return the packages with a release that the caller may see, by name."""
        statement = (
            select(packages, releases)
            .join(releases, releases.c.id == packages.c.latest_id)
            .where(visible_to(caller))
            .where(packages.c.kind == kind.value if kind else true())
            .where(packages.c.namespace == namespace if namespace else true())
            .order_by(packages.c.namespace, packages.c.name)
        )
        async with self._journal.database.read() as connection:
            return [summary_of(row) for row in await connection.execute(statement)]

    async def page(
        self, caller: Caller, kind: Kind, *, after: PackageName | None, limit: int
    ) -> Sequence[tuple[Summary, Details]]:
        """Return packages of a kind with what their latest releases hold, by name, in pages."""
        statement = (
            select(packages, releases, release_details.c.files, release_details.c.readme)
            .join(releases, releases.c.id == packages.c.latest_id)
            .join(release_details, release_details.c.release_id == releases.c.id)
            .where(visible_to(caller), packages.c.kind == kind.value)
            .where(_behind(after) if after else true())
            .order_by(packages.c.namespace, packages.c.name)
            .limit(limit)
        )
        async with self._journal.database.read() as connection:
            rows = (await connection.execute(statement)).all()
        return [(summary_of(row), Details(tuple(row.files), row.readme, "", {})) for row in rows]

    async def by_id(self, ids: Sequence[int]) -> Mapping[int, Summary]:
        """Return packages with their latest releases by id, whoever may see them."""
        async with self._journal.database.read() as connection:
            rows = await connection.execute(_BY_ID, {"ids": ids})
            found = [summary_of(row) for row in rows]
        return {package.id: package for package in found}

    async def listed(self, ids: Sequence[int]) -> Mapping[int, Listed]:
        """Return of packages that have a release what a list says, whoever may see them."""
        async with self._journal.database.read() as connection:
            rows = (await connection.execute(_LISTED, {"ids": ids})).all()
        return {
            number: Listed(PackageName(namespace, name), Kind(kind), *rest)
            for number, namespace, name, kind, *rest in rows
        }

    async def details(self, release: Release) -> Details:
        """Return what a release holds."""
        statement = select(release_details).where(release_details.c.release_id == release.id)
        async with self._journal.database.read() as connection:
            row = (await connection.execute(statement)).one()
        return Details(tuple(row.files), row.readme, row.body, row.report, row.rules)

    async def indexable(self, package_ids: Sequence[int]) -> Mapping[int, tuple[Summary, str]]:
        """Return what search reads of each package that has a release to resolve to."""
        statement = (
            select(packages, releases, release_details.c.body)
            .join(releases, releases.c.id == packages.c.latest_id)
            .join(release_details, release_details.c.release_id == releases.c.id)
            .where(packages.c.id.in_(package_ids))
        )
        async with self._journal.database.read() as connection:
            rows = (await connection.execute(statement)).all()
        # A snippet shows what is indexed, so of what is for sale that is its description.
        return {
            row[0]: (_shelved(summary_of(row)), "" if row.price_cents else row.body) for row in rows
        }

    async def admit(self, claim: Claim, caller: Caller) -> tuple[Package | None, Ring]:
        """Say whether the caller may publish this version now, without writing anything.

        Returns the package as it is, None where this is its first release, and the keys of its
        namespace.
        """
        async with self._journal.database.read() as connection:
            package = await load(connection, claim.name)
            _refuse(package, claim, caller)
            ring = await keyring.ring(self._journal, connection, claim.name.namespace)
        return package, ring

    async def record(self, new: NewRelease, caller: Caller) -> Visibility:
        """Write a release and its event. Of two that race for a version one raises Conflict.

        Returns the visibility that its package has, which may be narrower than the release's.
        """

        async def work(connection: AsyncConnection) -> Visibility:
            await claim_namespace(self._journal, connection, new.name.namespace, caller)
            package = await load(connection, new.name)
            _refuse(package, new, caller)
            now = self._journal.now()
            visibility = package.visibility if package else new.visibility
            await keyring.admit(
                self._journal,
                connection,
                new.name.namespace,
                new.signing,
                new.judged,
                caller,
                private=visibility is Visibility.PRIVATE,
            )
            package_id = (
                package.id
                if package
                else await insert_package(connection, new.name, new.kind, new.visibility, now)
            )
            draft = _published(new, package_id, visibility, caller)
            position = await self._journal.append(connection, draft)
            row = {"package_id": package_id, "position": position, "published_at": now}
            release_id = await _insert_release(connection, new, row, caller)
            if new.advisories:
                await settle(connection, new.name, now)
            elif new.state is State.RELEASED:
                newest = _latest_with(package, new.version, release_id)
                await connection.execute(
                    _RELEASED, {"of": package_id, "newest": newest, "now": now}
                )
            return visibility

        try:
            return await self._journal.write(work)
        except IntegrityError as error:
            raise _exists(new.name, new.version) from error

    async def yank(
        self, name: PackageName, version: Version, reason: str, caller: Caller
    ) -> Release:
        """Take a release out of resolution; doing it again keeps the first reason."""
        return await self._act(name, version, _yanking(reason), caller)

    async def unyank(
        self, name: PackageName, version: Version, reason: str, caller: Caller
    ) -> Release:
        """Let a yanked release resolve again."""

        def values(release: Release, now: datetime) -> Mapping[str, Any]:
            return {"yanked_at": None, "yank_reason": None} if release.yanked else {}

        act = _Act(EventKind.PACKAGE_UNYANKED, reason, _publishes, values)
        return await self._act(name, version, act, caller)

    async def hold(
        self, name: PackageName, version: Version, reason: str, caller: Caller
    ) -> Release:
        """Take a release out of everything until a reviewer has looked at it."""
        return await self._decide(name, version, State.HELD, reason, caller)

    async def release(
        self, name: PackageName, version: Version, reason: str, caller: Caller
    ) -> Release:
        """Let a held release resolve."""
        return await self._decide(name, version, State.RELEASED, reason, caller)

    async def reject(
        self, name: PackageName, version: Version, reason: str, caller: Caller
    ) -> Release:
        """Decide that a held release never resolves."""
        return await self._decide(name, version, State.REJECTED, reason, caller)

    async def revoke(
        self, name: PackageName, version: Version, reason: str, caller: Caller
    ) -> Release:
        """Serve a release to nobody any more; its publisher may do that, or a reviewer."""
        return await self._decide(name, version, State.REVOKED, reason, caller)

    async def waiting(
        self, *, namespace: str | None = None, after: int = 0, limit: int = 50
    ) -> Sequence[Waiting]:
        """Return the held releases with an id after one, oldest first, whoever may see them."""
        statement = (
            select(packages, releases, release_details.c.report)
            .join(releases, releases.c.package_id == packages.c.id)
            .join(release_details, release_details.c.release_id == releases.c.id)
            .where(releases.c.state != State.RELEASED.value)  # as the partial index says it
            .where(releases.c.state == State.HELD.value, releases.c.id > after)
            .where(packages.c.namespace == namespace if namespace else true())
            .order_by(releases.c.id)
            .limit(limit)
        )
        async with self._journal.database.read() as connection:
            rows = (await connection.execute(statement)).all()
        return [_waiting(row) for row in rows]

    async def set_visibility(
        self, name: PackageName, visibility: Visibility, caller: Caller
    ) -> Package:
        """Make a package, with all of its releases, public or private."""

        async def work(connection: AsyncConnection) -> Package:
            package = await _owned(connection, name, caller)
            if package.visibility is not visibility:
                await connection.execute(
                    update(packages)
                    .where(packages.c.id == package.id)
                    .values(visibility=visibility.value, updated_at=self._journal.now())
                )
                # Private also when it becomes public: until now nobody else knew the name.
                await self._journal.append(
                    connection,
                    about(
                        package,
                        EventKind.VISIBILITY_CHANGED,
                        caller,
                        {"visibility": visibility.value},
                        private=True,
                    ),
                )
            return await _owned(connection, name, caller)

        return await self._journal.write(work)

    async def deprecate(
        self, name: PackageName, reason: str | None, replacement: str | None, caller: Caller
    ) -> Package:
        """Tell everybody to use something else; without a reason take that back."""

        async def work(connection: AsyncConnection) -> Package:
            package = await _owned(connection, name, caller)
            if (package.deprecated, package.replacement) == (reason, replacement):
                return package
            await connection.execute(
                update(packages)
                .where(packages.c.id == package.id)
                .values(deprecated=reason, replacement=replacement)
            )
            payload = {"reason": reason, "replacement": replacement}
            because = EventKind.PACKAGE_DEPRECATED
            await self._journal.append(connection, about(package, because, caller, payload))
            after = await _owned(connection, name, caller)
            ring = await keyring.ring(self._journal, connection, name.namespace)
            scales = Scales(self._weigh, ring, ring)
            for release in package.releases:
                was = package, release
                draft = await verdict_changed(connection, scales, was, after, because, caller)
                if draft is not None:
                    await self._journal.append(connection, draft)
            return after

        return await self._journal.write(work)

    async def point(
        self,
        name: PackageName,
        channel: str,
        version: Version | None,
        caller: Caller,
        *,
        new: bool | None = None,
    ) -> Package:
        """Let a channel of a package mean a version, until it is pointed elsewhere, or nothing.

        With `new` it has to be one that is not there yet (else Conflict), or one that is (else
        NotFound).
        """

        async def work(connection: AsyncConnection) -> Package:
            package = await changeable(connection, name, caller, pushes)
            if new is not None:
                _refuse_channel(package, channel, new=new)
            release = package.pick(version) if version else None
            rest = {c: of for c, of in package.channels.items() if c != channel}
            await connection.execute(
                update(packages)
                .where(packages.c.id == package.id)
                .values(channels={**rest, channel: release.id} if release else rest)
            )
            moved = {"channel": channel, "version": str(release.version) if release else None}
            await self._journal.append(
                connection, about(package, EventKind.CHANNEL_MOVED, caller, moved)
            )
            return await changeable(connection, name, caller, pushes)

        return await self._journal.write(work)

    async def remove(self, name: PackageName, reason: str, caller: Caller) -> None:
        """Serve nothing of a package any more; its name and the numbers of its releases stay used.

        Whoever publishes in its namespace may begin it anew, with another version.
        """

        async def work(connection: AsyncConnection) -> None:
            package = await _owned(connection, name, caller)
            ring = await keyring.ring(self._journal, connection, name.namespace)
            act = self._deciding(name, State.REVOKED, reason, caller)
            for release in (*package.releases, *package.withheld):
                to = (package, release)
                package = await self._do(connection, to, act, (ring, ring), caller)
            mine = packages.c.id == package.id
            await connection.execute(update(packages).where(mine).values(channels={}))
            await connection.execute(delete(cards).where(cards.c.package_id == package.id))
            removed = {"removed": True, "reason": reason}
            await self._journal.append(
                connection, about(package, EventKind.PACKAGE_DESCRIBED, caller, removed)
            )

        await self._journal.write(work)

    async def _decide(
        self, name: PackageName, version: Version, state: State, reason: str, caller: Caller
    ) -> Release:
        return await self._act(name, version, self._deciding(name, state, reason, caller), caller)

    def _deciding(self, name: PackageName, state: State, reason: str, caller: Caller) -> _Act:
        def values(release: Release, now: datetime) -> Mapping[str, Any]:
            if release.state is state:
                return {}
            if release.state not in _BEFORE[state]:
                raise Conflict(f"{name}@{release.version} is {release.state}, so not {state} now")
            return {"state": state.value, "state_reason": reason, "state_by": caller.name}

        allowed = _revokes if state is State.REVOKED else _reviews
        return _Act(_DECIDED[state], reason, allowed, values)

    async def _act(self, name: PackageName, version: Version, act: _Act, caller: Caller) -> Release:
        """Do something to a release, with all that follows from it."""

        async def work(connection: AsyncConnection) -> Release:
            package = await changeable(connection, name, caller, act.allowed)
            ring = await keyring.ring(self._journal, connection, name.namespace)
            release = package.exactly(version)
            after = await self._do(connection, (package, release), act, (ring, ring), caller)
            return after.exactly(version)

        return await self._journal.write(work)

    async def _do(
        self,
        connection: AsyncConnection,
        to: tuple[Package, Release],
        act: _Act,
        rings: tuple[Ring, Ring],
        caller: Caller,
    ) -> Package:
        """Do it in a transaction; `rings` are the namespace's keys before and after it."""
        package, release = to
        now = self._journal.now()
        values = act.values(release, now)
        if not values:
            return package
        await connection.execute(update(releases).where(releases.c.id == release.id).values(values))
        after = await settle(connection, package.name, now)
        payload = _of(release) | {"reason": act.reason}
        await self._journal.append(connection, about(package, act.kind, caller, payload))
        scales = Scales(self._weigh, *rings)
        draft = await verdict_changed(connection, scales, to, after, act.kind, caller)
        if draft is not None:
            await self._journal.append(connection, draft)
        return after

    async def withdraw(
        self,
        connection: AsyncConnection,
        key: str,
        since: int,
        rings: tuple[Ring, Ring],
        caller: Caller,
    ) -> None:
        """Yank what a compromised key signed from a position of the log on, in a transaction."""
        namespace = rings[0].namespace
        signed = (
            select(packages.c.name)
            .join(releases, releases.c.package_id == packages.c.id)
            .where(packages.c.namespace == namespace)
            .where(releases.c.signer == key, releases.c.position >= since)
            .distinct()
        )
        act = _yanking(f"its key {key[:16]}… is revoked as compromised")
        for name in (await connection.execute(signed)).scalars().all():
            package = await load(connection, PackageName(namespace, name))
            for release in package.releases if package else ():
                if package and _is_signed(release, key, since):
                    package = await self._do(connection, (package, release), act, rings, caller)


def _yanking(reason: str) -> _Act:
    def values(release: Release, now: datetime) -> Mapping[str, Any]:
        return {} if release.yanked else {"yanked_at": now, "yank_reason": reason}

    return _Act(EventKind.PACKAGE_YANKED, reason, _publishes, values)


def _is_signed(release: Release, key: str, since: int) -> bool:
    return release.signer == key and release.position >= since


_DECIDED = {
    State.HELD: EventKind.RELEASE_HELD,
    State.RELEASED: EventKind.RELEASE_RELEASED,
    State.REJECTED: EventKind.RELEASE_REJECTED,
    State.REVOKED: EventKind.RELEASE_REVOKED,
}
_BEFORE = {
    State.HELD: {State.RELEASED},
    State.RELEASED: {State.HELD},
    State.REJECTED: {State.HELD},
    State.REVOKED: {State.RELEASED, State.HELD, State.REJECTED},
}
"""The states that a release may leave for each."""


def _publishes(caller: Caller, namespace: str) -> bool:
    return caller.may(Scope.PUBLISH, namespace)


def pushes(caller: Caller, namespace: str) -> bool:
    """Whether a caller may publish in a namespace."""
    return caller.may(Scope.PUSH, namespace)


def _reviews(caller: Caller, namespace: str) -> bool:
    return caller.has(Scope.REVIEW)


def _revokes(caller: Caller, namespace: str) -> bool:
    return _publishes(caller, namespace) or _reviews(caller, namespace)


def _refuse_channel(package: Package, channel: str, *, new: bool) -> None:
    if new and channel in package.channels:
        raise Conflict(f"{package.name} has a channel {channel}", hint="Move it, or name another.")
    if not new and channel not in package.channels:
        raise NotFound(f"{package.name} has no channel {shown(channel)}")


def _of(release: Release) -> dict[str, Any]:
    return {"version": str(release.version), "sha256": release.sha256}


def _refuse(package: Package | None, new: Claim, caller: Caller) -> None:
    if not caller.may(Scope.PUSH, new.name.namespace):
        raise Forbidden(
            f"this token may not publish in @{new.name.namespace}",
            hint=f"Make one with `ctxmcp token create --namespace {new.name.namespace}`.",
        )
    if package is None:
        return
    for release in (*package.releases, *package.withheld):
        if release.version == new.version:
            raise _exists(new.name, new.version, release.state)
    if package.kind is not new.kind:
        raise Conflict(
            f"{new.name} is a package of kind {package.kind}, this is a {new.kind}",
            hint="Publish it under another name.",
        )
    if new.visibility is Visibility.PRIVATE and not package.private:
        raise Conflict(
            f"{new.name} is public and this release asks to be private",
            hint=f"Make the package private first: `ctxmcp visibility {new.name} private`.",
        )


def _exists(name: PackageName, version: Version, state: State = State.RELEASED) -> Conflict:
    became = "" if state is State.RELEASED else f" (it is {state})"
    return Conflict(
        f"{name}@{version.precedence} is published already{became}, and releases never change",
        hint="Raise the version and publish again.",
    )


def visible_to(caller: Caller) -> ColumnElement[bool]:
    """Say which packages exist for a caller."""
    if caller.owner:
        return true()
    mine = packages.c.namespace.in_(caller.readable)
    return or_(packages.c.visibility == Visibility.PUBLIC.value, mine)


def _behind(name: PackageName) -> ColumnElement[bool]:
    later = (packages.c.namespace == name.namespace) & (packages.c.name > name.name)
    return (packages.c.namespace > name.namespace) | later


async def verdict_changed(
    connection: AsyncConnection,
    scales: Scales,
    before: tuple[Package, Release],
    after: Package,
    because: EventKind,
    caller: Caller,
) -> Draft | None:
    """Say that the verdict on a release is another one, where it is."""
    report = (await connection.execute(_REPORT, {"of": before[1].id})).scalar_one()
    now = scales.weigh(after, after.exactly(before[1].version), report, scales.after)
    verdicts = scales.weigh(*before, report, scales.before), now
    return verdict_event(after, before[1], verdicts, because, caller)


def verdict_event(
    package: Package,
    release: Release,
    verdicts: tuple[str, str],
    because: EventKind,
    caller: Caller,
) -> Draft | None:
    """Make the event of a verdict (before, now) that is another one."""
    was, now = verdicts
    if was == now:
        return None
    payload = {"verdict": now, "was": was, "because": because.value}
    return about(package, EventKind.TRUST_CHANGED, caller, _of(release) | payload)


async def load(connection: AsyncConnection, name: PackageName) -> Package | None:
    """Read a package whole, in somebody's transaction."""
    rows = (await connection.execute(_LOAD, {"namespace": name.namespace, "name": name.name})).all()
    if not rows:
        return None
    found = {str(r.version): r for row in rows if (r := _release(row)) is not None}
    ordered = tuple(found[str(v)] for v in newest_first([r.version for r in found.values()]))
    first = rows[0]
    latest = next((r for r in ordered if r.id == first.latest_id), None)
    return Package(
        **_head(first),
        latest=latest,
        releases=tuple(r for r in ordered if r.state is State.RELEASED),
        channels=first.channels,
        withheld=tuple(r for r in ordered if r.state is not State.RELEASED),
    )


def _exists_for(caller: Caller, package: Package) -> bool:
    """Whether a caller may see a package; a reviewer may, while something of it is held."""
    if not package.private or caller.may(Scope.READ, package.name.namespace):
        return True
    return caller.has(Scope.REVIEW) and any(release.held for release in package.withheld)


async def _owned(connection: AsyncConnection, name: PackageName, caller: Caller) -> Package:
    return await changeable(connection, name, caller, _publishes)


async def changeable(
    connection: AsyncConnection,
    name: PackageName,
    caller: Caller,
    allowed: Callable[[Caller, str], bool],
) -> Package:
    """Read a package that a caller may do something to. Raises NotFound, Forbidden."""
    package = await load(connection, name)
    if package is None or not _exists_for(caller, package):
        raise NotFound(f"no package {name}")
    if not allowed(caller, name.namespace):
        raise Forbidden(f"this token may not change packages of @{name.namespace}")
    return package


async def settle(connection: AsyncConnection, name: PackageName, now: datetime) -> Package:
    """Write what a package says now, after a release of it changed, and return it."""
    package = await load(connection, name)
    assert package is not None  # noqa: S101 - it was changed in this transaction
    latest = next((r.id for r in package.releases if not r.avoided), None)
    await connection.execute(
        update(packages)
        .where(packages.c.id == package.id)
        .values(latest_id=latest, release_count=len(package.releases), updated_at=now)
    )
    return package


async def insert_package(
    connection: AsyncConnection,
    name: PackageName,
    kind: Kind,
    visibility: Visibility,
    now: datetime,
) -> int:
    """Write a package without a release, in somebody's transaction; return its id."""
    written = await connection.execute(
        _INSERT_PACKAGE,
        {
            "namespace": name.namespace,
            "name": name.name,
            "kind": kind.value,
            "visibility": visibility.value,
            "created_at": now,
            "updated_at": now,
        },
    )
    return int(written.scalar_one())


async def _insert_release(
    connection: AsyncConnection, new: NewRelease, row: Mapping[str, Any], caller: Caller
) -> int:
    written = await connection.execute(
        _INSERT_RELEASE,
        {
            **row,
            "version": str(new.version),
            "precedence": new.version.precedence,
            "published_by": caller.name,
            "state": new.state.value,
            "state_reason": new.why_held,
            "advisories": list(new.advisories),
            **new.row,
        },
    )
    release_id = int(written.scalar_one())
    await connection.execute(
        _INSERT_DETAILS,
        {
            "release_id": release_id,
            "files": list(new.details.files),
            "readme": new.details.readme,
            "body": new.details.body,
            "report": new.details.report,
            "rules": new.details.rules,
        },
    )
    return release_id


def _latest_with(package: Package | None, version: Version, release_id: int) -> int:
    there = {r.version: r.id for r in (package.releases if package else ()) if not r.avoided}
    return (there | {version: release_id})[newest_first([*there, version])[0]]


def _published(new: NewRelease, package_id: int, visibility: Visibility, caller: Caller) -> Draft:
    held = new.state is State.HELD
    return Draft(
        EventKind.RELEASE_HELD if held else EventKind.PACKAGE_PUBLISHED,
        caller.name,
        {
            "package_id": package_id,
            "name": str(new.name),
            "version": str(new.version),
            "kind": new.kind.value,
            "sha256": new.row["sha256"],
            "signer": new.row["signer"],
            "report": digest(new.details.report),
        },
        namespace=new.name.namespace,
        package=new.name.name,
        private=visibility is Visibility.PRIVATE,
    )


def about(
    package: Package,
    kind: EventKind,
    caller: Caller,
    payload: dict[str, Any],
    *,
    private: bool = False,
) -> Draft:
    """Make an event about a package."""
    return Draft(
        kind,
        caller.name,
        {"package_id": package.id, "name": str(package.name)} | payload,
        namespace=package.name.namespace,
        package=package.name.name,
        private=private or package.private,
    )


_PACKAGE_WIDTH = len(packages.c)


def _head(row: Row[Any]) -> dict[str, Any]:
    """Read the columns of `packages`, which stand first in a row."""
    mine = dict(zip(packages.c.keys(), row, strict=False))
    return {
        "id": mine["id"],
        "name": PackageName(mine["namespace"], mine["name"]),
        "kind": Kind(mine["kind"]),
        "visibility": Visibility(mine["visibility"]),
        "created_at": mine["created_at"],
        "updated_at": mine["updated_at"],
        "release_count": mine["release_count"],
        "downloads": mine["downloads"],
        "runs": mine["runs"],
        "successes": mine["successes"],
        "stars": mine["stars"],
        "deprecated": mine["deprecated"],
        "replacement": mine["replacement"],
        "price": price_of(mine["price_cents"], mine["currency"]),
    }


def price_of(cents: int | None, currency: str | None) -> Price | None:
    """Read the two columns of a price."""
    return Price(cents, currency) if cents and currency else None


def _waiting(row: Row[Any]) -> Waiting:
    head, release = _head(row), _release(row)
    assert release is not None  # noqa: S101 - the join is an inner one
    return Waiting(head["name"], head["kind"], release, row.report)


def summary_of(row: Row[Any]) -> Summary:
    """Read the columns of `packages` and `releases`, which stand first in a row."""
    return Summary(**_head(row), latest=_release(row))


def _shelved(package: Summary) -> Summary:
    """Let a package be found by its category as by a tag."""
    release = package.latest
    if release is None or not release.category:
        return package
    tags = tuple(dict.fromkeys([*release.tags, release.category]))
    return replace(package, latest=replace(release, tags=tags))


def _release(row: Row[Any]) -> Release | None:
    return None if row[_PACKAGE_WIDTH] is None else release_of(row)


def release_of(row: Row[Any]) -> Release:
    """Read the columns of `releases`, which stand behind those of `packages`."""
    mine = dict(zip(releases.c.keys(), row[_PACKAGE_WIDTH:], strict=False))
    for column in ("package_id", "precedence"):
        del mine[column]
    mine["version"] = Version.parse(mine["version"])
    mine["tags"] = tuple(mine["tags"])
    mine["dependencies"] = tuple(mine["dependencies"])
    mine["state"] = State(mine["state"])
    mine["advisories"] = tuple(mine["advisories"])
    return Release(**mine)
