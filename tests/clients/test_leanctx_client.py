"""The published Python client of LeanCTX, which nobody here wrote, against `ctxmcp serve`."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

pytestmark = pytest.mark.clients


@pytest.mark.timeout(900)
async def test_every_check_of_the_published_client_passes(tmp_path: Path, shared: Path) -> None:
    if importlib.util.find_spec("leanctx") is None:
        pytest.skip("the lean-ctx client is not installed: pip install 'ctxmcp[clients]'")
    token = await _run(tmp_path, *_ctxmcp("token", "create", "--role", "admin", "--name", "check"))
    async with _served(tmp_path) as url:
        check = str(shared / "checks/leanctx_client_check.py")
        said = await _run(tmp_path, sys.executable, check, url, token.strip())
    failed = [line for line in said.splitlines() if not line.startswith("ok ")]
    assert failed == ["43 passed, 0 failed"]


@asynccontextmanager
async def _served(folder: Path) -> AsyncIterator[str]:
    """Run `ctxmcp serve` on a free port, and end it as its user would."""
    process = await asyncio.create_subprocess_exec(
        *_ctxmcp("serve", "--port", "0"),
        env=_surroundings(folder),
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr
    try:
        words = (await process.stderr.readline()).decode().split()
        yield words[words.index("serves") + 1]
    finally:
        process.terminate()
        await process.communicate()
    assert process.returncode == 0


async def _run(folder: Path, *command: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *command, env=_surroundings(folder), stdout=asyncio.subprocess.PIPE
    )
    return (await process.communicate())[0].decode()


def _ctxmcp(*words: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "ctxmcp", *words)


def _surroundings(folder: Path) -> Mapping[str, str]:
    return {**os.environ, "HOME": str(folder), "CTXMCP_DATA_DIR": str(folder / "data")}
