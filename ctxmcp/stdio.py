"""The program as an MCP server on standard input and output, answering soon after it is started.

A host waits for the list of tools before it shows anything, and that list needs no registry. So
the registry is opened once the list is out, or by the first call that comes before.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Self

from registry_core.errors import Unavailable
from transports import stdio

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from mcp.server.lowlevel import Server

    from ctxmcp.connection import Invoker, Progress
    from ctxmcp.settings import Settings
    from registry_core.operation import Model

SOON = 0.05
"""Seconds after which a registry that nobody has asked for yet is opened: the answer goes first."""


def main(settings: Settings, toolsets: Collection[str], project: Path) -> None:
    """Serve one client until it closes the input, or until SIGTERM.

    Without `toolsets` it is shown the main one. Raises KeyboardInterrupt at SIGINT.
    """
    wire = stdio.take_over()
    logging.basicConfig(level=logging.WARNING, format="ctxmcp: %(levelname)s: %(message)s")
    gc.disable()  # hundreds of classes are about to be made, and none of them is garbage
    from ctxmcp.server import build_server  # noqa: PLC0415 - the wire is ours before mcp is there

    desk = LateDesk(lambda: open_desk(settings, project))
    server = build_server(desk, toolsets=toolsets or {"main"}, listed=desk.open_soon)
    gc.freeze()
    gc.enable()
    with suppress(asyncio.CancelledError):
        asyncio.run(_serve(server, desk, wire))


async def _serve(server: Server[Any], desk: LateDesk, wire: stdio.Wire) -> None:
    this = asyncio.current_task()
    assert this is not None  # noqa: S101 - a coroutine that runs is in a task
    with suppress(NotImplementedError):  # Windows has no handlers, and ends a process at once
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, this.cancel)
    async with desk:
        await stdio.serve(server, wire)


class LateDesk:
    """A desk that is opened when it is first needed, and again after opening it has failed."""

    def __init__(self, opened: Callable[[], AbstractAsyncContextManager[Invoker]]) -> None:
        self._opened = opened
        self._desk: asyncio.Future[Invoker] | None = None
        self._holding: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()

    async def invoke(
        self, name: str, arguments: Mapping[str, Any], *, progress: Progress | None = None
    ) -> Model:
        """Run an operation on the desk, once it is open."""
        # A call that is cancelled does not cancel the opening that others wait for.
        desk = await asyncio.shield(self._open())
        return await desk.invoke(name, arguments, progress=progress)

    def open_soon(self) -> None:
        """Open the desk when the answer that is being given is out."""
        asyncio.get_running_loop().call_later(SOON, self._open)

    def _open(self) -> asyncio.Future[Invoker]:
        if self._desk is None or _failed(self._desk):
            self._desk = asyncio.get_running_loop().create_future()
            self._holding = asyncio.create_task(self._hold(self._desk))
        return self._desk

    async def _hold(self, ready: asyncio.Future[Invoker]) -> None:
        try:
            async with self._opened() as desk:
                ready.set_result(desk)
                await self._closing.wait()
        except Exception as error:
            if ready.done():
                raise
            ready.set_exception(error)
            ready.exception()  # seen: opened in advance, it may be what nobody asks for

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closing.set()
        if self._holding is not None:
            await self._holding


def _failed(desk: asyncio.Future[Invoker]) -> bool:
    return desk.done() and desk.exception() is not None


@asynccontextmanager
async def open_desk(settings: Settings, project: Path) -> AsyncIterator[Invoker]:
    """Open the registry of the settings, embedded or remote, and a desk on it."""
    # The imports take longer than the opening; meanwhile the loop goes on answering.
    await asyncio.to_thread(_import, embedded=not settings.registry)
    from ctxmcp.connection import connect  # noqa: PLC0415 - imported just now
    from ctxmcp.desk import Desk  # noqa: PLC0415 - as above

    async with AsyncExitStack() as stack:
        try:
            connection = await stack.enter_async_context(connect(settings))
        except OSError as error:
            raise Unavailable(
                f"the registry in {settings.data_dir} cannot be opened: {error.strerror or error}",
                hint="--data-dir or CTXMCP_DATA_DIR names another folder.",
            ) from error
        yield Desk(connection, settings, project)


def _import(*, embedded: bool) -> None:
    import ctxmcp.desk  # noqa: PLC0415 - in the thread it is called in

    if embedded:
        import ctxmcp.wiring  # noqa: PLC0415, F401 - as above
