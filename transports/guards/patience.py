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
from typing import TYPE_CHECKING, NamedTuple

from transports.headers import announced, sent
from transports.refusals import TooSlow
from transports.watch import Watch

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
        self._watch = Watch()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        coming = _coming(scope)
        if coming is None:
            await self._app(scope, receive, send)
            return
        body = _Body(coming, receive, send, self._watch, self._grace)
        await self._app(scope, body.receive, body.send)


class _Coming(NamedTuple):
    """What the headers say of a body."""

    waits: bool
    """Whether the client sends nothing until it is asked to."""
    hopeless: bool
    """Whether reading all of it would take too long."""


def _coming(scope: Scope) -> _Coming | None:
    """Read the headers; None where there is no body to come."""
    if scope["type"] != "http":
        return None
    declared = announced(scope)
    if declared is None:
        return None
    waits = any(value.lower() == b"100-continue" for value in sent(scope).get(b"expect", ()))
    return _Coming(waits, declared > MOST_DRAINED)


class _Body:
    """One body on its way in: how much came, how long it took, and whether all of it did."""

    def __init__(
        self, coming: _Coming, receive: Receive, send: Send, watch: Watch, grace: float
    ) -> None:
        self._waits, self._hopeless = coming
        self._receive = receive
        self._send = send
        self._watch = watch
        self._grace = grace
        self._length = 0
        self._waited = 0.0
        self._ended = False

    async def receive(self) -> Message:
        if self._ended or not self._grace:
            return await self._next()
        wait = self._watch.wait(self._grace + self._length / SLOWEST - self._waited)
        try:
            return await wait.over(self._next())
        except TimeoutError:
            self._hopeless = True
            raise TooSlow(
                "the body came too slowly, and nobody waits for it any longer",
                hint=f"Send at least {SLOWEST:,} bytes a second.",
            ) from None
        finally:
            self._waited += wait.waited

    async def send(self, message: Message) -> None:
        starts = message["type"] == "http.response.start"
        if starts and not self._ended and not await self._drained():
            message["headers"] = [*message["headers"], (b"connection", b"close")]
        await self._send(message)

    async def _drained(self) -> bool:
        """Read on to the end; tell whether it came within the bounds."""
        if self._waits or self._hopeless:
            return False
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                while not self._ended and self._length <= MOST_DRAINED:
                    await self._next()
        except TimeoutError:
            return False
        return self._ended

    async def _next(self) -> Message:
        self._waits = False
        message = await self._receive()
        self._length += len(message.get("body", b""))
        self._ended = not message.get("more_body", False)
        return message
