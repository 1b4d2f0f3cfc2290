"""One agent: what it is, its versions, where its tarball is; unpublishing it, and liking it.

A download counts when somebody asks where the tarball is. The tarball of an agent that was
published as a .ctxpkg is made of the files in it, the same one each time.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from functools import partial
from typing import TYPE_CHECKING, Any

from starlette.routing import Route

from registry_core.callers import ANONYMOUS, Scope
from registry_core.errors import (
    Forbidden,
    InvalidName,
    InvalidVersion,
    NotFound,
    Unauthenticated,
)
from registry_core.formats import agent, reading
from registry_core.names import Kind, PackageName, Version
from registry_core.operations.changing import Revoke, revoke
from transports import apis, paid, refusals
from transports.answers import answer as ready
from transports.answers import respond
from transports.dialects.agentx.catalog import item
from transports.dialects.agentx.words import (
    NotYours,
    agent_not_found,
    answer,
    moment,
    version_not_found,
)
from transports.guards.auth import bearer
from transports.state import opened

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from registry_core.callers import Caller
    from registry_core.formats import Candidate
    from registry_core.packages import Package, Release
    from registry_core.registry import Registry
    from transports.answers import Answer

AGENT = "/api/v1/agents/{scope}/{name}"

FOR_EVER = "public, max-age=31536000, immutable"
_DAY = 86_400.0


def routes() -> list[Route]:
    """Return what is answered here."""
    return [
        Route(AGENT, detail, methods=["GET"]),
        Route(f"{AGENT}/versions", versions, methods=["GET"]),
        Route(f"{AGENT}/star", star, methods=["PUT"]),
        Route(f"{AGENT}/star", unstar, methods=["DELETE"]),
        Route(f"{AGENT}/download/{{version}}", download, methods=["GET"]),
        Route(f"{AGENT}/tarball/{{version}}", tarball, methods=["GET"]),
        Route(f"{AGENT}/{{version}}", unpublish, methods=["DELETE"]),
    ]


async def detail(request: Request) -> Response:
    """Describe an agent."""
    registry = opened(request.scope).registry
    found = await _agent(request)
    release = found.latest or found.releases[0]
    authors = await registry.accounts.of_handles([found.name.namespace])
    author = authors.get(found.name.namespace)
    details, manifest = (
        await registry.packages.details(release),
        await _manifest(request, found, release),
    )
    permissions = manifest.get("permissions", {})
    shown = item(found, authors)
    listed = {name: shown.pop(name) for name in ("author", "updated_at")}
    document = shown | {
        "readme": found.readme(details),
        "license": release.license,
        "repository": None,
        "homepage": None,
        "is_featured": False,
        "author": listed["author"] | {"display_name": author.display_name if author else None},
        "permissions": {
            power: bool(permissions.get(power))
            for power in ("filesystem", "network", "execute_commands")
        },
        "mcp_servers": list(manifest.get("mcp_servers", {})),
        "examples": manifest.get("examples", []),
        "versions": [_version(each) for each in found.releases],
        "created_at": moment(found.created_at),
        "updated_at": listed["updated_at"],
    }
    return answer(document)


async def versions(request: Request) -> Response:
    """List the versions of an agent, the newest first."""
    found = await _agent(request)
    entries = []
    for release in found.releases:
        size, digest = await _measured(request, found, release)
        sized = {"tarball_size": size, "tarball_sha256": digest}
        entries.append(_version(release) | sized)
    return answer({"versions": entries})


async def download(request: Request) -> Response:
    """Say where the tarball of a version is, and what it has to be."""
    registry = opened(request.scope).registry
    found = await _agent(request)
    release = _release(found, request)
    await paid.admit(request, found)
    size, digest = await _measured(request, found, release)
    registry.usage.count_download(found.id, release.id)
    path = f"/api/v1/agents/{found.name}/tarball/{release.version}"
    return answer(
        {
            "version": str(release.version),
            "tarball_url": apis.address(request, path, registry.base_url),
            "sha256": digest,
            "size": size,
            "tarball_sha256": digest,
            "tarball_size": size,
            "published_at": moment(release.published_at),
        }
    )


async def tarball(request: Request) -> Response:
    """Give the tarball of a version."""
    found = await _agent(request)
    release = _release(found, request)
    await paid.admit(request, found)
    return paid.unshared(respond(request, await _packed(request, found, release)), found)


async def unpublish(request: Request) -> Response:
    """Unpublish a version for ever; its number is used up."""
    registry, caller = opened(request.scope).registry, await writer(request)
    found = await _agent(request)
    release = _release(found, request)
    if not caller.may(Scope.PUBLISH, found.name.namespace):
        raise NotYours([f"@{name}" for name in sorted(caller.namespaces)])
    reason = "unpublished by its publisher"
    await revoke(registry, caller, Revoke(ref=f"{found.name}@{release.version}", reason=reason))
    return answer(
        {"success": True, "message": f"Version {release.version} unpublished"}, "no-store"
    )


async def star(request: Request) -> Response:
    """Star an agent."""
    return await _star(request, starred=True)


async def unstar(request: Request) -> Response:
    """Take a star back."""
    return await _star(request, starred=False)


async def _star(request: Request, *, starred: bool) -> Response:
    registry, caller = opened(request.scope).registry, await writer(request)
    if not caller.has(Scope.PUBLISH):
        raise Forbidden("This token may only read")
    found = await _agent(request)
    number = await registry.uses.star(found, caller, starred=starred)
    return answer({"starred": starred, "star_count": number}, "no-store")


async def writer(request: Request) -> Caller:
    """Say who writes. Raises Unauthenticated for anybody without a good token."""
    try:
        caller = await bearer(request.scope).caller()
    except Unauthenticated as error:
        raise Unauthenticated("Authentication required", hint=str(error)) from None
    if caller is ANONYMOUS:
        raise Unauthenticated("Authentication required", hint="Run `agentx login` first.")
    return caller


def name_of(request: Request) -> PackageName:
    """Read the name in a path; the scope with its @ or without, in any case."""
    path = request.path_params
    return PackageName.parse(f"{path['scope'].lower()}/{path['name']}")


async def _agent(request: Request) -> Package:
    registry = opened(request.scope).registry
    try:
        found = await registry.packages.find(name_of(request), ANONYMOUS)
    except (NotFound, InvalidName):
        raise agent_not_found() from None
    if found.kind is not Kind.AGENT or not found.releases:
        raise agent_not_found()
    return found


def _release(found: Package, request: Request) -> Release:
    try:
        wanted = Version.parse(request.path_params["version"])
    except InvalidVersion:
        raise version_not_found() from None
    for release in found.releases:
        if str(release.version) == str(wanted):
            return release
    raise version_not_found()


def _version(release: Release) -> dict[str, Any]:
    return {
        "version": str(release.version),
        "download_count": release.downloads,
        "published_at": moment(release.published_at),
        "is_yanked": release.avoided,
    }


async def _manifest(request: Request, found: Package, release: Release) -> Mapping[str, Any]:
    """Read the manifest of a release; it never changes, so it is kept."""
    state = opened(request.scope)

    async def make() -> Answer:
        candidate = await _candidate(state.registry, release)
        manifest = agent.manifest_of(candidate.files)
        return ready(refusals.encode(manifest), "application/json", cache="", fresh_for=_DAY)

    key = ("agentx", "manifest", release.sha256)
    kept = await state.answers.get(key, about=str(found.name), make=make)
    manifest: Mapping[str, Any] = json.loads(kept.body)
    return manifest


async def _measured(request: Request, found: Package, release: Release) -> tuple[int, str]:
    """Return size and digest of the tarball of a release."""
    if release.media_type == "application/gzip":
        return release.size, release.sha256
    made = await _packed(request, found, release)
    return len(made.body), hashlib.sha256(made.body).hexdigest()


async def _packed(request: Request, found: Package, release: Release) -> Answer:
    state = opened(request.scope)
    key, make = ("agentx", "tarball", release.sha256), partial(_tarball, state.registry, release)
    return await state.answers.get(key, about=str(found.name), make=make)


async def _tarball(registry: Registry, release: Release) -> Answer:
    if release.media_type == "application/gzip":
        data = await registry.blobs.get(release.sha256)
    else:
        data = agent.tarball(await _candidate(registry, release))
    return ready(data, "application/gzip", cache=FOR_EVER, fresh_for=_DAY)


async def _candidate(registry: Registry, release: Release) -> Candidate:
    artifact = await registry.blobs.get(release.sha256)
    return await asyncio.to_thread(reading.read, artifact, release.format)
