"""The statements that read and write packages and releases.

One rule lives here because everything passes through here: a package that a caller may not see
does not exist for that caller (`find`, `list`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, false, insert, or_, select, true, update
from sqlalchemy.exc import IntegrityError

from registry_core.accounts import claim as claim_namespace
from registry_core.callers import Caller, Scope
from registry_core.errors import Conflict, Forbidden, NotFound
from registry_core.events import Draft
from registry_core.events.kinds import EventKind
from registry_core.events.leaves import digest
from registry_core.formats import Visibility
from registry_core.names import Kind, PackageName, Version, newest_first
from registry_core.packages import Claim, Details, NewRelease, Package, Release, Summary
from registry_core.schema import packages, release_details, releases

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
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
_INSERT_PACKAGE = insert(packages).returning(packages.c.id)
_INSERT_RELEASE = insert(releases).returning(releases.c.id)
_INSERT_DETAILS = insert(release_details)
_RELEASED = (
    update(packages)
    .where(packages.c.id == bindparam("of"))
    .values(
        latest_id=bindparam("newest"),
        release_count=packages.c.release_count + 1,
        updated_at=bindparam("now"),
    )
)


class Packages:
    """The packages of one registry."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def find(self, name: PackageName, caller: Caller) -> Package:
        """Return a package that the caller may see. Raises NotFound for every other."""
        async with self._journal.database.read() as connection:
            package = await _load(connection, name)
        if package is None or (package.private and not caller.may(Scope.READ, name.namespace)):
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
            .where(_visible_to(caller))
            .where(packages.c.kind == kind.value if kind else true())
            .where(packages.c.namespace == namespace if namespace else true())
            .order_by(packages.c.namespace, packages.c.name)
        )
        async with self._journal.database.read() as connection:
            return [_summary(row) for row in await connection.execute(statement)]

    async def page(
        self, caller: Caller, kind: Kind, *, after: PackageName | None, limit: int
    ) -> Sequence[tuple[Summary, Details]]:
        """Return packages of a kind with what their latest releases hold, by name, in pages."""
        statement = (
            select(packages, releases, release_details.c.files, release_details.c.readme)
            .join(releases, releases.c.id == packages.c.latest_id)
            .join(release_details, release_details.c.release_id == releases.c.id)
            .where(_visible_to(caller), packages.c.kind == kind.value)
            .where(_behind(after) if after else true())
            .order_by(packages.c.namespace, packages.c.name)
            .limit(limit)
        )
        async with self._journal.database.read() as connection:
            rows = (await connection.execute(statement)).all()
        return [(_summary(row), Details(tuple(row.files), row.readme, "", {})) for row in rows]

    async def by_id(self, ids: Sequence[int]) -> Mapping[int, Summary]:
        """Return packages with their latest releases by id, whoever may see them."""
        statement = (
            select(packages, releases)
            .outerjoin(releases, releases.c.id == packages.c.latest_id)
            .where(packages.c.id.in_(ids))
        )
        async with self._journal.database.read() as connection:
            found = [_summary(row) for row in await connection.execute(statement)]
        return {package.id: package for package in found}

    async def details(self, release: Release) -> Details:
        """Return what a release holds."""
        statement = select(release_details).where(release_details.c.release_id == release.id)
        async with self._journal.database.read() as connection:
            row = (await connection.execute(statement)).one()
        return Details(tuple(row.files), row.readme, row.body, row.report)

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
        return {row[0]: (_summary(row), row.body) for row in rows}

    async def ids_after(self, package_id: int, limit: int) -> Sequence[int]:
        """Return package ids after one, in order: for walking over all of them."""
        statement = (
            select(packages.c.id)
            .where(packages.c.id > package_id)
            .order_by(packages.c.id)
            .limit(limit)
        )
        async with self._journal.database.read() as connection:
            return (await connection.execute(statement)).scalars().all()

    async def publisher_exists(self, namespace: str, caller: Caller) -> bool:
        """Tell whether a namespace has a package that the caller may see."""
        return bool(await self.list(caller, namespace=namespace))

    async def admit(self, claim: Claim, caller: Caller) -> Package | None:
        """Say whether the caller may publish this version now, without writing anything.

        Returns the package as it is, None where this is its first release.
        """
        async with self._journal.database.read() as connection:
            package = await _load(connection, claim.name)
        _refuse(package, claim, caller)
        return package

    async def record(self, new: NewRelease, caller: Caller) -> Visibility:
        """Write a release and its event. Of two that race for a version one raises Conflict.

        Returns the visibility that its package has, which may be narrower than the release's.
        """

        async def work(connection: AsyncConnection) -> Visibility:
            await claim_namespace(self._journal, connection, new.name.namespace, caller)
            package = await _load(connection, new.name)
            _refuse(package, new, caller)
            now = self._journal.now()
            package_id = package.id if package else await _insert_package(connection, new, now)
            release_id = await _insert_release(connection, new, package_id, now, caller)
            await connection.execute(
                _RELEASED,
                {
                    "of": package_id,
                    "newest": _latest_with(package, new.version, release_id),
                    "now": now,
                },
            )
            visibility = package.visibility if package else new.visibility
            await self._journal.append(connection, _published(new, package_id, visibility, caller))
            return visibility

        try:
            return await self._journal.write(work)
        except IntegrityError as error:
            raise _exists(new.name, new.version) from error

    async def yank(
        self, name: PackageName, version: Version, reason: str, caller: Caller
    ) -> Release:
        """Take a release out of resolution; doing it again keeps the first reason."""
        return await self._set_yanked(name, version, caller, reason, EventKind.PACKAGE_YANKED)

    async def unyank(
        self, name: PackageName, version: Version, reason: str, caller: Caller
    ) -> Release:
        """Let a yanked release resolve again."""
        return await self._set_yanked(name, version, caller, reason, EventKind.PACKAGE_UNYANKED)

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
                    _about(
                        package,
                        EventKind.VISIBILITY_CHANGED,
                        caller,
                        {"visibility": visibility.value},
                        private=True,
                    ),
                )
            return await _owned(connection, name, caller)

        return await self._journal.write(work)

    async def point(
        self, name: PackageName, channel: str, version: Version, caller: Caller
    ) -> Package:
        """Let a channel of a package mean a version, until it is pointed elsewhere."""

        async def work(connection: AsyncConnection) -> Package:
            package = await _owned(connection, name, caller)
            release = package.pick(version)
            await connection.execute(
                update(packages)
                .where(packages.c.id == package.id)
                .values(channels={**package.channels, channel: release.id})
            )
            await self._journal.append(
                connection,
                _about(
                    package,
                    EventKind.CHANNEL_MOVED,
                    caller,
                    {"channel": channel, "version": str(release.version)},
                ),
            )
            return await _owned(connection, name, caller)

        return await self._journal.write(work)

    async def count_downloads(self, counts: Mapping[tuple[int, int], int]) -> None:
        """Add to the downloads of (package id, release id)."""

        async def work(connection: AsyncConnection) -> None:
            for (package_id, release_id), count in counts.items():
                await connection.execute(
                    update(packages)
                    .where(packages.c.id == package_id)
                    .values(downloads=packages.c.downloads + count)
                )
                await connection.execute(
                    update(releases)
                    .where(releases.c.id == release_id)
                    .values(downloads=releases.c.downloads + count)
                )

        await self._journal.database.write(work)

    async def _set_yanked(
        self, name: PackageName, version: Version, caller: Caller, reason: str, event: EventKind
    ) -> Release:
        yanked = event is EventKind.PACKAGE_YANKED

        async def work(connection: AsyncConnection) -> Release:
            package = await _owned(connection, name, caller)
            release = package.pick(version)
            if release.yanked is yanked:
                return release
            now = self._journal.now()
            await connection.execute(
                update(releases)
                .where(releases.c.id == release.id)
                .values(yanked_at=now if yanked else None, yank_reason=reason if yanked else None)
            )
            after = await _owned(connection, name, caller)
            latest = next((r.id for r in after.releases if not r.yanked), None)
            await connection.execute(
                update(packages)
                .where(packages.c.id == package.id)
                .values(latest_id=latest, updated_at=now)
            )
            payload = {"version": str(release.version), "reason": reason}
            await self._journal.append(connection, _about(package, event, caller, payload))
            return after.pick(version)

        return await self._journal.write(work)


