"""Waits that have an end, watched over together: one timer for all of them, not one for each.

    wait = watch.wait(seconds)
    await wait.over(work)    # TimeoutError, and wait.expired, where it took longer

Most work is done without waiting for anything, and costs nothing here: only what waits is looked
after. A timer that is set, moved and taken back for each request costs more than every other guard
does. Here a request that waits costs its place in a set, and a wait ends up to `TICK` late.
"""

from __future__ import annotations

import asyncio
import math
import types
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine, Generator

T = TypeVar("T")

TICK = 0.05
"""Seconds between two looks at what is open."""


class Watch:
    """The waits of one guard that are open."""

    def __init__(self) -> None:
        self._open: set[Wait] = set()
        self._looking = False

    def wait(self, seconds: float) -> Wait:
        """Return a wait of at most so many seconds."""
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
    """One wait; `due` is when it ends, by the loop's clock, and infinite where its time stands."""

    __slots__ = ("_left", "_runs", "_timeout", "_watch", "due", "waited")

    def __init__(self, watch: Watch, seconds: float) -> None:
        self._watch = watch
        self._left = seconds
        self._runs = True
        self._timeout: asyncio.Timeout | None = None
        self.due = math.inf
        self.waited = 0.0
        """Seconds that its work took, where it waited at all."""

    async def over(self, work: Coroutine[Any, Any, T]) -> T:
        """Return what `work` returns. Where that takes longer, it is cancelled."""
        try:
            awaited = work.send(None)
        except StopIteration as done:
            result: T = done.value
            return result
        began = _now()
        self._timeout = asyncio.timeout(None)
        if self._runs:
            self.due = began + self._left
        self._watch.add(self)
        try:
            async with self._timeout:
                return await _rest(work, awaited)
        finally:
            self._watch.discard(self)
            self.waited = _now() - began

    @property
    def expired(self) -> bool:
        """Whether it came to its end."""
        return self._timeout is not None and self._timeout.expired()

    def expire(self, now: float) -> None:
        """End it."""
        self.due = math.inf
        if self._timeout is not None:
            self._timeout.reschedule(now)

    def pause(self) -> None:
        """Stop the time."""
        self._runs = False
        if self.due < math.inf:
            self._left, self.due = self.due - _now(), math.inf

    def resume(self) -> None:
        """Let it go on."""
        self._runs = True
        if self._timeout is not None:
            self.due = _now() + self._left

    def stop(self) -> None:
        """Stop the time for good, also where it has just come to its end and nobody knows yet."""
        self.due = self._left = math.inf
        if self._timeout is not None and not self.expired:
            self._timeout.reschedule(None)


@types.coroutine
def _rest(work: Coroutine[Any, Any, T], awaited: Any) -> Generator[Any, Any, T]:
    """Go on with a coroutine that waits already, as `await` would from the beginning."""
    while True:
        try:
            yield awaited
        except BaseException as error:  # noqa: BLE001 - the work's to see
            try:
                awaited = work.throw(error)
            except StopIteration as done:
                result: T = done.value
                return result
        else:
            left: T = yield from work
            return left


def _now() -> float:
    return asyncio.get_running_loop().time()
