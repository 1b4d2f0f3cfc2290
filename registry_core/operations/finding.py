"""Finding packages without a task in words: as one types, by another package, by what is used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from registry_core.callers import Scope
from registry_core.errors import Invalid, InvalidName, NotFound
from registry_core.events.redaction import readable_namespaces
from registry_core.names import Kind
from registry_core.operation import Model, operation, package_text
from registry_core.operations.naming import MOST_REFERENCE, REFERENCE, resolve
from registry_core.operations.search import Found, shown
from registry_core.packages.periods import Period
from registry_core.search import FITS, Query

if TYPE_CHECKING:
    from registry_core.callers import Caller
    from registry_core.registry import Registry


LOOKED_AT = 30
"""A completion looks at so many packages: each costs a part of the time between two keys."""


class Suggest(Model):
    """What was typed so far."""

    text: str = Field(max_length=200, description="Beginning of a name or tag, or words.")
    kind: Kind | None = None
    limit: int = Field(10, ge=1, le=25)


class Suggestions(Model):
    """What it may become."""

    names: list[str] = Field(
        description="Those that begin so, then the best packages.", json_schema_extra=package_text()
    )
    tags: list[str] = Field(json_schema_extra=package_text())


@operation(scope=Scope.SEARCH, title="Complete a search", toolset="more", cacheable=True)
async def suggest(registry: Registry, caller: Caller, given: Suggest) -> Suggestions:
    """Complete what is being typed with names and tags of packages."""
    begun = given.text.strip().lower().removeprefix("@")
    if not begun:
        return Suggestions(names=[], tags=[])
    found = await registry.indexer.search(
        Query(
            text=begun,
            kinds=frozenset([given.kind]) if given.kind else frozenset(),
            namespaces_visible=readable_namespaces(caller),
            limit=LOOKED_AT,
        )
    )
    there = await registry.packages.listed([int(hit.key) for hit in found.hits])
    tags = {
        tag for package in there.values() for tag in package.tags if tag.lower().startswith(begun)
    }
    names = [hit.name for hit in found.hits if found.fits or _begins(hit.name, begun)]
    return Suggestions(names=names[: given.limit], tags=sorted(tags)[: given.limit])


def _begins(name: str, begun: str) -> bool:
    whole = name.lower().removeprefix("@")
    return whole.startswith(begun) or whole.partition("/")[2].startswith(begun)


class Similar(Model):
    """The package that others are compared with."""

    ref: str = Field(max_length=MOST_REFERENCE, description=REFERENCE)
    limit: int = Field(10, ge=1, le=50)


class SimilarPackages(Model):
    """Most alike first."""

    hits: list[Found]


@operation(
    scope=Scope.SEARCH,
    title="Find packages like one",
    ends_in=(NotFound, InvalidName),
    toolset="more",
    cacheable=True,
)
async def similar(registry: Registry, caller: Caller, given: Similar) -> SimilarPackages:
    """Find packages that do what another one does."""
    package, release = await resolve(registry, caller, given.ref)
    words = package.name.name.replace("-", " ")
    found = await registry.indexer.search(
        Query(
            text=f"{words} {release.description}",
            namespaces_visible=readable_namespaces(caller),
            limit=given.limit + 1,
        )
    )
    others = [hit for hit in found.hits if hit.key != str(package.id)]
    fitting = [hit for hit in others if hit.similarity is None or hit.similarity >= FITS]
    return SimilarPackages(hits=await shown(registry, fitting[: given.limit]))


class Duplicates(Model):
    """Among which packages."""

    kind: Kind | None = None
    publisher: str = Field("", max_length=64, description="@ns")
    least: float = Field(0.95, ge=0.8, le=1, description="How alike; 1 is word for word.")
    limit: int = Field(20, ge=1, le=50)


class Duplicate(Model):
    """Two packages that say nearly the same of themselves."""

    one: str
    other: str
    similarity: float


class DuplicatePairs(Model):
    """Most alike first."""

    pairs: list[Duplicate]


@operation(scope=Scope.SEARCH, title="Find near duplicates", toolset="more", cacheable=True)
async def duplicates(registry: Registry, caller: Caller, given: Duplicates) -> DuplicatePairs:
    """Find pairs of packages whose names and descriptions say nearly the same."""
    query = Query(
        kinds=frozenset([given.kind]) if given.kind else frozenset(),
        publishers=frozenset(filter(None, [given.publisher.removeprefix("@")])),
        namespaces_visible=readable_namespaces(caller),
        limit=given.limit,
    )
    found = await registry.indexer.pairs(query, given.least)
    keys = {int(key) for pair in found for key in (pair.one, pair.other)}
    there = await registry.packages.listed(list(keys))
    return DuplicatePairs(
        pairs=[
            Duplicate(
                one=str(there[int(pair.one)].name),
                other=str(there[int(pair.other)].name),
                similarity=round(pair.similarity, 3),
            )
            for pair in found
            if int(pair.one) in there and int(pair.other) in there
        ]
    )


class Trending(Model):
    """Over which time, and what."""

    period: Period = Period.WEEK
    kind: Kind | None = None
    limit: int = Field(10, ge=1, le=50)


class Trend(Model):
    """One package that is used."""

    ref: str
    kind: Kind
    what: str = Field(description="The publisher's description.", json_schema_extra=package_text())
    downloads: int = Field(description="Within the period.")
    score: float = Field(description="The same, each counting less the longer ago.")


class Trends(Model):
    """Most used first."""

    packages: list[Trend]


@operation(scope=Scope.SEARCH, title="List what is used", ends_in=(Invalid,), toolset="more")
async def trending(registry: Registry, caller: Caller, given: Trending) -> Trends:
    """List the packages that were downloaded most of late."""
    found = await registry.trends.of(caller, given.period, given.kind, given.limit)
    return Trends(
        packages=[
            Trend(
                ref=f"{each.package.name}@{each.package.latest.version}",
                kind=each.package.kind,
                what=each.package.latest.description,
                downloads=each.downloads,
                score=round(each.score, 3),
            )
            for each in found
            if each.package.latest
        ]
    )
