"""MCP over HTTP: both eras at once, who may do what, and what is told to whom."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import httpx
import mcp_types as types
import pytest
from mcp.client.subscriptions import ResourceUpdated
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError
from mcp_clients import EVERYBODY, Spoken, speaking
from starlette.types import ASGIApp

from ctxmcp.server import REMOTE_INSTRUCTIONS
from registry_core.callers import OWNER, Scope
from registry_core.operations import CATALOG
from registry_core.tokens import Grant
from served import bearing
from transports import mcp_http
from transports.limits import Limits
from world import World, package

ERAS = ["2025-11-25", "2026-07-28"]
HELLO = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}


@pytest.fixture
async def spoken(sqlite_world: World) -> AsyncIterator[Spoken]:
    async with speaking(sqlite_world) as served:
        yield served


@pytest.fixture
async def guarded(sqlite_world: World) -> AsyncIterator[Spoken]:
    """A server where being at this machine opens nothing."""
    async with speaking(sqlite_world, EVERYBODY) as served:
        yield served


async def team_token(world: World, *scopes: Scope) -> str:
    text, _ = await world.registry.tokens.mint(Grant("team", frozenset(scopes)), OWNER)
    return text


# Both eras


async def test_clients_of_both_eras_are_served_at_once(spoken: Spoken) -> None:
    await spoken.world.publish("@acme/review")
    async with spoken.client(ERAS[0]) as older, spoken.client(ERAS[1]) as newer:
        assert [older.protocol_version, newer.protocol_version] == ERAS
        found = await asyncio.gather(
            *(client.call_tool("search", {"query": "review"}) for client in (older, newer) * 3)
        )
        assert older.instructions == newer.instructions == REMOTE_INSTRUCTIONS
    for result in found:
        assert result.structured_content
        assert result.structured_content["hits"][0]["ref"] == "@acme/review@1.0.0"
    assert len(REMOTE_INSTRUCTIONS) <= 600


@pytest.mark.parametrize("era", ERAS)
async def test_the_tools_take_what_callers_over_the_network_have(spoken: Spoken, era: str) -> None:
    async with spoken.client(era) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    assert list(tools) == [name for name, op in CATALOG.items() if op.toolset == "main"]
    for name, tool in tools.items():
        assert tool.input_schema == CATALOG[name].input_schema("remote")
    assert "project" not in tools["install"].input_schema["properties"]
    shown = [
        tool.model_dump(include={"name", "description", "input_schema"}) for tool in tools.values()
    ]
    assert len(json.dumps(shown)) / 4 < 700


async def test_nothing_is_written_on_the_servers_disk_for_a_caller(
    spoken: Spoken, tmp_path: Path
) -> None:
    await spoken.world.publish("@acme/review")
    before = files(tmp_path)
    async with spoken.client(ERAS[1]) as client:
        plan = await client.call_tool("install", {"refs": ["@acme/review"]})
        refused = await client.call_tool("install", {"refs": [], "project": str(tmp_path)})
    assert plan.structured_content
    assert plan.structured_content["plan"][0]["ref"] == "@acme/review@1.0.0"
    assert plan.structured_content["installed"] is False
    assert refused.is_error
    assert files(tmp_path) == before


def files(folder: Path) -> set[Path]:
    """Everything in a folder but what SQLite does beside its databases."""
    return {path for path in folder.rglob("*") if path.is_dir() or "sqlite" not in path.name}


async def test_a_package_is_published_in_base64(guarded: Spoken) -> None:
    token, _ = await guarded.world.mint("acme")
    artifact = base64.b64encode(package("@acme/review")).decode()
    async with guarded.client(ERAS[1], token) as client:
        done = await client.call_tool("publish", {"artifact": artifact})
    assert done.structured_content
    assert done.structured_content["published"] == "@acme/review@1.0.0"


# Who may


async def test_who_has_no_token_is_told_how_to_come_in(guarded: Spoken) -> None:
    for token in ("", "ctxp_" + "A" * 43, "lctx_t_wrong", "nonsense"):
        response = await guarded.post(HELLO, token)
        assert response.status_code == 401
        assert response.headers["www-authenticate"] == 'Bearer error="invalid_token"'
        assert response.json().keys() == {"error", "error_code", "code", "hint"}
        assert response.json()["error_code"] == "unauthorized"
    assert guarded.world.registry.recorder.lost == 0
    lines = await guarded.world.registry.recorder.since(0)
    assert {(line.operation, line.allowed) for line in lines} == {("/mcp", False)}


async def test_a_revoked_token_opens_nothing_from_the_next_request_on(guarded: Spoken) -> None:
    text, token = await guarded.world.mint("acme")
    async with guarded.client(ERAS[1], text) as client:
        await client.list_tools()
        await guarded.world.registry.tokens.revoke(token.id, OWNER)
    assert (await guarded.ask("tools/list", token=text)).status_code == 401


async def test_a_call_without_its_scope_is_403_and_names_it(guarded: Spoken) -> None:
    world = guarded.world
    token, _ = await world.mint("acme", Scope.READ)
    artifact = base64.b64encode(package("@acme/review")).decode()
    call = {"name": "publish", "arguments": {"artifact": artifact}}
    newer = await guarded.ask("tools/call", call, token)
    hello = await guarded.post(HELLO, token)
    message = {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": call}
    older = await guarded.post(message, token, mcp_session_id=hello.headers["mcp-session-id"])
    for response in (newer, older):
        assert response.status_code == 403
        challenge = 'Bearer error="insufficient_scope", scope="push"'
        assert response.headers["www-authenticate"] == challenge
        assert response.json()["error_code"] == "scope_denied"
    denied = [line for line in await world.registry.recorder.since(0) if not line.allowed]
    assert [line.operation for line in denied] == ["publish"] * 2
    assert {line.outcome for line in denied} == {"forbidden"}
    assert not await world.registry.packages.list(OWNER)


async def test_calls_count_into_the_window_that_calls_by_path_have(sqlite_world: World) -> None:
    call = {"name": "search", "arguments": {"query": "review"}}
    async with speaking(sqlite_world, EVERYBODY, limits=Limits(calls_per_minute=3)) as served:
        token = await team_token(sqlite_world, Scope.SEARCH)
        assert (await served.ask("tools/list", token=token)).status_code == 200
        by_path = await served.http.post("/v1/tools/call", json=call, headers=bearing(token))
        over_mcp = [await served.ask("tools/call", call, token) for _ in range(3)]
        listed = await served.ask("tools/list", token=token)
    answers = [by_path, *over_mcp]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    left = [int(answer.headers["x-ratelimit-remaining"]) for answer in answers]
    assert left == [2, 1, 0, 0]
    assert over_mcp[-1].json()["error_code"] == "rate_limited"
    assert listed.status_code == 200


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("resources/read", {"uri": "ctx://acme/review"}),
        ("skills/list", {}),
        ("skills/get", {"uri": "skill://acme/review/SKILL.md"}),
        ("resources/directory/read", {"uri": "skill://acme/review"}),
        ("subscriptions/listen", {"notifications": {}}),
        ("tools/call", {"name": "search", "arguments": {}}),
        (
            "completion/complete",
            {
                "ref": {"type": "ref/prompt", "name": "vet_package"},
                "argument": {"name": "ref", "value": "a"},
            },
        ),
    ],
)
async def test_reading_needs_a_scope_too(guarded: Spoken, method: str, params: Any) -> None:
    token = await team_token(guarded.world, Scope.KNOWLEDGE)
    response = await guarded.ask(method, params, token)
    assert response.status_code == 403
    assert response.headers["www-authenticate"].endswith('scope="search"')
    assert (await guarded.ask("prompts/list", token=token)).status_code == 200


@pytest.mark.parametrize("era", ERAS)
async def test_a_caller_is_shown_the_tools_that_its_scopes_open(guarded: Spoken, era: str) -> None:
    reader, _ = await guarded.world.mint("acme", Scope.READ)
    nobody = await team_token(guarded.world, Scope.AUDIT)
    async with guarded.client(era, reader) as client:
        assert "publish" not in {tool.name for tool in (await client.list_tools()).tools}
    async with guarded.client(era, nobody) as client:
        assert (await client.list_tools()).tools == []
    listed = await guarded.result("tools/list", token=reader)
    assert listed["cacheScope"] == "private"


async def test_a_private_package_is_there_for_its_namespace_alone(guarded: Spoken) -> None:
    await guarded.world.publish("@acme/secret", private=True)
    mine, _ = await guarded.world.mint("acme", Scope.READ)
    other, _ = await guarded.world.mint("other", Scope.READ)
    uri = "ctx://acme/secret"
    read = await guarded.result("resources/read", {"uri": uri}, mine)
    assert "# Review" in read["contents"][0]["text"]
    missing = await guarded.ask("resources/read", {"uri": uri}, other)
    assert missing.json()["error"]["code"] == types.INVALID_PARAMS
    assert missing.json()["error"]["data"] == {"uri": uri}


async def test_a_session_belongs_to_the_token_that_opened_it(guarded: Spoken) -> None:
    mine, _ = await guarded.world.mint("acme")
    other, _ = await guarded.world.mint("other")
    session = (await guarded.post(HELLO, mine)).headers["mcp-session-id"]
    ping = {"jsonrpc": "2.0", "id": 2, "method": "ping"}
    assert (await guarded.post(ping, other, mcp_session_id=session)).status_code == 404
    assert (await guarded.post(ping, mine, mcp_session_id=session)).status_code == 200


async def test_a_request_takes_place_in_its_workspace(guarded: Spoken) -> None:
    grant = Grant("team", frozenset({Scope.SEARCH}), workspaces=frozenset({"red"}))
    token, _ = await guarded.world.registry.tokens.mint(grant, OWNER)
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    elsewhere = await guarded.post(call, token)
    assert (elsewhere.status_code, elsewhere.json()["error_code"]) == (400, "unknown_workspace")
    here = await guarded.post(HELLO, token, x_leanctx_workspace="red")
    assert here.status_code == 200


async def test_sessions_have_a_bound(sqlite_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mcp_http, "MOST_SESSIONS", 2)
    async with speaking(sqlite_world) as spoken:
        answers = [await spoken.post(HELLO) for _ in range(3)]
        assert [response.status_code for response in answers] == [200, 200, 503]
        session = answers[0].headers["mcp-session-id"]
        gone = await spoken.http.delete("/mcp", headers={"mcp-session-id": session})
        assert gone.status_code == 200
        assert (await spoken.post(HELLO)).status_code == 200


# Hostile


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        b'{"jsonrpc":"2.0","id":1' + b"0" * 5000 + b',"method":"tools/list"}',
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":[]}',
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":7}}',
        b'{"jsonrpc":"2.0","id":1,"method":7}',
        b"\xff\xfe",
        json.dumps([HELLO]).encode(),
    ],
)
@pytest.mark.parametrize("version", ["", "2026-07-28"])
async def test_what_is_no_message_is_refused_cleanly(
    spoken: Spoken, body: bytes, version: str, caplog: pytest.LogCaptureFixture
) -> None:
    named = {"mcp_protocol_version": version} if version else {}
    response = await spoken.post(body, **named)
    assert 400 <= response.status_code < 500
    assert isinstance(response.json()["error"], dict | str)
    assert "Traceback" not in caplog.text
    assert (await spoken.ask("tools/list")).status_code == 200


async def test_a_message_has_a_bound(spoken: Spoken) -> None:
    response = await spoken.post(b" " * (mcp_http.MOST_MESSAGE + 1))
    assert response.status_code == 413
    assert response.json()["error_code"] == "request_too_large"


async def test_the_address_is_not_there_without_an_endpoint(sqlite_world: World) -> None:
    from served import Served

    async with Served.inside(sqlite_world) as served:
        response = await served.http.post("/mcp", json=HELLO)
    assert (response.status_code, response.json()["error_code"]) == (404, "not_found")


# Progress and cancellation


@pytest.mark.parametrize("era", ERAS)
async def test_progress_is_told_to_who_asks_for_it(spoken: Spoken, era: str) -> None:
    told: list[tuple[float, float | None, str | None]] = []

    async def tell(done: float, total: float | None, message: str | None) -> None:
        told.append((done, total, message))

    async with spoken.client(era) as client:
        await client.call_tool("search", {"query": "x"}, progress_callback=tell)
        for _ in range(100):
            if told:
                break
            await asyncio.sleep(0.01)
    assert told[0] == (0, 1, "search begins")


@dataclass
class Slow:
    """A server with a tool that never ends by itself."""

    started: anyio.Event = field(default_factory=anyio.Event)
    cancelled: anyio.Event = field(default_factory=anyio.Event)

    async def call(self, context: Any, params: Any) -> types.CallToolResult:
        self.started.set()
        try:
            await anyio.sleep_forever()
        finally:
            self.cancelled.set()
        raise AssertionError

    async def tools(self, context: Any, params: Any) -> types.ListToolsResult:
        return types.ListToolsResult(tools=[])

    @asynccontextmanager
    async def open(self) -> AsyncIterator[ASGIApp]:
        server: Server[Any] = Server("slow", on_list_tools=self.tools, on_call_tool=self.call)
        async with mcp_http.endpoint(server) as app:
            yield app


@pytest.mark.parametrize("era", ERAS)
async def test_a_cancelled_call_ends_the_work(sqlite_world: World, era: str) -> None:
    slow = Slow()
    async with (
        speaking(sqlite_world, opened=slow.open) as spoken,
        spoken.client(era) as client,
        anyio.create_task_group() as calls,
    ):

        async def call() -> None:
            with suppress(MCPError):
                await client.call_tool("search", {})

        calls.start_soon(call)
        await slow.started.wait()
        calls.cancel_scope.cancel()
        with anyio.CancelScope(shield=True):
            await slow.cancelled.wait()


async def test_a_client_that_leaves_ends_the_work(sqlite_world: World) -> None:
    slow = Slow()
    async with speaking(sqlite_world, opened=slow.open) as spoken:
        asking = asyncio.create_task(spoken.ask("tools/call", {"name": "x", "arguments": {}}))
        await slow.started.wait()
        asking.cancel()
        await slow.cancelled.wait()


# Subscriptions


async def test_a_stream_hears_of_the_packages_it_named(spoken: Spoken) -> None:
    await spoken.world.publish("@acme/review")
    uris = ["ctx://acme/review", "skill://acme/review/SKILL.md", "ctx://acme/other"]
    async with (
        spoken.client(ERAS[1]) as client,
        client.listen(resource_subscriptions=uris) as changes,
    ):
        await spoken.world.publish("@acme/unrelated")
        await spoken.world.publish("@acme/review", "1.1.0")
        heard = {await anext(changes), await anext(changes)}
        assert heard == {ResourceUpdated(uris[0]), ResourceUpdated(uris[1])}
        name = "@acme/review@1.1.0"
        await client.call_tool("search", {"query": name})
        await spoken.world.registry.packages.yank(*_exact(name), "broken", OWNER)
        assert await anext(changes) in heard


def _exact(ref: str) -> Any:
    from registry_core.operations.naming import exact

    return exact(ref)


@pytest.mark.filterwarnings("ignore:resources/:mcp.shared.exceptions.MCPDeprecationWarning")
async def test_a_session_hears_of_what_it_subscribed_to(spoken: Spoken) -> None:
    heard: asyncio.Queue[Any] = asyncio.Queue()

    async def note(message: Any) -> None:
        if isinstance(message, types.ResourceUpdatedNotification):
            heard.put_nowait(message.params.uri)

    async with spoken.client(ERAS[0], message_handler=note) as client:
        for uri in ("ctx://acme/review", "ctx://acme/gone"):
            await client.subscribe_resource(uri)
        await client.unsubscribe_resource("ctx://acme/gone")
        with pytest.raises(MCPError, match="no such resource"):
            await client.subscribe_resource("file:///etc/passwd")
        await spoken.world.publish("@acme/gone")
        # Until the client's own stream stands, the server has nowhere to say it.
        versions = iter(range(1, 100))
        while heard.empty():
            await spoken.world.publish("@acme/review", f"1.{next(versions)}.0")
            with suppress(TimeoutError):
                async with asyncio.timeout(0.2):
                    assert await heard.get() == "ctx://acme/review"
                    break
    assert "ctx://acme/gone" not in [heard.get_nowait() for _ in range(heard.qsize())]


async def test_a_private_package_is_not_told_of_to_strangers(guarded: Spoken) -> None:
    mine, _ = await guarded.world.mint("acme", Scope.READ)
    other, _ = await guarded.world.mint("other", Scope.READ)
    uris = ["ctx://acme/secret", "ctx://acme/open"]
    async with (
        guarded.client(ERAS[1], mine) as friend,
        guarded.client(ERAS[1], other) as stranger,
        friend.listen(resource_subscriptions=uris) as to_friend,
        stranger.listen(resource_subscriptions=uris) as to_stranger,
    ):
        await guarded.world.publish("@acme/secret", private=True)
        await guarded.world.publish("@acme/open")
        assert await anext(to_friend) == ResourceUpdated(uris[0])
        assert await anext(to_friend) == ResourceUpdated(uris[1])
        assert await anext(to_stranger) == ResourceUpdated(uris[1])


async def test_a_stream_ends_when_its_token_is_revoked(guarded: Spoken) -> None:
    text, token = await guarded.world.mint("acme", Scope.READ)
    async with (
        guarded.client(ERAS[1], text) as client,
        client.listen(resource_subscriptions=["ctx://acme/open"]) as changes,
    ):
        await guarded.world.registry.tokens.revoke(token.id, OWNER)
        assert [change async for change in changes] == []


async def test_a_stream_names_a_bounded_number_of_resources(spoken: Spoken) -> None:
    uris = [f"ctx://acme/p{number}" for number in range(1001)]
    wanted = {"notifications": {"resourceSubscriptions": uris}}
    response = await spoken.ask("subscriptions/listen", wanted)
    assert response.json()["error"]["code"] == types.INVALID_PARAMS


# The end


async def test_open_streams_end_in_order_when_the_server_stops(sqlite_world: World) -> None:
    ended: list[Any] = []
    async with speaking(sqlite_world) as spoken:
        session = (await spoken.post(HELLO)).headers["mcp-session-id"]
        stands, opened = anyio.Event(), anyio.Event()
        standing = asyncio.create_task(_stand(spoken, session, stands))

        async def listen() -> None:
            async with (
                httpx.AsyncClient(base_url=spoken.url, timeout=150) as http,
                Spoken(spoken.world, spoken.url, http).client(ERAS[1]) as client,
                client.listen(resource_subscriptions=["ctx://acme/review"]) as changes,
            ):
                opened.set()
                ended.extend([change async for change in changes])
                ended.append("in order")

        listening = asyncio.create_task(listen())
        await opened.wait()
        await stands.wait()
    await listening
    await standing
    assert ended == ["in order"]


async def _stand(spoken: Spoken, session: str, stands: anyio.Event) -> None:
    """Keep the older era's standing stream open until the server ends it."""
    named = {"accept": "text/event-stream", "mcp-session-id": session}
    async with (
        httpx.AsyncClient(base_url=spoken.url, timeout=150) as http,
        http.stream("GET", "/mcp", headers=named) as response,
    ):
        stands.set()
        async for _ in response.aiter_bytes():
            pass
