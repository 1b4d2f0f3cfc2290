"""Teams: a scope that several people publish in, and what each of them may do there.

A role is a scope of the document: `read` installs what is private, `write` pushes, `admin` does
all that an owner may. The words of other registries for them are read as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import AliasChoices, Field
from starlette.routing import Route

from registry_core.accounts import Role
from registry_core.errors import Conflict, Forbidden, Invalid, InvalidName, NotFound
from registry_core.names import parse_namespace, shown
from registry_core.operation import Model
from transports import bodies
from transports.dialects.csreg.skills import Text, Title
from transports.dialects.csreg.words import (
    answer,
    behind,
    limit_of,
    member,
    moment,
    nothing,
    page,
    uuid,
)
from transports.state import opened

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from registry_core.accounts import Account, Member
    from registry_core.callers import Caller
    from registry_core.registry import Registry
    from registry_core.teams import Team

TEAMS = "/api/v1/teams"
TEAM = f"{TEAMS}/{{team}}"
MEMBERS = f"{TEAM}/members"
MEMBER = f"{MEMBERS}/{{user}}"

Word = Literal["read", "write", "admin", "viewer", "member", "developer", "maintainer", "owner"]
_ROLES: Mapping[str, Role] = {
    **{role.value: role for role in Role},
    "viewer": Role.READ,
    "member": Role.WRITE,
    "developer": Role.WRITE,
    "maintainer": Role.WRITE,
    "owner": Role.ADMIN,
}


class NewTeam(Model):
    """A team that is to be; its slug is a scope of its own."""

    slug: str = Field(
        max_length=33,
        validation_alias=AliasChoices("slug", "name"),
        description="2 to 32 of a-z, 0-9 and -; `name` is read as well.",
    )
    displayName: Title = ""  # noqa: N815 - the wire's name
    description: Text = ""


class ChangedTeam(Model):
    """What is to be otherwise; what is left out stays."""

    displayName: Title | None = None  # noqa: N815 - the wire's name
    description: Text | None = None


class NewMember(Model):
    """Somebody who is to be in a team."""

    username: str = Field(
        max_length=33,
        validation_alias=AliasChoices("username", "user", "handle"),
        description="`user` and `handle` are read as well.",
    )
    role: Word = "read"


class ChangedMember(Model):
    """What somebody may do in a team from now on."""

    role: Word


def routes() -> list[Route]:
    """Return what is answered here."""
    return [
        Route(TEAMS, teams, methods=["GET"]),
        Route(TEAMS, create, methods=["POST"]),
        Route(TEAM, team, methods=["GET"]),
        Route(TEAM, change, methods=["PATCH"]),
        Route(MEMBERS, members, methods=["GET"]),
        Route(MEMBERS, add, methods=["POST"]),
        Route(MEMBER, change_role, methods=["PATCH", "PUT"]),
        Route(MEMBER, remove, methods=["DELETE"]),
    ]


async def teams(request: Request) -> Response:
    """List the teams that you are in."""
    limit = limit_of(request)
    caller, _ = await member(request, "read")
    found = await opened(request.scope).registry.teams.of(caller)
    items = [_item(one) for one in found]
    return page(behind(request, items, _id)[: limit + 1], limit)


async def create(request: Request) -> Response:
    """Make a team; you are its first admin."""
    registry, (caller, _) = opened(request.scope).registry, await member(request, "admin")
    given = await bodies.read(request, NewTeam)
    try:
        slug = parse_namespace(given.slug.removeprefix("@"))
        await registry.accounts.make_team(
            slug, given.displayName or slug, caller, description=given.description
        )
    except InvalidName as error:
        raise Invalid(str(error)) from None
    made = await registry.teams.find(slug, caller)
    return answer(_item(made), 201, {"location": f"{request.url.path}/{slug}"})


async def team(request: Request) -> Response:
    """Describe a team that you are in."""
    _, found = await _mine(request, "read")
    return answer(_item(found))


async def change(request: Request) -> Response:
    """Describe a team otherwise."""
    registry = opened(request.scope).registry
    caller, found = await _mine(request, "admin")
    given = await bodies.read(request, ChangedTeam)
    if found.role is not Role.ADMIN:
        raise Forbidden("Only an admin of the team may do that.")
    changed = await registry.teams.describe(
        found.handle, caller, display_name=given.displayName, description=given.description
    )
    return answer(_item(changed))


async def members(request: Request) -> Response:
    """List who is in a team, by name."""
    limit = limit_of(request)
    _, found = await _mine(request, "read")
    items = await _members(opened(request.scope).registry, found)
    return page(behind(request, items, _id)[: limit + 1], limit)


async def add(request: Request) -> Response:
    """Add somebody to a team."""
    caller, found = await _mine(request, "admin")
    given = await bodies.read(request, NewMember)
    name = given.username.removeprefix("@").lower()
    if name in await _names(opened(request.scope).registry, found):
        raise Conflict(f"{name} is in the team.", hint="Change the role with PATCH.")
    await _set(request, (caller, found), name, _ROLES[given.role])
    at = {"location": f"{request.url.path}/{name}"}
    return answer(await _member(request, found, name), 201, at)


async def change_role(request: Request) -> Response:
    """Let somebody do more in a team, or less."""
    caller, found = await _mine(request, "admin")
    given = await bodies.read(request, ChangedMember)
    name = await _named(request, found)
    await _set(request, (caller, found), name, _ROLES[given.role])
    return answer(await _member(request, found, name))


async def remove(request: Request) -> Response:
    """Remove somebody from a team."""
    caller, found = await _mine(request, "admin")
    await _set(request, (caller, found), await _named(request, found), None)
    return nothing()


async def _set(request: Request, of: tuple[Caller, Team], name: str, role: Role | None) -> None:
    caller, found = of
    accounts = opened(request.scope).registry.accounts
    if found.role is Role.ADMIN and not await accounts.of_handles([name]):
        raise NotFound(f"There is no user {shown(name)}.")
    await accounts.set_member(found.handle, name, role, caller)


async def _mine(request: Request, scope: str) -> tuple[Caller, Team]:
    """Return who asks, and the team at an address if he is in it. Raises NotFound."""
    caller, _ = await member(request, scope)
    slug = request.path_params["team"].removeprefix("@")
    return caller, await opened(request.scope).registry.teams.find(slug, caller)


async def _names(registry: Registry, found: Team) -> list[str]:
    return [one.handle for one in await registry.accounts.members(found.handle)]


async def _named(request: Request, found: Team) -> str:
    """Return the member at an address, told by name or by id. Raises NotFound."""
    text = request.path_params["user"].removeprefix("@").lower()
    for one in await _members(opened(request.scope).registry, found):
        if text in {one["username"], one["userId"]}:
            name: str = one["username"]
            return name
    raise NotFound(f"{shown(text)} is not in the team.")


async def _members(registry: Registry, found: Team) -> list[dict[str, Any]]:
    there = await registry.accounts.members(found.handle)
    known = await registry.accounts.of_handles([one.handle for one in there])
    return [_shown(one, known[one.handle]) for one in there]


async def _member(request: Request, found: Team, name: str) -> dict[str, Any]:
    there = await _members(opened(request.scope).registry, found)
    return next(one for one in there if one["username"] == name)


def _shown(one: Member, account: Account) -> dict[str, Any]:
    user = user_id(account)
    return {
        "id": user,
        "userId": user,
        "username": one.handle,
        "displayName": account.display_name,
        "avatarUrl": account.avatar_url or None,
        "role": one.role.value,
        "createdAt": moment(one.since),
    }


def user_id(account: Account) -> str:
    """Return the id of a user."""
    return uuid("user", int(account.id, 16))


def _item(found: Team) -> dict[str, Any]:
    return {
        "id": uuid("team", int(found.id, 16)),
        "slug": found.handle,
        "displayName": found.display_name,
        "description": found.description,
        "avatarUrl": None,
        "role": found.role.value,
        "memberCount": found.members,
        "skillCount": found.skills,
        "createdAt": moment(found.created_at),
        "updatedAt": moment(found.updated_at),
    }


def _id(one: Mapping[str, Any]) -> str:
    return str(one["id"])
