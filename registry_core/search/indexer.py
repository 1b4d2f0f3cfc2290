"""Keeping the search index at the head of the event log, and searching it there.

The index knows the position up to which it has read. Whatever it missed (a crash, another
process's writes, being new) it catches up on by reading on. Searching catches up first, so a
package is found as soon as it is published; publishing itself never waits for the index. An index
that turns out to be damaged is made anew from the log.
"""

from __future__ import annotations

import asyncio
import logging
from operator import attrgetter
from typing import TYPE_CHECKING, TypeVar

from registry_core.errors import Internal, RegistryError
from registry_core.events.feed import POLL
from registry_core.events.kinds import CHANGES
from registry_core.search import (
    Behind,
    Change,
    Entry,
    Hits,
    Pair,
    Put,
    Query,
    Remove,
    SearchIndex,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from registry_core.events import Event
    from registry_core.events.journal import Journal
    from registry_core.packages import Summary
    from registry_core.packages.store import Packages

BATCH = 500
"""Events that are read, and applied to the index in one transaction, at a time."""

REST = 0.25
"""Seconds between two batches of what is published while nobody searches."""

_log = logging.getLogger(__name__)
_id = attrgetter("id")
T = TypeVar("T")


def _unwatched(_done: int, _total: int, _words: str) -> None:
    pass


class Indexer:
    """Reads the log for one index."""

    def __init__(self, index: SearchIndex, journal: Journal, packages: Packages) -> None:
        self._index = index
        self._journal = journal
        self._packages = packages
        self._one_at_a_time = asyncio.Lock()
        self._commits = -1
        self._looked = 0.0
        self._stood = self._read = 0
        """Where the index stood last, and how far the log was read then: a call of a tool is an
        event too, and not worth a commit of the index."""

    async def search(self, query: Query) -> Hits:
        """Find in an index that knows of everything there is."""
        return await self._asked(lambda: self._index.search(query))

    async def pairs(self, query: Query, least: float) -> Sequence[Pair]:
        """Find pairs of packages that say nearly the same, in such an index."""
        return await self._asked(lambda: self._index.pairs(query, least))

    async def _asked(self, ask: Callable[[], Awaitable[T]]) -> T:
        try:
            await self.catch_up()
            return await ask()
        except Internal as error:
            _log.warning("the search index is made anew: %s", error)
            await self.rebuild()
            return await ask()

    async def catch_up(self) -> None:
        """Apply every event that the index has not seen.

        What this process wrote is seen at once; what others wrote is looked for again when `POLL`
        seconds have passed, so that most searches ask no database.
        """
        async with self._one_at_a_time:
            commits, now = self._journal.feed.commits, asyncio.get_running_loop().time()
            if commits == self._commits and now - self._looked < POLL:
                return
            await self._read_on(_unwatched)
            self._commits, self._looked = commits, now

    async def rebuild(self, told: Callable[[int, int, str], None] = _unwatched) -> int:
        """Make the index anew from the log; `told` hears how far it is. Returns its position."""
        async with self._one_at_a_time:
            await self._index.clear()
            return await self._read_on(told)

    async def follow(self) -> None:
        """Keep the index up to date for ever, so that searches find it so."""
        follower = self._journal.feed.follower(await self._journal.log.head())
        while True:
            try:
                await self.catch_up()
            except RegistryError as error:
                _log.warning("the search index cannot follow the log: %s", error)
            await follower.next()
            await asyncio.sleep(REST)

    async def lag(self) -> float:
        """Return for how many seconds the oldest change has been waiting to be found."""
        waiting = await self._journal.log.since(await self._index.position(), 1, CHANGES)
        return max((self._journal.now() - waiting[0].at).total_seconds(), 0.0) if waiting else 0.0

    async def _read_on(self, told: Callable[[int, int, str], None]) -> int:
        stands, head = await self._index.position(), await self._journal.log.head()
        if stands > head:  # the log is another one than the index was made from
            await self._index.clear()
            stands = 0
        position = max(stands, self._read) if stands >= self._stood else stands
        while position < head:
            told(position, head, "indexing")
            events = await self._journal.log.since(position, BATCH, CHANGES)
            position = events[-1].id if len(events) == BATCH else max([head, *map(_id, events)])
            if events:
                try:
                    await self._index.apply(await self._changes(events), position)
                except Behind:
                    # Its writer reads the same log; the next search looks again.
                    return position
                stands = position
        told(head, head, "indexed")
        self._stood, self._read = stands, position
        return position

    async def _changes(self, events: Sequence[Event]) -> list[Change]:
        changed = [event.payload.get("package_id") for event in events]
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
        verified=release.signer is not None,
        description=release.description,
        tags=release.tags,
        category=release.category,
        body=body,
    )
