"""C2SP tlog-tiles: a tree and its entries as static files.

    tile/<L>/<N>[.p/<W>]         hashes of level L: each is over 256**L leaves; 32 bytes each
    tile/entries/<N>[.p/<W>]     the leaves, each after its length (two bytes, big-endian)

N counts the tiles of a level and is written in groups of three digits, all but the last with an
`x` before: 1234067 is `x001/x234/067`. A tile has 256 hashes, or W where it is partial: the last
one of its level. A tree of 70,000 leaves is 273 tiles of level 0 and one of width 112; one of
level 1 and one of width 17; and one of level 2 of width 1.

>>> Tile(0, 1234067, 5).path
'tile/0/x001/x234/067.p/5'
>>> Tile.parse('tile/entries/004') == Tile(ENTRIES, 4)
True
>>> [tile.path for tile in edge(70_000)]
['tile/0/273.p/112', 'tile/1/001.p/17', 'tile/2/000.p/1']

A full tile never changes. A partial one is the beginning of every later one of its place.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from registry_core.errors import Invalid, InvalidPackage
from registry_core.names import shown
from registry_core.transparency.merkle import (
    HASH_BYTES,
    Span,
    fold,
    root,
    subtrees,
)

WIDTH = 256
HEIGHT = 8
"""Levels of the tree that one tile stands for."""

ENTRIES = -1
"""The level of what is no tile of hashes, but a bundle of leaves."""

MOST_ENTRY = 65_535
"""Bytes of a leaf: its length is written in two."""

_PATH = re.compile(
    r"tile/(entries|[0-9]{1,2})/((?:x[0-9]{3}/){0,6}[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?"
)


@dataclass(frozen=True, slots=True)
class Tile:
    """One file of a log."""

    level: int
    index: int
    width: int = WIDTH

    @property
    def path(self) -> str:
        """Its path below the log's prefix."""
        level = "entries" if self.level == ENTRIES else self.level
        groups = [f"{self.index % 1000:03}"]
        rest = self.index // 1000
        while rest:
            groups.append(f"x{rest % 1000:03}")
            rest //= 1000
        part = f".p/{self.width}" if self.partial else ""
        return f"tile/{level}/{'/'.join(reversed(groups))}{part}"

    @property
    def partial(self) -> bool:
        """Whether there is room for more."""
        return self.width < WIDTH

    @property
    def full(self) -> Tile:
        """What it becomes."""
        return Tile(self.level, self.index)

    @property
    def end(self) -> int:
        """How many leaves a tree needs to have this file."""
        return (self.index * WIDTH + self.width) << (HEIGHT * max(self.level, 0))

    @classmethod
    def parse(cls, path: str) -> Tile:
        """Read a path. Raises Invalid for every one that `path` would not write."""
        found = _PATH.fullmatch(path)
        if found is None:
            raise Invalid(f"{shown(path)} is no tile of a log")
        level, groups, width = found.groups()
        tile = cls(
            ENTRIES if level == "entries" else int(level),
            int(groups.replace("x", "").replace("/", "")),
            int(width or WIDTH),
        )
        if tile.path != path or tile.level > 63:
            raise Invalid(f"{shown(path)} is no tile of a log")
        return tile


def tile_of(level: int, index: int, size: int) -> Tile:
    """Return a tile as a tree of so many leaves has it."""
    hashes = size >> (HEIGHT * max(level, 0))
    return Tile(level, index, min(WIDTH, hashes - index * WIDTH))


def edge(size: int) -> list[Tile]:
    """Return the partial tiles of a tree: what it is appended to."""
    found, level = [], 0
    while size >> (HEIGHT * level):
        tile = tile_of(level, size >> (HEIGHT * (level + 1)), size)
        found += [tile] if tile.width else []
        level += 1
    return found


def needed(spans: Iterable[Span], size: int) -> list[Tile]:
    """Return the tiles of a tree that the hashes of some spans are in."""
    found = {_place(height, index, size)[0] for span in spans for height, index in subtrees(*span)}
    return sorted(found, key=lambda tile: (tile.level, tile.index))


