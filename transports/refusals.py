"""Refusals: how an error of the core, or of HTTP itself, becomes a status and headers.

An error is raised where it arises, and a dialect turns it into an answer once, by a table from
classes to statuses of its own; the nearest class in the error's ancestry counts. What HTTP alone
knows of (no such path, wrong method, a foreign Host) is an error of the same tree.

How much of a limit is left is on every answer:

    X-RateLimit-Limit      how many there are: a minute, where the path has a window for the token,
                           else at once
    X-RateLimit-Remaining  how many are left now
    X-RateLimit-Reset      in how many seconds there are as many as at first
    Retry-After            on a refusal: in how many seconds the same request may be sent again
"""

from __future__ import annotations

import json
from math import ceil
from typing import TYPE_CHECKING, Any, NamedTuple

from starlette.responses import Response

from registry_core.errors import (
    Conflict,
    Forbidden,
    Internal,
    Invalid,
    NotFound,
    RateLimited,
    RegistryError,
    Rejected,
    TimedOut,
    TooLarge,
    Unauthenticated,
    Unavailable,
    Untrusted,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from starlette.exceptions import HTTPException
    from starlette.types import Scope

    Refuse = Callable[[Scope, RegistryError], Response]
    """How a guard refuses: in the words of the family that the path belongs to."""


class WrongMethod(Invalid):
    """The path exists, and does something else; `allow` is what it takes."""

    code = "wrong_method"

    def __init__(self, allow: str) -> None:
        super().__init__("this address does not take that method", hint=f"It takes {allow}.")
        self.allow = allow


class HostDenied(Invalid):
    """A Host that this server does not answer to, or none, or two."""

    code = "host_denied"


class OriginDenied(HostDenied):
    """A web page of somewhere else makes a browser ask."""


class TooSlow(Invalid):
    """The client sends its request more slowly than anybody waits for."""

    code = "too_slow"


STATUSES: Mapping[type[RegistryError], int] = {
    Invalid: 400,
    WrongMethod: 405,
    TooSlow: 408,
    TooLarge: 413,
    Rejected: 422,
    Untrusted: 422,
    NotFound: 404,
    Unauthenticated: 401,
    Forbidden: 403,
    Conflict: 409,
    RateLimited: 429,
    TimedOut: 504,
    Unavailable: 503,
    RegistryError: 500,
}
"""What is meant where a dialect does not say otherwise."""

RETRY_AFTER = 1
"""Seconds after which a registry that did not answer, or was too busy, may be asked again."""


class Allowance(NamedTuple):
    """What one asker has left of a limit; `reset` and `wait` in seconds, no wait for who may go."""

    limit: int
    remaining: int
    reset: float
    wait: float = 0


ALLOWANCE = "ctxmcp.allowance"
"""Where the scope of a request has what is left of the limit that its headers speak of."""


def rate_headers(scope: Scope) -> list[tuple[bytes, bytes]]:
    """Return the headers that every answer to a request has; none where nothing is limited."""
    allowance: Allowance | None = scope.get(ALLOWANCE)
    if allowance is None:
        return []
    return [
        (b"x-ratelimit-limit", b"%d" % allowance.limit),
        (b"x-ratelimit-remaining", b"%d" % allowance.remaining),
        (b"x-ratelimit-reset", b"%d" % ceil(allowance.reset)),
    ]


def status(error: RegistryError, table: Mapping[type[RegistryError], int] = STATUSES) -> int:
    """Return the status of an error by the nearest of its classes in the table."""
    return next(table[kind] for kind in type(error).__mro__ if kind in table)


def response(error: RegistryError, status_code: int, body: Mapping[str, Any]) -> Response:
    """Make the JSON answer of a refusal; no cache may keep it."""
    headers = {"cache-control": "no-store"}
    if isinstance(error, WrongMethod):
        headers["allow"] = error.allow
    if status_code == 401:
        headers["www-authenticate"] = 'Bearer realm="ctxmcp"'
    if status_code in {429, 503}:
        wait = error.retry_after if isinstance(error, RateLimited) else None
        headers["retry-after"] = str(ceil(wait or RETRY_AFTER))
    return Response(encode(body), status_code, headers, media_type="application/json")


def of_http(error: HTTPException, methods: Sequence[str]) -> RegistryError:
    """Say in an error of ours what the framework refused; `methods` are what the path takes."""
    if error.status_code == 405:
        return WrongMethod(", ".join(methods))
    if error.status_code == 404:
        return NotFound("nothing is at this address")
    if error.status_code < 500:
        return Invalid(str(error.detail))
    return Internal(str(error.detail))


def encode(document: Mapping[str, Any]) -> bytes:
    """Encode a document as compact JSON."""
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode(errors="replace")  # half a character that somebody wrote breaks no answer
