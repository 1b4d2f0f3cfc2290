"""What is held: recorded whole, found by nobody, until a reviewer has decided."""

from __future__ import annotations

from typing import Any

import pytest

from registry_core import operations
from registry_core import publish as publishing
from registry_core.callers import ANONYMOUS, OWNER, Caller, Scope, with_included
from registry_core.errors import (
    Conflict,
    Forbidden,
    Held,
    Invalid,
    NotFound,
    NothingMatches,
    Revoked,
    Unauthenticated,
)
from registry_core.events import Event
from registry_core.events.kinds import EventKind
from registry_core.names import PackageName, Range, Reference, Version
from registry_core.packages import State
from registry_core.publish import Published
from registry_core.resolution import resolve
from registry_core.tokens import Grant
from registry_core.trust import Verdict
from world import SUSPECT, World, package

NAME = PackageName("acme", "review")
REF = "@acme/review@1.0.1"
REVIEWER = Caller("reviewer", with_included({Scope.REVIEW}), token_id="r1")


async def hold(world: World, version: str = "1.0.1", **options: object) -> Published:
    done = await world.publish("@acme/review", version, files={"SKILL.md": SUSPECT}, **options)
    assert done.held
    return done


@pytest.fixture
async def held(world: World) -> World:
    """A good 1.0.0, and a held 1.0.1."""
    await world.publish("@acme/review", "1.0.0")
    await hold(world)
    return world


async def call(world: World, caller: Caller, operation: str, **arguments: object) -> Any:
    return await operations.invoke(world.registry, caller, operation, arguments)


async def events(world: World, *kinds: EventKind) -> list[Event]:
    return [e for e in await world.registry.journal.log.since(0) if e.kind in kinds]


async def test_a_held_release_is_recorded_whole_and_found_by_nobody(held: World):
    found = await held.registry.packages.find(NAME, ANONYMOUS)
    assert [str(r.version) for r in found.releases] == ["1.0.0"]
    assert str(found.latest.version) == "1.0.0"
    assert found.release_count == 1
    (release,) = found.withheld
    assert release.state is State.HELD
    assert await held.registry.blobs.has(release.sha256)
    details = await held.registry.packages.details(release)
    assert any(s["check"] == "injection" for s in details.report["sections"])
    for selector in (None, Range.parse(">=1"), Range.parse("=1.0.1"), "beta"):
        try:
            assert str(found.pick(selector).version) == "1.0.0"
        except NothingMatches:
            assert selector is not None
    with pytest.raises(Held, match="held until a reviewer"):
        found.pick(Version.parse("1.0.1"))
    (event,) = await events(held, EventKind.RELEASE_HELD)
    assert event.payload["sha256"] == release.sha256
    assert len(await events(held, EventKind.PACKAGE_PUBLISHED)) == 1
    assert not await events(held, EventKind.TRUST_CHANGED)


async def test_a_package_of_held_releases_alone_is_in_no_list_and_no_search(world: World):
    await hold(world, "1.0.0")
    assert await world.registry.packages.list(OWNER) == []
    found = await call(world, OWNER, "search", query="pull requests")
    assert found.hits == []
    with pytest.raises(NothingMatches, match="withheld"):
        await call(world, OWNER, "inspect", ref="@acme/review")
    with pytest.raises(NotFound):
        await call(world, ANONYMOUS, "versions", name="@acme/review")
    shown = await call(world, OWNER, "versions", name="@acme/review")
    assert [(v.version, v.state) for v in shown.versions] == [("1.0.0", State.HELD)]


async def test_a_released_release_is_found_and_the_verdict_says_that_it_changed(held: World):
    done = await call(held, REVIEWER, "review", ref=REF, decision="release", reason="A demo.")
    assert (done.state, done.reason) == (State.RELEASED, "A demo.")
    found = await held.registry.packages.find(NAME, ANONYMOUS)
    assert str(found.latest.version) == "1.0.1"
    assert found.release_count == 2
    assert not found.withheld
    searched = await call(held, ANONYMOUS, "search", query="pull requests")
    assert [hit.ref for hit in searched.hits] == [REF]
    judged = await call(held, ANONYMOUS, "trust", ref=REF)
    assert judged.verdict is Verdict.CAUTION
    assert "released after review by reviewer: A demo." in judged.reasons
    decided, changed = await events(held, EventKind.RELEASE_RELEASED, EventKind.TRUST_CHANGED)
    assert decided.actor == "reviewer"
    assert changed.payload["was"] == "refuse"
    assert changed.payload["verdict"] == "caution"
    assert changed.payload["because"] == "release_released"


