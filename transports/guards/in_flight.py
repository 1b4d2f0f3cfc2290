"""Requests at the same time: places for each asker, and for all together.

A request has its place until it is answered, an event stream until it ends. A stream has places of
its own kind, so a dashboard that stays open keeps nobody from working.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from registry_core.errors import ConcurrencyLimited
from transports.limits import Below, remembered

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Sequence

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
        self._crowds = [(_paths(crowd), crowd) for crowd in crowds]
        self._crowd = remembered(self._crowd_at)
        self._key = key
        self._refuse = refuse
        self._each: dict[tuple[str, str], int] = {}
        self._all = {crowd.path: 0 for crowd in crowds}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        crowd = self._crowd(scope["path"]) if scope["type"] == "http" else None
        if crowd is None:
            await self._app(scope, receive, send)
            return
        place = (crowd.path, self._key(scope))
        refusal = self._full(crowd, place)
        if refusal is not None:
            await self._refuse(scope, refusal)(scope, receive, send)
            return
        self._each[place] = self._each.get(place, 0) + 1
        self._all[crowd.path] += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._leave(place)

    def _leave(self, place: tuple[str, str]) -> None:
        self._all[place[0]] -= 1
        left = self._each.pop(place) - 1
        if left:
            self._each[place] = left

    def _crowd_at(self, path: str) -> Crowd | None:
        return next((crowd for paths, crowd in self._crowds if path in paths), None)

    def _full(self, crowd: Crowd, place: tuple[str, str]) -> ConcurrencyLimited | None:
        if crowd.most and self._each.get(place, 0) >= crowd.most:
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


def _paths(crowd: Crowd) -> Container[str]:
    return frozenset({crowd.path}) if crowd.exact else Below(crowd.path)
