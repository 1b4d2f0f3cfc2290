"""Following the log: what was written, then what is being written, without a gap or a repeat.

Followers keep their own position; the feed says when it is their turn to read on. However many
there are, one tail reads the log for all of them: the newest events are held here, and only a
follower that is further back reads the log itself, a batch at a time. So a slow follower delays
nobody, loses nothing and costs no memory.

Turns are given out in rounds, a few in each pass of the event loop, and a round is followed by a
pause of half the time it took. Where passing events on is expensive (a write to a socket is),
that leaves every other request its share, and what gathers meanwhile is handed over at once.

Writers in this process wake the feed after their commit; what other processes write is noticed by
looking every `POLL` seconds. The tail runs as long as somebody waits.
"""

from __future__ import annotations

import asyncio
import math
from bisect import bisect_right
from collections import deque
from operator import attrgetter
from typing import TYPE_CHECKING

from registry_core.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from registry_core.events import Event
    from registry_core.events.log import EventLog

POLL = 0.5
"""Seconds until the tail looks for what another process wrote."""

BATCH = 500
"""Events that a follower is given at once, at most."""

KEPT = 1000
"""The newest events that are held here, at least; at most twice as many."""

AT_ONCE = 8
"""Followers that have their turn in one pass of the event loop."""

READING = 4
"""Followers that read the log itself at one time; the database is there for others too."""

LONGEST_PAUSE = 0.5
"""Seconds between two rounds, at most."""

_id = attrgetter("id")


class Feed:
    """Tells those who follow one log when to read on, and holds the newest events for them."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._wake = asyncio.Event()
        self.commits = 0
        """How often this process has changed something: who remembers it knows whether to read."""
        self._newest: list[Event] = []  # every event with floor < id <= head
        self._floor = self._head = -1
        self._waiting: list[_Turn] = []
        self._tail: asyncio.Task[None] | None = None
        self._reading = asyncio.Semaphore(READING)

    def wake(self, quiet: bool = False) -> None:  # noqa: FBT001, FBT002 - as it is called
        """Tell the followers that something was committed, be it only that a call was noted."""
        self.commits += not quiet
        self._wake.set()

    def follower(self, since: int) -> Follower:
        """Return a follower that has seen everything up to `since`."""
        return Follower(self, since)

    async def follow(self, since: int) -> AsyncIterator[Sequence[Event]]:
        """Yield the events after `since` in batches for ever: the past, then as they come."""
        follower = self.follower(since)
        while True:
            yield await follower.next()

    async def close(self) -> None:
        """Stop reading; whoever still waits is told so."""
        if self._tail is not None:
            self._tail.cancel()
            await asyncio.wait({self._tail})
        self._fail(Unavailable("the registry is closed"))

    async def turn(self, position: int, deadline: float) -> bool:
        """Wait until there are events after `position`; False where the deadline passes first."""
        turn = _Turn(position, deadline)
        self._waiting.append(turn)
        if self._tail is None or self._tail.done():
            self._tail = asyncio.create_task(self._run(), name="feed")
        elif position < self._head:
            self._wake.set()
        return await turn.come

    async def after(self, position: int) -> tuple[Sequence[Event], int]:
        """Return a batch of the events after `position`, and the position it reaches."""
        floor = self._floor
        if position >= floor:
            first = bisect_right(self._newest, position, key=_id)
            batch: Sequence[Event] = self._newest[first : first + BATCH]
        else:
            async with self._reading:
                batch = await self._log.since(position, BATCH)
        return batch, batch[-1].id if batch else max(position, floor)

    async def _run(self) -> None:
        try:
            await self._begin()
            while self._waiting:
                self._wake.clear()  # before reading: what is committed meanwhile sets it again
                await self._read_on()
                await self._round()
                await self._rest()
        except Exception as error:  # noqa: BLE001 - each follower raises it
            self._fail(error)

    async def _begin(self) -> None:
        head = await self._log.head()
        if self._head >= 0 and head - self._head <= KEPT:
            return
        # At first, or when nobody followed for long: hold what those who wait are about to read.
        furthest = min((turn.position for turn in self._waiting), default=head)
        self._newest = []
        self._floor = self._head = min(head, max(furthest, head - KEPT))

    async def _read_on(self) -> None:
        """Hold what is new, and let go of the oldest."""
        events = await self._log.since(self._head, KEPT)
        if not events:
            return
        self._newest.extend(events)
        self._head = events[-1].id
        if len(self._newest) >= 2 * KEPT:
            gone = len(self._newest) - KEPT
            self._floor = self._newest[gone - 1].id
            del self._newest[:gone]

    async def _round(self) -> None:
        """Give everyone who is behind a turn, those who wait longest first."""
        started = _now()
        due: deque[_Turn] = deque()
        still: list[_Turn] = []
        for turn in self._waiting:
            if not turn.come.done():
                (due if self._is_due(turn, started) else still).append(turn)
        self._waiting = still
        try:
            while due:
                for _ in range(min(AT_ONCE, len(due))):
                    turn = due.popleft()
                    turn.give(events=turn.position < self._head)
                await asyncio.sleep(0)
        finally:
            self._waiting.extend(due)
        await asyncio.sleep(min((_now() - started) / 2, LONGEST_PAUSE))

    def _is_due(self, turn: _Turn, now: float) -> bool:
        return turn.position < self._head or turn.deadline <= now

    async def _rest(self) -> None:
        """Wait for a commit, unless somebody is behind already."""
        if any(turn.position < self._head for turn in self._waiting):
            return
        try:
            async with asyncio.timeout(POLL):
                await self._wake.wait()
        except TimeoutError:
            return

    def _fail(self, error: Exception) -> None:
        waiting, self._waiting = self._waiting, []
        for turn in waiting:
            turn.fail(error)


class Follower:
    """One reader of the log; `position` is how far it has come.

    Giving up on `next`, by cancelling it too, loses nothing.
    """

    def __init__(self, feed: Feed, position: int) -> None:
        self._feed = feed
        self.position = position

    async def next(self, within: float | None = None) -> Sequence[Event]:
        """Return the next events, or none after so many seconds without.

        The clock is looked at for all who wait together, so it may be `POLL` seconds more.
        Raises Unavailable where the log cannot be read now; it may be asked again.
        """
        deadline = math.inf if within is None else _now() + within
        while await self._feed.turn(self.position, deadline):
            batch, self.position = await self._feed.after(self.position)
            if batch:
                return batch
        return ()


class _Turn:
    """Somebody's place in the queue."""

    def __init__(self, position: int, deadline: float) -> None:
        self.position = position
        self.deadline = deadline
        self.come: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def give(self, *, events: bool) -> None:
        if not self.come.done():
            self.come.set_result(events)

    def fail(self, error: Exception) -> None:
        if not self.come.done():
            self.come.set_exception(error)


def _now() -> float:
    return asyncio.get_running_loop().time()
