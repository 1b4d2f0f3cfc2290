"""The event log: appending inside somebody's transaction, and reading on from a position."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import RowMapping, bindparam, func, insert, select

from registry_core.events import Draft, Event
from registry_core.events.kinds import EventKind
from registry_core.schema import events

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection

    from registry_core.database import Database


_NEXT_VERSION = (
    select(func.coalesce(func.max(events.c.version), 0) + 1)
    .where(
        events.c.workspace == bindparam("in_workspace"), events.c.channel == bindparam("in_channel")
    )
    .scalar_subquery()
)
# Built once: putting a statement together costs more than running it.
_APPEND = insert(events).values(version=_NEXT_VERSION).returning(events.c.id)


class EventLog:
    """The log in the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def append(self, connection: AsyncConnection, draft: Draft, at: datetime) -> int:
        """Write an event in the caller's transaction and return its id."""
        row: dict[str, Any] = {
            "in_workspace": draft.workspace,
            "in_channel": draft.channel,
            "at": at,
            "kind": draft.kind.value,
            "actor": draft.actor,
            "workspace": draft.workspace,
            "channel": draft.channel,
            "parent_id": draft.parent_id,
            "namespace": draft.namespace,
            "package": draft.package,
            "private": draft.private,
            "payload": dict(draft.payload),
        }
        written = await connection.execute(_APPEND, row)
        return int(written.scalar_one())

    async def since(self, position: int, limit: int = 200) -> Sequence[Event]:
        """Return the events after `position`, oldest first, at most `limit`."""
        statement = select(events).where(events.c.id > position).order_by(events.c.id).limit(limit)
        async with self._database.read() as connection:
            return [_event(row) for row in (await connection.execute(statement)).mappings()]

    async def head(self) -> int:
        """Return the id of the newest event, 0 where there is none."""
        async with self._database.read() as connection:
            return (await connection.execute(select(func.max(events.c.id)))).scalar() or 0


def _event(row: RowMapping) -> Event:
    return Event(**{**row, "kind": EventKind(row["kind"])})
