"""Advisories: what is known to be bad, by package and versions, or by its bytes.

An advisory names a package and the versions from `introduced` to before `fixed`, or SHA-256 digests
of files and artifacts, or both. In force, it is on every release that it speaks of
(`Release.advisories`), in the transaction that writes it, and meets what is published later at the
door: a copy of known bytes is refused whatever it calls itself. Withdrawn, it is on none; it is
never deleted, and its id is never used again.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Text, cast, func, insert, or_, select, update

from registry_core import keyring
from registry_core.errors import Conflict, Invalid, NotFound
from registry_core.events import EPOCH, Draft
from registry_core.events.feed import POLL
from registry_core.events.kinds import EventKind
from registry_core.names import PackageName, Version, shown
from registry_core.packages.store import Scales, load, settle, verdict_changed
from registry_core.schema import (
    advisories,
    advisory_digests,
    packages,
    release_details,
    releases,
)
from registry_core.verification.advisories import Known
from registry_core.verification.known import CONTENTS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from sqlalchemy import ColumnElement, Row
    from sqlalchemy.ext.asyncio import AsyncConnection

    from registry_core.callers import Caller
    from registry_core.events.journal import Journal
    from registry_core.packages import Package, Release
    from registry_core.packages.store import Weigh

_IN_FORCE = select(advisories.c.id).where(advisories.c.withdrawn_at.is_(None)).limit(1)

MOST_DIGESTS = 1000
"""Digests of one advisory, at most."""

_DIGEST = re.compile(r"[0-9a-f]{64}")
_EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@dataclass(frozen=True, slots=True)
class Warned:
    """What an advisory says; `introduced` "0" is the first version there ever was."""

    summary: str
    details: str = ""
    package: PackageName | None = None
    introduced: str = "0"
    fixed: str | None = None
    sha256: tuple[str, ...] = ()

    def affects(self, version: Version) -> bool:
        """Tell whether a version of the package is one of those it names."""
        if self.introduced != "0" and version < Version.parse(self.introduced):
            return False
        return self.fixed is None or version < Version.parse(self.fixed)


@dataclass(frozen=True, slots=True)
class Advisory(Warned):
    """An advisory as it is recorded."""

    id: str = ""
    published_at: datetime = EPOCH
    modified_at: datetime = EPOCH
    withdrawn_at: datetime | None = None
    affected: tuple[str, ...] = ()
    """`@ns/name@version` of every release it was found on, when it was written."""


class Advisories:
    """The advisories of one registry."""

    def __init__(self, journal: Journal, weigh: Weigh) -> None:
        self._journal = journal
        self._weigh = weigh
        self._none_until = 0.0
        self._written = 0

    async def publish(self, warned: Warned, caller: Caller) -> Advisory:
        """Write an advisory, and mark every release it speaks of. Raises Invalid."""
        _check(warned)

        async def work(connection: AsyncConnection) -> Advisory:
            await _refuse_private(connection, warned)
            now = self._journal.now()
            new_id = await _next_id(connection, now)
            made = Advisory(**_said(warned), id=new_id, published_at=now, modified_at=now)
            await _insert(connection, made, caller)
            draft = _event(EventKind.ADVISORY_PUBLISHED, made, caller)
            await self._journal.append(connection, draft)
            found = await _affected(connection, made)
            await self._mark(connection, found, lambda on: _with(on, made), draft.kind, caller)
            return replace(made, affected=tuple(f"{name}@{version}" for name, version in found))

        made = await self._journal.write(work)
        self._none_until = 0.0
        self._written += 1
        return made

    async def withdraw(self, advisory_id: str, caller: Caller) -> Advisory:
        """Let an advisory hold no more. Raises NotFound, Conflict."""

        async def work(connection: AsyncConnection) -> Advisory:
            there = await _one(connection, advisory_id)
            if there.withdrawn_at is not None:
                raise Conflict(f"{there.id} is withdrawn already")
            now = self._journal.now()
            await connection.execute(
                update(advisories)
                .where(advisories.c.id == there.id)
                .values(withdrawn_at=now, modified_at=now)
            )
            draft = _event(EventKind.ADVISORY_WITHDRAWN, there, caller)
            await self._journal.append(connection, draft)
            marked = await _affected(connection, there)
            await self._mark(
                connection, marked, lambda on: _without(on, there.id), draft.kind, caller
            )
            return await _one(connection, advisory_id)

        return await self._journal.write(work)

    async def page(
        self, *, package: PackageName | None = None, after: str = "", limit: int = 100
    ) -> Sequence[Advisory]:
        """Return advisories with an id after one, also those withdrawn, by id."""
        statement = (
            select(advisories).where(advisories.c.id > after).order_by(advisories.c.id).limit(limit)
        )
        if package is not None:
            statement = statement.where(advisories.c.package == str(package))
        async with self._journal.database.read() as connection:
            return [_advisory(row) for row in await connection.execute(statement)]

    async def get(self, advisory_id: str) -> Advisory:
        """Return one advisory. Raises NotFound."""
        async with self._journal.database.read() as connection:
            return await _one(connection, advisory_id)

    async def against(
        self, name: PackageName | None, version: Version | None, digests: Collection[str]
    ) -> tuple[Known, ...]:
        """Return what is in force against a release with these files, or against files alone.

        Where none is in force, nobody looks again for `POLL` seconds unless one is written here;
        what another process writes is seen as late as its other events.
        """
        now, written = asyncio.get_running_loop().time(), self._written
        if now < self._none_until:
            return ()
        async with self._journal.database.read() as connection:
            found = await in_force(connection, name, version, digests)
            none = not found and (await connection.execute(_IN_FORCE)).first() is None
        if none and written == self._written:
            self._none_until = now + POLL
        return found

    async def _mark(
        self,
        connection: AsyncConnection,
        found: Sequence[tuple[PackageName, Version]],
        change: Callable[[Release], list[dict[str, Any]]],
        because: EventKind,
        caller: Caller,
    ) -> None:
        """Write on each release what speaks against it now, with what follows from that."""
        for name, version in found:
            before = await _whole(connection, name)
            release = before.exactly(version)
            after = change(release)
            if after == list(release.advisories):
                continue
            await connection.execute(
                update(releases).where(releases.c.id == release.id).values(advisories=after)
            )
            now = await settle(connection, name, self._journal.now())
            ring = await keyring.ring(self._journal, connection, name.namespace)
            scales, was = Scales(self._weigh, ring, ring), (before, release)
            draft = await verdict_changed(connection, scales, was, now, because, caller)
            if draft is not None:
                await self._journal.append(connection, draft)


async def in_force(
    connection: AsyncConnection,
    name: PackageName | None,
    version: Version | None,
    digests: Collection[str],
) -> tuple[Known, ...]:
    """Return what is in force against a release with these files, as a connection sees it."""
    by_bytes = select(advisory_digests.c.advisory_id).where(
        advisory_digests.c.sha256.in_(sorted(digests))
    )
    statement = (
        select(advisories)
        .where(advisories.c.withdrawn_at.is_(None))
        .where(or_(advisories.c.package == str(name), advisories.c.id.in_(by_bytes)))
        .order_by(advisories.c.id)
    )
    rows = await connection.execute(statement)
    found = [_known(_advisory(row), name, version, digests) for row in rows]
    return tuple(known for known in found if known is not None)


def _check(warned: Warned) -> None:
    if warned.package is None and not warned.sha256:
        raise Invalid("an advisory is about a package or about digests", hint="Name either.")
    for digest in warned.sha256:
        if not _DIGEST.fullmatch(digest) or digest == _EMPTY:
            raise Invalid(
                f"{shown(digest)} is no SHA-256 of something",
                hint="Write 64 of 0-9 and a-f; `inspect` shows those of files.",
            )
    if len(warned.sha256) > MOST_DIGESTS:
        raise Invalid(f"an advisory has at most {MOST_DIGESTS:,} digests")
    for version in (warned.introduced, warned.fixed):
        if version not in {None, "0"}:
            Version.parse(version or "")


async def _refuse_private(connection: AsyncConnection, warned: Warned) -> None:
    package = await load(connection, warned.package) if warned.package else None
    if package is not None and package.private:
        raise Invalid(f"{package.name} is private, and advisories are public")


def _said(warned: Warned) -> dict[str, Any]:
    return {
        "summary": warned.summary,
        "details": warned.details,
        "package": warned.package,
        "introduced": warned.introduced,
        "fixed": warned.fixed,
        "sha256": warned.sha256,
    }


async def _next_id(connection: AsyncConnection, now: datetime) -> str:
    """Count those of the year; writers stand in a line, so no two take one number."""
    year = f"CTXMCP-{now.year}-"
    count = select(func.count()).select_from(advisories).where(advisories.c.id.startswith(year))
    return f"{year}{(await connection.execute(count)).scalar_one() + 1:04}"


async def _insert(connection: AsyncConnection, made: Advisory, caller: Caller) -> None:
    row = _said(made) | {
        "package": str(made.package) if made.package else None,
        "sha256": list(made.sha256),
        "id": made.id,
        "published_at": made.published_at,
        "modified_at": made.modified_at,
        "written_by": caller.name,
    }
    await connection.execute(insert(advisories), row)
    digests = [{"sha256": d, "advisory_id": made.id} for d in dict.fromkeys(made.sha256)]
    if digests:
        await connection.execute(insert(advisory_digests), digests)


def subject_matter(advisory: Advisory) -> dict[str, Any]:
    """Return what an advisory says of what, as its leaf of the log has it."""
    return {
        "summary": advisory.summary,
        "name": str(advisory.package or ""),
        "introduced": advisory.introduced,
        "fixed": advisory.fixed,
        "digests": list(advisory.sha256),
    }


def _event(kind: EventKind, advisory: Advisory, caller: Caller) -> Draft:
    name = advisory.package
    return Draft(
        kind,
        caller.name,
        {"advisory": advisory.id, **subject_matter(advisory)},
        namespace=name.namespace if name else None,
        package=name.name if name else None,
    )


async def _affected(
    connection: AsyncConnection, advisory: Advisory
) -> list[tuple[PackageName, Version]]:
    """Find every release that it speaks of, by name or by bytes."""
    found: dict[tuple[PackageName, Version], None] = {}
    if advisory.package is not None:
        package = await load(connection, advisory.package)
        for release in (*package.releases, *package.withheld) if package else ():
            if advisory.affects(release.version):
                found[advisory.package, release.version] = None
    for digest in advisory.sha256:
        statement = (
            select(packages.c.namespace, packages.c.name, releases.c.version)
            .join(releases, releases.c.package_id == packages.c.id)
            .join(release_details, release_details.c.release_id == releases.c.id)
            .where(or_(releases.c.sha256 == digest, _has(digest)))
            .order_by(releases.c.id)
        )
        for namespace, name, version in await connection.execute(statement):
            found[PackageName(namespace, name), Version.parse(version)] = None
    return list(found)


def _has(digest: str) -> ColumnElement[bool]:
    """Look for a digest of a file, or of all files: rare, so no index is kept for it."""
    files, report = (cast(release_details.c[name], Text) for name in ("files", "report"))
    return or_(files.contains(digest), report.contains(f'"{CONTENTS}": "{digest}"'))


def _with(release: Release, advisory: Advisory) -> list[dict[str, Any]]:
    return [*_without(release, advisory.id), {"id": advisory.id, "summary": advisory.summary}]


def _without(release: Release, advisory_id: str) -> list[dict[str, Any]]:
    return [known for known in release.advisories if known["id"] != advisory_id]


async def _whole(connection: AsyncConnection, name: PackageName) -> Package:
    package = await load(connection, name)
    assert package is not None  # noqa: S101 - a release of it was found in this transaction
    return package


async def _one(connection: AsyncConnection, advisory_id: str) -> Advisory:
    statement = select(advisories).where(advisories.c.id == advisory_id)
    row = (await connection.execute(statement)).one_or_none()
    if row is None:
        raise NotFound(f"no advisory {shown(advisory_id)}", hint="`advisories` lists them.")
    return _advisory(row)


def _advisory(row: Row[Any]) -> Advisory:
    return Advisory(
        id=row.id,
        published_at=row.published_at,
        modified_at=row.modified_at,
        withdrawn_at=row.withdrawn_at,
        summary=row.summary,
        details=row.details,
        package=PackageName.parse(row.package) if row.package else None,
        introduced=row.introduced,
        fixed=row.fixed,
        sha256=tuple(row.sha256),
    )


def _known(
    advisory: Advisory,
    name: PackageName | None,
    version: Version | None,
    digests: Collection[str],
) -> Known | None:
    bytes_ = tuple(digest for digest in advisory.sha256 if digest in digests)
    named = name is not None and advisory.package == name
    named = named and (version is None or advisory.affects(version))
    return Known(advisory.id, advisory.summary, bytes_) if bytes_ or named else None
