"""The verdict on a release: what was proven of it, what speaks against it, in order of weight.

`judge` is pure: it weighs what is recorded. Nothing is claimed that no check looked at; the last
reason of every verdict says what that is.

    refuse    its own check failed, it is held or was not let in, an advisory speaks
              against it, it was withdrawn, or its key was compromised when it signed
    caution   usable, and something is missing or has changed: no signature, a key that the
              namespace's chain does not know or that came by a break of it, warnings
    trusted   signed by a key that the namespace's chain proves, and no check found anything
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from registry_core.keys import Action, Standing
from registry_core.packages import State
from registry_core.verification import DOUBTS, Outcome, Report, Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from registry_core.keys import Link, Ring
    from registry_core.packages import Package, Release
    from registry_core.verification import Finding


class Verdict(StrEnum):
    """What an agent should do with a release."""

    TRUSTED = "trusted"
    CAUTION = "caution"
    REFUSE = "refuse"


class Continuity(StrEnum):
    """How the signer of a release came to sign for its namespace."""

    FIRST = "first"
    """It signed the first release of the namespace, and this is that one."""
    KNOWN = "known"
    """It is the key that the namespace began with."""
    ROTATED = "rotated"
    """It followed another key properly, or was added by one."""
    RECOVERED = "recovered"
    """It was put in place of the others with the recovery key."""
    BROKEN = "broken"
    """It, or one that it followed, was put in place by the owner of the registry."""
    UNKNOWN = "unknown"
    """It is no key of the namespace."""
    REVOKED = "revoked"
    """It was compromised when it signed this."""
    UNSIGNED = "unsigned"
    """There is none."""


MOST_REASONS = 3
LONGEST_REASON = 100
"""Reasons that are told where nobody asked for more, and characters of each."""

_AGAINST = frozenset({Continuity.REVOKED})
_DOUBTFUL = frozenset({Continuity.BROKEN, Continuity.UNKNOWN, Continuity.UNSIGNED})
_TOLD = frozenset({"keys/unknown", "keys/unsigned"})
"""Findings that the signer's own sentence tells of."""

_WORDS = {
    Action.PIN: Continuity.KNOWN,
    Action.ROTATE: Continuity.ROTATED,
    Action.ADD: Continuity.ROTATED,
    Action.RECOVER: Continuity.RECOVERED,
}


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict and its reasons, the weightiest first."""

    verdict: Verdict
    continuity: Continuity
    reasons: tuple[str, ...]


def judge(package: Package, release: Release, report: Report, ring: Ring) -> Judgement:
    """Weigh one release of a package, whose namespace has these keys."""
    continuity, signer = _signer(package, release, ring)
    against = [*_refusals(release, report), *_if(continuity in _AGAINST, signer)]
    doubts = [*_if(continuity in _DOUBTFUL, signer), *_doubts(package, release, report)]
    favour = _if(continuity not in _AGAINST | _DOUBTFUL, signer)
    verdict = Verdict.REFUSE if against else Verdict.CAUTION if doubts else Verdict.TRUSTED
    return Judgement(verdict, continuity, (*against, *doubts, *favour, _unseen(report)))


def _if(holds: bool, reason: str) -> list[str]:  # noqa: FBT001 - private, and reads as a sentence
    return [reason] if holds else []


def weigh(package: Package, release: Release, report: Mapping[str, Any], ring: Ring) -> Verdict:
    """Give the verdict alone, by a report as it is stored."""
    return judge(package, release, Report.from_json(report), ring).verdict


def _refusals(release: Release, report: Report) -> Iterator[str]:
    if release.state is not State.RELEASED:
        yield _withheld(release)
    yield from _findings(report.blocking)
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
    if package.deprecated is not None:
        instead = f"; use {package.replacement}" if package.replacement else ""
        yield f"deprecated by its publisher: {package.deprecated}{instead}"
    if release.state is State.RELEASED and release.state_by:
        yield f"released after review by {release.state_by}: {release.state_reason}"
    doubted = [f for f in report.findings if f.severity in DOUBTS and f.rule not in _TOLD]
    held = _findings(f for f in doubted if f.severity is Severity.HOLD)
    yield from (f"held: {reason}" for reason in held)
    yield from _findings(f for f in doubted if f.severity is not Severity.HOLD)


def _findings(found: Iterable[Finding]) -> Iterator[str]:
    """Tell of each rule once, with the first place where it found something."""
    by_rule: dict[str, list[Finding]] = {}
    for finding in found:
        by_rule.setdefault(finding.rule, []).append(finding)
    for rule, (first, *others) in by_rule.items():
        place = f" in {first.place}" if first.place and first.place not in first.message else ""
        more = f" and {len(others)} more" if others else ""
        yield f"{rule}{place}{more}: {first.message}"


def _signer(package: Package, release: Release, ring: Ring) -> tuple[Continuity, str]:
    """Say how its signer came to sign it, in a word and in a sentence."""
    if release.signer is None:
        return Continuity.UNSIGNED, "not signed: nobody vouches for these bytes"
    said, namespace = f"signed by {release.signer[:16]}…", f"@{package.name.namespace}"
    standing = ring.standing(release.signer, release.position)
    if standing is Standing.REVOKED:
        return Continuity.REVOKED, f"{said}, which was compromised when it signed this"
    if standing in {Standing.UNKNOWN, Standing.PENDING}:
        mine = ", ".join(f"{key[:16]}…" for key in ring.in_use) or "no key"
        return Continuity.UNKNOWN, f"{said}, which is no key of {namespace}; that signs with {mine}"
    key = ring.keys[release.signer]
    broken = [link for link in ring.broken if link.statement.seq <= key.link.statement.seq]
    if broken:
        day = f"{broken[-1].effective_at:%Y-%m-%d}"
        return Continuity.BROKEN, (
            f"{said}; continuity broken on {day}: the registry's owner replaced {namespace}'s keys"
        )
    return _proper(package, release, key.link, said)


def _proper(package: Package, release: Release, link: Link, said: str) -> tuple[Continuity, str]:
    earlier = sum(r.signer == release.signer and r.id < release.id for r in package.releases)
    since = f"known since {link.at:%Y-%m-%d}, {earlier} earlier release(s) of this package"
    word = _WORDS[link.statement.action]
    if word is Continuity.KNOWN and link.position + 1 == release.position:
        return Continuity.FIRST, f"{said}, a key first seen with this release"
    if word is Continuity.KNOWN:
        return word, f"{said}, {since}"
    if word is Continuity.RECOVERED:
        return word, f"{said}, put in place with the recovery key; {since}"
    return word, f"{said}, rotated properly from {link.statement.old[:16]}…; {since}"


def _unseen(report: Report) -> str:
    passed = sum(section.outcome is Outcome.PASSED for section in report.sections)
    if not report.skipped:
        return f"{passed} checks passed, and none of this registry is missing"
    return f"{passed} checks passed; nobody looked for: {', '.join(report.skipped)}"


def brief(reasons: Sequence[str]) -> list[str]:
    """Return the weightiest reasons and the last, each in a line that an agent can afford."""
    *first, last = (_short(reason) for reason in reasons)
    kept = [reason for n, reason in enumerate(first) if n < MOST_REASONS]
    left_out = len(first) - len(kept)
    more = [f"and {left_out} more reasons, in full detail"] if left_out else []
    return [*kept, *more, last]


def _short(reason: str) -> str:
    return reason if len(reason) <= LONGEST_REASON else f"{reason[: LONGEST_REASON - 1]}…"
