"""Versions of a skill: pushing one with its archive, pulling it, yanking it.

The archive is a tar.gz, tar or zip with SKILL.md at its top, or in the one folder that it holds.
It comes as a part of a form (`archive`; `file`, `tarball` and `package` are read as well) or as the
body itself. The version is told by the form or the query, or else by SKILL.md; where both tell it,
they have to agree. What a skill was published as elsewhere is given as a tar.gz of its files.

A version is named by its number, or by what leads to one: `latest`, a channel, a range.
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from pydantic import Field
from starlette.datastructures import UploadFile
from starlette.routing import Route

from registry_core import archives
from registry_core import publish as publishing
from registry_core.errors import Conflict, Invalid, InvalidPackage, InvalidVersion, NotFound
from registry_core.formats import MAX_ARTIFACT, reading
from registry_core.formats import skill as skills
from registry_core.names import Version, parse_selector, shown
from registry_core.operation import Model
from registry_core.operations.changing import Unyank, Yank, unyank, yank
from registry_core.operations.publish import what_now
from registry_core.verification import Binding
from transports import apis, bodies, paid
from transports.answers import answer as ready
from transports.answers import respond
from transports.dialects.csreg.skills import SKILL, known
from transports.dialects.csreg.words import (
    answer,
    behind,
    limit_of,
    moment,
    name_of,
    page,
    reader,
    refuse_others,
    uuid,
    writer,
)
from transports.state import opened

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from registry_core.callers import Caller
    from registry_core.formats import Candidate
    from registry_core.packages import Package, Release
    from registry_core.registry import Registry
    from transports.answers import Answer

VERSIONS = f"{SKILL}/versions"
VERSION = f"{VERSIONS}/{{version}}"

MOST_BODY = (("/api/v1/skills", MAX_ARTIFACT + 64 * 1024),)

PARTS = ("archive", "file", "tarball", "package")
"""The names that the archive's part of a form may have."""

MEDIA_TYPES = (
    "application/gzip",
    "application/x-gzip",
    "application/zip",
    "application/x-tar",
    "application/octet-stream",
)
"""The media types of an archive that is a body itself."""

_FOR_EVER = "max-age=31536000, immutable"
_DAY = 86_400.0


class Reason(Model):
    """Why a version is withdrawn."""

    reason: str = Field("yanked by its publisher", min_length=1, max_length=500)


def routes() -> list[Route]:
    """Return what is answered here."""
    return [
        Route(VERSIONS, versions, methods=["GET"]),
        Route(VERSIONS, push, methods=["POST"]),
        Route(VERSION, version, methods=["GET"]),
        Route(VERSION, take_back, methods=["DELETE"]),
        Route(f"{VERSION}/download", pull, methods=["GET"]),
        Route(f"{VERSION}/yank", take_back, methods=["POST", "PUT", "DELETE"]),
        Route(f"{VERSION}/unyank", give_again, methods=["POST", "PUT"]),
    ]


async def versions(request: Request) -> Response:
    """List the versions of a skill, the newest first."""
    limit = limit_of(request)
    found, _ = await known(request, await reader(request))
    rest = behind(request, found.releases, _id)
    return page([await item(request, found, one) for one in rest[: limit + 1]], limit)


async def version(request: Request) -> Response:
    """Describe a version."""
    found, release = await picked(request, request.path_params["version"])
    return answer(await item(request, found, release))


async def pull(request: Request) -> Response:
    """Give the archive of a version."""
    return await given(request, *await picked(request, request.path_params["version"]))


async def given(request: Request, found: Package, release: Release) -> Response:
    """Answer with the archive of a version, and count the download."""
    await paid.admit(request, found)
    packed = await _packed(request, found, release)
    opened(request.scope).registry.usage.count_download(found.id, release.id)
    cache = f"{'private' if found.private else 'public'}, "
    cache += _FOR_EVER if str(release.version) in request.url.path else "no-cache"
    name = f"{found.name.namespace}-{found.name.name}-{release.version}"
    response = respond(request, packed)
    response.headers["cache-control"] = cache
    response.headers["content-disposition"] = f'attachment; filename="{name}"'
    response.headers["x-csreg-version"] = str(release.version)
    if release.avoided:
        response.headers["x-csreg-yanked"] = "true"
    return paid.unshared(response, found)


async def push(request: Request) -> Response:
    """Push a version with its archive; without a skill of that name one is begun."""
    registry, caller = opened(request.scope).registry, await writer(request, "write")
    name = name_of(request)
    refuse_others(caller, name, "write")
    sent = await _sent(request)
    candidate = await asyncio.to_thread(_read, sent.archive)
    told = sent.version or candidate.version
    if not told:
        raise InvalidPackage("there is no version", place="SKILL.md", hint="Add `version: 1.0.0`.")
    binding = Binding(name, _version(told))
    try:
        done = await publishing.publish(
            registry, caller, sent.archive, under=binding, read=lambda _: candidate
        )
    except Conflict as error:
        if not await _is_there(registry, caller, binding):
            raise
        message = f"Version {binding.version} of {name} already exists."
        raise Conflict(message, hint=error.hint) from None
    found = await registry.packages.find(name, caller)
    document = await item(request, found, found.exactly(done.version))
    if done.held:
        document["message"] = what_now(f"{name}@{done.version}")
    return answer(document, 201, {"location": f"{request.url.path}/{done.version}"})


async def _is_there(registry: Registry, caller: Caller, binding: Binding) -> bool:
    try:
        (await registry.packages.find(binding.name, caller)).exactly(binding.version)
    except NotFound:
        return False
    return True


