"""MCP around a given server, over Streamable HTTP at `/mcp`, for both eras of the protocol.

    2026-07-28    each POST stands for itself; a stream of it ends with the client's connection
    2025-11-25    `initialize` opens a session, which has an id, a bound number and an idle time

Clients of both are served at once; a header tells which a request is of. Before the SDK sees one,
the gate says who sends it and whether that caller may: a token that lacks the scope a request
needs is told so by the status 403 and a challenge that names the scope, which is what a client
reads; the operation behind checks it again. A session belongs to the token that opened it.

Host and Origin are the business of our own guard, before every path alike. Answers may be streams,
since a body of plain JSON could carry no progress.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from starlette.requests import ClientDisconnect, Request
from starlette.routing import Route

from registry_core.errors import Forbidden, NotFound, RegistryError
from registry_core.operations import CATALOG, digest, repeat
from transports.dialects import leanctx
from transports.dialects.leanctx.workspaces import place
from transports.guards import windows
from transports.guards.auth import bearer
from transports.limits import CALLS
from transports.refusals import OriginDenied
from transports.state import opened

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from contextlib import AbstractAsyncContextManager

    from mcp.server.lowlevel import Server
    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from registry_core.callers import Caller

    Mcp = Callable[[], AbstractAsyncContextManager[ASGIApp]]
    """Opens what speaks MCP, while the app runs."""

PATH = "/mcp"
MOST_MESSAGE = 4 * 1024 * 1024
"""Bytes of one message: larger packages are published by PUT, as bytes."""

MOST_BODY = ((PATH, MOST_MESSAGE),)
MOST_SESSIONS = 1000
"""Open sessions of the older era; each holds about 40 KiB."""

IDLE = 600.0
"""Seconds without a request after which a session is forgotten."""

_SMALL = 64 * 1024
_CALLER = "ctxmcp.caller"
_OPEN = "mcp"

_OPERATIONS = {
    "resources/read": "inspect",
    "resources/subscribe": "inspect",
    "resources/directory/read": "skills",
    "skills/list": "skills",
    "skills/get": "skills",
    "subscriptions/listen": "inspect",
    "completion/complete": "search",
}
"""The operation whose scope a method needs, beside `tools/call`, which names its own."""


def routes() -> list[Route]:
    """Return the one address; it answers as long as the app's lifespan has opened an endpoint."""
    return [Route(PATH, _Mounted())]


class _Mounted:
    """Leads to the endpoint that is open."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        endpoint: ASGIApp | None = scope["state"][_OPEN]
        if endpoint is None:
            raise NotFound("nothing is at this address")
        await endpoint(scope, receive, send)


def state(endpoint: ASGIApp | None) -> Mapping[str, ASGIApp | None]:
    """Return what the app's state has to hold while the endpoint is open."""
    return {_OPEN: endpoint}


@asynccontextmanager
async def endpoint(server: Server[Any]) -> AsyncIterator[Gate]:
    """Serve sessions and single requests of an MCP server while the context is open."""
    from mcp.server.streamable_http_manager import (  # noqa: PLC0415 - a second of imports
        StreamableHTTPSessionManager,
    )
    from mcp.server.transport_security import (  # noqa: PLC0415 - as above
        TransportSecuritySettings,
    )

    manager = StreamableHTTPSessionManager(
        server,
        security_settings=TransportSecuritySettings(enable_dns_rebinding_protection=False),
        max_request_body_size=MOST_MESSAGE,
        max_sessions=MOST_SESSIONS,
        session_idle_timeout=IDLE,
    )
    async with manager.run():
        yield Gate(manager.handle_request)


def caller(request: Request) -> Caller:
    """Return who sent a request that came through the gate."""
    found: Caller = request.scope[_CALLER]
    return found


class Insufficient(Forbidden):
    """The token lacks the scope that a request needs."""

    scope = ""


