"""Teams: namespaces that several people publish in, and what each of them may do there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field
from starlette.routing import Route

from registry_core.accounts import Role
from registry_core.operation import Model
from transports import bodies
from transports.dialects.ctxpkg_account.words import (
    ACCOUNT,
    GONE,
    MOMENT,
    ROLE,
    STRING,
    answer,
    manager,
    many,
    member,
    mine,
    moment,
    nothing,
    shape,
)
from transports.openapi import body_of, described_by
from transports.state import opened

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from registry_core.callers import Caller
    from registry_core.registry import Registry
    from registry_core.teams import Team

TEAMS = f"{ACCOUNT}/teams"
TEAM = f"{TEAMS}/{{team}}"
MEMBER = f"{TEAM}/members/{{who}}"

_TEAM = {
    "team": STRING,
    "display_name": STRING,
    "description": STRING,
    "role": ROLE,
    "created_at": MOMENT,
}
_MEMBER = shape(handle=STRING, role=ROLE, since=MOMENT)
_WHOLE = shape(**_TEAM, members={"type": "array", "items": _MEMBER})


class NewTeam(Model):
    """A team that is to be; a namespace of that name is its own."""

    team: str = Field(max_length=33, description="2 to 32 of a-z, 0-9 and -.")
    display_name: str = Field("", max_length=100)
    description: str = Field("", max_length=1000)


class Membership(Model):
    """What somebody may do in a team."""

    role: Role


def routes() -> list[Route]:
    """Return what is answered here."""
    return [
        Route(TEAMS, teams, methods=["GET"]),
        Route(TEAMS, create, methods=["POST"]),
        Route(TEAM, team, methods=["GET"]),
        Route(MEMBER, put_member, methods=["PUT"]),
        Route(MEMBER, remove_member, methods=["DELETE"]),
    ]


@described_by(mine(answer=many("teams", shape(**_TEAM))))
async def teams(request: Request) -> Response:
    """List the teams that you are in."""
    found = await opened(request.scope).registry.teams.of(await member(request))
    return answer({"teams": [_item(one) for one in found]})


@described_by(mine(body=body_of(NewTeam), status=201, answer=_WHOLE))
async def create(request: Request) -> Response:
    """Make a team; you are its first admin."""
    registry, caller = opened(request.scope).registry, await manager(request)
    given = await bodies.read(request, NewTeam)
    name = given.team.removeprefix("@")
    await registry.accounts.make_team(
        name, given.display_name or name, caller, description=given.description
    )
    return answer(await _whole(registry, await registry.teams.find(name, caller)), 201)


@described_by(mine(answer=_WHOLE))
async def team(request: Request) -> Response:
    """Describe a team that you are in, and its members."""
    registry, caller = opened(request.scope).registry, await member(request)
    found = await registry.teams.find(request.path_params["team"], caller)
    return answer(await _whole(registry, found))


@described_by(mine(body=body_of(Membership), answer=_WHOLE))
async def put_member(request: Request) -> Response:
    """Give somebody a role in a team."""
    caller = await manager(request)
    role = (await bodies.read(request, Membership)).role
    return answer(await _set(request, caller, role))


@described_by(GONE)
async def remove_member(request: Request) -> Response:
    """Remove somebody from a team."""
    await _set(request, await manager(request), None)
    return nothing()


async def _set(request: Request, caller: Caller, role: Role | None) -> dict[str, Any]:
    registry = opened(request.scope).registry
    found = await registry.teams.find(request.path_params["team"], caller)
    await registry.accounts.set_member(found.handle, request.path_params["who"], role, caller)
    return await _whole(registry, found)


async def _whole(registry: Registry, found: Team) -> dict[str, Any]:
    there = await registry.accounts.members(found.handle)
    members = [
        {"handle": one.handle, "role": one.role.value, "since": moment(one.since)} for one in there
    ]
    return {**_item(found), "members": members}


def _item(found: Team) -> dict[str, Any]:
    return {
        "team": found.handle,
        "display_name": found.display_name,
        "description": found.description,
        "role": found.role.value,
        "created_at": moment(found.created_at),
    }
