"""Two rankings as one: what the terms say and what the vectors say, each as a part of its best.

A package's lexical score is BM25, its dense score the cosine of its vector and the request's. Over
the candidates of one request each is brought to 0..1 (least to greatest) and the two are added,
the dense one with the share that `dense_share` gives.
"""

from __future__ import annotations

import math

import numpy as np

from registry_core.search.embedding import Vector

DENSE_SHARE = 0.55
"""Fitted on the development sets, each with a table that was made without its requests."""

DENSE_ALONE = 0.55
"""A package that has no term of the request is a candidate from this cosine on."""

SLOPE_COSINE, SLOPE_COVERED, OFFSET = 12.0, 15.0, -6.3
"""Set for `FITS` with routing406, of which it is known what nothing serves, and a table that was
made without it: half of its served requests are above 0.96, half of the unserved below 0.08."""

_LATIN_END = "\u0250"


def dense_share(text: str) -> float:
    """Return how much the vectors count: less for scripts that the table hardly knows."""
    return DENSE_SHARE if text.isascii() else DENSE_SHARE * _known_script(text)


def _known_script(text: str) -> float:
    letters = [letter for letter in text if letter.isalpha()]
    return sum(letter < _LATIN_END for letter in letters) / len(letters) if letters else 0.0


def fused(lexical: Vector, cosines: Vector, share: float) -> Vector:
    """Return one score of 0..1 for every candidate; one without a term (nan) has none for terms."""
    terms = _spread(lexical)
    terms = np.where(np.isnan(terms), 0.0, terms)
    scores: Vector = (1 - share) * terms + share * _spread(cosines)
    return scores


def similarity(cosine: float, covered: float) -> float:
    """Say from 0 to 1 how sure it is that a package serves a request.

    `covered` is its BM25 score as a part of what a package with every term of the request has.
    Half and more means that it fits: fitted on requests of which it is known.
    """
    return 1 / (1 + math.exp(-(SLOPE_COSINE * cosine + SLOPE_COVERED * covered + OFFSET)))


def spelled(held: float, most: float) -> float:
    """Say the same of a request that is spelled like a name, by the parts of it that a package has.

    One that is called so is as sure as can be; this is about what only has such words in it.
    """
    return 0.9 * held / most if most else 0.0


def _spread(scores: Vector) -> Vector:
    there = scores[~np.isnan(scores)]
    if not len(there):
        return scores
    least, greatest = there.min(), there.max()
    if greatest <= least:
        return np.where(np.isnan(scores), scores, np.float32(1.0))
    spread: Vector = (scores - least) / (greatest - least)
    return spread
