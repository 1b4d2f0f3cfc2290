"""Why a package was found: which of its texts hold a term of the query, and a window around one."""

from __future__ import annotations

import re
from dataclasses import replace

from registry_core.search import Entry
from registry_core.search.terms import name_terms, spot

WINDOW = 160
"""Characters of a snippet, about."""

_LEAD = 40
_READ = 16 * 1024
_NOT_PLAIN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2028-\u2029\u2060-\u206f\ufeff]+"
)


def why(entry: Entry, wanted: frozenset[str], asked: str) -> tuple[tuple[str, ...], str]:
    """Return where an entry has a term of `wanted`, or `asked` in its name, and a snippet.

    Only the first 16 KiB of a body are read; what was found nowhere else was found behind them.
    """
    description, body = plain(entry.description), plain(entry.body[:_READ])
    return explained(replace(entry, description=description, body=body), wanted, asked)


def explained(entry: Entry, wanted: frozenset[str], asked: str) -> tuple[tuple[str, ...], str]:
    """Do the same for an entry whose texts are plain already and read as a whole."""
    description, body = entry.description, entry.body
    in_description, in_body = spot(description, wanted), spot(body, wanted)
    found = {
        "name": _has(entry.name, wanted) or bool(asked and asked in entry.name.lower()),
        "tags": _has(" ".join(entry.tags), wanted),
        "description": in_description is not None,
        "body": in_body is not None,
    }
    matched = tuple(field for field, there in found.items() if there)
    if wanted and not matched:
        matched = ("body",)
    if in_description is None and in_body is not None:
        return matched, window(body, in_body)
    return matched, window(description or body, in_description or 0)


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


def _has(text: str, wanted: frozenset[str]) -> bool:
    return not wanted.isdisjoint(name_terms(text))
