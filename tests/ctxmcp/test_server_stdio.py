"""`ctxmcp` with piped input, as a host starts it: a process, and JSON-RPC line by line."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from bench import machine

from ctxmcp.stdio import LateDesk
from registry_core.errors import Unavailable
from registry_core.operation import Model
from registry_core.operations.search import SearchResult

ROOT = Path(__file__).parents[2]
HELLO = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "test", "version": "1"},
}
MODERN = {
    "_meta": {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }
}

LOUD = """
import importlib, os, subprocess, sys

print("one")
os.write(1, b"two")
subprocess.run([sys.executable, "-c", "print('three')"])
sys.path.remove(os.path.dirname(__file__))
del sys.modules[__name__]
importlib.import_module(__name__)  # the real one
"""


@dataclass
class Host:
    """A process that was started as hosts do, and what went over its standard output."""

    process: asyncio.subprocess.Process
    lines: list[bytes] = field(default_factory=list)
    sent: int = 0

    async def send(self, method: str, params: Mapping[str, Any] | None = None, **more: Any) -> None:
        assert self.process.stdin
        message = {"jsonrpc": "2.0", "method": method, **more}
        if params is not None:
            message["params"] = params
        self.process.stdin.write(json.dumps(message).encode() + b"\n")
        await self.process.stdin.drain()

    async def ask(self, method: str, params: Mapping[str, Any] | None = None) -> Any:
        self.sent += 1
        await self.send(method, params, id=self.sent)
        while True:
            message = await self.receive()
            if message.get("id") == self.sent:
                return message["result"] if "result" in message else message["error"]

    async def receive(self) -> Any:
        assert self.process.stdout
        line = await self.process.stdout.readline()
        self.lines.append(line)
        return json.loads(line)

    async def greet(self) -> None:
        await self.ask("initialize", HELLO)
        await self.send("notifications/initialized")

    async def call(self, name: str, **arguments: Any) -> Any:
        return await self.ask("tools/call", {"name": name, "arguments": arguments})

    async def leave(self) -> tuple[int, str]:
        """Close the input; return the exit code and standard error."""
        assert self.process.stdout
        assert self.process.stderr
        self.process.stdin.close()  # type: ignore[union-attr]
        self.lines += (await self.process.stdout.read()).splitlines()
        errors = await self.process.stderr.read()
        return await self.process.wait(), errors.decode()


@asynccontextmanager
async def host(folder: Path, *words: str, **environment: str) -> AsyncIterator[Host]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "ctxmcp",
        *words,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=folder,
        limit=2**24,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(folder / "home"),
            "PYTHONPATH": str(ROOT),
            "CTXMCP_DATA_DIR": str(folder / "data"),
            **environment,
        },
    )
    try:
        yield Host(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def test_a_host_lists_calls_reads_and_leaves_and_gets_nothing_but_protocol(
    tmp_path: Path,
) -> None:
    async with machine(tmp_path) as here:
        await here.publish("@acme/review")
    async with host(tmp_path, "--project", str(here.project)) as server:
        await server.greet()
        tools = (await server.ask("tools/list"))["tools"]
        assert next(tool["name"] for tool in tools) == "search"
        assert (await server.call("inspect", ref="@acme/nothing"))["isError"]
        found = await server.call("install", refs=["@acme/review"])
        assert not found["isError"], found
        assert (await server.call("verify"))["structuredContent"]["ok"]
        read = await server.ask("resources/read", {"uri": "ctx://acme/review"})
        assert "# Review" in read["contents"][0]["text"]
        assert (await server.ask("prompts/get", {"name": "nonsense"}))["code"] == -32602
        code, errors = await server.leave()
    assert (code, errors) == (0, "")
    assert all(json.loads(line)["jsonrpc"] == "2.0" for line in server.lines)
    assert here.text(".agents/skills/review/SKILL.md").endswith("# Review\n")


async def test_a_modern_client_needs_no_handshake(tmp_path: Path) -> None:
    async with host(tmp_path, "mcp", "--toolset", "more") as server:
        discovered = await server.ask("server/discover", MODERN)
        assert "2026-07-28" in discovered["supportedVersions"]
        listed = await server.ask("tools/list", MODERN)
        assert {"search", "yank"} <= {tool["name"] for tool in listed["tools"]}
        assert listed["ttlMs"] > 0
        result = await server.ask("tools/call", {"name": "search", "arguments": {}, **MODERN})
        assert result["structuredContent"] == {"hits": [], "total": 0}
        assert await server.leave() == (0, "")


async def test_what_prints_while_it_is_imported_stays_off_the_wire(tmp_path: Path) -> None:
    loud = tmp_path / "loud"
    loud.mkdir()
    (loud / "sse_starlette.py").write_text(LOUD)
    async with host(tmp_path, PYTHONPATH=f"{loud}{os.pathsep}{ROOT}") as server:
        await server.greet()
        await server.call("search")
        _, errors = await server.leave()
    assert all(json.loads(line)["jsonrpc"] == "2.0" for line in server.lines)
    assert [word for word in ("one", "two", "three") if word not in errors] == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_although_the_client_stays(
    tmp_path: Path, number: signal.Signals
) -> None:
    async with host(tmp_path) as server:
        await server.greet()
        await server.call("search")
        server.process.send_signal(number)
        code = await server.process.wait()
    assert code == (130 if number is signal.SIGINT else 0)


async def test_a_registry_that_is_away_is_said_in_the_result(tmp_path: Path) -> None:
    async with host(tmp_path, "--registry", "http://127.0.0.1:9/api") as server:
        await server.greet()
        assert (await server.ask("tools/list"))["tools"]
        result = await server.call("search")
        assert result["isError"]
        assert "no answer from http://127.0.0.1:9/" in result["content"][0]["text"]
        assert (await server.leave())[0] == 0


async def test_a_data_folder_that_cannot_be_is_said_in_the_result(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("not a folder")
    async with host(tmp_path) as server:
        await server.greet()
        for _ in range(2):
            result = await server.call("search")
            assert result["isError"]
            assert str(tmp_path / "data") in result["content"][0]["text"]
        assert (await server.leave())[0] == 0


async def test_a_call_can_be_cancelled_while_the_registry_opens_for_others() -> None:
    opening, go = asyncio.Event(), asyncio.Event()
    opened = closed = 0

    class Desk:
        async def invoke(
            self, name: str, arguments: Mapping[str, Any], *, progress: Any = None
        ) -> Model:
            return SearchResult(hits=[], total=7)

    @asynccontextmanager
    async def slowly() -> AsyncIterator[Desk]:
        nonlocal opened, closed
        opened += 1
        opening.set()
        await go.wait()
        yield Desk()
        closed += 1

    async with LateDesk(slowly) as desk:
        first = asyncio.create_task(desk.invoke("search", {}))
        second = asyncio.create_task(desk.invoke("search", {}))
        await opening.wait()
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        go.set()
        assert await second == SearchResult(hits=[], total=7)
    assert (opened, closed) == (1, 1)


async def test_opening_is_tried_again_after_it_has_failed() -> None:
    tries = 0

    @asynccontextmanager
    async def never() -> AsyncIterator[Any]:
        nonlocal tries
        tries += 1
        raise Unavailable("not now")
        yield

    async with LateDesk(never) as desk:
        for _ in range(2):
            with pytest.raises(Unavailable):
                await desk.invoke("search", {})
    assert tries == 2
