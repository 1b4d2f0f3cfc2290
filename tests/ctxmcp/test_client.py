"""The Python client, with `await` and without, on an embedded registry and on a real server."""

from __future__ import annotations

import asyncio
import inspect
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ctxmcp import client as clients
from ctxmcp import following
from ctxmcp.client import Client, SyncClient
from ctxmcp.serving import running
from registry_core import errors
from registry_core.events import Draft
from registry_core.events.kinds import EventKind
from registry_core.operations import CATALOG
from served import EVERYBODY, FAST, Served
from transports.http import create_app
from transports.limits import Limits
from world import World

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CTXPKG_REGISTRY", "CTXPKG_TOKEN", "CTXMCP_DATA_DIR", "CTXMCP_DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture(params=["embedded", "remote"])
async def given(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[dict[str, Any]]:
    """What a client is made with: for a data folder, and for a server on it."""
    async with World.open(
        f"sqlite+aiosqlite:///{tmp_path}/data/registry.sqlite3", tmp_path / "data"
    ) as world:
        await world.publish("@acme/review")
        if request.param == "remote":
            async with Served.on_a_port(world) as served:
                yield {"registry": served.url, "project": tmp_path}
            return
    yield {"data_dir": tmp_path / "data", "project": tmp_path}


async def test_operations_are_methods(given) -> None:
    async with Client(**given) as client:
        found = await client.search(query="review")
        assert [hit.ref for hit in found.hits] == ["@acme/review@1.0.0"]
        assert (await client.call("trust", ref="@acme/review")).verdict == "trusted"
        done = await client.install(refs=["@acme/review"])
        assert (given["project"] / "ctxmcp.lock").exists() == done.installed is True
        with pytest.raises(AttributeError):
            client.dance  # noqa: B018 - the attribute is what is tested


async def test_tools_are_listed_and_called_by_name(given) -> None:
    async with Client(**given) as client:
        tools = {tool.name: tool for tool in await client.tools.list()}
        assert tools["search"].input_schema["properties"]["query"]
        assert tools["search"].description == CATALOG["search"].doc
        result = await client.tools.call("search", {"query": "review"})
        assert result.structured["hits"][0]["ref"] == "@acme/review@1.0.0"
        assert '"@acme/review@1.0.0"' in result.text
        for name, arguments, code in (
            ("dance", {}, "not_found"),
            ("search", {"limit": 0}, "invalid"),
            ("inspect", {"ref": "@acme/none"}, "not_found"),
        ):
            with pytest.raises(errors.RegistryError) as caught:
                await client.tools.call(name, arguments)
            assert caught.value.code == code


async def test_a_session_is_shared_by_those_of_its_channel(given) -> None:
    async with Client(**given, workspace="my-team", channel="feat/auth") as client:
        assert (await client.session.get()).version == 0
        saved = await client.session.save({"goal": "log in", "done": ["form"]}, reasoning="plan")
        assert (saved.workspace, saved.channel, saved.version) == ("my-team", "feat/auth", 1)
        await client.session.save({"done": None})
        read = await client.session.get("feat/auth")
        assert (read.state, read.version) == ({"goal": "log in"}, 2)
        assert (await client.session.get("main")).version == 0
        await client.session.save({"x": 1}, "main")
        listed = await client.session.list()
        assert [entry.channel for entry in listed.sessions] == ["main", "feat/auth"]
        with pytest.raises(errors.Conflict):
            await client.session.save({}, expected_version=1)
        page = await client.session.list(limit=1)
        rest = await client.session.list(limit=1, cursor=page.next)
        assert [entry.channel for entry in rest.sessions] == ["feat/auth"]


async def test_knowledge_is_remembered_and_found_in_its_workspace(given) -> None:
    async with Client(**given, workspace="my-team") as client:
        first = await client.knowledge.remember("auth", "JWT in a cookie", category="decision")
        assert first.outcome == "remembered"
        other = await client.knowledge.remember("auth", "opaque tokens", category="decision")
        assert (other.outcome, other.superseded.value) == ("superseded", "JWT in a cookie")
        found = await client.knowledge.search("tokens")
        assert [(fact.key, fact.value) for fact in found.facts] == [("auth", "opaque tokens")]
        assert (await client.knowledge.search("tokens", channel="other")).total == 0
    async with Client(**given, workspace="another") as client:
        assert (await client.knowledge.search("tokens")).total == 0


async def test_status_says_what_it_is_and_where_the_log_ends(given) -> None:
    async with Client(**given) as client:
        status = await client.status()
        assert (status.server, status.tools > 5) == ("ctxmcp", True)
        await client.session.save({"x": 1})
        assert (await client.status()).latest_event_id > status.latest_event_id


async def test_events_come_from_the_past_and_then_live(given) -> None:
    async with (
        Client(**given, workspace="w") as client,
        aclosing(client.events.subscribe(kinds=["session_mutated"])) as events,
    ):
        await client.session.save({"n": 1})
        first = await anext(events)
        waiting = asyncio.create_task(anext(events))
        await client.tools.call("search", {})
        await client.session.save({"n": 2})
        second = await waiting
        assert (first.kind, first.workspace, second.parent_id) == ("session_mutated", "w", first.id)
        assert second.id > first.id
        assert (second.consistency, second.payload["tool"]) == ("strong", "session_mutate")
        async with aclosing(client.events.subscribe(first.id, kinds=["session_mutated"])) as later:
            assert await anext(later) == second


async def test_who_stops_in_the_middle_leaves_nothing_behind(given) -> None:
    async with Client(**given) as client:
        await client.session.save({"n": 1})
        async for event in client.events.subscribe():
            assert event.id > 0
            break
        kept = client.events.subscribe()
        await anext(kept)
    await kept.aclose()


async def test_who_waits_for_events_is_told_that_the_client_was_closed(given) -> None:
    async with Client(**given) as client:
        await client.session.save({"n": 1})
        events = client.events.subscribe(kinds=["session_mutated"])
        await anext(events)
        waiting = asyncio.create_task(anext(events))
        await client.status()  # by now the other waits
    with pytest.raises(errors.RegistryError, match="closed"):
        await waiting


async def test_a_client_that_is_not_open_says_so() -> None:
    client = Client()
    for ask in (client.search(), client.status(), client.tools.list(), client.session.get()):
        with pytest.raises(errors.Invalid, match="not open"):
            await ask
    with pytest.raises(errors.Invalid, match="not open"):
        client.events.subscribe()
    with pytest.raises(errors.Invalid, match="async with Client"):
        await client.search()


# --- without await


async def in_a_thread(test, *arguments: object) -> None:
    """Run a test's blocking part beside the loop that its server answers on."""
    await asyncio.to_thread(test, *arguments)


async def test_the_client_without_await_does_all_of_it(given) -> None:
    def blocking() -> None:
        with SyncClient(**given, workspace="my-team") as client:
            assert client.search(query="review").total == 1
            assert client.call("trust", ref="@acme/review").verdict == "trusted"
            assert client.install(refs=["@acme/review"]).installed
            assert client.tools.call("search", {"query": "review"}).structured["total"] == 1
            assert "search" in [tool.name for tool in client.tools.list()]
            assert client.session.save({"n": 1}).version == 1
            assert client.session.get().state == {"n": 1}
            assert client.session.list().total == 1
            assert client.knowledge.remember("k", "v").outcome == "remembered"
            assert client.knowledge.search("k").total == 1
            assert client.status().server == "ctxmcp"
            seen = []
            for event in client.events.subscribe(kinds=["session_mutated"]):
                seen.append(event.payload["session_version"])
                if len(seen) == 1:
                    client.session.save({"n": 2})
                if len(seen) == 2:
                    break
            assert seen == [1, 2]
            with pytest.raises(errors.NotFound):
                client.inspect(ref="@acme/none")

    await in_a_thread(blocking)


async def test_a_subscription_without_await_ends_where_the_reader_does(given) -> None:
    def blocking() -> None:
        with SyncClient(**given) as client:
            client.session.save({"n": 1})
            events = client.events.subscribe()
            next(events)
            events.close()
            kept = client.events.subscribe()
            next(kept)
        kept.close()
        with pytest.raises(errors.Invalid, match="with SyncClient"):
            client.search()
        with pytest.raises(errors.Invalid, match="not open"):
            next(client.events.subscribe())

    await in_a_thread(blocking)


_INTERRUPTED = """
import signal, threading
from ctxmcp.client import SyncClient

def interrupt():
    client.search()  # by now the other thread waits
    signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

with SyncClient() as client:
    try:
        threading.Thread(target=interrupt).start()
        for event in client.events.subscribe(kinds=["graph_built"]):
            pass
    except KeyboardInterrupt:
        print(client.search().total)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="a thread is sent a signal")
def test_an_interrupted_wait_leaves_the_client_usable(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _INTERRUPTED],
        cwd=ROOT,
        env={"HOME": str(tmp_path), "CTXMCP_DATA_DIR": str(tmp_path / "data")},
        capture_output=True,
        check=True,
        text=True,
        timeout=300,
    )
    assert (done.stdout, done.stderr) == ("0\n", "")


def test_both_clients_have_the_same_methods_with_the_same_parameters() -> None:
    asynchronous, blocking = Client(), SyncClient()
    assert inspect.signature(Client) == inspect.signature(SyncClient)
    assert Client.methods() == SyncClient.methods() == {n: o.doc for n, o in CATALOG.items()}
    for group in ("tools", "session", "knowledge", "events"):
        one, two = getattr(asynchronous, group), getattr(blocking, group)
        names = {name for name in dir(one) if not name.startswith("_")}
        assert names == {name for name in dir(two) if not name.startswith("_")}
        for name in names:
            ours, theirs = getattr(one, name), getattr(two, name)
            assert inspect.signature(ours) == inspect.signature(theirs)
            assert ours.__doc__ == theirs.__doc__
    assert not CATALOG.keys() & {*vars(asynchronous), *vars(Client)}
    for name in [*CATALOG, "call", "status"]:
        assert getattr(asynchronous, name).__doc__ == getattr(blocking, name).__doc__
        assert name in dir(asynchronous)
        assert name in dir(blocking)


def test_what_is_exported_is_there() -> None:
    assert all(getattr(clients, name) for name in clients.__all__)


def test_importing_the_client_brings_nothing_heavy() -> None:
    program = "import sys, ctxmcp.client; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True, timeout=300
    )
    heavy = {"mcp", "sqlalchemy", "starlette", "uvicorn", "httpx", "anyio"}
    assert heavy.isdisjoint(done.stdout.decode().split())


# --- what a server refuses, and its restarts


async def test_a_token_opens_what_it_opens(sqlite_world: World) -> None:
    await sqlite_world.publish("@acme/review")
    async with Served.on_a_port(sqlite_world, EVERYBODY) as served:
        async with Client(registry=served.url) as client:
            with pytest.raises(errors.Unauthenticated):
                await client.status()
        async with Client(registry=served.url, token=await served.token()) as client:
            assert (await client.search()).total == 1
            with pytest.raises(errors.Forbidden):
                await client.knowledge.remember("k", "v")
            with pytest.raises(errors.Forbidden):
                await anext(client.events.subscribe())


async def test_a_limit_of_the_server_says_when_there_is_room(sqlite_world: World) -> None:
    limits = Limits(requests_per_second=0.01, burst=1)
    async with (
        Served.on_a_port(sqlite_world, limits=limits) as served,
        Client(registry=served.url) as client,
    ):
        await client.status()
        for ask in (client.status(), client.knowledge.remember("k", "v")):
            with pytest.raises(errors.RateLimited) as caught:
                await ask
            assert 60 < caught.value.retry_after <= 100


async def test_a_stream_too_many_is_refused_and_the_others_go_on(sqlite_world: World) -> None:
    async with (
        Served.on_a_port(sqlite_world, limits=replace(FAST, streams=1)) as served,
        Client(registry=served.url) as client,
        aclosing(client.events.subscribe(kinds=["session_mutated"])) as first,
    ):
        await client.session.save({"n": 1})
        one = await anext(first)
        with pytest.raises(errors.ConcurrencyLimited):
            await anext(client.events.subscribe())
        await client.session.save({"n": 2})
        assert (await anext(first)).parent_id == one.id


async def test_a_name_that_is_none_is_refused_with_its_code(given) -> None:
    async with Client(**given, workspace="my team") as client:
        with pytest.raises(errors.Invalid):
            await client.session.get()
        with pytest.raises(errors.Invalid):
            await anext(client.events.subscribe(kinds=["dance"], workspace="default"))


async def test_nothing_is_lost_or_repeated_while_the_server_restarts(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(following, "MOST_PAUSE", 0.05)
    journal = sqlite_world.registry.journal
    coming: asyncio.Queue[int] = asyncio.Queue()
    seen: list[int] = []

    async def append() -> None:
        for _ in range(20):
            await journal.record(Draft(EventKind.GRAPH_BUILT))

    async def watch(url: str) -> None:
        async with Client(registry=url) as client:
            async for event in client.events.subscribe(kinds=["graph_built"]):
                coming.put_nowait(event.id)

    port, watching = 0, None
    for _ in range(3):
        app = create_app(sqlite_world.registry, limits=FAST)
        async with running(app, "127.0.0.1", port) as url:
            port = int(url.rpartition(":")[2])
            watching = watching or asyncio.create_task(watch(url))
            await append()
            seen += [await coming.get() for _ in range(20)]
            appending = asyncio.create_task(append())  # goes on while the server goes down
        await appending
        async with running(create_app(sqlite_world.registry, limits=FAST), "127.0.0.1", port):
            seen += [await coming.get() for _ in range(20)]
    events = await journal.log.since(0)
    assert seen == [event.id for event in events if event.kind == EventKind.GRAPH_BUILT]
    assert coming.empty()
    assert watching
    watching.cancel()
