"""The rows of the log: committed leaves, signed checkpoints, and who cosigned them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, insert, select, tuple_

from registry_core.errors import Tampered
from registry_core.events.kinds import CHANGES
from registry_core.events.leaves import Leaf
from registry_core.schema import events, log_checkpoints, log_cosignatures, log_leaves

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Mapping, Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from registry_core.database import Database
    from registry_core.events.kinds import EventKind

_SIZE = select(func.coalesce(func.max(log_leaves.c.position) + 1, 0))
_NEWEST = select(log_checkpoints.c.note).order_by(log_checkpoints.c.size.desc()).limit(1)

_PAGE = 500


class Rows:
    """The log's rows in one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def size(self) -> int:
        """Return how many leaves are committed."""
        async with self._database.read() as connection:
            return int((await connection.execute(_SIZE)).scalar_one())

    async def leaves(self, start: int, end: int) -> Sequence[bytes]:
        """Return the leaves [start, end), as many of them as there are."""
        statement = (
            select(log_leaves.c.leaf)
            .where(log_leaves.c.position >= start, log_leaves.c.position < end)
            .order_by(log_leaves.c.position)
        )
        async with self._database.read() as connection:
            return (await connection.execute(statement)).scalars().all()

    async def about(
        self, subjects: Collection[str], kinds: Collection[EventKind]
    ) -> Mapping[str, tuple[int, Leaf]]:
        """Return the first leaf of these kinds about each subject, with its position."""
        statement = (
            select(log_leaves)
            .where(
                log_leaves.c.subject.in_(subjects),
                log_leaves.c.kind.in_([kind.value for kind in kinds]),
            )
            .order_by(log_leaves.c.position.desc())
        )
        async with self._database.read() as connection:
            rows = (await connection.execute(statement)).all()
        return {
            row.subject: (row.position, Leaf(row.leaf, row.statement or b"", row.salt or ""))
            for row in rows
        }

    async def with_events(self, start: int, end: int) -> Sequence[Any]:
        """Return the leaves [start, end) with the events that they were written with."""
        statement = (
            select(
                log_leaves,
                events.c.kind.label("event_kind"),
                *(events.c.at, events.c.payload, events.c.namespace, events.c.private),
            )
            .outerjoin(events, events.c.id == log_leaves.c.event_id)
            .where(log_leaves.c.position >= start, log_leaves.c.position < end)
            .order_by(log_leaves.c.position)
        )
        async with self._database.read() as connection:
            return (await connection.execute(statement)).all()

    async def unlogged(self) -> AsyncIterator[Any]:
        """Yield the id and kind of events that have to have a leaf and have none."""
        statement = (
            select(events.c.id, events.c.kind)
            .outerjoin(log_leaves, log_leaves.c.event_id == events.c.id)
            .where(events.c.kind.in_([kind.value for kind in CHANGES]))
            .where(log_leaves.c.position.is_(None))
            .order_by(events.c.id)
            .limit(_PAGE)
        )
        last = 0
        while True:
            async with self._database.read() as connection:
                rows = (await connection.execute(statement.where(events.c.id > last))).all()
            for row in rows:
                yield row
            if len(rows) < _PAGE:
                return
            last = rows[-1].id

    async def signed(self, last: int) -> AsyncIterator[Any]:
        """Yield the size and note of each checkpoint up to a size, the smallest first."""
        size, statement = -1, select(log_checkpoints).order_by(log_checkpoints.c.size).limit(_PAGE)
        while size < last:
            some = statement.where(log_checkpoints.c.size > size, log_checkpoints.c.size <= last)
            async with self._database.read() as connection:
                rows = (await connection.execute(some)).all()
            if not rows:
                return
            for row in rows:
                yield row
            size = rows[-1].size

    async def cosigned(self) -> AsyncIterator[Any]:
        """Yield each cosignature, with the note that it is of."""
        place = tuple_(log_cosignatures.c.size, log_cosignatures.c.witness)
        statement = (
            select(log_cosignatures, log_checkpoints.c.note)
            .join(log_checkpoints, log_checkpoints.c.size == log_cosignatures.c.size)
            .order_by(log_cosignatures.c.size, log_cosignatures.c.witness)
            .limit(_PAGE)
        )
        last = (-1, "")
        while True:
            async with self._database.read() as connection:
                rows = (await connection.execute(statement.where(place > last))).all()
            for row in rows:
                yield row
            if len(rows) < _PAGE:
                return
            last = rows[-1].size, rows[-1].witness

    async def newest(self) -> str | None:
        """Return the largest checkpoint that was signed, as a note."""
        async with self._database.read() as connection:
            return (await connection.execute(_NEWEST)).scalar()

    async def checkpoint(self, size: int) -> str | None:
        """Return the checkpoint of a size, if one was signed."""
        statement = select(log_checkpoints.c.note).where(log_checkpoints.c.size == size)
        async with self._database.read() as connection:
            return (await connection.execute(statement)).scalar()

    async def sign(self, size: int, note: str) -> None:
        """Keep a checkpoint; once this returned, neither it nor its leaves can be lost.

        Raises Tampered where another was signed of the same size.
        """

        async def work(connection: AsyncConnection) -> str | None:
            await self._database.serialise(connection)
            same = select(log_checkpoints.c.note).where(log_checkpoints.c.size == size)
            there: str | None = (await connection.execute(same)).scalar()
            if there is None:
                await connection.execute(insert(log_checkpoints).values(size=size, note=note))
            return there

        there = await self._database.write(work, durable=True)
        if there not in {None, note}:
            raise Tampered(f"the checkpoint of {size} leaves", expected=repr(there), found=note)

    async def cosign(self, size: int, lines: Mapping[str, str]) -> None:
        """Keep the cosignature of each witness, in the place of an older one of the same size."""

        async def work(connection: AsyncConnection) -> None:
            await self._database.serialise(connection)
            for witness, line in lines.items():
                place = (log_cosignatures.c.size == size, log_cosignatures.c.witness == witness)
                await connection.execute(delete(log_cosignatures).where(*place))
                row = {"size": size, "witness": witness, "line": line}
                await connection.execute(insert(log_cosignatures).values(row))

        await self._database.write(work)

    async def cosignatures(self, size: int) -> Mapping[str, str]:
        """Return the lines by which witnesses signed a checkpoint, by the key of each."""
        statement = (
            select(log_cosignatures.c.witness, log_cosignatures.c.line)
            .where(log_cosignatures.c.size == size)
            .order_by(log_cosignatures.c.witness)
        )
        async with self._database.read() as connection:
            return {row.witness: row.line for row in await connection.execute(statement)}

    async def witnessed(self, witnesses: Collection[str]) -> int | None:
        """Return the size of the largest checkpoint that one of these witnesses signed."""
        statement = select(func.max(log_cosignatures.c.size)).where(
            log_cosignatures.c.witness.in_(witnesses)
        )
        async with self._database.read() as connection:
            found: int | None = (await connection.execute(statement)).scalar()
        return found
