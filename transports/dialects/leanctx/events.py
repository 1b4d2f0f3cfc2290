"""The log of events, in the shapes of the contract.

    GET /v1/events?workspaceId=&channelId=&since=&limit=&kind=&detail=    a stream of frames
    GET /v1/events/search?q=&limit=&kind=&detail=                         {query, results, count}
    GET /v1/events/lineage?id=&depth=&detail=                             {eventId, depth, chain}
    GET /v1/context/summary?limit=                                        what a channel came to

`workspaceId` and `channelId` are "default" where they are not given; a search without a channel
looks into all of the workspace, and so does a lineage. The scope `events` opens them all, the
summary `search` too.

The stream is the past after `since`, then what comes, each event once and in order. A reader that
comes back sends `Last-Event-ID`; of it and `since` the larger counts, for a browser repeats the
address it began with. LeanCTX replays `limit` events (200 where it is not given), then sends what
is new, and drops silently what lies between. Here nothing is dropped: without `limit` the whole
past comes at once, in pieces; with it, the past stops after so many events, and goes on from there
before the next new event, or after a heartbeat without one.

A stream ends where it comes to the revocation of its own token.

How much of a payload is shown is `detail`: `refs_only` (a stream's default), `summary` (that of
search and lineage) or `full`, for which it takes the scope `audit`.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starlette.routing import Route

from registry_core.callers import Scope
from registry_core.errors import Forbidden, Unauthenticated
from registry_core.events.kinds import EventKind
from registry_core.events.redaction import Detail, exists_for, readable_namespaces, redacted
from registry_core.events.search import EventQuery
from registry_core.names import shown
from transports import refusals, sse
from transports.dialects.leanctx import envelope
from transports.dialects.leanctx.envelope import InvalidArguments
from transports.dialects.leanctx.workspaces import place
from transports.guards.auth import bearer
from transports.state import opened

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from starlette.requests import Request
    from starlette.responses import Response

    from registry_core.callers import Caller
    from registry_core.events import Event
    from registry_core.events.feed import Feed, Follower
    from registry_core.events.log import EventLog
    from registry_core.events.summary import Conflict, Decision, Learned

MOST_REPLAYED = 1000
FOUND, MOST_FOUND = 20, 100
DEPTH, MOST_DEPTH = 20, 50
SUMMED, MOST_SUMMED = 100, 500
"""What the contract has for `limit` and `depth`: where it is not given, and at most."""

MOST_QUERY = 1000
"""Characters of a search."""

_NUMBER = re.compile(r"-?[0-9]{1,18}")


def routes() -> list[Route]:
    """Return what this module answers."""
    return [
        Route("/v1/events", events),
        Route("/v1/events/search", search),
        Route("/v1/events/lineage", lineage),
        Route("/v1/context/summary", summary),
    ]


async def events(request: Request) -> Response:
    """Stream the events of a channel: the past, then as they come."""
    caller = await _reader(request, Scope.EVENTS)
    view = View(
        workspace=caller.workspace,
        channel=caller.channel,
        kinds=_kinds(request),
        namespaces=readable_namespaces(caller),
        detail=_detail(request, caller, Detail.REFS_ONLY),
    )
    since = max(_number(request.query_params.get("since"), "since", 0), _last_seen(request))
    limit = _limit(request)
    found = opened(request.scope)
    feed = found.registry.journal.feed
    reading = Reading(feed, view, since, found.streams, token_id=caller.token_id)
    await reading.begin(found.registry.journal.log, limit)
    return sse.EventStream(reading.next, found.streams)


async def search(request: Request) -> Response:
    """Find events by words, the best first."""
    caller = await _reader(request, Scope.EVENTS)
    text = request.query_params.get("q", "")
    if not text.strip() or len(text) > MOST_QUERY:
        raise InvalidArguments(f"q is what is looked for, in 1 to {MOST_QUERY} characters")
    detail = _detail(request, caller, Detail.SUMMARY)
    named = {"channelId", "channel"} & request.query_params.keys()
    query = EventQuery(
        text=text,
        workspace=caller.workspace,
        channel=caller.channel if named else None,
        kinds=_kinds(request),
        namespaces=readable_namespaces(caller),
        detail=detail,
        limit=min(max(envelope.count(request, "limit", FOUND), 1), MOST_FOUND),
    )
    results = await opened(request.scope).registry.event_index.search(query)
    return envelope.document(
        {
            "query": text,
            "results": [document(event, detail) for event in results],
            "count": len(results),
        }
    )


async def lineage(request: Request) -> Response:
    """Follow what caused an event, and what caused that: child to root."""
    caller = await _reader(request, Scope.EVENTS)
    detail = _detail(request, caller, Detail.SUMMARY)
    event_id = _number(request.query_params.get("id"), "id")
    depth = min(max(envelope.count(request, "depth", DEPTH), 1), MOST_DEPTH)
    chain = await opened(request.scope).registry.journal.log.lineage(event_id, depth)
    seen = _unbroken(caller, chain)
    return envelope.document(
        {
            "eventId": event_id,
            "depth": len(seen),
            "chain": [document(event, detail) for event in seen],
        }
    )


async def summary(request: Request) -> Response:
    """Sum a channel up: agents, decisions, knowledge, conflicts, counts."""
    caller = await _reader(request, Scope.EVENTS, Scope.SEARCH)
    limit = min(max(envelope.count(request, "limit", SUMMED), 1), MOST_SUMMED)
    found = await opened(request.scope).registry.summaries.of(caller, limit)
    return envelope.document(
        {
            "workspaceId": caller.workspace,
            "channelId": caller.channel,
            "totalEvents": found.events,
            "latestVersion": found.latest_version,
            "activeAgents": found.agents,
            "recentDecisions": [_decision(decision) for decision in found.decisions],
            "knowledgeDelta": [_learned(fact) for fact in found.learned],
            "conflictAlerts": [_conflict(conflict) for conflict in found.conflicts],
            "eventCountsByKind": found.counts,
            "limit": limit,
        }
    )


def document(event: Event, detail: Detail) -> dict[str, Any]:
    """Return an event as the contract spells it, its members in the contract's order."""
    return {
        "id": event.id,
        "workspaceId": event.workspace,
        "channelId": event.channel,
        "kind": event.kind,
        "actor": event.actor,
        "timestamp": _moment(event.at),
        "version": event.version,
        "parentId": event.parent_id,
        "consistencyLevel": event.kind.consistency,
        "payload": redacted(event, detail),
    }


