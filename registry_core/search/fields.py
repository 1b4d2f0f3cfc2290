"""The fields of a package in tantivy, and the queries over them.

    state      only in the one document that is no package: what was committed, as JSON
    row        number of the package's current text; the vectors are kept under it
    key, plain_name, bare_name, tag, category, kind, publisher, verified, readers
               compared whole; `kind` is also "private" for a private package, and "state";
               `verified` is "true" or "false"; `readers` is "public" or the namespace of a
               private package
    sorted     the name, to order by
    head       terms of name, tags and description, as one field
    text       the head again, and the body: a term that a body repeats counts three times at most
    shown      key, name, description, and the terms of name, tags and description, as JSON
    body       so much of it as passages are looked for in

Terms are made by `terms` before tantivy sees them; one blank stands between two.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Any

import numpy as np
from pydantic_core import from_json, to_json
from tantivy import DocAddress, Document, FieldType, Occur, Schema, SchemaBuilder, Searcher
from tantivy import Query as Asked

from registry_core.names import Kind
from registry_core.search import FACETS, MAX_BODY, MAX_FACETS, Entry, Query
from registry_core.search.excerpt import Shown
from registry_core.search.terms import name_terms, storable, text_terms, unspaced
from registry_core.search.vectors import Rows

MAX_TERMS = 64
"""A query keeps this many terms, its rarest."""

MAX_UNSPACED = 32
"""At most so many of them are pairs of a script without blanks, which say everything twice."""

BODY_REPEATS = 3
MAX_DESCRIPTION = 16 * 1024
MAX_WORD = 100
"""Words that are typed to complete a name are no longer than this."""

UNKNOWN = 3.0
"""What a word counts that no package has, where one has a word that it begins or nearly is."""

OFTEN = 0.25
"""A term that a larger part of the packages has is looked for in their heads alone, where enough
heads have it."""

MAX_UNKNOWN = 4
MIN_NEARLY = 5
MIN_PIECE = 3
PAGE = 4096
"""So many packages are looked at together where all are: each is an object for that long."""

PUBLIC = "public"

_MAX_TERM = 200
_SYNTAX = re.compile(r"[\\.+*?()|\[\]{}^$#&~-]")
_STATE = "state"
_PRIVATE = "private"
_CONTROL = re.compile("[\x00-\x1f\x7f]+")
_WHOLE = ("state", "key", "plain_name", "bare_name", "readers")


def schema() -> Schema:
    """Describe the fields to tantivy."""
    made = SchemaBuilder()
    for field in _WHOLE:
        made.add_text_field(
            field, stored=field == "state", tokenizer_name="raw", index_option="basic"
        )
    for field in FACETS:
        made.add_text_field(field, fast=True, tokenizer_name="raw", index_option="basic")
    made.add_text_field("sorted", fast=True, tokenizer_name="raw", index_option="basic")
    for field in ("head", "text"):
        made.add_text_field(field, tokenizer_name="whitespace", index_option="freq")
    made.add_unsigned_field("row", indexed=True, fast=True)
    made.add_bytes_field("shown", stored=True)
    made.add_bytes_field("body", stored=True)
    return made.build()


FIELDS = schema()


def document(entry: Entry, row: int) -> Document:
    """Make the document of a package."""
    body = storable(entry.body[:MAX_BODY]).encode()[:MAX_BODY].decode(errors="ignore")
    shown = Shown.of(replace(entry, description=entry.description[:MAX_DESCRIPTION]))
    head = " ".join(shown.terms)
    plain_name = compared(shown.name)
    made = Document()
    made.add_unsigned("row", row)
    made.add_text("key", whole(entry.key))
    made.add_text("plain_name", whole(plain_name))
    made.add_text("bare_name", whole(plain_name.rpartition("/")[2]))
    made.add_text("kind", entry.kind.value)
    made.add_text("publisher", whole(entry.namespace))
    made.add_text("verified", _truth(entry.verified))
    made.add_text("readers", _readers(entry.namespace) if entry.private else PUBLIC)
    if entry.private:
        made.add_text("kind", _PRIVATE)
    made.add_text("sorted", shown.name[:_MAX_TERM])
    for tag in entry.tags:
        made.add_text("tag", tag_term(tag))
    if entry.category:
        made.add_text("category", tag_term(entry.category))
    made.add_text("head", head)
    made.add_text("text", " ".join([head, *_few(text_terms(body))]))
    made.add_bytes("shown", to_json([shown.key, shown.name, shown.description, shown.terms]))
    made.add_bytes("body", shown.body)
    return made


def shown(found: Document) -> Shown:
    """Read what is shown of a package back from its document."""
    kept, body = (found.get_first(field) or b"" for field in ("shown", "body"))
    key, name, description, terms = from_json(kept)
    return Shown(key, name, description, terms, body)


def compared(text: str) -> str:
    """Spell a name as names are compared."""
    return text.strip().lower().removeprefix("@")


def plain(text: str) -> str:
    """Return what is asked, without control characters."""
    return _CONTROL.sub(" ", storable(text)).strip()


def whole(text: str) -> str:
    """Return a text as one term; a long one by its digest, as tantivy drops long terms."""
    text = storable(text)
    return text if len(text) <= _MAX_TERM else sha256(text.encode()).hexdigest()


def tag_term(text: str) -> str:
    """Spell a tag as tags are compared."""
    return whole(plain(text).lower())


def _truth(value: bool) -> str:  # noqa: FBT001 - it is what it spells
    return "true" if value else "false"


def _readers(namespace: str) -> str:
    return f"@{whole(namespace)}"


def _few(terms: list[str]) -> Iterable[str]:
    for term, count in Counter(terms).items():
        yield from (term,) * min(count, BODY_REPEATS)


def term(field: str, value: Any) -> Asked:
    """Ask for the packages that have `value` in `field`."""
    return Asked.term_query(FIELDS, field, value, index_option="basic")


def one_of(field: str, values: Iterable[Any]) -> Asked:
    """Ask for the packages that have one of `values` in `field`."""
    return Asked.term_set_query(FIELDS, field, list(values))


def filters(query: Query) -> list[Asked]:
    """Return what a package has to be to be found by `query`, whoever asks."""
    found = [term("tag", tag_term(tag)) for tag in query.tags]
    if query.kinds:
        found.append(one_of("kind", [kind.value for kind in query.kinds]))
    if query.publishers:
        found.append(one_of("publisher", map(whole, query.publishers)))
    if not query.include_unverified:
        found.append(term("verified", _truth(value=True)))
    return found


def readable(query: Query) -> list[Asked]:
    """Return what a package has to be for the asker to see it."""
    if query.namespaces_visible is None:
        return []
    return [one_of("readers", [PUBLIC, *map(_readers, query.namespaces_visible)])]


def every_package() -> Asked:
    """Ask for everything that is a package."""
    return one_of("kind", [kind.value for kind in Kind])


def all_of(wanted: Asked, conditions: Sequence[Asked]) -> Asked:
    """Narrow `wanted` to what fulfils the conditions, which count nothing."""
    if not conditions:
        return wanted
    silent = [(Occur.Must, Asked.const_score_query(each, 0.0)) for each in conditions]
    return Asked.boolean_query([(Occur.Must, wanted), *silent])


def any_of(wanted: Sequence[Asked]) -> Asked:
    """Ask for what fulfils any of `wanted`, and add up what they count."""
    return Asked.boolean_query([(Occur.Should, each) for each in wanted])


def is_called(searcher: Searcher, asked: str) -> bool:
    """Say whether any package, whoever may see it, has this name: most texts are none."""
    name = whole(asked)
    return bool(searcher.doc_freq("plain_name", name) or searcher.doc_freq("bare_name", name))


def called(asked: str) -> Asked:
    """Ask for the packages of this name, whole or without the namespace."""
    return any_of([term("plain_name", whole(asked)), term("bare_name", whole(asked))])


def beginning(word: str) -> Asked:
    """Ask for the packages whose name begins with `word`."""
    return any_of([_from("bare_name", word), _from("plain_name", word)])


def containing(word: str) -> Asked:
    """Ask for the packages that have `word` somewhere in their name."""
    literal = _SYNTAX.sub(r"\\\g<0>", word[:MAX_WORD])
    return Asked.regex_query(FIELDS, "plain_name", f".*{literal}.*")


def _from(field: str, word: str) -> Asked:
    return Asked.fuzzy_term_query(FIELDS, field, word[:MAX_WORD], distance=0, prefix=True)


def rarest(searcher: Searcher, text: str) -> tuple[dict[str, int], list[str]]:
    """Choose the terms to ask for, rarest first and counted, and name those that no package has."""
    counts = {each: searcher.doc_freq("text", each) for each in dict.fromkeys(name_terms(text))}
    known = sorted((each for each in counts if counts[each]), key=counts.__getitem__)
    # BM25 gives a term that half of the packages hold next to no weight.
    half = searcher.num_docs / 2
    chosen = [each for each in known if counts[each] <= half][:MAX_TERMS] or known[:1]
    if len(chosen) > MAX_UNSPACED:
        pairs = [each for each in chosen if unspaced(each)][MAX_UNSPACED:]
        chosen = [each for each in chosen if each not in pairs]
    unknown = [each for each in counts if not counts[each]][:MAX_UNKNOWN]
    return {each: counts[each] for each in chosen}, unknown


def ranked(
    searcher: Searcher, known: Mapping[str, int], unknown: Sequence[str], limit: int
) -> Asked:
    """Ask for the `limit` best of the packages that have any of the terms, by BM25."""
    often = searcher.num_docs * OFTEN
    wanted = [_scored("head", each) for each in known]
    wanted += [
        _scored("text", each)
        for each, count in known.items()
        if count <= often or searcher.doc_freq("head", each) < limit
    ]
    for each in unknown:
        wanted += [Asked.boost_query(near, UNKNOWN) for near in _nearly(each)]
    return any_of(wanted)


def _scored(field: str, value: str) -> Asked:
    return Asked.term_query(FIELDS, field, value, index_option="freq")


def _nearly(word: str) -> list[Asked]:
    """Ask for a word that begins with `word`, or has one letter other than it."""
    near = [Asked.const_score_query(_from("head", word), 1.0)] if len(word) >= MIN_PIECE else []
    if len(word) >= MIN_NEARLY and word.isascii():
        near.append(Asked.const_score_query(Asked.fuzzy_term_query(FIELDS, "head", word), 1.0))
    return near


def rows(searcher: Searcher, places: list[DocAddress]) -> Rows:
    """Read the numbers of the packages at `places`."""
    return np.array(searcher.fast_field_values("row", places), np.int64)


def weight(every: int, with_it: int) -> float:
    """Return what a text of usual length has from BM25 for a term that it holds once."""
    return 2 * math.log(1 + (every - with_it + 0.5) / (with_it + 0.5))


def facets(searcher: Searcher, wanted: Asked) -> dict[str, dict[str, int]]:
    """Count what packages are of which kind, tag and so on; the commonest of each."""
    asked = {name: {"terms": {"field": name, "size": MAX_FACETS}} for name in FACETS}
    counted = searcher.aggregate(wanted, asked)
    kinds = {kind.value for kind in Kind}
    return {
        name: {
            str(bucket["key"]): int(bucket["doc_count"])
            for bucket in counted[name]["buckets"]
            if name != "kind" or bucket["key"] in kinds
        }
        for name in FACETS
    }


def the_state() -> Asked:
    """Ask for the document that is no package."""
    return term("kind", _STATE)


def state_document(text: str) -> Document:
    """Make the document that holds `text` beside the packages."""
    return Document(state=text, kind=_STATE)


def all_public(searcher: Searcher) -> bool:
    """Say whether no package is private; what was removed may count until it is merged away."""
    return searcher.doc_freq("kind", _PRIVATE) == 0


def every_row(searcher: Searcher, end: int) -> Rows:
    """Return the numbers of all packages, which are below `end`."""
    found = [np.zeros(0, np.int64)]
    for first in range(0, end, PAGE):
        page = Asked.range_query(
            FIELDS, "row", FieldType.Unsigned, first, first + PAGE, include_upper=False
        )
        hits = searcher.search(page, limit=PAGE, count=False).hits
        found.append(rows(searcher, [place for _, place in hits]))
    return np.concatenate(found)


def rows_of(searcher: Searcher, keys: Iterable[str]) -> Rows:
    """Return the numbers of the packages that have one of `keys`."""
    wanted = [whole(key) for key in keys]
    found = searcher.search(one_of("key", wanted), limit=max(1, len(wanted)), count=False)
    return rows(searcher, [place for _, place in found.hits])
