"""Requests per second: a bucket of tokens for each asker, and what is left of it on every answer.

A bucket holds `burst` and is refilled at `rate` a second; a request takes one. A full bucket is as
good as none, so what is kept is only who asked a moment ago.

A token that was not found before is looked up where a look-up is needed anyway, and costs its
network address one until it is found; so whoever invents tokens comes no further than whoever sends
none, and makes as few look-ups.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Protocol

from registry_core.errors import RateLimited, RegistryError
from transports.refusals import ALLOWANCE, Allowance, rate_headers

if TYPE_CHECKING:
    from collections.abc import Callable, Container

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from transports.refusals import Refuse

MOST_BUCKETS = 4096
"""Askers that are kept before those with full buckets are forgotten."""


class Asker(Protocol):
    """Whoever sends a request, as far as a limit has to know."""

    @property
    def key(self) -> str:
        """Whose allowance it takes from, as far as is known."""

    async def settled_key(self) -> str:
        """Find out, where it is not known."""


class RateLimit:
    """Bounds the requests of one asker. Below `closed` every endpoint looks the token up."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        buckets: Buckets,
        asker: Callable[[Scope], Asker],
        closed: Container[str],
        refuse: Refuse,
    ) -> None:
        self._app = app
        self._buckets = buckets
        self._asker = asker
        self._closed = closed
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def announcing(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *rate_headers(scope)]
            await send(message)

        app = self._app
        if self._buckets.rate:
            left = scope[ALLOWANCE] = await self._take(scope)
            app = self._refuse(scope, self._refusal(left)) if left.wait else app
        await app(scope, receive, announcing)

    async def _take(self, scope: Scope) -> Allowance:
        asker = self._asker(scope)
        first = asker.key
        left = self._buckets.take(first, _now())
        if left.wait or scope["path"] not in self._closed:
            return left
        try:
            settled = await asker.settled_key()
        except RegistryError:  # the endpoint meets it again, and says it
            return left
        if settled == first:
            return left
        self._buckets.give_back(first)
        return self._buckets.take(settled, _now())

    def _refusal(self, left: Allowance) -> RateLimited:
        return RateLimited(
            f"more than {self._buckets.rate:g} requests a second",
            retry_after=left.wait,
            hint=f"Come back in {ceil(left.wait)} s; {left.limit} may come at once.",
        )


@dataclass(slots=True)
class _Bucket:
    level: float
    at: float


class Buckets:
    """The buckets of all askers. `rate` a second, 0 for no limit; the time is passed in."""

    def __init__(self, rate: float, burst: int, *, most: int = MOST_BUCKETS) -> None:
        self.rate = rate
        self._burst = max(burst, 1)
        self._buckets: dict[str, _Bucket] = {}
        self._most = most

    def take(self, key: str, now: float) -> Allowance:
        """Take one from the bucket of `key`, or say how long to wait for it."""
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._made(key, now)
        bucket.level = self._level(bucket, now)
        bucket.at = now
        wait = 0.0
        if bucket.level >= 1:
            bucket.level -= 1
        else:
            wait = (1 - bucket.level) / self.rate
        reset = (self._burst - bucket.level) / self.rate
        return Allowance(self._burst, int(bucket.level), reset, wait)

    def give_back(self, key: str) -> None:
        """Put one back that was taken in vain."""
        bucket = self._buckets.get(key)
        if bucket is not None:
            bucket.level = min(self._burst, bucket.level + 1)

    def __len__(self) -> int:
        return len(self._buckets)

    def _made(self, key: str, now: float) -> _Bucket:
        if len(self._buckets) >= self._most:
            self._forget(now)
        bucket = self._buckets[key] = _Bucket(self._burst, now)
        return bucket

    def _forget(self, now: float) -> None:
        """Drop the full buckets; look again when there are twice as many as were left."""
        self._buckets = {
            key: bucket
            for key, bucket in self._buckets.items()
            if self._level(bucket, now) < self._burst
        }
        self._most = max(MOST_BUCKETS, 2 * len(self._buckets))

    def _level(self, bucket: _Bucket, now: float) -> float:
        return min(self._burst, bucket.level + (now - bucket.at) * self.rate)


def _now() -> float:
    return asyncio.get_running_loop().time()