async def test_a_rejected_release_never_resolves_and_its_number_is_used_up(held: World):
    await call(held, REVIEWER, "review", ref=REF, decision="reject", reason="It steals.")
    for caller in (OWNER, ANONYMOUS):
        with pytest.raises(Held, match="not let in"):
            await resolve(held.registry.packages, caller, [Reference.parse(REF)], include_held=True)
    with pytest.raises(Held, match="not let in"):
        await call(held, OWNER, "download", ref=REF, include_held=True)
    with pytest.raises(Conflict, match="it is rejected"):
        await held.publish("@acme/review", "1.0.1")
    with pytest.raises(Conflict, match="is rejected, so not released"):
        await call(held, REVIEWER, "review", ref=REF, decision="release", reason="Oh well.")
    judged = await call(held, OWNER, "trust", ref=REF)
    assert judged.reasons[0] == "a reviewer has looked at it and not let it in: It steals."
    # It was refused before and is refused now: that is no other verdict.
    assert not await events(held, EventKind.TRUST_CHANGED)


async def test_the_number_of_a_held_release_is_used_up(held: World):
    with pytest.raises(Conflict, match="it is held"):
        await held.publish("@acme/review", "1.0.1")


async def test_what_is_held_installs_only_for_who_asks_for_it_by_its_exact_version(held: World):
    for ref in (REF, "@acme/review@1.0.1+build"):
        with pytest.raises(Held):
            await call(held, OWNER, "install", refs=[ref])
        plan = await call(held, ANONYMOUS, "install", refs=[ref], include_held=True)
        assert [(p.ref, p.held) for p in plan.plan] == [(REF, True)]
        assert plan.plan[0].url.endswith("?include_held=true")
    plan = await call(held, ANONYMOUS, "install", refs=["@acme/review"], include_held=True)
    assert [(p.ref, p.held) for p in plan.plan] == [("@acme/review@1.0.0", False)]


async def test_nothing_depends_on_what_is_held(held: World):
    await held.publish("@acme/team", needs={"@acme/review": "=1.0.1"})
    with pytest.raises(Conflict, match="no version of @acme/review"):
        await call(held, OWNER, "install", refs=["@acme/team"], include_held=True)


async def test_others_are_told_that_it_is_held_and_not_why(held: World):
    publisher, stranger = await held.caller("acme"), await held.caller("other")
    for caller in (stranger, ANONYMOUS):
        with pytest.raises(Held, match="held until a reviewer") as refused:
            await call(held, caller, "inspect", ref=REF)
        assert "injection" not in str(refused.value)
        judged = await call(held, caller, "trust", ref=REF, detail="full")
        assert (judged.verdict, judged.report) == (Verdict.REFUSE, None)
        assert judged.reasons == ["held until a reviewer of the registry has looked at it"]
        listed = await call(held, caller, "versions", name="@acme/review")
        assert [v.version for v in listed.versions] == ["1.0.0"]
        located = await call(held, caller, "download", ref=REF, include_held=True)
        assert located.state is State.HELD
    for caller in (publisher, REVIEWER, OWNER):
        seen = await call(held, caller, "inspect", ref=REF)
        assert seen.withheld.startswith("held: injection/")
        judged = await call(held, caller, "trust", ref=REF)
        assert any(reason.startswith("held: injection/") for reason in judged.reasons)


async def test_a_reviewer_is_shown_what_is_held_and_why_and_nobody_else(held: World):
    listed = await call(held, REVIEWER, "review")
    assert [one.ref for one in listed.held] == [REF]
    assert {why.rule.partition("/")[0] for why in listed.held[0].why} == {"injection"}
    for caller, error in (
        (ANONYMOUS, Unauthenticated),
        (await held.caller("acme"), Forbidden),
        (await held.caller("other"), Forbidden),
    ):
        with pytest.raises(error):
            await call(held, caller, "review")
        with pytest.raises(Forbidden):
            await held.registry.packages.release(NAME, Version.parse("1.0.1"), "x", caller)


async def test_roles_that_run_a_registry_review_and_others_do_not(sqlite_world: World):
    for role, reviews in (("viewer", False), ("member", False), ("admin", True), ("owner", True)):
        text, _ = await sqlite_world.registry.tokens.mint(Grant("t", frozenset(), role=role), OWNER)
        caller = await sqlite_world.registry.tokens.authenticate(text)
        assert caller.has(Scope.REVIEW) is reviews


async def test_a_decision_needs_a_reason_and_one_version(held: World):
    for arguments in (
        {"ref": REF, "decision": "release"},
        {"ref": REF, "decision": "release", "reason": "  "},
        {"ref": "@acme/review", "decision": "release", "reason": "x"},
        {"ref": REF},
        {"cursor": "x"},
    ):
        with pytest.raises(Invalid):
            await call(held, REVIEWER, "review", **arguments)


