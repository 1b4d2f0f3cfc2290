"""Why a package was found: which of its texts hold a term of the query, and the best passage."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
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
    return explained(shown, weights, dearest(weights), asked)[:2]


def dearest(wanted: Mapping[str, float]) -> Sequence[str]:
    """Return the terms that are looked for in a body."""
    return nlargest(MAX_DEEP, wanted, key=wanted.__getitem__)


def explained(
    entry: Entry, wanted: Mapping[str, float], deep: Sequence[str], asked: str
) -> tuple[tuple[str, ...], str, frozenset[str]]:
    """Do the same for an entry whose texts are plain already and read as a whole.

    `wanted` says what each term counts; the snippet is the passage that has most of it. The terms
    that were found are the third thing returned. In a body, the `dearest` are looked for.
    """
    description, body = folded(entry.description, wanted), folded(entry.body, deep)
    described = first_places(entry.description, description, wanted)
    told = first_places(entry.body, body, deep)
    held = {
        "name": wanted.keys() & _terms(entry.name),
        "tags": wanted.keys() & _terms(" ".join(entry.tags)) if entry.tags else frozenset(),
        "description": described.keys(),
        "body": told.keys(),
    }
    matched = tuple(field for field, there in held.items() if there)
    if asked and asked in entry.name.lower() and "name" not in matched:
        matched = ("name", *matched)
    if wanted and not matched:
        matched = ("body",)
    every = frozenset().union(*held.values())
    most, at = best(description, described, wanted)
    # A passage counts no more than all that its text has: mostly the description's own is as good.
    if sum(map(wanted.__getitem__, told)) > most:
        more, within = best(body, told, wanted)
        if more > most:
            return matched, window(entry.body, within), every
    return matched, window(entry.description or entry.body, at), every


def best(lower: str, held: Mapping[str, int], wanted: Mapping[str, float]) -> tuple[float, int]:
    """Return what the passage with most of the terms counts, and where in it to begin.

    It is one around the term that counts most of those that the text has.
    """
    if not held:
        return 0.0, 0
    first = max(held, key=wanted.__getitem__)
    begun = {beginning(term): wanted[term] for term in held}
    most, place, every = wanted[first], held[first], sum(begun.values())
    if len(lower) <= WINDOW:
        return every, place
    for at in islice(places(lower, first), MAX_PASSAGES):
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


# What is found often is found again.
@lru_cache(maxsize=1 << 13)
def _terms(text: str) -> frozenset[str]:
    return frozenset(name_terms(text))
