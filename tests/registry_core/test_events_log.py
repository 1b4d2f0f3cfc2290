"""Reading the log in other ways than forward: lineage, channels, counts."""

from __future__ import annotations

from registry_core.events import Draft
from registry_core.events.kinds import EventKind
from registry_core.events.tally import Tally
from world import World


def caused(parent: int | None, channel: str = "default") -> Draft:
    return Draft(EventKind.SESSION_MUTATED, parent_id=parent, channel=channel)


async def test_a_lineage_leads_from_child_to_root(world: World) -> None:
    journal = world.registry.journal
    chain: list[int] = []
    for _ in range(6):
        written = await journal.record(caused(chain[-1] if chain else None), caused(None))
        chain.append(written[0])
    for depth, length in ((50, 6), (6, 6), (3, 3), (1, 1)):
        found = await journal.log.lineage(chain[-1], depth)
        assert [event.id for event in found] == chain[::-1][:length]
    assert await journal.log.lineage(10**6, 20) == []


async def test_a_number_that_is_no_id_is_before_or_behind_the_log(world: World) -> None:
    journal = world.registry.journal
    ids = await journal.record(caused(None), caused(None))
    assert await journal.log.lineage(10**18 - 1, 20) == []
    assert await journal.log.lineage(-(10**18), 20) == []
    assert [event.id for event in await journal.log.since(-(10**18))] == ids
    assert await journal.log.since(10**18 - 1) == []


async def test_no_lineage_is_a_circle(world: World) -> None:
    journal = world.registry.journal
    first, second, third = await journal.record(caused(2), caused(1), caused(3))
    assert [event.id for event in await journal.log.lineage(second, 50)] == [second, first]
    assert [event.id for event in await journal.log.lineage(first, 50)] == [first]
    assert [event.id for event in await journal.log.lineage(third, 50)] == [third]


async def test_events_are_found_by_their_ids_in_the_order_asked(world: World) -> None:
    journal = world.registry.journal
    first, second, third = await journal.record(*[caused(None)] * 3)
    found = await journal.log.some([third, 99, first, second])
    assert [event.id for event in found] == [third, first, second]
    assert await journal.log.some([]) == []


async def test_the_newest_of_a_channel_are_oldest_first(world: World) -> None:
    journal = world.registry.journal
    ids = await journal.record(*(caused(None, "ab"[n % 2]) for n in range(10)))
    found = await journal.log.newest("default", "b", 3)
    assert [event.id for event in found] == ids[5::2]
    assert await journal.log.newest("default", "c", 3) == []


async def test_a_tally_counts_what_is_written_from_its_beginning_on(world: World) -> None:
    journal = world.registry.journal
    await journal.record(caused(None))
    tally = await Tally.begin(journal.log)
    await tally.catch_up()
    assert (tally.events, tally.workspaces) == (0, set())
    elsewhere = Draft(EventKind.GRAPH_BUILT, workspace="w")
    for _ in range(2):
        await journal.record(caused(None), caused(None, "b"), elsewhere)
        await tally.catch_up()
    await tally.catch_up()
    assert (tally.events, tally.workspaces) == (6, {"default", "w"})
