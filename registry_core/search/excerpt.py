"""Why a package was found: which of its texts hold a term of the query, and the best passage."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from heapq import nlargest
from itertools import compress, islice

from registry_core.search import Entry
from registry_core.search.terms import (
    beginning,
    first_places,
    folded,
    name_terms,
    places,
    storable,
    text_terms,
)

WINDOW = 160
"""Characters of a snippet, about."""

READ = 32 * 1024
"""Of a body, so much is kept to look for passages in: characters, and bytes."""

MAX_DEEP = 4
"""Terms that are looked for in a body, those that count most."""

MAX_PASSAGES = 6
FIELDS = ("name", "tags", "description", "body")
_LEAD = 40
_ENOUGH = 4 * WINDOW  # bytes, whatever the characters
_NOT_PLAIN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2028-\u2029\u2060-\u206f\ufeff]+"
)


@dataclass(frozen=True, slots=True)
class Shown:
    """What is shown of a package, as an index keeps it; on one line each, without controls."""

    key: str
    name: str
    description: str
    terms: Sequence[str]
    """The terms of name, tags and description, a blank between two."""
    body: bytes
    """The first 32 KiB, UTF-8."""

    @classmethod
    def of(cls, entry: Entry) -> Shown:
        """Take it from a package."""
        name, description = storable(entry.name), storable(entry.description)
        named = name_terms(name), name_terms(storable(" ".join(entry.tags)))
        terms = [" ".join(each) for each in (*named, text_terms(description))]
        body = plain(storable(entry.body[:READ])).encode()[:READ].decode(errors="ignore").encode()
        return cls(storable(entry.key), name, plain(description), terms, body)


@dataclass(frozen=True, slots=True)
class Sought:
    """The terms of a query, made ready to be looked for in many texts."""

    weights: Mapping[str, float]
    """What each counts."""
    terms: frozenset[str]
    begun: Mapping[str, bytes]
    """How the words of each begin."""
    deep: Mapping[str, bytes]
    """The same of those that are looked for in bodies: they count most."""

    @classmethod
    def of(cls, weights: Mapping[str, float]) -> Sought:
        """Make terms ready, of which it is known what each counts."""
        deep = nlargest(MAX_DEEP, weights, key=weights.__getitem__)
        begun = {term: beginning(term) for term in weights}
        return cls(weights, frozenset(weights), begun, {term: begun[term] for term in deep})


def explained(
    shown: Shown, wanted: Sought, asked: str
) -> tuple[tuple[str, ...], str, frozenset[str]]:
    """Return where a package has a term of `wanted`, or `asked` in its name, and a snippet.

    The snippet is the passage that has most of what is `wanted`. The terms that were found are the
    third thing returned. What was found nowhere else was found behind what is kept of the body.
    """
    lower = folded(shown.body, wanted.deep)
    told = first_places(shown.body, lower, wanted.deep)
    named, tagged, described = (wanted.terms.intersection(each.split()) for each in shown.terms)
    held = (named, tagged, described, told)
    matched = tuple(compress(FIELDS, held))
    if asked and asked in shown.name.lower() and "name" not in matched:
        matched = ("name", *matched)
    if wanted.weights and not matched:
        matched = ("body",)
    every = frozenset().union(*held)
    description = shown.description.encode()
    most, at = best(folded(description, described), dict.fromkeys(described, 0), wanted)
    # A passage counts no more than all that its text has: mostly the description's own is as good.
    if sum(map(wanted.weights.__getitem__, told)) > most:
        more, within = best(lower, told, wanted)
        if more > most:
            return matched, around(shown.body, within), every
    return matched, around(description or shown.body, at), every


def best(lower: bytes, held: Mapping[str, int], wanted: Sought) -> tuple[float, int]:
    """Return what the passage with most of the terms counts, and where in it to begin.

    It is one around the term that counts most of those that the text has.
    """
    if not held:
        return 0.0, 0
    first = max(held, key=wanted.weights.__getitem__)
    begun = {wanted.begun[term]: wanted.weights[term] for term in held}
    most, place, every = wanted.weights[first], held[first], sum(begun.values())
    if len(lower) <= WINDOW:
        return every, place
    begins = wanted.begun[first]
    for at in islice(places(lower, first, begins, lower.find(begins, place)), MAX_PASSAGES):
        passage = lower[max(0, at - _LEAD) : at + WINDOW - _LEAD]
        counts = sum(weight for start, weight in begun.items() if start in passage)
        if counts > most or not place:
            most, place = counts, at
        if most >= every:
            break
    return most, place


def plain(text: str) -> str:
    """Return `text` on one line, without control and direction characters."""
    return " ".join(_NOT_PLAIN.sub(" ", text).split())


def around(text: bytes, at: int) -> str:
    """Cut about `WINDOW` characters of a text in UTF-8 around the byte `at`."""
    before = text[max(0, at - _ENOUGH) : at].decode(errors="ignore")
    return window(before + text[at : at + _ENOUGH].decode(errors="ignore"), len(before))


def window(text: str, at: int) -> str:
    """Cut about `WINDOW` characters around `at`, between words where there is a blank nearby."""
    start = max(0, min(at - _LEAD, len(text) - WINDOW)) if at > WINDOW - _LEAD else 0
    if start:
        start = text.find(" ", start, at) + 1 or start
    end = start + WINDOW
    if end < len(text):
        blank = text.rfind(" ", end - _LEAD, end)
        end = blank if blank >= 0 else end
    return f"{'…' if start else ''}{text[start:end]}{'…' if end < len(text) else ''}"
