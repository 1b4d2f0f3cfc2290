"""What is checked before a package enters and again before it is installed.

A check is a pure function from a `Candidate` (and the name and version it must have) to findings:
no IO, no clock. `CHECKS` is their order and the order of the sections of a report. `verify` runs
them all, always; the caller decides what a blocking finding means. To add a check, write one
module and add one line to `CHECKS`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from registry_core.formats import Candidate
    from registry_core.names import PackageName, Version

SCHEMA = "ctxmcp-trust-report-v1"


class Severity(StrEnum):
    """What a finding does: nothing, a mark in the report, or a refusal."""

    NOTE = "note"
    WARNING = "warning"
    BLOCK = "block"


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

    @staticmethod
    def check(candidate: Candidate, binding: Binding | None) -> Iterable[Finding] | None:
        """Return the findings, or None where the check does not apply to this candidate."""


@dataclass(frozen=True, slots=True)
class Section:
    """What one check said. `outcome` is passed, warned, failed or skipped."""

    check: str
    outcome: str
    findings: tuple[Finding, ...] = ()


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

    @property
    def findings(self) -> Iterator[Finding]:
        """Every finding, in the order of the checks."""
        return (finding for section in self.sections for finding in section.findings)

    @property
    def blocking(self) -> tuple[Finding, ...]:
        """The findings that refuse the package."""
        return tuple(f for f in self.findings if f.severity is Severity.BLOCK)

    def as_json(self) -> dict[str, Any]:
        """Shape the report as it is stored: plain values only, no clock, stable order."""
        raise NotImplementedError
