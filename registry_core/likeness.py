"""How near in meaning descriptions are: the cosine of their vectors, 1 for equal texts.

Vectors are made of the table that is shipped with the search index, kept in memory by the text
they are of, and stored nowhere.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_KEPT = 20_000
"""Vectors that are kept: 1 KiB each."""

_AT_ONCE = 1000
"""Texts that are held against all others at once."""


def nearest(text: str, others: Sequence[str]) -> list[float]:
    """Return from 0 to 1 how near each of the others is to a text."""
    import numpy as np  # noqa: PLC0415 - most of a registry needs no numbers

    if not others:
        return []
    cosines = np.stack([_vector(other) for other in others]) @ _vector(text)
    return [
        1.0 if other == text else _bounded(cosine)
        for other, cosine in zip(others, cosines.tolist(), strict=True)
    ]


def pairs(texts: Sequence[str], least: float) -> list[tuple[int, int, float]]:
    """Return every pair of texts that are at least so near, the nearest first."""
    import numpy as np  # noqa: PLC0415 - as above

    if not texts:
        return []
    vectors = np.stack([_vector(text) for text in texts])
    found = []
    for start in range(0, len(texts), _AT_ONCE):
        cosines = vectors[start : start + _AT_ONCE] @ vectors.T
        for row, second in np.argwhere(cosines >= least).tolist():
            if start + row < second:
                found.append((start + row, second, _bounded(float(cosines[row, second]))))
    return sorted(found, key=lambda pair: (-pair[2], pair[0], pair[1]))


def _bounded(cosine: float) -> float:
    return round(min(max(cosine, 0.0), 1.0), 6)


@lru_cache(maxsize=MOST_KEPT)
def _vector(text: str) -> Any:
    from registry_core.search.embedding import table  # noqa: PLC0415 - as above

    return table().embed(text)
