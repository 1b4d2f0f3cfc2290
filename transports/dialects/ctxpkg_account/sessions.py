"""Signing in with a link that comes by mail, and the session of a browser that follows.

A link is good once, for half an hour. Whatever the address, the answer is one and the same and so
is the work; whose first link it is has an account from then on.

    GET verify    signs in: the browser that has asked for the link, and whatever is no browser.
                  Another browser, or what looks into mails before they are read, sees a page
                  with a button and has not used the link.
    POST verify   what the button does
"""

from __future__ import annotations

import hashlib
import hmac
import logging
from datetime import timedelta
from html import escape
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from starlette.responses import HTMLResponse
from starlette.routing import Route

from registry_core.errors import (
    Forbidden,
    Invalid,
    InvalidPackage,
    NotFound,
    RateLimited,
    Unauthenticated,
)
from registry_core.formats import strict_json
from registry_core.signin import LINK_LIFETIME, MAILBOX, MOST_EMAIL, Pass, parse_email
from transports import cookies
from transports.dialects.ctxpkg_account.words import (
    ACCOUNT,
    MOMENT,
    NULLABLE,
    STRING,
    answer,
    handle,
    member,
    mine,
    moment,
    nothing,
    shape,
)
from transports.guards.auth import bearer
from transports.guards.windows import counts_still
from transports.headers import SESSION
from transports.limits import HOUR
from transports.openapi import Row, described_by
from transports.state import opened

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.requests import Request
    from starlette.responses import Response

    from registry_core.accounts import Account

SIGN_IN = Pass("ctxpkg", "ctxs", timedelta(days=14))

REQUEST, VERIFY = "/api/v1/auth/request", "/api/v1/auth/verify"

_ASKED = "ctxpkg_asked"
"""The cookie of a browser that has asked for a link."""

