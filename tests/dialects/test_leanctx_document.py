"""The document of the team server, requirement by requirement, over the wire."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from ctxmcp import cli, serving, settings
from ctxmcp.client import Client
from dialects.requirements import claims
from registry_core.callers import OWNER, PACKAGE_SCOPES, Scope
from registry_core.errors import Invalid, NotFound
from registry_core.events import Draft
from registry_core.events.kinds import EventKind
from registry_core.tokens import Grant
from served import EVERYBODY, FAST, Served, bearing
from subscribing import Subscriber
from transports.access import Access
from transports.limits import Limits
from world import World

PLACE = {"workspaceId": "my-team", "channelId": "feat/auth"}
QUERY = "workspaceId=my-team&channelId=feat/auth"
SEARCH = {"name": "search", "arguments": {"query": "review"}}


async def token(world: World, *scopes: Scope, role: str = "") -> str:
    text, _ = await world.registry.tokens.mint(Grant("ci-bot", frozenset(scopes), role=role), OWNER)
    return text


@pytest.fixture
async def holder(served: Served) -> str:
    return await token(served.world, role="admin")


async def call(served: Served, body: Mapping[str, Any], bearer: str = "") -> httpx.Response:
    return await served.http.post("/v1/tools/call", json=body, headers=bearing(bearer))


async def post(served: Served, path: str, bearer: str, **body: Any) -> httpx.Response:
    return await served.http.post(path, json=body, headers=bearing(bearer))


async def code(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error_code"]


# --- authentication and scopes


@claims("auth.bearer", "error.unauthorized")
async def test_a_request_comes_with_a_bearer_token(sqlite_world: World) -> None:
    async with Served.inside(sqlite_world, EVERYBODY) as served:
        bearer = await token(sqlite_world, Scope.SEARCH)
        for path in ("/v1/tools", "/v1/manifest", "/v1/capabilities", "/v1/session", "/v1/metrics"):
            assert await code(await served.get(path)) == (401, "unauthorized")
        assert (await served.get("/v1/tools", bearer)).status_code == 200


@claims("auth.create", "auth.token")
def test_the_command_of_the_document_makes_a_token(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["token", "create", "--scope", "read,write", "--name", "ci-bot"]
    assert cli.run([*words, "--data-dir", str(tmp_path)]) == 0
    assert capsys.readouterr().out.startswith("lctx_t_")


NEEDS = {
    Scope.SEARCH: ("POST", "/v1/tools/call", {"name": "search"}),
    Scope.ARTIFACTS: (
        "POST",
        "/v1/tools/call",
        {"name": "download", "arguments": {"ref": "@acme/b"}},
    ),
    Scope.EVENTS: ("GET", "/v1/events/search?q=x", None),
    Scope.SESSION_MUTATIONS: ("POST", "/v1/session/mutate", {"action": "save", "state": {"a": 1}}),
    Scope.KNOWLEDGE: ("POST", "/v1/knowledge/remember", {"key": "k", "value": "v"}),
    Scope.AUDIT: ("GET", "/v1/metrics", None),
}


@claims(
    "scope.search",
    "scope.graph",
    "scope.artifacts",
    "scope.index",
    "scope.events",
    "scope.sessionMutations",
    "scope.knowledge",
    "scope.audit",
)
@pytest.mark.parametrize("needed", NEEDS)
async def test_a_scope_opens_what_is_its_and_nothing_else(served: Served, needed: Scope) -> None:
    method, path, body = NEEDS[needed]
    await served.world.publish("@acme/b")
    for scope in Scope:
        if scope in PACKAGE_SCOPES | {Scope.REVIEW}:  # they include others
            continue
        bearer = await token(served.world, scope)
        response = await served.http.request(method, path, json=body, headers=bearing(bearer))
        if scope is needed:
            assert response.status_code == 200
        else:
            assert await code(response) == (403, "scope_denied")


# --- tool execution


@claims(
    "endpoint.tools.call",
    "call.name",
    "call.arguments",
    "answer.content",
    "answer.content.type",
    "answer.content.text",
    "answer.isError",
    "answer.meta",
    "answer.meta.tokens_saved",
    "answer.meta.cache_hit",
    "answer.meta.duration_ms",
)
async def test_a_call_is_answered_as_the_document_shows_it(served: Served) -> None:
    await served.world.publish("@acme/review")
    said = (await call(served, SEARCH)).json()
    [content] = said["content"]
    assert content["type"] == "text"
    assert "@acme/review@1.0.0" in content["text"]
    assert said["isError"] is False
    assert list(said["meta"]) == ["duration_ms", "cache_hit", "tokens", "tokens_saved"]
    assert [type(value) for value in said["meta"].values()] == [int, bool, int, int]


@claims("call.workspaceId", "call.channelId", "kind.tool_call_recorded")
async def test_a_call_takes_place_where_its_body_says(online: Served) -> None:
    assert (await call(online, {**SEARCH, **PLACE})).status_code == 200
    async with await Subscriber.open(online.url, QUERY) as reader:
        event = await reader.next()
    assert {name: event[name] for name in PLACE} == PLACE
    assert (event["kind"], event["consistencyLevel"]) == ("tool_call_recorded", "local")


# --- sessions


@claims(
    "endpoint.session",
    "endpoint.session.mutate",
    "endpoint.session.list",
    "kind.session_mutated",
    "event.payload.reasoning",
)
async def test_a_session_is_changed_read_and_listed(served: Served, holder: str) -> None:
    saved = {"action": "save", "state": {"step": 1}, "reasoning": "Auth refactor checkpoint"}
    assert (await post(served, "/v1/session/mutate", holder, **PLACE, **saved)).status_code == 200
    found = (await served.get("/v1/session?workspaceId=my-team&channel=feat/auth", holder)).json()
    assert found["state"] == {"step": 1}
    listed = (await served.get("/v1/session/list?workspaceId=my-team", holder)).json()
    assert [entry["channelId"] for entry in listed["sessions"]] == ["feat/auth"]
    path = "/v1/events/search?q=refactor&workspaceId=my-team&detail=full"
    [event] = (await served.get(path, holder)).json()["results"]
    assert (event["kind"], event["consistencyLevel"]) == ("session_mutated", "strong")
    assert event["payload"]["reasoning"] == "Auth refactor checkpoint"


# --- events


@claims(
    "endpoint.events",
    "events.frame.id",
    "events.frame.event",
    "events.frame.data",
    "event.id",
    "event.workspaceId",
    "event.channelId",
    "event.kind",
    "event.actor",
    "event.timestamp",
    "event.version",
    "event.parentId",
    "event.consistencyLevel",
    "event.payload",
    "kind.knowledge_remembered",
    "kind.artifact_stored",
    "kind.graph_built",
    "kind.proof_added",
)
async def test_an_event_of_each_kind_is_streamed_as_the_document_shows_it(online: Served) -> None:
    levels = {
        "tool_call_recorded": "local",
        "session_mutated": "strong",
        "knowledge_remembered": "eventual",
        "artifact_stored": "eventual",
        "graph_built": "local",
        "proof_added": "strong",
    }
    parent = None
    for kind in levels:
        draft = Draft(
            EventKind(kind),
            "cursor",
            {"tool": "ctx_read"},
            workspace="my-team",
            channel="feat/auth",
            parent_id=parent,
        )
        [parent] = await online.world.registry.journal.record(draft)
    async with await Subscriber.open(online.url, f"{QUERY}&since=0") as reader:
        frame = (await reader.frame()).decode().split("\n")
        assert [line.partition(": ")[0] for line in frame] == ["id", "event", "data"]
        first = json.loads(frame[2].removeprefix("data: "))
        events = [first] + [await reader.next() for _ in list(levels)[1:]]
    assert list(first) == [
        *("id", "workspaceId", "channelId", "kind", "actor", "timestamp", "version"),
        *("parentId", "consistencyLevel", "payload"),
    ]
    assert (frame[0], frame[1]) == (f"id: {first['id']}", "event: tool_call_recorded")
    assert {event["kind"]: event["consistencyLevel"] for event in events} == levels
    assert [event["version"] for event in events] == [1, 2, 3, 4, 5, 6]
    assert [event["parentId"] for event in events] == [None, *(e["id"] for e in events[:-1])]
    assert {event["actor"] for event in events} == {"cursor"}
    assert all(event["payload"]["tool"] == "ctx_read" for event in events)
    assert datetime.fromisoformat(first["timestamp"]).tzinfo is not None


@claims("endpoint.context.summary", "summary.view")
async def test_a_summary_has_agents_decisions_and_conflicts(served: Served, holder: str) -> None:
    for value in ("RS256", "HS256"):
        fact = {"category": "auth", "key": "algorithm", "value": value, "reasoning": "policy"}
        await post(served, "/v1/knowledge/remember", holder, **PLACE, **fact)
    said = (await served.get(f"/v1/context/summary?{QUERY}", holder)).json()
    assert (said["workspaceId"], said["channelId"]) == ("my-team", "feat/auth")
    assert said["activeAgents"]
    assert said["recentDecisions"]
    assert isinstance(said["conflictAlerts"], list)
    assert (await served.get("/v1/context/summary?workspaceId=my-team", holder)).status_code == 200


@claims("endpoint.events.search", "endpoint.events.lineage")
async def test_events_are_found_by_words_and_followed_to_their_cause(
    served: Served, holder: str
) -> None:
    journal = served.world.registry.journal
    asked = Draft(EventKind.SESSION_MUTATED, "cursor", {"tool": "plan"}, workspace="my-team")
    [cause] = await journal.record(asked)
    told = Draft(
        EventKind.SESSION_MUTATED,
        "cursor",
        {"reasoning": "the strategy for auth"},
        workspace="my-team",
        parent_id=cause,
    )
    [effect] = await journal.record(told)
    path = "/v1/events/search?q=auth+strategy&workspaceId=my-team"
    found = (await served.get(path, holder)).json()
    assert [event["id"] for event in found["results"]] == [effect]
    path = f"/v1/events/lineage?id={effect}&depth=10&workspaceId=my-team"
    chain = (await served.get(path, holder)).json()["chain"]
    assert [event["id"] for event in chain] == [effect, cause]


@claims("endpoint.health", "endpoint.metrics")
async def test_health_is_for_everybody_and_metrics_need_the_scope_audit(served: Served) -> None:
    assert (await served.get("/health")).text == "ok\n"
    member = await token(served.world, role="member")
    assert await code(await served.get("/v1/metrics", member)) == (403, "scope_denied")
    figures = (await served.get("/v1/metrics", await token(served.world, Scope.AUDIT))).json()
    assert figures["eventsAppended"] >= 0


# --- limits


@claims("limit.tools.call", "error.rate_limited")
async def test_a_token_has_100_calls_a_minute(served: Served, holder: str) -> None:
    for _ in range(100):
        assert (await call(served, SEARCH, holder)).status_code == 200
    refused = await call(served, SEARCH, holder)
    assert await code(refused) == (429, "rate_limited")
    assert 0 < int(refused.headers["retry-after"]) <= 60


@claims("limit.knowledge")
async def test_a_token_has_60_requests_to_the_knowledge_store_a_minute(
    served: Served, holder: str
) -> None:
    for _ in range(60):
        assert (await served.get("/v1/knowledge/search?q=x", holder)).status_code == 200
    refused = await served.get("/v1/knowledge/search?q=x", holder)
    assert await code(refused) == (429, "rate_limited")


@claims("limit.events", "error.concurrency_limited")
async def test_a_token_has_5_event_streams(online: Served) -> None:
    bearer = await token(online.world, Scope.EVENTS)
    async with AsyncExitStack() as stack:
        for _ in range(5):
            reader = await stack.enter_async_context(await Subscriber.open(online.url, "", bearer))
            assert reader.status == 200
        refused = await online.get("/v1/events", bearer)
    assert await code(refused) == (429, "concurrency_limited")


@claims("header.limit", "header.remaining", "header.reset")
async def test_the_headers_of_the_limits_are_on_every_answer(sqlite_world: World) -> None:
    async with Served.inside(sqlite_world, EVERYBODY) as served:
        bearer = await token(sqlite_world, Scope.SEARCH)
        answers = [
            await served.get("/health"),
            await served.get("/v1/tools", bearer),
            await served.get("/v1/tools?limit=x", bearer),
            await served.get("/v1/tools"),
            await served.get("/v1/nowhere", bearer),
            await served.get("/v1/tools/call", bearer),
            await served.get("/v1/metrics", bearer),
            await served.get("/api/v1/index.json"),
        ]
    assert [answer.status_code for answer in answers] == [200, 200, 400, 401, 404, 405, 403, 200]
    for answer in answers:
        limit, remaining, reset = (
            int(answer.headers[f"x-ratelimit-{name}"]) for name in ("limit", "remaining", "reset")
        )
        assert 0 <= remaining <= limit
        assert 0 <= reset <= 60


# --- where it listens, and what it refuses


@claims("bind.loopback", "curl.serve", "curl.health", "curl.manifest", "curl.tools", "curl.call")
async def test_on_loopback_the_examples_of_the_document_need_no_token(online: Served) -> None:
    assert (await online.get("/health")).status_code == 200
    manifest = (await online.get("/v1/manifest")).json()
    listed = (await online.get("/v1/tools?offset=0&limit=50")).json()["tools"]
    assert [tool["name"] for tool in manifest["tools"]["granular"]] == [
        tool["name"] for tool in listed
    ]
    assert (await call(online, SEARCH)).status_code == 200


@claims("bind.others")
async def test_another_address_is_not_served_without_a_token(tmp_path: Path) -> None:
    with pytest.raises(Invalid) as refused:
        await serving.serve(settings.read(data_dir=tmp_path, environment={}), "0.0.0.0", 0)
    assert "ctxmcp token create" in refused.value.hint


@claims("bind.host", "bind.allowed_host", "error.host_denied")
async def test_a_host_is_denied_unless_it_is_allowed(sqlite_world: World) -> None:
    async with Served.inside(sqlite_world) as served:
        denied = await served.get("/v1/tools", host="registry.example")
    assert await code(denied) == (400, "host_denied")
    access = Access.of_server("127.0.0.1", allowed=("registry.example",))
    async with Served.inside(sqlite_world, access) as served:
        bearer = await token(sqlite_world, Scope.SEARCH)
        assert (await served.get("/v1/tools", bearer, host="registry.example")).status_code == 200


@claims("error.tool_error")
async def test_a_call_that_is_rejected_or_fails_is_a_tool_error(served: Served) -> None:
    failing = {"name": "inspect", "arguments": {"ref": "@acme/none"}}
    for body in (failing, {"name": "no_such_tool"}, {"name": "search", "arguments": []}):
        assert await code(await call(served, body)) == (400, "tool_error")


@claims("error.request_timeout")
async def test_a_call_that_takes_too_long_is_given_up(sqlite_world: World) -> None:
    limits = Limits(FAST.requests_per_second, FAST.burst, timeout=0.2)
    body = {"name": "knowledge_remember", "arguments": {"key": "k", "value": "v"}}
    async with Served.inside(sqlite_world, limits=limits) as served, _busy(sqlite_world):
        assert await code(await call(served, body)) == (504, "request_timeout")


@asynccontextmanager
async def _busy(world: World) -> AsyncIterator[None]:
    """Hold the database's only writer."""
    begun, end = asyncio.Event(), asyncio.Event()

    async def work(connection: object) -> None:
        begun.set()
        await end.wait()

    writing = asyncio.create_task(world.registry.journal.write(work))
    await begun.wait()
    try:
        yield
    finally:
        end.set()
        await writing


