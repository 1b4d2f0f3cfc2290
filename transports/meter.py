"""Measuring the requests to the mirror and the registry's APIs: how long, and how many failed.

A request is measured from the outside of every guard until its answer begins, so a stream counts
with what it took to open it. A failure is an answer of 500 and above, or none; what a client did
wrong is not the server's failure.
"""

from __future__ import annotations

import math
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from transports.apis import api_of

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

WINDOW = 4096
"""Requests, the latest ones, that the percentiles and the availability are of."""

MEASURED = ("/v1/", "/api/v1/")


@dataclass(frozen=True, slots=True)
class Reading:
    """What a meter shows; times are in milliseconds, the availability in percent."""

    requests: int
    failures: int
    window: int
    p50: float
    p95: float
    p99: float
    availability: float
    uptime: int


class Meter:
    """What one app has done since it started."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._requests = 0
        self._failures = 0
        self._latest: deque[tuple[float, bool]] = deque(maxlen=WINDOW)

    def note(self, milliseconds: float, *, failed: bool) -> None:
        """Count a request."""
        self._requests += 1
        self._failures += failed
        self._latest.append((milliseconds, failed))

    def read(self) -> Reading:
        """Return what there is to tell; with no requests, nothing has failed."""
        times = sorted(taken for taken, _ in self._latest)
        failed = sum(failed for _, failed in self._latest)
        return Reading(
            requests=self._requests,
            failures=self._failures,
            window=len(times),
            p50=_percentile(times, 50),
            p95=_percentile(times, 95),
            p99=_percentile(times, 99),
            availability=100.0 * (len(times) - failed) / len(times) if times else 100.0,
            uptime=int(time.monotonic() - self._started),
        )


class Measured:
    """Notes every request to what is measured in a meter."""

    def __init__(self, app: ASGIApp, *, meter: Meter) -> None:
        self._app = app
        self._meter = meter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not _is_measured(scope):
            await self._app(scope, receive, send)
            return
        started, begun = time.monotonic(), False

        def note(*, failed: bool) -> None:
            nonlocal begun
            begun = True
            self._meter.note((time.monotonic() - started) * 1000, failed=failed)

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start":
                note(failed=message["status"] >= 500)
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            if not begun:
                note(failed=True)


def _is_measured(scope: Scope) -> bool:
    return scope["type"] == "http" and (
        api_of(scope) is not None or scope["path"].startswith(MEASURED)
    )


def _percentile(times: list[float], percent: int) -> float:
    """Return the nearest rank: the least time that so many percent do not exceed."""
    return round(times[math.ceil(len(times) * percent / 100) - 1], 3) if times else 0.0
