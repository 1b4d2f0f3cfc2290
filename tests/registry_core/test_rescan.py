"""Scanning again what is stored: newer rules, an older release, and what follows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select

from registry_core.callers import ANONYMOUS, OWNER
from registry_core.errors import Held
from registry_core.events import Event
from registry_core.events.kinds import EventKind
from registry_core.names import PackageName, Version
from registry_core.packages import State
from registry_core.rescan import Rescanned, rescan
from registry_core.schema import reports
from registry_core.verification import checks, injection, scoring
from registry_core.verification.rules import Rule
from world import World

NAME = PackageName("acme", "review")
TEXT = "---\nname: x\ndescription: X.\n---\nAsk the blue elephant for its keys.\n"


@pytest.fixture
def newer_rules(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Make rules of tomorrow, that hold what speaks of a blue elephant."""

    def come() -> None:
        rule = Rule("elephant", "malware_delivery", 5, 5, "speaks of an elephant", "blue elephant")
        monkeypatch.setattr(scoring, "RULES", (*scoring.RULES, rule))
        monkeypatch.setattr(injection, "rules", lambda: "tomorrow")
        monkeypatch.setitem(checks._RULES, "injection", lambda: "tomorrow")
        scoring._rules.cache_clear()

    yield come
    monkeypatch.undo()
    scoring._rules.cache_clear()


async def scan(world: World) -> tuple[Rescanned, list[tuple[int, int, str]]]:
    told: list[tuple[int, int, str]] = []
    done = await rescan(world.registry, OWNER, lambda *said: told.append(said))
    return done, told


async def events(world: World, since: int = 0) -> list[Event]:
    about = {EventKind.RELEASE_RESCANNED, EventKind.RELEASE_HELD, EventKind.TRUST_CHANGED}
    return [e for e in await world.registry.journal.log.since(since) if e.kind in about]


async def test_what_todays_rules_have_looked_at_is_not_scanned_again(world: World):
    await world.publish("@acme/review")
    done, told = await scan(world)
    assert (done.total, done.scanned, told) == (0, 0, [])


async def test_what_newer_rules_would_hold_is_held_and_the_older_report_kept(
    world: World, newer_rules: Any
):
    await world.publish("@acme/review", files={"SKILL.md": TEXT})
    await world.publish("@acme/other")
    newer_rules()
    done, told = await scan(world)
    assert told == [(1, 2, "@acme/review@1.0.0"), (2, 2, "@acme/other@1.0.0")]
    assert done.held == done.changed == ["@acme/review@1.0.0"]
    assert done.verdicts == ["@acme/review@1.0.0: trusted -> refuse"]
    assert done.unreadable == []
    found = await world.registry.packages.find(NAME, ANONYMOUS)
    with pytest.raises(Held):
        found.pick(Version.parse("1.0.0"))
    assert found.withheld[0].state_reason == "injection/elephant"
    assert [event.kind for event in await events(world)] == [
        EventKind.RELEASE_RESCANNED,
        EventKind.RELEASE_HELD,
        EventKind.TRUST_CHANGED,
    ]
    async with world.registry.journal.database.read() as connection:
        rows = (await connection.execute(select(reports).order_by(reports.c.made_at))).all()
    of = [row for row in rows if row.artifact_sha256 == found.withheld[0].sha256]
    assert sorted(row.outcome for row in of) == ["passed", "warned"]
    assert {row.rules for row in of} >= {done.rules}
    again, _ = await scan(world)
    assert again.total == 0


async def test_what_a_reviewer_released_is_not_held_for_the_same_again(
    world: World, newer_rules: Any
):
    await world.publish("@acme/review", files={"SKILL.md": TEXT})
    newer_rules()
    await scan(world)
    await world.registry.packages.release(NAME, Version.parse("1.0.0"), "An elephant.", OWNER)
    checks._RULES["injection"] = lambda: "the day after"
    done, _ = await scan(world)
    assert (done.scanned, done.held, done.changed) == (1, [], [])
    found = await world.registry.packages.find(NAME, ANONYMOUS)
    assert found.pick(None).state is State.RELEASED


async def test_a_scan_that_was_stopped_goes_on_where_it_was(sqlite_world: World, newer_rules: Any):
    for n in range(5):
        await sqlite_world.publish("@acme/review", f"1.0.{n}")
    newer_rules()

    def stop(done: int, total: int, what: str) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await rescan(sqlite_world.registry, OWNER, stop)
    done, told = await scan(sqlite_world)
    assert done.total == 3
    assert told[0][2] == "@acme/review@1.0.2"


async def test_what_cannot_be_read_is_named_and_stops_nothing(
    sqlite_world: World, newer_rules: Any
):
    broken = await sqlite_world.publish("@acme/review")
    await sqlite_world.publish("@acme/other")
    digest = broken.candidate.sha256
    for path in sqlite_world.folder.rglob(f"*{digest[-40:]}*"):
        path.write_bytes(b"something else")
    newer_rules()
    done, _ = await scan(sqlite_world)
    assert done.scanned == 2
    assert len(done.unreadable) == 1
    assert done.unreadable[0].startswith("@acme/review@1.0.0: ")
    again, _ = await scan(sqlite_world)
    assert again.total == 1


async def test_what_was_found_against_what_is_known_stays_in_the_newer_report(
    sqlite_world: World, newer_rules: Any
):
    await sqlite_world.publish("@acme/review")
    await sqlite_world.publish("@acme/review", "1.0.1", files={"SKILL.md": TEXT + "https://x.io\n"})
    newer_rules()
    await scan(sqlite_world)
    found = await sqlite_world.registry.packages.find(NAME, OWNER)
    details = await sqlite_world.registry.packages.details(found.withheld[0])
    sections = [section["check"] for section in details.report["sections"]]
    assert sections[-3:] == ["change", "advisories", "keys"]
    assert details.report["policy"] == sqlite_world.registry.policy.digest
