"""The event stream on a real port: frames, replay, live events, limits, rights, and its end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest

from registry_core.callers import OWNER, Scope
from registry_core.errors import Unavailable
from registry_core.events import Draft
from registry_core.events.kinds import EventKind
from registry_core.names import PackageName
from registry_core.operations import invoke
from registry_core.tokens import Grant
from served import Served
from subscribing import Subscriber
from transports import sse
from transports.limits import Limits
from world import World

KEYS = [
    "id",
    "workspaceId",
    "channelId",
    "kind",
    "actor",
    "timestamp",
    "version",
    "parentId",
    "consistencyLevel",
    "payload",
]


def draft(n: int, **about: Any) -> Draft:
    return Draft(EventKind.TOOL_CALL_RECORDED, "agent", {"tool": f"t{n}"}, **about)


async def write(world: World, count: int, **about: Any) -> list[int]:
    return await world.registry.journal.record(*(draft(n, **about) for n in range(count)))


async def token(world: World, *scopes: Scope, workspaces: frozenset[str] | None = None) -> str:
    grant = Grant("test", frozenset(scopes), workspaces=workspaces)
    text, _ = await world.registry.tokens.mint(grant, OWNER)
    return text


async def test_a_frame_is_what_the_clients_of_the_contract_read(online: Served) -> None:
    [first] = await online.world.registry.journal.record(
        Draft(
            EventKind.SESSION_MUTATED,
            "cursor",
            {"tool": "ctx_session", "action": "save", "reasoning": "Zwölf\r\n\n"},
        )
    )
    reader = await Subscriber.open(online.url)
    assert reader.status == 200
    assert reader.headers["content-type"] == "text/event-stream"
    assert reader.headers["cache-control"] == "no-cache"
    assert reader.headers["x-accel-buffering"] == "no"
    piece = await reader.piece()
    assert b"\r" not in piece
    assert piece.endswith(b"}\n\n")
    lines = piece.decode().removesuffix("\n\n").split("\n")
    assert lines[:2] == [f"id: {first}", "event: session_mutated"]
    event = json.loads(lines[2].removeprefix("data: "))
    assert list(event) == KEYS
    assert event["parentId"] is None
    assert event["timestamp"].endswith("Z")
    assert (event["version"], event["consistencyLevel"]) == (1, "strong")
    assert event["payload"] == {"tool": "ctx_session", "redacted": True}
    await reader.close()


async def test_the_headers_come_at_once_without_any_event(online: Served) -> None:
    reader = await Subscriber.open(online.url)
    assert reader.status == 200
    [written] = await write(online.world, 1)
    assert await reader.take(1) == [written]
    await reader.close()


async def test_head_is_answered_and_ends(online: Served) -> None:
    response = await online.http.head("/v1/events")
    assert response.headers["content-type"] == "text/event-stream"


async def test_the_past_and_then_what_is_written_meanwhile_come_once_and_in_order(
    online: Served,
) -> None:
    past = await write(online.world, 450)
    reader = await Subscriber.open(online.url, "since=0")
    writing = asyncio.gather(*(write(online.world, 5) for _ in range(40)))
    got = await reader.take(650)
    written = await writing
    assert got == past + sorted(number for ids in written for number in ids)
    assert reader.pieces < 100  # what gathers leaves in one write
    await reader.close()


async def test_since_is_exclusive_and_may_be_negative(online: Served) -> None:
    ids = await write(online.world, 5)
    for since, expected in ((ids[2], ids[3:]), (-7, ids), (ids[-1] - 1, ids[-1:])):
        reader = await Subscriber.open(online.url, f"since={since}")
        assert await reader.take(len(expected)) == expected
        await reader.close()


async def test_a_reader_that_comes_back_goes_on_where_it_was(online: Served) -> None:
    ids = await write(online.world, 5)
    # A browser repeats the address it began with, so the larger one counts.
    for query in ("", "since=0", f"since={ids[0]}"):
        reader = await Subscriber.open(online.url, query, last_event_id=str(ids[2]))
        assert await reader.take(2) == ids[3:]
        await reader.close()
    reader = await Subscriber.open(online.url, f"since={ids[3]}", last_event_id="1")
    assert await reader.take(1) == ids[4:]
    await reader.close()


@pytest.mark.parametrize(("limit", "first"), [("2", 2), ("0", 1), ("9999", 6)])
async def test_a_limit_stops_the_past_and_the_rest_comes_before_the_next_event(
    online: Served, limit: str, first: int
) -> None:
    ids = await write(online.world, 6)
    async with await Subscriber.open(online.url, f"since=0&limit={limit}") as reader:
        assert await reader.take(first) == ids[:first]
        assert reader.pieces == 1
        await write(online.world, 1, channel="elsewhere")  # nothing for this reader
        new = await write(online.world, 2)
        # Nothing between is dropped, and nothing came before there was something new.
        assert await reader.take(8 - first) == [*ids[first:], *new]


async def test_a_limit_counts_the_past_alone(online: Served) -> None:
    ids = await write(online.world, 2)
    reader = await Subscriber.open(online.url, "since=0&limit=2")
    assert await reader.take(2) == ids
    new = [*(await write(online.world, 3)), *(await write(online.world, 3))]
    assert await reader.take(6) == new
    await reader.close()


async def test_kind_workspace_and_channel_filter(online: Served) -> None:
    journal = online.world.registry.journal
    here = await write(online.world, 1, workspace="my-team", channel="feat/auth")
    await write(online.world, 1, workspace="my-team")
    await write(online.world, 1, channel="feat/auth")
    [built, proof] = await journal.record(
        Draft(EventKind.GRAPH_BUILT, workspace="my-team", channel="feat/auth"),
        Draft(EventKind.PROOF_ADDED, workspace="my-team", channel="feat/auth"),
    )
    place = "workspaceId=my-team&channelId=feat/auth"
    for query, headers, expected in (
        (place, {}, [*here, built, proof]),
        ("channel=feat/auth", {"x_leanctx_workspace": "my-team"}, [*here, built, proof]),
        (place + "&kind=graph_built,proof_added", {}, [built, proof]),
        (place + "&kind=proof_added", {}, [proof]),
    ):
        reader = await Subscriber.open(online.url, query, **headers)
        assert await reader.take(len(expected)) == expected
        await reader.close()


@pytest.mark.parametrize(
    "query",
    [
        "since=x",
        "since=",
        "since=1.5",
        "since=" + "9" * 30,
        "limit=-1",
        "limit=x",
        "kind=nonsense",
        "detail=everything",
        "workspaceId=%20",
        "channelId=" + "x" * 65,
    ],
)
async def test_a_bad_parameter_is_400_in_the_envelope(served: Served, query: str) -> None:
    response = await served.get(f"/v1/events?{query}")
    assert response.status_code == 400
    assert response.json()["error_code"] == "invalid_arguments"
    assert response.json()["hint"] is not None


async def test_a_bad_last_event_id_is_400(served: Served) -> None:
    response = await served.get("/v1/events", last_event_id="yesterday")
    assert (response.status_code, response.json()["error_code"]) == (400, "invalid_arguments")


async def test_events_need_their_scope_and_the_workspace(served: Served) -> None:
    lacking = await token(served.world, Scope.SEARCH, Scope.AUDIT)
    response = await served.get("/v1/events", lacking)
    assert (response.status_code, response.json()["error_code"]) == (403, "scope_denied")
    narrow = await token(served.world, Scope.EVENTS, workspaces=frozenset({"mine"}))
    response = await served.get("/v1/events?workspaceId=other", narrow)
    assert (response.status_code, response.json()["error_code"]) == (400, "unknown_workspace")
    assert (await served.get("/v1/events", "lctx_t_" + "x" * 43)).status_code == 401


async def test_whole_payloads_need_the_scope_audit(served: Served) -> None:
    reader = await token(served.world, Scope.EVENTS)
    response = await served.get("/v1/events?detail=full", reader)
    assert (response.status_code, response.json()["error_code"]) == (403, "scope_denied")


PAYLOAD = {
    "tool": "ctx_read",
    "path": "src/main.rs",
    "content": "use std;",
    "arguments": {"path": "x"},
    "deep": {"knowledge_value": "secret", "kept": 1},
}


@pytest.mark.parametrize(
    ("detail", "expected"),
    [
        ("refs_only", {"tool": "ctx_read", "redacted": True}),
        (
            "summary",
            {
                "tool": "ctx_read",
                "path": "src/main.rs",
                "content": "[redacted]",
                "arguments": "[redacted]",
                "deep": {"knowledge_value": "[redacted]", "kept": 1},
            },
        ),
        ("full", PAYLOAD),
    ],
)
async def test_a_payload_is_shown_as_far_as_was_asked(
    online: Served, detail: str, expected: Mapping[str, Any]
) -> None:
    await online.world.registry.journal.record(
        Draft(EventKind.TOOL_CALL_RECORDED, "agent", PAYLOAD)
    )
    text = await token(online.world, Scope.EVENTS, Scope.AUDIT)
    reader = await Subscriber.open(online.url, f"detail={detail}", text)
    assert (await reader.next())["payload"] == expected
    await reader.close()


async def test_what_the_registry_does_is_in_the_stream_with_its_public_facts(
    online: Served,
) -> None:
    await online.world.publish("@acme/review")
    name = PackageName.parse("@acme/review")
    package = await online.world.registry.packages.find(name, OWNER)
    outsider = await token(online.world, Scope.EVENTS)
    reader = await Subscriber.open(online.url, "kind=package_published", outsider)
    payload = (await reader.next())["payload"]
    assert payload == {
        "kind": "skill",
        "package_id": package.id,
        "name": "@acme/review",
        "version": "1.0.0",
        "sha256": package.releases[0].sha256,
        "redacted": True,
    }
    await reader.close()


async def test_installing_verifying_and_yanking_are_in_the_stream(online: Served) -> None:
    await online.world.publish("@acme/review")
    for name, arguments in (
        ("install", {"refs": ["@acme/review"]}),
        ("verify", {"target": "@acme/review@1.0.0"}),
        ("yank", {"ref": "@acme/review@1.0.0", "reason": "it leaks"}),
    ):
        await invoke(online.world.registry, OWNER, name, arguments)
    kinds = "package_installed,package_verified,package_yanked"
    reader = await Subscriber.open(online.url, f"kind={kinds}")
    seen = [await reader.next() for _ in range(3)]
    assert ",".join(event["kind"] for event in seen) == kinds
    for event in seen:
        assert event["payload"]["name"] == "@acme/review"
        assert event["payload"]["version"] == "1.0.0"
        assert "reason" not in event["payload"]
    assert seen[1]["payload"]["ok"] is True
    await reader.close()


async def test_a_private_package_is_in_the_stream_of_its_namespace_alone(online: Served) -> None:
    world = online.world
    reading, _ = await world.mint("acme", Scope.READ)
    await world.publish("@acme/plan", private=True)
    last = await write(world, 1)
    outsider = await token(world, Scope.EVENTS)
    reader = await Subscriber.open(online.url, "since=0", outsider)
    assert await reader.take(1) == last
    assert reader.events[0]["kind"] == "tool_call_recorded"
    await reader.close()
    owner = await Subscriber.open(online.url, "since=0")
    while (event := await owner.next())["kind"] != "package_published":
        pass
    assert event["payload"]["name"] == "@acme/plan"
    assert "token_minted" in {event["kind"] for event in owner.events}
    assert reading not in json.dumps(owner.events)
    await owner.close()


async def test_streams_end_at_once_when_the_server_stops(sqlite_world: World) -> None:
    async with Served.on_a_port(sqlite_world) as online:
        await write(sqlite_world, 3)
        readers = [await Subscriber.open(online.url, "since=0") for _ in range(3)]
        for reader in readers:
            await reader.take(3)
        last = [asyncio.create_task(reader.frame()) for reader in readers]
    # The server has stopped, and it waited for no stream: each was told that this is the end.
    assert [await frame for frame in last] == [b""] * 3
    for reader in readers:
        await reader.close()


@pytest.mark.parametrize("query", ["", "since=0&limit=1", "kind=proof_added"])
async def test_a_revoked_token_hears_nothing_any_more(online: Served, query: str) -> None:
    tokens = online.world.registry.tokens
    grant = Grant("dashboard", frozenset({Scope.EVENTS}))
    (text, revoked), (other, _) = await tokens.mint(grant, OWNER), await tokens.mint(grant, OWNER)
    readers = [await Subscriber.open(online.url, query, bearer) for bearer in (text, other)]
    await tokens.revoke(revoked.id, OWNER)
    assert await readers[0].frame() == b""
    proof = Draft(EventKind.PROOF_ADDED, "agent")
    ids = await online.world.registry.journal.record(proof)
    assert await readers[1].take(1) == ids
    for reader in readers:
        await reader.close()


async def test_a_connection_that_goes_frees_its_stream(sqlite_world: World) -> None:
    limits = Limits(requests_per_second=0, streams=1)
    async with Served.on_a_port(sqlite_world, limits=limits) as online:
        for _ in range(3):
            reader = await Subscriber.open(online.url)
            while reader.status == 429:  # the server has not noticed yet
                await reader.close()
                reader = await Subscriber.open(online.url)
            assert reader.status == 200
            await reader.close()


async def test_a_heartbeat_tells_that_a_silent_stream_is_alive() -> None:
    streams = sse.Streams(heartbeat=0.001)
    sent: list[bytes] = []
    beaten = asyncio.Event()

    async def nothing(within: float) -> bytes:
        await asyncio.sleep(within)
        return b""

    async def send(message: Any) -> None:
        sent.append(message.get("body", b""))
        if len(sent) == 4:
            beaten.set()

    async def receive() -> Any:
        await beaten.wait()
        return {"type": "http.disconnect"}

    stream = sse.EventStream(nothing, streams)
    await stream({"type": "http", "method": "GET"}, receive, send)
    assert sent[:4] == [b"", *[b": keep-alive\n\n"] * 3]
    assert (streams.active, streams.total) == (0, 1)


async def test_the_heartbeat_of_a_real_stream_is_every_15_seconds(served: Served) -> None:
    assert sse.Streams().heartbeat == 15


async def test_many_readers_a_slow_one_and_one_that_comes_back_each_see_everything(
    sqlite_world: World,
) -> None:
    limits = Limits(requests_per_second=0, streams=0, streams_total=0)
    record = sqlite_world.registry.journal.record
    async with Served.on_a_port(sqlite_world, limits=limits) as online:
        readers = [await Subscriber.open(online.url, "since=0") for _ in range(40)]
        slow = await Subscriber.open(online.url, "detail=full", small=True)
        leaving = await Subscriber.open(online.url, "since=0")
        reading = [asyncio.create_task(reader.take(300)) for reader in readers]
        # 12 MB for who sees whole payloads: what the slow one does not read fills every buffer.
        heavy = Draft(EventKind.GRAPH_BUILT, "agent", {"tool": "t", "content": "x" * 40_000})
        ids: list[int] = []
        for _ in range(100):
            ids += await record(heavy)
        first = await leaving.take(70)
        await leaving.close()
        for _ in range(50):
            ids += await record(heavy, heavy, draft(0), draft(1))
        for read in reading:
            assert await read == ids
        back = await Subscriber.open(online.url, "since=0", last_event_id=str(first[-1]))
        assert first + await back.take(230) == ids
        assert await slow.take(300) == ids
        for reader in (*readers, slow, back):
            await reader.close()


async def test_half_a_character_in_a_payload_harms_no_stream(online: Served) -> None:
    journal = online.world.registry.journal
    await journal.record(Draft(EventKind.TOOL_CALL_RECORDED, "a", {"tool": "\ud800"}))
    [last] = await write(online.world, 1)
    reader = await Subscriber.open(online.url)
    assert (await reader.next())["payload"]["tool"] == "?"
    assert await reader.take(1) == [last]
    await reader.close()


async def test_a_stream_whose_log_cannot_be_read_ends_so_that_its_reader_comes_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    sent: list[Any] = []

    async def fails(within: float) -> bytes:
        raise Unavailable("the database is away")

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        await asyncio.Event().wait()

    streams = sse.Streams()
    await sse.EventStream(fails, streams)({"type": "http", "method": "GET"}, receive, send)
    assert sent[-1] == {"type": "http.response.body", "body": b"", "more_body": False}
    assert "the database is away" in caplog.text
    streams.end()
    await sse.EventStream(fails, streams)({"type": "http", "method": "GET"}, receive, send)
    assert (streams.active, streams.total) == (0, 2)
