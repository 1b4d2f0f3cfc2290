"""The event log: appending inside somebody's transaction, and reading it in many ways."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    BigInteger,
    Integer,
    RowMapping,
    Select,
    bindparam,
    func,
    insert,
    literal,
    select,
    true,
)

from registry_core.bulk import Bulk
from registry_core.events import Draft, Event
from registry_core.events.kinds import kind_of
from registry_core.events.leaves import subject_of
from registry_core.schema import events, log_leaves

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection

    from registry_core.database import Database
    from registry_core.events.kinds import EventKind
    from registry_core.events.leaves import Leaf


_NEXT_VERSION = (
    select(func.coalesce(func.max(events.c.version), 0) + 1)
    .where(
        events.c.workspace == bindparam("in_workspace"), events.c.channel == bindparam("in_channel")
    )
    .scalar_subquery()
)
# Built once: putting a statement together costs more than running it.
_INSERT = insert(events).values(version=_NEXT_VERSION)
_APPEND = _INSERT.returning(events.c.id)
_OF_DRAFT = ("actor", "workspace", "channel", "parent_id", "namespace", "package", "private")
_APPEND_ALL = Bulk(_INSERT, (*_OF_DRAFT, "in_workspace", "in_channel", "kind", "payload", "at"))
_values = attrgetter(*_OF_DRAFT, "workspace", "channel", "kind.value", "payload")
_NEXT_POSITION = select(func.coalesce(func.max(log_leaves.c.position) + 1, 0)).scalar_subquery()
_APPEND_LEAF = insert(log_leaves).values(position=_NEXT_POSITION)


class EventLog:
    """The log in the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def append(self, connection: AsyncConnection, draft: Draft, at: datetime) -> int:
        """Write an event in the caller's transaction and return its id."""
        written = await connection.execute(_APPEND, _row(draft, at))
        return int(written.scalar_one())

    async def append_all(
        self, connection: AsyncConnection, drafts: Sequence[Draft], at: datetime
    ) -> None:
        """Write events in this order, in the caller's transaction, where nobody needs their ids."""
        await _APPEND_ALL.run(connection, [(*_values(draft), at) for draft in drafts])

    async def append_leaf(
        self, connection: AsyncConnection, event_id: int, draft: Draft, leaf: Leaf
    ) -> None:
        """Write the transparency log's leaf of an event, after `Database.serialise`."""
        row = {
            "event_id": event_id,
            "kind": draft.kind.value,
            "subject": subject_of(draft)[:200],
            "leaf": leaf.data,
            "statement": leaf.statement or None,
            "salt": leaf.salt or None,
        }
        await connection.execute(_APPEND_LEAF, row)

    async def since(
        self, position: int, limit: int = 200, kinds: Collection[EventKind] | None = None
    ) -> Sequence[Event]:
        """Return the events after `position`, of these kinds or of any, oldest first."""
        statement = _after(None if kinds is None else frozenset(kinds))
        return await self._read(statement, {"position": position, "most": limit})

    async def head(self) -> int:
        """Return the id of the newest event, 0 where there is none."""
        async with self._database.read() as connection:
            return (await connection.execute(_HEAD)).scalar() or 0

    async def some(self, ids: Collection[int]) -> Sequence[Event]:
        """Return the events with these ids that there are, in the order of `ids`."""
        found = {event.id: event for event in await self._read(_all.where(events.c.id.in_(ids)))}
        return [found[number] for number in ids if number in found]

    async def newest(
        self, workspace: str, channel: str, limit: int, readable: Collection[str] | None = None
    ) -> Sequence[Event]:
        """Return the last events of a channel, oldest first.

        Private ones are among them of the `readable` namespaces alone; None is every one.
        """
        shown = true() if readable is None else ~events.c.private | events.c.namespace.in_(readable)
        statement = (
            _all.where(events.c.workspace == workspace, events.c.channel == channel, shown)
            .order_by(events.c.version.desc())
            .limit(limit)
        )
        return (await self._read(statement))[::-1]

    async def lineage(self, event_id: int, depth: int) -> Sequence[Event]:
        """Return an event and what caused it, the cause of that, and so on: child to root."""
        chain = (
            select(events.c.id, events.c.parent_id, literal(1).label("depth"))
            .where(events.c.id == literal(event_id, BigInteger))
            .cte("chain", recursive=True)
        )
        cause = (
            select(events.c.id, events.c.parent_id, chain.c.depth + 1)
            .join(chain, events.c.id == chain.c.parent_id)
            # A cause is older than its effect, whatever somebody wrote: no chain is a circle.
            .where(chain.c.depth < depth, events.c.id < chain.c.id)
        )
        whole = chain.union_all(cause)
        return await self._read(_all.join(whole, events.c.id == whole.c.id).order_by(whole.c.depth))

    async def count(
        self, after: int = 0, workspace: str | None = None, channel: str | None = None
    ) -> Sequence[Counted]:
        """Count the events after a position, everywhere or in one channel."""
        alike = (
            events.c.workspace,
            events.c.channel,
            events.c.kind,
            events.c.private,
            events.c.namespace,
        )
        statement = (
            select(*alike, func.count(), func.max(events.c.id))
            .where(events.c.id > after)
            .group_by(*alike)
        )
        if workspace is not None:
            statement = statement.where(events.c.workspace == workspace)
        if channel is not None:
            statement = statement.where(events.c.channel == channel)
        async with self._database.read() as connection:
            return [
                Counted(row[0], row[1], kind_of(row[2]), *row[3:])
                for row in await connection.execute(statement)
            ]

    async def _read(
        self, statement: Select[Any], given: Mapping[str, Any] | None = None
    ) -> Sequence[Event]:
        async with self._database.read() as connection:
            rows = await connection.execute(statement, given)
            return [_event(row) for row in rows.mappings()]


@dataclass(frozen=True, slots=True)
class Counted:
    """How many events there are that are alike in all of this; `newest` is the last one's id."""

    workspace: str
    channel: str
    kind: EventKind
    private: bool
    namespace: str | None
    events: int
    newest: int


_all = select(events)
_HEAD = select(func.max(events.c.id))


@lru_cache(maxsize=64)
def _after(kinds: frozenset[EventKind] | None) -> Select[Any]:
    """Return what reads on: every follower does it twice a second."""
    position = bindparam("position", type_=BigInteger)  # clients name any number as one
    statement = _all.where(events.c.id > position).order_by(events.c.id)
    if kinds is not None:
        statement = statement.where(events.c.kind.in_([kind.value for kind in kinds]))
    return statement.limit(bindparam("most", type_=Integer))


def _row(draft: Draft, at: datetime) -> dict[str, Any]:
    return {
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


def _event(row: RowMapping) -> Event:
    return Event(**{**row, "kind": kind_of(row["kind"])})
