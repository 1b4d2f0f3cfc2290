"""Tiles: where they are, what is in them, and that a tree grown over them is the same tree."""

from __future__ import annotations

import doctest
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_core.errors import Invalid, InvalidPackage
from registry_core.transparency import merkle, tiles
from registry_core.transparency.tiles import ENTRIES, Edge, Tile


def _hashes(size: int) -> list[bytes]:
    return [hashlib.sha256(b"%d" % n).digest() for n in range(size)]


def _grown(hashes: list[bytes]) -> tuple[Edge, dict[Tile, bytes]]:
    edge, files = Edge(), {}
    for leaf in hashes:
        files |= dict(edge.append(leaf))
    return edge, files | dict(edge.tiles())


def test_the_example_in_the_documentation_runs():
    assert doctest.testmod(tiles).failed == 0


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        (Tile(0, 0), "tile/0/000"),
        (Tile(3, 999, 1), "tile/3/999.p/1"),
        (Tile(63, 1000, 255), "tile/63/x001/000.p/255"),
        (Tile(ENTRIES, 1234067), "tile/entries/x001/x234/067"),
    ],
)
def test_a_path_is_written_and_read_back(tile, path):
    assert tile.path == path
    assert Tile.parse(path) == tile


@given(st.integers(-1, 63), st.integers(0, 10**18), st.integers(1, 256))
def test_every_path_that_is_written_is_read_back(level, index, width):
    tile = Tile(level, index, width)
    assert Tile.parse(tile.path) == tile


@pytest.mark.parametrize(
    "path",
    [
        "",
        "tile/0",
        "tile/0/0",
        "tile/00/000",
        "tile/64/000",
        "tile/-1/000",
        "tile/0/1000",
        "tile/0/x000/001",
        "tile/0/001/002",
        "tile/0/x001",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/000.p/",
        "tile/0/000/",
        "tile/0/../000",
        "tile/0/٠٠٠",
        "tile/entries/000\n",
        "tile/0/" + "x999/" * 7 + "999",
        "x" * 10_000,
    ],
)
def test_a_path_that_nobody_would_write_is_refused(path):
    with pytest.raises(Invalid):
        Tile.parse(path)


@pytest.mark.parametrize("size", [*range(1, 20), 255, 256, 257, 511, 512, 600, 65_536, 66_000])
def test_a_tree_over_its_tiles_is_the_tree_over_its_leaves(size):
    hashes = _hashes(size)
    edge, files = _grown(hashes)
    assert edge.size == size
    assert edge.root() == merkle.root(hashes)
    assert {tile for tile in files if tile.partial} == set(tiles.edge(size))
    for tile, data in files.items():
        assert tiles.is_whole(tile, data)
        assert tile.end <= size
    resumed = Edge([(tile, files[tile]) for tile in tiles.edge(size)])
    assert resumed.size == size
    assert resumed.root() == edge.root()


@pytest.mark.parametrize("size", [1, 2, 5, 256, 257, 300, 1000])
def test_proofs_out_of_tiles_are_those_of_the_tree(size):
    hashes = _hashes(size)
    _, files = _grown(hashes)
    root = merkle.root(hashes)
    for index in sorted({0, 1, size // 3, size // 2, size - 2, size - 1} & set(range(size))):
        proof = _proof(merkle.inclusion(index, size), size, files)
        assert merkle.is_included(hashes[index], index, size, proof, root)
        old = index + 1
        proof = _proof(merkle.consistency(old, size), size, files)
        assert merkle.is_consistent(old, size, merkle.root(hashes[:old]), root, proof)


def _proof(spans: list[merkle.Span], size: int, files: dict[Tile, bytes]) -> list[bytes]:
    read = {tile: files[tile] for tile in tiles.needed(spans, size)}
    return [tiles.span_hash(span, size, read) for span in spans]


def test_a_bundle_holds_leaves_of_every_length_that_two_bytes_can_say():
    leaves = [b"", b"a", b"\x00\x01", b"x" * 65_535]
    data = tiles.bundle(leaves)
    assert tiles.unbundle(data, 4) == leaves
    assert data[:5] == b"\x00\x00\x00\x01a"


@pytest.mark.parametrize("data", [b"", b"\x00", b"\x00\x02a", b"\x00\x01ab", b"\x00\x01a\x00\x00"])
def test_a_bundle_that_is_cut_off_or_goes_on_is_refused(data):
    with pytest.raises(InvalidPackage):
        tiles.unbundle(data, 1)
    assert not tiles.is_whole(Tile(ENTRIES, 0, 1), data)


@given(st.binary(max_size=300), st.integers(1, 256))
def test_any_bytes_are_a_bundle_or_refused(data, count):
    try:
        leaves = tiles.unbundle(data, count)
    except InvalidPackage:
        return
    assert tiles.bundle(leaves) == data
