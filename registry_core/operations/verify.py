"""Checking again what is stored."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from pydantic import Field

from registry_core.callers import Scope
from registry_core.errors import InvalidName, InvalidPackage, NotFound, Tampered
from registry_core.events import Draft
from registry_core.events.kinds import EventKind
from registry_core.operation import Model, operation
from registry_core.operations.naming import resolve

if TYPE_CHECKING:
    from registry_core.callers import Caller
    from registry_core.packages import Package, Release
    from registry_core.registry import Registry


class Verify(Model):
    """What is checked."""

    target: str = Field(
        "",
        max_length=4096,
        description="@ns/name@version, file or folder; empty: all installed.",
    )


class Checked(Model):
    """One thing that was checked."""

    what: str
    ok: bool
    problems: list[str] = Field(description="What is wrong, each naming the file or field.")
    sha256: str = ""


class Verified(Model):
    """Whether everything is as it was signed and recorded."""

    ok: bool
    checked: list[Checked]
    not_checked: list[str] = Field(default=[], description="What was not looked at, and why.")


@operation(scope=Scope.SEARCH, title="Verify integrity", ends_in=(NotFound, InvalidName))
async def verify(registry: Registry, caller: Caller, given: Verify) -> Verified:
    """Recompute digests and signature of a release, a file, a folder or what is installed."""
    package, release = await resolve(registry, caller, given.target)
    problems = await _problems(registry, package, release)
    checked = Checked(
        what=f"{package.name}@{release.version}",
        ok=not problems,
        problems=problems,
        sha256=release.sha256,
    )
    await registry.journal.record(_event(package, release, caller, ok=checked.ok))
    return Verified(ok=checked.ok, checked=[checked])


def _event(package: Package, release: Release, caller: Caller, *, ok: bool) -> Draft:
    return Draft(
        EventKind.PACKAGE_VERIFIED,
        caller.name,
        {"name": str(package.name), "version": str(release.version), "ok": ok},
        namespace=package.name.namespace,
        package=package.name.name,
        private=package.private,
    )


async def _problems(registry: Registry, package: Package, release: Release) -> list[str]:
    # Whoever lists the operations checks no package.
    from registry_core.formats import reading  # noqa: PLC0415 - as above
    from registry_core.verification import Binding  # noqa: PLC0415 - as above
    from registry_core.verification import verify as run_checks  # noqa: PLC0415 - as above

    try:
        artifact = await registry.blobs.get(release.sha256)
        candidate = await asyncio.to_thread(reading.read, artifact, release.format)
    except (Tampered, InvalidPackage, NotFound) as error:
        return [str(error)]
    binding = Binding(package.name, release.version)
    report = await asyncio.to_thread(run_checks, candidate, binding)
    found = [f"{finding.rule}: {finding.message}" for finding in report.blocking]
    if report.signer != release.signer:
        found.append(f"signed by {report.signer}, recorded as signed by {release.signer}")
    return found
