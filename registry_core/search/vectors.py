"""The vectors of an index: one file of records, and what is computed over all of them.

    row        u64      what the index calls the package's current text; rising
    namespace  u64      the first bytes of its SHA-256
    kind       u8       place of the kind in its enumeration
    private    u8       0 or 1
    verified   u8       0 or 1
    scale      f32      a vector is its codes times this
    codes      256 x i8

The file is only ever appended to. The index commits how many records count, so what a node that
died has written beyond them is written over by the next.

What is near is found in two steps: the signs of a vector's numbers, 256 bits, choose a few
hundred at most, whose numbers then decide. All of it is computed without BLAS, whose threads wait
for each other on a busy machine for longer than they work.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Sequence
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from registry_core.names import Kind
from registry_core.search import Put, Query, summary
from registry_core.search.embedding import Vector, table

SIZE = 256
SHORTLIST = 512
"""The signs choose this many: 98 in 100 of the nearest fifty of 100,000 are among them."""

BLOCK = 32_768
"""So many are compared at once: what lies between stays in the processor's cache."""

MAX_PAIRS = 100_000
RECORD = np.dtype(
    [
        ("row", "<u8"),
        ("namespace", "<u8"),
        ("kind", "u1"),
        ("private", "u1"),
        ("verified", "u1"),
        ("scale", "<f4"),
        ("codes", "i1", (SIZE,)),
    ]
)
Records = NDArray[np.void]
Mask = NDArray[np.bool_]
Rows = NDArray[np.int64]
Places = NDArray[np.int64]
_KINDS = {kind: number for number, kind in enumerate(Kind)}
_GROWTH = 1.25
_WORDS = SIZE // 64
_Item = TypeVar("_Item", bound=np.generic)


def records(numbered: Sequence[tuple[int, Put]]) -> Records:
    """Make the records of packages: of their summaries, as tags and body blur them."""
    made = np.zeros(len(numbered), RECORD)
    for place, (row, put) in zip(made, numbered, strict=True):
        entry = put.entry
        vector = put.vector
        if vector is None:
            vector = table().embed(summary(entry.name, entry.description))
        largest = float(np.abs(vector).max()) or 1.0
        place["row"], place["namespace"] = row, _namespace(entry.namespace)
        place["kind"], place["private"] = _KINDS[entry.kind], entry.private
        place["verified"] = entry.verified
        place["scale"] = largest / 127
        place["codes"] = np.rint(vector * (127 / largest)).astype(np.int8)
    return made


def read(path: Path, start: int, stop: int) -> Records:
    """Read the records `start` to `stop`; raise `ValueError` where the file is too short."""
    found = np.fromfile(path, RECORD, stop - start, offset=start * RECORD.itemsize)
    if len(found) < stop - start:
        raise ValueError(f"{path.name} has {len(found)} of {stop - start} records")
    return found


def write(path: Path, at: int, records: Records) -> None:
    """Put `records` into the file as the records from `at` on, and everything behind them away."""
    with path.open("r+b" if path.exists() else "w+b") as file:
        file.seek(at * RECORD.itemsize)
        file.truncate()
        file.write(records.tobytes())
        file.flush()
        os.fsync(file.fileno())


