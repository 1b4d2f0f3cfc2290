"""Patience with a body that is on its way: enough that a refusal is read, and no more.

A client that is still sending when its connection closes loses the answer: its writing fails
first. So whatever is refused before a body was read (too long, no token, no such path), the rest
of the body is read and thrown away before the answer leaves, within bounds. Beyond those the
answer goes out with `Connection: close`. A client that waits for `100 Continue` has sent nothing
and gets its answer at once.

A client that trickles is refused: it may be waited for `grace` seconds, and one second more for
each `SLOWEST` bytes that it sent.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from transports.refusals import TooSlow

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_DRAINED = 64 * 1024 * 1024
"""Bytes of a refused body that are read before the connection is given up."""

DRAIN_SECONDS = 10.0
"""How long a client may take to send them."""

SLOWEST = 16 * 1024
"""Bytes a second that a body has to come with."""


class Patience:
    """Stands around everything that answers. `grace` 0 waits for ever."""

    def __init__(self, app: ASGIApp, *, grace: float) -> None:
        self._app = app
        self._grace = grace

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = _body(scope, receive, send)
        if body is None:
            await self._app(scope, receive, send)
            return
        body.grace = self._grace
        await self._app(scope, body.receive, body.send)


def _body(scope: Scope, receive: Receive, send: Send) -> _Body | None:
    """Return the body that the headers announce, None where there is none to come."""
    if scope["type"] != "http":
        return None
    declared, chunked, waits = 0, False, False
    for name, value in scope["headers"]:
        if name == b"content-length":
            declared = int(value)
        elif name == b"transfer-encoding":
            chunked = True
        elif name == b"expect":
            waits = value.lower() == b"100-continue"
    if not declared and not chunked:
        return None
    body = _Body(receive, send)
    body.hopeless, body.waits = declared > MOST_DRAINED, waits
    return body


class _Body:
    """One body on its way in: how much came, how long it took, and whether all of it did."""

    grace = 0.0
    waits = False
    """Whether the client sends nothing until it is asked to."""
    hopeless = False
    """Whether reading on would take too long."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._length = 0
        self._waited = 0.0
        self._ended = False

    async def receive(self) -> Message:
        if self._ended or not self.grace:
            return await self._next()
        began = _now()
        left = self.grace + self._length / SLOWEST - self._waited
        try:
            async with asyncio.timeout(left):
                return await self._next()
        except TimeoutError:
            self.hopeless = True
            raise TooSlow(
                "the body came too slowly, and nobody waits for it any longer",
                hint=f"Send at least {SLOWEST:,} bytes a second.",
            ) from None
        finally:
            self._waited += _now() - began

    async def send(self, message: Message) -> None:
        starts = message["type"] == "http.response.start"
        if starts and not self._ended and not await self._drained():
            message["headers"] = [*message["headers"], (b"connection", b"close")]
        await self._send(message)

    async def _drained(self) -> bool:
        """Read on to the end; tell whether it came within the bounds."""
        if self.waits or self.hopeless:
            return False
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                while not self._ended and self._length <= MOST_DRAINED:
                    await self._next()
        except TimeoutError:
            return False
        return self._ended

    async def _next(self) -> Message:
        self.waits = False
        message = await self._receive()
        self._length += len(message.get("body", b""))
        self._ended = not message.get("more_body", False)
        return message


def _now() -> float:
    return asyncio.get_running_loop().time()
