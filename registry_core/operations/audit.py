"""What the registry says today of releases that somebody has installed.

On the user's own machine it begins with the lock and what is really on disk; what travels are the
names, and the digests by which a copy of something known to be bad is recognised.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from registry_core.callers import Scope
from registry_core.errors import Invalid, NotFound
from registry_core.names import Version
from registry_core.operation import Model, local, operation, package_text, remote
from registry_core.operations.naming import MOST_REFERENCE, exact
from registry_core.operations.trust import judge
from registry_core.trust import Verdict

if TYPE_CHECKING:
    from registry_core.callers import Caller
    from registry_core.packages import Package
    from registry_core.registry import Registry

MOST_ASKED = 100
MOST_DIGESTS = 1000


class Had(Model):
    """A release as somebody has it, or files that are of none."""

    ref: str = Field("", max_length=MOST_REFERENCE, description="@ns/name@version; empty: of none")
    artifact: str = Field("", max_length=64, description="SHA-256 of its artifact.")
    sha256: list[str] = Field(default=[], max_length=MOST_DIGESTS, description="Of its files.")


class Audit(Model):
    """What is audited: a project, or what was found in one."""

    project: str = Field(
        "", max_length=4096, description="Folder to audit.", json_schema_extra=local()
    )
    offline: bool = Field(default=False, description="Ask no registry.", json_schema_extra=local())
    had: list[Had] = Field(
        default=[], max_length=MOST_ASKED, description="What is there.", json_schema_extra=remote()
    )


class Standing(Model):
    """How a release stands today, and what is wrong with it on disk."""

    ref: str
    problems: list[str] = Field(default=[], description="On disk, each naming the file.")
    verdict: Verdict | None = Field(None, description="Null: the registry does not know it.")
    reasons: list[str] = Field(default=[], json_schema_extra=package_text())
    advisories: list[str] = Field(default=[], description="That name it, or bytes of it.")
    deprecated: str = Field("", json_schema_extra=package_text())
    replacement: str = ""
    newest: str = Field("", description="What would be installed now, where that is newer.")

    @property
    def refused(self) -> bool:
        """Whether it should not be used any more."""
        return self.verdict is Verdict.REFUSE or bool(self.advisories)


class Stranger(Model):
    """Something on disk, where agents read, that the lock does not know."""

    path: str = Field(json_schema_extra=package_text())
    advisories: list[str] = Field(default=[], description="That know bytes of it.")


class Audited(Model):
    """How everything stands, in the order of what was asked."""

    ok: bool
    registry: str = ""
    project: str = ""
    releases: list[Standing]
    unlocked: list[Stranger] = Field(default=[], description="On disk, and in no lock.")
    not_checked: list[str] = Field(default=[], description="What nobody looked at, and why.")
    reached: bool = Field(default=True, description="Whether the registry answered, if asked.")


@operation(scope=Scope.SEARCH, title="Audit what is installed", ends_in=(Invalid,), toolset="more")
async def audit(registry: Registry, caller: Caller, given: Audit) -> Audited:
    """Say what is wrong with what is installed: on disk, and by what the registry says today."""
    found = [await _standing(registry, caller, had) for had in given.had]
    return Audited(ok=not any(one.refused for one in found), releases=found)


async def _standing(registry: Registry, caller: Caller, had: Had) -> Standing:
    name, version = exact(had.ref) if had.ref else (None, None)
    digests = {*had.sha256, *filter(None, [had.artifact])}
    known = await registry.advisories.against(name, version, digests)
    advisories = [f"{one.id}: {one.summary}" for one in known]
    if name is None or version is None:
        return Standing(ref="", advisories=advisories)
    try:
        package = await registry.packages.find(name, caller)
        release = package.exactly(version)
    except NotFound as error:
        return Standing(ref=had.ref, reasons=[error.message], advisories=advisories)
    judged = await judge(registry, caller, package, release)
    reasons, verdict = judged.reasons, judged.verdict
    if had.artifact not in {"", release.sha256}:
        reasons = [f"the registry has other bytes under this version: {release.sha256}", *reasons]
        verdict = Verdict.REFUSE
    return Standing(
        ref=had.ref,
        verdict=verdict,
        reasons=reasons,
        advisories=advisories,
        deprecated=package.deprecated or "",
        replacement=package.replacement or "",
        newest=_newer(package, version),
    )


def _newer(package: Package, version: Version) -> str:
    latest = package.latest
    return str(latest.version) if latest and latest.version > version else ""
