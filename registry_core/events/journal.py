"""The journal: the one way to change the registry. Rows and their event, one transaction.

    await journal.write(work)      # work(connection): statements, then journal.append(...)

When `write` returns, the rows and the event are committed and the followers are awake.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from registry_core.events.feed import Feed
from registry_core.events.leaves import leaf_of
from registry_core.events.log import EventLog

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection

    from registry_core.database import Database
    from registry_core.events import Draft

T = TypeVar("T")


class Journal:
    """A database, its event log, the feed of that log, and the clock."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self.database = database
        self.log = EventLog(database)
        self.feed = Feed(self.log)
        database.committed = self.feed.wake
        self.now = clock
        self.claimed: set[str] = set()
        """Namespaces seen committed: they never vanish, so nobody has to look again."""

    async def write(
        self, work: Callable[[AsyncConnection], Awaitable[T]], *, quiet: bool = False
    ) -> T:
        """Run `work` in one transaction; the followers are awake after the commit.

        A `quiet` one appends no event that stands for a change.
        """

        async def in_order(connection: AsyncConnection) -> T:
            await self.database.serialise(connection)  # ids in commit order, races decided early
            return await work(connection)

        return await self.database.write(in_order, quiet=quiet)

    async def append(self, connection: AsyncConnection, draft: Draft) -> int:
        """Write an event in the transaction of `connection`; the id is final if it commits.

        One that the transparency log has to know of becomes a leaf of it at the same time; raises
        Invalid, before anything is written, where a payload has no canonical form.
        """
        at = self.now()
        leaf = leaf_of(draft, at) if draft.kind.logged else None
        event_id = await self.log.append(connection, draft, at)
        if leaf is not None:
            await self.log.append_leaf(connection, event_id, draft, leaf)
        return event_id

    async def append_all(self, connection: AsyncConnection, drafts: Sequence[Draft]) -> None:
        """Write events in this order, in the transaction of `connection`."""
        if any(draft.kind.logged for draft in drafts):
            for draft in drafts:
                await self.append(connection, draft)
        else:
            await self.log.append_all(connection, drafts, self.now())

    async def record(self, *drafts: Draft) -> list[int]:
        """Write events that have no rows beside them, in one transaction."""

        async def work(connection: AsyncConnection) -> list[int]:
            return [await self.append(connection, draft) for draft in drafts]

        return await self.write(work)
