"""Requests per window: what the document allows a token on one path within a minute.

The window moves: at any moment the last minute is counted, so no two minutes' worth fit around
the turn of one. Only tokens have windows (see `transports.limits`).
"""

from __future__ import annotations

import time
from math import ceil
from typing import TYPE_CHECKING

from limits import RateLimitItem, RateLimitItemPerSecond
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from registry_core.errors import RateLimited
from transports.limits import Below
from transports.refusals import ALLOWANCE, Allowance

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from starlette.types import ASGIApp, Receive, Scope, Send

    from transports.limits import Window
    from transports.refusals import Refuse


class WindowLimit:
    """Bounds the requests of one token to some paths."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        windows: Sequence[Window],
        token_key: Callable[[Scope], str],
        refuse: Refuse,
    ) -> None:
        self._app = app
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self._windows = [
            (
                Below(window.path),
                window,
                RateLimitItemPerSecond(window.most, window.seconds, namespace=window.path),
            )
            for window in windows
            if window.most
        ]
        self._token_key = token_key
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = self._found(scope)
        if found is None:
            await self._app(scope, receive, send)
            return
        window, item, key = found
        left = scope[ALLOWANCE] = self._take(item, key)
        app = self._refuse(scope, _refusal(window, left)) if left.wait else self._app
        await app(scope, receive, send)

    def _found(self, scope: Scope) -> tuple[Window, RateLimitItem, str] | None:
        if scope["type"] != "http":
            return None
        for paths, window, item in self._windows:
            if scope["path"] in paths:
                key = self._token_key(scope)
                return (window, item, key) if key else None
        return None

    def _take(self, item: RateLimitItem, key: str) -> Allowance:
        allowed = self._limiter.hit(item, key)
        stats = self._limiter.get_window_stats(item, key)
        now = time.time()  # noqa: TID251 - the clock that `limits` counts by
        reset = max(stats.reset_time - now, 0.001)
        return Allowance(item.amount, stats.remaining, reset, 0 if allowed else reset)


def _refusal(window: Window, left: Allowance) -> RateLimited:
    return RateLimited(
        f"more than {window.most} {window.words} with this token",
        retry_after=left.wait,
        hint=f"Come back in {ceil(left.wait)} s.",
    )
