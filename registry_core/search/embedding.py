"""Texts as vectors: a table of word pieces that is shipped with the package, and their sum.

`table.npz` holds `vocabulary` (UTF-8, one piece a line, continuations marked ##), `codes` (int8,
one row a piece) and `scales` (f16, one a row): a piece's vector is its codes times its scale, and
its length is its weight. A text is the sum of its pieces, brought to length one; every number
carries as much of it as another. `tests/benchmarks/search_table.py` says how it is made.
"""

from __future__ import annotations

import math
import re
import unicodedata
from functools import cache, lru_cache
from hashlib import sha256
from importlib.resources import files
from io import BytesIO

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float32]

TABLE = files("registry_core.search").joinpath("table.npz")
MAX_PIECES = 256
"""A text is as many pieces as this at most."""

_MAX_WORD = 64
_LONGEST_PIECE = 24
_WORD = re.compile(r"[^\W_]+")
_HUMP = re.compile("(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_ALONE = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af]")


class Pieces:
    """Takes words apart into the longest pieces that a vocabulary has."""

    def __init__(self, vocabulary: list[str]) -> None:
        self.numbers = {piece: number for number, piece in enumerate(vocabulary)}
        # Texts repeat their words.
        self._word = lru_cache(maxsize=1 << 15)(self._taken_apart)

    def of(self, text: str, limit: int = MAX_PIECES) -> list[int]:
        """Return the numbers of the pieces of `text`, the first `limit`."""
        found: list[int] = []
        for word in _WORD.finditer(text):
            for part in _HUMP.split(word[0][:_MAX_WORD]):
                found.extend(self._word(part))
            if len(found) >= limit:
                break
        return found[:limit]

    def _taken_apart(self, word: str) -> tuple[int, ...]:
        plain = word.lower()
        if not plain.isascii():
            folded = unicodedata.normalize("NFD", plain)
            plain = "".join(mark for mark in folded if unicodedata.category(mark) != "Mn")
        whole = self.numbers.get(plain)
        if whole is not None:
            return (whole,)
        runs = _ALONE.sub(lambda found: f" {found[0]} ", plain).split()
        return tuple(piece for run in runs for piece in self._longest(run))

    def _longest(self, run: str) -> list[int]:
        found, at = [], 0
        while at < len(run):
            mark = "##" if at else ""
            for end in range(min(len(run), at + _LONGEST_PIECE), at, -1):
                number = self.numbers.get(mark + run[at:end])
                if number is not None:
                    found.append(number)
                    at = end
                    break
            else:
                at += 1
        return found


class Table:
    """The vectors of the pieces."""

    def __init__(self, data: bytes) -> None:
        # A name for the table: vectors of two tables cannot be compared.
        self.digest = sha256(data).hexdigest()[:16]
        with np.load(BytesIO(data), allow_pickle=False) as stored:
            self._codes = stored["codes"]
            self._scales = stored["scales"].astype(np.float32)
            self._pieces = Pieces(stored["vocabulary"].tobytes().decode().split("\n"))

    @property
    def size(self) -> int:
        """How many numbers a vector has."""
        return int(self._codes.shape[1])

    @property
    def vocabulary(self) -> list[str]:
        """The pieces, in order: first those of the encoder that it was made after, but `[`."""
        return list(self._pieces.numbers)

    def embed(self, text: str) -> Vector:
        """Return the vector of `text`: of length one, or zero where no piece is known."""
        numbers = self._pieces.of(text)
        # Without BLAS: its threads cost more than they save.
        codes = self._codes[numbers].astype(np.float32)
        total: Vector = np.einsum("i,ij->j", self._scales[numbers], codes)
        length = math.sqrt(np.dot(total, total))
        return total / length if length else total


@cache
def table() -> Table:
    """Read the table that is shipped; the first call takes a tenth of a second."""
    return Table(TABLE.read_bytes())
