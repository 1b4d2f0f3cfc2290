"""What is used of late: downloads by the hour, and the packages that had most of them.

An hour counts half as much as one that is a quarter of the period younger.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import case, func, or_, select, true

from registry_core.events.redaction import readable_namespaces
from registry_core.formats import Visibility
from registry_core.packages.uses import hour_of
from registry_core.schema import packages, usage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement

    from registry_core.callers import Caller
    from registry_core.events.journal import Journal
    from registry_core.names import Kind
    from registry_core.packages import Summary
    from registry_core.packages.periods import Period
    from registry_core.packages.store import Packages

STEPS = 16
"""A period is taken in so many parts of equal weight within."""


@dataclass(frozen=True, slots=True)
class Trend:
    """A package, its downloads within the period, and what they count."""

    package: Summary
    downloads: int
    score: float


class Trends:
    """The downloads of one registry by the hour."""

    def __init__(self, journal: Journal, packages: Packages) -> None:
        self._journal = journal
        self._packages = packages

    async def of(
        self, caller: Caller, period: Period, kind: Kind | None, limit: int
    ) -> Sequence[Trend]:
        """Return what the caller may see of what is used most, the best first."""
        now = hour_of(self._journal.now())
        weights = [
            (usage.c.hour > now - (step + 1) * period.hours / STEPS, 0.5 ** (4 * step / STEPS))
            for step in range(STEPS)
        ]
        score = func.sum(usage.c.downloads * case(*weights, else_=0.0)).label("score")
        count = func.sum(usage.c.downloads).label("downloaded")
        statement = (
            select(usage.c.package_id, score, count)
            .join(packages, packages.c.id == usage.c.package_id)
            .where(usage.c.hour > now - period.hours, usage.c.downloads > 0)
            .where(packages.c.latest_id.is_not(None), packages.c.deprecated.is_(None))
            .where(packages.c.kind == kind.value if kind else true())
            .where(_seen_by(caller))
            .group_by(usage.c.package_id)
            .order_by(score.desc(), count.desc(), usage.c.package_id)
            .limit(limit)
        )
        async with self._journal.database.read() as connection:
            rows = (await connection.execute(statement)).all()
        there = await self._packages.by_id([row.package_id for row in rows])
        return [
            Trend(there[row.package_id], int(row.downloaded), float(row.score))
            for row in rows
            if row.package_id in there
        ]


def _seen_by(caller: Caller) -> ColumnElement[bool]:
    namespaces = readable_namespaces(caller)
    if namespaces is None:
        return true()
    public = packages.c.visibility == Visibility.PUBLIC.value
    return or_(public, packages.c.namespace.in_(namespaces))
