"""A world behind its web app: in this process through ASGI, or on a real port."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
from starlette.types import ASGIApp, Receive, Scope, Send

from ctxmcp.serving import running
from registry_core import callers
from transports.access import Access
from transports.http import create_app
from transports.limits import Limits
from world import World, package

FAST = Limits(requests_per_second=10_000, burst=10_000)
"""Limits that leave tests as fast as they are."""

OURS = Access()
"""Who is at this machine is the owner."""

EVERYBODY = Access(local_owner=False)
"""Where nobody is the owner for being at this machine."""


@dataclass(frozen=True)
class Served:
    """A world, and a client of its app."""

    world: World
    http: httpx.AsyncClient

    @classmethod
    @asynccontextmanager
    async def inside(
        cls,
        world: World,
        access: Access = OURS,
        limits: Limits = FAST,
        peer: str = "127.0.0.1",
    ) -> AsyncIterator[Served]:
        """Answer in this process: every layer but the sockets."""
        app = create_app(world.registry, access, limits)
        async with app.router.lifespan_context(app) as state:

            async def with_state(scope: Scope, receive: Receive, send: Send) -> None:
                await app({**scope, "state": dict(state or {})}, receive, send)

            async with _client(with_state, peer) as http:
                yield cls(world, http)

    @classmethod
    @asynccontextmanager
    async def on_a_port(
        cls, world: World, access: Access = OURS, limits: Limits = FAST
    ) -> AsyncIterator[Served]:
        """Answer on a free port."""
        app = create_app(world.registry, access, limits)
        async with (
            running(app, "127.0.0.1", 0, limits) as url,
            httpx.AsyncClient(base_url=url, timeout=150) as http,
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


@asynccontextmanager
async def hosted(world: World, hosts: Mapping[str, str]) -> AsyncIterator[httpx.AsyncClient]:
    """Answer in this process where some hosts speak one API alone."""
    app = create_app(world.registry, OURS.answering_also(hosts), FAST, hosts=hosts)
    async with app.router.lifespan_context(app) as state:

        async def with_state(scope: Scope, receive: Receive, send: Send) -> None:
            await app({**scope, "state": dict(state or {})}, receive, send)

        async with _client(with_state, "127.0.0.1") as http:
            yield http


def at(name: str = "@acme/review", *rest: str) -> str:
    """The address of a package, or of what is below it."""
    return "/".join(["/api/v1/packages", name.removeprefix("@"), *rest])


def bearing(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"} if token else {}


def _client(app: ASGIApp, peer: str) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=app, client=(peer, 40_000))
    return httpx.AsyncClient(transport=transport, base_url="http://localhost")