_SENT = {
    "sent": True,
    "message": "If mail can reach this address, a link is on its way. It works once, for half an"
    " hour.",
}
_MAIL = """Open this link to sign in to the registry at {where}:

{link}

It works once, for half an hour. If you did not ask for it, do nothing.
"""
_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Sign in</title>
<p>Sign in here with the link that was sent to you?</p>
<form method="post" action="{action}">
<input type="hidden" name="token" value="{token}">
<button>Sign in</button>
</form>
"""
_PAGE_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; form-action 'self'; frame-ancestors 'none'",
    "referrer-policy": "same-origin",  # a stricter one would have the form sent by nobody
    "x-content-type-options": "nosniff",
}
_ACCOUNT = {
    "handle": STRING,
    "display_name": STRING,
    "email": NULLABLE,
    "created_at": MOMENT,
}
_LINK = shape(token={**STRING, "minLength": 1})
_BEGUN = shape(account=shape(**_ACCOUNT), csrf_token=STRING)

_MOST_FIELDS = 10

_log = logging.getLogger(__name__)


def routes() -> list[Route]:
    """Return what is answered here."""
    return [
        Route(REQUEST, request_link, methods=["POST"]),
        Route(VERIFY, verify, methods=["GET"]),
        Route(VERIFY, verify_here, methods=["POST"]),
        Route("/api/v1/auth/sign-out", sign_out, methods=["POST"]),
        Route(ACCOUNT, me, methods=["GET"]),
    ]


@described_by(
    Row(
        body=shape(email={**STRING, "pattern": MAILBOX, "maxLength": MOST_EMAIL}),
        answer=shape(sent={"const": True}, message=STRING),
        security=[],
    )
)
async def request_link(request: Request) -> Response:
    """Have a link for signing in sent to a mail address."""
    email = parse_email(await _sent(request, "email"))
    state, who = opened(request.scope), bearer(request.scope)
    post, base = state.registry.post, state.registry.base_url
    if post is None and not who.local:
        raise NotFound(
            "nobody can sign in by mail here: no mail server is set",
            hint="Whoever runs the registry sets CTXMCP_SMTP_URL and CTXMCP_MAIL_FROM.",
        )
    if not counts_still(
        request.scope, f"link for {email}", state.limits.links_per_mail_per_hour, HOUR
    ):
        raise RateLimited("too many links for this address within an hour", retry_after=HOUR)
    secret = await state.registry.sign_in.begin_by_mail(SIGN_IN, email)
    where = base or f"{request.url.scheme}://{request.headers['host']}"
    link = f"{where}{VERIFY}?token={secret}"
    if post is None:
        _log.warning("sign-in link for %s: %s", email, link)
    else:
        await post.send(email, "Your link to sign in", _MAIL.format(where=where, link=link))
    response = answer(_SENT)
    seconds = int(LINK_LIFETIME.total_seconds())
    cookies.put(
        request, response, _ASKED, _mark(secret), seconds=seconds, path=VERIFY.rpartition("/")[0]
    )
    return response


@described_by(
    Row(
        query={"token": {**_LINK["properties"]["token"], "x-required": True}},
        answer=_BEGUN,
        also_gives={"text/html": STRING},
        security=[],
    )
)
async def verify(request: Request) -> Response:
    """Sign in with the link of a mail; in a browser that did not ask for it, show a button."""
    secret = request.query_params.get("token", "")
    if not secret:
        raise Invalid("the link is not whole: token is missing")
    if request.method == "HEAD" or (_is_browser(request) and not _has_asked(request, secret)):
        page = _PAGE.format(action=VERIFY, token=escape(secret))
        return HTMLResponse(page, headers=_PAGE_HEADERS)
    return await _signed_in(request, secret)


@described_by(
    Row(
        body=_LINK,
        also_takes={"application/x-www-form-urlencoded": _LINK},
        answer=_BEGUN,
        security=[],
    )
)
async def verify_here(request: Request) -> Response:
    """Sign in with the link of a mail."""
    if not cookies.is_own_page(request.scope):
        raise Forbidden("a page of another place may not sign you in")
    return await _signed_in(request, await _sent(request, "token"))


@described_by(mine(status=204, gives=""))
async def sign_out(request: Request) -> Response:
    """End the session."""
    caller = await member(request)
    if not bearer(request.scope).session or caller.token_id is None:
        raise Unauthenticated("there is no session to end", hint="A token is revoked instead.")
    await opened(request.scope).registry.tokens.revoke(caller.token_id, caller)
    response = nothing()
    cookies.put(request, response, SESSION, "", seconds=0, path="/")
    return response


@described_by(
    mine(
        answer={
            **shape(**_ACCOUNT, scopes={"type": "array", "items": STRING}),
            "description": "With csrf_token where it is a session that asks.",
        }
    )
)
async def me(request: Request) -> Response:
    """Say who I am, and what my token or session may do."""
    caller, session = await member(request), bearer(request.scope).session
    account = await opened(request.scope).registry.accounts.find(handle(caller))
    document = {**_shown(account), "scopes": sorted(caller.scopes)}
    return answer(document | ({"csrf_token": cookies.csrf_token(session)} if session else {}))


async def _signed_in(request: Request, secret: str) -> Response:
    done = await opened(request.scope).registry.sign_in.finish_by_mail(SIGN_IN, secret)
    token = cookies.csrf_token(done.token)
    response = answer({"account": _shown(done.account), "csrf_token": token})
    seconds = int(SIGN_IN.lifetime.total_seconds())
    cookies.put(request, response, SESSION, done.token, seconds=seconds, path="/")
    return response


async def _sent(request: Request, name: str) -> str:
    """Read one member of a JSON object, or of a form. Raises Invalid."""
    body = await request.body()
    sent: Mapping[str, Any]
    if body.lstrip().startswith(b"{"):  # curl says of everything that it is a form
        try:
            sent = strict_json.read(body, max_bytes=len(body)).members
        except InvalidPackage as error:
            raise Invalid(f"the body is no JSON object: {error.message}") from None
    else:
        sent = dict(_fields(body.decode(errors="replace")))
    text = sent.get(name)
    if not isinstance(text, str) or not text:
        raise Invalid(f"the body has no {name}", hint=f'Send {{"{name}": ".."}}.')
    return text


def _fields(form: str) -> Sequence[tuple[str, str]]:
    try:
        return parse_qsl(form, max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise Invalid("the form has too many fields") from None


def _is_browser(request: Request) -> bool:
    return "sec-fetch-mode" in request.headers or "text/html" in request.headers.get("accept", "")


def _has_asked(request: Request, secret: str) -> bool:
    known = request.cookies.get(_ASKED, "")
    return hmac.compare_digest(known.encode(), _mark(secret).encode())


def _mark(secret: str) -> str:
    """Return what a browser shows that has asked for a link, and that is no link."""
    return hashlib.sha256(f"asked for {secret}".encode()).hexdigest()


def _shown(account: Account) -> dict[str, Any]:
    return {
        "handle": account.handle,
        "display_name": account.display_name,
        "email": account.email,
        "created_at": moment(account.created_at),
    }
