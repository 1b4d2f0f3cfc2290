"""Cards of packages, and walking along packages by them, on both databases."""

from __future__ import annotations

import pytest

from registry_core.callers import ANONYMOUS, OWNER, Caller, Scope
from registry_core.errors import Conflict, Forbidden, Invalid, NotFound
from registry_core.events.kinds import EventKind
from registry_core.formats import Visibility
from registry_core.names import Kind, PackageName, Version
from registry_core.packages import State
from registry_core.packages.cards import Begun, Card, Order, Wanted
from world import World

NAME = PackageName("acme", "review")
CARD = Card("The review", "Reads what you wrote.", ("review",))


def begun(name: str = "review", visibility: Visibility = Visibility.PUBLIC) -> Begun:
    return Begun(PackageName("acme", name), Kind.SKILL, visibility)


@pytest.mark.parametrize("order", Order)
async def test_packages_are_walked_along_in_every_order(world: World, order: Order) -> None:
    cards = world.registry.cards
    for number in range(5):
        await cards.make(begun(f"skill-{number}"), CARD, OWNER)
    await world.publish("@acme/review")
    wanted, after, names = Wanted(Kind.SKILL, order=order), None, []
    while page := await cards.page(wanted, ANONYMOUS, after=after, limit=2):
        names += [one.package.name.name for one in page]
        after = page[-1].package.id
    every = ["review", *(f"skill-{number}" for number in range(5))]
    assert sorted(names) == every
    if order is Order.NAME:
        assert names == every
    if order is not Order.CREATED:
        with pytest.raises(Invalid):
            await cards.page(wanted, ANONYMOUS, after=999, limit=2)


async def test_a_card_says_what_it_says_until_it_is_changed(world: World) -> None:
    cards, packages = world.registry.cards, world.registry.packages
    made = await cards.make(begun(), CARD, OWNER)
    assert (made.card, made.package.latest) == (CARD, None)
    with pytest.raises(Conflict):
        await cards.make(begun(), CARD, OWNER)
    await world.publish("@acme/review")
    changed = await cards.change(NAME, OWNER, description="Else.")
    assert changed.card == Card("The review", "Else.", ("review",))
    found = await packages.find(NAME, ANONYMOUS)
    assert await cards.of(found) == changed.card
    assert found.latest is not None
    [listed] = await cards.page(Wanted(Kind.SKILL, names=[NAME]), ANONYMOUS, after=None, limit=9)
    assert (listed.card, listed.package.latest) == (changed.card, found.latest)
    kinds = [event.kind for event in await world.registry.journal.log.since(0)]
    assert kinds.count(EventKind.PACKAGE_DESCRIBED) == 2


async def test_only_who_publishes_there_makes_or_changes_a_card(world: World) -> None:
    cards = world.registry.cards
    await cards.make(begun(visibility=Visibility.PRIVATE), CARD, OWNER)
    scopes = frozenset({Scope.PUSH, Scope.READ})
    outsider = Caller("outsider", scopes, frozenset({"other"}))
    reader = Caller("reader", scopes, reads=frozenset({"acme"}))
    writer = Caller("writer", scopes, pushes=frozenset({"acme"}))
    for caller in (outsider, reader):
        with pytest.raises(Forbidden):
            await cards.make(begun("another"), CARD, caller)
    with pytest.raises(NotFound):
        await cards.change(NAME, outsider, description="x")
    with pytest.raises(Forbidden):
        await cards.change(NAME, reader, description="x")
    assert (await cards.change(NAME, writer, description="x")).card is not None
    assert await cards.page(Wanted(Kind.SKILL), outsider, after=None, limit=9) == []
    assert len(await cards.page(Wanted(Kind.SKILL), reader, after=None, limit=9)) == 1


async def test_a_removed_package_serves_nothing_and_may_be_begun_anew(world: World) -> None:
    registry = world.registry
    await world.publish("@acme/review", "1.0.0")
    await world.publish("@acme/review", "1.1.0")
    await registry.packages.yank(NAME, Version.parse("1.0.0"), "bad", OWNER)
    await registry.packages.point(NAME, "beta", Version.parse("1.1.0"), OWNER, new=True)
    writer = Caller("writer", frozenset({Scope.PUSH}), pushes=frozenset({"acme"}))
    with pytest.raises(Forbidden):
        await registry.packages.remove(NAME, "gone", writer)
    await registry.packages.remove(NAME, "gone", OWNER)
    found = await registry.packages.find(NAME, ANONYMOUS)
    assert (found.releases, found.latest, found.channels) == ((), None, {})
    assert {release.state for release in found.withheld} == {State.REVOKED}
    assert await registry.cards.page(Wanted(Kind.SKILL), OWNER, after=None, limit=9) == []
    with pytest.raises(Conflict):
        await world.publish("@acme/review", "1.1.0")
    await registry.cards.make(begun(visibility=Visibility.PRIVATE), Card(), OWNER)
    assert (await registry.packages.find(NAME, OWNER)).private
    await registry.packages.remove(NAME, "gone", OWNER)  # also where nothing is left to revoke


async def test_a_channel_is_made_once_and_moved_only_where_it_is(world: World) -> None:
    packages, version = world.registry.packages, Version.parse("1.0.0")
    await world.publish("@acme/review")
    with pytest.raises(NotFound):
        await packages.point(NAME, "beta", version, OWNER, new=False)
    await packages.point(NAME, "beta", version, OWNER, new=True)
    with pytest.raises(Conflict):
        await packages.point(NAME, "beta", version, OWNER, new=True)
    assert (await packages.point(NAME, "beta", None, OWNER, new=False)).channels == {}
