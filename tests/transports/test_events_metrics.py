"""Figures: as the contract's JSON, and as Prometheus reads them."""

from __future__ import annotations

from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from registry_core.callers import OWNER, Scope
from registry_core.events import Draft
from registry_core.events.kinds import EventKind
from registry_core.tokens import Grant
from served import Served
from subscribing import Subscriber
from transports.meter import WINDOW, Measured, Meter

COUNTS = [
    "eventsAppended",
    "eventsBroadcast",
    "eventsReplayed",
    "sseConnectionsActive",
    "sseConnectionsTotal",
    "sharedSessionsLoaded",
    "sharedSessionsPersisted",
    "activeWorkspaceCount",
]
SLO = [
    "requests_total",
    "errors_total",
    "window_len",
    "p50_ms",
    "p95_ms",
    "p99_ms",
    "availability_pct",
    "index_lag_seconds",
    "uptime_seconds",
]


async def read(served: Served) -> dict[str, Any]:
    said: dict[str, Any] = (await served.get("/v1/metrics")).json()
    return said


async def test_the_counts_are_those_of_the_contract_and_start_at_nothing(served: Served) -> None:
    said = await read(served)
    assert list(said) == [*COUNTS, "slo"]
    assert [said[name] for name in COUNTS] == [0] * 8
    assert list(said["slo"]) == SLO
    assert (said["slo"]["availability_pct"], said["slo"]["index_lag_seconds"]) == (100.0, 0.0)


async def test_events_streams_and_sessions_are_counted(online: Served) -> None:
    record = online.world.registry.journal.record
    draft = Draft(EventKind.GRAPH_BUILT)
    await record(draft, draft, Draft(EventKind.GRAPH_BUILT, workspace="other"))
    reader = await Subscriber.open(online.url)
    await reader.take(2)
    await record(draft, draft, draft)
    await reader.take(3)
    said = await read(online)
    assert (said["eventsAppended"], said["activeWorkspaceCount"]) == (6, 2)
    assert (said["eventsReplayed"], said["eventsBroadcast"]) == (2, 3)
    assert (said["sseConnectionsActive"], said["sseConnectionsTotal"]) == (1, 1)
    await reader.close()
    while (said := await read(online))["sseConnectionsActive"]:
        pass
    assert said["sseConnectionsTotal"] == 1
    body = {"action": "save", "state": {"a": 1}}
    assert (await online.http.post("/v1/session/mutate", json=body)).status_code == 200
    await online.get("/v1/session")
    said = await read(online)
    assert (said["sharedSessionsLoaded"], said["sharedSessionsPersisted"]) == (1, 1)


async def test_requests_are_counted_and_a_client_s_fault_is_no_failure(served: Served) -> None:
    for path in ("/v1/tools", "/v1/nothing", "/api/v1/index.json", "/health"):
        await served.get(path)
    slo = (await read(served))["slo"]
    assert (slo["requests_total"], slo["errors_total"], slo["window_len"]) == (3, 0, 3)
    assert 0 < slo["p50_ms"] <= slo["p95_ms"] <= slo["p99_ms"]


async def test_an_unindexed_change_is_a_lag_until_somebody_searches(served: Served) -> None:
    await served.put(await served.token())
    await served.get("/api/v1/search?q=review")
    assert (await read(served))["slo"]["index_lag_seconds"] == 0
    await served.world.publish("@acme/other")
    assert (await read(served))["slo"]["index_lag_seconds"] >= 0
    await served.get("/api/v1/search?q=review+other")
    assert (await read(served))["slo"]["index_lag_seconds"] == 0


async def test_prometheus_reads_the_same_without_any_label(served: Served) -> None:
    await served.put(await served.token())
    await served.get("/v1/tools")
    response = await served.get("/v1/metrics?format=prometheus")
    document = (await served.get("/openapi.json")).json()
    told = document["paths"]["/v1/metrics"]["get"]["responses"]["200"]["content"]
    assert response.headers["content-type"].partition(";")[0] in told
    assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    samples = [
        sample
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    ]
    assert all(sample.labels == {} for sample in samples)
    values = {sample.name: sample.value for sample in samples}
    contract = {
        "request_duration_p50_ms",
        "request_duration_p95_ms",
        "request_duration_p99_ms",
        "availability_pct",
        "index_lag_seconds",
        "uptime_seconds",
        "requests_total",
        "errors_total",
    }
    assert {f"leanctx_team_{name}" for name in contract} <= values.keys()
    assert all(name.startswith("leanctx_team_") for name in values)
    assert values["leanctx_team_requests_total"] == 2
    assert values["leanctx_team_events_appended_total"] > 0
    assert "review" not in response.text


async def test_metrics_need_the_scope_audit(served: Served) -> None:
    grant = Grant("t", frozenset({Scope.EVENTS, Scope.SEARCH}))
    text, _ = await served.world.registry.tokens.mint(grant, OWNER)
    response = await served.get("/v1/metrics", text)
    assert (response.status_code, response.json()["error_code"]) == (403, "scope_denied")
    grant = Grant("t", frozenset({Scope.AUDIT}))
    text, _ = await served.world.registry.tokens.mint(grant, OWNER)
    assert (await served.get("/v1/metrics", text)).status_code == 200


async def test_an_unknown_format_is_400(served: Served) -> None:
    response = await served.get("/v1/metrics?format=xml")
    assert (response.status_code, response.json()["error_code"]) == (400, "invalid_arguments")


def test_percentiles_are_nearest_ranks_of_the_last_requests() -> None:
    meter = Meter()
    for n in range(WINDOW):
        meter.note(1.0, failed=n % 2 == 0)
    for n in range(1, WINDOW + 1):
        meter.note(n * 100 / WINDOW, failed=n <= WINDOW // 50)
    read = meter.read()
    assert (read.requests, read.window) == (2 * WINDOW, WINDOW)
    assert (read.p50, round(read.p95), round(read.p99)) == (50.0, 95, 99)
    assert round(read.availability) == 98


@pytest.mark.parametrize("status", [500, 504, None])
async def test_an_answer_of_500_and_none_at_all_are_failures(status: int | None) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if status is None:
            raise RuntimeError
        await send({"type": "http.response.start", "status": status, "headers": []})

    async def send(message: Any) -> None:
        pass

    meter = Meter()
    try:
        await Measured(app, meter=meter)({"type": "http", "path": "/v1/tools"}, None, send)  # type: ignore[arg-type]
    except RuntimeError:
        assert status is None
    assert (meter.read().requests, meter.read().failures) == (1, 1)


async def test_an_index_that_does_not_answer_leaves_the_other_figures(served: Served) -> None:
    await served.world.registry.index.close()
    assert (await read(served))["slo"]["index_lag_seconds"] is None
    response = await served.get("/v1/metrics?format=prometheus")
    assert "index_lag" not in response.text
    assert "leanctx_team_uptime_seconds" in response.text
