"""The statements of an audit: what is recorded, each beside the leaves that are about it.

What was written together is read in one snapshot, so what does not fit was not written together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import String, bindparam, func, select, type_coerce

from registry_core import keyring
from registry_core.errors import NotFound
from registry_core.events.kinds import INTRODUCING, EventKind
from registry_core.events.leaves import Leaf
from registry_core.formats import digest_of_files
from registry_core.packages import Details
from registry_core.packages.advisories import in_force
from registry_core.packages.store import load, release_of, summary_of
from registry_core.schema import (
    advisories,
    log_leaves,
    namespace_keys,
    packages,
    release_details,
    releases,
    reports,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Mapping, Sequence

    from sqlalchemy import Select

    from registry_core.database import Database
    from registry_core.keys import Link
    from registry_core.names import PackageName
    from registry_core.packages import Package, Release, Summary

PAGE = 500

KEY_EVENTS = frozenset(kind for kind in EventKind if kind.value.startswith("key_"))
ADVISORY_EVENTS = frozenset({EventKind.ADVISORY_PUBLISHED, EventKind.ADVISORY_WITHDRAWN})

_NAME = type_coerce("@", String) + packages.c.namespace + "/" + packages.c.name
_REF = _NAME + "@" + releases.c.version
_LEAF = (
    log_leaves.c.kind.label("leaf_kind"),
    *(log_leaves.c.event_id, log_leaves.c.leaf, log_leaves.c.statement, log_leaves.c.salt),
)
_RELEASE = (
    select(
        packages,
        releases,
        release_details.c.release_id,
        *(release_details.c.files, release_details.c.readme),
        *(release_details.c.report, release_details.c.rules),
        *_LEAF,
    )
    .join(releases, releases.c.package_id == packages.c.id)
    .outerjoin(release_details, release_details.c.release_id == releases.c.id)
    .outerjoin(log_leaves, log_leaves.c.subject == _REF)
    .where(releases.c.id == bindparam("of"))
    .order_by(log_leaves.c.position)
)
_REPORTS = select(reports.c.report).where(reports.c.artifact_sha256 == bindparam("of"))
_PACKAGE_LEAVES = (
    select(*_LEAF)
    .join(packages, log_leaves.c.subject == _NAME)
    .where(packages.c.id == bindparam("of"))
    .order_by(log_leaves.c.position)
)
_RELEASE_LEAVES = (
    select(*_LEAF)
    .join(releases, releases.c.package_id == packages.c.id)
    .join(log_leaves, log_leaves.c.subject == _REF)
    .where(packages.c.id == bindparam("of"))
    .where(log_leaves.c.kind.in_([kind.value for kind in (*INTRODUCING, EventKind.CHANNEL_MOVED)]))
    .order_by(log_leaves.c.position)
)
_CHAIN = (
    select(namespace_keys, *_LEAF)
    .outerjoin(log_leaves, log_leaves.c.event_id == namespace_keys.c.position)
    .where(namespace_keys.c.namespace == bindparam("of"))
    .order_by(namespace_keys.c.seq)
)


@dataclass(frozen=True, slots=True)
class Said:
    """A leaf about something, in the order of the log."""

    kind: str
    event_id: int
    leaf: Leaf


@dataclass(frozen=True, slots=True)
class Recorded:
    """A release as it is recorded, and what the log says of it."""

    package: Summary
    release: Release
    details: Details | None
    said: tuple[Said, ...]
    older: tuple[Mapping[str, Any], ...]
    """Every report that was kept, where it was scanned again."""
    known: frozenset[str]
    """The advisories in force that speak of it."""


@dataclass(frozen=True, slots=True)
class Stated:
    """A statement about keys as it is recorded, and what the log says of it."""

    link: Link
    members: Mapping[str, Any]
    said: Said | None


class Inventory:
    """Everything that one database has recorded."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def count(self) -> int:
        """Count the releases."""
        [row] = await self._rows(select(func.count()).select_from(releases))
        return int(row[0])

    async def release_ids(self) -> AsyncIterator[int]:
        """Yield the id of each release."""
        statement = select(releases.c.id).order_by(releases.c.id).limit(PAGE)
        async for row in self._pages(statement, releases.c.id):
            yield row.id

    async def release(self, release_id: int) -> Recorded:
        """Return a release. Raises ValueError, TypeError, RegistryError for what was never one."""
        async with self._database.snapshot() as connection:
            rows = (await connection.execute(_RELEASE, {"of": release_id})).all()
            package, release = summary_of(rows[0]), release_of(rows[0])
            details, known = _details(rows[0]), frozenset[str]()
            if details is not None:
                digests = {release.sha256, digest_of_files(details.files)}
                digests |= {file["sha256"] for file in details.files}
                found = await in_force(connection, package.name, release.version, digests)
                known = frozenset(one.id for one in found)
            older = await connection.execute(_REPORTS, {"of": release.sha256})
            kept = tuple(row.report for row in older)
        return Recorded(package, release, details, _said(rows), kept, known)

    async def package_names(self) -> AsyncIterator[Any]:
        """Yield id, namespace and name of each package."""
        columns = packages.c.id, packages.c.namespace, packages.c.name
        statement = select(*columns).order_by(packages.c.id).limit(PAGE)
        async for row in self._pages(statement, packages.c.id):
            yield row

    async def package(
        self, name: PackageName
    ) -> tuple[Package, tuple[Said, ...], tuple[Said, ...]]:
        """Return a package, and what the log says of it as a whole.

        Then, how its releases came, and which channels point to them. Raises NotFound.
        """
        async with self._database.snapshot() as connection:
            package = await load(connection, name)
            if package is None:
                raise NotFound(f"no package {name}")
            whole = (await connection.execute(_PACKAGE_LEAVES, {"of": package.id})).all()
            rest = (await connection.execute(_RELEASE_LEAVES, {"of": package.id})).all()
        return package, _said(whole), _said(rest)

    async def unrecorded(self, digests: Collection[str]) -> set[str]:
        """Return those of some digests that no release has."""
        statement = select(releases.c.sha256).where(releases.c.sha256.in_(digests))
        return set(digests) - {row.sha256 for row in await self._rows(statement)}

    async def spaces(self) -> Sequence[str]:
        """Return the namespaces that have packages."""
        statement = select(packages.c.namespace).distinct().order_by(packages.c.namespace)
        return [row.namespace for row in await self._rows(statement)]

    async def namespaces(self) -> Sequence[str]:
        """Return the namespaces that have keys."""
        statement = select(namespace_keys.c.namespace).distinct()
        return [row.namespace for row in await self._rows(statement)]

    async def chain(self, namespace: str) -> Sequence[Stated]:
        """Return what was stated of a namespace's keys, oldest first. Raises as `release`."""
        return [
            Stated(keyring.link_of(row), row._mapping["statement"], next(iter(_said([row])), None))  # noqa: SLF001 - its public name
            for row in await self._rows(_CHAIN, of=namespace)
        ]

    async def leaves_without_row(self) -> AsyncIterator[Any]:
        """Yield position, kind and subject of leaves whose release or keys were never recorded.

        That of a release which was held later has no row of its own either.
        """
        for kinds, column in (
            (INTRODUCING, releases.c.position),
            (KEY_EVENTS, namespace_keys.c.position),
        ):
            statement = (
                select(log_leaves.c.position, log_leaves.c.kind, log_leaves.c.subject)
                .outerjoin(column.table, column == log_leaves.c.event_id)
                .where(log_leaves.c.kind.in_([kind.value for kind in kinds]), column.is_(None))
                .order_by(log_leaves.c.position)
                .limit(PAGE)
            )
            async for row in self._pages(statement, log_leaves.c.position):
                yield row

    async def advisory_leaves(self) -> AsyncIterator[Said]:
        """Yield the leaves about advisories, in the order of the log."""
        statement = (
            select(log_leaves.c.position, *_LEAF)
            .where(log_leaves.c.kind.in_([kind.value for kind in ADVISORY_EVENTS]))
            .order_by(log_leaves.c.position)
            .limit(PAGE)
        )
        async for row in self._pages(statement, log_leaves.c.position):
            for said in _said([row]):
                yield said

    async def advisories(self) -> tuple[int, int]:
        """Count the advisories, and the leaves that say that one was published."""
        told = log_leaves.c.kind == EventKind.ADVISORY_PUBLISHED.value
        leaves = select(func.count()).select_from(log_leaves).where(told).scalar_subquery()
        rows = select(func.count()).select_from(advisories).scalar_subquery()
        [row] = await self._rows(select(rows, leaves))
        return row[0], row[1]

    async def _pages(self, statement: Select[Any], key: Any) -> AsyncIterator[Any]:
        last = -1
        while rows := await self._rows(statement.where(key > last)):
            for row in rows:
                yield row
            last = getattr(rows[-1], key.name)

    async def _rows(self, statement: Select[Any], **values: Any) -> Sequence[Any]:
        async with self._database.read() as connection:
            rows: Sequence[Any] = (await connection.execute(statement, values)).all()
        return rows


def _details(row: Any) -> Details | None:
    if row.release_id is None:
        return None
    return Details(tuple(row.files), row.readme, "", dict(row.report), row.rules)


def _said(rows: Sequence[Any]) -> tuple[Said, ...]:
    """Read the columns of `_LEAF`, the last ones of a row."""
    found = [tuple(row)[-len(_LEAF) :] for row in rows]
    return tuple(
        Said(kind, event_id, Leaf(leaf, statement or b"", salt or ""))
        for kind, event_id, leaf, statement, salt in found
        if kind is not None
    )
