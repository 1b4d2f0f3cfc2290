"""Walking along the public packages of a kind: by category, in an order, page by page."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select, true, tuple_

from registry_core.formats import Visibility
from registry_core.packages.store import summary_of
from registry_core.packages.uses import hour_of
from registry_core.schema import packages, releases, usage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import timedelta

    from registry_core.events.journal import Journal
    from registry_core.names import Kind, PackageName
    from registry_core.packages import Summary


class Order(StrEnum):
    """What comes first."""

    DOWNLOADS = "downloads"
    STARS = "stars"
    NEWEST = "newest"


@dataclass(frozen=True, slots=True)
class Shelf:
    """Which packages, and in which order: `period` puts those first that were downloaded in it."""

    kind: Kind
    category: str = ""
    namespace: str = ""
    order: Order = Order.DOWNLOADS
    period: timedelta | None = None
    with_deprecated: bool = True


@dataclass(frozen=True, slots=True)
class Page:
    """Some packages of a shelf, and how many there are on it."""

    packages: Sequence[Summary]
    total: int


class Shelves:
    """The public packages of one registry that have a release to resolve to."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def page(self, shelf: Shelf, *, offset: int, limit: int) -> Page:
        """Return packages of a shelf, each with its latest release."""
        there = _public(shelf.kind)
        if shelf.category:
            there &= releases.c.category == shelf.category
        if shelf.namespace:
            there &= packages.c.namespace == shelf.namespace
        there &= true() if shelf.with_deprecated else packages.c.deprecated.is_(None)
        joined = packages.join(releases, releases.c.id == packages.c.latest_id)
        total = select(func.count()).select_from(joined).where(there)
        found = select(packages, releases).select_from(joined).where(there)
        found = found.order_by(*self._order(shelf), packages.c.id).offset(offset).limit(limit)
        async with self._journal.database.read() as connection:
            rows = [summary_of(row) for row in await connection.execute(found)]
            return Page(rows, int((await connection.execute(total)).scalar_one()))

    async def named(self, names: Sequence[PackageName]) -> Mapping[PackageName, Summary]:
        """Return the public packages of these names that there are."""
        wanted = tuple_(packages.c.namespace, packages.c.name).in_(
            [(n.namespace, n.name) for n in names]
        )
        statement = (
            select(packages, releases)
            .join(releases, releases.c.id == packages.c.latest_id)
            .where(wanted, packages.c.visibility == Visibility.PUBLIC.value)
        )
        async with self._journal.database.read() as connection:
            found = [summary_of(row) for row in await connection.execute(statement)]
        return {package.name: package for package in found}

    async def categories(self, kind: Kind) -> Mapping[str, int]:
        """Count the packages of each category that has any."""
        statement = (
            select(releases.c.category, func.count())
            .join(packages, packages.c.latest_id == releases.c.id)
            .where(_public(kind), releases.c.category != "")
            .group_by(releases.c.category)
        )
        async with self._journal.database.read() as connection:
            return {row[0]: row[1] for row in await connection.execute(statement)}

    async def downloads_of(self, kind: Kind, namespace: str) -> int:
        """Sum up the downloads of a namespace's packages."""
        statement = (
            select(func.coalesce(func.sum(packages.c.downloads), 0))
            .join(releases, releases.c.id == packages.c.latest_id)
            .where(_public(kind), packages.c.namespace == namespace)
        )
        async with self._journal.database.read() as connection:
            return int((await connection.execute(statement)).scalar_one())

    def _order(self, shelf: Shelf) -> list[Any]:
        if shelf.period is not None:
            lately = (
                select(func.sum(usage.c.downloads))
                .where(usage.c.package_id == packages.c.id)
                .where(usage.c.hour > hour_of(self._journal.now() - shelf.period))
                .scalar_subquery()
            )
            return [func.coalesce(lately, 0).desc(), packages.c.downloads.desc()]
        column = {
            Order.DOWNLOADS: packages.c.downloads,
            Order.STARS: packages.c.stars,
            Order.NEWEST: packages.c.created_at,
        }[shelf.order]
        return [column.desc()]


def _public(kind: Kind) -> Any:
    return (packages.c.kind == kind.value) & (packages.c.visibility == Visibility.PUBLIC.value)
