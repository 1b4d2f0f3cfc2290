"""The Python SDK of the generation before, in an environment of its own, over stdio."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

import pytest

from registry_core.operations import CATALOG

pytestmark = pytest.mark.clients

ROOT = Path(__file__).parents[2]
NEEDED = "mcp==1.30.0"

PROGRAM = """
import asyncio, json, sys
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client


async def main(command, data_dir, root):
    environment = {"CTXMCP_DATA_DIR": data_dir, "PYTHONPATH": root}
    server = StdioServerParameters(command=command, args=["-m", "ctxmcp"], env=environment)
    async with stdio_client(server) as streams, ClientSession(*streams) as session:
        hello = await session.initialize()
        tools = await session.list_tools()
        steps = [
            ("publish", {"path": "review", "name": "@acme/review", "version": "1.0.0"}),
            ("search", {"query": "review"}),
            ("inspect", {"ref": "@acme/review"}),
            ("trust", {"ref": "@acme/review"}),
            ("install", {"refs": ["@acme/review"]}),
            ("verify", {}),
            ("inspect", {"ref": "@acme/nothing"}),
        ]
        results = [await session.call_tool(*step) for step in steps]
        read = await session.read_resource("ctx://acme/review@1.0.0/SKILL.md")
        print(json.dumps({
            "server": hello.serverInfo.name,
            "tools": [tool.name for tool in tools.tools],
            "results": [result.model_dump(mode="json") for result in results],
            "read": read.contents[0].text,
        }))


asyncio.run(main(*sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def python(request: pytest.FixtureRequest) -> Path:
    """The interpreter of an environment with the older SDK."""
    cache = request.config.cache
    assert cache
    folder = cache.mkdir("older-sdk")
    interpreter = folder / "bin/python"
    if not next(folder.glob("lib/*/site-packages/mcp"), None):
        venv.create(folder, with_pip=True)
        pip = [interpreter, "-m", "pip", "install", "-q", NEEDED]
        done = subprocess.run(pip, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            pytest.skip(f"pip cannot install {NEEDED}: {done.stderr.strip()[-200:]}")
    return interpreter


@pytest.fixture
def told(python: Path, tmp_path: Path) -> Any:
    """What the older client got, working in a folder with one skill."""
    skill = tmp_path / "review"
    skill.mkdir()
    skill.joinpath("SKILL.md").write_text("---\nname: review\ndescription: Reviews.\n---\n# Hi\n")
    inherited = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    keygen = [sys.executable, "-m", "ctxmcp", "keygen"]
    subprocess.run(keygen, check=True, env=inherited | {"PYTHONPATH": str(ROOT)}, cwd=tmp_path)
    done = subprocess.run(
        [python, "-c", PROGRAM, sys.executable, str(tmp_path / "data"), str(ROOT)],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env=inherited,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_it_lists_the_tools_does_the_whole_job_and_reads_a_file(told: Any, tmp_path: Path) -> None:
    assert told["server"] == "ctxmcp"
    assert told["tools"] == [name for name, op in CATALOG.items() if op.toolset == "main"]
    *done, missing = told["results"]
    assert [result["isError"] for result in done] == [False] * 6, done
    assert all(result["structuredContent"] for result in done)
    assert missing["isError"]
    assert "@acme/nothing" in missing["content"][0]["text"]
    assert "# Hi" in told["read"]
    assert (tmp_path / ".agents/skills/review/SKILL.md").is_file()
