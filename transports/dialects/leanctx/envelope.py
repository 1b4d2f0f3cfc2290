"""What the mirror's answers have in common: the envelope of errors, JSON documents, numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from registry_core.errors import (
    ConcurrencyLimited,
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    RateLimited,
    RegistryError,
    TimedOut,
    TooLarge,
    Unauthenticated,
    Unavailable,
)
from registry_core.names import shown
from transports import refusals
from transports.headers import sent
from transports.refusals import HostDenied, TooSlow, WrongMethod

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from registry_core.callers import Caller, Scope


class InvalidArguments(Invalid):
    """A field or parameter of the request has a value that it cannot have."""

    code = "invalid_arguments"


class WrongContentType(Invalid):
    """The body is of a type that is not read here."""

    code = "unsupported_media_type"


class UnknownWorkspace(Invalid):
    """The workspace is none of those that the token opens."""

    code = "unknown_workspace"


CODES: Mapping[type[RegistryError], str] = {
    Invalid: "invalid_request",
    InvalidArguments: "invalid_arguments",
    UnknownWorkspace: "unknown_workspace",
    WrongContentType: "unsupported_media_type",
    TooLarge: "request_too_large",
    WrongMethod: "method_not_allowed",
    HostDenied: "host_denied",
    TooSlow: "request_timeout",
    NotFound: "not_found",
    Conflict: "conflict",
    Unauthenticated: "unauthorized",
    Forbidden: "scope_denied",
    Unavailable: "unavailable",
    RateLimited: "rate_limited",
    ConcurrencyLimited: "concurrency_limited",
    TimedOut: "request_timeout",
    RegistryError: "internal_error",
}
"""The contract's word for an error of the request itself."""

STATUSES: Mapping[type[RegistryError], int] = {**refusals.STATUSES, WrongContentType: 415}


def refuse(error: RegistryError) -> Response:
    """Refuse a request in the contract's envelope."""
    code = next(CODES[kind] for kind in type(error).__mro__ if kind in CODES)
    return of(error, refusals.status(error, STATUSES), code)


def of(error: RegistryError, status: int, error_code: str) -> Response:
    """Make the envelope of an error with the status and the code it has here."""
    body = {
        "error": error.message,
        "error_code": error_code,
        "code": error.code,
        "hint": error.hint,
    }
    return refusals.response(error, status, body)


def need(caller: Caller, *scopes: Scope) -> None:
    """Raise Unauthenticated or Forbidden for a caller that has none of these scopes."""
    if any(caller.has(scope) for scope in scopes):
        return
    needed = f"this needs a token with the scope {' or '.join(scopes)}"
    if caller.token_id is None:
        raise Unauthenticated(needed, hint="Make one with `ctxmcp token create`.")
    raise Forbidden(needed)


def document(members: Mapping[str, Any]) -> Response:
    """Answer with a JSON document that no cache keeps."""
    return ready(refusals.encode(members))


def ready(body: bytes) -> Response:
    """Answer with a JSON document that is encoded already."""
    return _Encoded(body)


class _Encoded(Response):
    """Sends a document with headers that are always the same, but for its length."""

    def __init__(self, body: bytes) -> None:
        self.status_code = 200
        self.background = None
        self.body = body
        self.raw_headers = [
            (b"content-type", b"application/json"),
            (b"cache-control", b"no-store"),
            (b"content-length", b"%d" % len(body)),
        ]


def refuse_other_types(request: Request) -> None:
    """Raise WrongContentType where the body does not say that it is JSON.

    A web page can send anything else to a server on its reader's machine without being asked.
    """
    sent_as = sent(request.scope).get(b"content-type", (b"",))[0]
    if sent_as == b"application/json":
        return
    given = sent_as.decode("latin-1")
    media_type = given.partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise WrongContentType(
            f"the body is {shown(media_type) if media_type else 'of no type'}, and has to be JSON",
            hint="Send `Content-Type: application/json`.",
        )


def count(request: Request, name: str, default: int) -> int:
    """Read a number from 0 on out of the query."""
    return number(request.query_params, name, default)


def number(query: Mapping[str, str], name: str, default: int) -> int:
    """Read a number from 0 on out of a query."""
    text = query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) <= 9):
        raise InvalidArguments(f"{name} is {shown(text)}, not a number from 0 on")
    return int(text)
