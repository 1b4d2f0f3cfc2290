"""The vectors of an index: one file of records, and what is computed over all of them.

    row        u64      what the index calls the package's current text; rising
    namespace  u32      CRC-32 of the namespace
    kind       u8       place of the kind in its enumeration
    private    u8       0 or 1
    scale      f32      a vector is its codes times this
    codes      256 x i8

The file is only ever appended to. The index commits how many records count, so what a node that
died has written beyond them is written over by the next.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from registry_core.names import Kind
from registry_core.search import Entry, Query
from registry_core.search.embedding import COARSE, Vector, table

SIZE = 256
SHORTLIST = 512
"""The first `COARSE` numbers choose this many; all numbers then order them."""

MAX_READ = 1000
"""Characters of a description that its vector stands for, about as many as it was tuned on."""

RECORD = np.dtype(
    [
        ("row", "<u8"),
        ("namespace", "<u4"),
        ("kind", "u1"),
        ("private", "u1"),
        ("scale", "<f4"),
        ("codes", "i1", (SIZE,)),
    ]
)
Records = NDArray[np.void]
Mask = NDArray[np.bool_]
_KINDS = {kind: number for number, kind in enumerate(Kind)}
_GROWTH = 1.25
_Item = TypeVar("_Item", bound=np.generic)


def records(numbered: Sequence[tuple[int, Entry]]) -> Records:
    """Make the records of packages: of their names and descriptions, as tags and body blur them."""
    made = np.zeros(len(numbered), RECORD)
    for place, (row, entry) in zip(made, numbered, strict=True):
        vector = table().embed(f"{entry.name.rpartition('/')[2]} {entry.description[:MAX_READ]}")
        largest = float(np.abs(vector).max()) or 1.0
        place["row"], place["namespace"] = row, _namespace(entry.namespace)
        place["kind"], place["private"] = _KINDS[entry.kind], entry.private
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
    """Records in memory. A reader sees the first `count` of its snapshot while others are added."""

    def __init__(self) -> None:
        self.count = 0
        self._records: Records = np.zeros(0, RECORD)
        self._coarse: Vector = np.zeros((0, COARSE), np.float32)
        self._alive: Mask = np.zeros(0, np.bool_)

    def add(self, records: Records) -> None:
        """Take over records whose rows are beyond those that are there."""
        end = self.count + len(records)
        if end > len(self._records):
            self._grow(max(end, int(end * _GROWTH)) if self.count else end)
        self._records[self.count : end] = records
        # Integers times floats would be computed without BLAS; so the first numbers are floats.
        self._coarse[self.count : end] = (
            records["codes"][:, :COARSE] * records["scale"][:, np.newaxis]
        )
        self._alive[self.count : end] = True
        self.count = end

    def living(self) -> Records:
        """Return the records that stand for something."""
        found: Records = self._records[: self.count][self._alive[: self.count]]
        return found

    def keep(self, rows: Sequence[int]) -> None:
        """Let every record but those of `rows` stand for nothing."""
        self._alive[: self.count] = np.isin(self._rows(), np.asarray(rows, np.uint64))

    def forget(self, rows: Sequence[int]) -> None:
        """Let the records of `rows` stand for nothing."""
        self._alive[self._places(rows)] = False

    def allowed(self, query: Query) -> Mask:
        """Say which records the kinds and the visibility of a query allow."""
        records, mask = self._records[: self.count], self._alive[: self.count].copy()
        if query.kinds:
            mask &= np.isin(records["kind"], [_KINDS[kind] for kind in query.kinds])
        if query.namespaces_visible is not None:
            seen = [_namespace(name) for name in query.namespaces_visible]
            mask &= (records["private"] == 0) | np.isin(records["namespace"], seen)
        return mask

    def only(self, mask: Mask, rows: Sequence[int]) -> Mask:
        """Narrow `mask` to `rows`."""
        narrowed = np.zeros(len(mask), np.bool_)
        places = [place for place in self._places(rows) if place < len(mask)]
        narrowed[places] = mask[places]
        return narrowed

    def nearest(self, vector: Vector, mask: Mask, limit: int) -> dict[int, float]:
        """Return the rows nearest to `vector` with their cosines, best first."""
        coarse = self._coarse[: len(mask)] @ vector[:COARSE]
        coarse[~mask] = -np.inf
        few = min(SHORTLIST, len(mask))
        places = np.argpartition(-coarse, few - 1)[:few] if few else np.zeros(0, np.int64)
        places = places[mask[places]]
        cosines = self._cosines(vector, places)
        best = np.argsort(-cosines, kind="stable")[:limit]
        rows = self._records["row"][places[best]]
        return dict(zip(rows.tolist(), cosines[best].tolist(), strict=True))

    def cosines(self, vector: Vector, rows: Sequence[int]) -> list[float]:
        """Return how near each of `rows` is to `vector`."""
        found: list[float] = self._cosines(vector, self._places(rows)).tolist()
        return found

    def _cosines(self, vector: Vector, places: NDArray[np.int64]) -> Vector:
        chosen = self._records[places]
        cosines: Vector = (chosen["codes"].astype(np.float32) @ vector) * chosen["scale"]
        return cosines

    def _rows(self) -> NDArray[np.uint64]:
        rows: NDArray[np.uint64] = self._records["row"][: self.count]
        return rows

    def _places(self, rows: Sequence[int]) -> NDArray[np.int64]:
        return np.searchsorted(self._rows(), np.asarray(rows, np.uint64)).astype(np.int64)

    def _grow(self, size: int) -> None:
        self._records = _longer(self._records, size)
        self._coarse = _longer(self._coarse, size)
        self._alive = _longer(self._alive, size)


def _longer(old: NDArray[_Item], size: int) -> NDArray[_Item]:
    new: NDArray[_Item] = np.zeros((size, *old.shape[1:]), old.dtype)
    new[: len(old)] = old
    return new


def _namespace(name: str) -> int:
    return crc32(name.encode(errors="replace"))
