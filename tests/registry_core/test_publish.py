"""Publishing: stages, races, immutability, visibility, yanking."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from registry_core import publish as publishing
from registry_core import verification
from registry_core.callers import ANONYMOUS, OWNER, Scope
from registry_core.errors import (
    Conflict,
    Forbidden,
    InvalidName,
    InvalidPackage,
    NotFound,
    NothingMatches,
    Rejected,
    TooLarge,
)
from registry_core.events.kinds import EventKind
from registry_core.formats import MAX_ARTIFACT, Visibility
from registry_core.names import Kind, PackageName, Range, Version
from registry_core.verification import Binding, kingfisher
from world import KEY, OTHER_KEY, World, package

NAME = PackageName("acme", "review")


async def kinds(world: World) -> list[EventKind]:
    return [event.kind for event in await world.registry.journal.log.since(0)]


async def test_a_published_release_is_found_with_its_bytes_report_and_event(world: World):
    done = await world.publish("@acme/review", "1.0.0")
    found = await world.registry.packages.find(NAME, ANONYMOUS)
    release = found.pick(None)
    assert release.signer == KEY.public_key
    assert release.sha256 == done.candidate.sha256
    assert await world.registry.blobs.get(release.sha256) == done.candidate.artifact
    details = await world.registry.packages.details(release)
    assert details.report == done.report.as_json()
    assert details.files[0]["path"] == "SKILL.md"
    (event,) = [
        e
        for e in await world.registry.journal.log.since(0)
        if e.kind is EventKind.PACKAGE_PUBLISHED
    ]
    assert event.payload["version"] == "1.0.0"
    assert not event.private


async def test_a_second_publish_of_a_version_is_refused_and_changes_nothing(world: World):
    await world.publish("@acme/review", "1.0.0")
    before = await world.registry.packages.find(NAME, OWNER), await kinds(world)
    for again in ("1.0.0", "1.0.0+build"):
        with pytest.raises(Conflict, match="published already"):
            await world.publish("@acme/review", again, description="Something else.")
    assert (await world.registry.packages.find(NAME, OWNER), await kinds(world)) == before


async def test_of_many_who_race_for_one_version_exactly_one_wins(world: World):
    packages = [package("@acme/review", "1.0.0", description=f"Try {n}.") for n in range(8)]
    outcomes = await asyncio.gather(
        *(publishing.publish(world.registry, OWNER, made) for made in packages),
        return_exceptions=True,
    )
    won = [o for o in outcomes if not isinstance(o, BaseException)]
    assert len(won) == 1
    assert all(isinstance(o, Conflict) for o in outcomes if o is not won[0])
    found = await world.registry.packages.find(NAME, OWNER)
    assert [r.sha256 for r in found.releases] == [won[0].candidate.sha256]


async def test_different_versions_of_a_new_package_may_be_published_at_once(world: World):
    await asyncio.gather(*(world.publish("@acme/review", f"1.{n}.0") for n in range(12)))
    found = await world.registry.packages.find(NAME, OWNER)
    assert [str(r.version) for r in found.releases] == [f"1.{n}.0" for n in reversed(range(12))]
    assert str(found.latest.version) == "1.11.0"
    assert found.release_count == 12


async def test_latest_is_the_newest_stable_version_whatever_the_order_of_publishing(world: World):
    for version in ("1.2.0", "2.0.0-rc.1", "1.10.0", "1.3.0"):
        await world.publish("@acme/review", version)
    found = await world.registry.packages.find(NAME, OWNER)
    assert str(found.latest.version) == "1.10.0"
    assert str(found.pick(Range.parse("^1.2, <1.10")).version) == "1.3.0"
    assert str(found.pick(Version.parse("2.0.0-rc.1")).version) == "2.0.0-rc.1"
    with pytest.raises(NothingMatches, match="no version in \\^3"):
        found.pick(Range.parse("^3"))
    with pytest.raises(NothingMatches, match="no channel beta"):
        found.pick("beta")


async def test_a_rehearsal_checks_everything_and_writes_nothing(world: World):
    made = package("@acme/review", "1.0.0")
    done = await publishing.rehearse(world.registry, OWNER, made)
    assert done.visibility is Visibility.PUBLIC
    assert not done.report.blocking
    assert await kinds(world) == []
    assert not await world.registry.blobs.has(done.candidate.sha256)
    with pytest.raises(Forbidden):
        await publishing.rehearse(world.registry, ANONYMOUS, made)


async def test_only_a_token_of_the_namespace_publishes(sqlite_world: World):
    world = sqlite_world
    publisher = await world.caller("acme")
    reader = await world.caller("acme", Scope.READ)
    stranger = await world.caller("other")
    made = package("@acme/review", "1.0.0")
    for caller in (ANONYMOUS, reader, stranger):
        with pytest.raises(Forbidden):
            await publishing.publish(world.registry, caller, made)
    await publishing.publish(world.registry, publisher, made)
    found = await world.registry.packages.find(NAME, ANONYMOUS)
    assert found.pick(None).published_by == publisher.name


async def test_a_reserved_namespace_is_nobodys(sqlite_world: World):
    with pytest.raises(InvalidName, match="reserved"):
        await sqlite_world.publish("@official/review")


async def test_the_name_and_version_published_under_have_to_be_those_inside(sqlite_world: World):
    made = package("@acme/review", "1.0.0")
    for name, version in ((NAME, "1.0.1"), (PackageName("acme", "other"), "1.0.0")):
        with pytest.raises(Rejected, match="review|1.0.0"):
            await publishing.publish(
                sqlite_world.registry, OWNER, made, under=Binding(name, Version.parse(version))
            )
    assert await kinds(sqlite_world) == []


async def test_changed_and_unreadable_and_huge_bytes_are_refused(sqlite_world: World):
    made = package("@acme/review", "1.0.0")
    changed = made.replace(b'"path": "SKILL.md"', b'"path": "SKILL.MD"')
    assert changed != made
    for data, error in (
        (changed, Rejected),
        (b"{}", InvalidPackage),
        (b"", InvalidPackage),
        (made + b" " * MAX_ARTIFACT, TooLarge),
    ):
        with pytest.raises(error):
            await publishing.publish(sqlite_world.registry, OWNER, data)
    assert await kinds(sqlite_world) == []


async def test_a_package_keeps_its_kind(sqlite_world: World):
    await sqlite_world.publish("@acme/review", "1.0.0")
    with pytest.raises(Conflict, match="of kind skill"):
        await sqlite_world.publish("@acme/review", "1.1.0", kind=Kind.CONTEXT, files={})


async def test_a_private_package_exists_for_its_namespace_alone(world: World):
    await world.publish("@acme/review", "1.0.0", private=True)
    reader, stranger = await world.caller("acme", Scope.READ), await world.caller("other")
    for caller in (ANONYMOUS, stranger):
        with pytest.raises(NotFound):
            await world.registry.packages.find(NAME, caller)
        assert await world.registry.packages.list(caller) == []
    for caller in (OWNER, reader):
        assert (await world.registry.packages.find(NAME, caller)).private
        assert len(await world.registry.packages.list(caller)) == 1
    published = [e for e in await world.registry.journal.log.since(0) if e.package == "review"]
    assert published
    assert all(event.private for event in published)


async def test_a_package_keeps_its_visibility_until_the_owner_changes_it(sqlite_world: World):
    world = sqlite_world
    await world.publish("@acme/review", "1.0.0", private=True)
    await world.publish("@acme/review", "1.1.0")
    assert (await world.registry.packages.find(NAME, OWNER)).private
    await world.registry.packages.set_visibility(NAME, Visibility.PUBLIC, OWNER)
    assert (await world.registry.packages.find(NAME, ANONYMOUS)).release_count == 2
    with pytest.raises(Conflict, match="asks to be private"):
        await world.publish("@acme/review", "1.2.0", private=True)


async def test_a_yanked_release_resolves_to_nothing_unless_it_is_pinned(world: World):
    packages = world.registry.packages
    for version in ("1.0.0", "1.1.0"):
        await world.publish("@acme/review", version)
    yanked = await packages.yank(NAME, Version.parse("1.1.0"), "leaks", OWNER)
    assert yanked.yank_reason == "leaks"
    found = await packages.find(NAME, ANONYMOUS)
    assert str(found.latest.version) == "1.0.0"
    assert str(found.pick(Range.parse("^1")).version) == "1.0.0"
    assert found.pick(Version.parse("1.1.0")).yanked
    with pytest.raises(Conflict):
        await world.publish("@acme/review", "1.1.0")
    again = await packages.yank(NAME, Version.parse("1.1.0"), "another reason", OWNER)
    assert again.yank_reason == "leaks"
    await packages.yank(NAME, Version.parse("1.0.0"), "all of it", OWNER)
    found = await packages.find(NAME, ANONYMOUS)
    assert found.latest is None
    with pytest.raises(NothingMatches, match="every version"):
        found.pick(None)
    assert await packages.list(ANONYMOUS) == []
    back = await packages.unyank(NAME, Version.parse("1.1.0"), "it was fine", OWNER)
    assert not back.yanked
    assert str((await packages.find(NAME, ANONYMOUS)).latest.version) == "1.1.0"
    done = [kind for kind in await kinds(world) if kind is not EventKind.TRUST_CHANGED]
    assert done[-4:] == [
        EventKind.PACKAGE_PUBLISHED,
        EventKind.PACKAGE_YANKED,
        EventKind.PACKAGE_YANKED,
        EventKind.PACKAGE_UNYANKED,
    ]


async def test_who_may_not_publish_may_not_yank_either(sqlite_world: World):
    await sqlite_world.publish("@acme/review", "1.0.0")
    for caller in (ANONYMOUS, await sqlite_world.caller("acme", Scope.READ)):
        with pytest.raises(Forbidden):
            await sqlite_world.registry.packages.yank(NAME, Version.parse("1.0.0"), "x", caller)


async def test_a_channel_means_a_version_until_it_is_moved(world: World):
    for version in ("1.0.0", "1.1.0-beta.1", "1.1.0-beta.2"):
        await world.publish("@acme/review", version)
    for version in ("1.1.0-beta.1", "1.1.0-beta.2"):
        moved = await world.registry.packages.point(NAME, "beta", Version.parse(version), OWNER)
        assert str(moved.pick("beta").version) == version


async def test_what_another_key_signed_is_recorded_and_held(sqlite_world: World):
    await sqlite_world.publish("@acme/review", "1.0.0")
    await sqlite_world.publish("@acme/review", "1.1.0", key=OTHER_KEY)
    found = await sqlite_world.registry.packages.find(NAME, OWNER)
    assert [r.signer for r in found.releases] == [KEY.public_key]
    (held,) = found.withheld
    assert (held.signer, held.state, held.state_reason) == (
        OTHER_KEY.public_key,
        "held",
        "keys/unknown",
    )


async def test_downloads_are_counted_after_the_fact(sqlite_world: World):
    await sqlite_world.publish("@acme/review", "1.0.0")
    found = await sqlite_world.registry.packages.find(NAME, OWNER)
    for _ in range(5):
        sqlite_world.registry.usage.count_download(found.id, found.latest.id)
    await sqlite_world.registry.usage.close()
    found = await sqlite_world.registry.packages.find(NAME, OWNER)
    assert (found.downloads, found.latest.downloads) == (5, 5)


async def test_others_are_served_while_a_new_home_compiles_its_rules(
    sqlite_world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "empty"))
    kingfisher._engine.cache_clear()  # as a new process has it
    assert not verification.is_ready()
    first = asyncio.create_task(sqlite_world.publish("@acme/first"))
    answered = 0
    while not first.done():
        await sqlite_world.registry.packages.list(OWNER)
        answered += 1
        await asyncio.sleep(0.01)
    await first
    assert verification.is_ready()
    assert answered > 5
