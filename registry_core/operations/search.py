"""Finding packages by what one needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from registry_core.callers import Scope
from registry_core.errors import Invalid
from registry_core.events.redaction import readable_namespaces
from registry_core.names import Kind
from registry_core.operation import Model, operation, package_text
from registry_core.search import Hit, Query

if TYPE_CHECKING:
    from registry_core.callers import Caller
    from registry_core.packages import Release, Summary
    from registry_core.registry import Registry

MOST_DESCRIPTION = 240


class Search(Model):
    """What is looked for."""

    query: str = Field("", max_length=100_000, description="Task or topic, in words.")
    kind: Kind | None = None
    tags: list[str] = Field(default=[], max_length=20, description="All of these.")
    limit: int = Field(10, ge=1, le=50)
    cursor: str = Field("", max_length=32, description="`next` of the last page.")


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
    next: str = Field("", description="Cursor of the next page, if any.")


@operation(scope=Scope.SEARCH, title="Search packages", ends_in=(Invalid,), cacheable=True)
async def search(registry: Registry, caller: Caller, given: Search) -> SearchResult:
    """Find skills, agents, tools and context packages for a task; then `inspect` one."""
    offset = _offset(given.cursor)
    found = await registry.indexer.search(
        Query(
            text=given.query,
            kinds=frozenset([given.kind]) if given.kind else frozenset(),
            tags=frozenset(given.tags),
            namespaces_visible=readable_namespaces(caller),
            limit=given.limit,
            offset=offset,
        )
    )
    packages = await registry.packages.by_id([int(hit.key) for hit in found.hits])
    hits = [_found(hit, packages[int(hit.key)]) for hit in found.hits if int(hit.key) in packages]
    more = offset + len(found.hits) < found.total
    return SearchResult(
        hits=hits,
        total=found.total,
        nothing_fits=None if found.fits else True,
        next=str(offset + len(found.hits)) if more else "",
    )


def _offset(cursor: str) -> int:
    if not cursor:
        return 0
    if not cursor.isdecimal() or int(cursor) > 100_000:
        raise Invalid("search: cursor is not one that a search returned")
    return int(cursor)


def _found(hit: Hit, package: Summary) -> Found:
    release = package.latest
    what = release.description if release else ""
    return Found(
        ref=f"{package.name}@{release.version}" if release else str(package.name),
        kind=package.kind,
        what=what if len(what) <= MOST_DESCRIPTION else what[: MOST_DESCRIPTION - 1] + "…",
        why=list(hit.matched),
        trust=standing(release),
        snippet="" if hit.snippet in what else hit.snippet,
        similarity=None if hit.similarity is None else round(hit.similarity, 2),
    )


def standing(release: Release | None) -> str:
    """Say in a word what was proven of a release."""
    if release is None or release.signer is None:
        return "unsigned"
    return "signed" if release.outcome == "passed" else "signed with warnings"
