"""Following a remote registry's events: over as many connections as it takes, each event once.

The first connection has to succeed, so that a wrong address or token is told at once. After that a
connection that ends, breaks or says nothing for too long (the server sends a heartbeat) is made
again, after a time that doubles up to `MOST_PAUSE` and is drawn at random below it, so that many
followers of a server that restarts do not come back together. Each asks for what came after the
last event that was handed out. What another connection cannot mend ends it: no such address, no
right to it, a request that makes no sense.
"""

from __future__ import annotations

import asyncio
import json
import random
from contextlib import aclosing
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ctxmcp.answers import Event
from ctxmcp.http import parts
from ctxmcp.sse import Frames
from registry_core.errors import Internal, RateLimited, RegistryError, Unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence

    from httpx import Request

    from ctxmcp.http import Http
    from ctxmcp.sse import Frame

QUIET = 45.0
"""Seconds without a byte after which a connection counts as dead: three heartbeats."""

FIRST_PAUSE = 0.5
MOST_PAUSE = 30.0

PATH = "v1/events"


async def follow(
    http: Http, since: int, query: Mapping[str, str | int], quiet: float = QUIET
) -> AsyncGenerator[Event, None]:
    """Yield the events after `since` for ever. Raises RegistryError as said above."""
    progress = _Progress(since)
    while True:
        asked = http.stream(PATH, {**query, "since": progress.position}, quiet)
        try:
            async with aclosing(_connection(http, asked)) as connection:  # closed: hangs up at once
                async for events in connection:
                    for event in progress.new(events):
                        yield event
        except (Unavailable, Internal) as error:
            if not progress.welcome:
                raise
            progress.heed(error)
        await asyncio.sleep(progress.pause())


class _Progress:
    """How far a follower has come, and how long it waits for its next connection."""

    def __init__(self, since: int) -> None:
        self.position = since
        self.welcome = False
        """Whether there has been a connection."""
        self._longest = FIRST_PAUSE
        self._least = 0.0

    def new(self, events: Sequence[Event] | None) -> Iterator[Event]:
        """Yield what was not seen yet; None says that a connection stands."""
        self.welcome = True
        if events is None:
            return
        self._longest = FIRST_PAUSE  # something came: the server is well
        for event in events:
            if event.id > self.position:
                self.position = event.id
                yield event

    def heed(self, error: RegistryError) -> None:
        """Wait as long as the server wants, within bounds."""
        if isinstance(error, RateLimited):
            self._least = min(error.retry_after or 0, MOST_PAUSE)

    def pause(self) -> float:
        """Return how many seconds to wait now; it is longer the next time."""
        drawn = random.uniform(self._longest / 2, self._longest)  # noqa: S311 - no secret
        least, self._least = self._least, 0.0
        self._longest = min(self._longest * 2, MOST_PAUSE)
        return max(drawn, least)


async def _connection(http: Http, asked: Request) -> AsyncGenerator[Sequence[Event] | None, None]:
    """Yield None where the connection stands, then what each part of the answer brings."""
    async with http.opened(asked) as response:
        kind = response.headers.get("content-type", "").partition(";")[0]
        if kind.strip().lower() != "text/event-stream":
            raise Unavailable(f"{http.root} answers {PATH} with something that is no event stream")
        yield None
        frames = Frames()
        async for part in parts(response):
            yield [event for frame in frames.feed(part) if (event := _event(frame))]


def _event(frame: Frame) -> Event | None:
    """Read an event; None for a frame that is none of the log, which a later server may send."""
    try:
        return _read(json.loads(frame.data))
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError):
        return None


def _read(said: Mapping[str, Any]) -> Event:
    return Event(
        id=int(said["id"]),
        kind=str(said["kind"]),
        actor=said.get("actor"),
        at=datetime.fromisoformat(said["timestamp"]),
        workspace=str(said["workspaceId"]),
        channel=str(said["channelId"]),
        version=int(said["version"]),
        parent_id=said.get("parentId"),
        consistency=str(said["consistencyLevel"]),
        payload=said["payload"],
    )
