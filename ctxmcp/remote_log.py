"""A registry's transparency log as anybody reads it: over HTTP, believing nothing.

Tiles are looked up by C2SP tlog-tiles under the registry's `/log/`; what a proof needs is put
together here, and whoever uses it verifies it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

from ctxmcp.http import Http
from registry_core.errors import NotFound, Tampered
from registry_core.transparency import handover, merkle, tiles
from registry_core.transparency.notes import Verifier
from registry_core.transparency.tiles import ENTRIES, WIDTH, Tile

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from registry_core.transparency.merkle import Span

AT_ONCE = 4


class RemoteLog:
    """The log of the registry at a URL, with or without the `/api` of ctxpkg clients."""

    def __init__(self, url: str) -> None:
        self._http = Http(url.rstrip("/").removesuffix("/api") + "/", "")
        self.registry = f"{self._http.root}api"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._http.close()

    async def key(self) -> Verifier:
        """Return the key that the log says is its own."""
        data = await self._http.read("log/key")
        return Verifier.parse(data.decode("utf-8", errors="replace").strip())

    async def handovers(self) -> tuple[str, ...]:
        """Return the notes by which earlier keys led to that one, not verified."""
        try:
            data = await self._http.read("log/keys")
        except NotFound:
            return ()
        return handover.split(data.decode("utf-8", errors="replace"))

    async def checkpoint(self) -> bytes:
        """Return the newest checkpoint, not verified."""
        return await self._http.read("log/checkpoint")

    async def cosign(self, note: str) -> None:
        """Hand in a checkpoint with a cosignature."""
        await self._http.send("log/cosignatures", note)

    async def consistency(self, old: int, new: int) -> tuple[bytes, ...]:
        """Put together the proof that a tree has grown from a smaller one."""
        return await self._hashes(merkle.consistency(old, new), new) if 0 < old < new else ()

    async def leaves(self, start: int, size: int) -> AsyncIterator[Sequence[bytes]]:
        """Yield the leaves of a tree from `start` on, in their order."""
        for index in range(start // WIDTH, -(-size // WIDTH)):
            tile = tiles.tile_of(ENTRIES, index, size)
            found = tiles.unbundle(await self._tile(tile), tile.width)
            yield found[max(0, start - index * WIDTH) :]

    async def file(self, tile: Tile) -> bytes | None:
        """Return a file of the log as it is, None where there is none."""
        try:
            return await self._http.read(f"log/{tile.path}")
        except NotFound:
            return None

    async def _hashes(self, spans: Sequence[Span], size: int) -> tuple[bytes, ...]:
        turns = asyncio.Semaphore(AT_ONCE)

        async def one(tile: Tile) -> tuple[Tile, bytes]:
            async with turns:
                return tile, await self._tile(tile)

        read = dict(await asyncio.gather(*map(one, tiles.needed(spans, size))))
        return tuple(tiles.span_hash(span, size, read) for span in spans)

    async def _tile(self, tile: Tile) -> bytes:
        try:
            data = await self._http.read(f"log/{tile.path}")
        except NotFound:
            if not tile.partial:
                raise
            full = await self._http.read(f"log/{tile.full.path}")
            data = tiles.beginning(tile, tile.full, full)
        if not tiles.is_whole(tile, data):
            raise Tampered(f"the log's {tile.path}", expected="whole", found="something else")
        return data
