"""An index that is opened when it is first asked, as most commands never search."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from registry_core.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from registry_core.search import Change, Hits, Pair, Query, SearchIndex


class Deferred:
    """A `SearchIndex` that `open` gives; where that fails, the next who asks tries again."""

    def __init__(self, open_: Callable[[], Awaitable[SearchIndex]]) -> None:
        self._open = open_
        self._index: SearchIndex | None = None
        self._one_at_a_time = asyncio.Lock()
        self._closed = False

    async def position(self) -> int:
        """Return the log position this index stands at."""
        return await (await self._opened()).position()

    async def apply(self, changes: Sequence[Change], position: int) -> None:
        """Take over `changes` and stand at `position`."""
        await (await self._opened()).apply(changes, position)

    async def search(self, query: Query) -> Hits:
        """Find what the asker may see."""
        return await (await self._opened()).search(query)

    async def pairs(self, query: Query, least: float) -> Sequence[Pair]:
        """Find pairs of packages that say nearly the same."""
        return await (await self._opened()).pairs(query, least)

    async def clear(self) -> None:
        """Forget everything."""
        await (await self._opened()).clear()

    async def close(self) -> None:
        """Close what was opened."""
        async with self._one_at_a_time:
            self._closed = True
            if self._index is not None:
                await self._index.close()

    async def _opened(self) -> SearchIndex:
        if self._index is None:
            async with self._one_at_a_time:
                if self._closed:
                    raise Unavailable("the search index is closed")
                if self._index is None:
                    self._index = await self._open()
        return self._index
