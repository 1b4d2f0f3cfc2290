"""What the mirror's answers have in common: the envelope of errors, JSON documents, numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from registry_core.errors import (
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    RegistryError,
    TooLarge,
    Unauthenticated,
    Unavailable,
)
from registry_core.names import shown
from transports import refusals
from transports.refusals import WrongMethod

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

CODES: Mapping[type[RegistryError], str] = {
    Invalid: "invalid_request",
    TooLarge: "request_too_large",
    WrongMethod: "method_not_allowed",
    NotFound: "not_found",
    Conflict: "conflict",
    Unauthenticated: "unauthorized",
    Forbidden: "scope_denied",
    Unavailable: "unavailable",
    RegistryError: "internal_error",
}
"""The contract's word for an error of the request itself."""


def refuse(error: RegistryError) -> Response:
    """Refuse a request in the contract's envelope."""
    code = next(CODES[kind] for kind in type(error).__mro__ if kind in CODES)
    return of(error, refusals.status(error), code)


def of(error: RegistryError, status: int, error_code: str) -> Response:
    """Make the envelope of an error with the status and the code it has here."""
    body = {
        "error": error.message,
        "error_code": error_code,
        "code": error.code,
        "hint": error.hint,
    }
    return refusals.response(error, status, body)


def document(members: Mapping[str, Any]) -> Response:
    """Answer with a JSON document that no cache keeps."""
    return Response(
        refusals.encode(members),
        headers={"cache-control": "no-store"},
        media_type="application/json",
    )


def count(request: Request, name: str, default: int) -> int:
    """Read a number from 0 on out of the query."""
    text = request.query_params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) <= 9):
        raise Invalid(f"{name} is {shown(text)}, not a number from 0 on")
    return int(text)
