"""The web app: guards outside, dialects inside.

    size      bodies have a bound; a refusal can be read by a client that is still sending
    auth      who asks, looked up when an endpoint needs to know

An answer is always in the words of the family its path belongs to, also where the framework
refuses (no such path, wrong method) or something breaks. Nothing redirects: clients of the ctxpkg
protocol drop their token on a redirect.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from registry_core.errors import Internal, RegistryError
from transports import refusals
from transports.answers import Answers
from transports.dialects import ctxpkg, leanctx
from transports.guards.auth import Authenticate
from transports.guards.size import BodyLimit
from transports.state import Opened

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from starlette.requests import Request
    from starlette.types import Scope

    from registry_core.registry import Registry

MOST_BODY = 64 * 1024
"""Bytes of a body where no dialect has a larger limit."""

_log = logging.getLogger(__name__)


def create_app(registry: Registry) -> Starlette:
    """Make the app of an open registry; it follows the registry's log as long as it runs."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[Mapping[str, Any]]:
        answers = await Answers.open(registry.journal)
        following = asyncio.create_task(answers.follow(), name="answers")
        try:
            yield {"opened": Opened(registry, answers)}
        finally:
            following.cancel()
            with suppress(asyncio.CancelledError):
                await following

    app = Starlette(
        routes=[*ctxpkg.routes(), *leanctx.routes()],
        middleware=[
            Middleware(BodyLimit, most=_most_body, refuse=_refuse),
            Middleware(Authenticate),
        ],
        exception_handlers={
            RegistryError: _registry_error,
            HTTPException: _http_error,
            ClientDisconnect: _nobody_listens,
            Exception: _broken,
        },
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    return app


def _most_body(path: str) -> int:
    rows = (*ctxpkg.MOST_BODY, *leanctx.MOST_BODY)
    return next((most for prefix, most in rows if path.startswith(prefix)), MOST_BODY)


def _refuse(scope: Scope, error: RegistryError) -> Response:
    if refusals.status(error) >= 500:
        _log.error("%s: %s", scope["path"], error, exc_info=error)
    return _family(scope["path"])(error)


def _family(path: str) -> Callable[[RegistryError], Response]:
    return ctxpkg.refuse if path.startswith("/api/") else leanctx.refuse


async def _registry_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RegistryError)  # noqa: S101 - as registered
    return _refuse(request.scope, error)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - as registered
    return _refuse(request.scope, refusals.of_http(error))


async def _nobody_listens(request: Request, error: Exception) -> Response:
    return Response(status_code=400)


async def _broken(request: Request, defect: Exception) -> Response:
    """Answer for a defect; the framework raises it on into the server's log."""
    error = Internal("something in the registry is broken", hint="Its log says what.")
    return _family(request.scope["path"])(error)
