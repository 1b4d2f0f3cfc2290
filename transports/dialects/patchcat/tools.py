"""Finding tools, and telling how they ran.

What is shown of a version is what stands in its source, which its digest is of. A contributor is
verified when the tools of his namespace were run often enough; of one address only so many runs a
day count, so that nobody can verify himself with a loop.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from starlette.routing import Route

from registry_core.callers import ANONYMOUS
from registry_core.errors import InvalidName, InvalidVersion, NotFound
from registry_core.formats import reading, tool
from registry_core.likeness import nearest
from registry_core.names import Kind, PackageName, Version
from registry_core.verification.quarantine import summarize as summing_up
from transports import apis, paid, refusals
from transports.answers import answer as ready
from transports.answers import respond
from transports.dialects.patchcat.words import Refused, answer, body, moment
from transports.guards.auth import bearer
from transports.guards.windows import counts_still
from transports.limits import HOUR
from transports.state import opened

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from registry_core.formats import Candidate
    from registry_core.packages import Package, Release, Summary
    from registry_core.registry import Registry
    from transports.answers import Answer

VERIFIED_RUNS = 100
"""Runs of all tools of a contributor from which on he is verified."""

MOST_QUERY, MOST_FOUND, USUALLY_FOUND = 500, 50, 10
MOST_TEXT = 50_000
"""Characters of a text that is told of."""

MOST_TEXT_BYTES = 6 * MOST_TEXT + 1024
"""Of a body: each character may be written as an escape."""

SEARCHED = "public, max-age=30"
SHOWN = "public, max-age=300"
FOR_EVER = "public, max-age=31536000, immutable"
_FRESH = 300.0

NAME = re.compile(r"[a-z][a-z0-9_]*")
_COUNT = re.compile(r"[0-9]{1,3}")
_MOST_JSON = 64 * 1024


def routes() -> list[Route]:
    """Return what is answered here."""
    return [
        Route("/", service),
        Route("/health", health),
        Route("/v1/tools/search", search, methods=["GET"]),
        Route("/v1/tools/{name}/runs", ran, methods=["POST"]),
        Route("/v1/tools/{name}", latest, methods=["GET"]),
        Route("/v1/tools/{name}/{version}", version, methods=["GET"]),
        Route("/tools/{name}/{version}/{digest}.py", source, methods=["GET"]),
        Route("/v1/quarantine/summarize", summarize, methods=["POST"]),
    ]


async def service(request: Request) -> Response:
    """Say what this is."""
    document = {"service": "patch-cat-registry", "version": "0.2.0"}
    return answer(document | {"docs": f"{apis.mounted(request)}/openapi.json"})


async def health(request: Request) -> Response:
    """Say that this answers."""
    return answer({"status": "ok"})


async def search(request: Request) -> Response:
    """Find tools by what their descriptions mean."""
    registry, asked = opened(request.scope).registry, _asked(request)
    shown = await registry.toolbox.shown()
    near = await asyncio.to_thread(nearest, asked.words, [what for _, what in shown])
    runs = await registry.toolbox.runs_of({name.namespace for name, _ in shown})
    ranked = sorted(zip(near, (name for name, _ in shown), strict=True), key=lambda one: -one[0])
    found = [
        (similarity, name)
        for similarity, name in ranked
        if asked.include_unverified or runs.get(name.namespace, 0) >= VERIFIED_RUNS
    ][: asked.limit]
    packages = await registry.shelves.named([name for _, name in found])
    results = [
        _entry(packages[name], similarity, verified=runs[name.namespace] >= VERIFIED_RUNS)
        for similarity, name in found
        if name in packages
    ]
    return answer({"results": results}, SEARCHED)


async def latest(request: Request) -> Response:
    """Show the latest version of a tool."""
    found = await _tool(request)
    return await _shown(request, found, found.latest or found.releases[0])


async def version(request: Request) -> Response:
    """Show a version of a tool, which never changes."""
    found = await _tool(request)
    return await _shown(request, found, _release(found, request))


async def source(request: Request) -> Response:
    """Give the source of a version by its digest."""
    found = await _tool(request)
    release = _release(found, request)
    await paid.admit(request, found)
    state = opened(request.scope)

    async def make() -> Answer:
        data = _source(await _candidate(state.registry, release))
        return ready(data, "text/x-python; charset=utf-8", cache=FOR_EVER, fresh_for=_FRESH)

    key = ("patchcat", "source", release.sha256)
    given = await state.answers.get(key, about=str(found.name), make=make)
    if _digest(given.body) != request.path_params["digest"]:
        raise Refused(404, "version_not_found", "no version of this tool has this digest")
    return paid.unshared(respond(request, given), found)


async def ran(request: Request) -> Response:
    """Note that somebody ran a tool; nobody is told whether there is such a tool."""
    sent = await body(request, _MOST_JSON)
    _check_run(sent)
    registry = opened(request.scope).registry
    try:
        found = await _tool(request)
    except Refused:
        return answer({"status": "recorded"})
    who, most = bearer(request.scope), opened(request.scope).limits.patchcat_runs_per_day
    what = f"runs of {found.name.namespace} by {who.key}"
    # Whoever sits at the machine of a registry that is his alone may count as he likes.
    if who.key == "owner" or counts_still(request.scope, what, most, 24 * HOUR):
        registry.usage.count_run(found.id, success=bool(sent["success"]))
    return answer({"status": "recorded"})


async def summarize(request: Request) -> Response:
    """Say what a text shows signs of, without a word of it; it is stored nowhere."""
    text = (await body(request, MOST_TEXT_BYTES)).get("text")
    if not isinstance(text, str) or not 1 <= len(text) <= MOST_TEXT:
        message = f"text has to be a string of 1 to {MOST_TEXT:,} characters"
        raise Refused(400, "invalid_body", message)
    told = await asyncio.to_thread(summing_up, text)
    return answer({"summary": told.summary, "flags": list(told.flags)})


def package_name(name: str) -> str:
    """Return what a tool is called as a package. Raises InvalidName."""
    if not NAME.fullmatch(name):
        raise InvalidName("a tool's name is snake_case, and starts with a letter")
    return PackageName.parse(f"any/{name.replace('_', '-')}").name


def tool_name(name: PackageName) -> str:
    """Return what a package is called as a tool."""
    return name.name.replace("-", "_")


@dataclass(frozen=True)
class _Asked:
    words: str
    limit: int
    include_unverified: bool


def _asked(request: Request) -> _Asked:
    query = request.query_params
    words = query.get("q", "")
    if not 1 <= len(words) <= MOST_QUERY:
        raise Refused(400, "invalid_query", f"q has to have 1 to {MOST_QUERY} characters")
    limit = query.get("limit", str(USUALLY_FOUND))
    if not _COUNT.fullmatch(limit) or not 1 <= int(limit) <= MOST_FOUND:
        raise Refused(
            400, "invalid_query", f"limit has to be a whole number from 1 to {MOST_FOUND}"
        )
    unverified = query.get("include_unverified", "false")
    if unverified not in {"true", "false"}:
        raise Refused(400, "invalid_query", "include_unverified has to be true or false")
    return _Asked(words, int(limit), unverified == "true")


def _entry(package: Summary, similarity: float, *, verified: bool) -> dict[str, Any]:
    release = package.latest
    assert release is not None  # noqa: S101 - a shelf has only packages with a release
    return {
        "name": tool_name(package.name),
        "description": release.description,
        "latest_version": str(release.version),
        "contributor": {"github_handle": package.name.namespace},
        "use_count": package.runs,
        "success_count": package.successes,
        "success_rate": round(package.successes / package.runs, 3) if package.runs else None,
        "similarity": similarity,
        "verified": verified,
        "created_at": moment(package.created_at),
    }


async def _shown(request: Request, found: Package, release: Release) -> Response:
    state = opened(request.scope)
    where = partial(apis.address, request, base_url=state.registry.base_url)
    make = partial(_document, state.registry, found, release, where)
    key = ("patchcat", "version", release.sha256, where(path=""))
    return respond(request, await state.answers.get(key, about=str(found.name), make=make))


async def _document(registry: Registry, found: Package, release: Release, where: Any) -> Answer:
    candidate = await _candidate(registry, release)
    name, number = tool_name(found.name), str(release.version)
    data = _source(candidate)
    digest = _digest(data)
    document = {
        "name": name,
        "version": number,
        "description": release.description,
        "source_sha256": digest,
        "source_url": where(path=f"/tools/{name}/{number}/{digest}.py"),
        "manifest": tool.manifest_of(data.decode()) | {"name": name, "version": number},
        "contributor": {"github_handle": found.name.namespace},
        "created_at": moment(release.published_at),
    }
    return ready(refusals.encode(document), "application/json", cache=SHOWN, fresh_for=_FRESH)


async def _tool(request: Request) -> Package:
    registry = opened(request.scope).registry
    try:
        name = package_name(request.path_params["name"])
        owner = await registry.toolbox.owner(name)
        found = await registry.packages.find(PackageName(owner or "", name), ANONYMOUS)
    except (NotFound, InvalidName):
        raise _no_tool(request) from None
    if found.kind is not Kind.TOOL or not found.releases:
        raise _no_tool(request)
    return found


def _no_tool(request: Request) -> Refused:
    return Refused(404, "tool_not_found", f"no tool {request.path_params['name'][:64]}")


def _release(found: Package, request: Request) -> Release:
    try:
        wanted = Version.parse(request.path_params["version"])
    except InvalidVersion:
        wanted = None
    for release in found.releases:
        if release.version == wanted:
            return release
    raise Refused(404, "version_not_found", f"{tool_name(found.name)} has no such version")


def _source(candidate: Candidate) -> bytes:
    """Return the source: the artifact itself, or the one script in a .ctxpkg."""
    if candidate.format == "tool":
        return candidate.artifact
    return next(file.data for file in candidate.files if file.path.endswith(".py"))


async def _candidate(registry: Registry, release: Release) -> Candidate:
    artifact = await registry.blobs.get(release.sha256)
    return await asyncio.to_thread(reading.read, artifact, release.format)


def _check_run(sent: Mapping[str, Any]) -> None:
    number, word = sent.get("version"), sent.get("error_class", "")
    problem = ""
    if not isinstance(number, str) or not 1 <= len(number) <= 64:
        problem = "version has to be a string"
    elif not isinstance(sent.get("success"), bool):
        problem = "success has to be true or false"
    elif not _is_count(sent.get("duration_ms")):
        problem = "duration_ms has to be a number from 0 on"
    elif not isinstance(word, str) or len(word) > 200:
        problem = "error_class has to be a string of at most 200 characters"
    if problem:
        raise Refused(400, "invalid_body", problem)


def _is_count(value: Any) -> bool:
    return type(value) in {int, float} and 0 <= value < 1e12


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
