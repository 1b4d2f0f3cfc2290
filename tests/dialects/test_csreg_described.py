"""csreg's OpenAPI document is true: whatever is made of it, the server answers as it says.

Schemathesis makes the requests: valid ones and broken ones, the same each time.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest
import schemathesis
from csreg import Csreg
from hypothesis import HealthCheck, Phase, given, settings
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from schemathesis.checks import CheckFunction, not_a_server_error
from schemathesis.core.control import SkipTest
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from served import EVERYBODY, Served
from transports.limits import Limits
from world import World

CHECKS: list[CheckFunction] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
EXAMPLES = 6
"""Requests of each kind to each operation."""

SETTLED = settings(
    max_examples=EXAMPLES,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


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


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
@pytest.mark.timeout(300)
async def test_whatever_is_made_of_the_document_is_answered_as_it_says(
    ada: Csreg, document: dict[str, Any], mode: GenerationMode
) -> None:
    schema = schemathesis.openapi.from_dict(document)
    schema.config.generation.update(modes=[mode], allow_x00=True)
    asked = await asyncio.to_thread(_hammer, schema, f"{ada.served.url}/csreg", ada.token, mode)
    assert asked > 100


def _hammer(schema: Any, url: str, token: str, mode: GenerationMode) -> int:
    """Send what is made of each operation, in a thread beside the server's loop."""
    asked = 0
    operations = [found.ok() for found in schema.get_all_operations()]
    for operation in sorted(operations, key=lambda one: one.method == "delete"):

        @SETTLED
        @given(case=operation.as_strategy(generation_mode=mode))
        def test(case: Any) -> None:
            nonlocal asked
            asked += 1
            _settle(case, asked)
            response = case.call(base_url=url, headers={"authorization": f"Bearer {token}"})
            case.validate_response(response, checks=CHECKS)

        with suppress(SkipTest):  # of some operations nothing can be wrong
            test()
    return asked


def _settle(case: Any, number: int) -> None:
    """Let every other request be about what is there."""
    if number % 2:
        for name in case.path_parameters or {}:
            case.path_parameters[name] = KNOWN.get(name, case.path_parameters[name])
