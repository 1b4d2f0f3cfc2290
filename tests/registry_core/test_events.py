"""The log and following it."""

from __future__ import annotations

import asyncio

from registry_core.events import Draft
from registry_core.events.kinds import EventKind
from registry_core.events.log import EventLog
from world import World


async def _record(world: World, count: int, start: int = 0) -> None:
    for n in range(start, start + count):
        await world.registry.journal.record(
            Draft(EventKind.PACKAGE_INSTALLED, payload={"n": n}, package="x", namespace="acme")
        )


async def test_ids_grow_and_versions_count_within_a_channel(world: World):
    journal = world.registry.journal
    await _record(world, 3)
    [other] = await journal.record(Draft(EventKind.PACKAGE_VERIFIED, channel="other"))
    events = await journal.log.since(0)
    assert [event.version for event in events] == [1, 2, 3, 1]
    assert [event.id for event in events] == sorted(event.id for event in events)
    assert events[-1].id == other == await journal.log.head()
    assert await journal.log.since(other) == []


async def test_a_follower_sees_the_past_and_then_everything_once_in_order(world: World):
    await _record(world, 5)
    seen: list[int] = []

    async def follow() -> None:
        async for batch in world.registry.journal.feed.follow(0):
            seen.extend(event.payload["n"] for event in batch)
            if len(seen) == 105:
                return

    follower = asyncio.create_task(follow())
    await asyncio.gather(*(_record(world, 10, 5 + 10 * k) for k in range(10)))
    await asyncio.wait_for(follower, 20)
    assert sorted(seen) == list(range(105))
    ids = [event.payload["n"] for event in await world.registry.journal.log.since(0)]
    assert seen == ids


async def test_what_another_process_wrote_is_noticed(sqlite_world: World):
    """Another log on the same database stands for the other process: it wakes nobody here."""
    journal = sqlite_world.registry.journal
    follower = journal.feed.follow(0)
    waiting = asyncio.ensure_future(anext(follower))
    await asyncio.sleep(0)
    other = EventLog(journal.database)

    async def work(connection) -> None:
        await other.append(connection, Draft(EventKind.PACKAGE_VERIFIED), journal.now())

    await journal.database.write(work)
    batch = await asyncio.wait_for(waiting, 10)
    assert [event.kind for event in batch] == [EventKind.PACKAGE_VERIFIED]
    await follower.aclose()
