"""Downloads by the hour, kept for as long as anybody asks about."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, insert, update

from registry_core.packages.periods import MOST_HOURS
from registry_core.schema import downloads

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection


def hour(moment: datetime) -> int:
    """Return the number of an hour."""
    return int(moment.timestamp()) // 3600


async def add(connection: AsyncConnection, counts: Mapping[int, int], now: int) -> None:
    """Add to the downloads of packages in the hour `now`, after `Database.serialise`."""
    for package_id, count in counts.items():
        of = (downloads.c.package_id == package_id) & (downloads.c.hour == now)
        more = update(downloads).where(of).values(count=downloads.c.count + count)
        if not (await connection.execute(more)).rowcount:
            first = {"package_id": package_id, "hour": now, "count": count}
            await connection.execute(insert(downloads).values(first))
    await connection.execute(delete(downloads).where(downloads.c.hour <= now - MOST_HOURS))
