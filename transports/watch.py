"""Waits that have an end, watched over together: one timer for all of them, not one for each.

    async with watch.wait(seconds) as wait:    # TimeoutError, and wait.expired, at the end of it
        ...

A timer that is set, moved and taken back for each request costs more than every other guard does.
Here a request costs its place in a set, and a wait ends up to `TICK` late.
"""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

TICK = 0.05
"""Seconds between two looks at what is open."""


class Watch:
    """The waits of one guard that are open."""

    def __init__(self) -> None:
        self._open: set[Wait] = set()
        self._looking = False

    def wait(self, seconds: float) -> Wait:
        """Return a wait of at most so many seconds, to be entered at once."""
        return Wait(self, seconds)

    def add(self, wait: Wait) -> None:
        """Look after a wait."""
        self._open.add(wait)
        if not self._looking:
            self._looking = True
            loop = asyncio.get_running_loop()
            loop.call_later(min(TICK, wait.due - loop.time()), self._look)

    def discard(self, wait: Wait) -> None:
        """Look after it no longer."""
        self._open.discard(wait)

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        for wait in self._open:
            if wait.due <= now:
                wait.expire(now)
        self._looking = bool(self._open)
        if self._looking:
            loop.call_later(TICK, self._look)


class Wait:
    """One wait; `due` is when it ends, by the loop's clock."""

    __slots__ = ("_timeout", "_watch", "due")

    def __init__(self, watch: Watch, seconds: float) -> None:
        self._watch = watch
        self._timeout = asyncio.timeout(None)
        self.due = _now() + seconds

    async def __aenter__(self) -> Self:
        await self._timeout.__aenter__()
        self._watch.add(self)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._watch.discard(self)
        await self._timeout.__aexit__(kind, error, trace)

    @property
    def expired(self) -> bool:
        """Whether it came to its end."""
        return self._timeout.expired()

    def expire(self, now: float) -> None:
        """End it; whoever is in it is cancelled and gets a TimeoutError."""
        self.due = math.inf
        self._timeout.reschedule(now)

    def pause(self) -> float:
        """Stop the time, and return the seconds that are left."""
        left, self.due = self.due - _now(), math.inf
        return left

    def stop(self) -> None:
        """Stop the time for good, also where it has just come to its end and nobody knows yet."""
        self.due = math.inf
        if not self.expired:
            self._timeout.reschedule(None)

    def resume(self, left: float) -> None:
        """Let it go on."""
        self.due = _now() + left


def _now() -> float:
    return asyncio.get_running_loop().time()
