"""The document of agentx's registry: each of its examples, asked for and compared.

An example is what the document shows of an answer. The answer has each of its members, with a
value of the same type; what more it has is what the real command line reads, or ours.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from agents import MINIMAL, form, manifest, publish
from dialects.requirements import claims
from dialects.requirements_agentx import SOURCE
from github import GitHub, codes
from served import Served, bearing
from world import World

BACK = "http://localhost:9876/callback"


@dataclass
class Scene:
    """A registry with the agent of the document, and who published it."""

    served: Served
    github: GitHub
    token: str

    async def ask(self, method: str, path: str, token: str = "", **sent: Any) -> httpx.Response:
        headers = bearing(token) | sent.pop("headers", {})
        return await self.served.http.request(
            method, f"/agentx/api/v1{path}", headers=headers, **sent
        )

    async def get(self, path: str) -> httpx.Response:
        return await self.ask("GET", path)


FULL = manifest(
    author="@sinan",
    category="productivity",
    tags=["email", "gmail", "productivity"],
    permissions={"network": True},
    mcp_servers={"gmail": {"command": "npx"}, "calendar": {"command": "npx"}},
    examples=[{"prompt": "summarize unread emails from today"}, {"prompt": "draft a reply"}],
)


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    url = f"sqlite+aiosqlite:///{tmp_path / 'registry.sqlite3'}"
    async with (
        GitHub().running() as github,
        World.open(url, tmp_path, github.environment) as world,
        Served.inside(world) as served,
    ):
        here = Scene(served, github, "")
        here.token = (await signed_in(here)).json()["token"]
        for version in ("1.1.0", "1.2.0"):
            done = await publish(served, here.token, **(FULL | {"version": version}))
            assert done.status_code == 200, done.text
        yield here


async def begun(scene: Scene) -> httpx.Response:
    return await scene.ask("POST", "/auth/github", json={"redirect_uri": BACK})


async def signed_in(scene: Scene) -> httpx.Response:
    back = codes(scene.github.agree((await begun(scene)).json()["auth_url"]))
    return await scene.ask("GET", "/auth/callback", params=back)


async def published(scene: Scene) -> httpx.Response:
    said = FULL | {"version": "1.3.0"}
    return await scene.ask("PUT", "/agents/@sinan/gmail-agent", scene.token, **form(said))


async def badly_described(scene: Scene) -> httpx.Response:
    said = {**FULL, "version": "1.2"}
    del said["description"]
    sent = form(said)
    return await scene.ask("PUT", "/agents/@sinan/gmail-agent", scene.token, **sent)


async def of_somebody_else(scene: Scene) -> httpx.Response:
    said = FULL | {"author": "@agentx"}
    return await scene.ask("PUT", "/agents/@agentx/gmail-agent", scene.token, **form(said))


async def again(scene: Scene) -> httpx.Response:
    return await scene.ask("PUT", "/agents/@sinan/gmail-agent", scene.token, **form(FULL))


async def unpublished(scene: Scene) -> httpx.Response:
    return await scene.ask("DELETE", "/agents/@sinan/gmail-agent/1.2.0", scene.token)


async def told(scene: Scene) -> httpx.Response:
    run = {"agent_name": "gmail-agent", "agent_version": "1.2.0", "success": True}
    run |= {"duration_ms": 3500, "os": "darwin", "cli_version": "0.1.0"}
    return await scene.ask("POST", "/telemetry", json=run)


Ask = Callable[[Scene], Awaitable[httpx.Response]]


def getting(path: str) -> Ask:
    async def ask(scene: Scene) -> httpx.Response:
        return await scene.get(path)

    return ask


ASKED: Mapping[str, Ask] = {
    "POST /auth/github 200": begun,
    "GET /auth/callback 200": signed_in,
    "GET /agents 200": getting("/agents?q=email&category=productivity&sort=downloads&page=1"),
    "GET /search 200": getting("/search?q=email&limit=20"),
    "GET /trending 200": getting("/trending?period=week&limit=20"),
    "GET /categories 200": getting("/categories"),
    "GET /agents/:scope/:name 200": getting("/agents/@sinan/gmail-agent"),
    "GET /agents/:scope/:name 404": getting("/agents/@sinan/nothing"),
    "GET /agents/:scope/:name/versions 200": getting("/agents/@sinan/gmail-agent/versions"),
    "GET /agents/:scope/:name/download/:version 200": getting(
        "/agents/@sinan/gmail-agent/download/1.2.0"
    ),
    "GET /agents/:scope/:name/download/:version 404": getting(
        "/agents/@sinan/gmail-agent/download/9.9.9"
    ),
    "PUT /agents/:scope/:name 200": published,
    "PUT /agents/:scope/:name 400": badly_described,
    "PUT /agents/:scope/:name 403": of_somebody_else,
    "PUT /agents/:scope/:name 409": again,
    "DELETE /agents/:scope/:name/:version 200": unpublished,
    "GET /users/:username 200": getting("/users/sinan"),
    "GET /users/:username/agents 200": getting("/users/sinan/agents"),
    "POST /telemetry 200": told,
}
SAME_AS = {"GET /search 200", "GET /trending 200", "GET /users/:username/agents 200"}
"""Their answer is said to be as that of GET /agents."""

NULL = {"repository", "category"}
"""What an agent.yaml has no word for may be null."""

_SECTION = re.compile(r"^### (\w+ /\S*)$", re.MULTILINE)
_EXAMPLE = re.compile(
    r"Response \((\d+)\):(?: Same format as GET /agents[^\n]*|\s*```json\n(.*?)```)", re.DOTALL
)


def examples(document: str) -> dict[str, Any]:
    """Read every example of an answer out of the document."""
    found: dict[str, Any] = {}
    parts = _SECTION.split(document)[1:]
    for heading, text in zip(parts[::2], parts[1::2], strict=True):
        for status, example in _EXAMPLE.findall(text):
            same = found.get("GET /agents 200")
            found[f"{heading} {status}"] = json.loads(example) if example else same
    return found


def missing(example: Any, answer: Any, place: str = "") -> list[str]:
    """Say which members of an example an answer does not have, or has of another type."""
    if isinstance(example, dict):
        if not isinstance(answer, dict):
            return [f"{place}: no object"]
        gone = [f"{place}.{name}" for name in example if name not in answer]
        return gone + [
            problem
            for name in example.keys() & answer.keys()
            if not (name in NULL and answer[name] is None)
            for problem in missing(example[name], answer[name], f"{place}.{name}")
        ]
    if isinstance(example, list):
        if not isinstance(answer, list) or not answer:
            return [f"{place}: nothing in it"]
        return missing(example[0], answer[0], f"{place}[0]")
    return [] if type(example) is type(answer) else [f"{place}: {answer!r}"]


@pytest.fixture(scope="module")
def document(shared: Path) -> str:
    return (shared / SOURCE).read_text().replace("**", "")


def test_every_example_of_the_document_is_asked_for(document: str) -> None:
    assert set(examples(document)) == set(ASKED)
    assert len(examples(document)) == 19


@claims(
    "agentx.200",
    "agentx.400",
    "agentx.403",
    "agentx.404",
    "agentx.409",
    "agentx.json",
    "agentx.auth.github",
    "agentx.auth.callback",
    "agentx.agents",
    "agentx.search",
    "agentx.trending",
    "agentx.categories",
    "agentx.detail",
    "agentx.detail.scope",
    "agentx.detail.name",
    "agentx.versions",
    "agentx.download",
    "agentx.download.version",
    "agentx.publish",
    "agentx.unpublish",
    "agentx.user",
    "agentx.user.agents",
    "agentx.telemetry",
)
@pytest.mark.parametrize("name", ASKED)
async def test_an_answer_has_all_that_the_example_of_the_document_has(
    scene: Scene, document: str, name: str
) -> None:
    response = await ASKED[name](scene)
    assert response.status_code == int(name.rsplit(maxsplit=1)[-1]), response.text
    assert response.headers["content-type"] == "application/json"
    assert missing(examples(document)[name], response.json()) == []


@pytest.mark.parametrize(
    "name", [name for name in ASKED if name.endswith(("404", "409", "400", "403"))]
)
async def test_a_refusal_says_what_the_document_says(
    scene: Scene, document: str, name: str
) -> None:
    said, example = (await ASKED[name](scene)).json(), examples(document)[name]
    assert said["error"] == example["error"]
    assert sorted(said.get("details", [])) == sorted(example.get("details", []))
    for detail in said.get("details", [said["error"].replace("your-username", "sinan")]):
        assert detail in said["message"]  # the only member that the command line prints


async def test_other_answers_are_word_for_word_those_of_the_document(
    scene: Scene, document: str
) -> None:
    shown = examples(document)
    [agent] = (await ASKED["GET /agents 200"](scene)).json()["agents"]
    expected = shown["GET /agents 200"]["agents"][0]
    for name in ("name", "description", "category", "latest_version"):
        assert agent[name] == expected[name]
    detail = (await ASKED["GET /agents/:scope/:name 200"](scene)).json()
    expected = shown["GET /agents/:scope/:name 200"]
    for name in ("permissions", "mcp_servers", "tags", "license", "is_featured"):
        assert detail[name] == expected[name]
    assert detail["examples"][0] == expected["examples"][0]
    versions = (await ASKED["GET /agents/:scope/:name/versions 200"](scene)).json()["versions"]
    assert [entry["version"] for entry in versions] == ["1.2.0", "1.1.0"]
    user = (await ASKED["GET /users/:username 200"](scene)).json()
    expected = shown["GET /users/:username 200"]
    for name in ("username", "display_name", "bio", "website"):
        assert user[name] == expected[name]
    done = (await ASKED["DELETE /agents/:scope/:name/:version 200"](scene)).json()
    assert done == shown["DELETE /agents/:scope/:name/:version 200"]
    assert (await ASKED["POST /telemetry 200"](scene)).json() == {"ok": True}
    moment = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
    assert moment.fullmatch(agent["updated_at"])
    assert moment.fullmatch(versions[0]["published_at"])


async def test_the_url_that_a_publish_names_shows_what_was_published(scene: Scene) -> None:
    said = (await published(scene)).json()
    assert said["full_name"] == f"@sinan/{MINIMAL['name']}"
    shown = await scene.served.http.get(said["url"])
    assert shown.json()["latest_version"] == said["version"]
