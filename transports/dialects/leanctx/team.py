"""What a team shares: sessions and knowledge, by the addresses of the API document.

    GET  /v1/session?workspaceId=&channel=&seen=      the session of a channel
    POST /v1/session/mutate                           {action, state, expectedVersion, reasoning,
                                                       parentId} -> the session as it is now
    GET  /v1/session/list?workspaceId=&limit=&cursor=
    POST /v1/knowledge/remember                       {category, key, value, confidence, reasoning}
    GET  /v1/knowledge/search?q=&channel=&limit=&seen=
    POST /v1/knowledge/search                         {query, limit, seen}

Each is an operation of the same name, called with the place of the request; a POST takes
`workspaceId` and `channelId` in its body too. A search looks into every channel of the workspace,
unless the request names one. The document does not show these answers; their members are named as
those of its events.
"""

from __future__ import annotations

import asyncio
import functools
from typing import TYPE_CHECKING, Any

from starlette.routing import Route

from registry_core.errors import Invalid, InvalidPackage
from registry_core.formats import strict_json
from registry_core.operations import invoke
from transports.dialects.leanctx import envelope
from transports.dialects.leanctx.workspaces import place
from transports.guards.auth import bearer
from transports.state import opened

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from registry_core.operations.team import (
        Fact,
        KnowledgeFound,
        Remembered,
        Session,
        SessionList,
    )

MOST_MUTATION = 2 * 1024 * 1024
"""Bytes of a change: the largest state with its characters escaped, and what is around it."""

MOST_BODY = (("/v1/session/mutate", MOST_MUTATION),)

_SMALL = 64 * 1024
_NAMES = {"expectedVersion": "expected_version", "parentId": "parent_id", "q": "query"}
_PLACE = frozenset({"workspaceId", "channelId"})


def routes() -> list[Route]:
    """Return what this module answers."""
    return [
        Route("/v1/session", session, methods=["GET"]),
        Route("/v1/session/mutate", mutate, methods=["POST"]),
        Route("/v1/session/list", sessions, methods=["GET"]),
        Route("/v1/knowledge/remember", remember, methods=["POST"]),
        Route("/v1/knowledge/search", search, methods=["GET", "POST"]),
    ]


async def session(request: Request) -> Response:
    """Read the session of a channel."""
    found: Session = await _run(request, "session_get", _queried(request))
    return envelope.document(_session(found))


async def mutate(request: Request) -> Response:
    """Change the session of a channel."""
    body = await _body(request)
    changed: Session = await _run(request, "session_mutate", _given(body), body)
    return envelope.document(_session(changed))


async def sessions(request: Request) -> Response:
    """List the sessions of a workspace."""
    found: SessionList = await _run(request, "session_list", _queried(request))
    return envelope.document(
        {
            "workspaceId": found.workspace,
            "sessions": [
                {
                    "channelId": entry.channel,
                    "version": entry.version,
                    "updatedAt": entry.updated_at,
                    "updatedBy": entry.updated_by,
                }
                for entry in found.sessions
            ],
            "total": found.total,
            "next": found.next,
        }
    )


async def remember(request: Request) -> Response:
    """Remember a fact."""
    body = await _body(request)
    done: Remembered = await _run(request, "knowledge_remember", _given(body), body)
    return envelope.document(
        {
            "workspaceId": done.workspace,
            "outcome": done.outcome,
            "fact": _fact(done.fact),
            "superseded": _fact(done.superseded) if done.superseded else None,
            "asOf": done.as_of,
            "notes": done.notes,
        }
    )


async def search(request: Request) -> Response:
    """Search what is remembered."""
    body = await _body(request) if request.method == "POST" else {}
    given = _given(body) if body else _queried(request)
    channel = _named_channel(request, body)
    found: KnowledgeFound = await _run(
        request, "knowledge_search", given | ({"channel": channel} if channel else {}), body
    )
    return envelope.document(
        {
            "workspaceId": found.workspace,
            "results": [_fact(fact) for fact in found.facts],
            "count": len(found.facts),
            "total": found.total,
            "asOf": found.as_of,
            "notes": found.notes,
        }
    )


async def _run(
    request: Request,
    name: str,
    given: Mapping[str, Any],
    body: Mapping[str, Any] | None = None,
) -> Any:
    caller = place(request, body, await bearer(request.scope).local_or_token())
    return await invoke(opened(request.scope).registry, caller, name, given)


async def _body(request: Request) -> dict[str, Any]:
    envelope.refuse_other_types(request)
    body = await request.body()
    try:
        # A large one is read in a thread, so that others are not kept waiting.
        read = _document(body) if len(body) <= _SMALL else await asyncio.to_thread(_document, body)
    except InvalidPackage as error:
        raise Invalid(f"the body is not a JSON object: {error.message}") from None
    return dict(read.members)


_document = functools.partial(strict_json.read, max_bytes=MOST_MUTATION)


def _given(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the members of a body as arguments; null stands for nothing."""
    return {
        _NAMES.get(name, name): value
        for name, value in body.items()
        if name not in _PLACE and value is not None
    }


def _queried(request: Request) -> dict[str, Any]:
    """Return the parameters of a query as arguments; these of ours are numbers."""
    given: dict[str, Any] = _given(request.query_params)
    given.pop("channel", None)  # read with the place, as `channelId` is
    for name in given.keys() & {"limit", "seen"}:
        given[name] = envelope.count(request, name, 0)
    return given


def _named_channel(request: Request, body: Mapping[str, Any]) -> Any:
    query = request.query_params
    return body.get("channelId") or query.get("channelId") or query.get("channel")


def _session(found: Session) -> dict[str, Any]:
    return {
        "workspaceId": found.workspace,
        "channelId": found.channel,
        "version": found.version,
        "state": found.state,
        "updatedAt": found.updated_at,
        "updatedBy": found.updated_by,
        "asOf": found.as_of,
        "notes": found.notes,
    }


def _fact(fact: Fact) -> dict[str, Any]:
    return {
        "category": fact.category,
        "key": fact.key,
        "value": fact.value,
        "confidence": fact.confidence,
        "channelId": fact.channel,
        "rememberedAt": fact.remembered_at,
        "rememberedBy": fact.remembered_by,
        "note": fact.note,
    }
