"""Finding packages: pages, filters, completion, likeness, use, and what nobody else may learn."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from registry_core.callers import ANONYMOUS, OWNER, Caller
from registry_core.errors import Invalid
from registry_core.operations import invoke
from registry_core.operations.search import NUDGED
from registry_core.search import Query
from world import World


@pytest.fixture
async def world(sqlite_world: World) -> World:
    world = sqlite_world
    await world.publish("@acme/pdf-tables", description="Extracts tables from PDF files.")
    await world.publish(
        "@acme/pdf-forms", description="Fills the forms of PDF files.", tags=["pdf"]
    )
    await world.publish("@zeta/pdf-table", description="Extracts tables from PDF file.")
    await world.publish("@zeta/deploy", description="Deploys services to a cluster.")
    await world.publish(
        "@acme/pdf-payroll", description="Extracts tables from PDF files.", private=True
    )
    return world


async def call(world: World, name: str, caller: Caller = ANONYMOUS, **arguments: Any) -> Any:
    return (await invoke(world.registry, caller, name, arguments)).model_dump()


async def test_pages_of_a_search_join(world: World) -> None:
    every = [hit["ref"] for hit in (await call(world, "search", query="pdf files"))["hits"]]
    assert len(every) == 3
    found, cursor = [], ""
    while True:
        page = await call(world, "search", query="pdf files", limit=1, cursor=cursor)
        found += [hit["ref"] for hit in page["hits"]]
        cursor = page["next"]
        if not cursor:
            break
    assert found == every


@pytest.mark.parametrize("cursor", ["x", "1", "1.x", ".", "-1.2", "1.²"])
async def test_a_cursor_that_no_search_gave_is_refused(world: World, cursor: str) -> None:
    with pytest.raises(Invalid, match="cursor"):
        await call(world, "search", query="pdf", cursor=cursor)


async def test_a_search_is_narrowed_to_a_publisher_and_counted(world: World) -> None:
    found = await call(world, "search", query="pdf", publisher="@zeta", facets=True)
    assert [hit["ref"] for hit in found["hits"]] == ["@zeta/pdf-table@1.0.0"]
    assert found["facets"] == {
        "kind": {"skill": 1},
        "category": {},
        "tag": {},
        "publisher": {"zeta": 1},
        "verified": {"true": 1},
    }


async def test_near_equals_go_by_use_and_it_is_said(world: World) -> None:
    for name in ("@acme/same-thing", "@zeta/same-thing"):
        await world.publish(name, description="Folds paper cranes.")
    first, second = (await call(world, "search", query="paper cranes"))["hits"]
    assert NUDGED not in first["why"] + second["why"]
    (ref,) = (await world.registry.index.search(_named(second["ref"]))).hits
    (package,) = (await world.registry.packages.by_id([int(ref.key)])).values()
    assert package.latest
    await world.registry.uses.count_downloads({(package.id, package.latest.id): 5000})
    again = (await call(world, "search", query="paper cranes"))["hits"]
    assert [hit["ref"] for hit in again] == [second["ref"], first["ref"]]
    assert NUDGED in again[0]["why"]
    named = await call(world, "search", query=first["ref"].partition("@1")[0])
    assert named["hits"][0]["ref"] == first["ref"]


async def test_what_is_typed_is_completed_with_names_and_tags(world: World) -> None:
    found = await call(world, "suggest", text="@acme/pdf-")
    assert sorted(found["names"]) == ["@acme/pdf-forms", "@acme/pdf-tables"]
    assert (await call(world, "suggest", text="pd"))["tags"] == ["pdf"]
    assert "@zeta/deploy" in (await call(world, "suggest", text="dep"))["names"]
    assert await call(world, "suggest", text=" @ ") == {"names": [], "tags": []}


async def test_packages_like_one_are_found_without_it(world: World) -> None:
    found = await call(world, "similar", ref="@acme/pdf-tables")
    assert found["hits"][0]["ref"] == "@zeta/pdf-table@1.0.0"
    assert "@acme/pdf-tables@1.0.0" not in [hit["ref"] for hit in found["hits"]]
    assert "@zeta/deploy@1.0.0" not in [hit["ref"] for hit in found["hits"]]


async def test_near_duplicates_are_found_in_pairs(world: World) -> None:
    (pair,) = (await call(world, "duplicates", least=0.9))["pairs"]
    assert {pair["one"], pair["other"]} == {"@acme/pdf-tables", "@zeta/pdf-table"}
    assert (await call(world, "duplicates", publisher="zeta"))["pairs"] == []


async def test_what_is_used_of_late_trends(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    registry, now = world.registry, world.registry.journal.now()
    listed = await registry.packages.list(OWNER)
    ids = {
        str(package.name): (package.id, package.latest.id) for package in listed if package.latest
    }

    async def used(name: str, count: int, ago: timedelta) -> None:
        monkeypatch.setattr(registry.journal, "now", lambda: now - ago)
        await registry.uses.count_downloads({ids[name]: count})

    await used("@acme/pdf-forms", 100, timedelta(days=40))
    await used("@acme/pdf-tables", 30, timedelta(days=6))
    await used("@zeta/deploy", 10, timedelta(days=3))
    await used("@zeta/deploy", 10, timedelta(hours=2))
    await used("@acme/pdf-payroll", 99, timedelta())
    week = (await call(world, "trending"))["packages"]
    assert [(each["ref"], each["downloads"]) for each in week] == [
        ("@zeta/deploy@1.0.0", 20),
        ("@acme/pdf-tables@1.0.0", 30),
    ]
    assert week[0]["score"] > week[1]["score"] > 0
    day = (await call(world, "trending", period="day"))["packages"]
    assert [(each["ref"], each["downloads"]) for each in day] == [("@zeta/deploy@1.0.0", 10)]
    assert (await call(world, "trending", OWNER))["packages"][0]["ref"].startswith("@acme/pdf-pay")


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("search", {"query": "pdf-payroll", "facets": True}),
        ("search", {"query": "@acme/pdf-payroll"}),
        ("search", {"query": "", "facets": True, "limit": 50}),
        ("suggest", {"text": "pdf-pay"}),
        ("suggest", {"text": "acme/"}),
        ("similar", {"ref": "@acme/pdf-tables"}),
        ("duplicates", {"least": 0.8}),
        ("trending", {}),
    ],
)
async def test_no_answer_tells_others_of_a_private_package(
    world: World, name: str, arguments: dict[str, Any]
) -> None:
    with_it = await call(world, name, **arguments)
    assert "payroll" not in str({**with_it, **arguments} if name != "search" else with_it["hits"])
    listed = await world.registry.packages.list(OWNER)
    assert any(str(package.name) == "@acme/pdf-payroll" for package in listed)
    member = await world.caller("acme")
    mine = await call(world, "search", member, query="pdf-payroll")
    assert mine["hits"][0]["ref"] == "@acme/pdf-payroll@1.0.0"
    if with_it.get("facets"):
        assert sum(with_it["facets"]["publisher"].values()) == with_it["total"] <= 4


def _named(ref: str) -> Query:
    return Query(text=ref.partition("@1")[0], limit=1)
