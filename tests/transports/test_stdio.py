"""The wire under MCP over stdio, on pipes."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from mcp.server.lowlevel import Server
from mcp_types import ListToolsResult

from transports import stdio


class Peer:
    """The other end of the wire: a client that writes and reads bytes."""

    def __init__(self) -> None:
        incoming, self.to_server = os.pipe()
        self.from_server, outgoing = os.pipe()
        self.wire = stdio.Wire(incoming, outgoing)

    async def send(self, data: bytes) -> None:
        await asyncio.to_thread(self._write, data)

    def _write(self, data: bytes) -> None:
        while data:
            data = data[os.write(self.to_server, data) :]

    async def receive(self) -> Any:
        return json.loads(await asyncio.to_thread(self._line))

    def _line(self) -> bytes:
        line = b""
        while not line.endswith(b"\n"):
            line += os.read(self.from_server, 1)
        return line

    def leave(self) -> None:
        os.close(self.to_server)


@asynccontextmanager
async def served() -> AsyncIterator[tuple[Peer, asyncio.Task[None]]]:
    async def no_tools(context: object, params: object) -> ListToolsResult:
        return ListToolsResult(tools=[])

    peer = Peer()
    task = asyncio.create_task(stdio.serve(Server("x", on_list_tools=no_tools), peer.wire))
    try:
        yield peer, task
    finally:
        task.cancel()
        await asyncio.wait([task])


def message(number: int, **more: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": number, "method": "ping", **more}).encode() + b"\n"


async def test_a_client_is_answered_line_by_line_until_it_leaves() -> None:
    async with served() as (peer, task):
        await peer.send(message(1) + message(2)[:10])
        assert (await peer.receive())["id"] == 1
        await peer.send(message(2)[10:])
        assert (await peer.receive())["id"] == 2
        peer.leave()
        await task


@pytest.mark.parametrize(
    "noise", [b"hello\n", b"\n", b"\xff\xfe\n", b'{"jsonrpc": "2.0"}\n', b"[" * 100_000 + b"\n"]
)
async def test_what_is_no_message_disturbs_nobody(noise: bytes) -> None:
    async with served() as (peer, task):
        await peer.send(noise + message(1))
        assert (await peer.receive())["id"] == 1
        peer.leave()
        await task


async def test_a_message_beyond_the_limit_is_dropped_and_the_next_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stdio, "MOST_MESSAGE", 200_000)
    async with served() as (peer, _):
        await peer.send(message(1, params={"_meta": {"x": "y" * 300_000}}) + message(2))
        assert (await peer.receive())["id"] == 2
        await peer.send(message(3, params={"_meta": {"x": "y" * 190_000}}))
        assert (await peer.receive())["id"] == 3


async def test_a_client_that_stops_reading_and_leaves_ends_the_server_in_peace() -> None:
    async with served() as (peer, task):
        os.close(peer.from_server)
        await peer.send(message(1) + message(2))
        peer.leave()
        await task


async def test_a_server_that_waits_for_a_silent_client_can_be_stopped() -> None:
    async with served() as (peer, task):
        await peer.send(message(1))
        await peer.receive()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


def test_lines_are_cut_wherever_the_chunks_end() -> None:
    whole = b"one\ntwo\n\nthree\nrest"
    for size in range(1, len(whole) + 1):
        lines = stdio._Lines()
        chunks = [whole[at : at + size] for at in range(0, len(whole), size)]
        cut = [line for chunk in chunks for line in lines.cut(chunk)]
        assert cut == [b"one", b"two", b"", b"three"]
