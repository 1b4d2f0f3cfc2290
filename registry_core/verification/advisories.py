"""Nothing in the package is known to be bad.

Known bytes are refused, whoever publishes them under whatever name. A version that an advisory
names is held: its publisher may know why it is not meant.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from registry_core.formats import Candidate
from registry_core.verification.report import Finding, Outcome, Section, Severity

NAME = "advisories"


@dataclass(frozen=True, slots=True)
class Known:
    """An advisory in force against a candidate."""

    id: str
    summary: str
    sha256: tuple[str, ...] = ()
    """Digests of the candidate's bytes that it names; none: it names package and version."""


def section(candidate: Candidate, known: tuple[Known, ...]) -> Section:
    """Say what is known of a candidate's bytes, name and version."""
    findings = tuple(finding for one in known for finding in _findings(candidate, one))
    return Section(NAME, Outcome.of(findings), findings)


def _findings(candidate: Candidate, known: Known) -> Iterator[Finding]:
    for digest in known.sha256:
        places = [file.path for file in candidate.files if file.sha256 == digest]
        yield Finding(
            rule=f"{NAME}/known-bad",
            severity=Severity.BLOCK,
            message=f"these bytes are known to be bad, {known.id}: {known.summary}",
            place=places[0] if places else "",
            fix="Leave them out.",
        )
    if not known.sha256:
        yield Finding(
            rule=f"{NAME}/affected",
            severity=Severity.HOLD,
            message=f"an advisory names this version, {known.id}: {known.summary}",
            place="version",
            fix="Publish a version with the fix, or ask a reviewer to mend the advisory.",
        )
