"""What every database keeps: transactions, order, and undoing what failed."""

from __future__ import annotations

import asyncio
import traceback

import pytest
from sqlalchemy import insert, literal_column, select
from sqlalchemy.ext.asyncio import AsyncConnection

from registry_core.database import Database
from registry_core.errors import Internal, Unavailable
from registry_core.migrations import HEAD
from registry_core.schema import metadata, namespaces
from world import MOMENT


@pytest.fixture
async def database(database_url: str) -> Database:
    opened = await Database.open(database_url)
    yield opened
    await opened.close()


def _insert(name: str):
    async def work(connection: AsyncConnection) -> str:
        await connection.execute(insert(namespaces).values(name=name, created_at=MOMENT))
        if name.startswith("bad"):
            raise RuntimeError(name)
        return name

    return work


async def _names(database: Database) -> list[str]:
    async with database.read() as connection:
        found = await connection.execute(select(namespaces.c.name).order_by(namespaces.c.name))
        return list(found.scalars())


async def test_a_write_returns_what_its_work_returned_and_is_seen_afterwards(database):
    assert await database.write(_insert("one")) == "one"
    assert await _names(database) == ["one"]


async def test_what_counts_changes_counts_those_of_others_or_does_not_count(database, database_url):
    other = await Database.open(database_url)
    seen = [database.changes()]
    for writer in (database, other):
        await writer.write(_insert(f"by{len(seen)}"))
        seen.append(database.changes())
    assert database.changes() == seen[-1]
    assert len(set(seen)) == 3 if database.is_sqlite else set(seen) == {None}
    await other.close()


async def test_of_many_writers_at_once_the_failing_ones_undo_themselves_alone(database):
    names = [f"{'bad' if n % 3 == 0 else 'good'}{n:03}" for n in range(60)]
    outcomes = await asyncio.gather(
        *(database.write(_insert(name)) for name in names), return_exceptions=True
    )
    for name, outcome in zip(names, outcomes, strict=True):
        assert str(outcome) == name
        assert isinstance(outcome, RuntimeError) is name.startswith("bad")
    assert await _names(database) == [n for n in names if n.startswith("good")]


async def test_a_commit_is_told_although_its_caller_has_gone(database):
    told: asyncio.Queue[bool] = asyncio.Queue()
    database.committed = told.put_nowait
    writing = asyncio.create_task(database.write(_insert("one")))
    await asyncio.sleep(0)
    writing.cancel()
    assert await told.get() is False  # it was not quiet
    assert await _names(database) == (["one"] if database.is_sqlite else [])


async def test_a_cancelled_caller_does_not_take_others_with_it(database):
    tasks = [asyncio.create_task(database.write(_insert(f"n{n}"))) for n in range(10)]
    await asyncio.sleep(0)
    tasks[3].cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [isinstance(o, asyncio.CancelledError) for o in outcomes].count(True) == 1
    there = await _names(database)
    assert {f"n{n}" for n in range(10) if n != 3} <= set(there)


async def test_a_durable_write_is_one_and_leaves_the_next_as_fast_as_before(database):
    async def how(connection: AsyncConnection) -> int:
        await connection.execute(select(namespaces.c.name))
        if not database.is_sqlite:
            return 0
        return (await connection.exec_driver_sql("PRAGMA synchronous")).scalar_one()

    normal, full = (1, 2) if database.is_sqlite else (0, 0)
    assert await database.write(how) == normal
    assert await database.write(how, durable=True) == full
    assert await database.write(how) == normal
    found = await asyncio.gather(*(database.write(how, durable=n == 5) for n in range(10)))
    assert set(found) <= {normal, full}


async def test_moments_come_back_aware_and_in_utc(database):
    await database.write(_insert("one"))
    async with database.read() as connection:
        found = (await connection.execute(select(namespaces.c.created_at))).scalar_one()
    assert found == MOMENT
    assert found.utcoffset().total_seconds() == 0


async def test_opening_again_changes_nothing(database, database_url):
    await database.write(_insert("one"))
    again = await Database.open(database_url)
    assert await _names(again) == ["one"]
    await again.close()


async def test_the_migrations_make_the_tables_that_the_schema_describes(database):
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    def difference(connection) -> tuple[str | None, list]:
        context = MigrationContext.configure(connection)
        return context.get_current_revision(), compare_metadata(context, metadata)

    async with database.read() as connection:
        assert await connection.run_sync(difference) == (HEAD, [])


async def test_what_a_failing_statement_was_given_stands_in_no_trace_of_it(database):
    async def work(connection: AsyncConnection) -> None:
        there = namespaces.c.name == "a-secret-value"
        await connection.execute(select(literal_column("nothing_of_the_kind")).where(there))

    with pytest.raises((Internal, Unavailable)) as raised:
        await database.write(work)
    trace = "".join(traceback.format_exception(raised.value))
    assert "nothing_of_the_kind" in trace
    assert "a-secret-value" not in trace
