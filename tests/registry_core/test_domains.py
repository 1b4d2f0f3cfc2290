"""Domains of namespaces, on both databases, with a real DNS to look at."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

import internet
from registry_core.audit import audit
from registry_core.callers import OWNER, Caller, Scope
from registry_core.domains import Domains
from registry_core.errors import Forbidden, NotFound
from registry_core.events.kinds import EventKind
from world import World

RECORD = ("_ctxpkg.acme.example", "TXT")


@pytest.fixture
async def net() -> AsyncIterator[internet.World]:
    async with internet.running("acme.example") as running:
        yield running


async def test_a_domain_is_asked_for_verified_and_removed(
    world: World, net: internet.World
) -> None:
    domains = Domains(world.registry.journal, net.seen)
    await world.publish("@acme/review")
    who = await world.caller("acme")
    asked = await domains.ask("acme", "acme.example", who)
    assert await domains.of("acme", who) == [asked]
    assert await domains.check("acme", "acme.example", who) == (
        asked,
        [
            "the TXT records of _ctxpkg.acme.example: no such line",
            f"https://acme.example{asked.path}: it answers 404",
        ],
    )
    assert await domains.verified() == {}
    net.names.records[RECORD] = [f'"{asked.line}"']
    verified, problems = await domains.check("acme", "acme.example", who)
    assert problems == []
    assert verified.verified_at is not None
    assert await domains.verified() == {"acme": ["acme.example"]}
    await domains.remove("acme", "acme.example", who)
    assert await domains.verified() == {}
    events = await world.registry.journal.log.since(0)
    told = [one.kind for one in events if one.payload.get("domain") == "acme.example"]
    assert told == [
        EventKind.DOMAIN_ASKED,
        EventKind.DOMAIN_VERIFIED,
        EventKind.DOMAIN_REMOVED,
    ]
    assert not (await audit(world.registry, lambda *_: None)).problems


async def test_what_was_removed_while_it_was_looked_at_is_not_verified(
    sqlite_world: World, net: internet.World
) -> None:
    class Slow(internet.Internet):
        async def records(self, name: str) -> list[str]:
            found = list(await super().records(name))
            await domains.remove("acme", "acme.example", who)
            await domains.ask("acme", "acme.example", who)
            return found

    journal = sqlite_world.registry.journal
    domains = Domains(journal, lambda: Slow(internet.LOOPBACK, resolver=net.resolver))
    await sqlite_world.publish("@acme/review")
    who = await sqlite_world.caller("acme")
    asked = await domains.ask("acme", "acme.example", who)
    net.names.records[RECORD] = [f'"{asked.line}"']
    again, _ = await domains.check("acme", "acme.example", who)
    assert again.verified_at is None
    assert await domains.verified() == {}


async def test_two_who_ask_at_once_are_told_the_same(world: World, net: internet.World) -> None:
    domains = Domains(world.registry.journal, net.seen)
    await world.publish("@acme/review")
    who = await world.caller("acme")
    both = await asyncio.gather(*(domains.ask("acme", "acme.example", who) for _ in range(2)))
    assert both[0] == both[1]


async def test_only_who_manages_a_namespace_is_told_and_heard(
    sqlite_world: World, net: internet.World
) -> None:
    domains = Domains(sqlite_world.registry.journal, net.seen)
    await sqlite_world.publish("@acme/review")
    for who in (Caller("anybody"), await sqlite_world.caller("acme", Scope.PUSH)):
        for what in (
            domains.of("acme", who),
            domains.ask("acme", "acme.example", who),
            domains.check("acme", "acme.example", who),
            domains.remove("acme", "acme.example", who),
        ):
            with pytest.raises(Forbidden):
                await what
    with pytest.raises(NotFound):
        await domains.check("acme", "acme.example", OWNER)
    assert not net.names.asked
