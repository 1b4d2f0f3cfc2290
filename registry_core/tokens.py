"""Tokens: made once, shown once, kept as a digest.

    ctxp_<43 characters>     publish, and with the scope `publish` yank, in one namespace
    ctxr_<43 characters>     install the private packages of one namespace
    lctx_t_<43 characters>   the team server's scopes, in some workspaces or in any
    agentx_, patchcat_, sk_  an account's, in all namespaces that it publishes in, or in one: a
                             foreign client is given the prefix that it knows
    ctxs_                    the same in a browser's cookie: a session

The characters are 256 bits from the system's randomness in base64url. Looking one up is an
indexed search for its SHA-256, so neither the database nor its timing holds anything of the token
itself; a revocation is seen by the next look-up. What was found is kept for as long as nobody has
committed anything to the database.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, insert, select, update

from registry_core.accounts import Reach, claim, reach, refuse_disabled
from registry_core.callers import (
    PACKAGE_SCOPES,
    PLACE,
    PLACE_HINT,
    ROLES,
    TEAM_SCOPES,
    Caller,
    Scope,
    with_included,
)
from registry_core.errors import Conflict, Expired, Invalid, NotFound, Unauthenticated
from registry_core.events import EPOCH, Draft
from registry_core.events.kinds import EventKind
from registry_core.names import shown
from registry_core.schema import accounts, tokens

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from registry_core.events.journal import Journal

MOST_ACTIVE = 10
"""Tokens of one namespace that are not revoked, at most."""

MOST_SIGNED_IN = 20
"""Tokens with one label that an account has at most; one more ends the oldest."""

MOST_FOUND = 10_000
"""Tokens that are kept as found, at most."""

BRANDS = ("agentx", "patchcat", "sk", "ctxs")
"""What foreign clients know tokens by, and sessions of browsers."""

_TOKEN = re.compile(rf"(?:ctx[pr]|lctx_t|{'|'.join(BRANDS)})_[A-Za-z0-9_-]{{16,128}}")


@dataclass(frozen=True, slots=True)
class Grant:
    """What a new token shall open: a namespace, what an account owns, or scopes of the team server.

    `brand` is one of `BRANDS`; it changes what the token looks like and nothing else.
    """

    label: str
    scopes: frozenset[Scope]
    namespace: str | None = None
    role: str = ""
    workspaces: frozenset[str] | None = None
    account: str | None = None
    brand: str = ""
    expires_at: datetime | None = None

    @property
    def prefix(self) -> str:
        """What the token's text begins with."""
        if self.brand:
            return f"{self.brand}_"
        if self.namespace is None and self.account is None:
            return "lctx_t_"
        return "ctxr_" if self.scopes == {Scope.READ} else "ctxp_"


@dataclass(frozen=True, slots=True)
class Token(Grant):
    """A token without its secret. `scopes` are with those of its role."""

    id: str = ""
    created_at: datetime = EPOCH
    revoked_at: datetime | None = None


