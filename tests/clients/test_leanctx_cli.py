"""The real lean-ctx command line, which nobody here wrote, against a running server."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from pathlib import Path

import pytest

from dialects.requirements import claims
from registry_core.callers import OWNER, Scope
from registry_core.operations import invoke
from served import Served
from transports.limits import Limits
from world import World

pytestmark = pytest.mark.clients


@claims("ctxpkg.publish.example", "ctxpkg.own", "ctxpkg.402")
async def test_every_check_of_the_real_client_passes(tmp_path: Path, shared: Path) -> None:
    if importlib.util.find_spec("thinkery_leanctx_engine") is None:
        pytest.skip("the lean-ctx binary is not installed: pip install 'ctxmcp[clients]'")
    url = f"sqlite+aiosqlite:///{tmp_path / 'registry.sqlite3'}"
    async with (
        World.open(url, tmp_path, {"CTXMCP_BUY_URL": "https://shop.example/{ns}"}) as world,
        Served.on_a_port(world, limits=Limits()) as served,  # as they are
    ):
        await world.publish("@shop/plans")
        given = {"name": "@shop/plans", "amount_cents": 500}
        await invoke(world.registry, OWNER, "price", given)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, str(shared / "checks/leanctx_cli_check.py")),
            *(f"{served.url}/api", await served.token(), "acme"),
            *("--read-token", await served.token(scope=Scope.READ), "--paid", "shop/plans"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said = (await process.communicate())[0].decode()
    failed = [line for line in said.splitlines() if not line.startswith("ok ")]
    assert process.returncode == 0, failed
    assert said.rstrip().endswith(", 0 failed"), failed
    assert "61 passed" in said
