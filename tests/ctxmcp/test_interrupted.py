"""Kill -9 in the middle of many publishes: what was acknowledged is there, and nothing is half."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from ctxmcp import settings, wiring
from registry_core.callers import OWNER
from registry_core.operations import invoke
from world import World, package

PUBLISHES = 1000
AT_ONCE = 8


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _serve(folder: Path, port: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "ctxmcp", "serve", "--port", str(port)]
    no_limits = {"CTXMCP_REQUESTS_PER_SECOND": "0", "CTXMCP_TIMEOUT": "0"}
    with (folder / "stderr.txt").open("ab") as stderr:
        return subprocess.Popen(
            [*command, "--data-dir", str(folder)],
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            env={**os.environ, "HOME": str(folder), **no_limits},
        )


async def _answering(client: httpx.AsyncClient, server: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        assert server.poll() is None, "the server ended"
        try:
            if (await client.get("/health")).status_code == 200:
                return
        except httpx.TransportError:
            await asyncio.sleep(0.05)
    pytest.fail("the server does not answer")


async def test_kill_9_amid_a_thousand_publishes_loses_nothing_acknowledged(tmp_path: Path):
    url = f"sqlite+aiosqlite:///{tmp_path / 'registry.sqlite3'}"
    async with World.open(url, tmp_path) as world:
        token, _ = await world.mint("acme")
    made = {f"p{n}": package(f"@acme/p{n}") for n in range(PUBLISHES)}
    port = _free_port()
    server = _serve(tmp_path, port)
    acknowledged: set[str] = set()
    sent: set[str] = set()
    waiting = iter(made)

    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{port}",
        headers={"authorization": f"Bearer {token}"},
        timeout=110,  # the first publish waits until the new home has compiled the secret rules
    ) as client:
        await _answering(client, server)

        async def publish_on() -> None:
            for name in waiting:
                sent.add(name)
                path = f"/api/v1/packages/acme/{name}/1.0.0"
                try:
                    answer = await client.put(path, content=made[name])
                except httpx.TransportError:
                    return
                assert answer.status_code == 201, answer.text
                acknowledged.add(name)
                if len(acknowledged) == PUBLISHES // 2:
                    server.send_signal(signal.SIGKILL)

        await asyncio.gather(*(publish_on() for _ in range(AT_ONCE)))
    server.wait(10)
    assert len(acknowledged) >= PUBLISHES // 2

    read = settings.read(data_dir=tmp_path, environment={})
    async with wiring.open_registry(read) as registry:
        there = {package.name.name for package in await registry.packages.list(OWNER)}
        assert acknowledged <= there <= sent
        assert len(there - acknowledged) <= AT_ONCE  # committed, and the answer never left
        for name in there:
            verified = await invoke(registry, OWNER, "verify", {"target": f"@acme/{name}"})
            assert verified.ok, verified
        found = await invoke(registry, OWNER, "search", {"query": "reviews", "limit": 1})
        assert found.total == len(there)
        blobs = [p for p in (tmp_path / "blobs").rglob("*") if p.is_file()]
        assert len(blobs) <= len(sent) + AT_ONCE
