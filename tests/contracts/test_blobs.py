"""What every blob store keeps."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

import pytest

from registry_core.errors import NotFound, Tampered
from registry_core.storage.objects import ObjectBlobs


@pytest.fixture(params=["folder", "memory"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectBlobs:
    if request.param == "memory":
        return ObjectBlobs.in_memory()
    return ObjectBlobs.in_folder(tmp_path / "blobs")


async def test_a_blob_comes_back_under_its_digest(blobs):
    digest = await blobs.put(b"some bytes")
    assert digest == hashlib.sha256(b"some bytes").hexdigest()
    assert await blobs.get(digest) == b"some bytes"
    assert await blobs.has(digest)


async def test_the_empty_blob_and_a_large_one_are_blobs_too(blobs):
    for data in (b"", bytes(range(256)) * 32768):
        assert await blobs.get(await blobs.put(data)) == data


async def test_an_unknown_digest_is_not_found(blobs):
    assert not await blobs.has("0" * 64)
    with pytest.raises(NotFound):
        await blobs.get("0" * 64)


async def test_many_who_put_the_same_bytes_at_once_agree(blobs):
    digests = await asyncio.gather(*(blobs.put(b"same") for _ in range(20)))
    assert len(set(digests)) == 1
    assert await blobs.get(digests[0]) == b"same"


async def test_a_changed_blob_is_refused_with_both_digests(tmp_path):
    blobs = ObjectBlobs.in_folder(tmp_path)
    digest = await blobs.put(b"right")
    (tmp_path / "sha256" / digest[:2] / digest).write_bytes(b"wrong")
    with pytest.raises(Tampered) as caught:
        await blobs.get(digest)
    assert caught.value.expected == digest
    assert caught.value.found == hashlib.sha256(b"wrong").hexdigest()


async def test_a_folder_never_shows_half_a_blob(tmp_path):
    blobs = ObjectBlobs.in_folder(tmp_path)
    await blobs.put(b"x" * 1_000_000)
    assert [p.stat().st_size for p in tmp_path.rglob("*") if p.is_file()] == [1_000_000]
