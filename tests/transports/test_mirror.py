"""The native mirror, and our own remote client against a running server."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import httpx
import pytest

from ctxmcp.remote import Remote
from registry_core import errors
from registry_core.callers import Scope
from registry_core.operations import CATALOG
from registry_core.operations.inspect import Inspected
from registry_core.operations.install import Installation
from registry_core.operations.search import SearchResult
from served import Served, bearing
from world import package

LISTED = [each.name for each in CATALOG.values() if each.toolset == "main"]


async def test_health_is_two_letters_for_everybody(served: Served) -> None:
    for token in ("", "nonsense"):
        response = await served.get("/health", token)
        assert (response.status_code, response.text) == (200, "ok\n")
        assert response.headers["content-type"] == "text/plain; charset=utf-8"


async def test_tools_are_the_catalog_as_remote_callers_see_it(served: Served) -> None:
    said = (await served.get("/v1/tools")).json()
    assert (said["total"], said["offset"], said["limit"]) == (len(LISTED), 0, 200)
    assert [tool["name"] for tool in said["tools"]] == LISTED
    for tool in said["tools"]:
        assert list(tool) == ["name", "description", "input_schema"]
        assert tool["input_schema"] == CATALOG[tool["name"]].input_schema("remote")


@pytest.mark.parametrize(
    ("query", "offset", "limit", "count"),
    [
        ("offset=2&limit=3", 2, 3, 3),
        ("limit=0", 0, 0, 0),
        ("limit=9999", 0, 500, len(LISTED)),
        ("offset=9999", len(LISTED), 200, 0),
    ],
)
async def test_tools_come_by_page(
    served: Served, query: str, offset: int, limit: int, count: int
) -> None:
    said = (await served.get(f"/v1/tools?{query}")).json()
    assert (said["offset"], said["limit"], len(said["tools"])) == (offset, limit, count)


@pytest.mark.parametrize("bad", ["-1", "x", "", "1.5", "9" * 30, "%C2%B2"])
@pytest.mark.parametrize("name", ["offset", "limit"])
async def test_a_bad_number_is_400(served: Served, name: str, bad: str) -> None:
    response = await served.get(f"/v1/tools?{name}={bad}")
    assert response.status_code == 400
    assert response.json()["error_code"] == "invalid_arguments"


async def call(served: Served, body: object, token: str = "", **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await served.http.post("/v1/tools/call", json=body, headers=bearing(token) | named)


async def test_a_call_is_answered_as_the_document_and_as_its_clients_have_it(
    served: Served,
) -> None:
    await served.put(await served.token())
    response = await call(served, {"name": "search", "arguments": {"query": "review"}})
    said = response.json()
    assert response.status_code == 200
    assert said["isError"] is False
    assert said["structuredContent"]["hits"][0]["ref"] == "@acme/review@1.0.0"
    [content] = said["content"]
    assert content["type"] == "text"
    assert json.loads(content["text"]) == said["structuredContent"]
    assert said["meta"]["duration_ms"] >= 0
    for key in ("content", "isError", "structuredContent"):
        assert said["result"][key] == said[key]
    assert said["result"]["_meta"] == said["meta"]


@pytest.mark.parametrize("extra", [{}, {"arguments": None}, {"arguments": {}, "workspaceId": "w"}])
async def test_arguments_may_be_absent(served: Served, extra: dict[str, object]) -> None:
    assert (await call(served, {"name": "search", **extra})).status_code == 200


@pytest.mark.parametrize(
    ("name", "arguments", "code"),
    [
        ("nonsense", {}, "not_found"),
        ("search", {"limit": 0}, "invalid"),
        ("search", {"unknown": 1}, "invalid"),
        ("search", [], "invalid"),
        ("search", "text", "invalid"),
        ("inspect", {"ref": "@acme/none"}, "not_found"),
        ("inspect", {"ref": "none"}, "invalid_name"),
        ("install", {"refs": ["@acme/x"], "project": "/tmp"}, "invalid"),
    ],
)
async def test_what_a_tool_refuses_is_400_tool_error_with_the_code_of_the_error(
    served: Served, name: str, arguments: object, code: str
) -> None:
    response = await call(served, {"name": name, "arguments": arguments})
    said = response.json()
    assert response.status_code == 400
    assert set(said) == {"error", "error_code", "code", "hint"}
    assert (said["error_code"], said["code"]) == ("tool_error", code)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"name": 1}',
        b"{}",
        b'{"name": "search", "name": "search"}',
        b'{"name": "search", "arguments": {"limit": NaN}}',
        b'{"name": "search", "arguments": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b"\xff\xfe",
    ],
)
async def test_a_body_that_is_no_call_is_400(served: Served, body: bytes) -> None:
    headers = {"content-type": "application/json"}
    response = await served.http.post("/v1/tools/call", content=body, headers=headers)
    assert response.status_code == 400
    assert response.json()["error_code"] == "invalid_request"


async def test_a_call_that_is_too_long_is_413(served: Served) -> None:
    response = await served.http.post("/v1/tools/call", content=b"x" * 12_000_000)
    assert response.status_code == 413
    assert response.json()["error_code"] == "request_too_large"


@pytest.mark.parametrize(
    "header", ["Bearer ctxp_unknown", "Bearer", "Basic eDp5", "", "Bearer  ", "ctxp_x"]
)
async def test_credentials_that_open_nothing_are_401(served: Served, header: str) -> None:
    response = await served.http.post(
        "/v1/tools/call", json={"name": "search"}, headers={"authorization": header}
    )
    assert response.status_code == 401
    assert response.json()["error_code"] == "unauthorized"


async def test_two_authorization_headers_are_401(served: Served) -> None:
    token = await served.token()
    response = await served.http.post(
        "/v1/tools/call",
        json={"name": "search"},
        headers=[("authorization", f"Bearer {token}")] * 2,
    )
    assert response.status_code == 401


async def test_the_scheme_is_read_in_any_case(served: Served) -> None:
    token = await served.token()
    for scheme in ("Bearer", "bearer", "BEARER"):
        response = await served.http.post(
            "/v1/tools/call",
            json={"name": "search"},
            headers={"authorization": f"{scheme} {token}"},
        )
        assert response.status_code == 200


async def test_writing_needs_a_token_and_its_scope(served: Served) -> None:
    await served.put(await served.token())
    yank = {"name": "yank", "arguments": {"ref": "@acme/review@1.0.0", "reason": "bad"}}
    anonymous = await call(served, yank, x_forwarded_for="192.0.2.1")
    assert (anonymous.status_code, anonymous.json()["error_code"]) == (401, "unauthorized")
    for token in (await served.token(scope=Scope.READ), await served.token("other")):
        denied = await call(served, yank, token)
        assert (denied.status_code, denied.json()["error_code"]) == (403, "scope_denied")
    allowed = await call(served, yank, await served.token())
    assert allowed.json()["structuredContent"]["yanked"] is True


async def test_a_private_package_is_found_by_the_owner_and_with_a_token_of_its_namespace_alone(
    served: Served,
) -> None:
    token = await served.token()
    await served.put(token, private=True)
    other = await served.token("other")
    for asker, total in ((other, 0), (token, 1), ("", 1), (other, 0)):
        said = (await call(served, {"name": "search"}, asker)).json()
        assert said["structuredContent"]["total"] == total
    hidden = await call(served, {"name": "inspect", "arguments": {"ref": "@acme/review"}}, other)
    assert hidden.json()["code"] == "not_found"


# --- our own client


@pytest.fixture
async def remote(online: Served) -> AsyncIterator[Remote]:
    async with Remote(f"{online.url}/api", await online.token()) as opened:
        yield opened


async def test_the_remote_client_publishes_finds_and_fetches(
    online: Served, remote: Remote
) -> None:
    artifact = package()
    assert (await remote.publish(artifact, dry_run=True)).dry_run
    with pytest.raises(errors.NotFound):
        await remote.invoke("inspect", {"ref": "@acme/review"})
    published = await remote.publish(artifact, dry_run=False)
    assert published.published == "@acme/review@1.0.0"
    found = await remote.invoke("search", {"query": "review"})
    assert isinstance(found, SearchResult)
    assert [hit.ref for hit in found.hits] == ["@acme/review@1.0.0"]
    inspected = await remote.invoke("inspect", {"ref": "@acme/review"})
    assert isinstance(inspected, Inspected)
    assert inspected.sha256 == published.sha256
    plan = await remote.invoke("install", {"refs": ["@acme/review"]})
    assert isinstance(plan, Installation)
    [step] = plan.plan
    assert await remote.artifact(step.url, step.sha256, step.size) == artifact


async def test_the_remote_client_raises_the_very_errors_of_the_registry(
    online: Served, remote: Remote
) -> None:
    artifact = package()
    await remote.publish(artifact, dry_run=False)
    with pytest.raises(errors.Conflict, match=r"@acme/review@1\.0\.0 is published already") as info:
        await remote.publish(artifact, dry_run=False)
    assert info.value.hint == "Raise the version and publish again."
    with pytest.raises(errors.InvalidPackage):
        await remote.publish(b"nonsense", dry_run=False)
    with pytest.raises(errors.Forbidden):
        await remote.publish(package("@other/x"), dry_run=False)
    with pytest.raises(errors.NothingMatches):
        await remote.invoke("inspect", {"ref": "@acme/review@9"})
    with pytest.raises(errors.Invalid):
        await remote.invoke("search", {"limit": 1000})
    with pytest.raises(errors.NotFound):
        await remote.artifact("/api/v1/packages/acme/none/1.0.0/download", "0" * 64, 100)
    async with Remote(online.url, "") as owner:
        await owner.publish(package("@other/x"), dry_run=False)
    async with Remote(online.url, "ctxp_" + "x" * 43) as stale:
        with pytest.raises(errors.Unauthenticated):
            await stale.invoke("search", {})


async def test_the_largest_package_comes_through_a_call(online: Served, remote: Remote) -> None:
    # A megabyte of spaces beside the signed document: bytes of the artifact like any other.
    artifact = package().rstrip() + b" " * 8_000_000
    published = await remote.publish(artifact, dry_run=False)
    assert published.size == len(artifact)