def _refuse(package: Package | None, new: Claim, caller: Caller) -> None:
    if not caller.may(Scope.PUBLISH, new.name.namespace):
        raise Forbidden(
            f"this token may not publish in @{new.name.namespace}",
            hint=f"Make one with `ctxmcp token create --namespace {new.name.namespace}`.",
        )
    if package is None:
        return
    for release in package.releases:
        if release.version == new.version:
            raise _exists(new.name, new.version)
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


def _exists(name: PackageName, version: Version) -> Conflict:
    return Conflict(
        f"{name}@{version.precedence} is published already, and releases never change",
        hint="Raise the version and publish again.",
    )


def _visible_to(caller: Caller) -> ColumnElement[bool]:
    if caller.owner:
        return true()
    mine = packages.c.namespace.in_(caller.namespaces) if caller.has(Scope.READ) else false()
    return or_(packages.c.visibility == Visibility.PUBLIC.value, mine)


def _behind(name: PackageName) -> ColumnElement[bool]:
    later = (packages.c.namespace == name.namespace) & (packages.c.name > name.name)
    return (packages.c.namespace > name.namespace) | later


async def _load(connection: AsyncConnection, name: PackageName) -> Package | None:
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
        releases=ordered,
        channels=first.channels,
    )


async def _owned(connection: AsyncConnection, name: PackageName, caller: Caller) -> Package:
    package = await _load(connection, name)
    if package is None or (package.private and not caller.may(Scope.READ, name.namespace)):
        raise NotFound(f"no package {name}")
    if not caller.may(Scope.PUBLISH, name.namespace):
        raise Forbidden(f"this token may not change packages of @{name.namespace}")
    return package


