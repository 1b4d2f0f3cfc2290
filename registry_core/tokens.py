"""Tokens: made once, shown once, kept as a digest.

    ctxp_<43 characters>   publish, yank, and install the private packages of one namespace
    ctxr_<43 characters>   install the private packages of one namespace

The characters are 256 bits from the system's randomness in base64url. Looking one up is an
indexed search for its SHA-256, so neither the database nor its timing holds anything of the token
itself; a revocation is seen by the next look-up.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import func, insert, select, update

from registry_core.accounts import claim
from registry_core.callers import Caller, Scope
from registry_core.errors import Conflict, Invalid, NotFound, Unauthenticated
from registry_core.events import Draft
from registry_core.events.kinds import EventKind
from registry_core.names import shown
from registry_core.schema import tokens

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection

    from registry_core.events.journal import Journal

PREFIX = {Scope.PUBLISH: "ctxp_", Scope.READ: "ctxr_"}
MOST_ACTIVE = 10
"""Tokens of one namespace that are not revoked, at most."""

_TOKEN = re.compile(r"ctx[pr]_[A-Za-z0-9_-]{16,128}")


@dataclass(frozen=True, slots=True)
class Token:
    """A token without its secret."""

    id: str
    namespace: str
    scope: Scope
    label: str
    created_at: datetime
    revoked_at: datetime | None


class Tokens:
    """The tokens of one registry."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def mint(self, namespace: str, scope: Scope, label: str, by: Caller) -> tuple[str, Token]:
        """Make a token for a namespace, claiming it first where nobody has; the text comes once."""
        if not 1 <= len(label) <= 100 or not label.isprintable():
            raise Invalid("a token's label is 1 to 100 printable characters")
        text = PREFIX[scope] + secrets.token_urlsafe(32)
        token = Token(secrets.token_hex(8), namespace, scope, label, self._journal.now(), None)

        async def work(connection: AsyncConnection) -> None:
            await claim(self._journal, connection, namespace, by)
            await _refuse_one_more(connection, namespace)
            await connection.execute(
                insert(tokens).values(
                    id=token.id,
                    digest=_digest(text),
                    namespace=namespace,
                    scope=scope.value,
                    label=label,
                    created_at=token.created_at,
                )
            )
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

    async def authenticate(self, text: str) -> Caller:
        """Say who holds this token. Raises Unauthenticated where it is unknown or revoked."""
        row = None
        if _TOKEN.fullmatch(text):
            statement = select(tokens).where(
                tokens.c.digest == _digest(text), tokens.c.revoked_at.is_(None)
            )
            async with self._journal.database.read() as connection:
                row = (await connection.execute(statement)).one_or_none()
        if row is None:
            raise Unauthenticated(
                "the token is unknown or revoked", hint="Make one with `ctxmcp token create`."
            )
        return Caller(
            name=f"token:{row.id}",
            scopes=frozenset({Scope(row.scope)}),
            namespaces=frozenset({row.namespace}),
            token_id=row.id,
        )


def _digest(text: str) -> str:
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
    return Draft(
        EventKind.TOKEN_MINTED,
        by.name,
        {"token_id": token.id, "scope": token.scope.value, "label": token.label},
        namespace=token.namespace,
        private=True,
    )


def _token(row: object) -> Token:
    return Token(
        row.id,  # type: ignore[attr-defined]
        row.namespace,  # type: ignore[attr-defined]
        Scope(row.scope),  # type: ignore[attr-defined]
        row.label,  # type: ignore[attr-defined]
        row.created_at,  # type: ignore[attr-defined]
        row.revoked_at,  # type: ignore[attr-defined]
    )
