"""Requests at the same time: places for each asker, and for all together.

A request has its place until it is answered, an event stream until it ends. A stream has places of
its own kind, so a dashboard that stays open keeps nobody from working.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from registry_core.errors import ConcurrencyLimited
from transports.limits import below

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from starlette.types import ASGIApp, Receive, Scope, Send

    from transports.limits import Crowd
    from transports.refusals import Refuse


class InFlight:
    """Bounds the requests that are being answered."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        crowds: Sequence[Crowd],
        key: Callable[[Scope], str],
        refuse: Refuse,
    ) -> None:
        self._app = app
        self._crowds = crowds
        self._key = key
        self._refuse = refuse
        self._each: Counter[tuple[str, str]] = Counter()
        self._all: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        crowd = self._crowd(scope)
        if crowd is None:
            await self._app(scope, receive, send)
            return
        place = (crowd.path, self._key(scope))
        refusal = self._full(crowd, place)
        if refusal is not None:
            await self._refuse(scope, refusal)(scope, receive, send)
            return
        self._each[place] += 1
        self._all[crowd.path] += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._all[crowd.path] -= 1
            self._each[place] -= 1
            if not self._each[place]:
                del self._each[place]

    def _crowd(self, scope: Scope) -> Crowd | None:
        if scope["type"] != "http":
            return None
        return next((crowd for crowd in self._crowds if _in(crowd, scope["path"])), None)

    def _full(self, crowd: Crowd, place: tuple[str, str]) -> ConcurrencyLimited | None:
        if crowd.most and self._each[place] >= crowd.most:
            return ConcurrencyLimited(
                f"{crowd.most} {crowd.words} at the same time are open already",
                hint="Let one of them end first.",
            )
        if crowd.total and self._all[crowd.path] >= crowd.total:
            return ConcurrencyLimited(
                f"all {crowd.total} places for {crowd.words} are taken by others",
                hint="Try again in a moment.",
            )
        return None


def _in(crowd: Crowd, path: str) -> bool:
    return path == crowd.path if crowd.exact else below(path, crowd.path)
