"""Verified domains: what a publisher's profile shows to be its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field
from starlette.routing import Route

from registry_core.errors import RateLimited
from registry_core.operation import Model
from transports import bodies
from transports.dialects.ctxpkg_account.namespaces import NAMESPACES
from transports.dialects.ctxpkg_account.words import (
    GONE,
    LATER,
    MOMENT,
    STRING,
    answer,
    many,
    member,
    mine,
    moment,
    nothing,
    shape,
)
from transports.guards.windows import counts_still
from transports.limits import HOUR
from transports.openapi import body_of, described_by
from transports.state import opened

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from registry_core.callers import Caller
    from registry_core.domains import Domain, Domains

MOST_CHECKS = 30
"""Of one account within an hour: each has this server ask strangers' servers."""

DOMAINS = f"{NAMESPACES}/{{ns}}/domains"
DOMAIN = f"{DOMAINS}/{{domain}}"

_DOMAIN = {
    "domain": STRING,
    "verified": {"type": "boolean"},
    "verified_at": LATER,
    "asked_at": MOMENT,
    "txt": shape(name=STRING, value=STRING),
    "well_known": shape(url=STRING, content=STRING),
}


class NewDomain(Model):
    """A domain that is to be shown as a namespace's own."""

    domain: str = Field(max_length=255, description="Such as acme.example.")


def routes() -> list[Route]:
    """Return what is answered here."""
    return [
        Route(DOMAINS, domains, methods=["GET"]),
        Route(DOMAINS, ask, methods=["POST"]),
        Route(f"{DOMAIN}/check", check, methods=["POST"]),
        Route(DOMAIN, remove, methods=["DELETE"]),
    ]


@described_by(mine(answer=many("domains", shape(**_DOMAIN))))
async def domains(request: Request) -> Response:
    """List the domains of a namespace that you manage, verified or not."""
    caller, found, namespace = await _there(request)
    return answer({"domains": [_item(one) for one in await found.of(namespace, caller)]})


@described_by(mine(body=body_of(NewDomain), status=201, answer=shape(**_DOMAIN)))
async def ask(request: Request) -> Response:
    """Begin to verify a domain: publish one of the two that the answer says, then check."""
    caller, found, namespace = await _there(request)
    given = await bodies.read(request, NewDomain)
    return answer(_item(await found.ask(namespace, given.domain, caller)), 201)


@described_by(
    mine(answer=shape(**_DOMAIN, problems={"type": "array", "items": STRING}), needs_body=False)
)
async def check(request: Request) -> Response:
    """Look whether the domain shows it, in the DNS or on its web server."""
    caller, found, namespace = await _there(request)
    if not counts_still(request.scope, f"domains of {caller.account}", MOST_CHECKS, HOUR):
        raise RateLimited("too many checks of domains within an hour", retry_after=HOUR)
    domain, problems = await found.check(namespace, request.path_params["domain"], caller)
    return answer({**_item(domain), "problems": problems})


@described_by(GONE)
async def remove(request: Request) -> Response:
    """Show a domain no more."""
    caller, found, namespace = await _there(request)
    await found.remove(namespace, request.path_params["domain"], caller)
    return nothing()


async def _there(request: Request) -> tuple[Caller, Domains, str]:
    namespace = request.path_params["ns"].removeprefix("@")
    return await member(request), opened(request.scope).registry.domains, namespace


def _item(found: Domain) -> dict[str, Any]:
    return {
        "domain": found.domain,
        "verified": found.verified_at is not None,
        "verified_at": None if found.verified_at is None else moment(found.verified_at),
        "asked_at": moment(found.asked_at),
        "txt": {"name": found.record, "value": found.line},
        "well_known": {"url": f"https://{found.domain}{found.path}", "content": found.line},
    }
