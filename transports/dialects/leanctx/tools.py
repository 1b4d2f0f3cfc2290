"""The tools: every operation, listed and called over plain HTTP.

    GET  /v1/tools?offset=&limit=     {tools: [{name, description, input_schema}], total, ..}
    POST /v1/tools/call               {name, arguments, workspaceId, channelId} -> what it says

The toolsets that the server was started with are listed; any operation can be called, because the
list is what an agent has to read and not what it may do.

A call that succeeds is answered twice in one document: as the API document has it (`content`,
`isError`, `meta` at the top) and as published clients read it (`result`). One that fails has an
HTTP status and the envelope of every error here: `error` for people and `error_code`, the
contract's word for what kind of failure it is; beside them `code` and `hint`, so that our own
client raises the very error again.

The answer to a cacheable operation is kept for callers who see the same packages. Given again, it
says so (`cache_hit`), and the call is written down like any other.
"""

from __future__ import annotations

import asyncio
import functools
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starlette.datastructures import QueryParams
from starlette.responses import Response
from starlette.routing import Route

from registry_core.callers import Scope
from registry_core.errors import (
    Forbidden,
    Internal,
    Invalid,
    InvalidPackage,
    RegistryError,
    TooLarge,
    Unauthenticated,
    Unavailable,
)
from registry_core.events.redaction import readable_namespaces
from registry_core.formats import MAX_ARTIFACT, strict_json
from registry_core.operations import CATALOG, digest, invoke, repeat
from transports import bodies, refusals
from transports.answers import EVERYTHING, Answer
from transports.dialects.leanctx import envelope
from transports.dialects.leanctx.workspaces import place
from transports.guards.auth import bearer
from transports.state import opened

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from registry_core.callers import Caller
    from registry_core.operation import Operation
    from registry_core.registry import Registry
    from transports.state import Opened

MOST_CALL = MAX_ARTIFACT * 4 // 3 + 64 * 1024
"""Bytes of one call: a package in base64, and what is around it."""

MOST_BODY = (("/v1/tools/call", MOST_CALL),)

FRESH = 10.0
"""Seconds that an answer is kept where no event tells that it is old: of downloads."""

CHARACTERS = 4
"""Of a token, about."""

PAGE = 200
MOST_PAGE = 500

_REMEMBERED, _SMALL = 2 * 1024, 64 * 1024
"""Bytes of a body that is remembered as it was read, and of one that is read at once."""


def routes() -> list[Route]:
    """Return what this module answers."""
    return [
        Route("/v1/tools/call", call, methods=["POST"]),
        Route("/v1/tools", tools),
    ]


async def tools(request: Request) -> Response:
    """List the tools, by page."""
    await bearer(request.scope).local_or_token()
    return envelope.ready(_page(opened(request.scope).toolsets, request.scope["query_string"]))


def offered(toolsets: frozenset[str]) -> tuple[Operation[Any, Any], ...]:
    """Return the operations that are listed."""
    return tuple(operation for operation in CATALOG.values() if operation.toolset in toolsets)


@functools.cache
def described(toolsets: frozenset[str]) -> tuple[Mapping[str, Any], ...]:
    """Return the operations that are listed, as they are described."""
    return tuple(
        {
            "name": operation.name,
            "description": operation.doc,
            "input_schema": operation.input_schema("remote"),
        }
        for operation in offered(toolsets)
    )


@functools.lru_cache(maxsize=64)
def _page(toolsets: frozenset[str], query: bytes) -> bytes:
    """Encode the page that a query asks for; the tools never change while the server runs."""
    asked, listed = QueryParams(query.decode("latin-1")), described(toolsets)
    limit = min(envelope.number(asked, "limit", PAGE), MOST_PAGE)
    offset = min(envelope.number(asked, "offset", 0), len(listed))
    page = listed[offset : offset + limit]
    return refusals.encode({"tools": page, "total": len(listed), "offset": offset, "limit": limit})


