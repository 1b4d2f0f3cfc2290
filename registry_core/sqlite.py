"""SQLite over aiosqlite, with one hand-over to the driver's thread for each statement.

SQLAlchemy's adapter makes four of a statement: open a cursor, execute, fetch, close. Each wakes a
thread and then the event loop, which costs more than the statement does. The results that this
program reads are small, so its cursor executes, fetches and closes at once, in the thread.
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
    from collections.abc import Callable


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
        return await self._at_once(lambda cursor: cursor.executemany(operation, seq_of_parameters))

    async def _at_once(self, statement: Callable[[sqlite3.Cursor], Any]) -> Any:
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
            outcome, rows = await connection._execute(whole)  # noqa: SLF001 - the only way in
        self._cursor = outcome
        self._rows = deque(rows)
        return outcome


class _Connection(AsyncAdapt_aiosqlite_connection):
    __slots__ = ()
    _cursor_cls = _Cursor


class _Driver(AsyncAdapt_aiosqlite_dbapi):
    def connect(self, *arg: Any, **kw: Any) -> _Connection:
        return _Connection(self, super().connect(*arg, **kw)._connection)  # noqa: SLF001


DRIVER = _Driver(aiosqlite, sqlite3)
"""For `create_async_engine(..., module=DRIVER)`."""