class Vectors:
    """Records in memory. A copy goes on seeing what it saw while more are added to the original."""

    def __init__(self) -> None:
        self.count = 0
        self._records: Records = np.zeros(0, RECORD)
        # What every request looks at of all records lies side by side.
        self._rows: NDArray[np.uint64] = np.zeros(0, np.uint64)
        self._signs: NDArray[np.uint64] = np.zeros((_WORDS, 0), np.uint64)
        self._alive: Mask = np.zeros(0, np.bool_)
        self._private: Mask = np.zeros(0, np.bool_)

    def add(self, records: Records) -> None:
        """Take over records whose rows are beyond those that are there."""
        end = self.count + len(records)
        if not self.count:
            self._records = records  # the same, not a copy: most of what an index has in memory
            self._grow(end)
        elif end > len(self._records):
            self._grow(int(end * _GROWTH))
        self._records[self.count : end] = records
        self._rows[self.count : end] = records["row"]
        for start in range(0, len(records), SHORTLIST):
            few = _signs(records["codes"][start : start + SHORTLIST]).T
            at = self.count + start
            self._signs[:, at : at + few.shape[1]] = few
        self._alive[self.count : end] = True
        self._private[self.count : end] = records["private"]
        self.count = end

    def spare(self) -> int:
        """Return how many records stand for nothing less how many stand for something."""
        return self.count - 2 * int(np.count_nonzero(self._alive[: self.count]))

    def living(self) -> Records:
        """Return the records that stand for something."""
        found: Records = self._records[: self.count][self._alive[: self.count]]
        return found

    def keep(self, rows: Rows) -> None:
        """Let every record but those of `rows` stand for nothing."""
        known = self._rows[: self.count]
        self._alive = self._alive.copy()
        self._alive[: self.count] = np.isin(known, np.asarray(rows, np.uint64))

    def forget(self, rows: Rows) -> None:
        """Let the records of `rows` stand for nothing."""
        self._alive = self._alive.copy()
        self._alive[self.places(rows)] = False

    def allowed(self, query: Query) -> Mask:
        """Say which records the query may find, tags aside."""
        records, mask = self._records[: self.count], self._alive[: self.count].copy()
        if query.kinds:
            mask &= np.isin(records["kind"], [_KINDS[kind] for kind in query.kinds])
        if query.publishers:
            mask &= np.isin(records["namespace"], _numbers(query.publishers))
        if not query.include_unverified:
            mask &= records["verified"] != 0
        if query.namespaces_visible == frozenset():
            mask &= ~self._private[: self.count]
        elif query.namespaces_visible is not None:
            theirs = np.isin(records["namespace"], _numbers(query.namespaces_visible))
            mask &= ~self._private[: self.count] | theirs
        return mask

    def only(self, mask: Mask, rows: Rows) -> Mask:
        """Narrow `mask` to `rows`."""
        narrowed = np.zeros(len(mask), np.bool_)
        places = self.places(rows)
        places = places[places < len(mask)]
        narrowed[places] = mask[places]
        return narrowed

    def nearest(self, vector: Vector, mask: Mask, least: float, limit: int) -> Rows:
        """Return the rows nearest to `vector`, best first, with a cosine of `least` and more."""
        places = self._shortlist(vector, mask, least)
        cosines = self._cosines(vector, places)
        places, cosines = places[cosines >= least], cosines[cosines >= least]
        best = np.argsort(-cosines, kind="stable")[:limit]
        return self._rows[places[best]].astype(np.int64)

    def pairs(self, mask: Mask, least: float, limit: int) -> list[tuple[int, int, float]]:
        """Return pairs of rows with a cosine of `least` and more, best first.

        Near vectors have most signs in common: in some sixteen of them, all. Whoever has these
        stands side by side when sorted by them.
        """
        places: Places = np.flatnonzero(mask)
        signs = np.ascontiguousarray(self._signs[:, places].T)
        near = _neighbours(signs.view(np.uint16))
        apart = np.bitwise_count(signs[near[:, 0]] ^ signs[near[:, 1]]).sum(1)
        near = near[apart <= _apart(least)][:MAX_PAIRS]
        found = [
            (one, other, cosine)
            for one, other, cosine in zip(
                *self._rows[places[near]].T.tolist(), self._alike(*places[near].T), strict=True
            )
            if cosine >= least
        ]
        return sorted(found, key=lambda pair: (-pair[2], pair[:2]))[:limit]

    def _alike(self, ones: Places, others: Places) -> list[float]:
        codes, scales = self._records["codes"], self._records["scale"]
        cosines: list[float] = []
        for start in range(0, len(ones), SHORTLIST):
            one, other = ones[start : start + SHORTLIST], others[start : start + SHORTLIST]
            products = np.einsum("ij,ij->i", codes[one].astype(np.float32), codes[other])
            cosines += (products * scales[one] * scales[other]).tolist()
        return cosines

    def cosines(self, vector: Vector, rows: Rows) -> Vector:
        """Return how near each of `rows` is to `vector`."""
        return self._cosines(vector, self.places(rows))

    def places(self, rows: Rows) -> Places:
        """Return where the records of `rows` are."""
        known = self._rows[: self.count]
        return np.searchsorted(known, np.asarray(rows, np.uint64)).astype(np.int64)

    def _shortlist(self, vector: Vector, mask: Mask, least: float) -> Places:
        if np.count_nonzero(mask) <= SHORTLIST:
            return np.flatnonzero(mask)
        asked, there = _signs(vector[np.newaxis])[0], self._signs[:, : len(mask)]
        apart = np.zeros(len(mask), np.uint8)
        for start in range(0, len(mask), BLOCK):
            block = slice(start, start + BLOCK)
            for theirs, own in zip(there[:, block], asked, strict=True):
                # 256, nothing in common, comes out as 0: one more for the numbers to judge.
                apart[block] += np.bitwise_count(theirs ^ own)
        places = np.flatnonzero(mask & (apart <= _apart(least)))
        if len(places) <= SHORTLIST:
            return places
        return places[np.argpartition(apart[places], SHORTLIST)[:SHORTLIST]]

    def _cosines(self, vector: Vector, places: Places) -> Vector:
        codes = self._records["codes"][places].astype(np.float32)
        cosines: Vector = np.einsum("ij,j->i", codes, vector) * self._records["scale"][places]
        return cosines

    def _grow(self, size: int) -> None:
        self._records = _longer(self._records, size)
        self._rows = _longer(self._rows, size)
        self._alive = _longer(self._alive, size)
        self._private = _longer(self._private, size)
        self._signs = np.ascontiguousarray(_longer(self._signs.T, size).T)


@lru_cache(maxsize=8)
def _apart(cosine: float) -> float:
    """Return in how many signs two vectors of this cosine differ at most: 159 pairs in 160."""
    angle = SIZE * math.acos(max(-1.0, min(cosine, 1.0))) / math.pi
    return angle + 2.5 * math.sqrt(angle * (1 - angle / SIZE))


def _neighbours(bands: NDArray[np.uint16]) -> Places:
    """Return the pairs that stand next to each other, or next but one, in order of a band."""
    found = [np.zeros((0, 2), np.int64)]
    for band in bands.T:
        order = np.argsort(band, kind="stable")
        for step in (1, 2):
            same = np.flatnonzero(band[order[:-step]] == band[order[step:]])
            found.append(np.stack([order[same], order[same + step]], axis=1))
    return np.unique(np.sort(np.concatenate(found), axis=1), axis=0)


def _signs(numbers: NDArray[np.generic]) -> NDArray[np.uint64]:
    packed: NDArray[np.uint64] = np.packbits(numbers > 0, axis=1).view(np.uint64)  # type: ignore[operator]
    return packed


def _longer(old: NDArray[_Item], size: int) -> NDArray[_Item]:
    if len(old) == size:
        return old
    new: NDArray[_Item] = np.zeros((size, *old.shape[1:]), old.dtype)
    new[: len(old)] = old
    return new


def _namespace(name: str) -> int:
    return int.from_bytes(sha256(name.encode(errors="replace")).digest()[:8], "little")


def _numbers(names: Iterable[str]) -> NDArray[np.uint64]:
    return np.array([_namespace(name) for name in names], np.uint64)
