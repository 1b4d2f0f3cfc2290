"""What people do with packages: download, run, star. Totals, and for the last month by the hour.

Downloads and runs come from anybody and are counted; no event tells of them, and no account.
A star is an account's, once for each package.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import delete, func, insert, select, text, update

from registry_core.errors import Forbidden
from registry_core.events.kinds import EventKind
from registry_core.packages.store import about
from registry_core.schema import packages, releases, stars, usage

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection

    from registry_core.callers import Caller
    from registry_core.events.journal import Journal
    from registry_core.packages import Package

KEPT = timedelta(days=31)
"""How long hours are kept."""

# Both databases know it, and the toolkit spells it differently for each.
_ADD = text(
    "INSERT INTO usage (package_id, hour, downloads, runs, successes)"
    " VALUES (:package_id, :hour, :downloads, :runs, :successes)"
    " ON CONFLICT (package_id, hour) DO UPDATE SET downloads = usage.downloads"
    " + excluded.downloads, runs = usage.runs + excluded.runs,"
    " successes = usage.successes + excluded.successes"
)


def hour_of(moment: datetime) -> int:
    """Count the hours since 1970."""
    return int(moment.timestamp() // 3600)


class Uses:
    """How the packages of one registry are used."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

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
                await self._add(connection, package_id, downloads=count)

        await self._journal.database.write(work)

    async def count_runs(self, counts: Mapping[tuple[int, bool], int]) -> None:
        """Add to the runs of (package id, whether they went well)."""

        async def work(connection: AsyncConnection) -> None:
            for (package_id, well), count in counts.items():
                went_well = count if well else 0
                await connection.execute(
                    update(packages)
                    .where(packages.c.id == package_id)
                    .values(
                        runs=packages.c.runs + count, successes=packages.c.successes + went_well
                    )
                )
                await self._add(connection, package_id, runs=count, successes=went_well)

        await self._journal.database.write(work)

    async def star(self, package: Package, caller: Caller, *, starred: bool) -> int:
        """Let an account like a package, or no more; return how many do. Again changes nothing."""
        if caller.account is None:
            raise Forbidden("a star is an account's", hint="Sign in first.")
        mine = (stars.c.package_id == package.id) & (stars.c.account_id == caller.account)

        async def work(connection: AsyncConnection) -> int:
            there = (await connection.execute(select(stars).where(mine))).one_or_none()
            if (there is not None) is not starred:
                row = {"package_id": package.id, "account_id": caller.account}
                change = insert(stars).values(row | {"at": self._journal.now()})
                await connection.execute(change if starred else delete(stars).where(mine))
                payload = {"starred": starred}
                draft = about(package, EventKind.PACKAGE_STARRED, caller, payload, private=True)
                await self._journal.append(connection, draft)
            statement = select(func.count()).select_from(stars)
            counted = await connection.execute(statement.where(stars.c.package_id == package.id))
            number = int(counted.scalar_one())
            await connection.execute(
                update(packages).where(packages.c.id == package.id).values(stars=number)
            )
            return number

        return await self._journal.write(work)

    async def _add(self, connection: AsyncConnection, package_id: int, **counts: int) -> None:
        now = self._journal.now()
        none = {"downloads": 0, "runs": 0, "successes": 0}
        row = none | counts | {"package_id": package_id, "hour": hour_of(now)}
        await connection.execute(_ADD, row)
        old = (usage.c.package_id == package_id) & (usage.c.hour < hour_of(now - KEPT))
        await connection.execute(delete(usage).where(old))
