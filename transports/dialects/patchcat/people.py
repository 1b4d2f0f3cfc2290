"""Who contributes: signing in with GitHub through a browser, and the token of a request.

The session cookie counts before `Authorization`, also where it is stale; but not for a page of
somewhere else. A redirect leads to a listener on the user's own machine or is not followed. The
state is kept in a cookie of the browser that began, so nobody else's sign-in can end in it.
"""

from __future__ import annotations

import hmac
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from starlette.responses import RedirectResponse
from starlette.routing import Route

from registry_core.errors import Expired, Unauthenticated
from registry_core.signin import Pass, is_loopback
from transports import apis, cookies
from transports.dialects.patchcat.words import Refused, answer
from transports.state import opened

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from registry_core.callers import Caller

SIGN_IN = Pass("patchcat", "patchcat", timedelta(days=30))
SESSION, STATE = "patchcat_session", "oauth_state"
_STATE_SECONDS = 600


def routes() -> list[Route]:
    """Return what is answered here."""
    return [
        Route("/auth/github/start", start, methods=["GET"]),
        Route("/auth/github/callback", callback, methods=["GET"]),
    ]


async def start(request: Request) -> Response:
    """Begin to sign in with GitHub."""
    registry = opened(request.scope).registry
    redirect = request.query_params.get("redirect", "")
    begun = await registry.sign_in.begin(
        SIGN_IN,
        redirect_uri=apis.address(request, "/auth/github/callback", registry.base_url),
        then_to=redirect if is_loopback(redirect) else "",
    )
    response = RedirectResponse(begun.address, 302, {"cache-control": "no-store"})
    path = f"{apis.mounted(request)}/auth"
    cookies.put(request, response, STATE, begun.state, seconds=_STATE_SECONDS, path=path)
    return response


async def callback(request: Request) -> Response:
    """End signing in: GitHub sends the browser here."""
    code, state = (request.query_params.get(name, "") for name in ("code", "state"))
    if not code:
        raise Refused(400, "missing_code", "GitHub sent no code; begin again")
    known = request.cookies.get(STATE, "")
    if not known or not hmac.compare_digest(known.encode(), state.encode()):
        raise Refused(400, "invalid_state", "this browser did not begin this sign-in")
    try:
        done = await opened(request.scope).registry.sign_in.finish(SIGN_IN, state=state, code=code)
    except Expired as error:
        raise Refused(400, "invalid_state", str(error)) from None
    except Unauthenticated as error:
        raise Refused(400, "github_token_failed", str(error)) from None
    if done.then_to:
        joined = "&" if "?" in done.then_to else "?"
        address = f"{done.then_to}{joined}{urlencode({'token': done.token})}"
        response: Response = RedirectResponse(address, 302, {"cache-control": "no-store"})
    else:
        handle = done.account.handle
        response = answer({"status": "authorized", "handle": handle, "token": done.token})
    seconds = int(SIGN_IN.lifetime.total_seconds())
    cookies.put(request, response, SESSION, done.token, seconds=seconds, path="/")
    response.delete_cookie(STATE, path=f"{apis.mounted(request)}/auth")
    return response


async def contributor(request: Request) -> Caller:
    """Say who contributes. Raises Refused for anybody without a good token."""
    text = _token(request)
    try:
        return await opened(request.scope).registry.tokens.authenticate(text)
    except Unauthenticated as error:
        raise Refused(401, "invalid_token", str(error)) from None


def _token(request: Request) -> str:
    cookie = request.cookies.get(SESSION, "")
    if cookie and cookies.is_own_page(request.scope):
        return cookie
    scheme, _, text = request.headers.get("authorization", "").partition(" ")
    if scheme != "Bearer" or not text:
        raise Refused(401, "missing_token", "Sign in, or send `Authorization: Bearer <token>`.")
    return text.strip()
