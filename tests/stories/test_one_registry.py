"""Four APIs, one registry: what is published by one is found by each that holds its kind.

The real agents and tools go in by their own APIs; the SDK's own client finds them over MCP.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from csreg import Csreg
from mcp import Client
from mcp_clients import EVERYBODY, speaking

import agents
import tools
from served import FAST, Served
from world import World


async def refs(client: Client, **asked: Any) -> list[str]:
    result = await client.call_tool("search", asked)
    assert result.structured_content
    return [hit["ref"] for hit in result.structured_content["hits"]]


async def names(served: Served, path: str, member: str) -> list[str]:
    return [entry["name"] for entry in (await served.get(path)).json()[member]]


@pytest.mark.timeout(300)
async def test_real_agents_tools_and_a_skill_are_found_over_mcp_and_by_every_api_of_their_kind(
    sqlite_world: World, shared: Path
) -> None:
    folders = sorted((shared / "data/agentx/agents").iterdir())
    seeds = json.loads((shared / "data/patchcat/seed-batch-manifests.json").read_text())
    manifests = [seed["manifest"] for seed in seeds]
    assert (len(folders), len(manifests)) == (14, 30)
    limits = replace(FAST, agentx_publishes_per_hour=0)
    async with speaking(sqlite_world, EVERYBODY, limits=limits) as spoken:
        served = Served(sqlite_world, spoken.http)
        token, _ = await sqlite_world.account("knid")
        for folder in folders:
            done = await agents.publish_folder(served, token, folder)
            assert done.status_code == 200, done.text
            assert "held" not in done.json()
        for said in manifests:
            source = (shared / f"data/patchcat/seed-batch/{said['name']}.py").read_text()
            done = await tools.send(served, token, said, source)
            assert done.json().get("status") == "created", done.text
            assert "held" not in done.json()
        assert (await Csreg(served, token).push("knid/code-reviewer-skill")).status_code == 201

        async with spoken.client("2026-07-28", token) as client:
            for folder in folders:
                found = await refs(client, query=folder.name.replace("-", " "), kind="agent")
                assert f"@knid/{folder.name}" in [ref.rpartition("@")[0] for ref in found]
            for said in manifests:
                found = await refs(client, query=said["description"], kind="tool", limit=5)
                assert f"@knid/{said['name'].replace('_', '-')}@1.0.0" in found
            assert await refs(client, kind="skill") == ["@knid/code-reviewer-skill@1.0.0"]

        for folder in folders:
            words = folder.name.replace("-", " ")
            path = f"/agentx/api/v1/search?q={words}&limit=5"
            assert folder.name in await names(served, path, "agents")
            path = f"/api/v1/search?q={words}&kind=agent"
            assert folder.name in await names(served, path, "results")
        for said in manifests:
            asked = {"q": said["description"], "include_unverified": "true", "limit": "3"}
            response = await served.http.get("/patchcat/v1/tools/search", params=asked)
            best = response.json()["results"][0]
            assert (best["name"], best["similarity"]) == (said["name"], 1.0)
        for kind, number in (("agent", 14), ("tool", 30), ("skills", 1)):
            assert len(await names(served, f"/api/v1/index.json?kind={kind}", "packages")) == number
        [skill] = (await served.get("/csreg/api/v1/skills")).json()["data"]
        assert skill["slug"] == "code-reviewer-skill"
