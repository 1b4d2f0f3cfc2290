"""Finding packages by what one needs."""

from __future__ import annotations

from functools import partial
from itertools import takewhile
from typing import TYPE_CHECKING

from pydantic import Field

from registry_core.callers import Scope
from registry_core.errors import Invalid
from registry_core.events.redaction import readable_namespaces
from registry_core.names import Kind
from registry_core.operation import Model, operation, package_text
from registry_core.search import Hit, Query

if TYPE_CHECKING:
    from collections.abc import Sequence

    from registry_core.callers import Caller
    from registry_core.packages import Listed
    from registry_core.registry import Registry

MOST_DESCRIPTION = 240
NEAR = 0.02
NUDGED = "trust and use"
"""Said of a hit that stands before one which serves the query as well, for what is known of it."""


class Search(Model):
    """What is looked for: all of the tags; the cursor is `next` of the last page."""

    query: str = Field("", max_length=100_000)
    kind: Kind | None = None
    tags: list[str] = Field(default=[], max_length=20)
    publisher: str = Field("", max_length=64)
    include_unverified: bool = True
    facets: bool = False
    limit: int = Field(10, ge=1, le=50)
    cursor: str = Field("", max_length=32)


class Found(Model):
    """One package that fits."""

    ref: str
    kind: Kind
    what: str = Field(description="The publisher's description.", json_schema_extra=package_text())
    why: list[str] = Field(description="Where the query matched.")
    trust: str = Field(description="signed, signed with warnings, or unsigned.")
    snippet: str = Field("", json_schema_extra=package_text())
    similarity: float | None = Field(
        None, description="0 to 1: how sure it is that this serves the query; 0.5 and more fits."
    )


class SearchResult(Model):
    """Ranked, best first."""

    hits: list[Found]
    total: int
    nothing_fits: bool | None = Field(
        None, description="True: none of the hits serves the query; they are only the nearest."
    )
    facets: dict[str, dict[str, int]] | None = None
    next: str = Field("", description="Cursor of the next page, if any.")


@operation(scope=Scope.SEARCH, title="Search packages", ends_in=(Invalid,), cacheable=True)
async def search(registry: Registry, caller: Caller, given: Search) -> SearchResult:
    """Find skills, agents, tools and context packages for a task; then `inspect` one."""
    offset, after = _read(given.cursor)
    found = await registry.indexer.search(
        Query(
            text=given.query,
            kinds=frozenset([given.kind]) if given.kind else frozenset(),
            tags=frozenset(given.tags),
            publishers=frozenset(filter(None, [given.publisher.removeprefix("@")])),
            include_unverified=given.include_unverified,
            namespaces_visible=readable_namespaces(caller),
            limit=given.limit,
            offset=offset,
            after=after,
            facets=given.facets,
        )
    )
    end = offset + len(found.hits)
    return SearchResult(
        hits=await shown(registry, found.hits),
        total=found.total,
        nothing_fits=None if found.fits else True,
        facets={name: dict(counts) for name, counts in found.facets.items()} or None,
        next=f"{end}.{found.hits[-1].key}" if found.hits and end < found.total else "",
    )


async def shown(registry: Registry, hits: Sequence[Hit]) -> list[Found]:
    """Show what was found, near equals by what is proven of them and how much they are used."""
    packages = await registry.packages.listed([int(hit.key) for hit in hits])
    there = [(hit, packages[int(hit.key)]) for hit in hits if int(hit.key) in packages]
    ordered = nudged(there)
    return [
        _found(hit, package, moved=place < there.index((hit, package)))
        for place, (hit, package) in enumerate(ordered)
    ]


def nudged(found: Sequence[tuple[Hit, Listed]]) -> list[tuple[Hit, Listed]]:
    """Put what is signed, then what is used more, before what is a near equal of it.

    Near equals are neighbours within `NEAR` of the first of them in rank.
    """
    ordered: list[tuple[Hit, Listed]] = []
    rest = list(found)
    while rest:
        rank = rest[0][0].rank
        equals = list(takewhile(partial(_is_near, rank), rest)) or rest[:1]
        del rest[: len(equals)]
        ordered += sorted(equals, key=lambda each: _merit(each[1]), reverse=True)
    return ordered


def _is_near(rank: float | None, each: tuple[Hit, Listed]) -> bool:
    other = each[0].rank
    return rank is not None and other is not None and rank - other <= NEAR


def _merit(package: Listed) -> tuple[int, int]:
    proven = ("unsigned", "signed with warnings", "signed").index(
        standing(package.signer, package.outcome)
    )
    # Ten times the downloads are a step; a few more are chance.
    return proven, len(str(package.downloads))


def _read(cursor: str) -> tuple[int, str]:
    """Read a cursor: how much was seen, and what was seen last."""
    if not cursor:
        return 0, ""
    offset, _, after = cursor.partition(".")
    if not offset.isdecimal() or not after.isdecimal() or int(offset) > 100_000:
        raise Invalid("search: cursor is not one that a search returned")
    return int(offset), after


def _found(hit: Hit, package: Listed, *, moved: bool) -> Found:
    what = package.description
    return Found(
        ref=f"{package.name}@{package.version}",
        kind=package.kind,
        what=what if len(what) <= MOST_DESCRIPTION else what[: MOST_DESCRIPTION - 1] + "…",
        why=[*hit.matched, *([NUDGED] if moved else [])],
        trust=standing(package.signer, package.outcome),
        snippet="" if hit.snippet in what else hit.snippet,
        similarity=None if hit.similarity is None else round(hit.similarity, 2),
    )


def standing(signer: str | None, outcome: str) -> str:
    """Say in a word what was proven of a release, by its signer and the outcome of its checks."""
    if signer is None:
        return "unsigned"
    return "signed" if outcome == "passed" else "signed with warnings"
