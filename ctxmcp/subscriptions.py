"""Who wants to hear that a package changed, over MCP of both eras, and the log that tells it.

A client of 2026-07-28 opens a stream (`subscriptions/listen`); one of 2025-11-25 subscribes within
its session (`resources/subscribe`) and hears on the session's own stream. Both name resources, and
a resource has changed when anything happened to the package it belongs to: each `ctx://` and
`skill://` URI of a package is one.

Events about private packages reach those alone who may read them. A revoked token hears nothing
any more. Nobody waits for a slow client: a stream that does not read is ended, and a session has
each resource waiting once.
"""

from __future__ import annotations

import asyncio
import logging
import re
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mcp.server.subscriptions import ListenHandler, ResourceUpdated
from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR, INVALID_PARAMS, EmptyResult

from registry_core.callers import Scope
from registry_core.errors import RegistryError
from registry_core.events.feed import POLL
from registry_core.events.kinds import CHANGES, EventKind

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator

    from mcp.server.connection import Connection
    from mcp.server.context import ServerRequestContext
    from mcp.server.subscriptions import ServerEvent
    from mcp_types import (
        SubscribeRequestParams,
        SubscriptionsListenRequestParams,
        SubscriptionsListenResult,
        UnsubscribeRequestParams,
    )

    from registry_core.callers import Caller
    from registry_core.events import Event
    from registry_core.events.journal import Journal

    Context = ServerRequestContext[Any, Any]

MOST_STREAMS = 1024
"""Streams that are open at the same time."""

MOST_RESOURCES = 1000
"""Resources that one stream or session hears of."""

MOST_BEHIND = 1024
"""Notifications that wait in a stream until it is given up."""

_PACKAGE = re.compile(r"(?:ctx|skill)://([a-z0-9-]+)/([a-z0-9-]+)(?:[@/].*)?", re.DOTALL)
_KEY = "ctxmcp.subscriber"

_log = logging.getLogger(__name__)


@dataclass(eq=False)
class Subscriber:
    """One client's stream or session."""

    caller: Caller
    tell: Callable[[str], None]
    end: Callable[[], object]
    resources: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    """URIs by namespace and name of the package."""

    def add(self, uris: Iterable[str]) -> None:
        """Hear of more resources; of one that belongs to no package nothing is ever heard."""
        new = list(uris)
        if sum(map(len, self.resources.values())) + len(new) > MOST_RESOURCES:
            raise MCPError(INVALID_PARAMS, f"at most {MOST_RESOURCES} resources at the same time")
        for uri in new:
            if found := _PACKAGE.fullmatch(uri):
                self.resources.setdefault((found[1], found[2]), set()).add(uri)

    def remove(self, uri: str) -> None:
        """Hear no more of a resource."""
        for uris in self.resources.values():
            uris.discard(uri)

    def hear(self, event: Event) -> None:
        """Pass on what concerns a resource of this client's, and may be known to it."""
        if event.namespace is None or event.package is None:
            return
        if event.private and not self.caller.may(Scope.READ, event.namespace):
            return
        for uri in self.resources.get((event.namespace, event.package), ()):
            self.tell(uri)