# --- the client


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Leave the settings of whoever runs the tests out of the client."""
    for name in ("CTXPKG_REGISTRY", "CTXPKG_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    return iter(())


@claims(
    "sdk.tools.call",
    "sdk.tools.list",
    "sdk.session.get",
    "sdk.session.list",
    "sdk.knowledge.search",
    "sdk.knowledge.remember",
    "sdk.events.subscribe",
    "sdk.event",
    "sdk.status",
    "sdk.error",
)
@pytest.mark.usefixtures("nowhere")
async def test_the_client_has_the_methods_of_the_document(online: Served) -> None:
    bearer = await token(online.world, role="admin")
    async with Client(
        registry=online.url, token=bearer, workspace="my-team", channel="feat/auth"
    ) as ctx:
        assert "search" in {tool.name for tool in await ctx.tools.list()}
        called = await ctx.tools.call("search", {"query": "review"})
        assert json.loads(called.text) == called.structured
        await ctx.knowledge.remember("algorithm", "RS256")
        assert (await ctx.knowledge.search("RS256")).facts[0].value == "RS256"
        assert (await ctx.session.get("feat/auth")).version == 0
        assert (await ctx.session.list()).sessions == []
        assert (await ctx.status()).server == "ctxmcp"
        async for event in ctx.events.subscribe(since=0, kinds=["tool_call_recorded"]):
            assert (event.kind, event.workspace) == ("tool_call_recorded", "my-team")
            assert event.payload["tool"] == "search"
            break
        with pytest.raises(NotFound) as caught:
            await ctx.tools.call("inspect", {"ref": "@acme/none"})
    assert (caught.value.code, caught.value.message) == ("not_found", "no package @acme/none")
