"""Sessions: what the agents of a channel share, and what keeps them from losing each other's."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest

from registry_core.callers import ANONYMOUS, OWNER, Caller, Scope
from registry_core.errors import (
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    TooLarge,
    Unauthenticated,
)
from registry_core.events import Draft
from registry_core.events.kinds import EventKind
from registry_core.operations import invoke
from registry_core.sessions import MOST_DEPTH, MOST_STATE, Change, merged
from world import World

GITHUB = "ghp_" + "a8Kd03jfQpLzX71mNvBt" * 2


def agent(name: str = "a", workspace: str = "team", channel: str = "default", **more) -> Caller:
    """A holder of a token for one workspace."""
    scopes = frozenset({Scope.SEARCH, Scope.SESSION_MUTATIONS})
    return Caller(
        name=f"token:{name}",
        token_id=name,
        workspaces=frozenset({workspace}),
        workspace=workspace,
        channel=channel,
        **({"scopes": scopes} | more),
    )


async def get(world: World, caller: Caller, **given):
    return await invoke(world.registry, caller, "session_get", given)


async def mutate(world: World, caller: Caller, state=None, **given):
    given |= {} if state is None else {"state": state}
    return await invoke(world.registry, caller, "session_mutate", given)


async def listed(world: World, caller: Caller, **given):
    return await invoke(world.registry, caller, "session_list", given)


async def events(world: World, kind: EventKind = EventKind.SESSION_MUTATED):
    return [event for event in await world.registry.journal.log.since(0) if event.kind is kind]


# The examples of RFC 7396, appendix A.
@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_a_patch_is_merged_as_the_rfc_has_it(target, patch, result):
    before = json.dumps(target)
    assert merged(target, patch) == result
    assert json.dumps(target) == before


async def test_a_session_nobody_changed_is_empty_at_version_0_and_reading_makes_none(world: World):
    seen = await get(world, agent(), channel="feat/auth")
    assert (seen.version, seen.state, seen.updated_by) == (0, {}, "")
    assert (await listed(world, agent())).total == 0
    assert await events(world) == []


async def test_save_merges_set_replaces_and_each_change_counts(world: World):
    assert (await mutate(world, agent(), {"a": 1, "b": {"c": [1]}})).version == 1
    saved = await mutate(world, agent("b"), {"a": None, "b": {"d": 2}})
    assert (saved.version, saved.state) == (2, {"b": {"c": [1], "d": 2}})
    seen = await get(world, agent())
    assert seen.model_dump(exclude={"as_of"}) == saved.model_dump(exclude={"as_of"})
    assert (seen.updated_by, seen.workspace, seen.channel) == ("token:b", "team", "default")
    assert (await mutate(world, agent(), {"x": "y"}, action="set")).state == {"x": "y"}
    assert (await mutate(world, agent(), {}, action="set")).state == {}
    checkpoint = await mutate(world, agent(), reasoning="A checkpoint.")
    assert (checkpoint.version, checkpoint.state) == (5, {})
    with pytest.raises(Invalid, match="set needs a state"):
        await mutate(world, agent(), action="set")


async def test_a_change_to_what_one_has_not_read_is_a_conflict_and_changes_nothing(world: World):
    await mutate(world, agent(), {"a": 1}, expected_version=0)
    for stale in (0, 2):
        with pytest.raises(Conflict, match=f"at version 1, not {stale}"):
            await mutate(world, agent("b"), {"a": 2}, expected_version=stale)
    assert (await get(world, agent())).state == {"a": 1}
    assert len(await events(world)) == 1
    assert (await mutate(world, agent("b"), {"a": 2}, expected_version=1)).version == 2


async def test_many_writers_at_once_lose_nothing(world: World):
    done = await asyncio.gather(
        *(mutate(world, agent(str(n)), {f"by{n}": n, "last": n}) for n in range(40))
    )
    assert sorted(session.version for session in done) == list(range(1, 41))
    seen = await get(world, agent())
    assert seen.version == 40
    assert {name for name in seen.state if name != "last"} == {f"by{n}" for n in range(40)}
    written = await events(world)
    assert [event.payload["session_version"] for event in written] == list(range(1, 41))
    assert [event.parent_id for event in written] == [None, *(event.id for event in written[:-1])]
    assert written[-1].actor == f"token:{seen.state['last']}"


async def test_of_many_who_create_or_change_what_they_read_one_wins(world: World):
    for version in (0, 1, 2):
        outcomes = await asyncio.gather(
            *(
                mutate(world, agent(str(n)), {"winner": n}, expected_version=version)
                for n in range(12)
            ),
            return_exceptions=True,
        )
        won = [outcome for outcome in outcomes if not isinstance(outcome, Exception)]
        assert len(won) == 1
        assert all(isinstance(o, Conflict) for o in outcomes if isinstance(o, Exception))
        assert (await get(world, agent())).state == won[0].state


async def test_the_event_of_a_change_has_why_and_never_the_state(world: World):
    await mutate(world, agent(channel="feat/auth"), {"a": "walrus"}, reasoning="Auth checkpoint")
    [event] = await events(world)
    assert (event.workspace, event.channel, event.actor) == ("team", "feat/auth", "token:a")
    assert event.kind.consistency == "strong"
    assert event.payload == {
        "tool": "session_mutate",
        "action": "save",
        "session_version": 1,
        "reasoning": "Auth checkpoint",
    }


async def test_what_led_to_a_change_may_be_said_and_is_of_this_workspace(world: World):
    journal = world.registry.journal
    [here] = await journal.record(Draft(EventKind.GRAPH_BUILT, workspace="team", channel="other"))
    [there] = await journal.record(Draft(EventKind.GRAPH_BUILT, workspace="foreign"))
    await mutate(world, agent(), {"a": 1}, parent_id=here)
    for stranger in (there, 10_000):
        with pytest.raises(NotFound, match=f"no event {stranger}"):
            await mutate(world, agent(), {"a": 2}, parent_id=stranger)
    [event] = await events(world)
    assert event.parent_id == here
    assert (await get(world, agent())).state == {"a": 1}


async def test_the_list_has_the_last_changed_first_by_page(world: World):
    for n in range(5):
        await mutate(world, agent(channel=f"c{n}"), {"n": n})
    await mutate(world, agent(channel="c1"), {"n": 9})
    page = await listed(world, agent(), limit=2)
    assert page.total == 5
    names = [entry.channel for entry in page.sessions]
    while page.next:
        page = await listed(world, agent(), limit=2, cursor=page.next)
        names += [entry.channel for entry in page.sessions]
    assert names == ["c1", "c4", "c3", "c2", "c0"]
    for cursor in ("x", "-1", "9" * 16, "²"):
        with pytest.raises(Invalid, match="cursor"):
            await listed(world, agent(), cursor=cursor)


async def test_workspaces_and_channels_do_not_see_each_other(world: World):
    ours, theirs = agent(), agent("b", "foreign")
    await mutate(world, ours, {"secret": "ours"})
    await mutate(world, ours, {"secret": "of the branch"}, channel="feat/auth")
    assert (await get(world, theirs)).version == 0
    assert (await get(world, theirs, channel="feat/auth")).version == 0
    assert (await listed(world, theirs)).sessions == []
    assert (await get(world, ours)).state == {"secret": "ours"}
    assert (await mutate(world, theirs, {"x": 1})).version == 1
    assert {(e.workspace, e.channel) for e in await events(world)} == {
        ("team", "default"),
        ("team", "feat/auth"),
        ("foreign", "default"),
    }
    for call in (get, mutate, listed):
        with pytest.raises(Forbidden, match="opens no workspace 'team'"):
            await call(world, theirs, workspace="team")


async def test_a_workspace_may_be_named_where_the_token_opens_any(world: World):
    anywhere = replace(agent(), workspaces=None)
    await mutate(world, anywhere, {"a": 1}, workspace="w/1", channel="c.2")
    assert (await get(world, OWNER, workspace="w/1", channel="c.2")).state == {"a": 1}
    assert (await get(world, OWNER)).version == 0


@pytest.mark.parametrize("name", ["a b", "é", "x" * 65, "a\n", "a;b", "%"])
async def test_what_is_no_workspace_or_channel_is_refused(sqlite_world: World, name):
    for field in ("workspace", "channel"):
        with pytest.raises(Invalid):
            await get(sqlite_world, OWNER, **{field: name})


async def test_reading_needs_search_and_changing_its_own_scope(sqlite_world: World):
    world = sqlite_world
    reader = agent(scopes=frozenset({Scope.SEARCH}))
    writer = agent(scopes=frozenset({Scope.SESSION_MUTATIONS}))
    await mutate(world, writer, {"a": 1})
    assert (await get(world, reader)).version == 1
    with pytest.raises(Forbidden, match="sessionMutations"):
        await mutate(world, reader, {"a": 1})
    for call in (get, listed):
        with pytest.raises(Forbidden, match="search"):
            await call(world, writer)


async def test_nobody_without_a_token_and_no_package_token_gets_in(sqlite_world: World):
    package_token = await sqlite_world.caller("acme")
    for call in (get, listed):
        with pytest.raises(Unauthenticated):
            await call(sqlite_world, ANONYMOUS)
        with pytest.raises(Forbidden, match="package token"):
            await call(sqlite_world, package_token)


async def test_who_fell_behind_is_told(world: World):
    first = await mutate(world, agent(), {"n": 0})
    for n in range(10):
        await mutate(world, agent("b"), {"n": n})
        await mutate(world, agent("b", channel="other"), {"n": n})
    assert (await get(world, agent())).notes == []
    assert (await get(world, agent(), seen=first.as_of)).notes == []
    last = await mutate(world, agent("b"), {"n": 10})
    [note] = (await get(world, agent(), seen=first.as_of)).notes
    assert note.startswith("[CONTEXT STALE] 11 events happened in default since your last read.")
    assert (await get(world, agent(), seen=last.as_of)).notes == []


async def test_what_happens_to_private_packages_counts_for_nobody_as_missed(sqlite_world: World):
    stranger = agent(workspace="default")
    for number in range(20):
        await sqlite_world.publish("@acme/secret", f"1.0.{number}", private=True)
    assert (await get(sqlite_world, stranger, seen=0)).notes == []


def nested(depth: int) -> dict:
    state: dict = {}
    for _ in range(depth - 1):
        state = {"a": state}
    return state


async def test_a_state_has_a_bound_of_size_and_depth(world: World):
    room = MOST_STATE - len(json.dumps({"a": ""}, separators=(",", ":")))
    await mutate(world, agent(), {"a": "x" * room})
    for more in ({"b": ""}, {"a": "x" * (room + 1)}, {"a": "é" * room}, {"a": [0] * MOST_STATE}):
        with pytest.raises(TooLarge):
            await mutate(world, agent(), more)
    await mutate(world, agent(), nested(MOST_DEPTH), action="set")
    with pytest.raises(TooLarge, match="nested deeper"):
        await mutate(world, agent(), nested(MOST_DEPTH + 1))
    assert (await get(world, agent())).version == 2


def test_no_depth_and_no_number_is_too_much_for_the_check():
    with pytest.raises(TooLarge, match="nested deeper"):
        Change("save", nested(100_000))
    with pytest.raises(Invalid, match="no JSON"):
        Change("save", {"a": 10**5000})


@pytest.mark.parametrize(
    "state", [{"a": float("nan")}, {"a": [float("inf")]}, {"a": "\ud800"}, {"\udfff": 1}]
)
async def test_what_is_no_json_is_refused(sqlite_world: World, state):
    with pytest.raises(Invalid, match="no JSON"):
        await mutate(sqlite_world, agent(), state)


async def test_any_json_text_comes_back_as_it_was(world: World):
    state = {"": "\x00\x1f\u2028", "'; DROP TABLE sessions; --": "é🦭", "n": [2**63, 1e300, None]}
    await mutate(world, agent(), state, action="set")
    assert (await get(world, agent())).state == state


async def test_a_secret_is_refused_wherever_it_stands_and_kept_nowhere(world: World):
    for state, reasoning, place in (
        ({"auth": {"tokens": ["x", GITHUB]}}, "", r"state\.auth\.tokens\[1\]"),
        ({GITHUB: 1}, "", "state"),
        ({"manifest_toml": GITHUB}, "", "state.manifest_toml"),
        ({}, f"with {GITHUB}", "reasoning"),
    ):
        with pytest.raises(Invalid, match=rf"github_token in {place}: ghp_\*\*\*") as refused:
            await mutate(world, agent(), state, reasoning=reasoning)
        assert GITHUB not in str(refused.value)
    assert (await get(world, agent())).version == 0
    assert await events(world) == []
    await mutate(world, agent(), {"example": "ghp_" + "x" * 36})


@pytest.mark.parametrize(
    "given",
    [
        {"state": []},
        {"state": "x"},
        {"action": "drop"},
        {"expected_version": -1},
        {"expected_version": 2**63},
        {"parent_id": 0},
        {"reasoning": "x" * 2001},
        {"reasoning": "a\x00b"},
        {"reasoning": "\ud800"},
        {"unknown": 1},
    ],
)
async def test_nonsense_is_refused(sqlite_world: World, given):
    with pytest.raises(Invalid):
        await mutate(sqlite_world, agent(), **given)
