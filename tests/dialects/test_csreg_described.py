"""csreg's OpenAPI document is true: whatever is made of it, the server answers as it says."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from csreg import Csreg
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from schemathesis.generation import GenerationMode

from hammering import MODES, hammer
from served import EVERYBODY, Served, bearing
from transports.limits import Limits
from world import World


@pytest.fixture
async def ada(sqlite_world: World) -> AsyncIterator[Csreg]:
    """Somebody with a team, a skill, a version and a channel, at a server on a port."""
    limits = Limits(requests_per_second=10_000, burst=10_000)
    async with Served.on_a_port(sqlite_world, EVERYBODY, limits) as served:
        client = Csreg(served, (await sqlite_world.account("ada"))[0])
        await client.team()
        await client.push()
        sent = {"name": "beta", "version": "1.0.0"}
        assert (
            await client.ask("POST", "/skills/backend/code-reviewer/channels", json=sent)
        ).is_success
        yield client


@pytest.fixture
async def document(ada: Csreg) -> dict[str, Any]:
    response = await ada.served.get("/csreg/openapi.json")
    found: dict[str, Any] = response.json()
    return found


KNOWN = {
    "scope": "backend",
    "slug": "code-reviewer",
    "version": "1.0.0",
    "channel": "beta",
    "team": "backend",
    "user": "ada",
}
"""What is there, so that requests get further than to a 404."""


async def test_the_document_is_openapi_and_describes_every_route(document: dict[str, Any]) -> None:
    validate(document)
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    assert len(operations) == 42
    assert all(operation["summary"] for operation in operations)
    for operation in operations:
        codes = set(operation["responses"])
        assert {"400", "401", "403", "404", "409", "413", "422", "429", "500"} < codes
        assert len(codes & {"200", "201", "204"}) == 1


async def test_every_answer_is_as_the_document_says(ada: Csreg, document: dict[str, Any]) -> None:
    skill = "/skills/backend/code-reviewer"
    asked = {
        ("get", "/skills"): ada.get("/skills"),
        ("get", "/skills/{scope}/{slug}"): ada.get(skill),
        ("get", "/skills/{scope}/{slug}/versions"): ada.get(f"{skill}/versions"),
        ("get", "/skills/{scope}/{slug}/versions/{version}"): ada.get(f"{skill}/versions/latest"),
        ("get", "/skills/{scope}/{slug}/channels"): ada.get(f"{skill}/channels"),
        ("get", "/skills/{scope}/{slug}/channels/{channel}"): ada.get(f"{skill}/channels/beta"),
        ("get", "/teams"): ada.get("/teams"),
        ("get", "/teams/{team}"): ada.get("/teams/backend"),
        ("get", "/teams/{team}/members"): ada.get("/teams/backend/members"),
        ("get", "/users/me"): ada.get("/users/me"),
        ("get", "/users/me/tokens"): ada.get("/users/me/tokens"),
        ("get", "/users/me/stars"): ada.get("/users/me/stars"),
        ("post", "/tokens"): ada.ask("POST", "/tokens", json={"name": "x"}),
    }
    for (method, path), asking in asked.items():
        response = await asking
        said = document["paths"][f"/api/v1{path}"][method]["responses"][str(response.status_code)]
        schema = said["content"]["application/json"]["schema"]
        schema |= {"components": document["components"], "additionalProperties": True}
        Draft202012Validator(schema).validate(response.json())


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.timeout(300)
async def test_whatever_is_made_of_the_document_is_answered_as_it_says(
    ada: Csreg, document: dict[str, Any], mode: GenerationMode
) -> None:
    url = f"{ada.served.url}/csreg"
    asked = await hammer(document, url, mode, known=KNOWN, headers=lambda _: bearing(ada.token))
    assert asked > 100
