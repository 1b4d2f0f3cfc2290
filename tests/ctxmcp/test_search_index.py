"""The search index of a registry: when it is opened, which one it is, and how it is made anew."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from shell import Shell

from ctxmcp import settings, wiring
from registry_core.callers import ANONYMOUS, OWNER, Caller
from registry_core.errors import Invalid
from registry_core.formats import Visibility
from registry_core.names import PackageName, Version
from registry_core.operations import invoke
from registry_core.search import Change, Query
from world import World, package

HEAVY = """
import asyncio, sys
from pathlib import Path
from ctxmcp import settings, wiring
from registry_core.callers import OWNER
from registry_core.operations import CATALOG, invoke

heavy = {"numpy", "tantivy"}

async def main():
    async with wiring.open_registry(settings.read(data_dir=Path(sys.argv[1]))) as registry:
        assert all(operation.input_schema("remote") for operation in CATALOG.values())
        print(sorted(heavy & set(sys.modules)))
        await invoke(registry, OWNER, "search", {"query": "anything"})
        print(sorted(heavy & set(sys.modules)))

asyncio.run(main())
"""


def names(folder: Path, pattern: str) -> list[str]:
    return [str(path.relative_to(folder)) for path in folder.glob(pattern)]


async def refs(world: World, text: str, caller: Caller = OWNER) -> list[str]:
    found = await invoke(world.registry, caller, "search", {"query": text})
    return [hit.ref for hit in found.hits]  # type: ignore[attr-defined]


async def test_nothing_heavy_is_loaded_before_somebody_searches(tmp_path: Path) -> None:
    run = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", HEAVY, str(tmp_path)), stdout=asyncio.subprocess.PIPE
    )
    said = (await run.communicate())[0].decode()
    assert said.splitlines() == ["[]", "['numpy', 'tantivy']"]


@pytest.mark.parametrize(("engine", "left"), [("hybrid", "search"), ("fts5", "search.sqlite3")])
async def test_the_engine_is_a_setting(tmp_path: Path, engine: str, left: str) -> None:
    read = settings.read(data_dir=tmp_path, environment={"CTXMCP_SEARCH": engine})
    async with wiring.open_registry(read) as registry:
        world = World(registry, tmp_path)
        await world.publish("@acme/review")
        assert await refs(world, "pull requests") == ["@acme/review@1.0.0"]
    assert left in names(tmp_path, "search*")


def test_an_engine_that_is_none_is_refused() -> None:
    with pytest.raises(Invalid, match="hybrid or fts5"):
        settings.read(environment={"CTXMCP_SEARCH": "grep"})


async def test_without_the_engine_sqlite_searches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "tantivy", None)
    monkeypatch.delitem(sys.modules, "registry_core.search.tantivy", raising=False)
    async with World.open("", tmp_path) as world:
        await world.publish("@acme/review")
        assert await refs(world, "pull requests") == ["@acme/review@1.0.0"]
    assert "SQLite alone" in caplog.text
    assert not (tmp_path / "search").exists()


async def test_an_index_that_is_damaged_while_it_serves_is_made_anew(tmp_path: Path) -> None:
    async with World.open("", tmp_path) as world:
        await world.publish("@acme/review")
        assert await refs(world, "review")
        (meta,) = names(tmp_path, "search/*/meta.json")
        (tmp_path / meta).write_bytes(b"\xa5" * 100)
        await world.publish("@acme/second")
        assert sorted(await refs(world, "pull requests")) == [
            "@acme/review@1.0.0",
            "@acme/second@1.0.0",
        ]


async def test_calls_of_tools_are_no_work_for_the_index(tmp_path: Path) -> None:
    async with World.open("", tmp_path) as world:
        await world.publish("@acme/review")
        await refs(world, "review")
        before = await world.registry.index.position()
        for _ in range(3):
            await invoke(world.registry, OWNER, "inspect", {"ref": "@acme/review"})
        await world.registry.recorder.close()
        assert await world.registry.journal.log.head() > before
        await refs(world, "review")
        assert await world.registry.index.position() == before
        await world.publish("@acme/second")
        assert len(await refs(world, "pull requests")) == 2


async def written(world: World, number: int, member: Caller) -> None:
    name, packages = f"@acme/p{number}", world.registry.packages
    await world.publish(name)
    assert name in str(await refs(world, name, ANONYMOUS))
    if number % 3 == 0:
        await packages.yank(PackageName.parse(name), Version.parse("1.0.0"), "Over.", OWNER)
        assert name not in str(await refs(world, name))
    elif number % 3 == 1:
        await packages.set_visibility(PackageName.parse(name), Visibility.PRIVATE, OWNER)
        assert name not in str(await refs(world, name, ANONYMOUS))
        assert name not in str(await refs(world, name, member))
        assert name in str(await refs(world, name))


async def looked_up(world: World) -> None:
    for _ in range(5):
        found = await refs(world, "pull requests", ANONYMOUS)
        assert len(found) == len(set(found))


async def test_searches_between_writes_see_each_of_them_at_once(tmp_path: Path) -> None:
    async with World.open("", tmp_path) as world:
        member = await world.caller("zeta")
        async with asyncio.TaskGroup() as group:
            for number in range(6):
                group.create_task(written(world, number, member))
            for _ in range(3):
                group.create_task(looked_up(world))
        left = sorted(await refs(world, "pull requests", ANONYMOUS))
        assert left == ["@acme/p2@1.0.0", "@acme/p5@1.0.0"]


async def test_a_follower_indexes_what_is_published_before_anybody_searches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with World.open("", tmp_path) as world, asyncio.TaskGroup() as group:
        index, applied = world.registry.index, asyncio.Event()
        apply = index.apply

        async def seen(changes: Sequence[Change], position: int) -> None:
            await apply(changes, position)
            applied.set()

        monkeypatch.setattr(index, "apply", seen)
        following = group.create_task(world.registry.indexer.follow())
        await world.publish("@acme/review")
        await applied.wait()
        assert [hit.name for hit in (await index.search(Query())).hits] == ["@acme/review"]
        following.cancel()


async def test_the_index_of_another_log_is_not_believed(tmp_path: Path) -> None:
    read = settings.read(data_dir=tmp_path, environment={})
    async with wiring.open_registry(read) as registry:
        for n in range(3):
            await World(registry, tmp_path).publish(f"@acme/p{n}")
        await registry.indexer.catch_up()
    other = replace(read, database_url=f"sqlite+aiosqlite:///{tmp_path / 'other.sqlite3'}")
    async with wiring.open_registry(other) as registry:
        world = World(registry, tmp_path)
        await world.publish("@zeta/only")
        assert await refs(world, "pull requests") == ["@zeta/only@1.0.0"]


def test_the_index_is_made_anew_by_a_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shell = Shell.at(tmp_path, monkeypatch, capsys)
    Path("review.ctxpkg").write_bytes(package())
    shell.ok("publish", "review.ctxpkg")
    assert "made anew" in shell.ok("reindex").out
    assert shell.ok("reindex", "--json").json["position"] > 0
    assert "@acme/review" in shell.ok("search", "pull requests").out
