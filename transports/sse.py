r"""Server-sent events: what is gathered for a reader, as an answer that does not end.

    id: 42\nevent: tool_call_recorded\ndata: {"id":42,..}\n\n      a frame
    : keep-alive\n\n                                              after 15 seconds without one

Lines end in LF alone: the clients of the contract look for two of them, and see no event in frames
with CR. The status and the headers leave at once. Each piece that a source gives is one write. A
reader who does not take what it was sent holds up its own stream and nothing else; the source is
not asked for more meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from contextlib import suppress
from typing import TYPE_CHECKING, Generic, TypeVar

from starlette.responses import Response

from registry_core.errors import RegistryError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable

    from starlette.types import Receive, Scope, Send

    Source = Callable[[float], Awaitable[bytes]]
    """Gives the next frames, or b"" where there are none within so many seconds."""

HEARTBEAT = 15.0
"""Seconds without a frame after which a comment tells that the stream is alive."""

KEEP_ALIVE = b": keep-alive\n\n"

MOST_FRAMES = 2048
MOST_PIECES = 32
"""Frames, and pieces of many frames, that are kept for those who read the same."""

LAST_WORDS = 0.5
"""Seconds that ending a stream may wait for a reader who takes nothing."""

HEADERS = (
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
    (b"x-content-type-options", b"nosniff"),
)

T = TypeVar("T")

_log = logging.getLogger(__name__)


def frame(number: int, kind: str, data: bytes) -> bytes:
    """Make the frame of an event; `data` is one line."""
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (number, kind.encode(), data)


class Shared(Generic[T]):
    """What was made for one reader, kept for the next; the oldest go first."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[Hashable, T] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what was made under this key, or make it."""
        found = self._kept.get(key)
        if found is None:
            found = self._kept[key] = make()
            if len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return found


class Streams:
    """The streams that one app has open, and what their readers share.

    `total` counts those that were ever opened, `replayed` and `broadcast` the events that were
    sent out of the past and as they came.
    """

    def __init__(self, heartbeat: float = HEARTBEAT) -> None:
        self.heartbeat = heartbeat
        self.total = 0
        self.replayed = 0
        self.broadcast = 0
        self._open: set[asyncio.Task[None]] = set()
        self._ended = False
        self.frames: Shared[bytes] = Shared(MOST_FRAMES)
        self.pieces: Shared[tuple[int, bytes]] = Shared(MOST_PIECES)

    @property
    def active(self) -> int:
        """How many are open."""
        return len(self._open)

    def end(self) -> None:
        """End every stream, those too that are opened from now on."""
        self._ended = True
        for stream in self._open:
            stream.cancel()

    def begin(self, pump: asyncio.Task[None]) -> None:
        """Count a stream as open until its pump has stopped."""
        self.total += 1
        self._open.add(pump)
        pump.add_done_callback(self._open.discard)
        if self._ended:
            pump.cancel()


class EventStream(Response):
    """Sends what a source gives until the reader goes, or the app ends its streams."""

    def __init__(self, source: Source, streams: Streams) -> None:
        self.status_code = 200
        self.background = None
        self.body = b""
        self.raw_headers = list(HEADERS)
        self._source = source
        self._streams = streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send(
            {"type": "http.response.start", "status": 200, "headers": list(self.raw_headers)}
        )
        if scope["method"] != "HEAD":
            await self._until_gone(receive, send)
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORDS):
                await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _until_gone(self, receive: Receive, send: Send) -> None:
        pump = asyncio.create_task(self._pump(send), name="event stream")
        gone = asyncio.create_task(_gone(receive), name="event stream's reader")
        self._streams.begin(pump)
        try:
            await asyncio.wait({pump, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            pump.cancel()
            gone.cancel()
            await asyncio.wait({pump, gone})
        if not pump.cancelled() and pump.exception() is not None:
            _say_why(pump.exception())

    async def _pump(self, send: Send) -> None:
        while True:
            piece = await self._source(self._streams.heartbeat)
            await send(
                {"type": "http.response.body", "body": piece or KEEP_ALIVE, "more_body": True}
            )


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _say_why(error: BaseException | None) -> None:
    """Say why a stream ended early; its reader comes back, and goes on where it was."""
    if not isinstance(error, RegistryError):
        raise error or AssertionError
    _log.warning("an event stream ended: %s", error)
