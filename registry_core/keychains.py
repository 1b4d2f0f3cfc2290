"""The key chains of a registry's namespaces: reading them, and changing them by statements.

A change is one transaction: the statement, its event, and where a key is revoked the withdrawal of
what it signed since it is compromised. Who may not publish in a namespace changes no keys of it,
and who may changes them only with the signatures that `registry_core.keys` asks for; the owner of
the registry may revoke and recover without any, which everybody can see.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from registry_core import accounts, keyring, keys
from registry_core.callers import Caller, Scope
from registry_core.errors import Forbidden, NotFound
from registry_core.keys import Action, Link, Ring, Statement

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from registry_core.dsse import Envelope
    from registry_core.events.journal import Journal
    from registry_core.packages.store import Packages


class Keychains:
    """The key chains of one registry."""

    def __init__(self, journal: Journal, packages: Packages) -> None:
        self._journal = journal
        self._packages = packages

    async def chain(self, namespace: str) -> Sequence[Link]:
        """Return the links of a namespace, oldest first, whoever may see it."""
        async with self._journal.database.read() as connection:
            return await keyring.chain(connection, namespace)

    async def ring(self, namespace: str) -> Ring:
        """Return the keys of a namespace as they are now."""
        return keys.fold(namespace, await self.chain(namespace), self._journal.now())

    async def seen_by(self, namespace: str, caller: Caller) -> Sequence[Link]:
        """Return the links of a namespace that exists for a caller. Raises NotFound."""
        known = caller.may(Scope.READ, namespace)
        if not known and not await self._packages.list(caller, namespace=namespace):
            raise NotFound(f"no namespace @{namespace}", hint="Check the spelling.")
        return await self.chain(namespace)

    async def submit(self, envelope: Envelope, caller: Caller) -> Link:
        """Add what somebody signed. Raises Invalid, Conflict, Forbidden."""
        statement = keys.read(envelope)

        def said(ring: Ring, head: int) -> Statement:
            return statement

        return await self._change(statement.namespace, caller, said, envelope)

    async def revoke(
        self, namespace: str, key: str, since: int | None, reason: str, caller: Caller
    ) -> Link:
        """Revoke a key as the owner of the registry, from a position or from now on."""
        _check_owner(caller, "revoked")

        def said(ring: Ring, head: int) -> Statement:
            position = head + 1 if since is None else since
            return _next(ring, Action.REVOKE, key=key, since=position, reason=reason)

        return await self._change(namespace, caller, said)

    async def recover(self, namespace: str, key: str, caller: Caller) -> Link:
        """Put a key in place of all others as the owner of the registry; it counts in 72 hours."""
        _check_owner(caller, "recovered")

        def said(ring: Ring, head: int) -> Statement:
            return _next(ring, Action.RECOVER, key=key)

        return await self._change(namespace, caller, said)

    async def _change(
        self,
        namespace: str,
        caller: Caller,
        said: Callable[[Ring, int], Statement],
        envelope: Envelope | None = None,
    ) -> Link:
        if not caller.may(Scope.PUBLISH, namespace):
            raise Forbidden(f"this token may not change the keys of @{namespace}")

        async def work(connection: AsyncConnection) -> Link:
            links = await keyring.chain(connection, namespace)
            if not links:
                raise NotFound(
                    f"@{namespace} has no key yet", hint="Its first signed release brings one."
                )
            ring = keys.fold(namespace, links, self._journal.now())
            link = await keyring.append(
                self._journal,
                connection,
                ring,
                said(ring, await keyring.head(connection)),
                caller,
                envelope=envelope,
                private=await accounts.is_hidden(connection, namespace),
            )
            rings = ring, keys.follow(ring, link)
            await self._withdraw(connection, rings, link.statement, caller)
            return link

        return await self._journal.write(work)

    async def _withdraw(
        self,
        connection: AsyncConnection,
        rings: tuple[Ring, Ring],
        statement: Statement,
        caller: Caller,
    ) -> None:
        """Take out of resolution what a key signed since it is compromised."""
        if statement.action is not Action.REVOKE:
            return
        since = rings[1].keys[statement.key].revoked_since
        assert since is not None  # noqa: S101 - it has just been revoked
        await self._packages.withdraw(connection, statement.key, since, rings, caller)


def _next(ring: Ring, action: Action, **members: Any) -> Statement:
    """Make the statement that follows; Invalid where a member has no place in one."""
    made = Statement(action, ring.namespace, ring.seq + 1, ring.head, **members)
    return Statement.from_json(made.as_json())


def _check_owner(caller: Caller, done: str) -> None:
    if not caller.owner:
        raise Forbidden(
            f"without a statement that is signed, keys are {done} by the owner of the registry",
            hint="Sign it with the namespace's own keys, or ask who runs this registry.",
        )
