"""Trees and proofs against RFC 6962's own roots, public vectors, and every small tree there is."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from registry_core.transparency import merkle

LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = (
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)
"""Roots of the first one, two, ... of these leaves, as the reference code of RFC 6962 has them."""

MOST = 300


def _hashes(size: int) -> list[bytes]:
    return [merkle.leaf_hash(b"leaf %d" % n) for n in range(size)]


def _reference(hashes: list[bytes]) -> bytes:
    """The definition, word for word."""
    if not hashes:
        return hashlib.sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    split = 1
    while split * 2 < len(hashes):
        split *= 2
    left, right = _reference(hashes[:split]), _reference(hashes[split:])
    return hashlib.sha256(b"\x01" + left + right).digest()


class Perfect:
    """The perfect trees over some leaves, each hashed once."""

    def __init__(self, hashes: list[bytes]) -> None:
        self._levels = [hashes]
        while len(self._levels[-1]) > 1:
            below = self._levels[-1]
            pairs = zip(below[0::2], below[1::2], strict=False)
            self._levels.append([merkle.node_hash(*pair) for pair in pairs])

    def span(self, start: int, end: int) -> bytes:
        return merkle.fold([self._levels[h][i] for h, i in merkle.subtrees(start, end)])


def _vectors(shared: Path, kind: str) -> Iterator[dict]:
    for path in sorted((shared / "data/scan/tlog" / kind).rglob("*.json")):
        yield {"path": path} | json.loads(path.read_text())


def _bytes(text: str | None) -> bytes:
    return base64.b64decode(text or "")


def _proof(vector: dict) -> list[bytes]:
    return [_bytes(text) for text in vector["proof"] or ()]


def test_the_roots_of_the_reference_leaves_are_those_of_rfc_6962():
    hashes = [merkle.leaf_hash(leaf) for leaf in LEAVES]
    found = [merkle.root(hashes[: n + 1]).hex() for n in range(len(hashes))]
    assert tuple(found) == ROOTS
    assert merkle.root([]) == merkle.EMPTY_ROOT == hashlib.sha256(b"").digest()


def test_a_root_is_what_the_definition_says_for_every_size():
    hashes = _hashes(MOST)
    perfect = Perfect(hashes)
    for size in range(MOST + 1):
        expected = _reference(hashes[:size])
        assert merkle.root(hashes[:size]) == expected
        assert perfect.span(0, size) == expected


def test_every_public_inclusion_vector_is_decided_as_it_says(shared):
    vectors = list(_vectors(shared, "inclusion"))
    assert len(vectors) > 90
    for vector in vectors:
        good = merkle.is_included(
            _bytes(vector["leafHash"]),
            vector["leafIdx"],
            vector["treeSize"],
            _proof(vector),
            _bytes(vector["root"]),
        )
        assert good is not vector["wantErr"], vector["path"]


def test_every_public_consistency_vector_is_decided_as_it_says(shared):
    vectors = list(_vectors(shared, "consistency"))
    assert len(vectors) > 90
    for vector in vectors:
        good = merkle.is_consistent(
            vector["size1"],
            vector["size2"],
            _bytes(vector["root1"]),
            _bytes(vector["root2"]),
            _proof(vector),
        )
        assert good is not vector["wantErr"], vector["path"]


def test_every_leaf_of_every_tree_is_proven_and_no_other_place_is():
    hashes = _hashes(MOST)
    perfect = Perfect(hashes)
    for size in range(1, MOST + 1):
        root = perfect.span(0, size)
        for index in range(size):
            proof = [perfect.span(*span) for span in merkle.inclusion(index, size)]
            leaf = hashes[index]
            assert merkle.is_included(leaf, index, size, proof, root)
            assert not merkle.is_included(leaf, index ^ 1, size, proof, root)
    assert not merkle.is_included(hashes[0], 0, 0, [], merkle.EMPTY_ROOT)


def test_every_tree_is_proven_to_be_the_beginning_of_every_larger_one():
    perfect = Perfect(_hashes(MOST))
    roots = [perfect.span(0, size) for size in range(MOST + 1)]
    for new in range(1, MOST + 1):
        for old in range(1, new + 1):
            proof = [perfect.span(*span) for span in merkle.consistency(old, new)]
            assert merkle.is_consistent(old, new, roots[old], roots[new], proof)
            if old < new:
                assert not merkle.is_consistent(old, new, roots[old - 1], roots[new], proof)


@pytest.mark.parametrize("size", [1, 2, 7, 8, 9, 255, 256, 257])
def test_a_proof_that_was_changed_in_any_way_is_none(size):
    hashes = _hashes(size)
    perfect = Perfect(hashes)
    root, index = perfect.span(0, size), size * 2 // 3
    proof = [perfect.span(*span) for span in merkle.inclusion(index, size)]
    for changed in _changed(proof):
        assert not merkle.is_included(hashes[index], index, size, changed, root)
    old = max(1, size * 2 // 3)
    before = perfect.span(0, old)
    proof = [perfect.span(*span) for span in merkle.consistency(old, size)]
    for changed in _changed(proof):
        assert not merkle.is_consistent(old, size, before, root, changed)


def _changed(proof: list[bytes]) -> Iterator[list[bytes]]:
    yield [*proof, bytes(32)]
    yield [bytes(32), *proof]
    for place in range(len(proof)):
        yield proof[:place] + proof[place + 1 :]
        yield [*proof[:place], proof[place], *proof[place:]]
        yield [*proof[:place], proof[place][:-1], *proof[place + 1 :]]
        flipped = bytes([proof[place][0] ^ 1]) + proof[place][1:]
        yield [*proof[:place], flipped, *proof[place + 1 :]]
    if len(set(proof)) > 1:
        yield proof[::-1]


def test_a_proof_cannot_be_asked_about_what_is_not_there():
    for index, size in ((0, 0), (1, 1), (-1, 3)):
        with pytest.raises(ValueError, match="a leaf of the tree"):
            merkle.inclusion(index, size)
    for old, new in ((0, 3), (4, 3)):
        with pytest.raises(ValueError, match="a larger one"):
            merkle.consistency(old, new)


def test_numbers_beyond_every_tree_are_refused_without_work():
    zero = bytes(32)
    assert not merkle.is_included(zero, 2**200, 2**201, [zero] * 10, zero)
    assert not merkle.is_consistent(2**200, 2**201, zero, zero, [zero] * 10)
    assert not merkle.is_included(zero, 5, 7, [zero] * 10_000, zero)
