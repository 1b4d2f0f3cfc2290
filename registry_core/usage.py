"""Counting downloads without a write per download: gathered in memory, written once a second."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING

from registry_core.errors import RegistryError

if TYPE_CHECKING:
    from registry_core.packages.store import Packages

FLUSH = 1.0
"""Seconds of counts that a crash may lose, at most."""

_log = logging.getLogger(__name__)


class Usage:
    """The downloads that are not yet written."""

    def __init__(self, packages: Packages) -> None:
        self._packages = packages
        self._counts: Counter[tuple[int, int]] = Counter()
        self._flushing: asyncio.Task[None] | None = None
        self._writing = asyncio.Lock()

    def count_download(self, package_id: int, release_id: int) -> None:
        """Note one download; it is in the database within about `FLUSH` seconds."""
        self._counts[package_id, release_id] += 1
        if self._flushing is None or self._flushing.done():
            self._flushing = asyncio.create_task(self._flush_later(), name="downloads")

    async def close(self) -> None:
        """Write what was counted."""
        if self._flushing is not None:
            self._flushing.cancel()
            with suppress(asyncio.CancelledError):
                await self._flushing
        await self._flush()

    async def _flush_later(self) -> None:
        while self._counts:
            await asyncio.sleep(FLUSH)
            # Shielded: what is being written when the registry closes is written to its end.
            await asyncio.shield(self._flush())

    async def _flush(self) -> None:
        async with self._writing:
            counts, self._counts = self._counts, Counter()
            if not counts:
                return
            try:
                await self._packages.count_downloads(counts)
            except RegistryError as error:
                self._counts.update(counts)
                _log.warning("downloads cannot be counted: %s", error)