async def take_back(request: Request) -> Response:
    """Yank a version: nothing resolves to it, and who has pinned it still gets it."""
    registry, caller = opened(request.scope).registry, await writer(request, "admin")
    found, _ = await known(request, caller)
    refuse_others(caller, found.name, "admin")
    why = await bodies.read(request, Reason)
    release = _exact(found, request.path_params["version"])
    ref = f"{found.name}@{release.version}"
    await yank(registry, caller, Yank(ref=ref, reason=why.reason))
    return await _now(request, registry, found, release)


async def give_again(request: Request) -> Response:
    """Take a yank back."""
    registry, caller = opened(request.scope).registry, await writer(request, "admin")
    found, _ = await known(request, caller)
    refuse_others(caller, found.name, "admin")
    release = _exact(found, request.path_params["version"])
    await unyank(registry, caller, Unyank(ref=f"{found.name}@{release.version}", reason=""))
    return await _now(request, registry, found, release)


async def _now(request: Request, registry: Registry, found: Package, release: Release) -> Response:
    caller = await reader(request)
    after = await registry.packages.find(found.name, caller)
    return answer(await item(request, after, after.exactly(release.version)))


async def picked(request: Request, selector: str) -> tuple[Package, Release]:
    """Return what a number, a range, `latest` or a channel leads to. Raises NotFound."""
    caller = await reader(request)
    found, _ = await known(request, caller)
    try:
        wanted = parse_selector(selector)
    except InvalidVersion:
        raise _no_version(found, selector) from None
    if isinstance(wanted, Version) and caller.is_told_of(found.name.namespace):
        return found, _told(found, wanted)
    return found, found.pick(wanted)


def _told(found: Package, wanted: Version) -> Release:
    """Return a version that its publisher may see, held or not."""
    held = next((one for one in found.withheld if one.version == wanted and one.held), None)
    return held or found.pick(wanted)


def _exact(found: Package, text: str) -> Release:
    try:
        wanted = Version.parse(text)
    except InvalidVersion:
        raise _no_version(found, text) from None
    return found.pick(wanted)


def _no_version(found: Package, text: str) -> NotFound:
    return NotFound(f"{found.name} has no version {shown(text)}.")


async def item(request: Request, found: Package, release: Release) -> dict[str, Any]:
    """Shape a version."""
    size, digest = await _measured(request, found, release)
    path = f"/api/v1/skills/{found.name.namespace}/{found.name.name}/versions/{release.version}"
    base = opened(request.scope).registry.base_url
    return {
        "id": _id(release),
        "scope": found.name.namespace,
        "slug": found.name.name,
        "version": str(release.version),
        "description": release.description,
        "license": release.license,
        "tags": list(release.tags),
        "status": release.state.value,
        "yanked": release.yanked,
        "yankReason": release.yank_reason,
        "sha256": digest,
        "size": size,
        "downloadUrl": apis.address(request, f"{path}/download", base),
        "downloads": release.downloads,
        "channels": sorted(name for name, of in found.channels.items() if of == release.id),
        "publishedBy": release.published_by.partition(":")[2] or release.published_by,
        "createdAt": moment(release.published_at),
    }


def _id(release: Release) -> str:
    return uuid("version", release.id)


# --- what is pushed


@dataclass(frozen=True)
class _Sent:
    archive: bytes
    version: str


async def _sent(request: Request) -> _Sent:
    told = request.query_params.get("version", "")
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in MEDIA_TYPES:
        return _Sent(_some(await request.body()), told)
    if kind != "multipart/form-data":
        raise Invalid(
            "The archive comes as multipart/form-data or as the body.",
            hint=f"Send a part `archive`, or a body of {MEDIA_TYPES[0]}.",
        )
    async with request.form(max_files=1, max_fields=16, max_part_size=MAX_ARTIFACT) as form:
        part = next((form[name] for name in PARTS if name in form), None)
        if not isinstance(part, UploadFile):
            raise Invalid("archive: missing, or no file.", hint="Send it as a file of the form.")
        version = form.get("version", told)
        if not isinstance(version, str):
            raise Invalid("version: it has to be text.")
        return _Sent(_some(await part.read()), version)


def _some(data: bytes) -> bytes:
    if not data:
        raise Invalid("archive: it is empty.")
    return data


def _version(text: str) -> Version:
    try:
        return Version.parse(text)
    except InvalidVersion as error:
        raise Invalid(f"version: {error}") from None


def _read(data: bytes) -> Candidate:
    """Read an archive; this API's own words for version and tags stand beside `metadata`."""
    candidate = skills.read(data)
    head = candidate.manifest
    version, tags = head.get("version"), head.get("tags")
    if not candidate.version and isinstance(version, str):
        candidate = replace(candidate, version=version.strip())
    if not candidate.tags and isinstance(tags, list):
        words = tuple(dict.fromkeys(tag.strip() for tag in tags if isinstance(tag, str)))
        candidate = replace(candidate, tags=words)
    return candidate


# --- what is given


async def _measured(request: Request, found: Package, release: Release) -> tuple[int, str]:
    """Return size and digest of the archive of a version."""
    if release.format == "skill":
        return release.size, release.sha256
    made = await _packed(request, found, release)
    return len(made.body), hashlib.sha256(made.body).hexdigest()


async def _packed(request: Request, found: Package, release: Release) -> Answer:
    state = opened(request.scope)
    key, make = ("csreg", "archive", release.sha256), partial(_archive, state.registry, release)
    return await state.answers.get(key, about=str(found.name), make=make)


async def _archive(registry: Registry, release: Release) -> Answer:
    data = await registry.blobs.get(release.sha256)
    if release.format != "skill":
        data = skills.tarball(await asyncio.to_thread(reading.read, data, release.format))
    kind = archives.media_type(data)
    return ready(data, kind, cache="no-cache", fresh_for=_DAY)
