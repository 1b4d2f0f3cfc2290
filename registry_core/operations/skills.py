"""Published skills as a host loads them: frontmatter, and every file with its digest and bytes.

A skill can be loaded where its SKILL.md begins with YAML frontmatter that has a description, and a
name by the rules of the Agent Skills specification. Those are listed that have nothing else in it
against the specification: a strict host drops a whole list for one entry. The rest are given by
name. Every other package of the kind is still found, inspected and installed.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
from typing import TYPE_CHECKING, Any

from pydantic import Field

from registry_core.callers import Scope
from registry_core.errors import InvalidName, NotFound, PaymentRequired
from registry_core.names import Kind, PackageName, shown
from registry_core.operation import Model, operation, package_text
from registry_core.operations.inspect import FileEntry
from registry_core.operations.naming import MOST_REFERENCE, REFERENCE, resolve

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from registry_core.callers import Caller
    from registry_core.formats import File
    from registry_core.packages import Details, Package, Release, Summary
    from registry_core.registry import Registry

SKILL = "SKILL.md"


class Skills(Model):
    """Which skills."""

    ref: str = Field("", max_length=MOST_REFERENCE, description="Only this one.")
    limit: int = Field(50, ge=1, le=100)
    cursor: str = Field("", max_length=110, description="`next` of the last page.")


class Skill(Model):
    """One skill that can be loaded."""

    ref: str
    frontmatter: dict[str, Any] = Field(json_schema_extra=package_text())
    files: list[FileEntry]


class SkillPage(Model):
    """Skills by the names of their packages."""

    skills: list[Skill]
    next: str = Field("", description="Cursor of the next page, if any.")


@operation(scope=Scope.SEARCH, title="List skills", ends_in=(NotFound, InvalidName), toolset="more")
async def skills(registry: Registry, caller: Caller, given: Skills) -> SkillPage:
    """List the skills that hosts can load, with frontmatter and the digest of every file."""
    if given.ref:
        package, release = await resolve(registry, caller, given.ref)
        details = await registry.packages.details(release)
        return SkillPage(skills=await _loadable(registry, package, release, details))
    after = PackageName.parse(given.cursor) if given.cursor else None
    page = await registry.packages.page(caller, Kind.SKILL, after=after, limit=given.limit)
    found: list[Skill] = []
    for summary, details in page:
        if summary.latest is not None:
            found += await _loadable(registry, summary, summary.latest, details)
    full = len(page) == given.limit
    return SkillPage(
        skills=[skill for skill in found if _conforms(skill)],
        next=str(page[-1][0].name) if full else "",
    )


def _conforms(found: Skill) -> bool:
    from registry_core.formats import skill  # noqa: PLC0415 - listing operations reads no package

    return skill.conforms(found.frontmatter)


async def _loadable(
    registry: Registry, package: Summary | Package, release: Release, details: Details
) -> list[Skill]:
    """Return the one skill that a release is, or none."""
    entry = next((file for file in details.files if file["path"] == SKILL), None)
    if package.kind is not Kind.SKILL or entry is None:
        return []
    from registry_core.formats import skill  # noqa: PLC0415 - listing operations reads no package

    frontmatter = skill.frontmatter(await _text(registry, release, details, entry))
    if frontmatter is None:
        return []
    ref = f"{package.name}@{release.version}"
    files = [FileEntry(**file) for file in details.files]
    return [Skill(ref=ref, frontmatter=dict(frontmatter), files=files)]


async def _text(
    registry: Registry, release: Release, details: Details, entry: Mapping[str, Any]
) -> str:
    """Return SKILL.md, which is the recorded readme unless there is a README.md as well."""
    if hashlib.sha256(details.readme.encode(errors="replace")).hexdigest() == entry["sha256"]:
        return details.readme
    file = _found(await _files(registry, release), SKILL)
    return file.text or ""


class ReadFile(Model):
    """Which file of which release."""

    ref: str = Field(max_length=MOST_REFERENCE, description=REFERENCE)
    path: str = Field(max_length=512, description="As `inspect` lists it.")


class FileRead(Model):
    """A file, byte for byte: as text where it is UTF-8, else in base64."""

    ref: str
    path: str
    size: int
    sha256: str
    executable: bool
    text: str = Field("", json_schema_extra=package_text())
    base64: str = ""


@operation(
    scope=Scope.SEARCH,
    title="Read a file",
    ends_in=(NotFound, InvalidName, PaymentRequired),
    toolset="more",
    cacheable=True,
)
async def file(registry: Registry, caller: Caller, given: ReadFile) -> FileRead:
    """Give one file of a package, whole and byte for byte."""
    package, release = await resolve(registry, caller, given.ref)
    await registry.purchases.admit(package, caller)
    found = _found(await _files(registry, release), given.path)
    text = found.text
    return FileRead(
        ref=f"{package.name}@{release.version}",
        path=found.path,
        size=found.size,
        sha256=found.sha256,
        executable=found.executable,
        text=text or "",
        base64="" if text is not None else base64.b64encode(found.data).decode(),
    )


async def _files(registry: Registry, release: Release) -> Sequence[File]:
    from registry_core.formats import reading  # noqa: PLC0415 - listing operations reads no package

    artifact = await registry.blobs.get(release.sha256)
    return (await asyncio.to_thread(reading.read, artifact, release.format)).files


def _found(files: Sequence[File], path: str) -> File:
    found = next((one for one in files if one.path == path), None)
    if found is None:
        raise NotFound(f"no file {shown(path)} in it", hint="`inspect` lists the files.")
    return found
