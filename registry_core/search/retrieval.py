"""Answering a query from one state of the index: candidates by terms and by vectors, in order.

What the asker may not see is left out where candidates are found, so neither order nor counts tell
of it. Private packages are few: a ranking is first taken as it is, a little longer than needed, and
asked for again with the condition only where too much of it is not for the asker.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import compress, repeat

import numpy as np
from tantivy import DocAddress, Order, Searcher
from tantivy import Query as Wanted

from registry_core.search import (
    FITS,
    MAX_LIMIT,
    MAX_OFFSET,
    MAX_TEXT,
    Entry,
    Hit,
    Hits,
    Pair,
    Query,
    fields,
    fusion,
    summary,
)
from registry_core.search.embedding import Vector, table
from registry_core.search.excerpt import dearest, explained
from registry_core.search.vectors import Mask, Vectors

CANDIDATES = 200
"""A text finds this many packages by its terms at most, and as many by their names."""

NEAREST = 100
SPARE = 60
MAX_TAGGED = 100_000
MOVED = 200

CALLED, NAMED, TAGGED, RANKED = range(4)

_NAME = re.compile(r"[^\W_][-_./:@0-9]")


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
    order = _order(found, asked)
    start = _start(shelf, query, order, _offset(query))
    hits = _hits(shelf, found, order[start : start + _limit(query)], asked)
    first = hits[:1] if not start else _hits(shelf, found, order[:1], asked)
    fits = not order or bool(first and (first[0].similarity or 0.0) >= FITS)
    facets = fields.facets(snapshot.searcher, fields.one_of("row", order)) if query.facets else {}
    return Hits(hits, len(order), fits, facets)


def pairs(snapshot: Snapshot, query: Query, least: float) -> list[Pair]:
    """Find pairs of what the asker may see that say nearly the same, best first."""
    shelf = _shelf(snapshot, query)
    found = shelf.vectors.pairs(shelf.mask, least, _limit(query))
    rows = {row for one, other, _ in found for row in (one, other)}
    # What tantivy no longer holds, or the asker may not see, ends here.
    there = shelf.find(fields.one_of("row", rows), len(rows)) if rows else []
    keys = {row: fields.shown_entry(shelf.searcher.doc(place)).key for row, (_, place) in there}
    return [
        Pair(keys[one], keys[other], min(cosine, 1.0))
        for one, other, cosine in found
        if one in keys and other in keys
    ]


_Found = tuple[int, tuple[float, DocAddress]]
"""The row of a package; what it counts, and where it is in tantivy."""


@dataclass(frozen=True, slots=True)
class _Shelf:
    """What a query may find: everything but what its filters leave out or the asker may not see."""

    searcher: Searcher
    vectors: Vectors
    filters: list[Wanted]
    readable: list[Wanted]
    mask: Mask

    def find(self, wanted: Wanted, limit: int) -> list[_Found]:
        """Return what fulfils `wanted`, best first."""
        if not self.filters and self.readable:
            more = self._found(wanted, limit + SPARE)
            seen = self._seen(more)
            if len(seen) >= limit or len(more) < limit + SPARE:
                return seen[:limit]
        return self._found(fields.all_of(wanted, [*self.filters, *self.readable]), limit)

    def _found(self, wanted: Wanted, limit: int) -> list[_Found]:
        hits = self.searcher.search(wanted, limit=limit, count=False).hits
        rows = fields.rows(self.searcher, [place for _, place in hits])
        return list(zip(rows, hits, strict=True))

    def _seen(self, found: Sequence[_Found]) -> list[_Found]:
        seen = self.mask[self.vectors.places([row for row, _ in found])].tolist()
        return list(compress(found, seen))


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
    known: tuple[str, ...]
    unknown: tuple[str, ...]
    weights: dict[str, float]
    """What each term counts in a short text that has it once."""
    deep: Sequence[str]
    """The terms that are looked for in bodies."""
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
    deep = dearest(weights)
    of_table = own if snapshot.foreign and share else None
    words = (tuple(known), tuple(unknown), weights, deep)
    return _Asked(text, name, *words, named, vector, share, of_table)


def _limit(query: Query) -> int:
    return max(1, min(query.limit, MAX_LIMIT))


def _offset(query: Query) -> int:
    return max(0, min(query.offset, MAX_OFFSET))


def _start(shelf: _Shelf, query: Query, order: Sequence[int], otherwise: int) -> int:
    """Return where the page begins: behind a package that was seen, or `otherwise`."""
    seen = fields.rows_of(shelf.searcher, [query.after]) if query.after else []
    return order.index(seen[0]) + 1 if seen and seen[0] in order else otherwise


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
    rows = fields.rows(shelf.searcher, places) if query.after else []
    start = _start(shelf, query, rows, _offset(query) - first)
    entries = [
        fields.shown_entry(shelf.searcher.doc(place))
        for place in places[start : start + _limit(query)]
    ]
    hits = tuple(
        Hit(entry.key, entry.name, 0.0, *explained(entry, {}, (), "")[:2]) for entry in entries
    )
    facets = fields.facets(shelf.searcher, everything) if query.facets else {}
    return Hits(hits, int(found.count), facets=facets)  # type: ignore[attr-defined]  # the stub lacks it


@dataclass(slots=True)
class _Candidates:
    """What may be an answer: where it is in tantivy, how it was found, what that counts."""

    places: dict[int, DocAddress] = field(default_factory=dict)
    tiers: dict[int, int] = field(default_factory=dict)
    lexical: dict[int, float] = field(default_factory=dict)
    cosines: dict[int, float] = field(default_factory=dict)
    scores: dict[int, float] = field(default_factory=dict)

    def add(self, found: Sequence[_Found], tier: int) -> None:
        """Take over packages, each in the first tier that found it."""
        places = {row: place for row, (_, place) in found}
        self.places = places | self.places
        self.tiers = dict.fromkeys(places, tier) | self.tiers


def _candidates(shelf: _Shelf, asked: _Asked) -> _Candidates:
    found, searcher = _Candidates(), shelf.searcher
    one_word = bool(asked.name) and " " not in asked.name and len(asked.name) <= fields.MAX_WORD
    if fields.is_called(searcher, asked.name):
        found.add(shelf.find(fields.called(asked.name), CANDIDATES), CALLED)
    if one_word:
        found.add(shelf.find(fields.beginning(asked.name), CANDIDATES), NAMED)
    if searcher.doc_freq("tag", fields.tag_term(asked.text)):
        tagged = fields.term("tag", fields.tag_term(asked.text))
        found.add(shelf.find(tagged, CANDIDATES), TAGGED)
    ranked = shelf.find(fields.ranked(searcher, asked.known, asked.unknown), CANDIDATES)
    found.add(ranked, RANKED)
    found.lexical = {row: score for row, (score, _) in ranked}
    if not found.tiers and one_word and len(asked.name) >= fields.MIN_PIECE:
        found.add(shelf.find(fields.containing(asked.name), CANDIDATES), NAMED)
    if asked.share:
        _add_near(shelf, asked, found)
    return found


def _add_near(shelf: _Shelf, asked: _Asked, found: _Candidates) -> None:
    """Add what only the vectors find, and say of every candidate how near it is."""
    near = shelf.vectors.nearest(asked.vector, shelf.mask, fusion.DENSE_ALONE, NEAREST)
    found.tiers = dict.fromkeys(near, RANKED) | found.tiers
    cosines = shelf.vectors.cosines(asked.vector, list(found.tiers))
    found.cosines = dict(zip(found.tiers, cosines, strict=True))


def _order(found: _Candidates, asked: _Asked) -> list[int]:
    """Order by tier, then by score; equals by age, which no later page can turn around."""
    rows = np.array(list(found.tiers), np.int64)
    tiers = np.array(list(found.tiers.values()), np.int8)
    lexical = np.fromiter(map(found.lexical.get, found.tiers, repeat(np.nan)), np.float32)
    cosines = np.fromiter(map(found.cosines.get, found.tiers, repeat(0.0)), np.float32)
    scores = fusion.fused(lexical, cosines, asked.share)
    found.scores = dict(zip(found.tiers, scores.tolist(), strict=True))
    order: list[int] = rows[np.lexsort((rows, -scores, tiers))].tolist()
    return order


def _hits(shelf: _Shelf, found: _Candidates, rows: Sequence[int], asked: _Asked) -> tuple[Hit, ...]:
    new = [row for row in rows if row not in found.places]
    if new:
        # What tantivy no longer holds, or the asker may not see, ends here.
        found.places |= {
            row: place for row, (_, place) in shelf.find(fields.one_of("row", new), len(new))
        }
    return tuple(_hit(shelf.searcher, found, row, asked) for row in rows if row in found.places)


def _hit(searcher: Searcher, found: _Candidates, row: int, asked: _Asked) -> Hit:
    entry = fields.shown_entry(searcher.doc(found.places[row]))
    matched, snippet, held = explained(entry, asked.weights, asked.deep, asked.name)
    if row not in found.lexical and found.tiers[row] == RANKED:
        matched = ("meaning",)
    score = found.lexical.get(row, 0.0)
    similarity = _similarity(found, row, entry, asked, held)
    rank = 2 * (RANKED - found.tiers[row]) + found.scores[row]
    return Hit(entry.key, entry.name, score, matched, snippet, similarity, rank)


def _similarity(
    found: _Candidates, row: int, entry: Entry, asked: _Asked, held: frozenset[str]
) -> float:
    if found.tiers[row] != RANKED:
        return 1.0
    most = sum(asked.weights.values())
    if asked.named:
        return fusion.spelled(sum(asked.weights[term] for term in held), most)
    covered = found.lexical.get(row, 0.0) / most if most else 0.0
    cosine = found.cosines.get(row, 0.0)
    if asked.of_table is not None:
        cosine = float(np.dot(asked.of_table, table().embed(summary(entry))))
    return fusion.similarity(cosine, covered)
