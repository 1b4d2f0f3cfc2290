r"""The policy of a registry: what a finding does, by its rule or by how grave its check says it is.

    # policy.toml
    [severity]                      # of the severities hold, review and warning
    hold = "refuse"

    [rules]                         # a rule, or all rules of a check; the rule wins over the check
    "injection/archive-password" = "refuse"
    "hidden_text/confusable-word" = "hold"
    injection = "flag"

    [names]                         # what a new name is held against
    reserved = ["acme-internal"]    # nobody's: refused as a namespace and as a name
    popular_downloads = 100         # a name is popular from here on
    popular_days = 0                # or so many days after it was new; 0: age alone makes nothing

`refuse`, `hold` and `flag` are what a finding can do; `off` only notes it, where its check would
have flagged it. What a check refuses stays refused whatever a policy says, and of secrets nothing
can be said at all: there is no override. A policy is strict: an unknown word, and it is not read.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from registry_core.errors import Invalid
from registry_core.names import shown
from registry_core.verification.report import Finding, Outcome, Report, Section, Severity

MOST_BYTES = 64 * 1024

CHECKS_KNOWN = frozenset(
    {"schema", "coherence", "binding", "signature", "sizes", "hidden_text", "injection"}
    | {"names", "change", "advisories", "keys", "meaning"}
)
"""Checks whose findings a policy may weigh."""

_ACTIONS: Mapping[str, Severity] = {
    "refuse": Severity.BLOCK,
    "hold": Severity.HOLD,
    "flag": Severity.REVIEW,
    "off": Severity.NOTE,
}
_FLAGS = frozenset({Severity.WARNING, Severity.REVIEW})
_WEIGHED = (Severity.HOLD, Severity.REVIEW, Severity.WARNING)


@dataclass(frozen=True, slots=True)
class Names:
    """What a new name is held against."""

    reserved: frozenset[str] = frozenset()
    popular_downloads: int = 100
    popular_days: int = 0


@dataclass(frozen=True, slots=True)
class Policy:
    """What findings do. The default leaves each to its check."""

    severities: Mapping[str, str] = field(default_factory=dict)
    rules: Mapping[str, str] = field(default_factory=dict)
    names: Names = field(default_factory=Names)

    @property
    def digest(self) -> str:
        """The SHA-256 of what it says, the same however it is written down."""
        said = {
            "severity": dict(self.severities),
            "rules": dict(self.rules),
            "names": {
                "reserved": sorted(self.names.reserved),
                "popular_downloads": self.names.popular_downloads,
                "popular_days": self.names.popular_days,
            },
        }
        text = json.dumps(said, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def applied(self, report: Report) -> Report:
        """Return the report with the severities that this policy gives, and its digest."""
        sections = tuple(map(self._section, report.sections))
        return replace(report, sections=sections, policy=self.digest)

    def _section(self, section: Section) -> Section:
        if section.outcome is Outcome.SKIPPED or not section.findings:
            return section
        findings = tuple(map(self._finding, section.findings))
        return replace(section, findings=findings, outcome=Outcome.of(findings))

    def _finding(self, finding: Finding) -> Finding:
        action = self._action(finding)
        if action is None or finding.severity in {Severity.BLOCK, Severity.NOTE}:
            return finding
        if action == "off" and finding.severity not in _FLAGS:
            return replace(finding, severity=Severity.REVIEW)
        if action == "flag" and finding.severity in _FLAGS:
            return finding
        return replace(finding, severity=_ACTIONS[action])

    def _action(self, finding: Finding) -> str | None:
        check = finding.rule.partition("/")[0]
        if check == "secrets":
            return None
        by_rule = self.rules.get(finding.rule) or self.rules.get(check)
        return by_rule or self.severities.get(finding.severity)


def read(text: str, place: str = "policy") -> Policy:
    """Read a policy. Raises Invalid, naming the line."""
    source = _Source(text, place)
    if len(text) > MOST_BYTES:
        raise Invalid(f"{place}: a policy has at most {MOST_BYTES:,} characters")
    try:
        said = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Invalid(f"{place}: {error}", hint="A policy is a TOML file.") from None
    source.only(said, ("severity", "rules", "names"))
    severities = source.table(said, "severity")
    source.only(severities, _WEIGHED)
    for name, action in severities.items():
        source.action(name, action, may_be_off=name != Severity.HOLD)
    rules = source.table(said, "rules")
    for rule, action in rules.items():
        source.rule(rule)
        source.action(rule, action, may_be_off=True)
    return Policy(severities, rules, _names(source, source.table(said, "names")))


@dataclass(frozen=True, slots=True)
class _Source:
    """The text a policy is read from; refuses with the line of what is wrong."""

    text: str
    place: str

    def table(self, said: Mapping[str, Any], name: str) -> Mapping[str, Any]:
        found = said.get(name, {})
        if not isinstance(found, dict):
            raise self.wrong(name, "is no table", hint=f"Write [{name}].")
        return found

    def only(self, said: Mapping[str, Any], known: tuple[str, ...]) -> None:
        for name in said:
            if name not in known:
                raise self.wrong(name, "is unknown", hint=f"There are {', '.join(known)}.")

    def rule(self, rule: str) -> None:
        check = rule.partition("/")[0]
        if check == "secrets":
            hint = "Take it out of the policy; take the secret out of the package."
            raise self.wrong(rule, "cannot be said: secrets are refused without override", hint)
        if check not in CHECKS_KNOWN:
            hint = f"There are {', '.join(sorted(CHECKS_KNOWN))}."
            raise self.wrong(rule, "names no check that a policy may weigh", hint)

    def action(self, name: str, action: Any, *, may_be_off: bool) -> None:
        words = tuple(word for word in _ACTIONS if may_be_off or word != "off")
        if action not in words:
            raise self.wrong(name, f"is {shown(str(action))}", hint=f"Write {', '.join(words)}.")

    def wrong(self, name: str, what: str, hint: str) -> Invalid:
        lines = self.text.splitlines()
        at = next((n for n, line in enumerate(lines, 1) if name in line), 1)
        return Invalid(f"{self.place}:{at}: {shown(name)} {what}", hint=hint)


def _names(source: _Source, said: Mapping[str, Any]) -> Names:
    source.only(said, ("reserved", "popular_downloads", "popular_days"))
    reserved = said.get("reserved", [])
    if not isinstance(reserved, list) or not all(isinstance(name, str) for name in reserved):
        raise source.wrong("reserved", "is no list of names", hint='Write ["acme", "www"].')
    default = Names()
    for name in ("popular_downloads", "popular_days"):
        number = said.get(name, 0)
        if type(number) is not int or not 0 <= number <= 10**9:
            raise source.wrong(name, "is no whole number from 0 on", hint="Write it like 100.")
    return Names(
        frozenset(reserved),
        said.get("popular_downloads", default.popular_downloads),
        said.get("popular_days", default.popular_days),
    )
