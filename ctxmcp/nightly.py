"""What a served registry does once a night, at 03:17 UTC: looking for tools that do the same."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING

from registry_core.errors import RegistryError

if TYPE_CHECKING:
    from registry_core.registry import Registry

AT = time(3, 17)

_log = logging.getLogger(__name__)


def until(now: datetime) -> timedelta:
    """Return how long it is until the next time; `now` in UTC."""
    today = now.replace(hour=AT.hour, minute=AT.minute, second=0, microsecond=0)
    return (today if today > now else today + timedelta(days=1)) - now


async def run(registry: Registry) -> None:
    """Do it every night, for ever."""
    while True:
        await asyncio.sleep(until(registry.clock()).total_seconds())
        await once(registry)


async def once(registry: Registry) -> None:
    """Do it now; what fails is said in the log, and tried again the next night."""
    try:
        made = await registry.proposals.find_candidates()
    except RegistryError as error:
        _log.warning("no proposals could be made: %s", error)
    else:
        _log.info("%d proposals were made", made)
