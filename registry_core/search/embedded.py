"""An index of the vectors that another model makes, as one behind an endpoint does.

The model is asked before the index is: of what changed for the vectors to keep, of a text for the
one to compare with. Where it does not answer a search, words alone rank; where it does not answer a
change, the index stays behind, and what it knows is found, until it does.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

import numpy as np

from registry_core.errors import RegistryError
from registry_core.search import MAX_TEXT, Behind, Put, summary
from registry_core.search.vectors import SIZE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from registry_core.search import Change, Hits, Pair, Query, SearchIndex
    from registry_core.search.embedding import Vector

AT_ONCE = 64
"""Texts that a model is given at a time."""

_log = logging.getLogger(__name__)


class Embedder(Protocol):
    """A model that makes vectors of texts, of any size."""

    name: str

    async def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        """Return one vector for each text. Raises RegistryError."""


def form(model: str) -> str:
    """Name an index of the vectors of a model."""
    return hashlib.sha256(f"model {model}".encode()).hexdigest()[:16]


class Embedded:
    """A `SearchIndex` of a model's vectors over one that is given them."""

    def __init__(self, index: SearchIndex, embedder: Embedder) -> None:
        self._index = index
        self._embedder = embedder

    async def position(self) -> int:
        """Return the log position this index stands at."""
        return await self._index.position()

    async def apply(self, changes: Sequence[Change], position: int) -> None:
        """Take over `changes` and stand at `position`. Raises Behind where the model is silent."""
        puts = [change for change in changes if isinstance(change, Put)]
        try:
            made = await self._vectors(
                [summary(put.entry.name, put.entry.description) for put in puts]
            )
        except RegistryError as error:
            _log.warning("the search index waits for its model: %s", error)
            raise Behind("the model of the search index does not answer") from error
        vectors = iter(made)
        await self._index.apply(
            [
                replace(change, vector=next(vectors)) if isinstance(change, Put) else change
                for change in changes
            ],
            position,
        )

    async def search(self, query: Query) -> Hits:
        """Find what the asker may see."""
        if query.text.strip():
            try:
                (vector,) = await self._vectors([query.text[:MAX_TEXT]])
                query = replace(query, vector=vector)
            except RegistryError as error:
                _log.warning("searching by words alone: %s", error)
        return await self._index.search(query)

    async def pairs(self, query: Query, least: float) -> Sequence[Pair]:
        """Find pairs of packages that say nearly the same."""
        return await self._index.pairs(query, least)

    async def clear(self) -> None:
        """Forget everything."""
        await self._index.clear()

    async def close(self) -> None:
        """Let go of the index."""
        await self._index.close()

    async def _vectors(self, texts: Sequence[str]) -> list[Vector]:
        made: list[Vector] = []
        for start in range(0, len(texts), AT_ONCE):
            some = texts[start : start + AT_ONCE]
            made += [fitted(vector) for vector in await self._embedder.embed(some)]
        return made


def fitted(vector: Sequence[float]) -> Vector:
    """Bring a vector to the size and length of the index's own.

    A longer one is projected along fixed random directions at right angles, which keeps angles
    about as they are (Johnson and Lindenstrauss); a shorter one is filled up.
    """
    given = np.asarray(vector, np.float32)
    if len(given) > SIZE:
        given = given @ _directions(len(given))
    given = np.pad(given, (0, SIZE - len(given)))
    length = float(np.linalg.norm(given))
    return given / length if length else given


@lru_cache(maxsize=2)
def _directions(numbers: int) -> Vector:
    dice = np.random.default_rng(numbers)
    directions, _ = np.linalg.qr(dice.standard_normal((numbers, SIZE)))
    return directions.astype(np.float32)