async def _insert_package(connection: AsyncConnection, new: NewRelease, now: datetime) -> int:
    written = await connection.execute(
        _INSERT_PACKAGE,
        {
            "namespace": new.name.namespace,
            "name": new.name.name,
            "kind": new.kind.value,
            "visibility": new.visibility.value,
            "created_at": now,
            "updated_at": now,
        },
    )
    return int(written.scalar_one())


async def _insert_release(
    connection: AsyncConnection, new: NewRelease, package_id: int, now: datetime, caller: Caller
) -> int:
    written = await connection.execute(
        _INSERT_RELEASE,
        {
            "package_id": package_id,
            "version": str(new.version),
            "precedence": new.version.precedence,
            "published_at": now,
            "published_by": caller.name,
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
        },
    )
    return release_id


def _latest_with(package: Package | None, version: Version, release_id: int) -> int:
    there = {r.version: r.id for r in (package.releases if package else ()) if not r.yanked}
    return (there | {version: release_id})[newest_first([*there, version])[0]]


def _published(new: NewRelease, package_id: int, visibility: Visibility, caller: Caller) -> Draft:
    return Draft(
        EventKind.PACKAGE_PUBLISHED,
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


def _about(
    package: Package,
    kind: EventKind,
    caller: Caller,
    payload: dict[str, Any],
    *,
    private: bool = False,
) -> Draft:
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
    }


def _summary(row: Row[Any]) -> Summary:
    return Summary(**_head(row), latest=_release(row))


def _release(row: Row[Any]) -> Release | None:
    """Read the columns of `releases`, which stand behind those of `packages`; None if outer."""
    mine = dict(zip(releases.c.keys(), row[_PACKAGE_WIDTH:], strict=False))
    if mine["id"] is None:
        return None
    for column in ("package_id", "precedence"):
        del mine[column]
    mine["version"] = Version.parse(mine["version"])
    mine["tags"] = tuple(mine["tags"])
    mine["dependencies"] = tuple(mine["dependencies"])
    return Release(**mine)
