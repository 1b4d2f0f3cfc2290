"""What patch-cat's answers have in common.

{ "error": { "code": "tool_not_found", "message": "..." } }
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from registry_core.errors import (
    Conflict,
    Forbidden,
    Internal,
    Invalid,
    InvalidPackage,
    NotFound,
    RateLimited,
    RegistryError,
    Rejected,
    TooLarge,
    Unauthenticated,
    Unavailable,
)
from registry_core.formats import strict_json
from transports import refusals
from transports.refusals import HostDenied, WrongMethod

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from starlette.requests import Request
    from starlette.types import Scope

CODES: Mapping[type[RegistryError], str] = {
    Invalid: "invalid_body",
    TooLarge: "body_too_large",
    HostDenied: "host_denied",
    WrongMethod: "not_found",
    Rejected: "refused_by_checks",
    NotFound: "not_found",
    Unauthenticated: "invalid_token",
    Forbidden: "forbidden",
    Conflict: "conflict",
    RateLimited: "rate_limited",
    Unavailable: "unavailable",
    Internal: "internal_error",
    RegistryError: "internal_error",
}
STATUSES: Mapping[type[RegistryError], int] = {**refusals.STATUSES, Rejected: 400, WrongMethod: 404}


class Refused(Invalid):
    """A refusal that the document has a code for."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.word = code


def refuse(_: Scope, error: RegistryError) -> Response:
    """Refuse a request as the document does."""
    if isinstance(error, Refused):
        status, code = error.status, error.word
    else:
        status = refusals.status(error, STATUSES)
        code = next(CODES[kind] for kind in type(error).__mro__ if kind in CODES)
    return refusals.response(error, status, {"error": {"code": code, "message": str(error)}})


def answer(document: Mapping[str, Any], cache: str = "no-store") -> Response:
    """Answer with a JSON document."""
    headers = {"cache-control": cache, "x-content-type-options": "nosniff"}
    return Response(refusals.encode(document), 200, headers, media_type="application/json")


async def body(request: Request, most: int) -> Mapping[str, Any]:
    """Read a JSON object. Raises Refused."""
    try:
        return strict_json.read(await request.body(), max_bytes=most).members
    except InvalidPackage as error:
        raise Refused(400, "invalid_body", f"the body is no JSON object: {error.message}") from None


def moment(at: datetime) -> str:
    """Write a moment as the document does."""
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"