@dataclass(frozen=True, slots=True)
class View:
    """What readers are shown: of which events, and how much. Equal ones are shown the same."""

    workspace: str
    channel: str
    kinds: frozenset[EventKind]
    namespaces: frozenset[str] | None
    detail: Detail

    def shows(self, event: Event) -> bool:
        return (
            event.workspace == self.workspace
            and event.channel == self.channel
            and (not self.kinds or event.kind in self.kinds)
            and (not event.private or self.namespaces is None or event.namespace in self.namespaces)
        )


class Reading:
    """One reader of the log: how far it has come, and what it is given next."""

    def __init__(
        self, feed: Feed, view: View, since: int, streams: sse.Streams, *, token_id: str | None
    ) -> None:
        self._feed = feed
        self._token_id = token_id
        self._view = view
        self._streams = streams
        self._follower = feed.follower(since)
        self._past = 0
        self._left: int | None = None
        self._waiting: Sequence[Event] = ()

    async def begin(self, log: EventLog, limit: int | None) -> None:
        """Remember where the past ends; of it, `limit` events come at first."""
        self._past = await log.head()
        self._left = limit

    async def next(self, within: float) -> bytes:
        """Return the next frames in one piece; none where there are none in so many seconds.

        Raises Unauthenticated where the reader's token was revoked.
        """
        deadline = _now() + within
        if self._left == 0:
            await self._hold_back(deadline)
            self._left = None
        piece = self._piece_of_the_past() if self._waiting else b""
        while not piece and (left := deadline - _now()) > 0:
            before = self._follower.position
            read = await self._read(self._follower, left)
            if read and before >= self._past:
                piece = self._live_piece(before, read)
            elif read:
                self._waiting = [event for event in read if self._view.shows(event)]
                piece = self._piece_of_the_past()
        return piece

    async def _hold_back(self, deadline: float) -> None:
        """Wait until something new is there for this reader, or the time is over."""
        ahead = self._feed.follower(max(self._past, self._follower.position))
        while (left := deadline - _now()) > 0:
            if any(self._view.shows(event) for event in await self._read(ahead, left)):
                return

    async def _read(self, follower: Follower, within: float) -> Sequence[Event]:
        read = await follower.next(within)
        for event in read:
            if (
                event.kind is EventKind.TOKEN_REVOKED
                and event.payload["token_id"] == self._token_id
            ):
                raise Unauthenticated("its token was revoked")
        return read

    def _live_piece(self, before: int, read: Sequence[Event]) -> bytes:
        """Encode what is new, once for everybody who reads the same from the same position on."""

        def make() -> tuple[int, bytes]:
            frames = [self._frame(event) for event in read if self._view.shows(event)]
            return len(frames), b"".join(frames)

        count, piece = self._streams.pieces.get((self._view, before, read[-1].id), make)
        self._streams.broadcast += count
        return piece

    def _piece_of_the_past(self) -> bytes:
        """Encode what waits, up to the limit."""
        taken, self._waiting = self._waiting, ()
        past = sum(event.id <= self._past for event in taken)
        if self._left is not None and past >= self._left:
            taken, self._waiting = taken[: self._left], taken[self._left :]
            past, self._left = self._left, 0 if self._more_past() else None
        elif self._left is not None:
            self._left = self._left - past if past == len(taken) else None
        self._streams.replayed += past
        self._streams.broadcast += len(taken) - past
        return b"".join([self._frame(event) for event in taken])

    def _more_past(self) -> bool:
        """Whether what comes next is past, with nothing new behind it yet."""
        if self._waiting:
            return self._waiting[-1].id <= self._past
        return self._follower.position < self._past

    def _frame(self, event: Event) -> bytes:
        detail = self._view.detail
        return self._streams.frames.get((event.id, detail), lambda: _encoded(event, detail))


