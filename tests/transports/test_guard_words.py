"""Every guard refuses in the words of the family that a path belongs to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from ctxmcp.serving import running
from served import EVERYBODY, FAST, OURS, Served, at, bearing
from transports.access import Access
from transports.http import create_app
from transports.limits import Limits
from wire import Wire
from world import World

PACKAGES, MIRROR, MCP = at("@acme/none", "1.0.0"), "/v1/tools/call", "/mcp"
FAMILIES = (PACKAGES, MIRROR, MCP)
METHODS = {PACKAGES: "PUT", MIRROR: "POST", MCP: "POST"}
JSON = {"content-type": "application/json"}
ASKING = {"expect": "100-continue", "content-length": "9"}


def in_its_words(response: httpx.Response, path: str, status: int, error_code: str) -> None:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-ratelimit-limit"]
    said = response.json()
    assert isinstance(said["error"], str)
    if path.startswith("/api/"):
        assert set(said) == {"error", "code"}
    else:
        assert set(said) == {"error", "error_code", "code", "hint"}
        assert said["error_code"] == error_code
    assert (response.headers.get("retry-after") is not None) is (status == 429)


async def send(
    served: Served, path: str, headers: Mapping[str, str] | None = None, body: Any = b"{}"
) -> httpx.Response:
    method = "PUT" if path == PACKAGES else "POST"
    return await served.http.request(
        method, path, content=body, headers={**JSON, **(headers or {})}
    )


@asynccontextmanager
async def behind(
    world: World, access: Access = OURS, **limits: float
) -> AsyncIterator[tuple[Served, dict[str, str]]]:
    """Give an app with these limits, and the headers of a token that may do anything."""
    kept = replace(FAST, **limits)
    app = create_app(world.registry, access, kept, reading)
    async with running(app, "127.0.0.1", 0, kept) as url, httpx.AsyncClient(base_url=url) as http:
        served = Served(world, http)
        yield served, bearing(await served.token())


@asynccontextmanager
async def reading() -> AsyncIterator[ASGIApp]:
    """Stand in for what speaks MCP: it reads all that is sent."""

    async def endpoint(scope: Scope, receive: Receive, send: Send) -> None:
        await Request(scope, receive).body()
        await Response(status_code=202)(scope, receive, send)

    yield endpoint


@pytest.mark.parametrize("path", FAMILIES)
async def test_a_foreign_host(sqlite_world: World, path: str) -> None:
    async with behind(sqlite_world) as (served, token):
        response = await send(served, path, {**token, "host": "evil.example"})
    in_its_words(response, path, 400, "host_denied")


@pytest.mark.parametrize("path", FAMILIES)
async def test_a_foreign_origin(sqlite_world: World, path: str) -> None:
    async with behind(sqlite_world) as (served, token):
        response = await send(served, path, {**token, "origin": "https://evil.example"})
    in_its_words(response, path, 403 if path == MCP else 400, "host_denied")


@pytest.mark.parametrize("path", FAMILIES)
async def test_no_token(sqlite_world: World, path: str) -> None:
    async with behind(sqlite_world, EVERYBODY) as (served, _):
        response = await send(served, path)
    in_its_words(response, path, 401, "unauthorized")
    assert response.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("path", FAMILIES)
async def test_too_many_a_second(sqlite_world: World, path: str) -> None:
    async with behind(sqlite_world, requests_per_second=0.01, burst=1) as (served, token):
        await send(served, path, token)
        response = await send(served, path, token)
        if response.status_code != 429:  # the first was the address's own
            response = await send(served, path, token)
    in_its_words(response, path, 429, "rate_limited")


async def test_too_many_a_minute(sqlite_world: World) -> None:
    async with behind(sqlite_world, calls_per_minute=1) as (served, token):
        await send(served, MIRROR, token)
        response = await send(served, MIRROR, token)
    in_its_words(response, MIRROR, 429, "rate_limited")
    assert response.headers["x-ratelimit-limit"] == "1"


@pytest.mark.parametrize("path", FAMILIES)
async def test_too_many_at_once(sqlite_world: World, path: str) -> None:
    async with behind(sqlite_world, in_flight=1) as (served, token):
        await send(served, MIRROR, token)  # from now on the token is known
        async with Wire.to(served.url) as first:
            await first.ask(METHODS[path], path, {**token, **JSON, **ASKING})
            await first.is_read()
            response = await send(served, path, token)
    in_its_words(response, path, 429, "concurrency_limited")


@pytest.mark.parametrize("path", FAMILIES)
async def test_too_long(sqlite_world: World, path: str) -> None:
    async with behind(sqlite_world) as (served, token):
        response = await send(served, path, token, b"x" * 12_000_000)
    in_its_words(response, path, 413, "request_too_large")


@pytest.mark.parametrize("path", FAMILIES)
async def test_too_slow(sqlite_world: World, path: str) -> None:
    async with (
        behind(sqlite_world, body_seconds=0.05) as (served, token),
        Wire.to(served.url) as wire,
    ):
        await wire.ask(METHODS[path], path, {**token, **JSON, "content-length": "9"}, body="{")
        response = await wire.answer()
    in_its_words(response, path, 408, "request_timeout")
    assert response.headers["connection"] == "close"


@pytest.mark.parametrize("path", [at("@acme/none", "index.json"), MIRROR])
async def test_an_answer_that_takes_too_long(sqlite_world: World, path: str) -> None:
    body = {"name": "inspect", "arguments": {"ref": "@acme/none"}}
    async with behind(sqlite_world, timeout=1e-6) as (served, _):
        method, given = ("POST", body) if path == MIRROR else ("GET", None)
        response = await served.http.request(method, path, json=given)
    in_its_words(response, path, 504, "request_timeout")


def test_every_limit_is_met_above() -> None:
    met = {
        "requests_per_second",
        "burst",
        "calls_per_minute",
        "in_flight",
        "body_seconds",
        "timeout",
    }
    elsewhere = {"knowledge_per_minute", "in_flight_total", "streams", "streams_total"}
    by_the_connection = {"head_seconds", "stall_seconds"}
    all_ = set(Limits.__dataclass_fields__)
    in_their_dialects = {
        name for name in all_ if name.startswith(("agentx_", "links_", "patchcat_"))
    }
    assert met | elsewhere | in_their_dialects | by_the_connection == all_
