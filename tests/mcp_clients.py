"""A registry that speaks MCP over HTTP on a port, and clients of it in both eras."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from starlette.types import ASGIApp

from ctxmcp.serving import running
from ctxmcp.visits import Endpoint
from served import EVERYBODY, FAST, OURS, bearing
from transports.access import Access
from transports.http import create_app
from transports.limits import Limits
from world import World

ERAS = {"2025-11-25": "legacy", "2026-07-28": "auto"}
ACCEPT = "application/json, text/event-stream"
VERSION = "2026-07-28"
ABOUT = {
    "io.modelcontextprotocol/protocolVersion": VERSION,
    "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}


@dataclass(frozen=True)
class Spoken:
    """A server on a port."""

    world: World
    url: str
    http: httpx.AsyncClient
    endpoint: Endpoint | None = None

    @asynccontextmanager
    async def client(self, era: str, token: str = "", **options: Any) -> AsyncIterator[Client]:
        """Connect the SDK's own client."""
        async with httpx2.AsyncClient(headers=bearing(token), timeout=150) as http:
            transport = streamable_http_client(f"{self.url}/mcp", http_client=http)
            async with Client(transport, mode=ERAS.get(era, era), **options) as client:
                yield client

    async def post(self, message: Any, token: str = "", **headers: str) -> httpx.Response:
        """Send a message of the older era, or anything else."""
        body = {"content": message} if isinstance(message, bytes) else {"json": message}
        named = {"accept": ACCEPT, "content-type": "application/json", **bearing(token)}
        named |= {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.http.post("/mcp", headers=named, **body)

    async def ask(self, method: str, params: Any = None, token: str = "") -> httpx.Response:
        """Send one request of the newer era."""
        given = {**(params or {}), "_meta": ABOUT}
        message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": given}
        named = {"mcp_protocol_version": VERSION, "mcp_method": method}
        name = given.get("name", given.get("uri"))
        if name is not None and method in {"tools/call", "resources/read", "prompts/get"}:
            named["mcp_name"] = name
        return await self.post(message, token, **named)

    async def result(self, method: str, params: Any = None, token: str = "") -> Any:
        response = await self.ask(method, params, token)
        assert response.status_code == 200, response.text
        return response.json()["result"]


@asynccontextmanager
async def speaking(
    world: World,
    access: Access = OURS,
    *,
    toolsets: frozenset[str] = frozenset({"main"}),
    limits: Limits = FAST,
    opened: Callable[[], Any] | None = None,
) -> AsyncIterator[Spoken]:
    """Serve a world's registry, or what `opened` opens, on a free port."""
    endpoint = Endpoint(world.registry, toolsets)
    app: ASGIApp = create_app(world.registry, access, limits, opened or endpoint.open)
    async with (
        running(app, "127.0.0.1", 0, limits) as url,
        httpx.AsyncClient(base_url=url, timeout=150) as http,
    ):
        yield Spoken(world, url, http, endpoint)
        endpoint.end()


__all__ = ["EVERYBODY", "OURS", "Spoken", "speaking"]
