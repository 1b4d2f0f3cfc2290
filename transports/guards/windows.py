"""Requests per window: what the document allows a token on one path within a minute.

The window moves: at any moment the last minute is counted, so no two minutes' worth fit around
the turn of one. A row says whose requests it counts (`transports.limits.Whom`); the first row that
applies to a request counts it. A tool that is called over MCP
counts as one that is called by path.
"""

from __future__ import annotations

import time
from math import ceil
from typing import TYPE_CHECKING, NamedTuple

from limits import RateLimitItem, RateLimitItemPerSecond
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from registry_core.errors import RateLimited
from transports.limits import Below, Whom, remembered
from transports.refusals import ALLOWANCE, Allowance

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from starlette.types import ASGIApp, Receive, Scope, Send

    from transports.limits import Window
    from transports.refusals import Refuse


_KEY = "ctxmcp.windows"


def count(scope: Scope, path: str) -> None:
    """Count a request that does what requests to `path` do. Raises RateLimited."""
    windows: WindowLimit = scope[_KEY]
    windows.count(scope, path)


def counts_still(scope: Scope, what: str, most: int, seconds: int) -> bool:
    """Tell whether something may count once more within a time; 0 is no limit."""
    windows: WindowLimit = scope[_KEY]
    return not most or windows.counts_still(what, most, seconds)


class WindowLimit:
    """Bounds the requests of one asker to some paths."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        windows: Sequence[Window],
        key: Callable[[Scope, Whom], str],
        look: Callable[[Scope], Awaitable[object]],
        refuse: Refuse,
    ) -> None:
        self._app = app
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self._windows = [
            (
                Below(window.path),
                window,
                RateLimitItemPerSecond(
                    window.most, window.seconds, namespace=f"{window.path} {window.words}"
                ),
            )
            for window in windows
            if window.most
        ]
        self._at = remembered(self._windows_at)
        self._key = key
        self._look = look
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._app
        if scope["type"] == "http":
            scope[_KEY] = self
            try:
                if self._at(scope["path"]).look:
                    await self._look(scope)
                self.count(scope, scope["path"])
            except RateLimited as error:
                app = self._refuse(scope, error)
        await app(scope, receive, send)

    def count(self, scope: Scope, path: str) -> None:
        """Count a request to `path` where it has a window. Raises RateLimited."""
        for window, item in self._at(path).rows:
            counts = not window.methods or scope["method"] in window.methods
            key = self._key(scope, window.whom) if counts else ""
            if key:
                left = scope[ALLOWANCE] = self._take(item, key)
                if left.wait:
                    raise _refusal(window, left)
                return

    def _windows_at(self, path: str) -> _AtPath:
        rows = [(window, item) for paths, window, item in self._windows if path in paths]
        return _AtPath(rows, any(window.whom is not Whom.TOKEN for window, _ in rows))

    def counts_still(self, what: str, most: int, seconds: int) -> bool:
        """Count something that is no request to a path."""
        return self._limiter.hit(RateLimitItemPerSecond(most, seconds, namespace="other"), what)

    def _take(self, item: RateLimitItem, key: str) -> Allowance:
        allowed = self._limiter.hit(item, key)
        stats = self._limiter.get_window_stats(item, key)
        now = time.time()  # noqa: TID251 - the clock that `limits` counts by
        reset = max(stats.reset_time - now, 0.001)
        return Allowance(item.amount, stats.remaining, reset, 0 if allowed else reset)


class _AtPath(NamedTuple):
    """The windows of one path, and whether who asks has to be known for one of them."""

    rows: Sequence[tuple[Window, RateLimitItem]]
    look: bool


def _refusal(window: Window, left: Allowance) -> RateLimited:
    if window.refusal:
        return RateLimited(window.refusal, retry_after=left.wait)
    return RateLimited(
        f"more than {window.most} {window.words} with this token",
        retry_after=left.wait,
        hint=f"Come back in {ceil(left.wait)} s.",
    )
