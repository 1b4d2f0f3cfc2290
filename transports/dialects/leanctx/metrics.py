"""What the registry does, in figures, for who holds the scope `audit`.

    GET /v1/metrics                      the contract's eight counts, and `slo`
    GET /v1/metrics?format=prometheus    the same in the text format 0.0.4, as `leanctx_team_*`

Counts are since the app started, and of every process that writes the same log. No figure has a
label: a name of a package in one would tell of private packages, and grow without end.

In `slo`: latencies and availability of the last requests, and how long the oldest change to a
package has been waiting to be found by a search (0: nothing waits; null, and no series, while
the index does not answer).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.responses import Response
from starlette.routing import Route

from registry_core.callers import Scope
from registry_core.errors import RegistryError
from registry_core.names import shown
from transports.dialects.leanctx import envelope
from transports.dialects.leanctx.envelope import InvalidArguments
from transports.guards.auth import bearer
from transports.state import opened

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from prometheus_client.metrics_core import Metric
    from starlette.requests import Request

    from registry_core.search.indexer import Indexer
    from transports.state import Opened

PREFIX = "leanctx_team_"

GAUGES = {
    "request_duration_p50_ms": ("p50_ms", "Half of the last requests took no longer."),
    "request_duration_p95_ms": ("p95_ms", "95 in 100 of the last requests took no longer."),
    "request_duration_p99_ms": ("p99_ms", "99 in 100 of the last requests took no longer."),
    "availability_pct": ("availability_pct", "Of the last requests, those that did not fail."),
    "index_lag_seconds": ("index_lag_seconds", "How long the oldest unindexed change waits."),
    "uptime_seconds": ("uptime_seconds", "Since the app started."),
    "sse_connections_active": ("sseConnectionsActive", "Event streams that are open."),
    "active_workspaces": ("activeWorkspaceCount", "Workspaces in which something happened."),
}
COUNTERS = {
    "requests": ("requests_total", "Requests."),
    "errors": ("errors_total", "Requests that failed on the server's side."),
    "events_appended": ("eventsAppended", "Events written to the log."),
    "events_broadcast": ("eventsBroadcast", "Events sent to streams as they came."),
    "events_replayed": ("eventsReplayed", "Events sent to streams out of the past."),
    "sse_connections": ("sseConnectionsTotal", "Event streams that were opened."),
    "shared_sessions_loaded": ("sharedSessionsLoaded", "Sessions read."),
    "shared_sessions_persisted": ("sharedSessionsPersisted", "Sessions written."),
}
"""The series by name, the member of the JSON document each repeats, and its words. The text format
adds `_total` to a counter."""


def routes() -> list[Route]:
    """Return what this module answers."""
    return [Route("/v1/metrics", metrics)]


async def metrics(request: Request) -> Response:
    """Show what the registry does, in figures."""
    caller = await bearer(request.scope).local_or_token()
    envelope.need(caller, Scope.AUDIT)
    spelled = request.query_params.get("format", "json")
    if spelled not in {"json", "prometheus"}:
        raise InvalidArguments(f"format is {shown(spelled)}, not json or prometheus")
    figures = await _figures(opened(request.scope))
    return envelope.document(figures) if spelled == "json" else _prometheus(figures)


async def _figures(found: Opened) -> dict[str, Any]:
    tally, streams, sessions = found.tally, found.streams, found.registry.sessions
    await tally.catch_up()
    return {
        "eventsAppended": tally.events,
        "eventsBroadcast": streams.broadcast,
        "eventsReplayed": streams.replayed,
        "sseConnectionsActive": streams.active,
        "sseConnectionsTotal": streams.total,
        "sharedSessionsLoaded": sessions.loaded,
        "sharedSessionsPersisted": sessions.persisted,
        "activeWorkspaceCount": len(tally.workspaces),
        "slo": await _slo(found),
    }


async def _slo(found: Opened) -> dict[str, Any]:
    read = found.meter.read()
    return {
        "requests_total": read.requests,
        "errors_total": read.failures,
        "window_len": read.window,
        "p50_ms": read.p50,
        "p95_ms": read.p95,
        "p99_ms": read.p99,
        "availability_pct": read.availability,
        "index_lag_seconds": await _lag(found.registry.indexer),
        "uptime_seconds": read.uptime,
    }


async def _lag(indexer: Indexer) -> float | None:
    """Return the lag; None where the index itself cannot say."""
    try:
        return await indexer.lag()
    except RegistryError:
        return None


def _prometheus(figures: Mapping[str, Any]) -> Response:
    from prometheus_client import (  # noqa: PLC0415 - most servers are never asked
        CollectorRegistry,
        generate_latest,
    )

    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collected({**figures, **figures["slo"]}))
    return Response(
        generate_latest(registry),
        headers={"cache-control": "no-store"},
        media_type="text/plain; version=0.0.4; charset=utf-8",
    )


class _Collected:
    """Figures as the metrics library collects them."""

    def __init__(self, figures: Mapping[str, Any]) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        from prometheus_client.metrics_core import (  # noqa: PLC0415 - as above
            CounterMetricFamily,
            GaugeMetricFamily,
        )

        for name, (member, words) in GAUGES.items():
            if self._figures[member] is not None:
                yield GaugeMetricFamily(PREFIX + name, words, self._figures[member])
        for name, (member, words) in COUNTERS.items():
            yield CounterMetricFamily(PREFIX + name, words, self._figures[member])
