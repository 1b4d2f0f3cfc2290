"""Counting downloads and runs without a write for each: gathered, and written once a second."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from registry_core.errors import RegistryError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from registry_core.packages.uses import Uses

FLUSH = 1.0
"""Seconds of counts that a crash may lose, at most."""

_log = logging.getLogger(__name__)

K = TypeVar("K")


class Usage:
    """The downloads and runs that are not yet written."""

    def __init__(self, uses: Uses) -> None:
        self._uses = uses
        self._downloads: Counter[tuple[int, int]] = Counter()
        self._runs: Counter[tuple[int, bool]] = Counter()
        self._flushing: asyncio.Task[None] | None = None
        self._writing = asyncio.Lock()

    def count_download(self, package_id: int, release_id: int) -> None:
        """Note one download; it is in the database within about `FLUSH` seconds."""
        self._downloads[package_id, release_id] += 1
        self._flush_soon()

    def count_run(self, package_id: int, *, success: bool) -> None:
        """Note that somebody ran what a package holds, and whether it went well."""
        self._runs[package_id, success] += 1
        self._flush_soon()

    async def close(self) -> None:
        """Write what was counted."""
        if self._flushing is not None:
            self._flushing.cancel()
            with suppress(asyncio.CancelledError):
                await self._flushing
        await self.flush()

    async def flush(self) -> None:
        """Write what was counted up to now; what cannot be written now stays counted."""
        async with self._writing:
            self._downloads, counts = Counter(), self._downloads
            self._downloads += await _unwritten(counts, self._uses.count_downloads)
            self._runs, runs = Counter(), self._runs
            self._runs += await _unwritten(runs, self._uses.count_runs)

    def _flush_soon(self) -> None:
        if self._flushing is None or self._flushing.done():
            self._flushing = asyncio.create_task(self._flush_later(), name="usage")

    async def _flush_later(self) -> None:
        while self._downloads or self._runs:
            await asyncio.sleep(FLUSH)
            # Shielded: what is being written when the registry closes is written to its end.
            await asyncio.shield(self.flush())


async def _unwritten(
    counts: Counter[K], write: Callable[[Counter[K]], Awaitable[None]]
) -> Counter[K]:
    """Write counts; return those that could not be."""
    if counts:
        try:
            await write(counts)
        except RegistryError as error:
            _log.warning("downloads and runs cannot be counted: %s", error)
            return counts
    return Counter()
