"""Finding agents: the list, the search, what is trending, the categories."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from starlette.routing import Route

from registry_core.errors import Invalid
from registry_core.formats.agent import CATEGORIES
from registry_core.names import Kind
from registry_core.packages.shelves import Order, Shelf
from registry_core.search import Query
from transports.dialects.agentx.words import answer, moment, paging
from transports.state import opened

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from starlette.requests import Request
    from starlette.responses import Response

    from registry_core.accounts import Account
    from registry_core.packages import Summary
    from registry_core.registry import Registry

PERIODS = {"day": timedelta(days=1), "week": timedelta(days=7), "month": timedelta(days=30)}

MOST_QUERY = 500
"""Characters of a query."""

_AT_ONCE = 50
"""Hits that one search gives."""

_NAMES = {"devtools": "Developer Tools"}


def routes() -> list[Route]:
    """Return what is answered here."""
    return [
        Route("/api/v1/agents", agents, methods=["GET"]),
        Route("/api/v1/search", search),
        Route("/api/v1/trending", trending),
        Route("/api/v1/categories", categories),
    ]


async def agents(request: Request) -> Response:
    """List agents, or search them."""
    registry, query = opened(request.scope).registry, request.query_params
    if query.get("q", "").strip():
        return await search(request)
    page, limit = paging(request)
    shelf = Shelf(Kind.AGENT, category=query.get("category", ""), order=_order(request))
    found = await registry.shelves.page(shelf, offset=(page - 1) * limit, limit=limit)
    return await listed(registry, found.packages, total=found.total, page=page, limit=limit)


async def search(request: Request) -> Response:
    """Search the names and descriptions of agents."""
    registry, query = opened(request.scope).registry, request.query_params
    words, category = query.get("q", "").strip(), query.get("category", "")
    if not words:
        raise Invalid("Search query is required")
    if len(words) > MOST_QUERY:
        raise Invalid(f"Search query is longer than {MOST_QUERY} characters")
    page, limit = paging(request)
    tags = [category] if category else []
    packages, total = await _found(registry, words, tags, (page - 1) * limit, limit)
    order = _order(request)
    if order is not Order.DOWNLOADS:  # which the command line always says; the best fit comes first
        packages.sort(key=_by(order), reverse=True)
    return await listed(registry, packages, total=total, page=page, limit=limit)


async def trending(request: Request) -> Response:
    """List the agents that were downloaded most in a period."""
    registry = opened(request.scope).registry
    word = request.query_params.get("period", "week")
    if word not in PERIODS:
        raise Invalid("period must be one of day, week, month")
    _, limit = paging(request)
    shelf = Shelf(Kind.AGENT, period=PERIODS[word], with_deprecated=False)
    found = await registry.shelves.page(shelf, offset=0, limit=limit)
    return await listed(registry, found.packages, total=found.total, page=1, limit=limit)


async def categories(request: Request) -> Response:
    """List every category that there is, with the number of its agents."""
    counts = await opened(request.scope).registry.shelves.categories(Kind.AGENT)
    shelves = [
        {"slug": slug, "name": _NAMES.get(slug, slug.title()), "count": counts.get(slug, 0)}
        for slug in CATEGORIES
    ]
    return answer({"categories": shelves})


async def listed(
    registry: Registry, packages: Sequence[Summary], *, total: int, page: int, limit: int
) -> Response:
    """Answer with a page of agents."""
    authors = await registry.accounts.of_handles({package.name.namespace for package in packages})
    items = [item(package, authors) for package in packages]
    return answer({"agents": items, "total": total, "page": page, "limit": limit})


def item(package: Summary, authors: Mapping[str, Account]) -> dict[str, Any]:
    """Shape an agent as lists have it."""
    release, scope = package.latest, package.name.namespace
    author = authors.get(scope)
    return {
        "scope": f"@{scope}",
        "name": package.name.name,
        "full_name": str(package.name),
        "description": release.description if release else "",
        "category": (release.category if release else "") or None,
        "tags": list(release.tags) if release else [],
        "latest_version": str(release.version) if release else None,
        "download_count": package.downloads,
        "star_count": package.stars,
        "is_verified": bool(release and release.signer),
        "is_deprecated": package.deprecated is not None,
        "author": {"username": scope, "avatar_url": author.avatar_url if author else ""},
        "updated_at": moment(package.updated_at),
    }


async def _found(
    registry: Registry, words: str, tags: Collection[str], offset: int, limit: int
) -> tuple[list[Summary], int]:
    """Search; what only comes near, and serves nothing, is left out."""
    query = Query(
        text=words,
        kinds=frozenset([Kind.AGENT]),
        tags=frozenset(tags),
        namespaces_visible=frozenset(),
        limit=limit,
        offset=offset,
    )
    found = await registry.indexer.search(query)
    if not found.fits:
        return [], 0
    keys = [int(hit.key) for hit in found.hits]
    there = await registry.packages.by_id(keys)
    return [there[key] for key in keys if key in there], found.total


def _order(request: Request) -> Order:
    word = request.query_params.get("sort", "")
    return Order(word) if word in set(Order) else Order.DOWNLOADS


def _by(order: Order) -> Any:
    return (lambda p: p.stars) if order is Order.STARS else (lambda p: p.created_at)
