"""What csreg's answers have in common: problems, pages, ids, bodies, moments, and who may.

    { "type": "https://csreg.nexus/errors/version-conflict", "title": "Conflict", "status": 409,
      "detail": "Version 1.2.0 of @backend/code-reviewer already exists.",
      "instance": "/api/v1/skills/backend/code-reviewer/versions" }

A problem is one of the document's nine; what HTTP has beyond them (a wrong method, a registry that
is not there) is `about:blank`, as RFC 9457 has it. `hint` says what to do next, `errors` where it
is wrong.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from starlette.responses import Response

from registry_core.callers import ANONYMOUS, Scope
from registry_core.errors import (
    Forbidden,
    Invalid,
    InvalidName,
    InvalidPackage,
    NotFound,
    RegistryError,
    Rejected,
    Unauthenticated,
)
from registry_core.names import PackageName
from transports import apis, refusals
from transports.guards.auth import bearer

if TYPE_CHECKING:
    from datetime import datetime

    from starlette.requests import Request
    from starlette.types import Scope as Connection

    from registry_core.callers import Caller

TYPES = "https://csreg.nexus/errors/"
PROBLEM = "application/problem+json"

KINDS: Mapping[int, tuple[str, str]] = {
    400: ("validation-error", "Bad Request"),
    401: ("authentication-required", "Unauthorized"),
    403: ("insufficient-permissions", "Forbidden"),
    404: ("not-found", "Not Found"),
    409: ("version-conflict", "Conflict"),
    413: ("archive-too-large", "Payload Too Large"),
    422: ("manifest-invalid", "Unprocessable Entity"),
    429: ("rate-limit-exceeded", "Too Many Requests"),
    500: ("internal-error", "Internal Server Error"),
}
"""The problems of the document: by status, the end of the type's URI and the title."""

OTHERS = {
    405: "Method Not Allowed",
    408: "Request Timeout",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}
"""Titles of what HTTP has beyond them."""

STATUSES: Mapping[type[RegistryError], int] = {**refusals.STATUSES, InvalidPackage: 422}

SCOPES: Mapping[str, Scope] = {
    "read": Scope.READ,
    "write": Scope.PUSH,
    "admin": Scope.PUBLISH,
}
"""The scopes of the document, each with the one of this registry; each includes those before."""

MOST_LIMIT, USUAL_LIMIT = 100, 20

T = TypeVar("T")


def refuse(scope: Connection, error: RegistryError) -> Response:
    """Refuse a request as the document does."""
    status = refusals.status(error, STATUSES)
    if status in KINDS:
        end, title = KINDS[status]
        kind = f"{TYPES}{end}"
    else:
        kind, title = "about:blank", OTHERS.get(status, "Error")
    body: dict[str, Any] = {
        "type": kind,
        "title": title,
        "status": status,
        "detail": _sentence(error.message),
        "instance": apis.asked(scope),
    }
    body |= {"hint": error.hint} if error.hint else {}
    if isinstance(error, Rejected) and error.report is not None:
        body["errors"] = [
            {"path": finding.place, "message": finding.message, "rule": finding.rule}
            for finding in error.report.blocking
        ]
    response = refusals.response(error, status, body)
    response.headers["content-type"] = PROBLEM
    return response


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "…")) else ".")


