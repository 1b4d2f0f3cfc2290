"""Skills over MCP: listed, got, read and verified by a host that installed nothing."""

from __future__ import annotations

import asyncio
import hashlib
from base64 import b64decode
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from bench import Machine
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp_clients import EVERYBODY, Spoken, speaking
from mcp_types import INVALID_PARAMS, Request
from pydantic import BaseModel, ConfigDict

from ctxmcp import settings
from ctxmcp.connection import connect
from ctxmcp.desk import Desk
from ctxmcp.server import build_server
from ctxmcp.skills import EXTENSION
from registry_core.callers import Scope
from registry_core.names import Kind
from world import World

SKILL = "---\nname: review\ndescription: Reviews.\nlicense: MIT\n---\n# Review\nRead a.\n"
FILES: dict[str, str | bytes] = {
    "SKILL.md": SKILL,
    "references/how to/read.md": "# How\r\n",
    "references/why.md": "# Why\n",
    "scripts/run.py": "print()\n",
    "assets/dot.png": b"\x89PNG\xff",
    "assets/nested/SKILL.md": "---\nname: nested\ndescription: n\n---\n",
}
ROOT = "skill://acme/review"

TOOL = (Path(__file__).parents[2] / "ctxmcp/examples/json_outline.py").read_text()


class Result(BaseModel):
    """Whatever comes."""

    model_config = ConfigDict(extra="allow")


@pytest.fixture
async def spoken(sqlite_world: World) -> AsyncIterator[Spoken]:
    await sqlite_world.publish("@acme/review", files=FILES)
    async with speaking(sqlite_world, EVERYBODY) as served:
        yield served


async def token(spoken: Spoken, namespace: str = "other") -> str:
    text, _ = await spoken.world.mint(namespace, Scope.READ)
    return text


async def refused(spoken: Spoken, method: str, uri: str, who: str) -> str:
    response = await spoken.ask(method, {"uri": uri}, who)
    error = response.json()["error"]
    assert error["code"] == INVALID_PARAMS, error
    assert error["data"] == {"uri": uri}
    return str(error["message"])


async def test_the_extension_is_declared_with_its_resources(spoken: Spoken) -> None:
    found = await spoken.result("server/discover", token=await token(spoken))
    assert found["capabilities"]["extensions"] == {EXTENSION: {"directoryRead": True}}
    assert found["capabilities"]["resources"]["subscribe"] is True


async def test_an_entry_is_a_manifest_that_every_read_agrees_with(spoken: Spoken) -> None:
    who = await token(spoken)
    listed = await spoken.result("skills/list", token=who)
    assert (listed["resultType"], listed["cacheScope"]) == ("complete", "private")
    assert listed["ttlMs"] > 0
    [entry] = listed["skills"]
    assert entry["uri"] == f"{ROOT}/SKILL.md"
    assert entry["frontmatter"] == {"name": "review", "description": "Reviews.", "license": "MIT"}
    assert len(entry["resources"]) == len(FILES)
    for resource in entry["resources"]:
        data = await content(spoken, resource["uri"], who)
        assert resource["digest"] == f"sha256:{hashlib.sha256(data).hexdigest()}"
        assert resource["size"] == len(data)
    got = await spoken.result("skills/get", {"uri": entry["uri"]}, who)
    assert got["skill"] == entry
    assert "nextCursor" not in got


async def content(spoken: Spoken, uri: str, who: str) -> bytes:
    read = await spoken.result("resources/read", {"uri": uri}, who)
    [part] = read["contents"]
    assert part["uri"] == uri
    return part["text"].encode() if "text" in part else b64decode(part["blob"])


async def test_a_file_has_the_type_of_its_name(spoken: Spoken) -> None:
    who = await token(spoken)
    for path, kind in (
        ("SKILL.md", "text/markdown"),
        ("scripts/run.py", "text/x-python"),
        ("assets/dot.png", "image/png"),
    ):
        read = await spoken.result("resources/read", {"uri": f"{ROOT}/{path}"}, who)
        assert read["contents"][0]["mimeType"] == kind


async def test_folders_are_read_level_by_level(spoken: Spoken) -> None:
    who = await token(spoken)

    async def children(uri: str) -> dict[str, str]:
        found = await spoken.result("resources/directory/read", {"uri": uri}, who)
        assert found["ttlMs"] > 0
        assert found["cacheScope"] == "private"
        return {one["uri"].removeprefix(ROOT): one["mimeType"] for one in found["resources"]}

    folder = "inode/directory"
    assert await children(ROOT) == {
        "/SKILL.md": "text/markdown",
        "/references": folder,
        "/scripts": folder,
        "/assets": folder,
    }
    assert await children(f"{ROOT}/references") == {
        "/references/how%20to": folder,
        "/references/why.md": "text/markdown",
    }
    read = f"{ROOT}/references/how%20to"
    assert await children(read) == {"/references/how%20to/read.md": "text/markdown"}
    found = await spoken.result("resources/directory/read", {"uri": ROOT}, who)
    first = next(one for one in found["resources"] if one["uri"].endswith("/SKILL.md"))
    assert (first["name"], first["description"]) == ("review", "Reviews.")


async def test_what_is_no_folder_is_refused(spoken: Spoken) -> None:
    who = await token(spoken)
    for uri in (
        f"{ROOT}/SKILL.md",
        f"{ROOT}/",
        f"{ROOT}/nowhere",
        f"{ROOT}/ref",
        "skill://acme",
        "skill://acme/other",
        "ctx://acme/review",
    ):
        assert "no folder" in await refused(spoken, "resources/directory/read", uri, who)


