"""How good a package is to use, and what it saves: numbers that are computed, and how.

Quality is the sum of points, of 100, for what is known of the latest release:

    signature    25   it is signed by a key of its namespace
    checks       35   every check passed; 20 where some warned
    description  15   in proportion, all of them from 60 characters on
    tags         10   in proportion, all of them from three on
    author        5   it says who made it
    license       5   it says under which licence
    upkeep        5   it is not deprecated

What it saves is counted when it is published, from the bytes alone, and never believed from a
manifest. Four characters are taken for a token:

    source       all text in the package: its files, or the content of a context package
    distilled    what an agent reads of it at first: every SKILL.md, or without one every Markdown
                 file; the prompt of an agent; the facts of a context package
    saved        the difference: what it reads when it needs it, or never

A package that an agent does not read (a tool, an addon, a grammar), or that has no such text, has
none of the three.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from registry_core.formats import agent
from registry_core.names import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from registry_core.formats import Candidate
    from registry_core.packages import Release, Summary

LONG_ENOUGH = 60
"""Characters of a description that says what a package is for."""

TAGS_ENOUGH = 3

CHARACTERS = 4
"""Of a token, about."""

_FIRST_READ = {Kind.SKILL: ("SKILL.md", ".md"), Kind.AGENT: (agent.PROMPT,)}
"""How files end that are read at first: the first ending that there is counts."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Tokens of a release, as columns of its row; None where it is nothing to read."""

    source_tokens: int | None = None
    distilled_tokens: int | None = None


def points(package: Summary) -> Mapping[str, int]:
    """Give the points of a package by what they are for; none where nothing of it resolves."""
    return _points(package.latest, package) if package.latest else {}


def _points(release: Release, package: Summary) -> Mapping[str, int]:
    return {
        "signature": 25 if release.signer else 0,
        "checks": 35 if release.outcome == "passed" else 20,
        "description": _part(15, len(release.description), LONG_ENOUGH),
        "tags": _part(10, len(release.tags), TAGS_ENOUGH),
        "author": 5 if release.author else 0,
        "license": 5 if release.license else 0,
        "upkeep": 0 if package.deprecated else 5,
    }


def _part(most: int, there: int, enough: int) -> int:
    return most * min(there, enough) // enough


def cost(candidate: Candidate) -> Cost:
    """Count the tokens of what was read from bytes."""
    first = _tokens(_first(candidate))
    return Cost(_tokens(_whole(candidate)), first) if first else Cost()


def _first(candidate: Candidate) -> Iterator[str]:
    if candidate.kind is Kind.CONTEXT:
        yield from facts(candidate)
        return
    for ending in _FIRST_READ.get(candidate.kind, ()):
        found = [file.text or "" for file in candidate.files if file.path.endswith(ending)]
        if found:
            yield from found
            return


def _whole(candidate: Candidate) -> Iterator[str]:
    if candidate.kind is Kind.CONTEXT:
        yield json.dumps(candidate.content, ensure_ascii=False, separators=(",", ":"))
    else:
        yield from (file.text or "" for file in candidate.files)


def facts(candidate: Candidate) -> Iterator[str]:
    """Give the facts of a context package, as they are read."""
    knowledge = candidate.content.get("knowledge")
    found = knowledge.get("facts") if isinstance(knowledge, dict) else None
    for fact in found if isinstance(found, list) else []:
        if isinstance(fact, dict):
            yield f"{fact.get('key', '')}: {fact.get('value', '')}"


def _tokens(texts: Iterable[str]) -> int:
    return -(-sum(map(len, texts)) // CHARACTERS)
