"""What checks say: findings with a severity, one section per check, the report of them all.

The stored form of a report is `as_json`: plain values, stable order, no clock.

    { "schema": "ctxmcp-trust-report-v1", "artifact_sha256": "..", "outcome": "warned",
      "signer": hex or null, "covered": [..], "not_covered": [..],
      "sections": [ { "check": "secrets", "outcome": "passed", "rules": "..", "findings": [
          { "rule": "..", "severity": "..", "message": "..", "place": "..", "fix": ".." } ],
          "facts": { what a check tells beside its findings, where it does } } ],
      "skipped": [..], "policy": sha256 of the registry's policy, where one was applied }
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any, Protocol

from registry_core.errors import Invalid
from registry_core.formats import Candidate
from registry_core.names import PackageName, Version

SCHEMA = "ctxmcp-trust-report-v1"


class Severity(StrEnum):
    """What a finding does, the weakest first.

    note      nothing
    warning   a mark in the report
    review    a mark that somebody should look at
    hold      nobody gets the package without asking for it, until somebody has looked at it
    block     a refusal
    """

    NOTE = "note"
    WARNING = "warning"
    REVIEW = "review"
    HOLD = "hold"
    BLOCK = "block"


DOUBTS = frozenset({Severity.WARNING, Severity.REVIEW, Severity.HOLD})
"""What a reader of a report should know before using a package that was let in."""


class Outcome(StrEnum):
    """What a check, or all of them, came to."""

    PASSED = "passed"
    WARNED = "warned"
    FAILED = "failed"
    SKIPPED = "skipped"

    @classmethod
    def of(cls, findings: Iterable[Finding]) -> Outcome:
        """Draw the outcome from what was found."""
        severities = {finding.severity for finding in findings}
        if Severity.BLOCK in severities:
            return cls.FAILED
        return cls.WARNED if severities & DOUBTS else cls.PASSED


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing a check found.

    `rule` is stable and never reused; `place` is a path or field (with a line where there is
    one); `fix` says what the publisher can do. None of them ever repeats a secret.
    """

    rule: str
    severity: Severity
    message: str
    place: str = ""
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Binding:
    """The name and version a package is published or installed under."""

    name: PackageName
    version: Version


class Check(Protocol):
    """`NAME` of a module, and its `check`."""

    NAME: str
    """The section's name in the report, and the first half of its rule ids."""

    def check(self, candidate: Candidate, binding: Binding | None) -> Iterable[Finding] | None:
        """Return the findings, or None where the check does not apply to this candidate."""


@dataclass(frozen=True, slots=True)
class Section:
    """What one check said."""

    check: str
    outcome: Outcome
    findings: tuple[Finding, ...] = ()
    rules: str = ""
    """Version of the rule set it went by, where it has one."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What it tells that is no finding: plain JSON values."""


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of every check over one artifact; stored per release and served as it is."""

    artifact_sha256: str
    sections: tuple[Section, ...]
    signer: str | None
    covered: tuple[str, ...]
    """What a change would break the signature of."""
    not_covered: tuple[str, ...]
    """What could be changed without breaking the signature."""
    skipped: tuple[str, ...]
    """What nobody has looked at: absence of a finding says nothing about these."""
    policy: str = ""
    """The digest of the policy that decided what findings do; none: each its own check."""

    @property
    def findings(self) -> Iterator[Finding]:
        """Every finding, in the order of the checks."""
        return (finding for section in self.sections for finding in section.findings)

    @property
    def blocking(self) -> tuple[Finding, ...]:
        """The findings that refuse the package."""
        return tuple(f for f in self.findings if f.severity is Severity.BLOCK)

    @property
    def held(self) -> tuple[Finding, ...]:
        """The findings for which somebody has to look at the package first."""
        return tuple(f for f in self.findings if f.severity is Severity.HOLD)

    def answering(self, question: str) -> Report:
        """Return the report with one question less that nobody looked at."""
        return replace(self, skipped=tuple(q for q in self.skipped if q != question))

    def facts(self, check: str) -> Mapping[str, Any]:
        """Return what a check told beside its findings; nothing where it did not look."""
        return next((s.facts for s in self.sections if s.check == check), {})

    def with_(self, *sections: Section) -> Report:
        """Return the report with what else was found before the release is recorded."""
        return replace(self, sections=(*self.sections, *sections))

    @property
    def sha256(self) -> str:
        """The digest of the report as it is stored."""
        text = json.dumps(self.as_json(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()

    @property
    def outcome(self) -> Outcome:
        """The worst that any check came to."""
        return Outcome.of(self.findings)

    def as_json(self) -> dict[str, Any]:
        """Shape the report as it is stored: plain values only, no clock, stable order."""
        return {
            "schema": SCHEMA,
            "artifact_sha256": self.artifact_sha256,
            "outcome": str(self.outcome),
            "signer": self.signer,
            "covered": list(self.covered),
            "not_covered": list(self.not_covered),
            "sections": [_section_json(section) for section in self.sections],
            "skipped": list(self.skipped),
        } | ({"policy": self.policy} if self.policy else {})

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Report:
        """Read what `as_json` shaped; `Invalid` for anything else."""
        try:
            if stored["schema"] != SCHEMA:
                raise Invalid(f"a trust report has the schema {SCHEMA}")
            return cls(
                artifact_sha256=str(stored["artifact_sha256"]),
                sections=tuple(map(_section, stored["sections"])),
                signer=stored["signer"],
                covered=tuple(stored["covered"]),
                not_covered=tuple(stored["not_covered"]),
                skipped=tuple(stored["skipped"]),
                policy=str(stored.get("policy", "")),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise Invalid(f"not a trust report: {error!r}") from None


def _section_json(section: Section) -> dict[str, Any]:
    found = [{**asdict(finding), "severity": str(finding.severity)} for finding in section.findings]
    shaped = {"check": section.check, "outcome": str(section.outcome), "findings": found}
    shaped |= {"rules": section.rules} if section.rules else {}
    return shaped | ({"facts": dict(section.facts)} if section.facts else {})


def _section(stored: Mapping[str, Any]) -> Section:
    found = (Finding(**{**f, "severity": Severity(f["severity"])}) for f in stored["findings"])
    rules = str(stored.get("rules", ""))
    outcome, facts = Outcome(stored["outcome"]), dict(stored.get("facts", {}))
    return Section(stored["check"], outcome, tuple(found), rules, facts)
