"""Answering a query from one state of the index: candidates by terms and by vectors, in order.

What the asker may not see is left out where candidates are found, so neither order nor counts tell
of it. Private packages are few: a ranking is first taken as it is, a little longer than needed, and
asked for again with the condition only where too much of it is not for the asker.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress

import numpy as np
from numpy.typing import NDArray
from tantivy import DocAddress, Document, Order, Searcher
from tantivy import Query as Wanted

from registry_core.search import (
    FITS,
    MAX_LIMIT,
    MAX_OFFSET,
    MAX_TEXT,
    Hit,
    Hits,
    Pair,
    Query,
    fields,
    fusion,
    summary,
)
from registry_core.search.embedding import Vector, table
from registry_core.search.excerpt import Shown, Sought, explained
from registry_core.search.vectors import Mask, Places, Rows, Vectors

CANDIDATES = 100
"""A text finds this many packages by its terms at most, and as many by their names: twice as many
are found no better."""

NEAREST = 50
"""So many are found by their meaning."""

SPARE = 30
MAX_TAGGED = 100_000
MOVED = 200

CALLED, NAMED, TAGGED, RANKED = range(4)

_NAME = re.compile(r"[^\W_][-_./:@0-9]")
_PIECE = re.compile(r"[!-~]+")  # a long word of other letters, which no name has, costs the most


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One committed state: what tantivy holds, and the vectors that belong to it."""

    searcher: Searcher
    vectors: Vectors
    all_public: bool
    foreign: bool
    """Whether the vectors are another model's than the table's."""


def search(snapshot: Snapshot, query: Query) -> Hits:
    """Find what the asker may see."""
    text = fields.plain(query.text[:MAX_TEXT])
    shelf = _shelf(snapshot, query)
    if not text:
        return _listed(shelf, query)
    asked = _asked(snapshot, text, query.vector)
    found = _candidates(shelf, asked)
    order = found.order()
    start = _start(shelf, query, found.rows[order], _offset(query))
    hits = _hits(shelf, found, order[start : start + _limit(query)], asked)
    first = hits[:1] if not start else _hits(shelf, found, order[:1], asked)
    fits = not len(order) or bool(first and (first[0].similarity or 0.0) >= FITS)
    facets = (
        fields.facets(shelf.searcher, fields.one_of("row", found.rows.tolist()))
        if query.facets
        else {}
    )
    return Hits(hits, len(order), fits, facets)


def pairs(snapshot: Snapshot, query: Query, least: float) -> list[Pair]:
    """Find pairs of what the asker may see that say nearly the same, best first."""
    shelf = _shelf(snapshot, query)
    found = shelf.vectors.pairs(shelf.mask, least, _limit(query))
    rows = {row for one, other, _ in found for row in (one, other)}
    keys = {
        row: fields.shown(shelf.searcher.doc(place)).key for row, place in shelf.where(rows).items()
    }
    return [
        Pair(keys[one], keys[other], min(cosine, 1.0))
        for one, other, cosine in found
        if one in keys and other in keys
    ]


@dataclass(frozen=True, slots=True)
class _Found:
    """Packages, best first: the row of each; what it counts, and where it is in tantivy."""

    rows: Rows
    hits: Sequence[tuple[float, DocAddress]]


@dataclass(frozen=True, slots=True)
class _Shelf:
    """What a query may find: everything but what its filters leave out or the asker may not see."""

    searcher: Searcher
    vectors: Vectors
    filters: list[Wanted]
    readable: list[Wanted]
    mask: Mask

    def find(self, wanted: Wanted, limit: int) -> _Found:
        """Return what fulfils `wanted`."""
        if not self.filters and self.readable:
            more = self._found(wanted, limit + SPARE)
            seen = self._seen(more)
            if len(seen.rows) >= limit or len(more.rows) < limit + SPARE:
                return _Found(seen.rows[:limit], seen.hits[:limit])
        return self._found(fields.all_of(wanted, [*self.filters, *self.readable]), limit)

    def where(self, rows: Collection[int]) -> dict[int, DocAddress]:
        """Return where those of `rows` are that tantivy still holds and the asker may see."""
        if not rows:
            return {}
        found = self.find(fields.one_of("row", rows), len(rows))
        return {row: place for row, (_, place) in zip(found.rows.tolist(), found.hits, strict=True)}

    def _found(self, wanted: Wanted, limit: int) -> _Found:
        hits = self.searcher.search(wanted, limit=limit, count=False).hits
        return _Found(fields.rows(self.searcher, [place for _, place in hits]), hits)

    def _seen(self, found: _Found) -> _Found:
        seen = self.mask[self.vectors.places(found.rows)]
        if seen.all():
            return found
        return _Found(found.rows[seen], list(compress(found.hits, seen.tolist())))


