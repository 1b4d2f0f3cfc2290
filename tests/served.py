"""A world behind its web app: in this process through ASGI, or on a real port."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
from starlette.types import ASGIApp, Receive, Scope, Send

from ctxmcp.serving import running
from registry_core import callers
from transports.http import create_app
from world import World, package


@dataclass(frozen=True)
class Served:
    """A world, and a client of its app."""

    world: World
    http: httpx.AsyncClient

    @classmethod
    @asynccontextmanager
    async def inside(cls, world: World) -> AsyncIterator[Served]:
        """Answer in this process: every layer but the sockets."""
        app = create_app(world.registry)
        async with app.router.lifespan_context(app) as state:

            async def with_state(scope: Scope, receive: Receive, send: Send) -> None:
                await app({**scope, "state": dict(state or {})}, receive, send)

            async with _client(with_state) as http:
                yield cls(world, http)

    @classmethod
    @asynccontextmanager
    async def on_a_port(cls, world: World) -> AsyncIterator[Served]:
        """Answer on a free port."""
        async with (
            running(create_app(world.registry), "127.0.0.1", 0) as url,
            httpx.AsyncClient(base_url=url, timeout=30) as http,
        ):
            yield cls(world, http)

    @property
    def url(self) -> str:
        return str(self.http.base_url).rstrip("/")

    async def token(
        self, namespace: str = "acme", scope: callers.Scope = callers.Scope.PUBLISH
    ) -> str:
        text, _ = await self.world.mint(namespace, scope)
        return text

    async def get(self, path: str, token: str = "", **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.http.get(path, headers=bearing(token) | named)

    async def put(
        self,
        token: str,
        name: str = "@acme/review",
        version: str = "1.0.0",
        *,
        artifact: bytes | None = None,
        **options: object,
    ) -> httpx.Response:
        """Publish a package made to order, or other bytes, at the address of name and version."""
        made = package(name, version, **options) if artifact is None else artifact  # type: ignore[arg-type]
        return await self.http.put(at(name, version), content=made, headers=bearing(token))


def at(name: str = "@acme/review", *rest: str) -> str:
    """The address of a package, or of what is below it."""
    return "/".join(["/api/v1/packages", name.removeprefix("@"), *rest])


def bearing(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"} if token else {}


def _client(app: ASGIApp) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://inside")
