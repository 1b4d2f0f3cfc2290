"""Counting what is written to the log from one moment on, whoever writes it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from registry_core.events.log import EventLog


class Tally:
    """The events after a position, and the workspaces they are of; each is counted once."""

    def __init__(self, log: EventLog, position: int) -> None:
        self._log = log
        self._position = position
        self._one_at_a_time = asyncio.Lock()
        self.events = 0
        self.workspaces: set[str] = set()

    @classmethod
    async def begin(cls, log: EventLog) -> Tally:
        """Count from now on."""
        return cls(log, await log.head())

    async def catch_up(self) -> None:
        """Count what was written since the last time."""
        async with self._one_at_a_time:
            for row in await self._log.count(self._position):
                self.events += row.events
                self.workspaces.add(row.workspace)
                self._position = max(self._position, row.newest)
