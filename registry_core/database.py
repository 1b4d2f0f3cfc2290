"""The database: opening it, reading, and writing in transactions.

This is the one place where SQLite and PostgreSQL differ.

- `read()` gives a connection for single statements, each seeing what is committed.
- `snapshot()` gives one in which several statements see the same.
- `write(work)` runs `work(connection)` in one transaction and returns what it returned, after the
  commit. On SQLite there is one writer: transactions that wait for it together share one commit,
  each in a savepoint of its own, so a failing one undoes itself alone. On PostgreSQL each has a
  connection of its own.
"""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import event, inspect, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from registry_core.errors import Internal, Unavailable
from registry_core.migrations import HEAD
from registry_core.sqlite import READING, WRITING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from sqlalchemy import Connection

T = TypeVar("T")

BUSY_TIMEOUT = 10_000
"""Milliseconds a SQLite connection waits for another process's lock."""

MOST_IN_A_COMMIT = 64
"""Transactions that may share one commit: bounds how long a reader of the answer waits."""

_APPEND_LOCK = 0x6374786D6370  # "ctxmcp": the advisory lock that orders commits of events


@dataclass(slots=True)
class _Waiting:
    work: Callable[[AsyncConnection], Awaitable[Any]]
    done: asyncio.Future[Any]
    durable: bool
    quiet: bool
    outcome: Any = None
    failed: BaseException | None = None


class Database:
    """An open database; `url` is SQLAlchemy's, for sqlite+aiosqlite or postgresql+psycopg."""

    def __init__(
        self, readers: AsyncEngine, writers: AsyncEngine, file: sqlite3.Connection | None = None
    ) -> None:
        self._readers = readers
        self._writers = writers
        self._file = file
        self._changes: int | None = None
        self._looked = False
        self._durably = writers.execution_options(durable=True)
        self.committed: Callable[[bool], None] = _nothing
        """Called after each commit, on PostgreSQL each try, with whether all in it was quiet."""
        self._queue: asyncio.Queue[_Waiting] = asyncio.Queue()
        self._writer: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, url: str) -> Database:
        """Connect, and bring the tables to the newest revision."""
        if url.startswith("sqlite"):
            writer = _sqlite_writer(url)
            file = sqlite3.connect(writer.url.database or "", timeout=0, isolation_level=None)
            database = cls(_sqlite_readers(url), writer, file)
        else:
            writers = create_async_engine(url, pool_pre_ping=True, hide_parameters=True)
            database = cls(writers.execution_options(isolation_level="AUTOCOMMIT"), writers)
        try:
            await database._migrate()
        except BaseException:
            await database.close()
            raise
        return database

    @property
    def is_sqlite(self) -> bool:
        """Whether there is one writer and one file."""
        return self._writers.dialect.name == "sqlite"

    def changes(self) -> int | None:
        """Return a number that is another one after every commit.

        It holds for one turn of the event loop: many who ask at once look at the file once, at a
        hundredth of what a query costs. None where only a query could tell.
        """
        if self._file is None:
            return None
        if not self._looked:
            self._looked = True
            self._changes = _data_version(self._file)
            asyncio.get_running_loop().call_soon(self._look_again)
        return self._changes

    def _look_again(self) -> None:
        self._looked = False

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """Give a connection in which every statement sees the newest commit."""
        with _plainly():
            async with self._readers.connect() as connection:
                yield connection

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[AsyncConnection]:
        """Give a connection in which every statement sees the same commit; not for long."""
        with _plainly():
            if not self.is_sqlite:
                again = self._writers.execution_options(isolation_level="REPEATABLE READ")
                async with again.begin() as connection:
                    yield connection
                return
            async with self._readers.connect() as connection:
                await connection.exec_driver_sql("BEGIN")
                try:
                    yield connection
                except BaseException:
                    await connection.invalidate()  # it may not go back as it is
                    raise
                await connection.exec_driver_sql("COMMIT")

    async def write(
        self,
        work: Callable[[AsyncConnection], Awaitable[T]],
        *,
        durable: bool = False,
        quiet: bool = False,
    ) -> T:
        """Run `work` in one transaction; what it raises undoes all it did and is raised here.

        A `quiet` one changes nothing that anybody keeps in memory.

        After a `durable` one a power failure takes back neither it nor anything committed before.
        On SQLite every other may be lost with the last seconds before one, though never in part.
        """
        if not self.is_sqlite:
            try:
                with _plainly():
                    async with self._writers.begin() as connection:
                        return await work(connection)
            finally:
                self.committed(quiet)
        if self._writer is None:
            self._writer = asyncio.create_task(self._write_on(), name="database writer")
        waiting = _Waiting(work, asyncio.get_running_loop().create_future(), durable, quiet)
        self._queue.put_nowait(waiting)
        result: T = await waiting.done
        return result

    async def serialise(self, connection: AsyncConnection) -> None:
        """Let no other transaction past this point until this one ended.

        Ids given out after it are in the order of the commits. SQLite's single writer has that
        by itself.
        """
        if not self.is_sqlite:
            await connection.execute(
                text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _APPEND_LOCK}
            )

    async def close(self) -> None:
        """Finish what waits to be written and disconnect."""
        if self._writer is not None:
            await self._queue.join()
            self._writer.cancel()
            with suppress(asyncio.CancelledError):
                await self._writer
        await self._writers.dispose()
        await self._readers.dispose()
        if self._file is not None:
            self._file.close()

    async def _write_on(self) -> None:
        while True:
            batch = [await self._queue.get()]
            while len(batch) < MOST_IN_A_COMMIT and not self._queue.empty():
                batch.append(self._queue.get_nowait())
            try:
                await self._commit(batch)
                self.committed(all(waiting.quiet for waiting in batch))
            except Exception as error:  # noqa: BLE001 - each waiting caller raises it
                for waiting in batch:
                    waiting.failed = waiting.failed or error
            for waiting in batch:
                _settle(waiting)
                self._queue.task_done()

    async def _commit(self, batch: list[_Waiting]) -> None:
        durable = any(waiting.durable for waiting in batch)
        with _plainly():
            async with (self._durably if durable else self._writers).begin() as connection:
                if len(batch) == 1:  # no savepoint: a failure undoes the transaction itself
                    batch[0].outcome = await batch[0].work(connection)
                    return
                for waiting in batch:
                    try:
                        async with connection.begin_nested():
                            waiting.outcome = await waiting.work(connection)
                    except Exception as error:  # noqa: BLE001 - its own caller raises it
                        waiting.failed = error

    async def _migrate(self) -> None:
        with _plainly():
            async with self._readers.connect() as connection:  # no lock to wait for
                if await connection.run_sync(_revision) == HEAD:
                    return
            async with self._writers.begin() as connection:
                await self.serialise(connection)
                await connection.run_sync(_upgrade)


