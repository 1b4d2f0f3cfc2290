"""Skills: the list of them, one of them, and its card."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AliasChoices, Field
from starlette.routing import Route

from registry_core.errors import Invalid, InvalidName, NotFound
from registry_core.formats import Visibility
from registry_core.names import Kind, PackageName, Reference, parse_namespace
from registry_core.operation import Model
from registry_core.operations.search import Search
from registry_core.operations.search import search as find
from registry_core.packages.cards import Begun, Card, Listed, Order, Wanted
from transports import bodies
from transports.dialects.csreg.words import (
    answer,
    cursor_of,
    limit_of,
    member,
    moment,
    name_of,
    nothing,
    page,
    reader,
    refuse_others,
    uuid,
    writer,
)
from transports.state import opened

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request
    from starlette.responses import Response

    from registry_core.callers import Caller
    from registry_core.packages import Package
    from registry_core.registry import Registry

SKILLS = "/api/v1/skills"
SKILL = f"{SKILLS}/{{scope}}/{{slug}}"

SORTS = ("relevance", *Order)
MOST_QUERY = 500
"""Characters of a query."""
MOST_FOUND = 500
"""Hits of a search that are ordered otherwise than by relevance."""

_AT_ONCE = 50
_DELETED = "deleted by its publisher"

Text = Annotated[str, Field(max_length=1024)]
Title = Annotated[str, Field(max_length=100, pattern=r"^[^\x00-\x1f\x7f]*$")]
Tags = Annotated[list[Annotated[str, Field(min_length=1, max_length=64)]], Field(max_length=20)]


class NewSkill(Model):
    """A skill that is to be there before its first version."""

    scope: str = Field(max_length=33, description="A namespace of yours, or of a team of yours.")
    slug: str = Field(
        max_length=64,
        validation_alias=AliasChoices("slug", "name"),
        description="a-z, 0-9 and -; `name` is read as well.",
    )
    displayName: Title = ""  # noqa: N815 - the wire's name
    description: Text = ""
    visibility: Visibility = Visibility.PUBLIC
    tags: Tags = Field([])


class ChangedSkill(Model):
    """What is to be otherwise; what is left out stays."""

    displayName: Title | None = None  # noqa: N815 - the wire's name
    description: Text | None = None
    visibility: Visibility | None = Field(None, description="Needs the scope admin.")
    tags: Tags | None = None


def routes() -> list[Route]:
    """Return what is answered here."""
    return [
        Route(SKILLS, skills, methods=["GET"]),
        Route(SKILLS, create, methods=["POST"]),
        Route(SKILL, skill, methods=["GET"]),
        Route(SKILL, change, methods=["PATCH"]),
        Route(SKILL, delete, methods=["DELETE"]),
        Route(f"{SKILL}/star", star, methods=["PUT", "POST"]),
        Route(f"{SKILL}/star", unstar, methods=["DELETE"]),
        Route("/api/v1/users/me/stars", starred, methods=["GET"]),
    ]


async def skills(request: Request) -> Response:
    """List skills, or search them."""
    query, caller = request.query_params, await reader(request)
    words, sort = query.get("q", "").strip(), query.get("sort", "")
    if len(words) > MOST_QUERY:
        raise Invalid(f"q has at most {MOST_QUERY} characters.")
    if sort and sort not in SORTS:
        raise Invalid(f"sort has to be one of {', '.join(SORTS)}.")
    wanted = Wanted(Kind.SKILL, namespace=_scope(query.get("scope")))
    found = _found(opened(request.scope).registry, caller, words, query.get("tag", ""))
    if words and sort in {"", "relevance"}:
        return await _by_relevance(request, caller, wanted, found)
    if words or query.get("tag"):
        names = [name async for name in found]
        wanted = replace(wanted, names=names)
    order = Order.CREATED if sort in {"", "relevance"} else Order(sort)
    return await _listed(request, caller, replace(wanted, order=order))


async def starred(request: Request) -> Response:
    """List the skills that you have starred."""
    caller, account = await member(request, "read")
    wanted = Wanted(Kind.SKILL, starred_by=account)
    return await _listed(request, caller, wanted)


async def create(request: Request) -> Response:
    """Begin a skill in a scope of yours; its first version comes with a push."""
    registry, caller = opened(request.scope).registry, await writer(request, "write")
    given = await bodies.read(request, NewSkill)
    try:
        name = PackageName.parse(f"{given.scope.removeprefix('@')}/{given.slug}")
    except InvalidName as error:
        raise Invalid(str(error)) from None
    refuse_others(caller, name, "write")
    begun = Begun(name, Kind.SKILL, given.visibility)
    card = Card(given.displayName, given.description, tuple(given.tags))
    made = await registry.cards.make(begun, card, caller)
    at = {"location": f"{request.url.path}/{name.namespace}/{name.name}"}
    return answer(item(made), 201, at)


async def skill(request: Request) -> Response:
    """Describe a skill."""
    found, listed = await known(request, await reader(request))
    return answer(await _detail(opened(request.scope).registry, found, listed))


async def change(request: Request) -> Response:
    """Describe a skill otherwise, or make it public or private."""
    registry, caller = opened(request.scope).registry, await writer(request, "write")
    found, _ = await known(request, caller)
    given = await bodies.read(request, ChangedSkill)
    refuse_others(caller, found.name, "write")
    if given.visibility not in {None, found.visibility}:
        refuse_others(caller, found.name, "admin")
        await registry.packages.set_visibility(found.name, given.visibility, caller)
    sent = given.model_dump(exclude_none=True, exclude={"visibility"})
    sent |= {"display_name": sent.pop("displayName")} if "displayName" in sent else {}
    sent |= {"tags": tuple(given.tags)} if given.tags is not None else {}
    if sent:
        await registry.cards.change(found.name, caller, **sent)
    return answer(await _detail(registry, *await known(request, caller)))


async def delete(request: Request) -> Response:
    """Delete a skill with all of its versions, whose numbers are used up."""
    registry, caller = opened(request.scope).registry, await writer(request, "admin")
    found, _ = await known(request, caller)
    refuse_others(caller, found.name, "admin")
    await registry.packages.remove(found.name, _DELETED, caller)
    return nothing()


async def star(request: Request) -> Response:
    """Star a skill."""
    return await _star(request, starred=True)


async def unstar(request: Request) -> Response:
    """Take a star back."""
    return await _star(request, starred=False)


async def _star(request: Request, *, starred: bool) -> Response:
    caller, _ = await member(request, "read")
    found, _ = await known(request, caller)
    number = await opened(request.scope).registry.uses.star(found, caller, starred=starred)
    return answer({"starred": starred, "stars": number})


async def known(request: Request, caller: Caller) -> tuple[Package, Listed]:
    """Return the skill at an address, with its card. Raises NotFound."""
    registry, name = opened(request.scope).registry, name_of(request)
    try:
        found = await registry.packages.find(name, caller)
    except NotFound:
        raise _no_skill(name) from None
    card = await registry.cards.of(found)
    told = found.withheld and caller.is_told_of(name.namespace)
    there = found.releases or card or (told and any(one.held for one in found.withheld))
    if found.kind is not Kind.SKILL or not there:
        raise _no_skill(name)
    return found, Listed(found, card)


def _no_skill(name: PackageName) -> NotFound:
    return NotFound(f"There is no skill {name}.")


def item(listed: Listed) -> dict[str, Any]:
    """Shape a skill as lists have it."""
    package, card, release = listed.package, listed.card or Card(), listed.package.latest
    described = release.description if release else ""
    return {
        "id": uuid("skill", package.id),
        "scope": package.name.namespace,
        "slug": package.name.name,
        "name": str(package.name),
        "displayName": card.display_name or package.name.name,
        "description": card.description or described,
        "visibility": package.visibility.value,
        "tags": list(card.tags or (release.tags if release else ())),
        "downloads": package.downloads,
        "stars": package.stars,
        "latestVersion": str(release.version) if release else None,
        "deprecated": package.deprecated,
        "createdAt": moment(package.created_at),
        "updatedAt": moment(package.updated_at),
    }


async def _detail(registry: Registry, found: Package, listed: Listed) -> dict[str, Any]:
    versions = {release.id: str(release.version) for release in found.releases}
    channels = {n: versions[of] for n, of in sorted(found.channels.items()) if of in versions}
    latest = found.latest
    return item(listed) | {
        "license": latest.license if latest else "",
        "readme": found.readme(await registry.packages.details(latest)) if latest else "",
        "versions": [str(release.version) for release in found.releases],
        "channels": channels,
    }


async def _listed(request: Request, caller: Caller, wanted: Wanted) -> Response:
    cards, limit = opened(request.scope).registry.cards, limit_of(request)
    after = cursor_of(request, "skill")
    found = await cards.page(wanted, caller, after=after, limit=limit + 1)
    return page([item(one) for one in found], limit)


async def _by_relevance(
    request: Request, caller: Caller, wanted: Wanted, found: AsyncIterator[PackageName]
) -> Response:
    """Answer with hits of a search, the best first, behind the one of the cursor."""
    registry, limit = opened(request.scope).registry, limit_of(request)
    after = cursor_of(request, "skill")
    last = await _name_of(registry, after) if after is not None else None
    names: list[PackageName] = []
    async for name in found:
        if last is not None:
            last = None if name == last else last
        elif wanted.namespace in {"", name.namespace}:
            names.append(name)
        if len(names) > limit:
            break
    here = Wanted(wanted.kind, names=names)
    listed = await registry.cards.page(here, caller, after=None, limit=len(names))
    known = {one.package.name: item(one) for one in listed}
    return page([known[name] for name in names if name in known], limit)


async def _name_of(registry: Registry, number: int) -> PackageName:
    named = await registry.packages.by_id([number])
    if number not in named:
        raise Invalid("cursor is not the id of an item of this list.", hint="Begin again.")
    return named[number].name


async def _found(
    registry: Registry, caller: Caller, words: str, tag: str
) -> AsyncIterator[PackageName]:
    """Search; what only comes near, and serves nothing, is left out."""
    given = Search(query=words, kind=Kind.SKILL, tags=[tag] if tag else [], limit=_AT_ONCE)
    for _ in range(MOST_FOUND // _AT_ONCE):
        hits = await find(registry, caller, given)
        if hits.nothing_fits:
            return
        for hit in hits.hits:
            yield Reference.parse(hit.ref).name
        if not hits.next:
            return
        given = given.model_copy(update={"cursor": hits.next})


def _scope(text: str | None) -> str:
    if text is None:
        return ""
    try:
        return parse_namespace(text.removeprefix("@"))
    except InvalidName as error:
        raise Invalid(f"scope: {error}") from None
