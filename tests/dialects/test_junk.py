"""Junk for every route of the foreign APIs: refused in the API's own words, and never a 500."""

from __future__ import annotations

import json
import random
import re
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import pytest
from jsonschema import Draft202012Validator

from agents import MINIMAL, form
from served import EVERYBODY, Served, bearing
from tools import contribute
from transports.http import APIS
from transports.limits import Limits
from world import World

FREE = Limits(
    requests_per_second=10_000,
    burst=10_000,
    agentx_per_minute=0,
    agentx_account_per_minute=0,
    agentx_publishes_per_hour=0,
)
EACH = 15
"""Requests to one route with one method."""

WORDS = (
    *(
        "",
        "0",
        "-1",
        "null",
        "\x00",
        "é",
        "😀",
        "..",
        "%2e%2e",
        "@",
        "@a",
        "a/b",
        "1.0.0",
        "9" * 400,
    ),
    *("1.0.0+b", "@knid", "gmail-agent", "fetch_url", "search", "star", "<script>", "' OR 1=1 --"),
    *("a\nb", "x" * 5000, "true", "day", "verified"),
)
VALUES = (
    *(None, True, 0, -1, 1.5, 1e308, "", "x" * 300, "\x00", [], {}, {"a": {"b": [None]}}),
    *("1.0.0", "é😀", "\ud800", "verified", "http://127.0.0.1:1/x"),
)
QUERY = "q limit page sort category period status code state include_unverified redirect".split()
FIELDS = (
    "agent agent_name version agent_version success duration_ms redirect_uri state manifest source"
    " text status os error_class proposed_manifest_yaml"
).split()


@pytest.fixture
async def served(sqlite_world: World) -> AsyncIterator[Served]:
    async with Served.inside(sqlite_world, EVERYBODY, FREE) as inside:
        yield inside


def body(luck: random.Random) -> dict[str, Any]:
    """Make a body that is JSON of sorts, noise, or a form."""
    noise = bytes(luck.randrange(256) for _ in range(40))
    return luck.choice(
        [
            {"content": json.dumps({k: luck.choice(VALUES) for k in luck.sample(FIELDS, 8)})},
            {"content": noise},
            {
                "files": {"tarball": ("x", noise)},
                "data": {k: luck.choice(WORDS) for k in ("agent_yaml", "readme", "sha256")},
            },
        ]
    )


@pytest.mark.parametrize("name", [api.name for api in APIS])
async def test_junk_is_refused_as_the_document_of_the_api_says(served: Served, name: str) -> None:
    luck = random.Random(name)
    token, _ = await served.world.account("knid")
    await served.http.put("/agentx/api/v1/agents", headers=bearing(token), **form(MINIMAL))
    await contribute(served, token)
    document = (await served.get(f"/{name}/openapi.json")).json()
    (refused,) = document["components"]["schemas"].keys() & {"Refusal", "Problem"}
    refusal = {"$ref": f"#/components/schemas/{refused}", "components": document["components"]}
    said = Draft202012Validator(refusal)
    asked = 0
    for path, methods in document["paths"].items():
        for method in [*methods] * EACH:
            at = re.sub(r"{\w+}", lambda _: quote(luck.choice(WORDS), safe="@"), path)
            sent = body(luck) if method in {"post", "put"} else {}
            query = {word: luck.choice(WORDS) for word in luck.sample(QUERY, 3)}
            bearer = luck.choice([token, ""])
            response = await served.http.request(
                method.upper(), f"/{name}{at}", params=query, headers=bearing(bearer), **sent
            )
            assert response.status_code < 500, (method, at, response.text)
            if response.status_code >= 400:
                said.validate(response.json())
            asked += 1
    assert asked > 100
