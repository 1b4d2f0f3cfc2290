"""The search index in a folder: what only files, processes and vectors can get wrong."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from indexing import follower, put
from registry_core.errors import Internal, Unavailable
from registry_core.search import Behind, Query, Remove, fields
from registry_core.search import tantivy as backend
from registry_core.search.embedding import table
from registry_core.search.retrieval import CANDIDATES
from registry_core.search.tantivy import TantivyIndex


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def total(index: TantivyIndex) -> int:
    return (await index.search(Query(namespaces_visible=None))).total


async def keys(index: TantivyIndex, text: str) -> list[str]:
    return [hit.key for hit in (await index.search(Query(text=text))).hits]


async def test_what_was_applied_is_there_after_reopening(tmp_path: Path) -> None:
    index = await TantivyIndex.open(tmp_path / "search")
    await index.apply([put("one", "quokka"), put("two", "Deploys to the cloud")], 41)
    await index.close()
    index = await TantivyIndex.open(tmp_path / "search")
    assert await index.position() == 41
    assert await keys(index, "quokkas") == ["one"]
    assert (await index.search(Query(text="deploy to the cloud"))).hits[0].similarity
    await index.close()


async def test_killed_while_writing_it_stands_where_its_content_does(tmp_path: Path) -> None:
    path = tmp_path / "search"
    with follower(TantivyIndex, path, 100_000, 7) as writer:
        assert writer.stdout
        for _ in range(5):
            writer.stdout.readline()
        writer.kill()
    index = await TantivyIndex.open(path)
    position = await index.position()
    assert position >= 35
    assert await total(index) == position
    await index.apply([put("after", "quokka")], position + 1)
    assert await keys(index, "quokka") == ["after"]
    await index.close()


async def test_processes_that_share_a_folder_build_one_index(tmp_path: Path) -> None:
    path = tmp_path / "search"
    writers = [follower(TantivyIndex, path, 40, step) for step in (3, 5)]
    assert [writer.wait() for writer in writers] == [0, 0]
    for writer in writers:
        assert writer.stdout
        writer.stdout.close()
    index = await TantivyIndex.open(path)
    assert (await index.position(), await total(index)) == (40, 40)
    await index.close()


async def test_two_open_indexes_see_each_others_commits(tmp_path: Path) -> None:
    first, second = [await TantivyIndex.open(tmp_path / "search") for _ in range(2)]
    await first.apply([put("one", "Counts quokkas")], 1)
    assert await keys(second, "counting quokkas") == ["one"]
    await second.apply([put("two", "Feeds quokkas"), Remove("one")], 2)
    assert await keys(first, "quokkas") == ["two"]
    await second.clear()
    assert (await first.position(), await total(first)) == (0, 0)
    await asyncio.gather(
        *(index.apply([put(f"p{n}")], n) for n in range(1, 6) for index in (first, second))
    )
    assert await first.position() == 5
    await first.close()
    await second.close()


async def test_while_another_process_writes_what_was_committed_is_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backend, "BUSY_SECONDS", 0)
    first, second = [await TantivyIndex.open(tmp_path / "search") for _ in range(2)]
    await first.apply([put("one", "quokka")], 1)
    with first._writing():
        with pytest.raises(Behind, match="another process"):
            await second.apply([put("two", "quokka")], 2)
        assert await keys(second, "quokka") == ["one"]
    first._settle()
    await second.apply([put("two", "quokka")], 2)
    assert sorted(await keys(first, "quokka")) == ["one", "two"]
    await first.close()
    await second.close()


async def test_no_search_waits_for_who_writes_when_a_merge_has_changed_the_files(
    tmp_path: Path,
) -> None:
    index = await TantivyIndex.open(tmp_path / "search")
    await index.apply([put("one", "quokka")], 1)
    with index._writing():
        os.utime(tmp_path / "search" / f"{backend.SCHEMA}-{table().digest}" / "meta.json")
        assert await keys(index, "quokka") == ["one"]
    await index.close()


async def test_an_index_of_another_schema_starts_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = await TantivyIndex.open(tmp_path / "search")
    await index.apply([put("one")], 9)
    await index.close()
    monkeypatch.setattr(backend, "SCHEMA", backend.SCHEMA + 1)
    index = await TantivyIndex.open(tmp_path / "search")
    assert (await index.position(), await total(index)) == (0, 0)
    assert len([path for path in (tmp_path / "search").iterdir() if path.is_dir()]) == 1
    await index.close()


async def test_another_programs_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("x")
    with pytest.raises(Unavailable, match="other files"):
        await TantivyIndex.open(tmp_path)
    assert names(tmp_path) == ["precious"]


async def test_a_parent_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="cannot be used"):
        await TantivyIndex.open(tmp_path / "none" / "search")


@pytest.mark.parametrize("pattern", ["*/meta.json", "*/vectors-*"])
async def test_a_damaged_folder_starts_anew(tmp_path: Path, pattern: str) -> None:
    path = tmp_path / "search"
    index = await TantivyIndex.open(path)
    await index.apply([put(f"p{n}", f"word{n} quokka") for n in range(30)], 1)
    await index.close()
    (damaged,) = path.glob(pattern)
    damaged.write_bytes(b"\xa5" * 100)
    index = await TantivyIndex.open(path)
    assert await index.position() == 0
    await index.apply([put("one", "quokka")], 1)
    assert await keys(index, "quokka") == ["one"]
    await index.close()


async def test_damage_found_later_is_named_and_cleared(tmp_path: Path) -> None:
    path = tmp_path / "search"
    index = await TantivyIndex.open(path)
    await index.apply([put("one", "quokka")], 1)
    index._settle()
    (meta,) = path.glob("*/meta.json")
    meta.write_bytes(b"\xa5" * 100)
    with pytest.raises(Internal, match="damaged"):
        await index.search(Query(text="quokka"))
    await index.clear()
    assert await index.position() == 0
    await index.apply([put("one", "quokka")], 1)
    assert await keys(index, "quokka") == ["one"]
    await index.close()


async def test_vectors_of_replaced_packages_are_dropped_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backend, "SPARE", 3)
    path = tmp_path / "search"
    index, other = [await TantivyIndex.open(path) for _ in range(2)]
    for n in range(1, 20):
        await index.apply([put("one", f"Counts quokkas in the bush {n}")], n)
        assert await keys(other, "counting quokkas") == ["one"]
    (file,) = path.glob("*/vectors-*")
    assert file.stat().st_size < 10 * backend.vectors.RECORD.itemsize
    await index.close()
    await other.close()


async def test_a_word_that_nobody_has_finds_what_it_begins_and_what_it_nearly_is() -> None:
    index = await TantivyIndex.open(None)
    await index.apply([put("one", "Runs kubernetes"), put("two", "Bakes bread")], 1)
    for text in ("kubern", "kubernetis", "deploy on kubernets"):
        assert (await keys(index, text))[0] == "one", text
    await index.close()


async def test_a_long_request_without_blanks_keeps_its_rarest_pairs_and_its_words() -> None:
    index = await TantivyIndex.open(None)
    every = "".join(map(chr, range(0x4E00, 0x4E00 + 80)))
    await index.apply([put("all", f"{every} quokka"), put("end", every[60:]), put("other")], 1)
    known, _ = fields.rarest(index._current()[0].searcher, f"{every} quokka")
    pairs = [every[at : at + 2] for at in range(fields.MAX_UNSPACED)]
    assert list(known) == [*pairs, "quokka"]
    assert await keys(index, f"{every} quokka") == ["all"]
    await index.close()


async def test_a_common_word_is_looked_for_in_bodies_where_too_few_heads_have_it() -> None:
    index = await TantivyIndex.open(None)
    said = [put(f"said-{number}", "Bakes bread", body="Deploys") for number in range(300)]
    named = [put(f"named-{number}", "Deploys") for number in range(CANDIDATES)]
    await index.apply([*said, *named[1:]], 1)
    last = Query(text="deploys", offset=CANDIDATES - 1)
    assert [hit.matched for hit in (await index.search(last)).hits] == [("body",)]
    await index.apply(named[:1], 2)
    assert [hit.matched for hit in (await index.search(last)).hits] == [("description",)]
    await index.close()
