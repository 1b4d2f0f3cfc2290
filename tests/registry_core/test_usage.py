"""Counting downloads: none is lost while the database is away, and none waits for the next."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping

import pytest

from registry_core import usage
from registry_core.errors import Unavailable
from registry_core.usage import Usage


class Store:
    """Adds up what it is given; it is away for the first so many times, and takes its time."""

    def __init__(self, away: int = 0) -> None:
        self.away = away
        self.counts: Counter[tuple[int, int]] = Counter()
        self.asked = asyncio.Event()
        self.go = asyncio.Event()
        self.two = asyncio.Event()

    async def count_downloads(self, counts: Mapping[tuple[int, int], int]) -> None:
        self.asked.set()
        await self.go.wait()
        self.away -= 1
        if self.away >= 0:
            raise Unavailable("the database is away")
        self.counts.update(counts)
        if self.counts.total() == 2:
            self.two.set()

    async def count_runs(self, counts: Mapping[tuple[int, bool], int]) -> None:
        raise AssertionError("nothing ran")


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage, "FLUSH", 0)


async def test_downloads_while_the_database_is_away_are_counted_when_it_is_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = Store(away=3)
    store.go.set()
    downloads = Usage(store)  # type: ignore[arg-type]
    downloads.count_download(1, 2)
    downloads.count_download(1, 2)
    await asyncio.wait_for(store.two.wait(), 10)
    assert store.counts == {(1, 2): 2}
    assert "the database is away" in caplog.text
    await downloads.close()


async def test_a_download_while_others_are_written_is_written_after_them() -> None:
    store = Store()
    downloads = Usage(store)  # type: ignore[arg-type]
    downloads.count_download(1, 2)
    await store.asked.wait()
    downloads.count_download(1, 3)
    store.go.set()
    await asyncio.wait_for(store.two.wait(), 10)
    assert store.counts == {(1, 2): 1, (1, 3): 1}
    await downloads.close()


async def test_closing_waits_for_what_is_written_and_fails_not_where_the_database_is_away() -> None:
    store = Store()
    downloads = Usage(store)  # type: ignore[arg-type]
    downloads.count_download(1, 2)
    await store.asked.wait()
    closing = asyncio.create_task(downloads.close())
    await asyncio.sleep(0)
    store.go.set()
    await closing
    assert store.counts == {(1, 2): 1}
    store.away = 9
    downloads.count_download(1, 2)
    await downloads.close()
