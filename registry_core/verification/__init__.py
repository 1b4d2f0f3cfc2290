"""What is checked before a package enters and again before it is installed.

A check is a pure function from a `Candidate` (and the name and version it must have) to findings:
no IO, no clock. `CHECKS` is their order and the order of the sections of a report:

    schema      the fields of a ctxpkg manifest have the values the format allows
    coherence   kind, layers and payload of a ctxpkg belong together
    binding     it is the package and version it is published or installed as
    integrity   the digests it claims are those of its bytes
    signature   its publisher signed name, version and content
    attestation what its publisher states of all of it is true, and signed by the same key
    sizes       artifact, number of files, each file and all of them keep the limits
    paths       every file has a plain relative path, and no two are in each other's way
    secrets     nothing in it looks like a credential
    hidden_text nothing in it hides from a reader
    injection   nothing in it looks like malware delivery or like orders to an agent

`verify` runs them all, always; the caller decides what a blocking finding means. To add a check,
write one module and add one line to `CHECKS`.
"""

from __future__ import annotations

from registry_core.formats import Candidate
from registry_core.verification import (
    attestation,
    binding,
    coherence,
    hidden_text,
    injection,
    integrity,
    paths,
    schema,
    secrets,
    signature,
    sizes,
)
from registry_core.verification.report import (
    DOUBTS,
    SCHEMA,
    Binding,
    Check,
    Finding,
    Outcome,
    Report,
    Section,
    Severity,
)

__all__ = [
    "CHECKS",
    "DOUBTS",
    "NOT_LOOKED_AT",
    "SCHEMA",
    "Binding",
    "Check",
    "Finding",
    "Outcome",
    "Report",
    "Section",
    "Severity",
    "is_ready",
    "prepare",
    "verify",
]

CHECKS: tuple[Check, ...] = (
    schema,
    coherence,
    binding,
    integrity,
    signature,
    attestation,
    sizes,
    paths,
    secrets,
    hidden_text,
    injection,
)

_RULES = {
    secrets.NAME: secrets.rules,
    hidden_text.NAME: hidden_text.rules,
    injection.NAME: injection.rules,
}
"""What names the rule set of a check that has one."""

NOT_LOOKED_AT = ("meaning_of_text", "wasm_capability_audit")
"""Questions no check asks yet; every report names them. Rules find signs: what a text means, a
model or a human has to read."""


def prepare() -> None:
    """Compile the rules that take long, once a process: seconds, the first time on a machine."""
    secrets.rules()


def is_ready() -> bool:
    """Whether `verify` starts at once; else it first does what `prepare` does."""
    return secrets.is_ready()


def verify(candidate: Candidate, binding: Binding | None = None) -> Report:
    """Run every check over `candidate`; raises nothing, whatever it finds."""
    sections = tuple(_section(check, candidate, binding) for check in CHECKS)
    outcomes = {section.check: section.outcome for section in sections}
    attested = outcomes[attestation.NAME] is Outcome.PASSED
    coverage = signature.coverage(candidate, attested=attested)
    return Report(
        artifact_sha256=candidate.sha256,
        sections=sections,
        signer=coverage.signer,
        covered=coverage.covered,
        not_covered=coverage.not_covered,
        skipped=NOT_LOOKED_AT,
    )


def _section(check: Check, candidate: Candidate, binding: Binding | None) -> Section:
    found = check.check(candidate, binding)
    if found is None:
        return Section(check.NAME, Outcome.SKIPPED)
    findings = tuple(found)
    return Section(check.NAME, Outcome.of(findings), findings, _RULES.get(check.NAME, str)())
