"""Knowledge: what agents remember for each other, and how they hear that they disagree."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from itertools import pairwise

import pytest
from sqlalchemy import insert, select, update

from registry_core.callers import ANONYMOUS, OWNER, Caller, Scope
from registry_core.errors import Forbidden, Invalid, Unauthenticated
from registry_core.events.kinds import EventKind
from registry_core.knowledge import MOST_RANKED
from registry_core.operations import invoke
from registry_core.schema import audit, facts
from registry_core.schema import events as event_table
from world import World

GITHUB = "ghp_" + "a8Kd03jfQpLzX71mNvBt" * 2


def agent(name: str = "a", workspace: str = "team", **more) -> Caller:
    """A holder of a token for one workspace."""
    return Caller(
        name=f"token:{name}",
        token_id=name,
        workspaces=frozenset({workspace}),
        workspace=workspace,
        **({"scopes": frozenset({Scope.SEARCH, Scope.KNOWLEDGE})} | more),
    )


async def remember(world: World, caller: Caller, key: str, value: str, **given):
    given |= {"key": key, "value": value}
    return await invoke(world.registry, caller, "knowledge_remember", given)


async def search(world: World, caller: Caller, query: str = "", **given):
    return await invoke(world.registry, caller, "knowledge_search", given | {"query": query})


async def found(world: World, caller: Caller, query: str = "", **given):
    return [fact.key for fact in (await search(world, caller, query, **given)).facts]


async def events(world: World):
    everything = await world.registry.journal.log.since(0)
    return [event for event in everything if event.kind is EventKind.KNOWLEDGE_REMEMBERED]


async def test_a_fact_is_remembered_with_who_said_it_and_when(world: World):
    done = await remember(
        world,
        agent(),
        "  token   format ",
        " JWT\nwith RS256 ",
        category="auth",
        confidence=0.9,
        reasoning="Scales better.",
    )
    assert (done.outcome, done.superseded, done.notes) == ("remembered", None, [])
    assert (done.fact.category, done.fact.key) == ("auth", "token format")
    assert done.fact.value == "JWT\nwith RS256"
    assert (done.fact.remembered_by, done.fact.channel) == ("token:a", "default")
    [event] = await events(world)
    assert event.id == done.as_of
    assert (event.parent_id, event.kind.consistency) == (None, "eventual")
    assert event.payload == {
        "tool": "knowledge_remember",
        "action": "remember",
        "category": "auth",
        "key": "token format",
        "confidence": 0.9,
        "knowledge_value": "JWT\nwith RS256",
        "reasoning": "Scales better.",
    }
    assert (await search(world, agent())).facts == [done.fact]


async def test_the_same_value_again_confirms_and_makes_no_new_fact(world: World):
    first = await remember(world, agent(), "format", "JWT", confidence=0.5)
    again = await remember(world, agent("b"), "format", "JWT ", confidence=0.9)
    assert (again.outcome, again.superseded, again.notes) == ("confirmed", None, [])
    assert (again.fact.confidence, again.fact.remembered_by) == (0.9, "token:a")
    assert again.fact.remembered_at >= first.fact.remembered_at
    surer = await remember(world, agent("b"), "format", "JWT", confidence=0.1)
    assert surer.fact.confidence == 0.9
    assert (await search(world, agent())).total == 1
    told = await events(world)
    assert [event.payload["action"] for event in told] == ["remember", "confirm", "confirm"]
    assert [event.parent_id for event in told] == [None, told[0].id, told[0].id]


async def test_another_value_supersedes_and_says_who_wrote_what_before(world: World):
    first = await remember(world, agent(), "format", "JWT", category="auth")
    other = await remember(world, agent("b"), "format", "PASETO", category="auth")
    assert other.outcome == "superseded"
    assert other.superseded == first.fact
    [note] = other.notes
    assert note.startswith("[CONFLICT] token:a wrote another value to auth/format at 20")
    assert [fact.value for fact in (await search(world, agent(), "format")).facts] == ["PASETO"]
    told = await events(world)
    assert told[1].parent_id == told[0].id
    assert told[1].payload["agents"] == ["token:a", "token:b"]
    third = await remember(world, agent(), "format", "JWT", category="auth")
    assert third.superseded
    assert third.superseded.value == "PASETO"
    assert (await search(world, agent())).total == 1


async def test_agents_that_write_one_key_at_once_are_all_recorded_in_order(world: World):
    done = await asyncio.gather(
        *(remember(world, agent(str(n)), "format", f"value {n}") for n in range(20))
    )
    assert sorted(d.outcome for d in done) == ["remembered"] + ["superseded"] * 19
    by_event = sorted(done, key=lambda d: d.as_of)
    for before, after in pairwise(by_event):
        assert after.superseded == before.fact
        assert before.fact.remembered_by in after.notes[0]
    [current] = (await search(world, agent())).facts
    assert current == by_event[-1].fact
    async with world.registry.journal.database.read() as connection:
        rows = (await connection.execute(select(facts).order_by(facts.c.id))).all()
    assert [row.superseded_by for row in rows] == [*(row.id for row in rows[1:]), None]
    assert [row.event_id for row in rows] == [d.as_of for d in by_event]


async def test_agents_that_say_the_same_at_once_make_one_fact(world: World):
    done = await asyncio.gather(
        *(remember(world, agent(str(n)), "format", "JWT") for n in range(20))
    )
    assert sorted(d.outcome for d in done) == ["confirmed"] * 19 + ["remembered"]
    assert (await search(world, agent())).total == 1


async def test_search_ranks_the_key_over_the_value_and_a_rare_word_over_a_common_one(
    world: World,
):
    for key, value in (
        ("deploy", "Everything goes out on Mondays; tokens are checked then."),
        ("token format", "JWT, signed with RS256."),
        ("database", "Verifies connections in the pool before use."),
        ("review", "Two people read every change."),
    ):
        await remember(world, agent(), key, value, category="team rules")
    assert await found(world, agent(), "token") == ["token format", "deploy"]
    assert await found(world, agent(), "TOKENS?") == ["token format", "deploy"]
    assert await found(world, agent(), "verify a connection") == ["database"]
    assert (await found(world, agent(), "rules about database pools"))[0] == "database"
    assert len(await found(world, agent(), "rules")) == 4
    assert await found(world, agent(), "walrus") == []
    assert await found(world, agent(), "how do i") == []
    assert await found(world, agent(), "rules", limit=1) == ["review"]
    assert (await search(world, agent(), "rules", limit=1)).total == 4
    assert (await found(world, agent()))[0] == "review", "the newest, where nothing is asked"


async def test_of_equal_facts_the_surer_comes_first_and_then_the_newer(world: World):
    for key, confidence in (("one", 0.5), ("two", 0.9), ("three", 0.5)):
        await remember(world, agent(), key, "walrus", confidence=confidence)
    assert await found(world, agent(), "walrus") == ["two", "three", "one"]


@pytest.mark.parametrize(
    ("value", "query"),
    [
        ("Le résumé est prêt.", "résumé"),
        ("数据库在法兰克福", "数据库"),
        ("Groß und klein", "groß"),
        ("getWeather calls the API", "weather"),
        ("runs nightly jobs", "running job"),
        ("the relational model", "relations"),
        ("100%_sure", "100%_sure"),
    ],
)
async def test_words_of_many_kinds_are_found(world: World, value, query):
    await remember(world, agent(), "key", value)
    await remember(world, agent(), "other", "nothing of it")
    assert await found(world, agent(), query) == ["key"]


@pytest.mark.parametrize(
    "query",
    ["%", "_", "'; DROP TABLE facts; --", '"', "a AND NOT (b", "key:*", "NEAR(", "\\", "^", "{}[]"],
)
async def test_syntax_in_a_query_is_only_text(world: World, query):
    await remember(world, agent(), "walrus", "tusks")
    assert await found(world, agent(), query) == []
    assert await found(world, agent(), "walrus " + query) == ["walrus"]


async def test_a_long_query_is_read_in_part(sqlite_world: World):
    await remember(sqlite_world, agent(), "walrus", "tusks")
    assert await found(sqlite_world, agent(), "walrus " + "word " * 190) == ["walrus"]
    with pytest.raises(Invalid):
        await search(sqlite_world, agent(), "x" * 1001)


async def test_a_fact_is_found_among_many_newer_ones_that_look_like_it(world: World):
    await remember(world, agent(), "build 77", "took 12 minutes", category="ci")

    async def work(connection) -> None:
        [row] = (await connection.execute(select(facts))).mappings().all()
        alike = [
            {**row, "id": row["id"] + n, "key": f"build {n + 7700}", "value": "took a minute"}
            for n in range(1, MOST_RANKED + 50)
        ]
        await connection.execute(insert(facts), alike)

    await world.registry.journal.write(work)
    assert (await found(world, agent(), "build 77"))[0] == "build 77"
    assert (await found(world, agent(), "77 12"))[0] == "build 77"


async def test_workspaces_do_not_see_each_other_and_channels_can_be_told_apart(world: World):
    ours, theirs = agent(), agent("b", "foreign")
    await remember(world, ours, "format", "JWT")
    branch = await remember(world, ours, "format", "PASETO", channel="feat/auth")
    assert (branch.outcome, branch.notes) == ("remembered", [])
    elsewhere = await remember(world, theirs, "format", "HMAC")
    assert (elsewhere.outcome, elsewhere.notes) == ("remembered", [])
    values = {fact.value for fact in (await search(world, ours, "format")).facts}
    assert values == {"JWT", "PASETO"}
    [fact] = (await search(world, ours, "format", channel="feat/auth")).facts
    assert (fact.value, fact.channel) == ("PASETO", "feat/auth")
    assert [f.value for f in (await search(world, theirs, "format")).facts] == ["HMAC"]
    assert (await search(world, theirs)).total == 1
    assert {(e.workspace, e.channel) for e in await events(world)} == {
        ("team", "default"),
        ("team", "feat/auth"),
        ("foreign", "default"),
    }
    with pytest.raises(Forbidden):
        await search(world, theirs, workspace="team")
    with pytest.raises(Forbidden):
        await remember(world, theirs, "x", "y", workspace="team")


async def test_a_fact_that_nobody_confirms_is_doubted_until_somebody_does(sqlite_world: World):
    world = sqlite_world
    await remember(world, agent(), "format", "JWT")
    await remember(world, agent(), "fresh", "JWT")
    long_ago = world.registry.clock() - timedelta(days=41)

    async def work(connection) -> None:
        aged = update(facts).where(facts.c.key == "format").values(remembered_at=long_ago)
        await connection.execute(aged)

    await world.registry.journal.write(work)
    notes = {fact.key: fact.note for fact in (await search(world, agent(), "JWT")).facts}
    assert notes == {"format": "nobody has confirmed it for 41 days", "fresh": ""}
    await remember(world, agent("b"), "format", "JWT")
    assert [fact.note for fact in (await search(world, agent(), "JWT")).facts] == ["", ""]


async def test_what_changed_since_ones_last_read_is_marked(world: World):
    await remember(world, agent(), "format", "JWT")
    await remember(world, agent(), "other", "JWT")
    read = await search(world, agent(), "JWT")
    assert [fact.note for fact in read.facts] == ["", ""]
    await remember(world, agent("b"), "format", "JWT, of PASETO's making")
    again = await search(world, agent(), "JWT", seen=read.as_of)
    assert {fact.key: fact.note for fact in again.facts} == {
        "format": "written since your last read",
        "other": "",
    }
    assert again.notes == []
    for n in range(10):
        await remember(world, agent("b"), f"k{n}", "x")
    [note] = (await search(world, agent(), "JWT", seen=read.as_of)).notes
    assert note.startswith("[CONTEXT STALE] 11 events")


async def test_reading_needs_search_and_writing_knowledge(sqlite_world: World):
    world = sqlite_world
    reader = agent(scopes=frozenset({Scope.SEARCH}))
    writer = agent(scopes=frozenset({Scope.KNOWLEDGE}))
    await remember(world, writer, "a", "b")
    assert (await search(world, reader)).total == 1
    with pytest.raises(Forbidden, match="knowledge"):
        await remember(world, reader, "a", "b")
    with pytest.raises(Forbidden, match="search"):
        await search(world, writer)
    with pytest.raises(Unauthenticated):
        await search(world, ANONYMOUS)
    with pytest.raises(Forbidden, match="package token"):
        await search(world, await world.caller("acme", Scope.READ))
    assert (await search(world, OWNER)).total == 0


async def test_a_secret_is_refused_and_no_table_holds_it(world: World):
    pem = "-----BEGIN RSA PRIVATE KEY-----\n" + "MIIEpAIBAAKCAQEA0Zx9Kq" * 4 + "\n"
    for given in (
        {"value": f"use {GITHUB}"},
        {"value": pem},
        {"key": GITHUB},
        {"category": GITHUB},
        {"reasoning": GITHUB},
    ):
        whole = {"key": "k", "value": "v"} | given
        [name] = given
        with pytest.raises(Invalid, match=f"not stored, for it holds a secret: .* in {name}"):
            await remember(world, agent(), **whole)
    await world.registry.recorder.flush()
    async with world.registry.journal.database.read() as connection:
        for table in (facts, event_table, audit):
            rows = repr((await connection.execute(select(table))).all())
            assert GITHUB not in rows
            assert "MIIEpAIB" not in rows
    assert (await remember(world, agent(), "k", "ghp_" + "x" * 36)).outcome == "remembered"


@pytest.mark.parametrize(
    "given",
    [
        {"key": ""},
        {"key": "  "},
        {"key": "a\nb"},
        {"key": "a\x00b"},
        {"key": "\ud800"},
        {"key": "x" * 129},
        {"value": ""},
        {"value": " \n"},
        {"value": "a\x00b"},
        {"value": "\udfff"},
        {"value": "x" * 4097},
        {"value": {"a": 1}},
        {"category": "x" * 65},
        {"category": ""},
        {"confidence": 1.1},
        {"confidence": -0.1},
        {"confidence": float("nan")},
        {"confidence": "sure"},
        {"unknown": 1},
    ],
)
async def test_nonsense_is_refused(sqlite_world: World, given):
    with pytest.raises(Invalid):
        await remember(sqlite_world, agent(), **({"key": "k", "value": "v"} | given))
    assert (await search(sqlite_world, agent())).total == 0


@pytest.mark.parametrize("given", [{"query": "a\x00b"}, {"limit": 0}, {"limit": 51}, {"seen": -1}])
async def test_a_search_that_makes_no_sense_is_refused(sqlite_world: World, given):
    with pytest.raises(Invalid):
        await search(sqlite_world, agent(), **given)
