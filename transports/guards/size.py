"""The bound on request bodies, and the patience that lets a refusal be read.

A client that is still sending when its connection closes loses the answer: its writing fails
first. So whatever is refused before a body was read (too long, no token, no such path), the rest
of the body is read and thrown away before the answer leaves, within bounds. Beyond those the
answer goes out with `Connection: close`. A client that waits for `100 Continue` has sent nothing
and gets its answer at once.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from registry_core.errors import TooLarge

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from transports.refusals import Refuse

MOST_DRAINED = 64 * 1024 * 1024
"""Bytes of a refused body that are read before the connection is given up."""

DRAIN_SECONDS = 10.0
"""How long a client may take to send them."""


class BodyLimit:
    """Bounds bodies by path, whether they say their length or come in chunks."""

    def __init__(self, app: ASGIApp, *, most: Callable[[str], int], refuse: Refuse) -> None:
        self._app = app
        self._most = most
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = _body(scope, receive, send, self._most)
        if body is None:
            await self._app(scope, receive, send)
        elif body.declared > body.most:
            await self._refuse(scope, body.too_large())(scope, receive, body.send)
        else:
            await self._app(scope, body.receive, body.send)


def _body(scope: Scope, receive: Receive, send: Send, most: Callable[[str], int]) -> _Body | None:
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
    body.most, body.declared, body.waits = most(scope["path"]), declared, waits
    return body


class _Body:
    """One body on its way in: how much came, and whether all of it did."""

    most = 0
    declared = 0
    waits = False
    """Whether the client sends nothing until it is asked to."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._length = 0
        self._ended = False

    async def receive(self) -> Message:
        message = await self._next()
        if self._length > self.most:
            raise self.too_large()
        return message

    async def send(self, message: Message) -> None:
        starts = message["type"] == "http.response.start"
        if starts and not self._ended and not await self._drained():
            message["headers"] = [*message["headers"], (b"connection", b"close")]
        await self._send(message)

    def too_large(self) -> TooLarge:
        return TooLarge(f"the body is longer than the {self.most:,} bytes it may have here")

    async def _drained(self) -> bool:
        """Read on to the end; tell whether it came within the bounds."""
        if self.waits or self.declared > MOST_DRAINED:
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
