"""Signs of malware delivery and of instructions to agents, by weighted rules (`scoring`).

Every text is weighed for itself. What its signs come to is what each of its findings does: from
`scoring.HOLD` on the package is held until somebody has looked at it, from `scoring.REVIEW` on it
is marked for review, below they are noted. Nothing is refused here, and no finding says nothing
about safety: no rule can tell orders in plain words from a manual.
"""

from __future__ import annotations

from collections.abc import Iterator

from registry_core.formats import Candidate
from registry_core.formats.texts import Surface, Text
from registry_core.names import Kind
from registry_core.verification.report import Binding, Finding, Severity
from registry_core.verification.rules import VERSION
from registry_core.verification.scoring import HOLD, REVIEW, Hit, Score, score

NAME = "injection"

MAX_FINDINGS = 40
"""Findings that one package reports, at most: the heaviest."""

_LONGEST_WORD = 200
"""Characters of a string without a space that is not weighed: a digest, a path, a name."""

_FIXES = {
    Severity.HOLD: "Take it out, or ask a reviewer of the registry to release the version.",
    Severity.REVIEW: "Take it out, or say in the text why it has to be there.",
}


def rules() -> str:
    """Name the rule set, as a report does."""
    return VERSION


def check(candidate: Candidate, binding: Binding | None) -> list[Finding]:
    """Weigh every text of the package."""
    weighed = [found for text in _texts(candidate) for found in _weighed(text)]
    weighed.sort(key=lambda found: found[:2], reverse=True)
    return [finding for _, _, finding in weighed[:MAX_FINDINGS]]


def severity_of(total: float) -> Severity:
    """Say what a score does."""
    if total >= HOLD:
        return Severity.HOLD
    return Severity.REVIEW if total >= REVIEW else Severity.NOTE


def _texts(candidate: Candidate) -> Iterator[tuple[Text, Surface]]:
    described = candidate.kind in {Kind.TOOL, Kind.ADDON}
    for text in candidate.texts:
        yield text, Surface.DESCRIPTION if described else Surface.DOCUMENT
    for text in candidate.strings:
        if " " in text.text or len(text.text) > _LONGEST_WORD:
            yield text, text.surface


def _weighed(given: tuple[Text, Surface]) -> Iterator[tuple[float, float, Finding]]:
    text, surface = given
    found = score(text.text, surface)
    severity = severity_of(found.total)
    for hit in found.hits:
        yield found.total, hit.weight, _finding(hit, found, severity, text)


def _finding(hit: Hit, found: Score, severity: Severity, text: Text) -> Finding:
    marks = [f"weight {hit.weight:g} of {found.total:g}"]
    marks += ["as an example"] * hit.quoted + [f"inside {hit.inside}"] * bool(hit.inside)
    return Finding(
        rule=f"{NAME}/{hit.rule.id}",
        severity=severity,
        message=f"{hit.rule.flag}: {hit.rule.words} ({', '.join(marks)})",
        place=text.at_line(found.line(hit)),
        fix=_FIXES.get(severity, ""),
    )
