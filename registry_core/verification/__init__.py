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
    powers      what it asks for: declared, and seen in its texts; finds nothing wrong

`verify` runs them all, always; the caller decides what a blocking finding means. To add a check,
write one module and add one line to `CHECKS`. What a registry knows and a package does not say is
`Known`; where it is given, more sections follow:

    change      it asks for no more than the version before
    names       a new name is not like one that is reserved or popular
    advisories  none of its bytes, and not this version, are known to be bad
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator

from registry_core.formats import Candidate
from registry_core.verification import (
    advisories,
    attestation,
    binding,
    change,
    coherence,
    hidden_text,
    injection,
    integrity,
    names,
    paths,
    powers,
    schema,
    secrets,
    signature,
    sizes,
)
from registry_core.verification.known import Before, Known
from registry_core.verification.names import Naming
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
    "Before",
    "Binding",
    "Check",
    "Finding",
    "Known",
    "Naming",
    "Outcome",
    "Report",
    "Section",
    "Severity",
    "is_ready",
    "prove",
    "rules_of_today",
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
    powers,
)

_PROOFS: tuple[Check, ...] = (binding, integrity, signature, attestation)

_FACTS = {powers.NAME: powers.facts}
"""What a check tells beside its findings, where it does."""

_RULES = {
    secrets.NAME: secrets.rules,
    hidden_text.NAME: hidden_text.rules,
    injection.NAME: injection.rules,
}
"""What names the rule set of a check that has one."""

NOT_LOOKED_AT = ("meaning_of_text", "wasm_capability_audit")
"""Questions no check asks yet; every report names them. Rules find signs: what a text means, a
model or a human has to read."""


def is_ready() -> bool:
    """Whether `verify` starts at once; the first one compiles rules, which may take seconds."""
    return secrets.is_ready()


def rules_of_today(policy: str) -> str:
    """Name the rule sets that a report is made by now, under a policy of this digest."""
    sets = {name: rules() for name, rules in sorted(_RULES.items())}
    text = json.dumps([sets, policy], separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def verify(
    candidate: Candidate, binding: Binding | None = None, known: Known | None = None
) -> Report:
    """Run every check over `candidate`; raises nothing, whatever it finds."""
    report = _report(candidate, binding, CHECKS)
    return report.with_(*_against(candidate, report, known)) if known else report


def prove(candidate: Candidate, binding: Binding) -> Report:
    """Run the checks alone that say whose `candidate` is and that it is whole: they are quick."""
    return _report(candidate, binding, _PROOFS)


def _report(candidate: Candidate, binding: Binding | None, checks: Iterable[Check]) -> Report:
    sections = tuple(_section(check, candidate, binding) for check in checks)
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


def _against(candidate: Candidate, report: Report, known: Known) -> Iterator[Section]:
    """Hold a candidate against what the registry knows."""
    if known.before is not None:
        asked = report.facts(powers.NAME)
        yield change.section(candidate, report.signer, asked, known.before)
    if known.naming is not None:
        yield names.section(known.naming)
    if known.advisories is not None:
        yield advisories.section(candidate, known.advisories)


def _section(check: Check, candidate: Candidate, binding: Binding | None) -> Section:
    found = check.check(candidate, binding)
    if found is None:
        return Section(check.NAME, Outcome.SKIPPED)
    findings = tuple(found)
    rules = _RULES.get(check.NAME, str)()
    facts = _FACTS[check.NAME](candidate) if check.NAME in _FACTS else {}
    return Section(check.NAME, Outcome.of(findings), findings, rules, facts)
