"""Writing down every call without a commit per call: gathered, and committed together.

What a call changed is in its own transaction, with its own event. This is what is only noted: that
the call took place (`tool_call_recorded`), and its line in the audit log. Both are written within
`FLUSH` seconds of the call's end, in the order the calls ended. A crash may lose those last ones,
and so may closing while the database does not answer.
"""

from __future__ import annotations

import asyncio
import logging
import re
from contextlib import suppress
from typing import TYPE_CHECKING

from sqlalchemy import BigInteger, insert, literal, select

from registry_core.bulk import Bulk
from registry_core.errors import RegistryError, Unavailable
from registry_core.events import Audited
from registry_core.schema import audit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from registry_core.events import Draft
    from registry_core.events.journal import Journal

FLUSH = 0.1
"""Seconds between a call and the commit that notes it, about."""

MOST_WAITING = 10_000
"""Notes that wait for a database which does not answer; more are counted and dropped."""

_COLUMNS = Audited._fields[:-1]
_WRITE_DOWN = Bulk(insert(audit), _COLUMNS)
_NOT_TEXT = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")

_log = logging.getLogger(__name__)


class Recorder:
    """What was called and is not yet written down."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._waiting: list[tuple[Audited, Draft | None]] = []
        self._flushing: asyncio.Task[None] | None = None
        self._writing = asyncio.Lock()
        self.lost = 0
        """Notes that were dropped since the start."""

    def note(self, line: Audited, draft: Draft | None) -> None:
        """Write a line of the audit log, and an event, soon."""
        if len(self._waiting) >= MOST_WAITING:
            self.lost += 1
            return
        self._waiting.append((line, draft))
        if self._flushing is None or self._flushing.done():
            self._flushing = asyncio.create_task(self._flush_later(), name="recorder")

    async def flush(self) -> None:
        """Write down what waits, and wait for what is being written.

        Raises Unavailable where the database does not answer; what it refuses is lost.
        """
        async with self._writing:
            waiting, self._waiting = self._waiting, []
            if waiting:
                await self._write(waiting)

    async def _write(self, waiting: list[tuple[Audited, Draft | None]]) -> None:
        async def work(connection: AsyncConnection) -> None:
            drafts = [draft for _, draft in waiting if draft is not None]
            await self._journal.append_all(connection, drafts)
            await _WRITE_DOWN.run(connection, [_row(line) for line, _ in waiting])

        try:
            await self._journal.write(work, quiet=True)
        except Unavailable:
            waiting += self._waiting
            self._waiting = waiting[:MOST_WAITING]
            self.lost += len(waiting) - len(self._waiting)
            raise
        except Exception:
            self.lost += len(waiting)
            raise

    async def since(self, position: int, limit: int = 200) -> Sequence[Audited]:
        """Return lines of the audit log after `position`, oldest first."""
        await self.flush()
        statement = select(audit).where(audit.c.id > position).order_by(audit.c.id).limit(limit)
        async with self._journal.database.read() as connection:
            return [Audited(**row) for row in (await connection.execute(statement)).mappings()]

    async def latest(
        self, *, before: int = 0, token_id: str = "", denied: bool = False, limit: int = 200
    ) -> Sequence[Audited]:
        """Return lines of the audit log, newest first: those before an id, where it is given."""
        await self.flush()
        statement = select(audit).order_by(audit.c.id.desc()).limit(limit)
        if before:
            statement = statement.where(audit.c.id < literal(before, BigInteger))
        if token_id:
            statement = statement.where(audit.c.token_id == token_id)
        if denied:
            statement = statement.where(~audit.c.allowed)
        async with self._journal.database.read() as connection:
            return [Audited(**row) for row in (await connection.execute(statement)).mappings()]

    async def close(self) -> None:
        """Write down what waits, once more."""
        if self._flushing is not None:
            self._flushing.cancel()
            with suppress(asyncio.CancelledError):
                await self._flushing
        await self._try_to_flush()

    async def _flush_later(self) -> None:
        while self._waiting:
            await asyncio.sleep(FLUSH)
            # Shielded: what is being written when the registry closes is written to its end.
            if not await asyncio.shield(self._try_to_flush()):
                await asyncio.sleep(1)

    async def _try_to_flush(self) -> bool:
        try:
            await self.flush()
        except RegistryError as error:
            _log.warning("calls cannot be written down: %s (%d lost)", error, self.lost)
            return False
        return True


def _row(line: Audited) -> tuple[object, ...]:
    if _NOT_TEXT.search(line.operation):  # the caller named it
        line = line._replace(operation=_NOT_TEXT.sub("?", line.operation))
    return line[:-1]
