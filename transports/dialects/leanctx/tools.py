"""The native mirror, in the shapes of LeanCTX's HTTP contract.

    GET  /health                      ok
    GET  /v1/tools?offset=&limit=     {tools: [{name, description, input_schema}], total, ..}
    POST /v1/tools/call               {name, arguments} -> what the tool says

A tool is an operation. A call that succeeds is answered twice in one document: as the API document
has it (`content`, `isError`, `meta` at the top) and as published clients read it (`result`). One
that fails has an HTTP status and the envelope of every error here: `error` for people and
`error_code`, the contract's word for what kind of failure it is; beside them `code` and `hint`, so
that our own client raises the very error again.
"""

from __future__ import annotations

import asyncio
import functools
import time
from typing import TYPE_CHECKING, Any, TypeVar

from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

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
from registry_core.formats import MAX_ARTIFACT, strict_json
from registry_core.operations import CATALOG, invoke
from transports.dialects.leanctx import envelope
from transports.guards.auth import bearer
from transports.state import opened

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

MOST_CALL = MAX_ARTIFACT * 4 // 3 + 64 * 1024
"""Bytes of one call: a package in base64, and what is around it."""

MOST_BODY = (("/v1/tools/call", MOST_CALL),)

T = TypeVar("T")

_SMALL = 64 * 1024
PAGE = 200
MOST_PAGE = 500


def routes() -> list[Route]:
    """Return what this dialect answers."""
    return [
        Route("/v1/tools/call", call, methods=["POST"]),
        Route("/v1/tools", tools),
        Route("/health", health),
    ]


async def health(request: Request) -> Response:
    """Say that the process answers."""
    return PlainTextResponse("ok\n", headers={"cache-control": "no-store"})


async def tools(request: Request) -> Response:
    """List what can be called, by page."""
    listed = _tools()
    limit = min(envelope.count(request, "limit", PAGE), MOST_PAGE)
    offset = min(envelope.count(request, "offset", 0), len(listed))
    page = listed[offset : offset + limit]
    return envelope.document(
        {"tools": page, "total": len(listed), "offset": offset, "limit": limit}
    )


async def call(request: Request) -> Response:
    """Run one operation."""
    caller = await bearer(request.scope).caller()
    name, arguments = await _read_call(await request.body())
    started = time.perf_counter()
    try:
        if not isinstance(arguments, dict):
            raise Invalid("arguments must be an object")
        output = await invoke(opened(request.scope).registry, caller, name, arguments)
    except RegistryError as error:
        return _tool_error(error)
    took = round((time.perf_counter() - started) * 1000, 3)
    text = output.model_dump_json()
    said = {
        "content": [{"type": "text", "text": text}],
        "structuredContent": output.model_dump(mode="json"),
        "isError": False,
    }
    meta = {"duration_ms": took}
    return envelope.document({**said, "meta": meta, "result": {**said, "_meta": meta}})


@functools.cache
def _tools() -> tuple[dict[str, Any], ...]:
    return tuple(
        {
            "name": operation.name,
            "description": operation.doc,
            "input_schema": operation.input_schema("remote"),
        }
        for operation in CATALOG.values()
    )


async def _read_call(body: bytes) -> tuple[str, Any]:
    read = functools.partial(strict_json.read, max_bytes=MOST_CALL)
    try:
        members = (await _off_loop(read, body)).members
    except InvalidPackage as error:
        raise Invalid(f"the body is not a JSON object: {error.message}") from None
    name = members.get("name")
    if not isinstance(name, str):
        raise Invalid("name is missing, or no string", hint="GET /v1/tools lists the names.")
    arguments = members.get("arguments")
    return name, {} if arguments is None else arguments


async def _off_loop(read: Callable[[bytes], T], body: bytes) -> T:
    """Read a small body here, and a large one in a thread, so that others are not kept waiting."""
    return read(body) if len(body) <= _SMALL else await asyncio.to_thread(read, body)


def _tool_error(error: RegistryError) -> Response:
    """Refuse what an operation refused: all that is the call's own fault is one status."""
    if isinstance(error, Unauthenticated | Forbidden | TooLarge | Unavailable | Internal):
        return envelope.refuse(error)
    return envelope.of(error, 400, "tool_error")
