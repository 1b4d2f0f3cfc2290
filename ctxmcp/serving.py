"""Serving a registry over HTTP, until the process is told to stop."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import uvicorn

from ctxmcp.wiring import open_registry
from registry_core.errors import Unavailable
from transports.http import create_app

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ctxmcp.settings import Settings

GRACE = 5
"""Seconds that requests have to end when the server stops."""

BACKLOG = 2048


async def serve(settings: Settings, host: str, port: int) -> None:
    """Serve the registry of the settings until SIGINT or SIGTERM; port 0 takes a free one.

    Raises Unavailable where the address cannot be listened on.
    """
    sockets = _listen(host, port)
    app = create_app(lambda: open_registry(settings))
    config = uvicorn.Config(
        app,
        http="h11",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE,
    )
    await _Server(config, _url(host, sockets[0])).serve(sockets)


class _Server(uvicorn.Server):
    """Says where it listens, once it does, and ends in order when it is told to."""

    def __init__(self, config: uvicorn.Config, url: str) -> None:
        super().__init__(config)
        self._url = url

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        sys.stderr.write(f"ctxmcp serves {self._url} (ctxpkg clients: {self._url}/api)\n")
        sys.stderr.flush()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        # The server's own way raises the signal again afterwards, so that a stop that was asked
        # for and went well would end the process as a crash does.
        loop = asyncio.get_running_loop()
        signals = (signal.SIGINT, signal.SIGTERM)
        for number in signals:
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in signals:
                loop.remove_signal_handler(number)


def _listen(host: str, port: int) -> list[socket.socket]:
    """Listen on every address that the host name has here, on one port."""
    listening: list[socket.socket] = []
    problem: OSError | None = None
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        found, problem = [], error
    for family, _, _, _, address in found:
        try:
            bound = (address[0], port or (listening[0].getsockname()[1] if listening else 0))
            listening.append(socket.create_server(bound, family=family, backlog=BACKLOG))
        except OSError as error:
            problem = error
    if not listening:
        raise Unavailable(
            f"cannot listen on {host} port {port}: {problem.strerror if problem else 'no address'}",
            hint="Is another server running there? --port chooses another port.",
        )
    return listening


def _url(host: str, listening: socket.socket) -> str:
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{listening.getsockname()[1]}"
