"""Each OpenAPI document is true: whatever is made of it, the server answers as it says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from openapi_spec_validator import validate
from schemathesis.generation import GenerationMode

import agents
import tools
from hammering import MODES, hammer
from served import EVERYBODY, OURS, Served, bearing
from world import World

pytestmark = pytest.mark.timeout(300)


async def described(served: Served, path: str) -> dict[str, Any]:
    document: dict[str, Any] = (await served.get(path)).json()
    validate(document)
    return document


@pytest.mark.parametrize("mode", MODES)
async def test_agentx_answers_as_its_document_says(
    sqlite_world: World, mode: GenerationMode
) -> None:
    known = {"scope": "@knid", "name": "gmail-agent", "version": "1.2.0", "username": "knid"}
    async with Served.on_a_port(sqlite_world, EVERYBODY) as served:
        token, _ = await sqlite_world.account("knid")
        assert (await agents.publish(served, token)).is_success
        document = await described(served, "/agentx/openapi.json")
        url = f"{served.url}/agentx"
        asked = await hammer(document, url, mode, known=known, headers=lambda _: bearing(token))
        assert asked > 50


@pytest.mark.parametrize("mode", MODES)
async def test_patchcat_answers_as_its_document_says(
    sqlite_world: World, mode: GenerationMode
) -> None:
    async with Served.on_a_port(sqlite_world, EVERYBODY) as served:
        token, _ = await sqlite_world.account("ada")
        assert (await tools.contribute(served, token)).is_success
        shown = (await served.get("/patchcat/v1/tools/fetch_url")).json()
        known = {"name": "fetch_url", "version": "1.0.0", "digest": shown["source_sha256"]}
        document = await described(served, "/patchcat/openapi.json")
        url = f"{served.url}/patchcat"
        asked = await hammer(document, url, mode, known=known, headers=lambda _: bearing(token))
        assert asked > 30


@pytest.mark.parametrize("path", ["/openapi.json", "/v1/openapi.json"])
@pytest.mark.parametrize("mode", MODES)
async def test_the_native_apis_answer_as_their_documents_say(
    sqlite_world: World, mode: GenerationMode, path: str
) -> None:
    known = {"ns": "acme", "name": "review", "version": "1.0.0"}
    async with Served.on_a_port(sqlite_world, OURS) as served:
        await sqlite_world.publish("@acme/review")
        token = await served.token()
        document = await described(served, path)
        del document["paths"]["/v1/events"]  # it never ends

        def headers(path: str) -> Mapping[str, str]:
            return bearing(token) if path.startswith("/api/") else {}

        asked = await hammer(document, served.url, mode, known=known, headers=headers)
        assert asked > 30