def _shelf(snapshot: Snapshot, query: Query) -> _Shelf:
    filters = fields.filters(query)
    readable = [] if snapshot.all_public else fields.readable(query)
    mask = snapshot.vectors.allowed(query)
    if query.tags:
        wanted = fields.all_of(fields.every_package(), filters)
        tagged = snapshot.searcher.search(wanted, limit=MAX_TAGGED, count=False).hits
        rows = fields.rows(snapshot.searcher, [place for _, place in tagged])
        mask = snapshot.vectors.only(mask, rows)
    return _Shelf(snapshot.searcher, snapshot.vectors, filters, readable, mask)


@dataclass(frozen=True, slots=True)
class _Asked:
    text: str
    name: str
    """The text as names are compared."""
    word: str
    """The same where it may be a part of a name that is being typed, else empty."""
    known: Mapping[str, int]
    """The terms that packages have, and how many."""
    unknown: Sequence[str]
    sought: Sought
    """All of them, and what each counts in a short text that has it once."""
    most: float
    """What they count together."""
    named: bool
    """Whether it is spelled like a name: then letters that look alike mean nothing."""
    vector: Vector
    share: float
    of_table: Vector | None
    """The table's own vector, where another model ranks: only its cosines are calibrated."""


def _asked(snapshot: Snapshot, text: str, given: Vector | None) -> _Asked:
    searcher = snapshot.searcher
    known, unknown = fields.rarest(searcher, text)
    counts = known | dict.fromkeys(unknown, 0)
    weights = {term: fields.weight(searcher.num_docs, count) for term, count in counts.items()}
    own, share = table().embed(text), fusion.dense_share(text)
    vector = given if snapshot.foreign else own
    if vector is None:
        vector = np.zeros_like(own)
    named = len(text.split()) == 1 and _NAME.search(text) is not None
    if named or not vector.any():
        share = 0.0
    name = fields.compared(text)
    word = name if len(name) <= fields.MAX_WORD and _PIECE.fullmatch(name) else ""
    of_table = own if snapshot.foreign and share else None
    words = (known, unknown, Sought.of(weights), sum(weights.values()))
    return _Asked(text, name, word, *words, named, vector, share, of_table)


def _limit(query: Query) -> int:
    return max(1, min(query.limit, MAX_LIMIT))


def _offset(query: Query) -> int:
    return max(0, min(query.offset, MAX_OFFSET))


def _start(shelf: _Shelf, query: Query, order: Rows, otherwise: int) -> int:
    """Return where the page begins: behind a package that was seen, or `otherwise`."""
    if not query.after:
        return otherwise
    at = np.flatnonzero(np.isin(order, fields.rows_of(shelf.searcher, [query.after])))
    return int(at[0]) + 1 if len(at) else otherwise


def _listed(shelf: _Shelf, query: Query) -> Hits:
    everything = fields.all_of(fields.every_package(), [*shelf.filters, *shelf.readable])
    # Longer than the page on both sides: what was seen last may have moved since.
    first = max(0, _offset(query) - MOVED)
    found = shelf.searcher.search(
        everything,
        limit=_offset(query) - first + _limit(query) + MOVED,
        offset=first,
        order_by_field="sorted",
        order=Order.Asc,
    )
    places = [place for _, place in found.hits]
    start = _start(shelf, query, fields.rows(shelf.searcher, places), _offset(query) - first)
    listed = [
        fields.shown(shelf.searcher.doc(place)) for place in places[start : start + _limit(query)]
    ]
    nothing = Sought.of({})
    hits = tuple(
        Hit(each.key, each.name, 0.0, *explained(each, nothing, "")[:2]) for each in listed
    )
    facets = fields.facets(shelf.searcher, everything) if query.facets else {}
    return Hits(hits, int(found.count), facets=facets)  # type: ignore[attr-defined]  # the stub lacks it


