"""Refusals: how an error of the core, or of HTTP itself, becomes a status and headers.

An error is raised where it arises, and a dialect turns it into an answer once, by a table from
classes to statuses of its own; the nearest class in the error's ancestry counts. What HTTP alone
knows of (no such path, wrong method) is an error of the same tree.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from registry_core.errors import (
    Conflict,
    Forbidden,
    Internal,
    Invalid,
    NotFound,
    RegistryError,
    Rejected,
    TooLarge,
    Unauthenticated,
    Unavailable,
    Untrusted,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

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


STATUSES: Mapping[type[RegistryError], int] = {
    Invalid: 400,
    WrongMethod: 405,
    TooLarge: 413,
    Rejected: 422,
    Untrusted: 422,
    NotFound: 404,
    Unauthenticated: 401,
    Forbidden: 403,
    Conflict: 409,
    Unavailable: 503,
    RegistryError: 500,
}
"""What is meant where a dialect does not say otherwise."""

RETRY_AFTER = 1
"""Seconds after which a registry that did not answer may be asked again."""


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
    if status_code == 503:
        headers["retry-after"] = str(RETRY_AFTER)
    return Response(encode(body), status_code, headers, media_type="application/json")


def of_http(error: HTTPException) -> RegistryError:
    """Say in an error of ours what the framework refused."""
    if error.status_code == 405:
        return WrongMethod((error.headers or {}).get("Allow", ""))
    if error.status_code == 404:
        return NotFound("nothing is at this address")
    if error.status_code < 500:
        return Invalid(str(error.detail))
    return Internal(str(error.detail))


def encode(document: Mapping[str, Any]) -> bytes:
    """Encode a document as compact JSON."""
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode()
