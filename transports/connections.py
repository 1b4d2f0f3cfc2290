"""HTTP/1.1 connections whose other end may be slow, silent or hostile.

The server reads a request for as long as it takes and writes an answer for as long as it takes.
Here both have an end:

- The head of a request is complete within `head_seconds` of the connection, or of its first byte
  on a connection that is kept; else 408. A peer that says nothing at all is let go as well.
- A peer that is sent something and takes none of it for `stall_seconds` is let go.

What cannot be read as HTTP is refused in the mirror's envelope, since nobody knows its path.
"""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from registry_core.errors import Invalid, RegistryError
from transports.dialects import leanctx
from transports.refusals import TooSlow

if TYPE_CHECKING:
    import asyncio

    from starlette.types import ASGIApp

    from transports.limits import Limits

KEEP_ALIVE = 5
"""Seconds that a connection may wait for its next request."""


class Config(uvicorn.Config):
    """How the server runs: quiet, without WebSockets, believing no proxy."""

    def __init__(self, app: ASGIApp, limits: Limits, grace: int) -> None:
        super().__init__(
            app,
            http=Connection,
            ws="none",
            lifespan="on",
            log_config=None,
            log_level="error",  # it would warn of every request that is none
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE,
            timeout_graceful_shutdown=grace,
        )
        self.limits = limits


class Connection(H11Protocol):
    """One connection, with an end to every wait for its peer."""

    config: Config
    _head_due: asyncio.TimerHandle | None = None
    _stall_due: asyncio.TimerHandle | None = None
    _unsent = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state is h11.IDLE:
            self._await_head()
        else:
            self._forget_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget_head()
        self._forget_stall()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._await_reader()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._forget_stall()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP. `msg` is the server's word for it."""
        self._refuse(Invalid("this is no HTTP request that can be read here"))

    def _await_head(self) -> None:
        seconds = self.config.limits.head_seconds
        if seconds and self._head_due is None and not self.transport.is_closing():
            self._head_due = self.loop.call_later(seconds, self._head_is_late)

    def _head_is_late(self) -> None:
        self._head_due = None
        if self.transport.is_closing() or self.conn.their_state is not h11.IDLE:
            return
        if self.conn.trailing_data[0]:
            self._refuse(TooSlow("the head of the request did not come in time"))
        else:
            self.transport.close()

    def _refuse(self, error: RegistryError) -> None:
        if self.cycle is not None:  # whoever works on a request of this connection may stop
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self.conn.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            self._answer(error)
        self.transport.close()

    def _answer(self, error: RegistryError) -> None:
        response = leanctx.refuse(error)
        headers = [*response.raw_headers, (b"connection", b"close")]
        start = h11.Response(status_code=response.status_code, headers=headers)
        for event in (start, h11.Data(data=bytes(response.body)), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")

    def _await_reader(self) -> None:
        seconds = self.config.limits.stall_seconds
        if seconds and self._stall_due is None:
            self._unsent = self.transport.get_write_buffer_size()
            self._stall_due = self.loop.call_later(seconds, self._look_at_reader)

    def _look_at_reader(self) -> None:
        """Let a peer go that took nothing since the last look."""
        self._stall_due = None
        if self.transport.get_write_buffer_size() < self._unsent:
            self._await_reader()
            return
        taken = self.transport.get_extra_info("socket")
        # Without this the system would keep what is unsent, for whoever does not take it.
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    def _forget_head(self) -> None:
        if self._head_due is not None:
            self._head_due.cancel()
            self._head_due = None

    def _forget_stall(self) -> None:
        if self._stall_due is not None:
            self._stall_due.cancel()
            self._stall_due = None