def answer(
    document: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Answer with a JSON document, which is for its asker alone."""
    said = {"cache-control": "no-store", "x-content-type-options": "nosniff", **(headers or {})}
    return Response(refusals.encode(document), status, said, media_type="application/json")


def nothing() -> Response:
    """Answer that it is done, and that there is nothing to say."""
    return Response(status_code=204, headers={"cache-control": "no-store"})


def moment(at: datetime | None) -> str | None:
    """Write a moment as the document's kin do."""
    return f"{at:%Y-%m-%dT%H:%M:%SZ}" if at else None


# --- who asks


async def reader(request: Request) -> Caller:
    """Say who reads; a token that opens nothing is as good as none."""
    return await bearer(request.scope).reader()


async def writer(request: Request, scope: str) -> Caller:
    """Say who writes, with a token that has a scope of the document somewhere.

    Raises Unauthenticated, Forbidden.
    """
    try:
        caller = await bearer(request.scope).caller()
    except Unauthenticated as error:
        raise Unauthenticated(f"Authentication is required: {error.message}.") from None
    if caller is ANONYMOUS:
        raise Unauthenticated(
            "Authentication is required.", hint="Send `Authorization: Bearer sk_...`."
        )
    if not caller.has(SCOPES[scope]):
        raise Forbidden(f"This needs a token with the scope {scope}.")
    return caller


async def member(request: Request, scope: str) -> tuple[Caller, str]:
    """Say whose account asks, and its id. Raises Forbidden for a token that is of none."""
    caller = await writer(request, scope)
    if caller.account is None:
        raise Forbidden("This token is of a namespace and not of a user.", hint="Sign in first.")
    return caller, caller.account


def refuse_others(caller: Caller, name: PackageName, scope: str) -> None:
    """Raise Forbidden for who lacks a scope where a skill is."""
    if not caller.may(SCOPES[scope], name.namespace):
        raise Forbidden(f"You lack the role for this in @{name.namespace}: it needs {scope}.")


# --- what is asked


def name_of(request: Request) -> PackageName:
    """Read the name in a path, with or without the @ of a scope."""
    path = request.path_params
    try:
        return PackageName.parse(f"{path['scope'].removeprefix('@')}/{path['slug']}")
    except InvalidName:
        raise NotFound("There is no such skill.") from None


def limit_of(request: Request) -> int:
    """Read how many are wanted. Raises Invalid."""
    text = request.query_params.get("limit")
    if text is None:
        return USUAL_LIMIT
    if text.isascii() and text.isdecimal() and len(text) < 10 and 1 <= int(text) <= MOST_LIMIT:
        return int(text)
    raise Invalid(f"limit has to be a whole number from 1 to {MOST_LIMIT}.")


def cursor_of(request: Request, what: str) -> int | None:
    """Read the id behind which a page begins. Raises Invalid."""
    text = request.query_params.get("cursor")
    return None if text is None else number_of(what, text)


def page(items: Sequence[Mapping[str, Any]], limit: int) -> Response:
    """Answer with a page of items, of which there is one more than it holds where there are more.

    `cursor` is the id of the last item; without it there is nothing behind.
    """
    document: dict[str, Any] = {"data": items[:limit]}
    if len(items) > limit:
        document["cursor"] = items[limit - 1]["id"]
    return answer(document)


def behind(request: Request, items: Sequence[T], of: Callable[[T], str]) -> Sequence[T]:
    """Return the items behind the one that the request's cursor names. Raises Invalid."""
    cursor = request.query_params.get("cursor")
    if cursor is None:
        return items
    ids = [of(item) for item in items]
    if cursor not in ids:
        raise Invalid("cursor is not the id of an item of this list.", hint="Begin again.")
    return items[ids.index(cursor) + 1 :]


# --- ids: UUIDs of version 8 (RFC 9562), which hold the number of a record


def uuid(what: str, number: int) -> str:
    """Write the number (64 bits) of a record of some sort as a UUID."""
    high, middle, low = number >> 16, number >> 4 & 0xFFF, number & 0xF
    whole = high << 80 | 8 << 76 | middle << 64 | 2 << 62 | low << 58 | _mark(what)
    return str(UUID(int=whole))


def number_of(what: str, text: str) -> int:
    """Read it back. Raises Invalid for every other text."""
    try:
        whole = UUID(text).int
    except ValueError:
        whole = 0
    number = (whole >> 80) << 16 | (whole >> 64 & 0xFFF) << 4 | whole >> 58 & 0xF
    if uuid(what, number) != text.lower():
        raise Invalid("cursor is not the id of an item of this list.", hint="Begin again.")
    return number


def _mark(what: str) -> int:
    return int.from_bytes(hashlib.sha256(f"csreg {what}".encode()).digest()[:8], "big") >> 6
