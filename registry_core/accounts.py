"""Who owns what: namespaces."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import insert, select

from registry_core.errors import Forbidden, InvalidName
from registry_core.events import Draft
from registry_core.events.kinds import EventKind
from registry_core.names import RESERVED_NAMESPACES, parse_namespace
from registry_core.schema import namespaces

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from registry_core.callers import Caller
    from registry_core.events.journal import Journal


async def claim(journal: Journal, connection: AsyncConnection, namespace: str, by: Caller) -> None:
    """Make sure a namespace exists: the owner of the registry claims one by using it."""
    parse_namespace(namespace)
    if namespace in RESERVED_NAMESPACES:
        raise InvalidName(f"the namespace {namespace!r} is reserved", hint="Choose another.")
    if namespace in journal.claimed:
        return
    known = await connection.execute(select(namespaces).where(namespaces.c.name == namespace))
    if known.one_or_none() is not None:
        journal.claimed.add(namespace)
        return
    if not by.owner:
        raise Forbidden(f"nobody has claimed @{namespace}", hint="Ask who runs this registry.")
    await connection.execute(insert(namespaces).values(name=namespace, created_at=journal.now()))
    await journal.append(
        connection, Draft(EventKind.NAMESPACE_CLAIMED, by.name, namespace=namespace, private=True)
    )
