"""Contributing a tool: its manifest and its source, checked in the order of the document.

    invalid_body                        the manifest is none, or nothing can be called so
    source_unparseable                  the source has no manifest of its own
    manifest_mismatch                   that one has another name or version
    manifest_unsafe_unicode             what people read hides something
    description_flagged_by_quarantine   it shows signs of instructions to an agent
    name_taken                          it is another contributor's

Then the checks of every publish. A version never changes: the same source again `exists`, another
one is `version_exists`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starlette.routing import Route

from registry_core import publish as publishing
from registry_core.callers import Scope
from registry_core.errors import (
    Conflict,
    InvalidName,
    InvalidPackage,
    InvalidVersion,
    NotFound,
    RegistryError,
)
from registry_core.formats import MAX_FILE, tool
from registry_core.names import PackageName, Version
from registry_core.unicode import strict_flags
from registry_core.verification import Binding
from registry_core.verification.quarantine import summarize
from transports.dialects.patchcat.people import contributor
from transports.dialects.patchcat.tools import package_name
from transports.dialects.patchcat.words import Refused, answer, body
from transports.state import opened

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from registry_core.callers import Caller
    from registry_core.packages import Release
    from registry_core.registry import Registry

MOST_BYTES = 6 * MAX_FILE + 1024 * 1024
"""Of a body: each character of the source may be written as an escape."""

RESERVED = frozenset({"search"})
"""What would be shadowed by an address."""


@dataclass(frozen=True)
class _Given:
    """A tool that was sent, as far as it makes sense."""

    name: str
    package: str
    version: Version
    source: bytes

    @property
    def sha256(self) -> str:
        """The digest of the source."""
        return hashlib.sha256(self.source).hexdigest()


def routes() -> list[Route]:
    """Return what is answered here."""
    return [Route("/v1/tools", contribute, methods=["POST"])]


async def contribute(request: Request) -> Response:
    """Contribute a version of a tool."""
    caller = await contributor(request)
    given = _read(await body(request, MOST_BYTES))
    registry = opened(request.scope).registry
    namespace = await _namespace(registry, caller, given)
    done = await _published(registry, caller, given, namespace)
    document = {
        "name": given.name,
        "version": str(given.version),
        "source_sha256": given.sha256,
        "status": "exists" if done is None else "created",
    }
    return answer(document | ({"held": True} if done is not None and done.held else {}))


async def _published(
    registry: Registry, caller: Caller, given: _Given, namespace: str
) -> publishing.Published | None:
    """Publish a version; None where it is there already with this very source."""
    name = PackageName(namespace, given.package)
    known = await _known(registry, caller, name, given.version)
    if known is not None:
        if known.sha256 == given.sha256:
            return None
        message = f"{given.name} {given.version} exists with another source; raise the version"
        raise Refused(409, "version_exists", message)
    try:
        is_new = await registry.toolbox.claim(given.package, namespace)
    except Conflict:
        raise _taken(given) from None
    try:
        return await publishing.publish(
            registry, caller, given.source, under=Binding(name, given.version), read=tool.read
        )
    except RegistryError:
        if is_new:
            await registry.toolbox.let_go(given.package, namespace)
        raise


async def _known(
    registry: Registry, caller: Caller, name: PackageName, version: Version
) -> Release | None:
    try:
        found = await registry.packages.find(name, caller)
    except NotFound:
        return None
    return next((r for r in (*found.releases, *found.withheld) if r.version == version), None)


async def _namespace(registry: Registry, caller: Caller, given: _Given) -> str:
    """Return where a tool is to be published: where it is, or else in the contributor's own."""
    owner = await registry.toolbox.owner(given.package)
    if owner is not None:
        if not caller.may(Scope.PUSH, owner):
            raise _taken(given) if caller.has(Scope.PUSH) else _reading()
        return owner
    own = caller.name.removeprefix("account:")
    for namespace in (own, *sorted(caller.namespaces | caller.pushes)):
        if caller.may(Scope.PUSH, namespace):
            return namespace
    raise _reading()


def _reading() -> Refused:
    return Refused(403, "forbidden", "this token publishes in no namespace")


def _taken(given: _Given) -> Refused:
    return Refused(409, "name_taken", f"the tool {given.name} is another contributor's")


def _read(sent: Mapping[str, Any]) -> _Given:
    manifest, source = sent.get("manifest"), sent.get("source")
    if not isinstance(source, str) or not source:
        raise Refused(400, "invalid_body", "source has to be a string")
    if faults := tool.validate(manifest):
        raise Refused(400, "invalid_body", "; ".join(f"manifest.{fault}" for fault in faults))
    manifest = tool.complete(manifest)
    given = _named(manifest, source)
    own = _own(source)
    for field in ("name", "version"):
        if own[field] != manifest[field]:
            message = (
                f"the source says {field} {own[field][:64]}, the manifest {manifest[field][:64]}"
            )
            raise Refused(400, "manifest_mismatch", message)
    for problem in (*_hidden(manifest), *_hidden(own)):
        raise Refused(400, "manifest_unsafe_unicode", problem)
    for description in (manifest["description"], own["description"]):
        if flags := summarize(description).flags:
            message = f"the description shows signs of {', '.join(flags)}"
            raise Refused(400, "description_flagged_by_quarantine", message)
    return given


def _named(manifest: Mapping[str, Any], source: str) -> _Given:
    try:
        package, version = package_name(manifest["name"]), Version.parse(manifest["version"])
    except (InvalidName, InvalidVersion) as error:
        raise Refused(400, "invalid_body", f"manifest: {error}") from None
    if manifest["name"] in RESERVED:
        raise Refused(400, "invalid_body", f"manifest.name: {manifest['name']} is reserved")
    try:
        data = source.encode()
    except UnicodeEncodeError:
        raise Refused(400, "invalid_body", "source has half a character in it") from None
    return _Given(manifest["name"], package, version, data)


def _own(source: str) -> dict[str, Any]:
    """Return the manifest in the source."""
    try:
        return tool.manifest_of(source)
    except InvalidPackage as error:
        raise Refused(400, "source_unparseable", str(error)) from None


def _hidden(manifest: Mapping[str, Any]) -> Iterator[str]:
    """Say of every text that people read what hides in it."""
    shown = [("name", manifest["name"]), ("description", manifest["description"])]
    shown += [(f"inputs.{each['name'][:64]}", each["description"]) for each in manifest["inputs"]]
    for field, text in shown:
        kinds = [kind for kind in strict_flags(text)[1] if kind != "homoglyph"]
        if kinds:
            yield f"{field} has {', '.join(kinds)}"
