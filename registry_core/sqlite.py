"""SQLite over aiosqlite, with as few hand-overs to the driver's thread as may be.

SQLAlchemy's adapter makes four of a statement: open a cursor, execute, fetch, close. Each wakes a
thread and then the event loop, which costs more than most statements do.

- A reader's statement is one hand-over: executed, fetched and closed at once, in the thread.
- A writer's statements are none: inside the transaction they are a few point queries and inserts
  of some ten microseconds each, and nobody else holds the lock. What may wait is still handed
  over: `BEGIN IMMEDIATE`, for another process's lock, and the commit, for the disk; and what is
  long, the insert of many rows.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiosqlite
from sqlalchemy.dialects.sqlite.aiosqlite import (
    AsyncAdapt_aiosqlite_connection,
    AsyncAdapt_aiosqlite_cursor,
    AsyncAdapt_aiosqlite_dbapi,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    _Run = Callable[[Any, Callable[[], Any]], Awaitable[Any]]


@dataclass(slots=True)
class _Outcome:
    """What is left of a cursor after its statement: what SQLAlchemy asks it for."""

    description: Any = None
    rowcount: int = -1
    lastrowid: int | None = None
    arraysize: int = 1

    def close(self) -> None:
        """Do nothing: the cursor was closed where it was used."""


class _Cursor(AsyncAdapt_aiosqlite_cursor):
    __slots__ = ()
    _awaitable_cursor_close = False

    def _make_new_cursor(self, connection: Any) -> Any:
        return _Outcome()

    def _aenter_cursor(self, cursor: Any) -> Any:
        return cursor

    async def _execute_async(self, operation: Any, parameters: Any) -> Any:
        return await self._at_once(lambda cursor: cursor.execute(operation, parameters or ()))

    async def _executemany_async(self, operation: Any, seq_of_parameters: Any) -> Any:
        return await self._at_once(
            lambda cursor: cursor.executemany(operation, seq_of_parameters), self._hand_over
        )

    async def _at_once(
        self, statement: Callable[[sqlite3.Cursor], Any], run: _Run | None = None
    ) -> Any:
        connection: Any = self._connection

        def whole() -> tuple[_Outcome, list[Any]]:
            cursor = connection._conn.cursor()  # noqa: SLF001 - we are in its thread
            try:
                statement(cursor)
                rows = cursor.fetchall() if cursor.description else []
                return _Outcome(cursor.description, cursor.rowcount, cursor.lastrowid), rows
            finally:
                cursor.close()

        async with self._adapt_connection._execute_mutex:  # noqa: SLF001 - as its base does
            outcome, rows = await (run or self._run)(connection, whole)
        self._cursor = outcome
        self._rows = deque(rows)
        return outcome

    async def _run(self, connection: Any, whole: Callable[[], Any]) -> Any:
        return await self._hand_over(connection, whole)

    async def _hand_over(self, connection: Any, whole: Callable[[], Any]) -> Any:
        return await connection._execute(whole)  # noqa: SLF001 - the only way in


class _WritingCursor(_Cursor):
    __slots__ = ()

    async def _run(self, connection: Any, whole: Callable[[], Any]) -> Any:
        if connection.in_transaction:
            return whole()
        return await super()._run(connection, whole)


class _Reader(AsyncAdapt_aiosqlite_connection):
    __slots__ = ()
    _cursor_cls = _Cursor


class _Writer(AsyncAdapt_aiosqlite_connection):
    __slots__ = ()
    _cursor_cls = _WritingCursor


class _Driver(AsyncAdapt_aiosqlite_dbapi):
    def __init__(self, made: type[AsyncAdapt_aiosqlite_connection]) -> None:
        super().__init__(aiosqlite, sqlite3)
        self._made = made

    def connect(self, *arg: Any, **kw: Any) -> AsyncAdapt_aiosqlite_connection:
        # The transaction decides who may touch the connection, not the thread that opened it.
        opened = super().connect(*arg, **(kw | {"check_same_thread": False}))
        return self._made(self, opened._connection)  # noqa: SLF001


READING = _Driver(_Reader)
WRITING = _Driver(_Writer)
"""For `create_async_engine(..., module=...)`."""
