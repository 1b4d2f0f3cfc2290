"""Following the log: many followers, one tail, and nothing lost, repeated or out of order."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from sqlalchemy import event as statements_of

from registry_core.errors import Unavailable
from registry_core.events import Draft, feed
from registry_core.events.kinds import EventKind
from world import World


async def write(world: World, count: int) -> list[int]:
    draft = Draft(EventKind.PACKAGE_VERIFIED)
    return await world.registry.journal.record(*(draft for _ in range(count)))


async def collect(world: World, since: int, count: int) -> list[int]:
    follower, seen = world.registry.journal.feed.follower(since), list[int]()
    while len(seen) < count:
        seen += [event.id for event in await follower.next()]
    return seen


@pytest.fixture
def reads(sqlite_world: World) -> Iterator[list[str]]:
    """The statements that read events on from a position."""
    seen: list[str] = []
    engine = sqlite_world.registry.journal.database._readers.sync_engine

    def note(connection: object, cursor: object, statement: str, *rest: object) -> None:
        if "events.id >" in statement:
            seen.append(statement)

    statements_of.listen(engine, "before_cursor_execute", note)
    yield seen
    statements_of.remove(engine, "before_cursor_execute", note)


async def test_followers_share_one_reading_of_the_log(
    sqlite_world: World, reads: list[str]
) -> None:
    head = await sqlite_world.registry.journal.log.head()
    following = [asyncio.create_task(collect(sqlite_world, head, 60)) for _ in range(100)]
    ids: list[int] = []
    for _ in range(20):
        ids += await write(sqlite_world, 3)
    for seen in following:
        assert await seen == ids
    assert len(reads) < 100


async def test_a_follower_behind_what_is_held_reads_the_log_and_joins_the_others(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "KEPT", 5)
    monkeypatch.setattr(feed, "BATCH", 3)
    ids = await write(sqlite_world, 10)
    slow = sqlite_world.registry.journal.feed.follower(0)
    seen = [event.id for event in await slow.next()]
    fast = asyncio.create_task(collect(sqlite_world, ids[-1], 40))
    for _ in range(10):
        ids += await write(sqlite_world, 4)
        seen += [event.id for event in await slow.next()]
    while len(seen) < 50:
        seen += [event.id for event in await slow.next()]
    assert seen == ids
    assert await fast == ids[10:]


async def test_giving_up_and_being_cancelled_lose_nothing(sqlite_world: World) -> None:
    follower = sqlite_world.registry.journal.feed.follower(0)
    assert await follower.next(within=0) == ()
    seen: list[int] = []
    ids: list[int] = []
    for number in range(30):
        ids += await write(sqlite_world, 2)
        asking = asyncio.create_task(follower.next(within=30))
        for _ in range(number % 7):
            await asyncio.sleep(0)
        if number % 2:
            asking.cancel()
        try:
            seen += [event.id for event in await asking]
        except asyncio.CancelledError:
            continue
    while len(seen) < len(ids):
        seen += [event.id for event in await follower.next()]
    assert seen == ids


async def test_a_position_before_the_log_or_ahead_of_it_is_one(sqlite_world: World) -> None:
    journal = sqlite_world.registry.journal
    ahead = asyncio.create_task(journal.feed.follower(3).next())
    ids = await write(sqlite_world, 3)
    assert [event.id for event in await journal.feed.follower(-5).next()] == ids
    [fourth] = await write(sqlite_world, 1)
    assert [event.id for event in await ahead] == [fourth]


async def test_whoever_waits_when_the_registry_closes_is_told_so(sqlite_world: World) -> None:
    journal = sqlite_world.registry.journal
    waiting = [asyncio.create_task(journal.feed.follower(0).next()) for _ in range(3)]
    await asyncio.sleep(0)
    await journal.feed.close()
    for task in waiting:
        with pytest.raises(Unavailable):
            await task


async def test_a_log_that_cannot_be_read_is_told_to_each_and_read_again_when_asked(
    sqlite_world: World,
) -> None:
    journal = sqlite_world.registry.journal
    database = journal.log._database
    followers = [journal.feed.follower(0) for _ in range(3)]
    journal.log._database = None  # type: ignore[assignment]
    for follower in followers:
        with pytest.raises(AttributeError):
            await follower.next()
    journal.log._database = database
    ids = await write(sqlite_world, 2)
    for follower in followers:
        assert [event.id for event in await follower.next()] == ids