def refuse(error: RegistryError) -> Response:
    """Refuse in the envelope of the contract, with the challenge that MCP clients read."""
    response = leanctx.refuse(error)
    if isinstance(error, OriginDenied):  # "If the Origin header is present and invalid, [..] 403"
        response.status_code = 403
    if response.status_code == 401:
        # No metadata is named: a client would look for an authorization server, and none is here.
        response.headers["www-authenticate"] = 'Bearer error="invalid_token"'
    if isinstance(error, Insufficient):
        challenge = f'Bearer error="insufficient_scope", scope="{error.scope}"'
        response.headers["www-authenticate"] = challenge
    return response


class Gate:
    """Lets in who is known and holds the scope, and tells the endpoint who it is."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._ending = asyncio.Event()

    def end(self) -> None:
        """Let the standing streams of sessions end, because the server stops."""
        self._ending.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            who = place(Request(scope), None, await bearer(scope).local_or_token())
            if scope["method"] == "POST":
                body = await _body(receive)
                receive = _again(body, receive)
                await _admit(scope, who, body)
        except RegistryError as error:
            await refuse(error)(scope, receive, send)
            return
        scope[_CALLER] = who
        scope["user"] = _principal(who)
        if scope["method"] == "GET":
            await self._stand(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _stand(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a stream that lasts as long as the client and the server do."""
        unfinished = False

        async def noted(message: Message) -> None:
            nonlocal unfinished
            unfinished = message.get("more_body", message["type"] == "http.response.start")
            await send(message)

        await self._app(scope, _until(self._ending, receive), noted)
        if unfinished and self._ending.is_set():
            await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _admit(scope: Scope, who: Caller, body: bytes) -> None:
    """Raise RateLimited, or Insufficient where the caller lacks a message's scope.

    What lacks a scope is written down.
    """
    asked = await _asked(body)
    if asked.is_call:
        windows.count(scope, CALLS)
    operation = CATALOG.get(asked.operation)
    if operation is None or who.has(operation.scope):
        return
    try:
        repeat(opened(scope).registry, who, asked.operation, digest(asked.arguments))
    except Forbidden as error:
        refused = Insufficient(error.message, hint=error.hint)
        refused.scope = operation.scope.value
        raise refused from None


class _Asked(NamedTuple):
    """What a message needs; nothing, where it is none."""

    operation: str = ""
    arguments: Mapping[str, Any] = {}
    is_call: bool = False
    """Whether it calls a tool."""


async def _asked(body: bytes) -> _Asked:
    message = _read(body) if len(body) <= _SMALL else await asyncio.to_thread(_read, body)
    params = message.get("params") if isinstance(message, dict) else None
    if not isinstance(message, dict) or not isinstance(params, dict | None):
        return _Asked()
    method, given = message.get("method"), params or {}
    is_call = method == "tools/call"
    if is_call:
        name, given = given.get("name"), given.get("arguments") or {}
    else:
        name = _OPERATIONS.get(method) if isinstance(method, str) else None
    if isinstance(name, str) and isinstance(given, dict):
        return _Asked(name, given, is_call)
    return _Asked(is_call=is_call)


def _read(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):  # the endpoint has the protocol's words for it
        return None


async def _body(receive: Receive) -> bytes:
    """Read all of a body; how long it may be is the size guard's business."""
    parts = []
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(parts)


def _again(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that gives the body once more, and then what comes after it."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return waiting.pop() if waiting else await receive()

    return replayed


def _until(ending: asyncio.Event, receive: Receive) -> Receive:
    """Return a `receive` to which the end of the server is the client's leaving."""

    async def received() -> Message:
        coming = asyncio.ensure_future(receive())
        end = asyncio.ensure_future(ending.wait())
        try:
            await asyncio.wait({coming, end}, return_when=asyncio.FIRST_COMPLETED)
            return coming.result() if coming.done() else {"type": "http.disconnect"}
        finally:
            coming.cancel()
            end.cancel()

    return received


def _principal(who: Caller) -> Any:
    """Return whom the SDK compares with the one who opened a session."""
    from mcp.server.auth.middleware.bearer_auth import (  # noqa: PLC0415 - imported by then
        AuthenticatedUser,
    )
    from mcp.server.auth.provider import AccessToken  # noqa: PLC0415 - as above

    return AuthenticatedUser(AccessToken(token="", client_id=who.name, scopes=[]))
