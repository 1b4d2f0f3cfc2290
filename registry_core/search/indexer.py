"""Keeping the search index at the head of the event log.

The index knows the position up to which it has read. Whatever it missed (a crash, another
process's writes, being new) it catches up on by reading on. Searching catches up first, so a
package is found as soon as it is published.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from registry_core.events.feed import POLL
from registry_core.events.kinds import CHANGES
from registry_core.search import Behind, Change, Entry, Put, Remove, SearchIndex

if TYPE_CHECKING:
    from collections.abc import Sequence

    from registry_core.events import Event
    from registry_core.events.journal import Journal
    from registry_core.packages import Summary
    from registry_core.packages.store import Packages

BATCH = 500
"""Events that are read, and applied to the index in one transaction, at a time."""


class Indexer:
    """Reads the log for one index."""

    def __init__(self, index: SearchIndex, journal: Journal, packages: Packages) -> None:
        self._index = index
        self._journal = journal
        self._packages = packages
        self._one_at_a_time = asyncio.Lock()
        self._commits = -1
        self._looked = 0.0

    async def catch_up(self) -> None:
        """Apply every event that the index has not seen.

        What this process wrote is seen at once; what others wrote is looked for again when `POLL`
        seconds have passed, so that most searches ask no database.
        """
        async with self._one_at_a_time:
            commits, now = self._journal.feed.commits, asyncio.get_running_loop().time()
            if commits == self._commits and now - self._looked < POLL:
                return
            position = await self._index.position()
            head = await self._journal.log.head()
            if position > head:  # the log is another one than the index was made from
                await self._index.clear()
                position = 0
            while position < head:
                events = await self._journal.log.since(position, BATCH)
                position = events[-1].id
                try:
                    await self._index.apply(await self._changes(events), position)
                except Behind:
                    # Its writer reads the same log; the next search looks again.
                    return
            self._commits, self._looked = commits, now

    async def lag(self) -> float:
        """Return for how many seconds the oldest change has been waiting to be found."""
        waiting = await self._journal.log.since(await self._index.position(), 1, CHANGES)
        return max((self._journal.now() - waiting[0].at).total_seconds(), 0.0) if waiting else 0.0

    async def _changes(self, events: Sequence[Event]) -> list[Change]:
        changed = [event.payload.get("package_id") for event in events if event.kind in CHANGES]
        ids = dict.fromkeys(number for number in changed if number is not None)
        there = await self._packages.indexable(list(ids))
        return [
            Put(_entry(*there[package_id])) if package_id in there else Remove(str(package_id))
            for package_id in ids
        ]


def _entry(package: Summary, body: str) -> Entry:
    release = package.latest
    assert release is not None  # noqa: S101 - `indexable` gives only packages that have one
    return Entry(
        key=str(package.id),
        name=str(package.name),
        kind=package.kind,
        namespace=package.name.namespace,
        private=package.private,
        description=release.description,
        tags=release.tags,
        body=body,
    )