async def call(request: Request) -> Response:
    """Call a tool."""
    started = time.perf_counter()
    caller = await bearer(request.scope).local_or_token()
    asked = await _read(request)
    caller = place(request, asked.members, caller)
    try:
        said, known = await _say(opened(request.scope), caller, asked)
    except RegistryError as error:
        return _tool_error(error)
    took = round((time.perf_counter() - started) * 1000)
    return envelope.ready(_twice(said.body, _meta(took, said.tokens, known=known)))


@dataclass(frozen=True, slots=True)
class _Asked:
    """The body of a call."""

    members: Mapping[str, Any]
    name: str
    arguments: Any
    """Null and nothing are none."""
    digest: str


async def _read(request: Request) -> _Asked:
    envelope.refuse_other_types(request)
    body = await bodies.whole(request)
    if len(body) <= _REMEMBERED:
        return _asked_before(body)
    if len(body) <= _SMALL:
        return _asked(body)
    return await asyncio.to_thread(_asked, body)  # so that others are not kept waiting


def _asked(body: bytes) -> _Asked:
    try:
        members = strict_json.read(body, max_bytes=MOST_CALL).members
    except InvalidPackage as error:
        raise Invalid(f"the body is not a JSON object: {error.message}") from None
    name = members.get("name")
    if not isinstance(name, str):
        raise Invalid("name is missing, or no string", hint="GET /v1/tools lists the names.")
    given = members.get("arguments")
    arguments = {} if given is None else given
    return _Asked(members, name, arguments, digest(arguments))


_asked_before = functools.lru_cache(maxsize=256)(_asked)
"""Agents ask the same again and again, byte for byte."""


async def _say(state: Opened, caller: Caller, asked: _Asked) -> tuple[Answer, bool]:
    """Return what the tool says, and whether it had been said before."""
    name = asked.name
    if not isinstance(asked.arguments, dict):
        raise Invalid("arguments must be an object")
    operation = CATALOG.get(name)
    if operation is None or not operation.cacheable:
        return await _said(state.registry, caller, asked), False
    key = ("call", name, asked.digest, _sight(caller))
    kept = await state.answers.kept(key)
    if kept is None:
        make = functools.partial(_said, state.registry, caller, asked)
        return await state.answers.made(key, about=EVERYTHING, make=make), False
    repeat(state.registry, caller, name, asked.digest)
    return kept, True


@functools.lru_cache(maxsize=1024)
def _sight(caller: Caller) -> str:
    """Name those who see what this caller sees: everything, some namespaces, the public alone."""
    readable = readable_namespaces(caller)
    if readable is None:
        return "*"
    told = "! " if caller.has(Scope.REVIEW) else ""  # of what is held, wherever it is
    return told + " ".join(f"{ns}!" if caller.is_told_of(ns) else ns for ns in sorted(readable))


async def _said(registry: Registry, caller: Caller, asked: _Asked) -> Answer:
    """Run the operation and encode what it returns: members of an object without its braces."""
    output = await invoke(
        registry, caller, asked.name, asked.arguments, arguments_sha256=asked.digest
    )
    text = output.model_dump_json()
    quoted = json.dumps(text, ensure_ascii=False)
    body = (
        f'"content":[{{"type":"text","text":{quoted}}}],"structuredContent":{text},"isError":false'
    )
    return Answer(body.encode(), (), "", FRESH, tokens=-(-len(text) // CHARACTERS))


def _meta(took: int, tokens: int, *, known: bool) -> bytes:
    """Say what the call cost; nothing is shortened here, so no tokens are saved."""
    return b'{"duration_ms":%d,"cache_hit":%b,"tokens":%d,"tokens_saved":0}' % (
        took,
        b"true" if known else b"false",
        tokens,
    )


def _twice(said: bytes, meta: bytes) -> bytes:
    """Put an answer at the top, and again into `result`."""
    return b'{%b,"meta":%b,"result":{%b,"_meta":%b}}' % (said, meta, said, meta)


def _tool_error(error: RegistryError) -> Response:
    """Refuse what an operation refused: all that is the call's own fault is one status."""
    if isinstance(error, Unauthenticated | Forbidden | TooLarge | Unavailable | Internal):
        return envelope.refuse(error)
    return envelope.of(error, 400, "tool_error")
