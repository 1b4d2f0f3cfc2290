"""The server as a process: it says where it is, answers, and stops in order."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path

import httpx
import pytest
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ctxmcp import settings
from ctxmcp.serving import running, serve
from registry_core.errors import Unavailable
from transports.http import create_app
from world import World

ROOT = Path(__file__).parents[2]
PROGRAM = """
import asyncio, sys
from pathlib import Path
from ctxmcp import serving, settings
read = settings.read(data_dir=Path(sys.argv[1]), environment={})
asyncio.run(serving.serve(read, "127.0.0.1", 0))
"""


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_server_says_one_line_answers_and_ends_well(
    tmp_path: Path, number: signal.Signals
) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-c", PROGRAM, str(tmp_path)),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr
    line = (await process.stderr.readline()).decode()
    assert line.startswith("ctxmcp serves http://127.0.0.1:")
    async with httpx.AsyncClient(base_url=line.split()[2]) as http:
        assert (await http.get("/health")).text == "ok\n"
        process.send_signal(number)
        out, rest = await process.communicate()
    assert (process.returncode, out, rest) == (0, b"", b"")


async def test_an_address_in_use_is_said_to_be(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        read = settings.read(data_dir=tmp_path, environment={})
        port = taken.getsockname()[1]
        with pytest.raises(Unavailable, match=f"cannot listen on 127.0.0.1 port {port}"):
            await serve(read, "127.0.0.1", port)


async def test_an_address_of_another_machine_is_said_to_be(sqlite_world: World) -> None:
    await sqlite_world.mint("acme")
    read = settings.read(data_dir=sqlite_world.folder, environment={})
    with pytest.raises(Unavailable, match="cannot listen"):
        await serve(read, "203.0.113.7", 0)


async def test_a_server_ends_while_a_client_keeps_its_connection(sqlite_world: World) -> None:
    async with httpx.AsyncClient() as http:
        async with running(create_app(sqlite_world.registry), "localhost", 0) as url:
            assert (await http.get(f"{url}/health")).status_code == 200
        with pytest.raises(httpx.ConnectError):
            await http.get(f"{url}/health")


async def test_a_small_answer_is_sent_without_delay(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    made = HttpToolsProtocol.connection_made

    def note(self: HttpToolsProtocol, transport: asyncio.Transport) -> None:
        made(self, transport)
        taken = transport.get_extra_info("socket")
        seen.append(taken.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    monkeypatch.setattr(HttpToolsProtocol, "connection_made", note)
    async with (
        running(create_app(sqlite_world.registry), "127.0.0.1", 0) as url,
        httpx.AsyncClient() as http,
    ):
        await http.get(f"{url}/health")
    assert seen == [1]
