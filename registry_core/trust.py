"""The verdict on a release: what was proven of it, what speaks against it, in order of weight.

`judge` is pure: it weighs what is recorded. Nothing is claimed that no check looked at; the last
reason of every verdict says what that is.

    refuse    its own check failed, it is held or was not let in, an advisory speaks
              against it, or it was withdrawn
    caution   usable, and something is missing or has changed: no signature, a new key, warnings
    trusted   signed by the key that signed every earlier release, and no check found anything
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from registry_core.packages import State
from registry_core.verification import DOUBTS, Report, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from registry_core.packages import Package, Release


class Verdict(StrEnum):
    """What an agent should do with a release."""

    TRUSTED = "trusted"
    CAUTION = "caution"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict and its reasons, the weightiest first."""

    verdict: Verdict
    reasons: tuple[str, ...]


def judge(package: Package, release: Release, report: Report) -> Judgement:
    """Weigh one release of a package."""
    against = list(_refusals(release, report))
    doubts = list(_doubts(package, release, report))
    verdict = Verdict.REFUSE if against else Verdict.CAUTION if doubts else Verdict.TRUSTED
    return Judgement(verdict, (*against, *doubts, *_in_favour(package, release), _unseen(report)))


def weigh(package: Package, release: Release, report: Mapping[str, Any]) -> Verdict:
    """Give the verdict alone, by a report as it is stored."""
    return judge(package, release, Report.from_json(report)).verdict


def _refusals(release: Release, report: Report) -> Iterator[str]:
    if release.state is not State.RELEASED:
        yield _withheld(release)
    for finding in report.blocking:
        yield f"{finding.rule}: {finding.message}"
    for known in release.advisories:
        yield f"advisory {known['id']}: {known['summary']}"
    if release.yanked:
        yield f"yanked by its publisher: {release.yank_reason or 'no reason given'}"


def _withheld(release: Release) -> str:
    said = f": {release.state_reason}" if release.state_reason and release.state_by else ""
    match release.state:
        case State.REVOKED:
            return f"revoked, and not served any more{said}"
        case State.REJECTED:
            return f"a reviewer has looked at it and not let it in{said}"
        case _:
            return f"held until a reviewer of the registry has looked at it{said}"


def _doubts(package: Package, release: Release, report: Report) -> Iterator[str]:
    if release.signer is None:
        yield "not signed: nobody vouches for these bytes"
    elif changed := _signed_otherwise(package, release):
        yield (
            f"signed by {release.signer[:16]}…, while {changed.version} before it was signed by"
            f" {changed.signer[:16] if changed.signer else 'nobody'}…"
        )
    for finding in report.findings:
        if finding.severity in DOUBTS:
            held = "held: " if finding.severity is Severity.HOLD else ""
            yield f"{held}{finding.rule}: {finding.message}"
    if package.deprecated is not None:
        instead = f"; use {package.replacement}" if package.replacement else ""
        yield f"deprecated by its publisher: {package.deprecated}{instead}"
    if release.state is State.RELEASED and release.state_by:
        yield f"released after review by {release.state_by}: {release.state_reason}"


def _in_favour(package: Package, release: Release) -> Iterator[str]:
    if release.signer is None:
        return
    earlier = [r for r in _before(package, release) if r.signer == release.signer]
    if earlier and not _signed_otherwise(package, release):
        yield f"signed by {release.signer[:16]}…, the key of {len(earlier)} earlier release(s)"
    elif not earlier:
        yield f"signed by {release.signer[:16]}…, a key first seen with this release"


def _unseen(report: Report) -> str:
    if not report.skipped:
        return "every check of this registry looked at it"
    return f"nobody looked for: {', '.join(report.skipped)}"


def _before(package: Package, release: Release) -> list[Release]:
    """Return the releases published before, the newest first."""
    return sorted(
        (r for r in package.releases if r.id < release.id), key=lambda r: r.id, reverse=True
    )


def _signed_otherwise(package: Package, release: Release) -> Release | None:
    before = _before(package, release)
    return before[0] if before and before[0].signer != release.signer else None
