"""Namespaces: what an account publishes in, of its own or of its teams."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field
from starlette.routing import Route

from registry_core.operation import Model
from transports import bodies
from transports.dialects.ctxpkg_account.words import (
    ACCOUNT,
    MOMENT,
    NULLABLE,
    ROLE,
    STRING,
    answer,
    manager,
    many,
    member,
    mine,
    moment,
    shape,
)
from transports.openapi import body_of, described_by
from transports.state import opened

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from registry_core.accounts import Holding
    from registry_core.callers import Caller

NAMESPACES = f"{ACCOUNT}/namespaces"
_NAMESPACE = shape(namespace=STRING, team=NULLABLE, role=ROLE, created_at=MOMENT)


class Claim(Model):
    """A namespace that is to be somebody's."""

    namespace: str = Field(max_length=33, description="2 to 32 of a-z, 0-9 and -.")
    team: str = Field("", max_length=33, description="The team whose it is to be; else your own.")


class Owner(Model):
    """Whose a namespace is to be from now on."""

    team: str = Field(max_length=33, description="A team that you are an admin of.")


def routes() -> list[Route]:
    """Return what is answered here."""
    return [
        Route(NAMESPACES, namespaces, methods=["GET"]),
        Route(NAMESPACES, claim, methods=["POST"]),
        Route(f"{NAMESPACES}/{{ns}}/owner", give, methods=["PUT"]),
    ]


@described_by(mine(answer=many("namespaces", _NAMESPACE)))
async def namespaces(request: Request) -> Response:
    """List the namespaces that you may do something in, and what."""
    found = await opened(request.scope).registry.accounts.holdings(await member(request))
    return answer({"namespaces": [_item(one) for one in found]})


@described_by(mine(body=body_of(Claim), status=201, answer=_NAMESPACE))
async def claim(request: Request) -> Response:
    """Claim a namespace that nobody has, for yourself or for a team of yours."""
    registry, caller = opened(request.scope).registry, await manager(request)
    given = await bodies.read(request, Claim)
    namespace = given.namespace.removeprefix("@")
    if given.team:
        await registry.teams.find(given.team, caller)
    await registry.accounts.claim(namespace, caller, team=given.team)
    return answer(await _one(request, caller, namespace), 201)


@described_by(mine(body=body_of(Owner), answer=_NAMESPACE))
async def give(request: Request) -> Response:
    """Give a namespace of your own to a team that you are an admin of."""
    registry, caller = opened(request.scope).registry, await manager(request)
    team = (await bodies.read(request, Owner)).team
    await registry.teams.find(team, caller)
    namespace = request.path_params["ns"].removeprefix("@")
    await registry.accounts.give(namespace, team, caller)
    return answer(await _one(request, caller, namespace))


async def _one(request: Request, caller: Caller, namespace: str) -> dict[str, Any]:
    held = await opened(request.scope).registry.accounts.holdings(caller)
    return next(_item(one) for one in held if one.namespace == namespace)


def _item(held: Holding) -> dict[str, Any]:
    return {
        "namespace": held.namespace,
        "team": held.team,
        "role": held.role.value,
        "created_at": moment(held.created_at),
    }
