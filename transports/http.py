"""The web app: guards outside, dialects inside.

From the outside, in this order:

    addressing which of the APIs a request is for, and its path in the one spelling of it
    meter      how long an answer takes, and whether it fails
    patience   a refusal can be read by a client that is still sending; who trickles is refused
    auth       whose credentials they are, looked up when somebody needs to know
    rates      requests a second of one asker, and what is left of them on every answer
    hosts      `Host` and `Origin` are names of this server
    in flight  requests at the same time, of one asker and of all
    deadline   an answer begins in time, or the work is cancelled
    auth       a token or a loopback caller for what is not public
    size       bodies have a bound
    windows    requests a minute of one token to one path

An answer is always in the words of the family or API its path belongs to, also where the framework
refuses (no such path, wrong method) or something breaks. Nothing redirects: clients of the ctxpkg
protocol drop their token on a redirect.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager, nullcontext, suppress
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from registry_core.errors import Internal, RegistryError, TimedOut
from registry_core.events.tally import Tally
from registry_core.names import shown
from transports import mcp_http, refusals
from transports.access import Access
from transports.answers import Answers
from transports.apis import Addressing, api_of, is_shared
from transports.dialects import (
    agentx,
    csreg,
    ctxpkg,
    ctxpkg_account,
    leanctx,
    osv,
    patchcat,
    payments,
    tlog,
)
from transports.guards.auth import Authenticate, LoopbackOrToken, bearer
from transports.guards.deadline import Deadline
from transports.guards.hosts import HostCheck
from transports.guards.in_flight import InFlight
from transports.guards.patience import Patience
from transports.guards.rates import Buckets, RateLimit
from transports.guards.size import BodyLimit
from transports.guards.windows import WindowLimit
from transports.limits import Below, Limits, Whom, remembered
from transports.meter import Measured, Meter
from transports.routes import each
from transports.sse import Streams
from transports.state import Opened

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from starlette.requests import Request
    from starlette.types import Scope

    from registry_core.registry import Registry
    from transports.limits import Window
    from transports.mcp_http import Mcp

MOST_BODY = 64 * 1024
"""Bytes of a body where no dialect has a larger limit."""

MCP = Below("/mcp")
"""A call over MCP may wait for a person; its client says how long."""

CLOSED = Below("/v1", "/mcp")
"""What only a token opens, or being at this machine."""

AUDITED = Below("/v1/tools/call", "/mcp")
"""Where whoever is turned away stands in the audit log."""

APIS = (agentx.API, patchcat.API, csreg.API)
"""The foreign APIs: to add one, write a module with an `Api`, and its name here."""

_BODIES: list[tuple[str, int]] = [
    *((api.prefix + path, most) for api in APIS for path, most in api.most_body),
    *(row for dialect in (ctxpkg, leanctx, payments, tlog, mcp_http) for row in dialect.MOST_BODY),
]

_log = logging.getLogger(__name__)


def create_app(
    registry: Registry,
    access: Access = Access(),  # noqa: B008 - frozen
    limits: Limits = Limits(),  # noqa: B008 - frozen
    mcp: Mcp | None = None,
    toolsets: frozenset[str] = frozenset({"main"}),
    hosts: Mapping[str, str] = MappingProxyType({}),
) -> Starlette:
    """Make the app of an open registry; it follows the registry's log as long as it runs.

    As it is made without more, it is one for this machine alone. `hosts` says for which host names
    it speaks one foreign API, and which.
    """
    streams, meter = Streams(), Meter()

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[Mapping[str, Any]]:
        answers = await Answers.open(registry.journal)
        tally = await Tally.begin(registry.journal.log)
        following = asyncio.create_task(answers.follow(), name="answers")
        try:
            async with mcp() if mcp else nullcontext() as endpoint:
                yield {
                    "opened": Opened(registry, answers, streams, meter, tally, toolsets, limits),
                    **mcp_http.state(endpoint),
                }
        finally:
            following.cancel()
            with suppress(asyncio.CancelledError):
                await following

    native = [
        *leanctx.routes(),
        *ctxpkg.routes(),
        *ctxpkg_account.routes(),
        *osv.routes(),
        *payments.routes(),
        *tlog.routes(),
        *mcp_http.routes(),
    ]
    app = Starlette(
        routes=[*native, *(api.mount() for api in APIS)],
        middleware=[
            Middleware(Addressing, apis=APIS, native=list(each(native)), hosts=hosts),
            *_guards(access, limits, meter),
        ],
        exception_handlers={
            RegistryError: _registry_error,
            HTTPException: _http_error,
            ClientDisconnect: _nobody_listens,
            Exception: _broken,
        },
        lifespan=lifespan,
    )
    app.state.streams = streams  # whoever runs the app ends them when it stops
    app.router.redirect_slashes = False
    return app


def _guards(access: Access, limits: Limits, meter: Meter) -> list[Middleware]:
    buckets = Buckets(limits.requests_per_second, limits.burst)
    return [
        Middleware(Measured, meter=meter),
        Middleware(Patience, grace=limits.body_seconds),
        Middleware(Authenticate, access=access),
        Middleware(RateLimit, buckets=buckets, asker=bearer, closed=CLOSED, refuse=_refuse),
        Middleware(HostCheck, access=access, shared=is_shared, refuse=_refuse),
        Middleware(InFlight, crowds=limits.crowds, key=_key, refuse=_refuse),
        Middleware(Deadline, seconds=limits.timeout, exempt=MCP, refuse=_refuse),
        Middleware(LoopbackOrToken, paths=CLOSED, audited=AUDITED, refuse=_refuse),
        Middleware(BodyLimit, most=remembered(_most_body), refuse=_refuse),
        Middleware(
            WindowLimit, windows=_windows(limits), key=_window_key, look=_look, refuse=_refuse
        ),
    ]


def _key(scope: Scope) -> str:
    return bearer(scope).key


def _windows(limits: Limits) -> list[Window]:
    foreign = (window for api in APIS for window in api.windows(limits))
    return [*limits.windows, *ctxpkg_account.windows(limits), *foreign]


def _window_key(scope: Scope, whom: Whom) -> str:
    who = bearer(scope)
    keys = {Whom.ACCOUNT: who.account_key, Whom.ADDRESS: who.address_key}
    return keys.get(whom, who.token_key)


async def _look(scope: Scope) -> None:
    await bearer(scope).reader()


def _most_body(path: str) -> int:
    for prefix, most in _BODIES:
        if path.startswith(prefix):
            return most
    return MOST_BODY


def _refuse(scope: Scope, error: RegistryError) -> Response:
    path = scope["path"]
    if isinstance(error, TimedOut):
        _log.warning("%s: %s", shown(path), error)
    elif refusals.status(error) >= 500:
        _log.error("%s: %s", shown(path), error, exc_info=error)
    return _refusal(scope, error)


def _refusal(scope: Scope, error: RegistryError) -> Response:
    api, path = api_of(scope), scope["path"]
    if api is not None:
        return api.refuse(scope, error)
    if path in MCP:
        return mcp_http.refuse(error)
    if path.startswith("/log/"):
        return tlog.refuse(error)
    return ctxpkg.refuse(error) if path.startswith("/api/") else leanctx.refuse(error)


async def _registry_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RegistryError)  # noqa: S101 - as registered
    return _refuse(request.scope, error)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - as registered
    return _refuse(request.scope, refusals.of_http(error, _methods(request)))


def _methods(request: Request) -> Sequence[str]:
    """Return what the path of a request takes, by any of its routes."""
    api, path = api_of(request.scope), request.scope["path"]
    routes = each(request.app.routes) if api is None else api.routes
    path = path if api is None else path.removeprefix(api.prefix)
    taken = [route.methods or () for route in routes if route.path_regex.match(path)]
    return sorted({method for methods in taken for method in methods})


async def _nobody_listens(request: Request, error: Exception) -> Response:
    return Response(status_code=400)


async def _broken(request: Request, defect: Exception) -> Response:
    """Answer for a defect; the framework raises it on into the server's log."""
    error = Internal("something in the registry is broken", hint="Its log says what.")
    response = _refusal(request.scope, error)
    response.raw_headers.extend(refusals.rate_headers(request.scope))  # it passes no guard
    return response
