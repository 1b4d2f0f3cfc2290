"""The search index in a SQLite file: what only a file can get wrong."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from indexing import follower, put
from registry_core.errors import Internal, Unavailable
from registry_core.search import Query
from registry_core.search import fts5 as backend
from registry_core.search.fts5 import Fts5Index


async def total(index: Fts5Index) -> int:
    return (await index.search(Query(namespaces_visible=None))).total


async def test_what_was_applied_is_there_after_reopening(tmp_path: Path) -> None:
    index = await Fts5Index.open(tmp_path / "search.db")
    await index.apply([put("one", "quokka")], 41)
    await index.close()
    index = await Fts5Index.open(tmp_path / "search.db")
    assert await index.position() == 41
    assert (await index.search(Query(text="quokkas"))).total == 1
    await index.close()


async def test_killed_while_writing_it_stands_where_its_content_does(tmp_path: Path) -> None:
    path = tmp_path / "search.db"
    with follower(Fts5Index, path, 100_000, 7) as writer:
        assert writer.stdout
        for _ in range(5):
            writer.stdout.readline()
        writer.kill()
    index = await Fts5Index.open(path)
    position = await index.position()
    assert position >= 35
    assert await total(index) == position
    assert (await index.search(Query(text="words"))).total == position
    await index.apply([put("after")], position + 1)
    await index.close()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("pragma integrity_check").fetchall() == [("ok",)]
        connection.execute("insert into term (term) values ('integrity-check')")


async def test_processes_that_share_a_file_build_one_index(tmp_path: Path) -> None:
    path = tmp_path / "search.db"
    writers = [follower(Fts5Index, path, 40, step) for step in (1, 3, 5)]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    for writer in writers:
        assert writer.stdout
        writer.stdout.close()
    index = await Fts5Index.open(path)
    assert (await index.position(), await total(index)) == (40, 40)
    await index.close()


async def test_two_open_indexes_see_each_others_commits(tmp_path: Path) -> None:
    first, second = [await Fts5Index.open(tmp_path / "search.db") for _ in range(2)]
    await first.apply([put("one")], 1)
    assert await total(second) == 1
    await second.clear()
    assert (await first.position(), await total(first)) == (0, 0)
    await asyncio.gather(
        *(index.apply([put(f"p{n}")], n) for n in range(1, 6) for index in (first, second))
    )
    assert await first.position() == 5
    await first.close()
    await second.close()


async def test_a_file_that_is_no_database_starts_anew(tmp_path: Path) -> None:
    path = tmp_path / "search.db"
    path.write_bytes(b"not a database at all" * 1000)
    (tmp_path / "search.db-wal").write_bytes(b"stale")
    index = await Fts5Index.open(path)
    await index.apply([put("one")], 1)
    assert await total(index) == 1
    await index.close()


async def test_an_index_of_another_schema_starts_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "search.db"
    index = await Fts5Index.open(path)
    await index.apply([put("one")], 9)
    await index.close()
    monkeypatch.setattr(backend, "SCHEMA", backend.SCHEMA + 1)
    index = await Fts5Index.open(path)
    assert (await index.position(), await total(index)) == (0, 0)
    await index.apply([put("two")], 1)
    assert await total(index) == 1
    await index.close()


async def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("create table precious (id)")
    with pytest.raises(Unavailable, match="another program's"):
        await Fts5Index.open(path)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("select count(*) from precious").fetchone() == (0,)
        assert connection.execute("pragma journal_mode").fetchone() == ("delete",)


async def test_damage_found_later_is_named_and_cleared(tmp_path: Path) -> None:
    path = tmp_path / "search.db"
    index = await Fts5Index.open(path)
    await index.apply([put(f"p{n}", f"word{n} quokka") for n in range(300)], 1)
    await index.close()
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xa5" * (len(data) - 4096)
    path.write_bytes(data)
    index = await Fts5Index.open(path)
    with pytest.raises(Internal, match="damaged"):
        await index.search(Query(text="quokka"))
    await index.clear()
    assert await index.position() == 0
    await index.apply([put("one", "quokka")], 1)
    assert (await index.search(Query(text="quokka"))).total == 1
    await index.close()


async def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="unable to open"):
        await Fts5Index.open(tmp_path / "none" / "search.db")


async def test_a_locked_file_is_unavailable_and_keeps_its_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backend, "BUSY_SECONDS", 0)
    index = await Fts5Index.open(tmp_path / "search.db")
    with closing(sqlite3.connect(tmp_path / "search.db")) as other:
        other.execute("begin immediate")
        with pytest.raises(Unavailable, match="locked"):
            await index.apply([put("one")], 1)
        assert await total(index) == 0
    await index.apply([put("one")], 1)
    assert await total(index) == 1
    await index.close()


async def test_the_best_hits_do_not_depend_on_how_few_entries_are_scored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    index = await Fts5Index.open(None)
    words = ["deploy", "cloud", "test", "review", "token"]
    puts = [
        put(f"p{n:03}", " ".join(w for k, w in enumerate(words) if n % (k + 3) == 0))
        for n in range(120)
    ]
    await index.apply([*puts, put("rare", "quokka deploy cloud")], 1)
    query = Query(text="quokka deploy cloud test", limit=1)
    every = await index.search(query)
    monkeypatch.setattr(backend, "MAX_SEED", 1)
    few = await index.search(query)
    assert few.hits == every.hits
    assert few.total == 1 < every.total
    await index.close()
