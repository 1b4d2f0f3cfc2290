"""New names that people would take for another's are held, and say whose."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_core import publish as publishing
from registry_core.callers import OWNER
from registry_core.errors import Conflict, Rejected
from registry_core.names import PackageName, Version
from registry_core.packages.popular import Popular
from registry_core.publish import Published
from registry_core.verification.names import is_one_edit, keys, likeness, skeleton
from registry_core.verification.policy import Names, Policy
from world import World, package

WORDS = st.text(alphabet="ab1lo0-", min_size=1, max_size=8)


def distance(one: str, other: str) -> int:
    """Optimal string alignment, by the book."""
    rows = [[i + j if not i * j else 0 for j in range(len(other) + 1)] for i in range(len(one) + 1)]
    for i in range(1, len(one) + 1):
        for j in range(1, len(other) + 1):
            cost = one[i - 1] != other[j - 1]
            best = min(rows[i - 1][j] + 1, rows[i][j - 1] + 1, rows[i - 1][j - 1] + cost)
            if i > 1 and j > 1 and one[i - 1] == other[j - 2] and one[i - 2] == other[j - 1]:
                best = min(best, rows[i - 2][j - 2] + 1)
            rows[i][j] = best
    return rows[-1][-1]


@given(WORDS, WORDS)
def test_one_edit_is_what_the_book_says(one: str, other: str):
    assert is_one_edit(one, other) is (distance(one, other) == 1)
    assert is_one_edit(one, other) is is_one_edit(other, one)


@given(WORDS, WORDS)
def test_names_that_are_alike_share_a_key(one: str, other: str):
    if skeleton(one) == skeleton(other) or is_one_edit(skeleton(one), skeleton(other)):
        assert keys(one) & keys(other)


@pytest.mark.parametrize(
    ("one", "other", "how"),
    [
        ("clawhub1", "clawhub", "one letter"),
        ("cllawhub", "clawhub", "one letter"),
        ("calwhub", "clawhub", "one letter"),
        ("clawhob", "clawhub", "one letter"),
        ("claw-hub", "clawhub", "looks the same"),
        ("c1awhub", "clawhub", "looks the same"),
        ("rnodern-api", "modern-api", "looks the same"),
        ("clawhub", "clawhub", ""),
        ("clawhubber", "clawhub", ""),
        ("pdf", "pdg", ""),
        ("sql", "5ql", ""),
    ],
)
def test_a_name_is_like_another(one: str, other: str, how: str):
    found = likeness(one, other)
    assert how in found
    assert bool(found) is bool(how)


@pytest.fixture
def popular(sqlite_world: World) -> World:
    """A world in which every package that is there is popular, and `vault` is reserved."""
    names = Names(reserved=frozenset({"vault"}), popular_downloads=0)
    journal = sqlite_world.registry.journal
    registry = replace(
        sqlite_world.registry,
        policy=Policy(names=names),
        popular=Popular(journal, names, refresh=timedelta(0)),
    )
    return World(registry, sqlite_world.folder)


async def publish(world: World, name: str, version: str = "1.0.0") -> Published:
    return await publishing.publish(world.registry, OWNER, package(name, version))


async def found(world: World, name: str) -> list[tuple[str, str]]:
    report = (await publish(world, name)).report
    return [(f.rule, f.message) for f in report.findings if f.rule.startswith("names/")]


async def test_a_new_name_like_a_popular_one_is_held_with_the_name_it_is_like(popular: World):
    assert not (await publish(popular, "@acme/clawhub")).held
    assert await found(popular, "@evil/cllawhub") == [
        (
            "names/like-package",
            "cllawhub is one letter away from clawhub of the popular package @acme/clawhub",
        )
    ]
    assert await found(popular, "@c1awhub/other") == []  # a namespace is like no package


async def test_a_namespace_like_a_popular_one_is_held(popular: World):
    await publish(popular, "@modernapi/review")
    ((rule, message),) = await found(popular, "@rnodern-api/review")
    assert rule == "names/like-namespace"
    assert "looks the same as modernapi of the popular package @modernapi/review" in message


async def test_ones_own_names_are_no_likeness(popular: World):
    await publish(popular, "@acme/clawhub")
    assert await found(popular, "@acme/clawhub1") == []


async def test_the_same_name_elsewhere_is_no_likeness(popular: World):
    await publish(popular, "@acme/clawhub")
    assert await found(popular, "@other/clawhub") == []


async def test_only_the_first_release_of_a_name_is_looked_at(popular: World):
    await publish(popular, "@acme/clawhub")
    held = await publish(popular, "@friend/clawhubb")
    assert held.held
    assert (await publish(popular, "@friend/clawhubb", "1.0.1")).held
    await popular.registry.packages.release(held.name, held.version, "An old friend.", OWNER)
    assert not (await publish(popular, "@friend/clawhubb", "1.0.2")).held
    assert not (await publish(popular, "@acme/clawhub", "1.0.1")).held


async def test_what_is_reserved_is_refused_and_what_looks_like_it_is_held(popular: World):
    for name in ("@vault/x", "@acme/vault"):
        with pytest.raises(Rejected, match="vault is reserved"):
            await publish(popular, name)
    for name in ("@acme/va-ult", "@vau1t/x", "@0fficial/x", "@lean--ctx/x"):
        assert (await publish(popular, name)).held, name


async def test_popular_is_what_the_policy_says_and_only_what_is_public(sqlite_world: World):
    world, journal = sqlite_world, sqlite_world.registry.journal
    await world.publish("@acme/clawhub")
    await world.publish("@acme/hidden", private=True)
    asked = PackageName("evil", "clawhub1")

    async def near(names: Names, name: PackageName = asked) -> int:
        return len(await Popular(journal, names).near(name))

    assert await near(Names(popular_downloads=1)) == 0
    assert await near(Names(popular_downloads=0)) == 1
    assert await near(Names(popular_downloads=1, popular_days=1)) == 0
    assert await near(Names(popular_downloads=0), PackageName("evil", "hidden1")) == 0
    package_ = await world.registry.packages.find(PackageName("acme", "clawhub"), OWNER)
    await world.registry.uses.count_downloads({(package_.id, package_.latest.id): 3})
    assert await near(Names(popular_downloads=3)) == 1


async def test_a_name_stays_with_whom_it_was_given_to(sqlite_world: World):
    world = sqlite_world
    await world.publish("@acme/review")
    name, version = PackageName("acme", "review"), Version.parse("1.0.0")
    await world.registry.packages.revoke(name, version, "Gone.", OWNER)
    with pytest.raises(Conflict, match="it is revoked"):
        await world.publish("@acme/review")
    stranger = await world.caller("other")
    with pytest.raises(Exception, match="may not publish in @acme"):
        await publishing.publish(world.registry, stranger, package("@acme/review", "2.0.0"))
