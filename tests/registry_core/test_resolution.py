"""Resolving references with all they depend on."""

from __future__ import annotations

import pytest

from registry_core.callers import ANONYMOUS, OWNER
from registry_core.errors import DependencyConflict, DependencyCycle, NotFound, NothingMatches
from registry_core.names import PackageName, Reference, Version
from registry_core.resolution import resolve
from world import World


async def chosen(world: World, *references: str, caller=ANONYMOUS) -> list[str]:
    found = await resolve(
        world.registry.packages, caller, [Reference.parse(text) for text in references]
    )
    return [str(choice) for choice in found]


async def test_dependencies_come_first_at_the_newest_version_in_range(sqlite_world: World):
    world = sqlite_world
    for version in ("1.0.0", "1.4.0", "2.0.0"):
        await world.publish("@acme/base", version)
    await world.publish("@acme/mid", needs={"@acme/base": "^1.0"})
    await world.publish("@acme/top", needs={"@acme/mid": "*", "@acme/base": ">=1"})
    assert await chosen(world, "@acme/top") == [
        "@acme/base@1.4.0",
        "@acme/mid@1.0.0",
        "@acme/top@1.0.0",
    ]


async def test_a_choice_that_excludes_another_is_taken_back(sqlite_world: World):
    world = sqlite_world
    await world.publish("@acme/base", "1.0.0")
    await world.publish("@acme/base", "2.0.0")
    await world.publish("@acme/lib", "1.0.0", needs={"@acme/base": "^1"})
    await world.publish("@acme/lib", "1.1.0", needs={"@acme/base": "^2"})
    await world.publish("@acme/top", needs={"@acme/lib": "^1", "@acme/base": "^1"})
    assert await chosen(world, "@acme/top") == [
        "@acme/base@1.0.0",
        "@acme/lib@1.0.0",
        "@acme/top@1.0.0",
    ]


async def test_what_cannot_be_satisfied_together_says_who_wants_what(sqlite_world: World):
    world = sqlite_world
    await world.publish("@acme/base", "1.0.0")
    await world.publish("@acme/base", "2.0.0")
    await world.publish("@acme/one", needs={"@acme/base": "^1"})
    await world.publish("@acme/two", needs={"@acme/base": "^2"})
    with pytest.raises(DependencyConflict) as caught:
        await chosen(world, "@acme/one", "@acme/two")
    assert "@acme/one@1.0.0 needs @acme/base@^1" in str(caught.value)
    assert "@acme/two@1.0.0 needs @acme/base@^2" in str(caught.value)


async def test_a_circle_is_printed(sqlite_world: World):
    world = sqlite_world
    await world.publish("@acme/one", needs={"@acme/two": "*"})
    await world.publish("@acme/two", needs={"@acme/three": "*"})
    await world.publish("@acme/three", needs={"@acme/one": "*"})
    with pytest.raises(DependencyCycle, match="@acme/one -> @acme/two -> @acme/three -> @acme/one"):
        await chosen(world, "@acme/one")
    await world.publish("@acme/self", needs={"@acme/self": "*"})
    with pytest.raises(DependencyCycle):
        await chosen(world, "@acme/self")


async def test_a_missing_dependency_says_who_needs_it(sqlite_world: World):
    await sqlite_world.publish("@acme/top", needs={"@acme/gone": "^1"})
    with pytest.raises(NotFound, match="@acme/top@1.0.0 needs @acme/gone"):
        await chosen(sqlite_world, "@acme/top")


async def test_a_private_dependency_is_missing_for_outsiders(sqlite_world: World):
    await sqlite_world.publish("@acme/hidden", private=True)
    await sqlite_world.publish("@acme/top", needs={"@acme/hidden": "*"})
    with pytest.raises(NotFound):
        await chosen(sqlite_world, "@acme/top")
    assert await chosen(sqlite_world, "@acme/top", caller=OWNER) == [
        "@acme/hidden@1.0.0",
        "@acme/top@1.0.0",
    ]


async def test_a_yanked_version_satisfies_only_an_exact_reference(sqlite_world: World):
    world = sqlite_world
    await world.publish("@acme/base", "1.0.0")
    await world.publish("@acme/base", "1.1.0")
    await world.publish("@acme/top", needs={"@acme/base": "=1.1.0"})
    await world.registry.packages.yank(
        PackageName("acme", "base"), Version.parse("1.1.0"), "bad", OWNER
    )
    assert await chosen(world, "@acme/base@^1") == ["@acme/base@1.0.0"]
    assert await chosen(world, "@acme/base@1.1.0") == ["@acme/base@1.1.0"]
    with pytest.raises(DependencyConflict):
        await chosen(world, "@acme/top")


async def test_an_unknown_reference_is_refused_in_plain_words(sqlite_world: World):
    await sqlite_world.publish("@acme/base", "1.0.0")
    with pytest.raises(NothingMatches, match="There are 1.0.0"):
        await chosen(sqlite_world, "@acme/base@^2")
    with pytest.raises(NotFound, match="no package @acme/nope"):
        await chosen(sqlite_world, "@acme/nope")


async def test_many_versions_that_never_fit_end_in_an_answer(sqlite_world: World):
    world = sqlite_world
    for n in range(15):
        await world.publish("@acme/left", f"1.{n}.0", needs={"@acme/base": f"={n}.0.0"})
        await world.publish("@acme/right", f"1.{n}.0", needs={"@acme/base": f"={n + 100}.0.0"})
        await world.publish("@acme/base", f"{n}.0.0")
    with pytest.raises(DependencyConflict):
        await chosen(world, "@acme/left", "@acme/right")
