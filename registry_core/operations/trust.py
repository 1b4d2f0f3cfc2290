"""What speaks for a release and what against it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from registry_core import trust as judging
from registry_core.callers import Scope
from registry_core.errors import InvalidName, NotFound
from registry_core.names import Reference, Version
from registry_core.operation import Model, operation
from registry_core.operations.naming import MOST_REFERENCE, REFERENCE, resolve
from registry_core.trust import Verdict
from registry_core.verification import Outcome, Report

if TYPE_CHECKING:
    from registry_core.callers import Caller
    from registry_core.packages import Package, Release
    from registry_core.registry import Registry


class Trust(Model):
    """The release to judge."""

    ref: str = Field(max_length=MOST_REFERENCE, description=REFERENCE)
    detail: Literal["brief", "full"] = Field("brief", description="full adds the report.")


class Trusted(Model):
    """The verdict, its reasons with the weightiest first, and each check's outcome."""

    ref: str
    verdict: Verdict
    reasons: list[str]
    continuity: str = Field(
        description="first, known, rotated, recovered, broken, unknown, revoked or unsigned"
    )
    checks: dict[str, str] = Field(
        description="check -> warned, failed or skipped; in full detail also passed"
    )
    signer: str | None
    sha256: str
    report: dict[str, Any] | None = None


@operation(
    scope=Scope.SEARCH, title="Judge a package", ends_in=(NotFound, InvalidName), cacheable=True
)
async def trust(registry: Registry, caller: Caller, given: Trust) -> Trusted:
    """Say whether to trust a package: trusted, caution or refuse, with reasons."""
    package, release = await _any(registry, caller, given.ref)
    return await judge(registry, caller, package, release, whole=given.detail == "full")


async def judge(
    registry: Registry, caller: Caller, package: Package, release: Release, *, whole: bool = False
) -> Trusted:
    """Judge a release, whatever its state; `whole` adds the report."""
    details = await registry.packages.details(release)
    report = Report.from_json(details.report)
    ring = await registry.keychains.ring(package.name.namespace)
    judgement = judging.judge(package, release, report, ring)
    # That somebody has to look at a release is everybody's to know, why is for those who do.
    told = not release.shut or caller.is_told_of(package.name.namespace)
    reasons = judgement.reasons if told else judgement.reasons[:1]
    checks = {s.check: s.outcome for s in report.sections if whole or s.outcome != Outcome.PASSED}
    return Trusted(
        ref=f"{package.name}@{release.version}",
        verdict=judgement.verdict,
        reasons=list(reasons) if whole else judging.brief(reasons),
        continuity=judgement.continuity,
        checks=checks if told else {},
        signer=release.signer,
        sha256=release.sha256,
        report=details.report if told and whole else None,
    )


async def _any(registry: Registry, caller: Caller, text: str) -> tuple[Package, Release]:
    """Find a release; named exactly, also what is withheld: the answer is why not to use it."""
    reference = Reference.parse(text)
    if not isinstance(reference.selector, Version):
        return await resolve(registry, caller, text)
    package = await registry.packages.find(reference.name, caller)
    return package, package.exactly(reference.selector)
