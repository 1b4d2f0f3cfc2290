"""Answering a query from one state of the index: candidates by terms and by vectors, in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from tantivy import DocAddress, Order, Searcher
from tantivy import Query as Wanted

from registry_core.search import MAX_LIMIT, MAX_OFFSET, MAX_TEXT, Hit, Hits, Query, fields, fusion
from registry_core.search.embedding import Vector, table
from registry_core.search.excerpt import explained
from registry_core.search.vectors import Vectors

CANDIDATES = 200
"""A text finds this many packages by its terms at most, and as many by their names."""

NEAREST = 100
MAX_TAGGED = 100_000

CALLED, NAMED, TAGGED, RANKED = range(4)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One committed state: what tantivy holds, and the vectors that belong to it."""

    searcher: Searcher
    vectors: Vectors
    all_public: bool


@dataclass(slots=True)
class Candidates:
    """What may be an answer: where it is in tantivy, how it was found, what that counts."""

    places: dict[int, DocAddress] = field(default_factory=dict)
    tiers: dict[int, int] = field(default_factory=dict)
    lexical: dict[int, float] = field(default_factory=dict)
    cosines: dict[int, float] = field(default_factory=dict)

    def add(self, found: Sequence[tuple[int, DocAddress]], tier: int) -> None:
        """Take over packages, each in the first tier that found it."""
        for row, place in found:
            self.places.setdefault(row, place)
            self.tiers.setdefault(row, tier)


def search(snapshot: Snapshot, query: Query) -> Hits:
    """Find what the asker may see."""
    text = fields.plain(query.text[:MAX_TEXT])
    conditions = _conditions(snapshot, query)
    if not text:
        return _listed(snapshot.searcher, conditions, query)
    asked = _asked(snapshot.searcher, text)
    found = _candidates(snapshot, query, conditions, asked)
    scores = fusion.fused(found.lexical, found.cosines, fusion.dense_share(asked.text))
    # Equal scores go by age, which no later page can turn around.
    order = sorted(found.tiers, key=lambda row: (found.tiers[row], -scores.get(row, 0.0), row))
    page = order[_offset(query) : _offset(query) + _limit(query)]
    hits = tuple(_hit(snapshot.searcher, found, row, asked) for row in page)
    return Hits(hits, len(order), fits=not order or _fits(found, order[0], asked))


@dataclass(frozen=True, slots=True)
class _Asked:
    text: str
    name: str
    known: tuple[str, ...]
    unknown: tuple[str, ...]
    vector: Vector
    most: float
    """The BM25 score of a short text that has every term once."""


def _asked(searcher: Searcher, text: str) -> _Asked:
    known, unknown = fields.rarest(searcher, text)
    most = sum(fields.weight(searcher, term) for term in (*known, *unknown))
    return _Asked(
        text, fields.compared(text), tuple(known), tuple(unknown), table().embed(text), most
    )


def _conditions(snapshot: Snapshot, query: Query) -> list[Wanted]:
    if snapshot.all_public:
        query = replace(query, namespaces_visible=None)
    return fields.filters(query)


def _limit(query: Query) -> int:
    return max(1, min(query.limit, MAX_LIMIT))


def _offset(query: Query) -> int:
    return max(0, min(query.offset, MAX_OFFSET))


def _listed(searcher: Searcher, conditions: Sequence[Wanted], query: Query) -> Hits:
    found = searcher.search(
        fields.all_of(fields.every_package(), conditions),
        limit=_limit(query),
        offset=_offset(query),
        order_by_field="sorted",
        order=Order.Asc,
    )
    entries = [fields.shown_entry(searcher.doc(place)) for _, place in found.hits]
    hits = tuple(
        Hit(entry.key, entry.name, 0.0, *explained(entry, frozenset(), "")) for entry in entries
    )
    return Hits(hits, int(found.count))  # type: ignore[attr-defined]  # the stub lacks it


def _candidates(
    snapshot: Snapshot, query: Query, conditions: Sequence[Wanted], asked: _Asked
) -> Candidates:
    found = Candidates()
    searcher = snapshot.searcher

    def add(wanted: Wanted, tier: int) -> list[tuple[int, float]]:
        hits = searcher.search(
            fields.all_of(wanted, conditions), limit=CANDIDATES, count=False
        ).hits
        rows = fields.rows(searcher, [place for _, place in hits])
        found.add(list(zip(rows, (place for _, place in hits), strict=True)), tier)
        return [(row, score) for row, (score, _) in zip(rows, hits, strict=True)]

    one_word = bool(asked.name) and " " not in asked.name and len(asked.name) <= fields.MAX_WORD
    add(fields.called(asked.name), CALLED)
    if one_word:
        add(fields.beginning(asked.name), NAMED)
    add(fields.term("tag", fields.tag_term(asked.text)), TAGGED)
    found.lexical = dict(add(fields.ranked(searcher, asked.known, asked.unknown), RANKED))
    if not found.tiers and one_word and len(asked.name) >= fields.MIN_PIECE:
        add(fields.containing(asked.name), NAMED)
    _add_near(snapshot, query, conditions, asked, found)
    return found


def _add_near(
    snapshot: Snapshot,
    query: Query,
    conditions: Sequence[Wanted],
    asked: _Asked,
    found: Candidates,
) -> None:
    """Add what only the vectors find, and say of every candidate how near it is."""
    searcher, vectors = snapshot.searcher, snapshot.vectors
    if not asked.vector.any() or not fusion.dense_share(asked.text):
        return
    mask = vectors.allowed(query)
    if query.tags:
        tagged = searcher.search(fields.all_of(fields.every_package(), conditions), MAX_TAGGED)
        mask = vectors.only(mask, fields.rows(searcher, [place for _, place in tagged.hits]))
    nearest = vectors.nearest(asked.vector, mask, NEAREST)
    new = [
        row
        for row, cosine in nearest.items()
        if row not in found.tiers and cosine >= fusion.DENSE_ALONE
    ]
    if new:
        # What tantivy no longer holds, or the asker may not see, ends here.
        there = searcher.search(
            fields.all_of(fields.one_of("row", new), conditions), limit=len(new), count=False
        ).hits
        places = [place for _, place in there]
        found.add(list(zip(fields.rows(searcher, places), places, strict=True)), RANKED)
    rows = list(found.tiers)
    found.cosines = dict(zip(rows, vectors.cosines(asked.vector, rows), strict=True))


def _hit(searcher: Searcher, found: Candidates, row: int, asked: _Asked) -> Hit:
    entry = fields.shown_entry(searcher.doc(found.places[row]))
    terms = frozenset((*asked.known, *asked.unknown))
    matched, snippet = explained(entry, terms, asked.name)
    if row not in found.lexical and found.tiers[row] == RANKED:
        matched = ("meaning",)
    return Hit(
        entry.key,
        entry.name,
        found.lexical.get(row, 0.0),
        matched,
        snippet,
        _similarity(found, row, asked),
    )


def _similarity(found: Candidates, row: int, asked: _Asked) -> float:
    if found.tiers[row] != RANKED:
        return 1.0
    covered = found.lexical.get(row, 0.0) / asked.most if asked.most else 0.0
    return fusion.similarity(found.cosines.get(row, 0.0), covered)


def _fits(found: Candidates, row: int, asked: _Asked) -> bool:
    return _similarity(found, row, asked) >= fusion.FITS