class Tokens:
    """The tokens of one registry."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._found: dict[str, _Held] = {}
        self._changes: int | None = None
        self._looking = asyncio.Lock()

    async def mint(self, grant: Grant, by: Caller) -> tuple[str, Token]:
        """Make a token, claiming its namespace first where nobody has; the text comes once."""
        _check(grant)
        text = grant.prefix + secrets.token_urlsafe(32)
        token = Token(
            label=grant.label,
            scopes=grant.scopes | ROLES.get(grant.role, frozenset()),
            namespace=grant.namespace,
            role=grant.role,
            workspaces=grant.workspaces,
            account=grant.account,
            expires_at=grant.expires_at,
            id=secrets.token_hex(8),
            created_at=self._journal.now(),
        )

        async def work(connection: AsyncConnection) -> None:
            if grant.namespace is not None:
                await claim(self._journal, connection, grant.namespace, by)
                await _refuse_one_more(connection, grant.namespace)
            elif grant.account is not None:
                await self._make_room(connection, grant.account, grant.label)
            await connection.execute(insert(tokens).values(_row(token, digest_of(text))))
            await self._journal.append(connection, _minted(token, by))

        await self._journal.write(work)
        return text, token

    async def revoke(self, token_id: str, by: Caller) -> Token:
        """Let a token open nothing from now on; revoking it again changes nothing."""

        async def work(connection: AsyncConnection) -> Token:
            row = (
                await connection.execute(select(tokens).where(tokens.c.id == token_id))
            ).one_or_none()
            if row is None:
                raise NotFound(f"no token {shown(token_id)}", hint="`ctxmcp token list` shows ids.")
            if row.revoked_at is None:
                await connection.execute(
                    update(tokens)
                    .where(tokens.c.id == token_id)
                    .values(revoked_at=self._journal.now())
                )
                await self._journal.append(
                    connection,
                    Draft(
                        EventKind.TOKEN_REVOKED,
                        by.name,
                        {"token_id": token_id},
                        namespace=row.namespace,
                        private=True,
                    ),
                )
            return _token(
                (await connection.execute(select(tokens).where(tokens.c.id == token_id))).one()
            )

        return await self._journal.write(work)

    async def list(self, namespace: str | None = None) -> Sequence[Token]:
        """Return the tokens of a namespace, or all, oldest first."""
        statement = select(tokens).order_by(tokens.c.created_at)
        if namespace is not None:
            statement = statement.where(tokens.c.namespace == namespace)
        async with self._journal.database.read() as connection:
            return [_token(row) for row in await connection.execute(statement)]

    async def of_account(self, account_id: str) -> Sequence[Token]:
        """Return the tokens of an account, oldest first."""
        statement = select(tokens).where(tokens.c.account_id == account_id)
        async with self._journal.database.read() as connection:
            rows = await connection.execute(statement.order_by(tokens.c.created_at))
            return [_token(row) for row in rows]

    async def authenticate(self, text: str, digest: str = "") -> Caller:
        """Say who holds this token. Raises Unauthenticated where it opens nothing.

        Who has `digest_of(text)` already says so.
        """
        held = await self._holder(text, digest or digest_of(text))
        if held.until is not None and held.until <= self._journal.now():
            raise Expired("the token has expired", hint="Sign in again, or make another.")
        return held.caller

    async def _holder(self, text: str, digest: str) -> _Held:
        changes = self._journal.database.changes()
        if changes is None:
            return await self._looked_up(text, digest)
        if changes != self._changes or len(self._found) > MOST_FOUND:
            self._found, self._changes = {}, changes
        known = self._found
        if digest not in known:
            async with self._looking:  # many requests of one holder look once
                if digest not in known:
                    known[digest] = await self._looked_up(text, digest)
        return known[digest]

    async def _looked_up(self, text: str, digest: str) -> _Held:
        row, reached = None, Reach(frozenset(), frozenset(), frozenset())
        if _TOKEN.fullmatch(text):
            statement = (
                select(tokens, accounts.c.handle, accounts.c.disabled_at)
                .outerjoin(accounts, accounts.c.id == tokens.c.account_id)
                .where(tokens.c.digest == digest, tokens.c.revoked_at.is_(None))
            )
            async with self._journal.database.read() as connection:
                row = (await connection.execute(statement)).one_or_none()
                if row is not None and row.account_id is not None:
                    refuse_disabled(row)
                    reached = await reach(connection, row.account_id)
        if row is None:
            raise Unauthenticated(
                "the token is unknown or revoked", hint="Make one with `ctxmcp token create`."
            )
        return _Held(_caller(row, reached), row.expires_at)

    async def _make_room(self, connection: AsyncConnection, account_id: str, label: str) -> None:
        """End the oldest tokens with this label: nobody signs out where a client has no way to."""
        found = await connection.execute(
            select(tokens.c.id)
            .where(tokens.c.account_id == account_id, tokens.c.label == label)
            .where(tokens.c.revoked_at.is_(None))
            .order_by(tokens.c.created_at.desc())
            .offset(MOST_SIGNED_IN - 1)
        )
        gone = list(found.scalars())
        await connection.execute(
            update(tokens).where(tokens.c.id.in_(gone)).values(revoked_at=self._journal.now())
        )


@dataclass(frozen=True, slots=True)
class _Held:
    """Who holds a token, and until when."""

    caller: Caller
    until: datetime | None


def _caller(row: Any, reached: Reach) -> Caller:
    """Make who holds a token of what stands of it, and of where its account may do what."""
    if row.account_id is None:
        name, reached = f"token:{row.id}", Reach(_only(row.namespace), frozenset(), frozenset())
    else:
        name = f"account:{row.handle}"
    everywhere = reached.manages | reached.writes | reached.reads
    only = everywhere if row.namespace is None else _only(row.namespace)
    return Caller(
        name=name,
        scopes=with_included(map(Scope, row.scopes)),
        namespaces=reached.manages & only,
        pushes=reached.writes & only,
        reads=reached.reads & only,
        token_id=row.id,
        account=row.account_id,
        only=row.namespace,
        workspaces=None if row.workspaces is None else frozenset(row.workspaces),
    )


def _only(namespace: str | None) -> frozenset[str]:
    return frozenset({namespace} if namespace else ())


def _check(grant: Grant) -> None:
    if not 1 <= len(grant.label) <= 100 or not grant.label.isprintable():
        raise Invalid("a token's name is 1 to 100 printable characters")
    if grant.role and grant.role not in ROLES:
        raise Invalid(f"unknown role {shown(grant.role)}", hint=f"Roles are {', '.join(ROLES)}.")
    if not grant.scopes and not grant.role:
        raise Invalid("a token needs a scope or a role")
    packages = grant.namespace is not None or grant.account is not None
    if packages and (grant.role or not grant.scopes <= PACKAGE_SCOPES):
        raise Invalid(
            "a token of a namespace or an account has the scopes publish, push or read alone",
            hint="Make a token without a namespace for the team server's scopes.",
        )
    if not packages and not grant.scopes <= TEAM_SCOPES:
        raise Invalid("the scopes publish, push and read need a namespace", hint="Add --namespace.")
    for workspace in grant.workspaces or ():
        if not PLACE.fullmatch(workspace):
            raise Invalid(f"{shown(workspace)} is no workspace", hint=PLACE_HINT)


def digest_of(text: str) -> str:
    """Return what is kept of a token."""
    return hashlib.sha256(text.encode()).hexdigest()


async def _refuse_one_more(connection: AsyncConnection, namespace: str) -> None:
    active = await connection.execute(
        select(func.count())
        .select_from(tokens)
        .where(tokens.c.namespace == namespace, tokens.c.revoked_at.is_(None))
    )
    if active.scalar_one() >= MOST_ACTIVE:
        raise Conflict(
            f"@{namespace} has {MOST_ACTIVE} active tokens already",
            hint="Revoke one with `ctxmcp token revoke ID`.",
        )


def _minted(token: Token, by: Caller) -> Draft:
    payload = {"token_id": token.id, "scopes": sorted(token.scopes), "label": token.label}
    return Draft(EventKind.TOKEN_MINTED, by.name, payload, namespace=token.namespace, private=True)


def _row(token: Token, digest: str) -> dict[str, Any]:
    return {
        "id": token.id,
        "digest": digest,
        "namespace": token.namespace,
        "account_id": token.account,
        "scopes": sorted(token.scopes),
        "role": token.role,
        "workspaces": None if token.workspaces is None else sorted(token.workspaces),
        "label": token.label,
        "created_at": token.created_at,
        "expires_at": token.expires_at,
    }


def _token(row: Any) -> Token:
    return Token(
        id=row.id,
        label=row.label,
        scopes=frozenset(map(Scope, row.scopes)),
        namespace=row.namespace,
        role=row.role,
        workspaces=None if row.workspaces is None else frozenset(row.workspaces),
        account=row.account_id,
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
    )
