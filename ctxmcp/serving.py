"""Serving a registry over HTTP, until the process is told to stop."""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
import sys
from contextlib import asynccontextmanager, nullcontext, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import uvicorn

from ctxmcp import nightly
from ctxmcp.wiring import open_registry
from registry_core.errors import Internal, Invalid, Unavailable
from transports.access import Access, is_loopback
from transports.apis import read_hosts
from transports.connections import Config
from transports.http import APIS, create_app
from transports.limits import Limits

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine
    from contextlib import AbstractContextManager

    from starlette.applications import Starlette

    from ctxmcp.settings import Settings
    from registry_core.registry import Registry
    from transports.sse import Streams

GRACE = 5
"""Seconds that requests have to end when the server stops."""

BACKLOG = 2048

YOUNG = 20_000
"""Objects that are new before the garbage collector looks through them."""

_ANY = frozenset({"0.0.0.0", "::"})  # noqa: S104 - named, not listened on


async def serve(
    settings: Settings,
    host: str,
    port: int,
    access: Access | None = None,
    limits: Limits = Limits(),  # noqa: B008 - frozen
    toolsets: frozenset[str] = frozenset({"main"}),
) -> None:
    """Serve the registry of the settings until SIGINT or SIGTERM; port 0 takes a free one.

    Raises Unavailable where the address cannot be listened on, or the database not opened, and
    Invalid where others could come in and nobody has a token.
    """
    from ctxmcp.visits import Endpoint  # noqa: PLC0415 - brings the MCP SDK, a second of imports

    access = access or Access.of_server(host, base_url=settings.base_url)
    hosts = read_hosts(settings.hosts, [api.name for api in APIS])
    async with open_registry(settings) as registry:
        if not is_loopback(host):
            await _refuse_without_tokens(registry, host)
        mcp = Endpoint(registry, toolsets)
        app = create_app(registry, access.answering_also(hosts), limits, mcp.open, toolsets, hosts)
        async with (
            running(app, host, port, limits) as url,
            _beside(registry.transparency.stay_current),
            _beside(registry.indexer.follow),
            _beside(partial(nightly.run, registry)),
        ):
            sys.stderr.write(f"ctxmcp serves {url} (for ctxpkg clients: {url}/api)\n")
            if host in _ANY and all(name.host in _ANY for name in access.names):
                sys.stderr.write("nobody comes in yet: name this server with --allowed-host NAME\n")
            sys.stderr.flush()
            settle()
            await told_to_stop()
            mcp.end()


def settle() -> None:
    """Have the garbage collector look for what requests leave, seldom, and not at the program.

    Almost all that a request makes goes with it. What waits a moment for its commit would else be
    looked through every few dozen requests, and from time to time with all that was ever loaded.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, *gc.get_threshold()[1:])


@asynccontextmanager
async def _beside(work: Callable[[], Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    """Let something go on while the context is open."""
    task = asyncio.create_task(work())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _refuse_without_tokens(registry: Registry, host: str) -> None:
    if not any(token.revoked_at is None for token in await registry.tokens.list()):
        raise Invalid(
            f"{host} is open to other machines, and there is no token for anybody to come with",
            hint="Make one first: `ctxmcp token create --role member --name WHOSE`.",
        )


@asynccontextmanager
async def running(
    app: Starlette,
    host: str,
    port: int,
    limits: Limits = Limits(),  # noqa: B008 - frozen
) -> AsyncIterator[str]:
    """Serve an app while the context is open and give its URL; leaving lets requests end."""
    sockets = _listen(host, port)
    server = _Server(Config(app, limits, GRACE), getattr(app.state, "streams", None))
    serving = asyncio.create_task(server.serve(sockets), name="http")
    try:
        await server.tried.wait()
        if server.started:
            yield _url(host, sockets[0])
    finally:
        server.should_exit = True
        try:
            await serving
        finally:
            for listening in sockets:
                listening.close()


class _Server(uvicorn.Server):
    """Says when it has started, ends streams at once, and leaves the process's signals alone."""

    def __init__(self, config: uvicorn.Config, streams: Streams | None) -> None:
        super().__init__(config)
        self.tried = asyncio.Event()
        self._streams = streams

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        except SystemExit:
            raise Internal("the web app does not start", hint="The log says why.") from None
        finally:
            self.tried.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._streams is not None:
            self._streams.end()
        await super().shutdown(sockets)

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]
        # The server would raise a signal again after it ended well, as if it had been killed.
        return nullcontext()


async def told_to_stop() -> None:
    """Wait for SIGINT or SIGTERM."""
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    signals = (signal.SIGINT, signal.SIGTERM)
    with suppress(NotImplementedError):  # Windows: SIGINT cancels this instead
        for number in signals:
            loop.add_signal_handler(number, told.set)
    try:
        await told.wait()
    finally:
        with suppress(NotImplementedError):
            for number in signals:
                loop.remove_signal_handler(number)


def _listen(host: str, port: int) -> list[socket.socket]:
    """Listen on every address that the host name has here, on one port."""
    listening: list[socket.socket] = []
    problem: OSError | None = None
    try:
        found = socket.getaddrinfo(
            host,
            port,
            type=socket.SOCK_STREAM,
            proto=socket.IPPROTO_TCP,
            flags=socket.AI_PASSIVE,
        )
    except OSError as error:
        found, problem = [], error
    for family, _, _, _, address in found:
        taken = port or (listening[0].getsockname()[1] if listening else 0)
        try:
            listening.append(_bound(family, (address[0], taken)))
        except OSError as error:
            problem = error
    if not listening:
        raise Unavailable(
            f"cannot listen on {host} port {port}: {problem.strerror if problem else 'no address'}",
            hint="Is another server running there? --port chooses another port.",
        )
    return listening


def _bound(family: int, address: tuple[Any, int]) -> socket.socket:
    # The protocol is named because asyncio sends without delay only on sockets that name it;
    # else every small answer would wait 40 ms for the client's acknowledgement.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if sys.platform != "win32":
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Connections inherit it: a peer that vanished without a word is noticed in the end.
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listening.bind(address)
        listening.listen(BACKLOG)
    except OSError:
        listening.close()
        raise
    return listening


def _url(host: str, listening: socket.socket) -> str:
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{listening.getsockname()[1]}"
