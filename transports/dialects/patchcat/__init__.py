"""The registry API of patch-cat: tools by what they do, contributed by whoever has signed in.

Everything below /v1 may be used by pages of anywhere (CORS): nothing there is done for a caller
because of where he sits, and the session cookie counts for pages of this server alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import Response
from starlette.routing import Route

from registry_core.names import shown
from transports.apis import Api
from transports.dialects.patchcat import contributing, people, refactoring, tools
from transports.dialects.patchcat.words import Refused, refuse

if TYPE_CHECKING:
    from starlette.requests import Request

    from transports.openapi import Description

__all__ = ["API"]

_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
_PREFLIGHT = {
    "access-control-allow-methods": "GET,POST,OPTIONS",
    "access-control-allow-headers": "Content-Type,Authorization",
    "access-control-max-age": "86400",
}


async def _others(request: Request) -> Response:
    """Answer a page that asks before it asks; everything else here is nowhere."""
    if request.method == "OPTIONS":
        return Response(status_code=204, headers=_PREFLIGHT)
    path = f"/{request.path_params['path']}"
    message = f"{request.method} {shown(path, 200)[1:-1]} is not a known endpoint."
    raise Refused(404, "not_found", message)


def _describe() -> Description:
    from transports.dialects.patchcat.described import DESCRIPTION  # noqa: PLC0415 - seldom asked for

    return DESCRIPTION


API = Api(
    name="patchcat",
    routes=(
        *tools.routes(),
        *contributing.routes(),
        *refactoring.routes(),
        *people.routes(),
        Route("/{path:path}", _others, methods=_METHODS, include_in_schema=False),
    ),
    refuse=refuse,
    describe=_describe,
    most_body=(
        ("/v1/tools", contributing.MOST_BYTES),
        ("/v1/quarantine/", tools.MOST_TEXT_BYTES),
        ("/v1/refactor/", refactoring.MOST_RESULT),
    ),
    shared="/v1/",
)
