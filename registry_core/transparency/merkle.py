"""Merkle trees as RFC 6962, section 2.1, has them: hashes, roots, and proofs made and verified.

    leaf             SHA-256(0x00 || data)
    node             SHA-256(0x01 || left || right)
    no leaves        SHA-256()
    n leaves         node(the largest power of two below n, the rest)

A proof is a list of hashes, each the root of a span of leaves [start, end). Which spans those are
depends on sizes alone (`inclusion`, `consistency`), so whoever makes a proof looks up `subtrees`,
the perfect trees that a span consists of, wherever they are kept, and folds them together.

Verification follows RFC 9162, sections 2.1.3.2 and 2.1.4.2, which walk up from the leaf without
knowing the tree. A proof with a hash too few or too many is none.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

HASH_BYTES = 32

MOST_LEAVES = 2**63 - 1

EMPTY_ROOT = hashlib.sha256().digest()
"""The root of a tree without leaves."""

Span = tuple[int, int]
"""Leaves from the first up to, and without, the second."""


def leaf_hash(data: bytes) -> bytes:
    """Hash a leaf."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash two subtrees to the one above them."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root(hashes: Sequence[bytes]) -> bytes:
    """Return the root over leaf hashes, or over the roots of perfect trees of one height."""
    if not hashes:
        return EMPTY_ROOT
    level = list(hashes)
    while len(level) > 1:
        # A last one without a sibling goes up as it is: it is the whole right side there.
        odd = level[-1:] if len(level) % 2 else []
        level = [*map(node_hash, level[0::2], level[1::2]), *odd]
    return level[0]


def fold(roots: Sequence[bytes]) -> bytes:
    """Return the root of a span from the roots of its `subtrees`."""
    if not roots:
        return EMPTY_ROOT
    *before, found = roots
    for left in reversed(before):
        found = node_hash(left, found)
    return found


def subtrees(start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the perfect trees of a span of a proof, as (height, index among those of the height).

    Tree (h, i) is over the leaves [i * 2**h, (i + 1) * 2**h).
    """
    while start < end:
        height = (end - start).bit_length() - 1
        yield height, start >> height
        start += 1 << height


def inclusion(index: int, size: int) -> list[Span]:
    """Return what proves that a leaf is in a tree: the spans of its proof, from the leaf up."""
    _check(0 <= index < size, "a leaf of the tree")
    start, end, found = 0, size, []
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            found.append((middle, end))
            end = middle
        else:
            found.append((start, middle))
            start = middle
    return found[::-1]


def consistency(old: int, new: int) -> list[Span]:
    """Return what proves that a tree is the beginning of another: the spans of the proof."""
    _check(0 < old <= new, "a tree and a larger one")
    start, end, found = 0, new, []
    while old != end:
        middle = start + _split(end - start)
        if old <= middle:
            found.append((middle, end))
            end = middle
        else:
            found.append((start, middle))
            start = middle
    if start:  # the old tree is not whole here, so its last part has to be told
        found.append((start, end))
    return found[::-1]


def is_included(
    leaf: bytes, index: int, size: int, proof: Sequence[bytes], expected: bytes
) -> bool:
    """Tell whether a proof shows that a leaf hash stands at an index of the tree of a root."""
    if not 0 <= index < size <= MOST_LEAVES or not _are_hashes((leaf, expected, *proof)):
        return False
    place, last, found = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if place & 1 or place == last:
            found = node_hash(sibling, found)
            place, last = _up_while_left(place, last)
        else:
            found = node_hash(found, sibling)
        place, last = place >> 1, last >> 1
    return last == 0 and found == expected


def is_consistent(
    old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]
) -> bool:
    """Tell whether a proof shows that the tree of one root is the beginning of that of another.

    Nothing is shown about a tree without leaves: it is the beginning of every tree.
    """
    if not 0 < old <= new <= MOST_LEAVES or not _are_hashes(proof):
        return False
    if old == new:
        return not proof and old_root == new_root
    path = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    return bool(proof) and _climb(old - 1, new - 1, path) == (old_root, new_root)


def _climb(place: int, last: int, path: Sequence[bytes]) -> tuple[bytes, bytes] | None:
    """Return the roots of both trees as a consistency proof builds them."""
    while place & 1:
        place, last = place >> 1, last >> 1
    old = new = path[0]
    for sibling in path[1:]:
        if last == 0:
            return None
        if place & 1 or place == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            place, last = _up_while_left(place, last)
        else:
            new = node_hash(new, sibling)
        place, last = place >> 1, last >> 1
    return (old, new) if last == 0 else None


def _up_while_left(place: int, last: int) -> tuple[int, int]:
    """Go up to where the node is a right child: on the edge it has no sibling before."""
    while place and not place & 1:
        place, last = place >> 1, last >> 1
    return place, last


def _split(size: int) -> int:
    """Return the largest power of two below a size of at least 2."""
    return 1 << ((size - 1).bit_length() - 1)


def _are_hashes(values: Sequence[bytes]) -> bool:
    return all(len(value) == HASH_BYTES for value in values)


def _check(holds: bool, what: str) -> None:  # noqa: FBT001 - an assertion that stays
    if not holds:
        raise ValueError(f"a proof is about {what}")
