"""The statements that read and write the chain of a namespace's keys.

Each works in the transaction of its caller; the rules are `registry_core.keys`. An entry is
written once and never changed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, func, insert, select

from registry_core import dsse, keys
from registry_core.errors import Conflict
from registry_core.events import Draft
from registry_core.events.kinds import EventKind
from registry_core.keys import Action, Link, Ring, Signing, Statement
from registry_core.schema import events, namespace_keys

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from registry_core.callers import Caller
    from registry_core.events.journal import Journal
    from registry_core.verification import Finding

_CHAIN = (
    select(namespace_keys)
    .where(namespace_keys.c.namespace == bindparam("of"))
    .order_by(namespace_keys.c.seq)
)
_HEAD = select(func.max(events.c.id))
_EVENTS = {
    Action.PIN: EventKind.KEY_PINNED,
    Action.ROTATE: EventKind.KEY_ROTATED,
    Action.ADD: EventKind.KEY_ADDED,
    Action.REVOKE: EventKind.KEY_REVOKED,
    Action.RECOVER: EventKind.KEY_RECOVERED,
}


async def chain(connection: AsyncConnection, namespace: str) -> Sequence[Link]:
    """Return the links of a namespace, oldest first; none where nothing was ever signed."""
    return [link_of(row) for row in await connection.execute(_CHAIN, {"of": namespace})]


async def ring(journal: Journal, connection: AsyncConnection, namespace: str) -> Ring:
    """Return the keys of a namespace as they are now."""
    return keys.fold(namespace, await chain(connection, namespace), journal.now())


async def admit(  # noqa: PLR0913 - what a release is judged by, and whose it is
    journal: Journal,
    connection: AsyncConnection,
    namespace: str,
    signing: Signing,
    judged: Sequence[Finding],
    caller: Caller,
    *,
    private: bool,
) -> None:
    """Pin the signer of a namespace's first signed release; see that of others is as judged.

    Raises Conflict where the keys have changed since the release was judged.
    """
    known = await ring(journal, connection, namespace)
    if tuple(judged) != keys.judge(known, signing):
        raise Conflict(
            f"the keys of @{namespace} changed while this was published", hint="Publish it again."
        )
    if known.keys or signing.signer is None:
        return
    pin = Statement(
        Action.PIN, namespace, 0, "", signing.signer, next=signing.next, recovery=signing.recovery
    )
    await append(journal, connection, known, pin, caller, private=private)


async def append(  # noqa: PLR0913 - a statement, and where it is written
    journal: Journal,
    connection: AsyncConnection,
    ring: Ring,
    statement: Statement,
    caller: Caller,
    *,
    envelope: dsse.Envelope | None = None,
    private: bool,
) -> Link:
    """Add a statement to the chain that ends in `ring`, with its event; raises as `keys.follow`."""
    position = await journal.append(connection, _event(statement, caller, private=private))
    link = Link(statement, position, journal.now(), envelope)
    keys.follow(ring, link)
    await connection.execute(insert(namespace_keys), _row(link))
    return link


async def head(connection: AsyncConnection) -> int:
    """Return the position of the newest event, as this transaction sees it."""
    return (await connection.execute(_HEAD)).scalar() or 0


def _event(statement: Statement, caller: Caller, *, private: bool) -> Draft:
    payload = {**statement.as_json(), "digest": statement.digest}
    return Draft(
        _EVENTS[statement.action],
        caller.name,
        payload,
        namespace=statement.namespace,
        private=private,
    )


def _row(link: Link) -> dict[str, Any]:
    return {
        "namespace": link.statement.namespace,
        "seq": link.statement.seq,
        "position": link.position,
        "at": link.at,
        "statement": link.statement.as_json(),
        "envelope": link.envelope.as_json() if link.envelope else None,
    }


def link_of(row: Any) -> Link:
    """Read a row of `namespace_keys`. Raises Invalid."""
    envelope = dsse.read(row.envelope) if row.envelope else None
    statement = keys.read(envelope) if envelope else Statement.from_json(row.statement)
    return Link(statement, row.position, row.at, envelope)
