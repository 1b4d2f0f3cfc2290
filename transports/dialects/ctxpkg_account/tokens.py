"""Tokens of an account, for its programs: made here, shown once.

    ctxp_...    publishes, and with the scope `publish` yanks, in all that the account may
    ctxr_...    installs what is private or was bought

One may be for a single namespace. None is stronger than what it was made with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import AwareDatetime, Field
from starlette.routing import Route

from registry_core.callers import PACKAGE_SCOPES, Scope, with_included
from registry_core.errors import Forbidden, Invalid, NotFound
from registry_core.names import parse_namespace, shown
from registry_core.operation import Model
from registry_core.tokens import Grant
from transports import bodies
from transports.dialects.ctxpkg_account.words import (
    ACCOUNT,
    GONE,
    LATER,
    MOMENT,
    NULLABLE,
    STRING,
    answer,
    many,
    member,
    mine,
    moment,
    nothing,
    shape,
)
from transports.openapi import body_of, described_by
from transports.state import opened

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from registry_core.callers import Caller
    from registry_core.tokens import Token

TOKENS = f"{ACCOUNT}/tokens"
_TOKEN = {
    "id": STRING,
    "name": STRING,
    "scope": {"enum": ["publish", "push", "read"]},
    "namespace": NULLABLE,
    "created_at": MOMENT,
    "expires_at": LATER,
}


class NewToken(Model):
    """A token that is to be."""

    name: str = Field(
        min_length=1, max_length=100, description="What you will recognise it by; printable."
    )
    scope: Literal["publish", "push", "read"] = "read"
    namespace: str | None = Field(None, max_length=33, description="The only one it is to be for.")
    expires_at: AwareDatetime | None = None


def routes() -> list[Route]:
    """Return what is answered here."""
    return [
        Route(TOKENS, tokens, methods=["GET"]),
        Route(TOKENS, create, methods=["POST"]),
        Route(f"{TOKENS}/{{id}}", revoke, methods=["DELETE"]),
    ]


@described_by(mine(answer=many("tokens", shape(**_TOKEN))))
async def tokens(request: Request) -> Response:
    """List your tokens and sessions that are not revoked, the oldest first."""
    return answer({"tokens": [_item(one) for one in await _active(request, await member(request))]})


@described_by(mine(body=body_of(NewToken), status=201, answer=shape(**_TOKEN, token=STRING)))
async def create(request: Request) -> Response:
    """Make a token; it is shown this once."""
    registry, caller = opened(request.scope).registry, await member(request, Scope.PUSH)
    given = await bodies.read(request, NewToken)
    if given.expires_at is not None and given.expires_at <= registry.clock():
        raise Invalid("expires_at is over")
    scope = Scope(given.scope)
    if not caller.has(scope):
        raise Forbidden(f"a token makes none that is stronger: {scope}")
    grant = Grant(
        label=given.name,
        scopes=frozenset({scope}),
        namespace=_namespace(caller, scope, given.namespace),
        account=caller.account,
        expires_at=given.expires_at,
    )
    text, made = await registry.tokens.mint(grant, caller)
    return answer({**_item(made), "token": text}, 201)


@described_by(GONE)
async def revoke(request: Request) -> Response:
    """Revoke a token or a session of yours: it opens nothing from now on."""
    caller, wanted = await member(request), request.path_params["id"]
    found = next((one for one in await _active(request, caller) if one.id == wanted), None)
    if found is None:
        raise NotFound(f"you have no token {shown(wanted)}")
    if found.id != caller.token_id and not _covers(caller, found):
        raise Forbidden("a token revokes none that is stronger")
    await opened(request.scope).registry.tokens.revoke(found.id, caller)
    return nothing()


async def _active(request: Request, caller: Caller) -> list[Token]:
    every = await opened(request.scope).registry.tokens.of_account(caller.account or "")
    return [one for one in every if one.revoked_at is None]


def _covers(caller: Caller, token: Token) -> bool:
    everywhere = caller.only in {None, token.namespace}
    return everywhere and caller.has(Scope.PUSH) and with_included(token.scopes) <= caller.scopes


def _namespace(caller: Caller, scope: Scope, wanted: str | None) -> str | None:
    """Return the one namespace that a token is to be for. Raises Forbidden."""
    if wanted is None:
        return caller.only
    namespace = parse_namespace(wanted.removeprefix("@"))
    if not caller.may(Scope.READ if scope is Scope.READ else Scope.PUSH, namespace):
        raise Forbidden(f"you may not do that in @{namespace}")
    return namespace


def _item(one: Token) -> dict[str, Any]:
    return {
        "id": one.id,
        "name": one.label,
        "scope": next(scope.value for scope in Scope if scope in one.scopes & PACKAGE_SCOPES),
        "namespace": one.namespace,
        "created_at": moment(one.created_at),
        "expires_at": None if one.expires_at is None else moment(one.expires_at),
    }
