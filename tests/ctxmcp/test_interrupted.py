"""Kill -9 in the middle of many publishes: what was acknowledged is there, and nothing is half."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import Process
from pathlib import Path

import httpx

from ctxmcp import settings, wiring
from registry_core.callers import OWNER
from registry_core.operations import invoke
from world import World, package

PUBLISHES = 1000
AT_ONCE = 8


async def _serve(folder: Path) -> tuple[Process, str]:
    """Start a server, and return it with its address."""
    said = folder / "stderr.txt"
    # Nobody gives up here: the first publish waits until the new home has compiled the rules.
    patient = {"CTXMCP_REQUESTS_PER_SECOND": "0", "CTXMCP_TIMEOUT": "0"}
    with said.open("wb") as stderr:
        server = await asyncio.create_subprocess_exec(
            *[sys.executable, "-m", "ctxmcp", "serve", "--port", "0", "--data-dir", str(folder)],
            stdout=asyncio.subprocess.DEVNULL,
            stderr=stderr,
            env={**os.environ, "HOME": str(folder), **patient},
        )
    while not (line := said.read_text()).endswith("\n"):
        assert server.returncode is None, line
        await asyncio.sleep(0.05)
    return server, line.split()[2]


async def test_kill_9_amid_a_thousand_publishes_loses_nothing_acknowledged(tmp_path: Path):
    database = f"sqlite+aiosqlite:///{tmp_path / 'registry.sqlite3'}"
    async with World.open(database, tmp_path) as world:
        token, _ = await world.mint("acme")
    made = {f"p{n}": package(f"@acme/p{n}") for n in range(PUBLISHES)}
    server, url = await _serve(tmp_path)
    acknowledged: set[str] = set()
    sent: set[str] = set()
    waiting = iter(made)

    async with httpx.AsyncClient(
        base_url=url, headers={"authorization": f"Bearer {token}"}, timeout=None
    ) as client:

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
    await server.wait()
    assert len(acknowledged) >= PUBLISHES // 2

    read = settings.read(data_dir=tmp_path, environment={})
    async with wiring.open_registry(read) as registry:
        there = {package.name.name for package in await registry.packages.list(OWNER)}
        assert acknowledged <= there <= sent
        assert len(there - acknowledged) <= AT_ONCE  # committed, and the answer never left
        for name in there:
            verified = await invoke(registry, OWNER, "verify", {"target": f"@acme/{name}"})
            assert verified.ok, verified
        found = await invoke(registry, OWNER, "search", {"limit": 1})
        assert found.total == len(there)
        blobs = [p for p in (tmp_path / "blobs").rglob("*") if p.is_file()]
        assert len(blobs) <= len(sent) + AT_ONCE
