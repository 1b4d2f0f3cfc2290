"""Who sends a request: who holds the token of its `Authorization` header, or the owner.

The header counts before the session in a browser's cookie (`transports.cookies`), and that before
the owner, who sends neither and sits at his machine.

`Authenticate` refuses nothing by itself. A stale token must not lock its holder out of what is
public and must not write, so the endpoint says what it needs: `caller`, `reader` or
`local_or_token`. What was looked up is believed until something is committed to the database, so a
revoked token opens nothing from the next request on. An endpoint whose answer is the same for
everybody asks for none.

`LoopbackOrToken` stands before what is not public: a token, or a caller at this machine where that
is enough. Whom it turns away where tools are called is written into the audit log.

For limits an asker is told apart by a digest, never by the token: `owner`, `token:<digest>` once
the token was found in the database, `unseen:<address>` before that, and `peer:<address>` without
one. So inventing tokens gives nobody a new allowance, and those who send none keep nobody from
being found who comes through the same proxy.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from ipaddress import ip_network
from typing import TYPE_CHECKING

from registry_core.callers import ANONYMOUS, OWNER, Caller
from registry_core.errors import Forbidden, RegistryError, Unauthenticated
from registry_core.events import Audited
from registry_core.tokens import digest_of
from transports import cookies
from transports.headers import sent
from transports.state import opened

if TYPE_CHECKING:
    from collections.abc import Container

    from starlette.types import ASGIApp, Receive, Scope, Send

    from transports.access import Access
    from transports.refusals import Refuse

MOST_KNOWN = 10_000
"""Tokens that are remembered as found, by their digests."""

_KEY = "ctxmcp.bearer"
_NOTHING = hashlib.sha256().hexdigest()


class Authenticate:
    """Puts a `Bearer` into the scope of every request."""

    def __init__(self, app: ASGIApp, *, access: Access) -> None:
        self._app = app
        self._access = access
        self._known = Known()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope[_KEY] = Bearer(scope, self._access, self._known)
        await self._app(scope, receive, send)


class LoopbackOrToken:
    """Turns away who has neither, below the given paths."""

    def __init__(
        self, app: ASGIApp, *, paths: Container[str], audited: Container[str], refuse: Refuse
    ) -> None:
        self._app = app
        self._paths = paths
        self._audited = audited
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] in self._paths:
            try:
                await bearer(scope).local_or_token()
            except RegistryError as error:
                self._note(scope, error)
                await self._refuse(scope, error)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _note(self, scope: Scope, error: RegistryError) -> None:
        if isinstance(error, Unauthenticated) and scope["path"] in self._audited:
            note_denied(scope, ANONYMOUS, error)


def bearer(scope: Scope) -> Bearer:
    """Return what the guard has put there."""
    found: Bearer = scope[_KEY]
    return found


def note_denied(scope: Scope, caller: Caller, error: RegistryError) -> None:
    """Write into the audit log who was turned away before an operation was reached."""
    registry = opened(scope).registry
    line = Audited(
        at=registry.clock(),
        token_id=caller.token_id,
        actor=caller.name,
        operation=scope["path"][:64],
        workspace=caller.workspace,
        channel=caller.channel,
        allowed=False,
        outcome=error.code,
        arguments_sha256=_NOTHING,
        duration_ms=0,
    )
    registry.recorder.note(line, None)


class Known:
    """Digests of tokens that were found, the latest ones."""

    def __init__(self, most: int = MOST_KNOWN) -> None:
        self._digests: OrderedDict[str, None] = OrderedDict()
        self._most = most

    def __contains__(self, digest: object) -> bool:
        return digest in self._digests

    def add(self, digest: str) -> None:
        self._digests[digest] = None
        self._digests.move_to_end(digest)
        if len(self._digests) > self._most:
            self._digests.popitem(last=False)

    def discard(self, digest: str) -> None:
        self._digests.pop(digest, None)


class Bearer:
    """The credentials of one request, not yet believed."""

    def __init__(self, scope: Scope, access: Access, known: Known) -> None:
        self._scope = scope
        self._access = access
        self._known = known
        self._given = sent(scope).get(b"authorization", ())
        self.session = "" if self._given else cookies.session(scope)
        """The token in the cookie of a browser, where that is what counts."""
        if self.session:
            self._given = [f"Bearer {self.session}".encode("latin-1", "replace")]
        self._caller: Caller | None = None if self._given else ANONYMOUS
        self._refused: Unauthenticated | None = None
        self._is_local: bool | None = None
        self._scheme, self._token = _read(self._given[0]) if len(self._given) == 1 else ("", "")
        # Of the very text that is looked up: one token is one asker.
        self._digest = digest_of(self._token) if self._token else ""
        self._token_key = ""

    async def caller(self) -> Caller:
        """Say who it is; anonymous without a token.

        Raises Unauthenticated where a token was sent that is malformed, unknown or revoked, and
        Forbidden where a session would change something for a page of somewhere else.
        """
        if self._refused is not None:
            raise self._refused
        if self._caller is None:
            self._caller = await self._looked_up()
        return self._caller

    async def reader(self) -> Caller:
        """Say who it is; a token that opens nothing is as good as none."""
        try:
            return await self.caller()
        except (Unauthenticated, Forbidden):
            return ANONYMOUS

    async def local_or_token(self) -> Caller:
        """Say who it is; without a token, the owner where the caller is at this machine.

        Raises Unauthenticated for everybody else.
        """
        if self._given:
            return await self.caller()
        if self.local:
            return OWNER
        raise Unauthenticated(
            "this needs a token",
            hint="Send `Authorization: Bearer <token>`; `ctxmcp token create` makes one.",
        )

    @property
    def key(self) -> str:
        """Whose allowance this request takes from, as far as is known without a look-up."""
        if self._given:
            return self.token_key or f"unseen:{self._network}"
        return "owner" if self.local else self.address_key

    @property
    def token_key(self) -> str:
        """The key of a token that was found before; empty for everybody else."""
        if not self._token_key and self._digest in self._known:
            self._token_key = f"token:{self._digest}"
        return self._token_key

    @property
    def account_key(self) -> str:
        """The key of the account, or of the token without one; empty before it was looked up."""
        found = self._caller
        if found is None or found.token_id is None:
            return ""
        return f"account:{found.account}" if found.account else f"token:{found.token_id}"

    @property
    def address_key(self) -> str:
        """The key of the network that asks; empty where a good token says who it is."""
        return "" if self.account_key else f"peer:{self._network}"

    async def settled_key(self) -> str:
        """Look the token up where it was not found before, and return the key."""
        if self._given and not self.token_key:
            await self.reader()
        return self.key

    async def _looked_up(self) -> Caller:
        try:
            found = await self._held()
        except Unauthenticated as error:
            self._refused, self._token_key = error, ""
            self._known.discard(self._digest)
            raise
        self._known.add(self._digest)
        if self.session:
            cookies.refuse_forged(self._scope, self.session)
        return found

    @property
    def local(self) -> bool:
        """Whether the caller is at this machine, to a server that is for it alone."""
        if self._is_local is None:
            self._is_local = self._access.is_local(self._scope)
        return self._is_local

    @property
    def _network(self) -> str:
        client = self._scope.get("client")
        return _network(client[0] if client else "")

    async def _held(self) -> Caller:
        if len(self._given) > 1:
            raise Unauthenticated("there are two Authorization headers", hint="Send one.")
        if self._scheme != "bearer":
            raise Unauthenticated(
                "Authorization must use the Bearer scheme",
                hint="Send `Authorization: Bearer <token>`.",
            )
        tokens = opened(self._scope).registry.tokens
        return await tokens.authenticate(self._token, self._digest)


def _read(given: bytes) -> tuple[str, str]:
    scheme, _, token = given.decode("latin-1").partition(" ")
    return scheme.lower(), token.strip()


def _network(address: str) -> str:
    """Return an address, of IPv6 the network that one customer has as a whole."""
    if ":" not in address:
        return address
    try:
        return str(ip_network(f"{address.partition('%')[0]}/64", strict=False))
    except ValueError:
        return address