async def test_a_private_package_exists_for_a_reviewer_while_something_of_it_is_held(world: World):
    await world.publish("@acme/review", "1.0.0", private=True)
    with pytest.raises(NotFound, match="no package"):
        await call(world, REVIEWER, "inspect", ref="@acme/review@1.0.0")
    await hold(world, private=True)
    assert (await call(world, REVIEWER, "inspect", ref=REF)).withheld.startswith("held")
    with pytest.raises(NotFound, match="no package"):
        await call(world, ANONYMOUS, "download", ref=REF, include_held=True)
    await call(world, REVIEWER, "review", ref=REF, decision="release", reason="Fine.")
    with pytest.raises(NotFound, match="no package"):
        await call(world, REVIEWER, "inspect", ref=REF)
    about = await events(world, EventKind.RELEASE_HELD, EventKind.RELEASE_RELEASED)
    assert [event.private for event in about] == [True, True]


async def test_a_reviewer_holds_what_was_released_and_the_package_falls_back(world: World):
    for version in ("1.0.0", "1.0.1"):
        await world.publish("@acme/review", version)
    await world.registry.packages.point(NAME, "beta", Version.parse("1.0.1"), OWNER)
    await call(world, REVIEWER, "review", ref=REF, decision="hold", reason="Reported.")
    found = await world.registry.packages.find(NAME, ANONYMOUS)
    assert str(found.latest.version) == "1.0.0"
    with pytest.raises(NothingMatches):
        found.pick("beta")
    listed = await call(world, ANONYMOUS, "versions", name="@acme/review")
    assert (listed.latest, listed.channels) == ("1.0.0", {})
    (waiting,) = (await call(world, REVIEWER, "review")).held
    assert [(why.rule, why.message) for why in waiting.why] == [("review", "Reported.")]
    (changed,) = await events(world, EventKind.TRUST_CHANGED)
    assert (changed.payload["was"], changed.payload["verdict"]) == ("trusted", "refuse")


async def test_a_revoked_release_is_served_to_nobody_and_everybody_is_told_why(world: World):
    for version in ("1.0.0", "1.0.1"):
        await world.publish("@acme/review", version)
    publisher = await world.caller("acme")
    for caller in (ANONYMOUS, await world.caller("other")):
        with pytest.raises((Forbidden, Unauthenticated)):
            await call(world, caller, "revoke", ref=REF, reason="x")
    await call(world, publisher, "revoke", ref=REF, reason="Our key was stolen.")
    for caller in (OWNER, publisher, ANONYMOUS):
        with pytest.raises(Revoked, match="Our key was stolen"):
            await call(world, caller, "install", refs=[REF], include_held=True)
        with pytest.raises(Revoked):
            await call(world, caller, "download", ref=REF, include_held=True)
        judged = await call(world, caller, "trust", ref=REF)
        assert judged.verdict is Verdict.REFUSE
        assert judged.reasons[0] == "revoked, and not served any more: Our key was stolen."
        listed = await call(world, caller, "versions", name="@acme/review")
        assert [(v.version, v.state) for v in listed.versions] == [
            ("1.0.0", State.RELEASED),
            ("1.0.1", State.REVOKED),
        ]
    with pytest.raises(Conflict, match="it is revoked"):
        await world.publish("@acme/review", "1.0.1")


async def test_a_yank_and_its_end_change_the_verdict(world: World):
    await world.publish("@acme/review", "1.0.0")
    await call(world, OWNER, "yank", ref="@acme/review@1.0.0", reason="x")
    await call(world, OWNER, "yank", ref="@acme/review@1.0.0", reason="again")
    await call(world, OWNER, "unyank", ref="@acme/review@1.0.0")
    told = [
        (e.payload["was"], e.payload["verdict"], e.payload["because"])
        for e in await events(world, EventKind.TRUST_CHANGED)
    ]
    assert told == [
        ("trusted", "refuse", "package_yanked"),
        ("refuse", "trusted", "package_unyanked"),
    ]


async def test_the_publisher_is_told_that_it_is_held_and_what_happens_next(sqlite_world: World):
    import base64

    publisher = await sqlite_world.caller("acme")
    made = package("@acme/review", "1.0.0", files={"SKILL.md": SUSPECT})
    artifact = base64.b64encode(made).decode()
    would = await call(sqlite_world, publisher, "publish", artifact=artifact, dry_run=True)
    assert would.held
    assert would.dry_run
    done = await call(sqlite_world, publisher, "publish", artifact=artifact)
    assert done.held
    assert any("malware_delivery" in warning for warning in done.warnings)
    assert "A reviewer of the registry looks at it" in done.next
    with pytest.raises(Conflict):
        await publishing.publish(sqlite_world.registry, OWNER, made)
