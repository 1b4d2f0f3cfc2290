"""Key chains in the database: pinned by publishing, changed by statements, felt by releases."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from registry_core.callers import OWNER, Caller
from registry_core.errors import Conflict, Forbidden, Invalid, NotFound, Rejected
from registry_core.events.kinds import EventKind
from registry_core.formats.attestation import Pledge, commitment
from registry_core.keys import Action, Link, Standing, Statement
from registry_core.names import PackageName, Range
from registry_core.publish import publish
from registry_core.signing import SigningKey
from registry_core.verification import Severity
from world import KEY, OTHER_KEY, World, package

NEXT = SigningKey(bytes([7]) * 32)
RECOVERY = SigningKey(bytes([8]) * 32)
PLEDGE = Pledge(next=commitment(NEXT.public_key), recovery=commitment(RECOVERY.public_key))
REVIEW = PackageName("acme", "review")
REVOKED_KINDS = [EventKind.KEY_REVOKED, EventKind.PACKAGE_YANKED]


async def say(
    world: World, action: Action, key: SigningKey, *by: SigningKey, who: Caller = OWNER, **more: Any
) -> Link:
    ring = await world.registry.keychains.ring("acme")
    made = Statement(action, "acme", ring.seq + 1, ring.head, key.public_key, **more)
    return await world.registry.keychains.submit(made.signed(by), who)


async def standing(world: World, key: SigningKey) -> Standing:
    return (await world.registry.keychains.ring("acme")).standing(key.public_key)


async def events(world: World, *kinds: EventKind) -> list[tuple[EventKind, bool]]:
    found = await world.registry.journal.log.since(0, kinds=kinds)
    return [(event.kind, event.private) for event in found]


async def test_the_first_signed_release_pins_its_key_and_what_it_commits_to(world: World):
    await world.publish("@acme/review", pledge=PLEDGE)
    await world.publish("@acme/review", "1.1.0", pledge=PLEDGE)
    [pin] = await world.registry.keychains.chain("acme")
    assert pin.statement.as_json() == {
        "action": "pin",
        "namespace": "acme",
        "seq": 0,
        "prev": "",
        "key": KEY.public_key,
        "next": PLEDGE.next,
        "recovery": PLEDGE.recovery,
    }
    found = await world.registry.packages.find(REVIEW, OWNER)
    positions = [release.position for release in found.releases]
    assert pin.position < positions[1] < positions[0]
    assert await events(world, EventKind.KEY_PINNED) == [(EventKind.KEY_PINNED, False)]


async def test_a_release_by_an_unknown_key_gets_a_finding_that_holds_it(sqlite_world: World):
    await sqlite_world.publish("@acme/review")
    stolen_token = await sqlite_world.caller("acme")
    published = await publish(
        sqlite_world.registry, stolen_token, package(version="1.1.0", key=OTHER_KEY)
    )
    [finding] = published.report.held
    assert finding.rule == "keys/unknown"
    assert KEY.public_key in finding.message
    assert OTHER_KEY.public_key in finding.message
    assert await standing(sqlite_world, OTHER_KEY) is Standing.UNKNOWN


async def test_of_two_keys_that_race_to_be_first_one_is_pinned(world: World):
    ended = await asyncio.gather(
        *(
            world.publish(f"@acme/p{number}", key=key)
            for number, key in enumerate([KEY, OTHER_KEY] * 3)
        ),
        return_exceptions=True,
    )
    [pin] = await world.registry.keychains.chain("acme")
    for number, end in enumerate(ended):
        mine = pin.statement.key == [KEY, OTHER_KEY][number % 2].public_key
        if isinstance(end, BaseException):
            assert isinstance(end, Conflict)
            assert not mine
        else:
            assert mine == (not end.report.held)


async def test_a_rotation_is_followed_by_releases_of_the_next_key(world: World):
    await world.publish("@acme/review", pledge=PLEDGE)
    await say(world, Action.ROTATE, NEXT, KEY, NEXT, old=KEY.public_key)
    assert not (await world.publish("@acme/review", "1.1.0", key=NEXT)).report.held
    [old] = (await world.publish("@acme/review", "1.2.0")).report.held
    assert old.rule == "keys/retired"
    assert await events(world, EventKind.KEY_ROTATED) == [(EventKind.KEY_ROTATED, False)]


async def test_a_stolen_key_with_a_stolen_token_rotates_nothing(sqlite_world: World):
    await sqlite_world.publish("@acme/review", pledge=PLEDGE)
    thief = await sqlite_world.caller("acme")
    with pytest.raises(Forbidden, match="committed"):
        await say(
            sqlite_world, Action.ROTATE, OTHER_KEY, KEY, OTHER_KEY, who=thief, old=KEY.public_key
        )
    assert await standing(sqlite_world, KEY) is Standing.CURRENT
    assert await events(sqlite_world, EventKind.KEY_ROTATED) == []


async def test_the_right_signatures_without_a_token_change_nothing(sqlite_world: World):
    await sqlite_world.publish("@acme/review", pledge=PLEDGE)
    other = await sqlite_world.caller("other")
    with pytest.raises(Forbidden, match="may not change the keys"):
        await say(sqlite_world, Action.ROTATE, NEXT, KEY, NEXT, who=other, old=KEY.public_key)


async def test_a_revocation_withdraws_what_was_signed_since_and_blocks_what_comes(world: World):
    await world.publish("@acme/review", pledge=PLEDGE)
    await world.publish("@acme/review", "1.1.0", pledge=PLEDGE)
    await world.publish("@acme/sql", pledge=PLEDGE)
    good, bad = (await world.registry.packages.find(REVIEW, OWNER)).releases[::-1]
    await say(world, Action.REVOKE, KEY, NEXT, since=bad.position)

    found = await world.registry.packages.find(REVIEW, OWNER)
    assert [release.yanked for release in found.releases] == [True, False]
    assert "compromised" in (found.releases[0].yank_reason or "")
    assert found.pick(Range.parse("*")).version == good.version
    assert found.latest == found.releases[1]
    assert (await world.registry.packages.find(PackageName("acme", "sql"), OWNER)).latest is None
    with pytest.raises(Rejected, match="revoked"):
        await world.publish("@acme/review", "1.2.0")
    kinds = [kind for kind, _ in await events(world, *REVOKED_KINDS)]
    assert kinds == [EventKind.KEY_REVOKED, EventKind.PACKAGE_YANKED, EventKind.PACKAGE_YANKED]


async def test_the_owner_recovers_in_three_days_and_nobody_else_does(sqlite_world: World):
    await sqlite_world.publish("@acme/review")
    keychains, caller = sqlite_world.registry.keychains, await sqlite_world.caller("acme")
    with pytest.raises(Forbidden, match="owner of the registry"):
        await keychains.recover("acme", OTHER_KEY.public_key, caller)
    await keychains.recover("acme", OTHER_KEY.public_key, OWNER)
    assert await standing(sqlite_world, OTHER_KEY) is Standing.PENDING
    [held] = (await sqlite_world.publish("@acme/review", "2.0.0", key=OTHER_KEY)).report.held
    assert held.rule == "keys/pending"


async def test_the_owner_revokes_from_now_on(sqlite_world: World):
    await sqlite_world.publish("@acme/review")
    keychains, caller = sqlite_world.registry.keychains, await sqlite_world.caller("acme")
    with pytest.raises(Forbidden, match="owner of the registry"):
        await keychains.revoke("acme", KEY.public_key, None, "", caller)
    await keychains.revoke("acme", KEY.public_key, None, "stolen laptop", OWNER)
    assert (await sqlite_world.registry.packages.find(REVIEW, OWNER)).latest
    with pytest.raises(Invalid):
        await keychains.revoke("acme", "no key", None, "", OWNER)
    with pytest.raises(NotFound, match="no key yet"):
        await keychains.revoke("empty", KEY.public_key, None, "", OWNER)


async def test_a_private_namespace_shows_its_keys_to_nobody_else(sqlite_world: World):
    await sqlite_world.publish("@acme/secret", private=True)
    keychains = sqlite_world.registry.keychains
    with pytest.raises(NotFound):
        await keychains.seen_by("acme", await sqlite_world.caller("other"))
    assert await keychains.seen_by("acme", await sqlite_world.caller("acme"))
    assert await events(sqlite_world, EventKind.KEY_PINNED) == [(EventKind.KEY_PINNED, True)]


async def test_a_release_that_follows_what_was_not_published_here_is_marked(sqlite_world: World):
    first = await sqlite_world.publish("@acme/review")
    prev = Pledge(prev=first.candidate.sha256)
    assert (await sqlite_world.publish("@acme/review", "1.1.0", pledge=prev)).report.outcome == (
        "passed"
    )
    stranger = await sqlite_world.publish("@acme/review", "1.2.0", pledge=Pledge(prev="0" * 64))
    [finding] = stranger.report.findings
    assert (finding.rule, finding.severity) == ("keys/prev", Severity.REVIEW)
