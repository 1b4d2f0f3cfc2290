"""One catalog, five renderings: each has the operations of the catalog, and one call agrees."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys

import pytest
from mcp import Client as McpClient

from ctxmcp import settings
from ctxmcp.client import Client
from ctxmcp.connection import Embedded
from ctxmcp.desk import Desk
from ctxmcp.server import build_server
from registry_core.callers import OWNER
from registry_core.operations import CATALOG, invoke
from served import Served
from world import World

TOOLSETS = frozenset(operation.toolset for operation in CATALOG.values())
QUERY = "pull requests"


@pytest.fixture
async def filled(sqlite_world: World) -> World:
    await sqlite_world.publish("@acme/review", description="Reviews pull requests.")
    await sqlite_world.publish("@acme/sql", description="Writes queries.")
    return sqlite_world


def _desk(world: World) -> Desk:
    read = settings.read(data_dir=world.folder, environment={})
    return Desk(Embedded(world.registry, "embedded"), read, world.folder)


async def _command(world: World, *words: str) -> str:
    def run() -> str:
        return subprocess.run(
            [sys.executable, "-m", "ctxmcp", *words, "--data-dir", str(world.folder)],
            capture_output=True,
            text=True,
            check=True,
            timeout=300,
            env={**os.environ, "HOME": str(world.folder)},
        ).stdout

    return await asyncio.to_thread(run)


async def test_every_surface_has_the_operations_of_the_catalog(filled: World):
    names = set(CATALOG)
    async with McpClient(build_server(_desk(filled), toolsets=TOOLSETS)) as agent:
        assert {tool.name for tool in (await agent.list_tools()).tools} == names
    assert set(Client.methods()) == names
    helped = await _command(filled, "--help")
    for operation in CATALOG.values():
        assert operation.name.replace("_", "-") in helped or operation.toolset == "team"


async def test_one_search_is_answered_alike_everywhere(filled: World):
    said = (await invoke(filled.registry, OWNER, "search", {"query": QUERY})).model_dump(
        mode="json"
    )
    assert [hit["ref"] for hit in said["hits"]] == ["@acme/review@1.0.0"]

    by_command = json.loads(await _command(filled, "search", QUERY, "--json"))
    async with McpClient(build_server(_desk(filled))) as agent:
        by_agent = (await agent.call_tool("search", {"query": QUERY})).structured_content
    async with Client(data_dir=filled.folder) as client:
        by_client = (await client.search(query=QUERY)).model_dump(mode="json")
    async with Served.on_a_port(filled) as served:
        body = {"name": "search", "arguments": {"query": QUERY}}
        answer = await served.http.post(
            "/v1/tools/call",
            json=body,
            headers={"authorization": f"Bearer {await served.token()}"},
        )
        by_http = answer.json()["structuredContent"]
        async with Client(registry=served.url) as remote:
            by_remote = (await remote.search(query=QUERY)).model_dump(mode="json")

    assert by_command == by_client == by_http == by_remote == said
    assert by_agent is not None
    assert [hit["ref"] for hit in by_agent["hits"]] == [hit["ref"] for hit in said["hits"]]
    assert by_agent["total"] == said["total"]
