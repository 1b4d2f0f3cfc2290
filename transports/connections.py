"""HTTP/1.1 connections whose other end may be slow, silent or hostile.

The server reads a request for as long as it takes and writes an answer for as long as it takes.
Here both have an end:

- The head of a request is complete within `head_seconds` of the connection, or of its first byte
  on a connection that is kept; else 408. A peer that says nothing at all is let go as well.
- A peer that is sent something and takes none of it for `stall_seconds` is let go.

- A head has a bound, and what comes after a body in chunks is no head: it is not read.

What cannot be read as HTTP is refused in the mirror's envelope, since nobody knows its path. What
is written in one turn of the loop leaves in one packet.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import TYPE_CHECKING, Any, cast

import uvicorn
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from registry_core.errors import Invalid, RegistryError
from transports.dialects import leanctx
from transports.refusals import TooSlow

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from transports.limits import Limits

KEEP_ALIVE = 5
"""Seconds that a connection may wait for its next request."""

MOST_HEAD = 64 * 1024
"""Bytes of a request's line and headers."""

_BETWEEN = len(": \r\n")
"""Bytes of a header beside its name and value: ten thousands of empty ones are no small head."""

_MOST_GATHERED = 64 * 1024


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


class Connection(HttpToolsProtocol):
    """One connection, with an end to every wait for its peer."""

    config: Config
    _head_due: asyncio.TimerHandle | None = None
    _stall_due: asyncio.TimerHandle | None = None
    _unsent = 0
    _in_head = _in_body = False
    _head = 0
    """Bytes of the head that were read."""
    _unread = 0
    """Bytes that came since the parser last made something of them."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(cast("asyncio.Transport", _Gathering(transport, self.loop)))
        self._await_head()

    def data_received(self, data: bytes) -> None:
        self._unread += len(data)
        super().data_received(data)
        if self._in_head and self._unread > MOST_HEAD:
            self.send_400_response("")
        elif self._answers or self._in_body:
            self._forget_head()
        else:
            self._await_head()

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

    def on_message_begin(self) -> None:
        """Begin a head."""
        self._in_head, self._head, self._unread = True, 0, 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Read a part of the path and query."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Read a header without the blanks around its value.

        One that comes after the body says nothing to anybody.
        """
        if self._in_head:
            self._count(len(name) + len(value) + _BETWEEN)
            super().on_header(name, value.strip(b" \t"))

    def on_headers_complete(self) -> None:
        """Begin a body, and to answer."""
        self._in_head, self._in_body = False, True
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """End a body."""
        self._in_body = False
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """End an answer."""
        cast("_Gathering", self.transport).flush()
        super().on_response_complete()

    @property
    def _answers(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _count(self, length: int) -> None:
        self._unread = 0
        self._head += length
        if self._head > MOST_HEAD:
            raise ValueError  # the parser stops, and the server says that it is no request

    def _await_head(self) -> None:
        seconds = self.config.limits.head_seconds
        if seconds and self._head_due is None and not self.transport.is_closing():
            self._head_due = self.loop.call_later(seconds, self._head_is_late)

    def _head_is_late(self) -> None:
        self._head_due = None
        if self.transport.is_closing() or self._answers or self._in_body:
            return
        if self._in_head:
            self._refuse(TooSlow("the head of the request did not come in time"))
        else:
            self.transport.close()

    def _refuse(self, error: RegistryError) -> None:
        begun = self._answers and self.cycle.response_started
        if self.cycle is not None:  # whoever works on a request of this connection may stop
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if not begun and not self.transport.is_closing():
            self._answer(error)
        self.transport.close()

    def _answer(self, error: RegistryError) -> None:
        response = leanctx.refuse(error)
        headers = [*response.raw_headers, (b"connection", b"close")]
        lines = [b"%s: %s\r\n" % header for header in headers]
        head = STATUS_LINE[response.status_code] + b"".join(lines)
        self.transport.write(b"%s\r\n%s" % (head, response.body))

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


class _Gathering:
    """A transport that sends together what is written in one turn of the loop."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._parts: list[bytes] = []
        self._size = 0
        self._due: asyncio.Handle | None = None

    def write(self, data: bytes) -> None:
        if self._due is None:
            self._due = self._loop.call_soon(self.flush)
        self._parts.append(data)
        self._size += len(data)
        if self._size > _MOST_GATHERED:  # who writes has to learn when the peer takes nothing
            self.flush()

    def flush(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None
        parts, self._parts, self._size = self._parts, [], 0
        if parts and not self._transport.is_closing():
            self._transport.write(b"".join(parts))

    def close(self) -> None:
        self.flush()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
