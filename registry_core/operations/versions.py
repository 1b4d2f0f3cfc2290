"""What versions a package has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from registry_core.callers import Scope
from registry_core.errors import InvalidName, NotFound
from registry_core.names import Kind, PackageName
from registry_core.operation import Model, operation, package_text
from registry_core.operations.naming import MOST_REFERENCE
from registry_core.packages import State

if TYPE_CHECKING:
    from registry_core.callers import Caller
    from registry_core.packages import Release
    from registry_core.registry import Registry


class Versions(Model):
    """The package asked about."""

    name: str = Field(max_length=MOST_REFERENCE, description="@ns/name")


class VersionEntry(Model):
    """One version."""

    version: str
    published_at: str
    sha256: str
    size: int
    signer: str | None
    yanked: bool
    yank_reason: str | None = Field(json_schema_extra=package_text())
    state: State = State.RELEASED
    state_reason: str = ""
    downloads: int


class VersionList(Model):
    """Stable versions newest first, then pre-releases newest first, then what is withheld."""

    name: str
    kind: Kind
    latest: str = Field(description="What installs by default; empty where all are yanked.")
    channels: dict[str, str]
    versions: list[VersionEntry]


@operation(
    scope=Scope.SEARCH,
    title="List versions",
    ends_in=(NotFound, InvalidName),
    toolset="more",
    cacheable=True,
)
async def versions(registry: Registry, caller: Caller, given: Versions) -> VersionList:
    """List every version of a package with its digest, signer and whether it is yanked."""
    package = await registry.packages.find(PackageName.parse(given.name), caller)
    told = caller.is_told_of(package.name.namespace)
    withheld = [r for r in package.withheld if told or not r.shut]
    if not package.releases and not withheld:
        raise NotFound(f"no version of {package.name} is released")
    numbers = {release.id: str(release.version) for release in package.releases}
    return VersionList(
        name=str(package.name),
        kind=package.kind,
        latest=str(package.latest.version) if package.latest else "",
        channels={n: numbers[i] for n, i in package.channels.items() if i in numbers},
        versions=[_entry(release) for release in (*package.releases, *withheld)],
    )


def _entry(release: Release) -> VersionEntry:
    return VersionEntry(
        version=str(release.version),
        published_at=release.published_at.isoformat(),
        sha256=release.sha256,
        size=release.size,
        signer=release.signer,
        yanked=release.yanked,
        yank_reason=release.yank_reason,
        state=release.state,
        state_reason=release.state_reason or "",
        downloads=release.downloads,
    )
