"""A witness that logs come to: C2SP tlog-witness over HTTP.

POST /add-checkpoint    200 the cosignature, as a line of a note
400 no submission; 403 not signed by the log; 404 no log that is known
409 another tree was seen last: its size; or two trees of one size
422 another history
GET  /                  the key to verify cosignatures with
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from ctxmcp import witnessing
from registry_core.errors import (
    Conflict,
    Invalid,
    NotFound,
    RegistryError,
    Tampered,
    TooLarge,
    Unproven,
)
from registry_core.transparency.witness import MOST_BYTES, Fork, Stale

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.requests import Request

    from registry_core.transparency.notes import Signer, Verifier

_STATUSES: Mapping[type[RegistryError], int] = {
    Invalid: 400,
    TooLarge: 413,
    Tampered: 403,
    NotFound: 404,
    Conflict: 409,
    Fork: 409,
    Unproven: 422,
    RegistryError: 500,
}


def create_app(
    logs: Mapping[str, Verifier], signer: Signer, folder: Path, clock: Callable[[], int]
) -> Starlette:
    """Make the app of a witness of some logs, by their origins; it remembers in a folder."""

    async def add_checkpoint(request: Request) -> Response:
        body = await _body(request)
        line = await asyncio.to_thread(witnessing.answer, body, logs, signer, folder, clock())
        return PlainTextResponse(line)

    async def key(request: Request) -> Response:
        return PlainTextResponse(f"{signer.witness.text}\n")

    return Starlette(
        routes=[Route("/add-checkpoint", add_checkpoint, methods=["POST"]), Route("/", key)],
        exception_handlers={RegistryError: _refuse},
    )


async def _body(request: Request) -> str:
    read = bytearray()
    async for part in request.stream():
        read += part
        if len(read) > MOST_BYTES:
            raise TooLarge(f"a submission has at most {MOST_BYTES:,} bytes")
    return read.decode("utf-8", errors="replace")


async def _refuse(request: Request, error: Exception) -> Response:
    assert isinstance(error, RegistryError)  # noqa: S101 - as registered
    if isinstance(error, Stale):
        return Response(f"{error.size}\n", 409, media_type="text/x.tlog.size")
    status = next(_STATUSES[kind] for kind in type(error).__mro__ if kind in _STATUSES)
    return PlainTextResponse(f"{error.message}\n", status)
