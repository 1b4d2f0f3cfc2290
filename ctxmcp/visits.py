"""Operations on behalf of callers over the network: each request is a visit of its own.

A visit runs operations with their `remote` arguments, so nothing is ever read from or written to
the disk of the server for a caller.
"""

from __future__ import annotations

import asyncio
import itertools
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

from ctxmcp.server import build_remote_server
from ctxmcp.subscriptions import Subscriptions
from registry_core.operations import CATALOG, invoke
from transports import mcp_http

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Mapping

    from mcp.server.context import ServerRequestContext
    from starlette.types import ASGIApp

    from ctxmcp.connection import Progress
    from registry_core.callers import Caller
    from registry_core.operation import Model
    from registry_core.registry import Registry

    Context = ServerRequestContext[Any, Any]

TICK = 1.0
"""Seconds between two words of progress; a client that asks for them waits as long as they come."""


class Visit:
    """A caller at a registry."""

    def __init__(self, registry: Registry, caller: Caller) -> None:
        self._registry = registry
        self._caller = caller

    def may_call(self, name: str) -> bool:
        """Whether the caller holds the scope of an operation somewhere."""
        return self._caller.has(CATALOG[name].scope)

    async def invoke(
        self, name: str, arguments: Mapping[str, Any], *, progress: Progress | None = None
    ) -> Model:
        """Run an operation; `progress` is told each second that it still runs."""
        async with _told(progress, name):
            return await invoke(self._registry, self._caller, name, arguments, "remote")


class Endpoint:
    """MCP over HTTP for a registry: the app opens it, and the program says when it ends."""

    def __init__(self, registry: Registry, toolsets: Collection[str]) -> None:
        self._registry = registry
        self._toolsets = toolsets
        self._open: tuple[Subscriptions, mcp_http.Gate] | None = None

    @asynccontextmanager
    async def open(self) -> AsyncIterator[ASGIApp]:
        """Serve while the context is open."""
        subscriptions = await Subscriptions.open(self._registry.journal, _caller)
        server = build_remote_server(
            self._visit, toolsets=self._toolsets, subscriptions=subscriptions
        )
        following = asyncio.create_task(subscriptions.follow(), name="subscriptions")
        try:
            async with mcp_http.endpoint(server) as gate:
                self._open = (subscriptions, gate)
                yield gate
        finally:
            following.cancel()
            with suppress(asyncio.CancelledError):
                await following

    def end(self) -> None:
        """Let open streams end in order; new ones are not expected any more."""
        for ending in self._open or ():
            ending.end()

    def _visit(self, context: Context) -> Visit:
        return Visit(self._registry, _caller(context))


def _caller(context: Context) -> Caller:
    assert context.request is not None  # noqa: S101 - over HTTP each message came in one
    return mcp_http.caller(context.request)


@asynccontextmanager
async def _told(progress: Progress | None, name: str) -> AsyncIterator[None]:
    """Say that `name` begins, and while the context is open that it goes on."""
    if progress is None:
        yield
        return
    await _tell(progress, 0, f"{name} begins")
    ticking = asyncio.create_task(_tick(progress, name), name="progress")
    try:
        yield
    finally:
        ticking.cancel()
        await asyncio.gather(ticking, return_exceptions=True)


async def _tick(progress: Progress, name: str) -> None:
    for ticks in itertools.count(1):
        await asyncio.sleep(TICK)
        await _tell(progress, ticks, f"{name} goes on")


async def _tell(progress: Progress, done: int, message: str) -> None:
    # Nobody knows how long it takes: there is always one step to go.
    told = progress(done, done + 1, message)
    if told is not None:
        await told
