"""Users: who you are, and the tokens that act for you.

A token has one of the document's scopes, and those that it includes are listed with it. It is shown
once, when it is made, and can be no stronger than the one that makes it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import AwareDatetime, Field
from starlette.routing import Route

from registry_core.callers import with_included
from registry_core.errors import Forbidden, Invalid, NotFound
from registry_core.operation import Model
from registry_core.tokens import Grant
from transports import bodies
from transports.dialects.csreg.teams import user_id
from transports.dialects.csreg.words import (
    SCOPES,
    answer,
    behind,
    limit_of,
    member,
    moment,
    nothing,
    page,
    uuid,
)
from transports.state import opened

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request
    from starlette.responses import Response

    from registry_core.callers import Scope
    from registry_core.tokens import Token

ME = "/api/v1/users/me"
TOKENS = (f"{ME}/tokens", "/api/v1/tokens")
"""Where tokens are: as the document's kin have it, and as the document names them."""

BRAND = "sk"

Word = Literal["read", "write", "admin"]


class NewToken(Model):
    """A token that is to be."""

    name: str = Field(
        min_length=1, max_length=100, description="What you will recognise it by; printable."
    )
    scopes: list[Word] = Field([], max_length=3, description="The strongest counts.")
    scope: Word | None = Field(None, description="The same in one word.")
    expiresAt: AwareDatetime | None = None  # noqa: N815 - the wire's name


def routes() -> list[Route]:
    """Return what is answered here."""
    return [
        Route(ME, me, methods=["GET"]),
        *(
            route
            for path in TOKENS
            for route in (
                Route(path, tokens, methods=["GET"]),
                Route(path, create, methods=["POST"]),
                Route(f"{path}/{{id}}", revoke, methods=["DELETE"]),
            )
        ),
    ]


async def me(request: Request) -> Response:
    """Say who you are, and what your token may do."""
    caller, _ = await member(request, "read")
    handle = caller.name.removeprefix("account:")
    account = await opened(request.scope).registry.accounts.find(handle)
    return answer(
        {
            "id": user_id(account),
            "username": account.handle,
            "email": account.email,
            "displayName": account.display_name,
            "avatarUrl": account.avatar_url or None,
            "scopes": _words(caller.scopes),
            "createdAt": moment(account.created_at),
        }
    )


async def tokens(request: Request) -> Response:
    """List your tokens that are not revoked, the oldest first."""
    limit = limit_of(request)
    _, account = await member(request, "read")
    every = await opened(request.scope).registry.tokens.of_account(account)
    there = [one for one in behind(request, every, _id) if one.revoked_at is None]
    return page([_item(one) for one in there[: limit + 1]], limit)


async def create(request: Request) -> Response:
    """Make a token; it is shown this once."""
    registry, (caller, account) = opened(request.scope).registry, await member(request, "write")
    given = await bodies.read(request, NewToken)
    wanted = [*given.scopes, *([given.scope] if given.scope else [])] or ["read"]
    strongest = max(wanted, key=list(SCOPES).index)
    if not caller.has(SCOPES[strongest]):
        raise Forbidden(f"A token makes none that is stronger: {strongest}.")
    if given.expiresAt is not None and given.expiresAt <= registry.clock():
        raise Invalid("expiresAt is over.")
    grant = Grant(
        label=given.name,
        scopes=frozenset({SCOPES[strongest]}),
        namespace=caller.only,
        account=account,
        brand=BRAND,
        expires_at=given.expiresAt,
    )
    text, made = await registry.tokens.mint(grant, caller)
    return answer(_item(made) | {"token": text}, 201)


async def revoke(request: Request) -> Response:
    """Revoke a token of yours: it opens nothing from now on."""
    registry, (caller, account) = opened(request.scope).registry, await member(request, "read")
    wanted = request.path_params["id"].lower()
    every = await registry.tokens.of_account(account)
    mine = next((one for one in every if _id(one) == wanted and one.revoked_at is None), None)
    if mine is None:
        raise NotFound("You have no such token.")
    if mine.id != caller.token_id and not caller.has(SCOPES["write"]):
        raise Forbidden("A token for reading revokes no other.")
    await registry.tokens.revoke(mine.id, caller)
    return nothing()


def _item(one: Token) -> dict[str, Any]:
    return {
        "id": _id(one),
        "name": one.label,
        "scopes": _words(with_included(one.scopes)),
        "createdAt": moment(one.created_at),
        "expiresAt": moment(one.expires_at),
    }


def _id(one: Token) -> str:
    return uuid("token", int(one.id, 16))


def _words(scopes: frozenset[Scope]) -> Sequence[str]:
    return [word for word, scope in SCOPES.items() if scope in scopes]
