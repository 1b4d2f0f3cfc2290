"""What every store of files keeps."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from registry_core.storage.objects import ObjectFiles


@pytest.fixture(params=["folder", "memory"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectFiles:
    if request.param == "memory":
        return ObjectFiles.in_memory()
    return ObjectFiles.in_folder(tmp_path / "files")


async def test_a_file_comes_back_from_its_path(files):
    assert await files.create("tile/0/x001/000.p/5", b"some")
    assert await files.read("tile/0/x001/000.p/5") == b"some"
    assert await files.read("tile/0/x001/000") is None


async def test_a_file_is_created_once_and_by_one_of_many(files):
    done = await asyncio.gather(*(files.create("a/b", b"%d" % n) for n in range(20)))
    assert done.count(True) == 1
    assert await files.read("a/b") == b"%d" % done.index(True)


async def test_a_file_is_replaced_whole(files):
    await files.replace("a", b"one")
    await files.replace("a", b"another")
    assert await files.read("a") == b"another"


async def test_a_folder_is_emptied_and_its_neighbours_stay(files):
    for path in ("t/000", "t/000.p/1", "t/000.p/255", "t/001.p/1"):
        await files.replace(path, b"x")
    await files.remove_below("t/000.p")
    await files.remove_below("t/none.p")
    there = [
        path
        for path in ("t/000", "t/000.p/1", "t/000.p/255", "t/001.p/1")
        if await files.read(path)
    ]
    assert there == ["t/000", "t/001.p/1"]