async def test_what_is_no_skill_is_refused(spoken: Spoken) -> None:
    who = await token(spoken)
    for uri in (
        ROOT,
        f"{ROOT}/assets/nested/SKILL.md",
        f"{ROOT}/review/SKILL.md",
        "skill://acme/other/SKILL.md",
        "skill://SKILL.md",
        "file:///etc/passwd",
        "skill://acme/review/../review/SKILL.md",
    ):
        assert "no skill" in await refused(spoken, "skills/get", uri, who)
    for uri in (f"{ROOT}/nothing.md", "skill://acme/other/SKILL.md", f"{ROOT}/references"):
        assert "no file" in await refused(spoken, "resources/read", uri, who)


async def test_a_skill_of_another_name_than_its_package_ends_in_its_own(spoken: Spoken) -> None:
    files = {"SKILL.md": "---\nname: forms\ndescription: d\n---\n", "a/b.md": "b\n"}
    await spoken.world.publish("@acme/form-kit", files=files)
    who, root = await token(spoken), "skill://acme/form-kit/forms"
    got = await spoken.result("skills/get", {"uri": f"{root}/SKILL.md"}, who)
    assert {one["uri"] for one in got["skill"]["resources"]} == {
        f"{root}/SKILL.md",
        f"{root}/a/b.md",
    }
    assert await content(spoken, f"{root}/a/b.md", who) == b"b\n"
    await refused(spoken, "skills/get", "skill://acme/form-kit/SKILL.md", who)


async def test_many_skills_come_in_pages(spoken: Spoken, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctxmcp.skills.PAGE", 2)
    for name in ("@beta/b", "@beta/c", "@beta/d"):
        await spoken.world.publish(name, files={"SKILL.md": SKILL})
    await spoken.world.publish("@beta/tool", kind=Kind.TOOL, files={"outline.py": TOOL})
    who, found, params = await token(spoken), [], {}
    while True:
        page = await spoken.result("skills/list", params, who)
        found += [entry["uri"] for entry in page["skills"]]
        if "nextCursor" not in page:
            break
        params = {"cursor": page["nextCursor"]}
    assert len(found) == len(set(found)) == 4
    response = await spoken.ask("skills/list", {"cursor": "no cursor"}, who)
    assert response.json()["error"]["code"] == INVALID_PARAMS


async def test_a_private_skill_is_for_those_who_may_read_it(spoken: Spoken) -> None:
    await spoken.world.publish("@acme/secret", private=True)
    uri = "skill://acme/secret/review/SKILL.md"
    mine, other = await token(spoken, "acme"), await token(spoken, "other")
    assert await content(spoken, uri, mine)
    for method in ("skills/get", "resources/read"):
        await refused(spoken, method, uri, other)
    await refused(spoken, "resources/directory/read", uri.removesuffix("/SKILL.md"), other)
    uris = [
        {entry["uri"] for entry in (await spoken.result("skills/list", token=who))["skills"]}
        for who in (mine, other)
    ]
    assert (uri in uris[0], uri in uris[1]) == (True, False)


async def test_a_new_version_is_what_the_address_means_then(spoken: Spoken) -> None:
    who, uri = await token(spoken), f"{ROOT}/SKILL.md"
    before = await spoken.result("skills/get", {"uri": uri}, who)
    await spoken.world.publish("@acme/review", "2.0.0", files=FILES | {"SKILL.md": f"{SKILL}new\n"})
    after = await spoken.result("skills/get", {"uri": uri}, who)
    assert before["skill"]["resources"] != after["skill"]["resources"]
    assert (await content(spoken, uri, who)).endswith(b"new\n")


async def test_reads_side_by_side_agree(spoken: Spoken) -> None:
    who = await token(spoken)
    uris = [f"{ROOT}/{path.replace(' ', '%20')}" for path in FILES] * 3
    found = await asyncio.gather(*(content(spoken, uri, who) for uri in uris))
    assert found[: len(FILES)] == found[len(FILES) : 2 * len(FILES)]


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Machine]:
    from bench import machine

    async with machine(tmp_path) as opened:
        yield opened


async def test_they_are_served_on_stdio_as_well(here: Machine) -> None:
    await here.publish("@acme/review", files=FILES)
    async with Client(build_server(here.desk)) as client:

        async def ask(method: str, **params: Any) -> Any:
            request = Request[dict[str, Any], str](method=method, params=params)
            return (await client.session.send_request(request, Result)).model_dump()

        assert client.server_capabilities.extensions == {EXTENSION: {"directoryRead": True}}
        [entry] = (await ask("skills/list"))["skills"]
        assert (await ask("skills/get", uri=entry["uri"]))["skill"] == entry
        assert (await ask("resources/directory/read", uri=f"{ROOT}/scripts"))["resources"]
        read = (await client.read_resource(entry["uri"])).contents[0]
        assert getattr(read, "text", None) == SKILL
        with pytest.raises(MCPError, match="no skill"):
            await ask("skills/get", uri="skill://acme/nothing/SKILL.md")
    assert here.tree() == {}


async def test_they_are_served_on_stdio_from_a_registry_far_away(
    sqlite_world: World, tmp_path: Path
) -> None:
    await sqlite_world.publish("@acme/review", files=FILES)
    async with speaking(sqlite_world) as spoken:
        read = settings.read(data_dir=tmp_path, registry=spoken.url, environment={})
        async with (
            connect(read) as connection,
            Client(build_server(Desk(connection, read, tmp_path))) as client,
        ):
            for path in ("SKILL.md", "assets/dot.png"):
                [part] = (await client.read_resource(f"{ROOT}/{path}")).contents
                data = FILES[path]
                raw = data.encode() if isinstance(data, str) else data
                assert b64decode(getattr(part, "blob", "")) in {raw, b""}
                assert getattr(part, "text", "").encode() in {raw, b""}
