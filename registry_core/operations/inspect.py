"""Looking into a package before deciding on it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from pydantic import Field

from registry_core.callers import Scope
from registry_core.errors import InvalidName, NotFound, PaymentRequired
from registry_core.names import Kind, shown
from registry_core.operation import Model, operation, package_text
from registry_core.operations.naming import MOST_REFERENCE, REFERENCE, resolve
from registry_core.operations.search import standing
from registry_core.packages import State
from registry_core.verification import Report
from registry_core.verification.known import CONTENTS

if TYPE_CHECKING:
    from registry_core.callers import Caller
    from registry_core.packages import Package, Release
    from registry_core.registry import Registry


class Inspect(Model):
    """What is looked at."""

    ref: str = Field(max_length=MOST_REFERENCE, description=REFERENCE)
    path: str = Field("", max_length=512, description="Read this file.")
    offset: int = Field(0, ge=0, description="Of the text, in characters.")
    limit: int = Field(4000, ge=1, le=50_000)


class FileEntry(Model):
    """One file of a package."""

    path: str
    size: int
    sha256: str
    executable: bool = False


class Needs(Model):
    """A dependency, as declared."""

    name: str
    requirement: str
    optional: bool = False


class Text(Model):
    """A part of a text of the package."""

    path: str
    text: str = Field(json_schema_extra=package_text())
    offset: int
    total: int = Field(description="Characters in all; read on at offset + limit.")


class Cost(Model):
    """Tokens, estimated as a quarter of the characters."""

    listed: int = Field(description="Always, once installed: its line in the agent's list.")
    read: int = Field(description="When the agent opens all of it.")


class Inspected(Model):
    """A release, its files, needs, powers and cost, and a text of it.

    `seen` is what its texts show it to use, `change` what is new since the version before.
    """

    ref: str
    kind: Kind
    description: str = Field(json_schema_extra=package_text())
    author: str = Field(json_schema_extra=package_text())
    license: str = Field(json_schema_extra=package_text())
    tags: list[str] = Field(json_schema_extra=package_text())
    visibility: str
    published_at: str
    yanked: bool
    against: str = Field("", json_schema_extra=package_text())
    withheld: str = Field("", description="held, rejected or revoked.")
    trust: str
    signer: str | None
    sha256: str
    contents: str = Field("", description="SHA-256 of its files, however they are packed.")
    size: int
    latest: str
    dependencies: list[Needs]
    permissions: dict[str, Any] = Field(description="What it says it needs; empty: nothing said.")
    seen: dict[str, Any] = Field(default={}, json_schema_extra=package_text())
    change: dict[str, Any] = Field(default={}, json_schema_extra=package_text())
    files: list[FileEntry]
    cost: Cost
    content: Text


@operation(
    scope=Scope.SEARCH,
    title="Inspect a package",
    ends_in=(NotFound, InvalidName, PaymentRequired),
    cacheable=True,
)
async def inspect(registry: Registry, caller: Caller, given: Inspect) -> Inspected:
    """Show a package's files, dependencies, permissions, cost and readme, or read one file."""
    package, release = await resolve(registry, caller, given.ref)
    details = await registry.packages.details(release)
    report = Report.from_json(details.report)
    whole = (given.path, package.readme(details))
    if given.path:
        await registry.purchases.admit(package, caller)
        whole = (given.path, await _file_text(registry, release, given.path))
    text = whole[1][given.offset : given.offset + given.limit]
    return Inspected(
        ref=f"{package.name}@{release.version}",
        kind=package.kind,
        description=release.description,
        author=release.author,
        license=release.license,
        tags=list(release.tags),
        visibility=package.visibility,
        published_at=release.published_at.isoformat(),
        yanked=release.yanked,
        against=_against(package, release),
        withheld=_withheld(release),
        trust=standing(release.signer, release.outcome),
        signer=release.signer,
        sha256=release.sha256,
        contents=report.facts("paths").get(CONTENTS, ""),
        size=release.size,
        latest=str(package.latest.version) if package.latest else "",
        dependencies=[Needs(**dependency) for dependency in release.dependencies],
        permissions=release.powers,
        seen=dict(report.facts("powers").get("seen", {})),
        change=dict(report.facts("change")),
        files=[FileEntry(**file) for file in details.files],
        cost=_cost(package, release, sum(file["size"] for file in details.files)),
        content=Text(path=whole[0], text=text, offset=given.offset, total=len(whole[1])),
    )


def _against(package: Package, release: Release) -> str:
    """Say what its publisher, or an advisory, says against using it."""
    instead = f"; use {package.replacement}" if package.replacement else ""
    old = f"deprecated: {package.deprecated}{instead}" if package.deprecated else ""
    return "; ".join(filter(None, [release.why_avoided, old]))


def _withheld(release: Release) -> str:
    """Say what keeps a release from resolving, to somebody who is told."""
    if release.state is State.RELEASED:
        return ""
    return f"{release.state}: {release.state_reason}" if release.state_reason else release.state


async def _file_text(registry: Registry, release: Release, path: str) -> str:
    from registry_core.formats import reading  # noqa: PLC0415 - listing operations reads no package

    artifact = await registry.blobs.get(release.sha256)
    candidate = await asyncio.to_thread(reading.read, artifact, release.format)
    file = candidate.file(path)
    if file is None:
        raise NotFound(f"no file {shown(path)} in it", hint="`inspect` lists the files.")
    text = file.text
    if text is None:
        raise NotFound(f"{shown(path)} is not text", hint="Install the package to have it.")
    return text


def _cost(package: Package, release: Release, size: int) -> Cost:
    line = len(package.name.name) + len(release.description)
    return Cost(listed=-(-line // 4), read=-(-size // 4))