def _encoded(event: Event, detail: Detail) -> bytes:
    return sse.frame(event.id, event.kind, refusals.encode(document(event, detail)))


async def _reader(request: Request, *scopes: Scope) -> Caller:
    """Return who asks, in the place that the request names, if one of the scopes is there."""
    caller = await bearer(request.scope).local_or_token()
    envelope.need(caller, *scopes)
    return place(request, None, caller)


def _kinds(request: Request) -> frozenset[EventKind]:
    named = request.query_params.get("kind", "").split(",")
    try:
        return frozenset(EventKind(name.strip()) for name in named if name.strip())
    except ValueError:
        raise InvalidArguments(
            f"kind is {shown(','.join(named))}", hint=f"Kinds are {', '.join(EventKind)}."
        ) from None


def _detail(request: Request, caller: Caller, default: Detail) -> Detail:
    text = request.query_params.get("detail", default)
    try:
        detail = Detail(text)
    except ValueError:
        raise InvalidArguments(
            f"detail is {shown(text)}", hint=f"Details are {', '.join(Detail)}."
        ) from None
    if detail is Detail.FULL and not caller.has(Scope.AUDIT):
        raise Forbidden("whole payloads need a token with the scope audit")
    return detail


def _number(text: str | None, name: str, default: int | None = None) -> int:
    if text is None and default is not None:
        return default
    if text is None or not _NUMBER.fullmatch(text):
        raise InvalidArguments(f"{name} is {shown(text or '')}, not the id of an event")
    return int(text)


def _last_seen(request: Request) -> int:
    """Return what a reader that comes back has seen; anything is more than nothing."""
    return _number(request.headers.get("last-event-id") or None, "Last-Event-ID", -(10**18))


def _limit(request: Request) -> int | None:
    if "limit" not in request.query_params:
        return None
    return min(max(envelope.count(request, "limit", 0), 1), MOST_REPLAYED)


def _unbroken(caller: Caller, chain: Sequence[Event]) -> Sequence[Event]:
    """Return a chain up to the first event that does not exist for the caller."""
    for index, event in enumerate(chain):
        if event.workspace != caller.workspace or not exists_for(
            caller, private=event.private, namespace=event.namespace
        ):
            return chain[:index]
    return chain


def _decision(decision: Decision) -> dict[str, Any]:
    return {
        "agent": decision.agent,
        "tool": decision.tool,
        "action": decision.action,
        "reasoning": decision.reasoning,
        "timestamp": _moment(decision.at),
    }


def _learned(fact: Learned) -> dict[str, Any]:
    return {
        "category": fact.category,
        "key": fact.key,
        "agent": fact.agent,
        "timestamp": _moment(fact.at),
    }


def _conflict(conflict: Conflict) -> dict[str, Any]:
    return {"category": conflict.category, "key": conflict.key, "agents": conflict.agents}


def _moment(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def _now() -> float:
    return asyncio.get_running_loop().time()
