"""What an update changes: powers, files, dependencies, signer, held against the version before.

    { "since": "1.0.0", "sha256": "..",
      "declared": {"network": ["*"]}, "seen": {"commands": ["curl"]},      what is new of the powers
      "files": {"added": [..], "changed": [..], "removed": [..]},
      "dependencies": {"added": [..], "changed": [..], "removed": [..]},
      "signer": {"was": "..", "now": ".."} }                               what is alike is left out

A power that is new in an update is marked for review: whoever installed the version before agreed
to less. What a declared `*` allowed already is not new.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from registry_core.formats import Candidate
from registry_core.verification.known import Before
from registry_core.verification.report import Finding, Outcome, Section, Severity

NAME = "change"

MOST = 100
"""Files of one kind of change that are listed, at most."""

_NAMED = 8


def section(
    candidate: Candidate, signer: str | None, asked: Mapping[str, Any], before: Before
) -> Section:
    """Hold a candidate, and what it asks for (`powers.facts`), against the version before."""
    new = _facts(candidate, signer, asked, before)
    findings = tuple(_findings(new, before))
    return Section(NAME, Outcome.of(findings), findings, facts=new)


def _findings(new: Mapping[str, Any], before: Before) -> Iterator[Finding]:
    """Mark every kind of power that is new."""
    for origin, words in (("declared", ""), ("seen", ", seen in text")):
        for kind, names in new.get(origin, {}).items():
            if kind in _unbounded(before):
                continue
            shown = ", ".join(names[:_NAMED]) + (", …" if len(names) > _NAMED else "")
            yield Finding(
                rule=f"{NAME}/new-{kind.replace('_', '-')}",
                severity=Severity.REVIEW,
                message=f"asks for {_WORDS[kind]} that {before.version} did not{words}: {shown}",
                fix="Say in its readme what it is for.",
            )


def _facts(
    candidate: Candidate, signer: str | None, asked: Mapping[str, Any], before: Before
) -> dict[str, Any]:
    """Return the difference, without what is alike."""
    found: dict[str, Any] = {
        "declared": _new(asked["declared"], before.declared),
        "seen": {} if before.seen is None else _new(asked["seen"], before.seen),
        "files": _difference({file.path: file.sha256 for file in candidate.files}, before.files),
        "dependencies": _difference(
            {needed.name: needed.requirement for needed in candidate.dependencies},
            before.dependencies,
        ),
        "signer": {} if signer == before.signer else {"was": before.signer, "now": signer},
    }
    changed = {name: value for name, value in found.items() if value}
    return {"since": before.version, "sha256": before.sha256, **changed}


_WORDS = {
    "network": "network hosts",
    "commands": "commands",
    "files": "files",
    "filesystem": "the file system",
    "environment": "environment variables",
    "hooks": "hooks",
    "mcp_servers": "MCP servers",
}


def _unbounded(before: Before) -> set[str]:
    """Return the kinds of which the version before asked for everything."""
    kinds = {kind for kind, names in before.declared.items() if "*" in names}
    return kinds | ({"files"} if before.declared.get("filesystem") == "write" else set())


def _new(now: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, list[str]]:
    new = {
        kind: [name for name in _names(names) if name not in _names(before.get(kind, ()))]
        for kind, names in now.items()
    }
    return {kind: names for kind, names in new.items() if names}


def _names(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def _difference(now: Mapping[str, str], before: Mapping[str, str]) -> dict[str, list[str]]:
    found = {
        "added": sorted(now.keys() - before.keys()),
        "changed": sorted(name for name in now.keys() & before.keys() if now[name] != before[name]),
        "removed": sorted(before.keys() - now.keys()),
    }
    return {how: names[:MOST] for how, names in found.items() if names}
