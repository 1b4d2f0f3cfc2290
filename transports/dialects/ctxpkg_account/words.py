"""What the answers about an account have in common, and who gets them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from registry_core.callers import ANONYMOUS, Scope
from registry_core.errors import Forbidden, Unauthenticated
from transports import refusals
from transports.guards.auth import bearer
from transports.openapi import Row

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from starlette.requests import Request

    from registry_core.callers import Caller

ACCOUNT = "/api/v1/account"

STRING: dict[str, Any] = {"type": "string"}
NULLABLE: dict[str, Any] = {"type": ["string", "null"]}
MOMENT: dict[str, Any] = {"type": "string", "format": "date-time"}
LATER: dict[str, Any] = {"type": ["string", "null"], "format": "date-time"}
ROLE: dict[str, Any] = {"enum": ["read", "write", "admin"]}


def shape(**properties: Any) -> dict[str, Any]:
    """Describe an object that has all of these members."""
    return {"type": "object", "properties": properties, "required": list(properties)}


def many(name: str, of: Mapping[str, Any]) -> dict[str, Any]:
    """Describe a list under a name."""
    return shape(**{name: {"type": "array", "items": of}})


def mine(**more: Any) -> Row:
    """Describe what only somebody who has signed in may."""
    return Row(**more, security=[{"bearerAuth": []}, {"session": []}])


GONE = mine(status=204, gives="")


async def member(request: Request, scope: Scope = Scope.READ) -> Caller:
    """Say whose account asks. Raises Unauthenticated, Forbidden."""
    caller = await bearer(request.scope).caller()
    if caller is ANONYMOUS:
        raise Unauthenticated(
            "this needs a session or a token", hint="Sign in: POST /api/v1/auth/request."
        )
    if caller.account is None:
        raise Forbidden("this token is of a namespace and not of an account", hint="Sign in first.")
    if not caller.has(scope):
        raise Forbidden(f"this needs a token with the scope {scope}")
    return caller


async def manager(request: Request) -> Caller:
    """Say whose account asks, with a token that may do everything in all that it owns."""
    caller = await member(request, Scope.PUBLISH)
    if caller.only is not None:
        raise Forbidden(f"this token is for @{caller.only} alone", hint="Use one for all you own.")
    return caller


def handle(caller: Caller) -> str:
    """Return the handle of the account that asks."""
    return caller.name.removeprefix("account:")


def answer(document: Mapping[str, Any], status: int = 200) -> Response:
    """Answer with what is for its asker alone."""
    headers = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
    return Response(refusals.encode(document), status, headers, media_type="application/json")


def nothing() -> Response:
    """Answer that it is done, and that there is nothing to say."""
    return Response(status_code=204, headers={"cache-control": "no-store"})


def moment(at: datetime) -> str:
    """Write a moment as the rest of the API does."""
    return at.isoformat().replace("+00:00", "Z")
