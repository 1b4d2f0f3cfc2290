"""Each OpenAPI document is true: whatever is made of it, the server answers as it says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from openapi_spec_validator import validate
from schemathesis.generation import GenerationMode

import agents
import internet
import tools
from hammering import MODES, hammer
from registry_core.domains import Domains
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
    known = {"ns": "acme", "name": "review", "version": "1.0.0", "domain": "acme.example"}
    registry = sqlite_world.registry
    async with internet.running(known["domain"]) as net:
        looking = replace(registry, domains=Domains(registry.journal, net.seen))
        await _hammer_native(World(looking, sqlite_world.folder), mode, path, known)


async def _hammer_native(
    world: World, mode: GenerationMode, path: str, known: Mapping[str, str]
) -> None:
    async with Served.on_a_port(world, OURS) as served:
        token, _ = await world.account("acme")
        await world.publish("@acme/review")
        asked = await served.http.post(
            "/api/v1/account/namespaces/acme/domains",
            json={"domain": known["domain"]},
            headers=bearing(token),
        )
        assert asked.status_code == 201, asked.text
        document = await described(served, path)
        del document["paths"]["/v1/events"]  # it never ends

        def headers(path: str) -> Mapping[str, str]:
            return bearing(token) if path.startswith("/api/") else {}

        number = await hammer(document, served.url, mode, known=known, headers=headers)
        assert number > 30
