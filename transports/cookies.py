"""Cookies: sessions of browsers, and which requests of a browser they count for.

A session is a token in a cookie that no script can read. Pages of other places make a browser send
it as well, so it counts for what changes something where two things are shown:

    Origin, Sec-Fetch-Site    where the browser sends them: a page of this very server
    X-CSRF-Token              an HMAC by the session, which only such a page could read

It is the native API's alone: on every other path the cookie means nothing.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.requests import Request

from registry_core.errors import Forbidden
from transports.access import read_name, read_origin
from transports.headers import SESSION, sent
from transports.state import opened

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.types import Scope

CSRF_HEADER = "X-CSRF-Token"

_PATHS = "/api/v1/"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def session(scope: Scope) -> str:
    """Return the session that a request is sent with; empty without one, and where none counts."""
    if not scope["path"].startswith(_PATHS) or b"cookie" not in sent(scope):
        return ""
    return Request(scope).cookies.get(SESSION, "")


def csrf_token(of: str) -> str:
    """Return what shows that a page of this server could read the answer to a session."""
    mac = hmac.new(of.encode(), b"ctxmcp csrf 1", hashlib.sha256).digest()
    return base64.urlsafe_b64encode(mac).rstrip(b"=").decode()


def refuse_forged(scope: Scope, by: str) -> None:
    """Raise Forbidden where a session would change something for a page of somewhere else."""
    if scope["method"] in _SAFE:
        return
    if not is_own_page(scope):
        raise Forbidden("a page of another place may not use your session")
    shown = Request(scope).headers.get(CSRF_HEADER, "")
    if not hmac.compare_digest(shown.encode(), csrf_token(by).encode()):
        raise Forbidden(
            f"a session changes nothing without its {CSRF_HEADER}",
            hint="`GET /api/v1/account` says it as csrf_token.",
        )


def is_own_page(scope: Scope) -> bool:
    """Whether a page of this server asks, or something that is no page."""
    headers = Request(scope).headers
    if headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        return False
    origin = headers.get("origin")
    if origin is None:
        return True
    # A proxy may call this server otherwise than browsers do.
    known = (headers.get("host", ""), urlsplit(_base_url(scope)).netloc)
    page = read_origin(origin)
    return page is not None and page in map(read_name, known)


def put(
    request: Request, response: Response, name: str, value: str, *, seconds: int, path: str
) -> None:
    """Give a browser a cookie that no script reads, and that no page elsewhere has it send.

    Without TLS it is sent to a loopback name alone, unless browsers come by another way.
    """
    here = read_name(request.headers.get("host", ""))
    tls = request.url.scheme == "https" or _base_url(request.scope).startswith("https:")
    secure = tls or here is None or not here.loopback
    response.set_cookie(
        name, value, max_age=seconds, path=path, secure=secure, httponly=True, samesite="lax"
    )


def _base_url(scope: Scope) -> str:
    return opened(scope).registry.base_url
