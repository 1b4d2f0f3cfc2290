"""Running the checks over a candidate: `CHECKS` in their order, and those against what is known."""

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
from registry_core.verification.known import Known
from registry_core.verification.report import Binding, Check, Outcome, Report, Section

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

_FACTS = {paths.NAME: paths.facts, powers.NAME: powers.facts}
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
    coverage = signature.coverage(
        candidate,
        signed=outcomes[signature.NAME] is Outcome.PASSED,
        attested=outcomes[attestation.NAME] is Outcome.PASSED,
    )
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
