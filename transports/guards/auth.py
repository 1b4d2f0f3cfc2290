"""Who sends a request: the bearer token of its `Authorization` header, looked up when asked for.

The guard refuses nothing by itself. A stale token must not lock its holder out of what is public
and must not write, so the endpoint says which of the two it needs: `caller` or `reader`. A
look-up always goes to the database, so a revoked token opens nothing from the next request on;
an endpoint whose answer is the same for everybody asks for neither.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from registry_core.callers import ANONYMOUS, Caller
from registry_core.errors import Unauthenticated
from transports.state import opened

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from registry_core.tokens import Tokens

_KEY = "ctxmcp.bearer"


class Authenticate:
    """Puts a `Bearer` into the scope of every request."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            given = [value for name, value in scope["headers"] if name == b"authorization"]
            scope[_KEY] = Bearer(opened(scope).registry.tokens, given)
        await self._app(scope, receive, send)


def bearer(scope: Scope) -> Bearer:
    """Return what the guard has put there."""
    found: Bearer = scope[_KEY]
    return found


class Bearer:
    """The credentials of one request, not yet believed."""

    def __init__(self, tokens: Tokens, given: list[bytes]) -> None:
        self._tokens = tokens
        self._given = given
        self._caller: Caller | None = None if given else ANONYMOUS

    async def caller(self) -> Caller:
        """Say who it is; anonymous without a token.

        Raises Unauthenticated where a token was sent that is malformed, unknown or revoked.
        """
        if self._caller is None:
            self._caller = await self._tokens.authenticate(self._token())
        return self._caller

    async def reader(self) -> Caller:
        """Say who it is; a token that opens nothing is as good as none."""
        try:
            return await self.caller()
        except Unauthenticated:
            return ANONYMOUS

    def _token(self) -> str:
        if len(self._given) > 1:
            raise Unauthenticated("there are two Authorization headers", hint="Send one.")
        scheme, _, token = self._given[0].decode("latin-1").partition(" ")
        if scheme.lower() != "bearer":
            raise Unauthenticated(
                "Authorization must use the Bearer scheme",
                hint="Send `Authorization: Bearer <token>`.",
            )
        return token.strip()
