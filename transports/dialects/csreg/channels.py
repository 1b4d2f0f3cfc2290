"""Channels of a skill: words such as `beta` that mean one version until they are moved.

`latest` is always there and always the newest stable version; nobody moves it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, uuid5

from pydantic import AliasChoices, Field
from starlette.routing import Route

from registry_core.errors import Invalid, InvalidVersion, NotFound
from registry_core.names import Version, is_channel, shown
from registry_core.operation import Model
from transports import bodies
from transports.dialects.csreg.skills import SKILL, known
from transports.dialects.csreg.versions import given
from transports.dialects.csreg.words import (
    answer,
    behind,
    limit_of,
    nothing,
    page,
    reader,
    refuse_others,
    writer,
)
from transports.state import opened

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from registry_core.packages import Package, Release

CHANNELS = f"{SKILL}/channels"
CHANNEL = f"{CHANNELS}/{{channel}}"
LATEST = "latest"


class NewChannel(Model):
    """A channel, and the version that it means."""

    name: str = Field(
        max_length=64,
        validation_alias=AliasChoices("name", "channel"),
        description="a-z, 0-9, '.', '_' and '-', a letter first; `channel` is read as well.",
    )
    version: str = Field(max_length=64)


class Moved(Model):
    """The version that a channel is to mean."""

    version: str = Field(max_length=64)


def routes() -> list[Route]:
    """Return what is answered here."""
    return [
        Route(CHANNELS, channels, methods=["GET"]),
        Route(CHANNELS, create, methods=["POST"]),
        Route(CHANNEL, channel, methods=["GET"]),
        Route(CHANNEL, put, methods=["PUT"]),
        Route(CHANNEL, move, methods=["PATCH"]),
        Route(CHANNEL, delete, methods=["DELETE"]),
        Route(f"{CHANNEL}/download", pull, methods=["GET"]),
    ]


async def channels(request: Request) -> Response:
    """List the channels of a skill, `latest` among them, by name."""
    limit = limit_of(request)
    found, _ = await known(request, await reader(request))
    listed = [_item(found, name, one) for name, one in sorted(_means(found).items())]
    return page(behind(request, listed, lambda one: str(one["id"]))[: limit + 1], limit)


async def channel(request: Request) -> Response:
    """Say which version a channel means."""
    found, name, release = await _picked(request)
    return answer(_item(found, name, release))


async def pull(request: Request) -> Response:
    """Give the archive of the version that a channel means."""
    found, _, release = await _picked(request)
    return await given(request, found, release)


async def create(request: Request) -> Response:
    """Make a channel."""
    asked = await bodies.read(request, NewChannel)
    after, release = await _point(request, asked.name, asked.version, new=True)
    at = {"location": f"{request.url.path}/{asked.name}"}
    return answer(_item(after, asked.name, release), 201, at)


async def put(request: Request) -> Response:
    """Let a channel mean a version, whether there is such a channel or not."""
    return await _set(request, new=None)


async def move(request: Request) -> Response:
    """Move a channel to another version."""
    return await _set(request, new=False)


async def delete(request: Request) -> Response:
    """Delete a channel; what it meant stays."""
    registry, caller = opened(request.scope).registry, await writer(request, "write")
    found, _ = await known(request, caller)
    refuse_others(caller, found.name, "write")
    name = _movable(request.path_params["channel"])
    await registry.packages.point(found.name, name, None, caller, new=False)
    return nothing()


async def _set(request: Request, *, new: bool | None) -> Response:
    name = request.path_params["channel"]
    asked = await bodies.read(request, Moved)
    after, release = await _point(request, name, asked.version, new=new)
    return answer(_item(after, name, release))


async def _point(
    request: Request, name: str, version: str, *, new: bool | None
) -> tuple[Package, Release]:
    registry, caller = opened(request.scope).registry, await writer(request, "write")
    found, _ = await known(request, caller)
    refuse_others(caller, found.name, "write")
    try:
        wanted = Version.parse(version)
    except InvalidVersion as error:
        raise Invalid(f"version: {error}") from None
    after = await registry.packages.point(found.name, _movable(name), wanted, caller, new=new)
    return after, after.pick(wanted)


def _movable(name: str) -> str:
    if not is_channel(name) or name == LATEST:
        raise Invalid(
            f"{shown(name)} is no name of a channel that can be moved.",
            hint="Use a-z, 0-9, '.', '_' and '-', a letter first, and not `latest`.",
        )
    return name


async def _picked(request: Request) -> tuple[Package, str, Release]:
    name = request.path_params["channel"]
    found, _ = await known(request, await reader(request))
    means = _means(found)
    if name not in means:
        raise NotFound(f"{found.name} has no channel {shown(name)}.")
    return found, name, means[name]


def _means(found: Package) -> dict[str, Release]:
    """Return what each channel means; what is not served any more, none means."""
    by_id = {release.id: release for release in found.releases}
    means = {name: by_id[of] for name, of in found.channels.items() if of in by_id}
    return means | ({LATEST: found.latest} if found.latest else {})


def _item(found: Package, name: str, release: Release) -> dict[str, Any]:
    return {
        "id": str(uuid5(NAMESPACE_URL, f"csreg:{found.name}:{name}")),
        "name": name,
        "version": str(release.version),
        "yanked": release.yanked,
    }
