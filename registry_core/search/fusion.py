"""Two rankings as one: what the terms say and what the vectors say, each as a part of its best.

A package's lexical score is BM25, its dense score the cosine of its vector and the request's. Over
the candidates of one request each is brought to 0..1 (least to greatest) and the two are added,
the dense one with the share that `dense_share` gives.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

DENSE_SHARE = 0.45
"""Fitted on the development sets with `tests/benchmarks/search_quality.py`."""

DENSE_ALONE = 0.55
"""A package that has no term of the request is a candidate from this cosine on."""

SLOPE_COSINE, SLOPE_COVERED, OFFSET = 12.0, 6.0, -5.4
FITS = 0.5
"""Set with routing406, of which it is known what nothing serves, and a table that was tuned
without it: half of its served requests are above 0.87, half of the unserved below 0.35."""

_LATIN_END = "\u0250"


def dense_share(text: str) -> float:
    """Return how much the vectors count: less for scripts that the table hardly knows."""
    return DENSE_SHARE if text.isascii() else DENSE_SHARE * _known_script(text)


def _known_script(text: str) -> float:
    letters = [letter for letter in text if letter.isalpha()]
    return sum(letter < _LATIN_END for letter in letters) / len(letters) if letters else 0.0


def fused(
    lexical: Mapping[int, float], cosines: Mapping[int, float], share: float
) -> dict[int, float]:
    """Return one score of 0..1 for every candidate; one without a term has no lexical score."""
    terms, vectors = _spread(lexical), _spread(cosines)
    return {
        row: (1 - share) * terms.get(row, 0.0) + share * vectors.get(row, 0.0)
        for row in {**lexical, **cosines}
    }


def similarity(cosine: float, covered: float) -> float:
    """Say from 0 to 1 how sure it is that a package serves a request.

    `covered` is its BM25 score as a part of what a package with every term of the request has.
    Half and more means that it fits: fitted on requests of which it is known.
    """
    return 1 / (1 + math.exp(-(SLOPE_COSINE * cosine + SLOPE_COVERED * covered + OFFSET)))


def _spread(scores: Mapping[int, float]) -> dict[int, float]:
    if not scores:
        return {}
    least, greatest = min(scores.values()), max(scores.values())
    if greatest <= least:
        return dict.fromkeys(scores, 1.0)
    return {row: (score - least) / (greatest - least) for row, score in scores.items()}