def span_hash(span: Span, size: int, tiles: Mapping[Tile, bytes]) -> bytes:
    """Return the root of a span from the tiles that it is `needed` for."""
    return fold([_subtree(height, index, size, tiles) for height, index in subtrees(*span)])


def _subtree(height: int, index: int, size: int, tiles: Mapping[Tile, bytes]) -> bytes:
    tile, first, count = _place(height, index, size)
    data = tiles[tile][first * HASH_BYTES : (first + count) * HASH_BYTES]
    return root(hashes_of(data))


def _place(height: int, index: int, size: int) -> tuple[Tile, int, int]:
    """Say in which tile the hashes are that make a perfect tree, from where on and how many."""
    level, above = divmod(height, HEIGHT)
    first = index << above
    return tile_of(level, first // WIDTH, size), first % WIDTH, 1 << above


def hashes_of(tile: bytes) -> list[bytes]:
    """Split a tile into its hashes."""
    return [tile[at : at + HASH_BYTES] for at in range(0, len(tile), HASH_BYTES)]


def is_whole(tile: Tile, data: bytes) -> bool:
    """Tell whether bytes can be this tile at all: of a bundle, whether each leaf is there."""
    if tile.level != ENTRIES:
        return len(data) == tile.width * HASH_BYTES
    try:
        unbundle(data, tile.width)
    except InvalidPackage:
        return False
    return True


def beginning(tile: Tile, later: Tile, data: bytes) -> bytes:
    """Return a partial tile from a later one of its place."""
    if tile.level != ENTRIES:
        return data[: tile.width * HASH_BYTES]
    return bundle(unbundle(data, later.width)[: tile.width])


def bundle(leaves: Iterable[bytes]) -> bytes:
    """Write leaves one after another."""
    return b"".join(len(leaf).to_bytes(2, "big") + leaf for leaf in leaves)


def unbundle(data: bytes, count: int) -> list[bytes]:
    """Read so many leaves. Raises InvalidPackage where there are fewer, or more than that."""
    found, at = [], 0
    for _ in range(count):
        start = at + 2
        at = start + int.from_bytes(data[at:start], "big")
        if at > len(data) or start > len(data):
            raise InvalidPackage(f"a bundle of {count} leaves ends in the middle of one")
        found.append(data[start:at])
    if at != len(data):
        raise InvalidPackage(f"a bundle of {count} leaves goes on behind them")
    return found


class Edge:
    """The right edge of a growing tree: the hashes of its partial tiles, and its size."""

    def __init__(self, tiles: Sequence[tuple[Tile, bytes]] = ()) -> None:
        self._levels: list[list[bytes]] = []
        self.size = 0
        for tile, data in tiles:
            while len(self._levels) <= tile.level:
                self._levels.append([])
            self._levels[tile.level] = hashes_of(data)
            self.size += tile.width << (HEIGHT * tile.level)

    @property
    def leaves(self) -> Sequence[bytes]:
        """The leaf hashes of the last tile, as long as it is partial."""
        return self._levels[0] if self._levels else ()

    def append(self, leaf: bytes) -> list[tuple[Tile, bytes]]:
        """Take in a leaf hash; return the tiles that it makes full."""
        self.size += 1
        return self._append(0, leaf)

    def _append(self, level: int, found: bytes) -> list[tuple[Tile, bytes]]:
        if level == len(self._levels):
            self._levels.append([])
        hashes = self._levels[level]
        hashes.append(found)
        if len(hashes) < WIDTH:
            return []
        full = Tile(level, (self.size >> (HEIGHT * (level + 1))) - 1), b"".join(hashes)
        self._levels[level] = []
        return [full, *self._append(level + 1, root(hashes))]

    def root(self) -> bytes:
        """Return the root of the tree as it is now."""
        return fold([r for level in reversed(self._levels) for r in _peaks(level)])

    def tiles(self) -> list[tuple[Tile, bytes]]:
        """Return the partial tiles as they are now."""
        hashes = [b"".join(level) for level in self._levels if level]
        return list(zip(edge(self.size), hashes, strict=True))


def _peaks(hashes: Sequence[bytes]) -> list[bytes]:
    """Return the roots of the perfect trees over hashes of one level, the largest first."""
    return [root(hashes[i << h : (i + 1) << h]) for h, i in subtrees(0, len(hashes))]