@dataclass(frozen=True, slots=True)
class _Candidates:
    """What may be an answer, oldest first: how it was found, what that counts, where it is."""

    rows: Rows
    tiers: NDArray[np.int64]
    lexical: Vector
    """BM25; not a number where no term was found."""
    cosines: Vector
    scores: Vector
    places: Sequence[DocAddress | None]
    """None for what only the vectors have found."""

    def order(self) -> Places:
        """Order by tier, then by score; equals by age, which no later page can turn around."""
        return np.lexsort((-self.scores, self.tiers))


def _candidates(shelf: _Shelf, asked: _Asked) -> _Candidates:
    ways = [*_by_name(shelf, asked)]
    ranked = shelf.find(
        fields.ranked(shelf.searcher, asked.known, asked.unknown, CANDIDATES), CANDIDATES
    )
    ways.append((RANKED, ranked))
    if not any(found.hits for _, found in ways) and len(asked.word) >= fields.MIN_PIECE:
        ways.append((NAMED, shelf.find(fields.containing(asked.word), CANDIDATES)))
    near = np.zeros(0, np.int64)
    if asked.share:
        near = shelf.vectors.nearest(asked.vector, shelf.mask, fusion.DENSE_ALONE, NEAREST)
    every = [*(found.rows for _, found in ways), near]
    tiers = np.repeat([*(tier for tier, _ in ways), RANKED], [len(rows) for rows in every])
    places = [place for _, found in ways for _, place in found.hits] + [None] * len(near)
    # Each counts as what found it first.
    rows, first = np.unique(np.concatenate(every), return_index=True)
    lexical = np.full(len(rows), np.nan, np.float32)
    lexical[np.searchsorted(rows, ranked.rows)] = [score for score, _ in ranked.hits]
    cosines = np.zeros(len(rows), np.float32)
    if asked.share:
        cosines = shelf.vectors.cosines(asked.vector, rows)
    scores = fusion.fused(lexical, cosines, asked.share)
    theirs = [places[at] for at in first.tolist()]
    return _Candidates(rows, tiers[first], lexical, cosines, scores, theirs)


def _by_name(shelf: _Shelf, asked: _Asked) -> Iterator[tuple[int, _Found]]:
    """Find what the text names, the best way first."""
    if fields.is_called(shelf.searcher, asked.name):
        yield CALLED, shelf.find(fields.called(asked.name), CANDIDATES)
    if asked.word:
        yield NAMED, shelf.find(fields.beginning(asked.word), CANDIDATES)
    tag = fields.tag_term(asked.text)
    if shelf.searcher.doc_freq("tag", tag):
        yield TAGGED, shelf.find(fields.term("tag", tag), CANDIDATES)


def _hits(shelf: _Shelf, found: _Candidates, shown: Places, asked: _Asked) -> tuple[Hit, ...]:
    rows = {at: int(found.rows[at]) for at in shown.tolist()}
    more = shelf.where([row for at, row in rows.items() if found.places[at] is None])
    places = {at: found.places[at] or more.get(row) for at, row in rows.items()}
    return tuple(
        _hit(shelf.searcher.doc(place), found, at, asked) for at, place in places.items() if place
    )


def _hit(document: Document, found: _Candidates, at: int, asked: _Asked) -> Hit:
    shown = fields.shown(document)
    matched, snippet, held = explained(shown, asked.sought, asked.name)
    tier, score = int(found.tiers[at]), float(found.lexical[at])
    if math.isnan(score):
        score = 0.0
        matched = ("meaning",) if tier == RANKED else matched
    cosine = float(found.cosines[at])
    similarity = 1.0 if tier != RANKED else _similarity(shown, score, cosine, asked, held)
    rank = 2 * (RANKED - tier) + float(found.scores[at])
    return Hit(shown.key, shown.name, score, matched, snippet, similarity, rank)


def _similarity(
    shown: Shown, score: float, cosine: float, asked: _Asked, held: frozenset[str]
) -> float:
    if asked.named:
        return fusion.spelled(sum(asked.sought.weights[term] for term in held), asked.most)
    if asked.of_table is not None:
        cosine = float(
            np.dot(asked.of_table, table().embed(summary(shown.name, shown.description)))
        )
    return fusion.similarity(cosine, score / asked.most if asked.most else 0.0)
