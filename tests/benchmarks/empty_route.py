"""An empty Starlette route, the least that a web application can be: the yardstick of HTTP."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


async def nothing(request: Request) -> Response:
    return Response()


app = Starlette(routes=[Route("/", nothing, methods=["GET", "POST"])])
