"""The transparency log as C2SP tlog-tiles has it: static files, the same for everybody.

    GET  /log/checkpoint             how large the log is, signed by it and by its witnesses
    GET  /log/key                    the key to verify that with
    GET  /log/keys                   the notes by which earlier keys led to this one, if any
    GET  /log/tile/<L>/<N>[.p/<W>]   hashes of the tree
    GET  /log/tile/entries/<N>[.p/<W>]    its leaves
    GET  /log/status                 what was taken back, until when that holds: a signed note
    GET  /log/standing/<day>/<SHA-256>    a part of the list that it is about
    POST /log/cosignatures           a checkpoint with cosignatures of witnesses of this log

Nothing here needs a token: what is private stands in the log as a salted digest, and a cosignature
says by itself whose it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from registry_core.transparency import handover
from registry_core.transparency.notes import MOST_BYTES
from transports import refusals
from transports.state import opened

if TYPE_CHECKING:
    from starlette.requests import Request

    from registry_core.errors import RegistryError

MOST_BODY = (("/log/", MOST_BYTES),)

FOR_EVER = "public, max-age=31536000, immutable"
SHORTLY = "public, max-age=2"


def routes() -> list[Route]:
    """Return what this dialect answers."""
    return [
        Route("/log/checkpoint", checkpoint),
        Route("/log/key", key),
        Route("/log/keys", keys),
        Route("/log/tile/{path:path}", tile),
        Route("/log/status", status),
        Route("/log/standing/{day}/{digest}", standing),
        Route("/log/cosignatures", cosign, methods=["POST"]),
    ]


def refuse(error: RegistryError) -> Response:
    """Refuse a request."""
    body = {"error": error.message, "code": error.code, "hint": error.hint}
    return refusals.response(error, refusals.status(error, refusals.STATUSES), body)


async def checkpoint(request: Request) -> Response:
    """Give the newest checkpoint of the transparency log, a signed note."""
    note = await opened(request.scope).registry.transparency.checkpoint()
    return PlainTextResponse(str(note), headers={"cache-control": SHORTLY})


async def key(request: Request) -> Response:
    """Give the key that the log's checkpoints are verified with."""
    text = opened(request.scope).registry.transparency.key
    return PlainTextResponse(f"{text}\n", headers={"cache-control": SHORTLY})


async def keys(request: Request) -> Response:
    """Give the signed notes by which earlier keys of the log led to the one in use."""
    text = handover.join(opened(request.scope).registry.transparency.handovers)
    return PlainTextResponse(text, headers={"cache-control": SHORTLY})


async def tile(request: Request) -> Response:
    """Give hashes of the log's tree, or its leaves; a path never has other content."""
    path = f"tile/{request.path_params['path']}"
    data = await opened(request.scope).registry.transparency.tile(path)
    headers = {"cache-control": FOR_EVER}
    return Response(data, headers=headers, media_type="application/octet-stream")


async def status(request: Request) -> Response:
    """Give the registry's status note, which expires: what was taken back of what was published."""
    note = await opened(request.scope).registry.transparency.status()
    return PlainTextResponse(note, headers={"cache-control": SHORTLY})


async def standing(request: Request) -> Response:
    """Give a part of the list that the status note is about; a path never has other content."""
    day, digest = request.path_params["day"], request.path_params["digest"]
    data = await opened(request.scope).registry.transparency.standing(day, digest)
    return PlainTextResponse(data, headers={"cache-control": FOR_EVER})


async def cosign(request: Request) -> Response:
    """Take in the cosignatures of a checkpoint that this log has signed."""
    accepted = await opened(request.scope).registry.transparency.cosign(await request.body())
    return Response(refusals.encode({"accepted": accepted}), media_type="application/json")
