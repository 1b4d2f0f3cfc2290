"""The audit log as its readers see it."""

from __future__ import annotations

from contextlib import suppress

import pytest

from registry_core.callers import ANONYMOUS, OWNER, Scope
from registry_core.errors import Forbidden, RegistryError, Unauthenticated
from registry_core.events.kinds import EventKind, kind_of
from registry_core.operations import digest, invoke
from registry_core.operations.calls import CallList
from world import World


async def read(world: World, **arguments: object) -> CallList:
    listed = await invoke(world.registry, OWNER, "calls", arguments)
    assert isinstance(listed, CallList)
    return listed


async def ask(world: World, name: str, **arguments: object) -> None:
    with suppress(RegistryError):
        await invoke(world.registry, ANONYMOUS, name, arguments)


async def test_calls_are_listed_newest_first_with_how_they_ended_and_no_arguments(world: World):
    await ask(world, "search", query="walruses")
    await ask(world, "inspect", ref="@acme/absent")
    await ask(world, "yank", ref="@acme/absent@1.0.0", reason="walruses")
    yanked, inspected, searched = (await read(world)).calls
    assert [(one.operation, one.allowed, one.outcome) for one in (searched, inspected, yanked)] == [
        ("search", True, "ok"),
        ("inspect", True, "not_found"),
        ("yank", False, yanked.outcome),
    ]
    assert searched.arguments_sha256 == digest({"query": "walruses"})
    assert "walruses" not in yanked.model_dump_json()
    assert [one.operation for one in (await read(world, denied=True)).calls] == ["yank"]


async def test_calls_come_in_pages(sqlite_world: World):
    for number in range(150):
        await ask(sqlite_world, "search", query=f"{number}")
    first = await read(sqlite_world)
    second = await read(sqlite_world, before=first.next)
    ids = [one.id for one in (*first.calls, *second.calls)]
    assert (len(first.calls), len(second.calls), second.next) == (100, 50, 0)
    assert ids == sorted(ids, reverse=True)


async def test_the_calls_of_one_token_are_told_apart(world: World):
    reader = await world.caller("acme", Scope.READ)
    await invoke(world.registry, reader, "search", {"query": "x"})
    await ask(world, "search", query="y")
    assert reader.token_id
    (call,) = (await read(world, token=reader.token_id)).calls
    assert (call.token, call.arguments_sha256) == (reader.token_id, digest({"query": "x"}))


async def test_the_audit_log_is_for_who_may_read_it(world: World):
    reader = await world.caller("acme", Scope.READ)
    with pytest.raises(Unauthenticated):
        await invoke(world.registry, ANONYMOUS, "calls", {})
    with pytest.raises(Forbidden):
        await invoke(world.registry, reader, "calls", {})


async def test_a_large_argument_has_the_same_digest(sqlite_world: World):
    large = "x" * 100_000
    await ask(sqlite_world, "search", query=large)
    assert (await read(sqlite_world)).calls[0].arguments_sha256 == digest({"query": large})


def test_a_kind_that_a_newer_node_wrote_keeps_its_name():
    later = kind_of("moon_landed")
    assert (later, later.value, later.consistency, later.logged) == (
        "moon_landed",
        "moon_landed",
        "strong",
        False,
    )
    assert kind_of("package_published") is EventKind.PACKAGE_PUBLISHED
    assert "moon_landed" not in set(EventKind)
