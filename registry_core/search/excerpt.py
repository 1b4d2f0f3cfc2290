"""Why a package was found: which of its texts hold a term of the query, and the best passage."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from heapq import nlargest
from itertools import islice

from registry_core.search import Entry
from registry_core.search.terms import beginning, first_places, folded, name_terms, places

WINDOW = 160
"""Characters of a snippet, about."""

READ = 32 * 1024
"""Characters of a body that passages are looked for in."""

MAX_DEEP = 4
"""Terms that are looked for in a body, those that count most."""

MAX_PASSAGES = 6
_LEAD = 40
_NOT_PLAIN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2028-\u2029\u2060-\u206f\ufeff]+"
)


def why(
    entry: Entry, wanted: Mapping[str, float] | Iterable[str], asked: str
) -> tuple[tuple[str, ...], str]:
    """Return where an entry has a term of `wanted`, or `asked` in its name, and a snippet.

    Only the first 32 KiB of a body are read; what was found nowhere else was found behind them.
    """
    description, body = plain(entry.description), plain(entry.body[:READ])
    weights = wanted if isinstance(wanted, Mapping) else dict.fromkeys(wanted, 1.0)
    shown = replace(entry, description=description, body=body)
    return explained(shown, Sought.of(weights), asked)[:2]


@dataclass(frozen=True, slots=True)
class Sought:
    """The terms of a query, made ready to be looked for in many texts."""

    weights: Mapping[str, float]
    """What each counts."""
    begun: Mapping[str, str]
    """How the words of each begin."""
    deep: Mapping[str, str]
    """The same of those that are looked for in bodies: they count most."""

    @classmethod
    def of(cls, weights: Mapping[str, float]) -> Sought:
        """Make terms ready, of which it is known what each counts."""
        deep = nlargest(MAX_DEEP, weights, key=weights.__getitem__)
        return cls(weights, *({term: beginning(term) for term in some} for some in (weights, deep)))


def explained(
    entry: Entry, wanted: Sought, asked: str
) -> tuple[tuple[str, ...], str, frozenset[str]]:
    """Do the same for an entry whose texts are plain already and read as a whole.

    The snippet is the passage that has most of what is `wanted`. The terms that were found are the
    third thing returned.
    """
    description = folded(entry.description, wanted.begun)
    body = folded(entry.body, wanted.deep)
    described = first_places(entry.description, description, wanted.begun)
    told = first_places(entry.body, body, wanted.deep)
    held = {
        "name": _named(entry.name, wanted),
        "tags": _named(" ".join(entry.tags), wanted),
        "description": described.keys(),
        "body": told.keys(),
    }
    matched = tuple(field for field, there in held.items() if there)
    if asked and asked in entry.name.lower() and "name" not in matched:
        matched = ("name", *matched)
    if wanted.weights and not matched:
        matched = ("body",)
    every = frozenset().union(*held.values())
    most, at = best(description, described, wanted)
    # A passage counts no more than all that its text has: mostly the description's own is as good.
    if sum(map(wanted.weights.__getitem__, told)) > most:
        more, within = best(body, told, wanted)
        if more > most:
            return matched, window(entry.body, within), every
    return matched, window(entry.description or entry.body, at), every


def best(lower: str, held: Mapping[str, int], wanted: Sought) -> tuple[float, int]:
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
    for at in islice(places(lower, first, wanted.begun[first]), MAX_PASSAGES):
        if most >= every:
            break
        passage = lower[max(0, at - _LEAD) : at + WINDOW - _LEAD]
        counts = sum(weight for begins, weight in begun.items() if begins in passage)
        if counts > most:
            most, place = counts, at
    return most, place


def plain(text: str) -> str:
    """Return `text` on one line, without control and direction characters."""
    return " ".join(_NOT_PLAIN.sub(" ", text).split())


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


def _named(text: str, wanted: Sought) -> AbstractSet[str]:
    """Return the terms that a text has which may hold identifiers."""
    if not text.islower() or not text.isascii():
        return wanted.begun.keys() & name_terms(text) if text else frozenset()
    # Nothing in it is split on case.
    return first_places(text, text, wanted.begun).keys()