class Subscriptions:
    """Every client that listens, and the place in the log they have been told of."""

    def __init__(
        self, journal: Journal, position: int, caller: Callable[[Context], Caller]
    ) -> None:
        self._journal = journal
        self._position = position
        self._caller = caller
        self._open: set[Subscriber] = set()
        self._streams = 0

    @classmethod
    async def open(cls, journal: Journal, caller: Callable[[Context], Caller]) -> Subscriptions:
        """Start at the head of the log; `caller` says who sent a request."""
        return cls(journal, await journal.log.head(), caller)

    async def follow(self) -> None:
        """Tell of what happens, for ever."""
        while True:
            try:
                async for events in self._journal.feed.follow(self._position):
                    self._pass_on(events)
            except RegistryError as error:
                _log.warning("the event log cannot be followed: %s", error)
                await asyncio.sleep(POLL)

    def end(self) -> None:
        """Let every stream end in order, because the server stops."""
        for subscriber in list(self._open):
            subscriber.end()

    async def listen(
        self, context: Context, params: SubscriptionsListenRequestParams
    ) -> SubscriptionsListenResult:
        """Answer subscriptions/listen: the answer comes when the stream is over."""
        if self._streams >= MOST_STREAMS:
            raise MCPError(INTERNAL_ERROR, f"{MOST_STREAMS} streams are open; try again later")
        stream = _Stream()
        handler = ListenHandler(stream, max_subscriptions=1, max_buffered_events=MOST_BEHIND)
        subscriber = Subscriber(self._caller(context), stream.tell, handler.close)
        subscriber.add(params.notifications.resource_subscriptions or ())
        with self._listening(subscriber):
            return await handler(context, params)

    async def subscribe(self, context: Context, params: SubscribeRequestParams) -> EmptyResult:
        """Answer resources/subscribe. Raises MCPError for what belongs to no package."""
        if not _PACKAGE.fullmatch(params.uri):
            words = "no such resource; ctx:// and skill:// resources can be subscribed to"
            raise MCPError(INVALID_PARAMS, words, {"uri": params.uri})
        connection = _connection(context)
        subscriber = connection.state.get(_KEY)
        if subscriber is None:
            subscriber = connection.state[_KEY] = self._session(context, connection)
        subscriber.add([params.uri])
        return EmptyResult()

    async def unsubscribe(self, context: Context, params: UnsubscribeRequestParams) -> EmptyResult:
        """Answer resources/unsubscribe; what was not subscribed to is no error."""
        subscriber = _connection(context).state.get(_KEY)
        if subscriber is not None:
            subscriber.remove(params.uri)
        return EmptyResult()

    @contextmanager
    def _listening(self, subscriber: Subscriber) -> Iterator[None]:
        self._open.add(subscriber)
        self._streams += 1
        try:
            yield
        finally:
            self._open.discard(subscriber)
            self._streams -= 1

    def _session(self, context: Context, connection: Connection) -> Subscriber:
        outbox = _Outbox(context.session.send_resource_updated)
        sending = asyncio.create_task(outbox.send(), name="subscriber")
        subscriber = Subscriber(self._caller(context), outbox.put, sending.cancel)
        self._open.add(subscriber)

        def forget() -> None:
            self._open.discard(subscriber)
            sending.cancel()

        connection.exit_stack.callback(forget)
        return subscriber

    def _pass_on(self, events: Iterable[Event]) -> None:
        for event in events:
            self._position = event.id
            if event.kind is EventKind.TOKEN_REVOKED:
                self._shut_out(event.payload.get("token_id"))
            elif event.kind in CHANGES:
                for subscriber in self._open:
                    subscriber.hear(event)

    def _shut_out(self, token_id: Any) -> None:
        for subscriber in [s for s in self._open if s.caller.token_id == token_id]:
            self._open.discard(subscriber)
            subscriber.end()


class _Stream:
    """The bus of one stream: what is told comes out of that stream alone."""

    def __init__(self) -> None:
        self._listener: Callable[[ServerEvent], None] | None = None

    def tell(self, uri: str) -> None:
        if self._listener is not None:
            self._listener(ResourceUpdated(uri))

    async def publish(self, event: ServerEvent) -> None:
        if self._listener is not None:
            self._listener(event)

    def subscribe(self, listener: Callable[[ServerEvent], None]) -> Callable[[], None]:
        self._listener = listener

        def unsubscribe() -> None:
            self._listener = None

        return unsubscribe


class _Outbox:
    """What a session has yet to be told: each resource once, however often it changed."""

    def __init__(self, send: Callable[[str], Awaitable[None]]) -> None:
        self._send = send
        self._waiting: dict[str, None] = {}
        self._wake = asyncio.Event()

    def put(self, uri: str) -> None:
        self._waiting[uri] = None
        self._wake.set()

    async def send(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                uri = next(iter(self._waiting))
                del self._waiting[uri]
                await self._send(uri)


def _connection(context: Context) -> Connection:
    """Return the session behind a request, for what is kept in it and undone when it ends."""
    return context.session._connection  # noqa: SLF001 - `state` and `exit_stack` are for handlers
