"""Publishing an agent: a form with the tarball, its agent.yaml as JSON, and the readme.

The tarball has to be a tar.gz that can be read in one way only, and the agent.yaml in it the one of
the form: what is shown of an agent is what is installed. The form's `sha256`, which the command
line sends, is checked where it is there. A scope is the publisher's own, in lower case; what the
original takes and no registry could name (a name of dashes, a version such as 01.0.0) is refused.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from starlette.datastructures import UploadFile
from starlette.routing import Route

from registry_core import archives
from registry_core import publish as publishing
from registry_core.callers import ANONYMOUS, Scope
from registry_core.errors import Conflict, InvalidName, InvalidVersion, NotFound
from registry_core.formats import MAX_ARTIFACT, MAX_FILE, agent
from registry_core.names import PackageName, Version
from registry_core.operations.publish import what_now
from registry_core.verification import Binding
from transports import apis
from transports.dialects.agentx.agents import AGENT, name_of, writer
from transports.dialects.agentx.words import NotYours, ValidationFailed, answer
from transports.state import opened

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.datastructures import FormData
    from starlette.requests import Request
    from starlette.responses import Response

    from registry_core.callers import Caller
    from registry_core.formats import Candidate
    from registry_core.registry import Registry

MOST_BODY = (("/api/v1/agents", MAX_ARTIFACT + 2 * MAX_FILE),)

_REQUIRED = ("tarball", "agent_yaml", "readme")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_README = "README.md"


def routes() -> list[Route]:
    """Return what is answered here."""
    return [
        Route("/api/v1/agents", publish, methods=["PUT"]),
        Route(AGENT, publish_at, methods=["PUT"]),
    ]


@dataclass(frozen=True)
class _Form:
    """What was sent, and the release that it is to become."""

    tarball: bytes
    manifest: Mapping[str, Any]
    readme: str
    binding: Binding

    def read(self, data: bytes) -> Candidate:
        """Read the tarball, and see that it is the form's."""
        candidate = agent.read(data)
        if candidate.manifest != self.manifest:
            raise ValidationFailed(["agent.yaml: the one in the tarball is not the form's"])
        if self.readme and candidate.file(_README) is None:
            # It is shown, so it is checked like everything else; a file of the package it is not.
            return replace(candidate, readme=self.readme)
        return candidate


async def publish(request: Request) -> Response:
    """Publish a version of the agent that the form names."""
    return await _publish(request, None)


async def publish_at(request: Request) -> Response:
    """Publish a version of the agent at this address."""
    return await _publish(request, name_of(request))


async def _publish(request: Request, at: PackageName | None) -> Response:
    registry, caller = opened(request.scope).registry, await writer(request)
    async with request.form(max_files=1, max_fields=16, max_part_size=MAX_FILE) as sent:
        form = await _read(sent, at)
    name, version = form.binding.name, form.binding.version
    if not caller.may(Scope.PUSH, name.namespace):
        raise NotYours([f"@{own}" for own in sorted(caller.namespaces | caller.pushes)])
    done = await _published(registry, caller, form)
    document: dict[str, Any] = {
        "success": True,
        "version": str(version),
        "full_name": str(name),
        "url": apis.address(request, f"/api/v1/agents/{name}", registry.base_url),
    }
    if done.held:
        document |= {"held": True, "message": what_now(f"{name}@{version}")}
    return answer(document, "no-store")


async def _published(registry: Registry, caller: Caller, form: _Form) -> publishing.Published:
    try:
        return await publishing.publish(
            registry, caller, form.tarball, under=form.binding, read=form.read
        )
    except Conflict:
        if await _is_there(registry, form.binding):
            message = f"Version {form.binding.version} already exists. Bump the version number."
            raise Conflict(message) from None
        raise


async def _is_there(registry: Registry, binding: Binding) -> bool:
    try:
        found = await registry.packages.find(binding.name, ANONYMOUS)
    except NotFound:
        return False
    known = (release.version for release in (*found.releases, *found.withheld))
    return any(version.precedence == binding.version.precedence for version in known)


async def _read(sent: FormData, at: PackageName | None) -> _Form:
    missing = [name for name in _REQUIRED if name not in sent]
    if missing:
        error = f"Missing required fields: {', '.join(missing)}"
        raise ValidationFailed([f"{name}: missing" for name in missing], error)
    upload, text = sent["tarball"], sent["agent_yaml"]
    if not isinstance(upload, UploadFile):
        raise ValidationFailed(["tarball: it has to be a file"])
    manifest = _manifest(await _text(text))
    tarball = await upload.read()
    _check_bytes(tarball, await _text(sent.get("sha256", "")))
    readme = (await _text(sent["readme"])).replace("\r\n", "\n")
    return _Form(tarball, manifest, readme, _binding(manifest, at))


async def _text(part: UploadFile | str) -> str:
    if isinstance(part, str):
        return part
    return (await part.read(MAX_FILE)).decode(errors="replace")


def _manifest(text: str) -> dict[str, Any]:
    try:
        manifest = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise ValidationFailed(
            [f"agent_yaml: {error}"], "Invalid JSON in agent_yaml field"
        ) from None
    faults = agent.validate(manifest)
    if faults:
        raise ValidationFailed([_in_words(fault, manifest) for fault in faults])
    return agent.complete(manifest)


def _refuse_constant(word: str) -> Any:
    raise ValueError(f"{word} is no JSON")


def _in_words(fault: str, manifest: Any) -> str:
    """Say what is wrong as the document's example does."""
    path, _, message = fault.partition(": ")
    if message == "Required":
        return f"agent.yaml: missing required field '{path}'"
    if message.startswith("Version must be"):
        return f"agent.yaml: version '{str(manifest['version'])[:64]}' is not valid semver"
    return f"agent.yaml: {fault}"


def _check_bytes(tarball: bytes, told: str) -> None:
    if archives.media_type(tarball) != "application/gzip":
        raise ValidationFailed(["tarball: it is no tar.gz"])
    digest = hashlib.sha256(tarball).hexdigest()
    if told and (not _DIGEST.fullmatch(told.lower()) or told.lower() != digest):
        raise ValidationFailed([f"sha256: the tarball has {digest}, so it changed on its way"])


def _binding(manifest: Mapping[str, Any], at: PackageName | None) -> Binding:
    try:
        name = PackageName.parse(f"{manifest['author'].lower()}/{manifest['name']}")
        version = Version.parse(manifest["version"])
    except (InvalidName, InvalidVersion) as error:
        raise ValidationFailed([f"agent.yaml: {error}"]) from None
    if at is not None and at != name:
        raise ValidationFailed([f"agent.yaml: it is {name}, and this is the address of {at}"])
    return Binding(name, version)
