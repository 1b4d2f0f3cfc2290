"""Following the log: what was written, then what is being written, without a gap or a repeat.

Followers read the log itself and keep their own position; the feed only wakes them. So a slow
follower delays nobody, loses nothing and costs no memory. Writers in this process wake the feed
after their commit; what other processes write is noticed by looking every `POLL` seconds while
somebody follows.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from registry_core.events import Event
    from registry_core.events.log import EventLog

POLL = 0.5
"""Seconds until a follower looks for what another process wrote."""

BATCH = 200


class Feed:
    """Wakes those who follow one log."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._wake = asyncio.Event()
        self.commits = 0
        """How often this process has committed: who remembers it knows whether to read on."""

    def wake(self) -> None:
        """Tell the followers that something was committed."""
        self.commits += 1
        self._wake.set()
        self._wake = asyncio.Event()

    async def follow(self, since: int) -> AsyncIterator[Sequence[Event]]:
        """Yield the events after `since` in batches for ever: the past, then as they come."""
        position = since
        while True:
            wake = self._wake  # taken before reading: what is committed meanwhile sets this one
            batch = await self._log.since(position, BATCH)
            if batch:
                position = batch[-1].id
                yield batch
                continue
            # Not wait_for: before Python 3.12 it loses a cancellation that meets the wake-up.
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL):
                    await wake.wait()