def _nothing(quiet: bool) -> None:  # noqa: FBT001 - as it is called
    """Do nothing after a commit: nobody has asked to be told."""


def _data_version(file: sqlite3.Connection) -> int | None:
    try:
        return int(file.execute("PRAGMA data_version").fetchone()[0])
    except sqlite3.OperationalError:  # somebody holds the file: nobody waits for that here
        return None


def _settle(waiting: _Waiting) -> None:
    if waiting.done.done():  # the caller was cancelled; what it asked for is committed
        return
    if waiting.failed is not None:
        waiting.done.set_exception(waiting.failed)
    else:
        waiting.done.set_result(waiting.outcome)


def _sqlite_readers(url: str) -> AsyncEngine:
    """Make an engine whose statements stand alone: no transaction to begin or to roll back."""
    return _sqlite(
        create_async_engine(
            url,
            module=READING,
            isolation_level="AUTOCOMMIT",
            skip_autocommit_rollback=True,
            pool_reset_on_return=None,
            hide_parameters=True,
        )
    )


def _sqlite_writer(url: str) -> AsyncEngine:
    """Make an engine of one connection, whose transactions take the write lock at once.

    What a durable one syncs is the write-ahead log, and with it every commit before.
    """
    engine = _sqlite(
        create_async_engine(url, module=WRITING, pool_size=1, max_overflow=0, hide_parameters=True)
    )

    @event.listens_for(engine.sync_engine, "begin")
    def _begin(connection: Connection) -> None:
        durable = connection.get_execution_options().get("durable", False)
        if durable or connection.info.get("durable"):
            connection.exec_driver_sql(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
            connection.info["durable"] = durable
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _sqlite(engine: AsyncEngine) -> AsyncEngine:
    @event.listens_for(engine.sync_engine, "connect")
    def _connect(connection: Any, record: object) -> None:
        connection.isolation_level = None  # the driver starts no transactions by itself
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT}")
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=NORMAL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    return engine


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _upgrade(connection: Connection) -> None:
    from registry_core.migrations import upgrade  # noqa: PLC0415 - alembic is seldom needed

    upgrade(connection)


class _plainly:  # noqa: N801 - reads as the verb it is
    """Turn what a driver raises into words of this program, without the statement's values."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, DBAPIError) and not isinstance(error, IntegrityError):
            if error.connection_invalidated or type(error).__name__ == "OperationalError":
                raise Unavailable(
                    "the registry's database does not answer", hint="Try again in a moment."
                ) from error
            raise Internal("the registry's database refused a statement") from error
