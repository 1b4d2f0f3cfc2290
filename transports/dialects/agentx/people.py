"""Who publishes, and who runs: signing in with GitHub, profiles, telemetry.

The command line signs in by itself: it makes the state, GitHub sends the browser to a listener on
the user's machine, and the command line brings code and state here. So a redirect may lead to a
listener on that machine and nowhere else.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from starlette.routing import Route

from registry_core.callers import ANONYMOUS
from registry_core.errors import Invalid, InvalidName, NotFound
from registry_core.names import Kind, PackageName, parse_namespace
from registry_core.packages.shelves import Shelf
from registry_core.signin import Pass, is_loopback
from transports.dialects.agentx.catalog import item, listed
from transports.dialects.agentx.words import (
    MOST_LIMIT,
    ValidationFailed,
    answer,
    body,
    moment,
    paging,
)
from transports.state import opened

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from registry_core.accounts import Account
    from registry_core.registry import Registry

SIGN_IN = Pass("agentx", "agentx", timedelta(days=90))
"""The command line has no way to renew a token, and none to sign out."""

LONGEST_RUN = 3_600_000
"""Milliseconds of a run that is told of."""

_USUAL_SCOPE = "agentx"
"""Whose agent a name without a scope is, to the command line."""


def routes() -> list[Route]:
    """Return what is answered here."""
    return [
        Route("/api/v1/auth/github", sign_in, methods=["POST"]),
        Route("/api/v1/auth/callback", signed_in),
        Route("/api/v1/users/{username}", user),
        Route("/api/v1/users/{username}/agents", agents),
        Route("/api/v1/telemetry", telemetry, methods=["POST"]),
    ]


async def sign_in(request: Request) -> Response:
    """Begin to sign in with GitHub."""
    sent = await body(request)
    redirect, state = sent.get("redirect_uri"), sent.get("state", "")
    if not isinstance(redirect, str) or not is_loopback(redirect):
        raise Invalid("redirect_uri has to be a listener on your machine: http://127.0.0.1:PORT/..")
    if not isinstance(state, str):
        raise Invalid("state has to be a string")
    begun = await opened(request.scope).registry.sign_in.begin(
        SIGN_IN, redirect_uri=redirect, state=state
    )
    return answer({"auth_url": begun.address, "state": begun.state}, "no-store")


async def signed_in(request: Request) -> Response:
    """End signing in: exchange GitHub's code for a token."""
    code, state = (request.query_params.get(name, "") for name in ("code", "state"))
    if not code or not state:
        raise Invalid("Missing code or state")
    done = await opened(request.scope).registry.sign_in.finish(SIGN_IN, state=state, code=code)
    user = _person(done.account) | {"github_id": int(done.identity.subject)}
    return answer({"token": done.token, "user": user}, "no-store")


async def user(request: Request) -> Response:
    """Show a publisher."""
    registry, name = opened(request.scope).registry, _username(request)
    shelf = Shelf(Kind.AGENT, namespace=name)
    found = await registry.shelves.page(shelf, offset=0, limit=MOST_LIMIT)
    authors = await registry.accounts.of_handles([name])
    if not found.total and not authors:
        raise NotFound("User not found")
    who: Mapping[str, Any] = {"username": name, "display_name": name, "avatar_url": ""}
    bio, website, since = "", "", min((p.created_at for p in found.packages), default=None)
    if (account := authors.get(name)) is not None:
        who, bio, website = _person(account), account.bio, account.website
        since = account.created_at
    document = {
        **who,
        "bio": bio,
        "website": website,
        "agent_count": found.total,
        "total_downloads": await registry.shelves.downloads_of(Kind.AGENT, name),
        "created_at": moment(since) if since else None,
        "agents": [item(package, authors) for package in found.packages],
    }
    return answer(document)


async def agents(request: Request) -> Response:
    """List the agents of a publisher."""
    registry, name = opened(request.scope).registry, _username(request)
    page, limit = paging(request)
    shelf = Shelf(Kind.AGENT, namespace=name)
    found = await registry.shelves.page(shelf, offset=(page - 1) * limit, limit=limit)
    if not found.total and not await registry.accounts.of_handles([name]):
        raise NotFound("User not found")
    return await listed(registry, found.packages, total=found.total, page=page, limit=limit)


async def telemetry(request: Request) -> Response:
    """Note that somebody ran an agent; nobody is told whether there is such an agent."""
    sent = await body(request)
    documented = "agent_name" in sent
    named = sent.get("agent_name" if documented else "agent")
    details = [*_wrong("agent_name" if documented else "agent", named, least=1, most=200)]
    version = "agent_version" if documented else "version"
    details += _wrong(version, sent.get(version), most=50)
    for optional in ("error_type", "os", "cli_version"):
        details += _wrong(optional, sent.get(optional, ""), most=100)
    success, duration = sent.get("success"), sent.get("duration_ms")
    if not isinstance(success, bool):
        details.append("success: it has to be true or false")
    if type(duration) is not int or not 0 <= duration <= LONGEST_RUN:
        details.append(f"duration_ms: it has to be a whole number from 0 to {LONGEST_RUN}")
    if details:
        raise ValidationFailed(details)
    await _count(opened(request.scope).registry, str(named), success=bool(success))
    return answer({"ok": True}, "no-store")


async def _count(registry: Registry, named: str, *, success: bool) -> None:
    try:
        name = PackageName.parse(named if "/" in named else f"{_USUAL_SCOPE}/{named}")
        found = await registry.packages.find(name, ANONYMOUS)
    except (InvalidName, NotFound):
        return
    if found.kind is Kind.AGENT:
        registry.usage.count_run(found.id, success=success)


def _wrong(name: str, value: Any, *, most: int, least: int = 0) -> list[str]:
    if isinstance(value, str) and least <= len(value) <= most:
        return []
    return [f"{name}: it has to be a string of {least} to {most} characters"]


def _person(account: Account) -> dict[str, Any]:
    return {
        "username": account.handle,
        "display_name": account.display_name,
        "avatar_url": account.avatar_url,
    }


def _username(request: Request) -> str:
    try:
        return parse_namespace(request.path_params["username"].lower().removeprefix("@"))
    except InvalidName:
        raise NotFound("User not found") from None
