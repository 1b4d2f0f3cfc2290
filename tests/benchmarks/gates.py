"""Our gates on labelled texts, beside the figures measured for the candidates of their making.

    python tests/benchmarks/gates.py [--data FOLDER]

`secrets(text, kind)` and `injection(text, kind)` are the real checks over a package of one text;
the verdict is refuse, hold, review or clean. The labelled sets (`secrets.jsonl.gz`,
`injection.jsonl.gz`) are read from FOLDER. Their texts are data: they are weighed, never followed,
printed or fetched. Thresholds were set on these sets: a set held out says more.
"""

from __future__ import annotations

import argparse
import gzip
import json
import resource
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT)]

from registry_core.formats import Candidate, File
from registry_core.names import Kind
from registry_core.verification import Severity, hidden_text
from registry_core.verification import injection as injection_check
from registry_core.verification import secrets as secrets_check

DATA = ROOT / "../shared/data/scan/dev"
VERDICTS = {Severity.BLOCK: "refuse", Severity.HOLD: "hold", Severity.REVIEW: "review"}
ORDER = ("clean", "review", "hold", "refuse")


def secrets(text: str, kind: str) -> dict[str, Any]:
    """Say what the check for credentials makes of a text."""
    return _answer(secrets_check.check(_package(text, kind), None))


def injection(text: str, kind: str) -> dict[str, Any]:
    """Say what the check for malware delivery and orders to agents makes of a text."""
    return _answer(injection_check.check(_package(text, kind), None))


def hidden(text: str, kind: str) -> dict[str, Any]:
    """Say what the check for hidden text makes of a text."""
    return _answer(hidden_text.check(_package(text, kind), None))


def _package(text: str, kind: str) -> Candidate:
    """Make a package of a text: a document of a skill, a tool's description, a fact."""
    data = text.encode("utf-8", "replace")
    fields: dict[str, Any] = {"kind": Kind.SKILL, "files": (File("SKILL.md", data),)}
    if kind == "tool_desc":
        fields = {"kind": Kind.TOOL, "description": text}
    elif kind == "snippet":
        fields = {"kind": Kind.CONTEXT, "content": {"facts": [{"value": text}]}}
    made = {"format": "ctxpkg", "name": "", "version": "", "artifact": b"", "media_type": ""}
    return Candidate(**(made | fields))


def _answer(found: Any) -> dict[str, Any]:
    findings = list(found)
    severities = {finding.severity for finding in findings}
    verdict = next((word for severity, word in VERDICTS.items() if severity in severities), "clean")
    return {
        "flagged": verdict != "clean",
        "verdict": verdict,
        "warned": Severity.WARNING in severities,
        "findings": [f"{f.rule} {f.severity} {f.place}" for f in findings],
    }


def rows(folder: Path, name: str) -> Iterator[dict[str, Any]]:
    """Read a labelled set."""
    with gzip.open(folder / f"{name}.jsonl.gz", "rt", encoding="utf-8") as file:
        yield from map(json.loads, file)


def measure(
    label: str,
    found: list[dict[str, Any]],
    gate: Callable[[str, str], dict[str, Any]],
    group: Callable[[dict[str, Any]], str],
) -> dict[str, dict[str, int]]:
    """Count verdicts by group, and print how fast that was."""
    gate("warm up", "skill")
    counts: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    start, size = time.perf_counter(), 0
    for row in found:
        answer = gate(row["text"], row["kind"])
        size += len(row["text"])
        cell = counts[group(row)]
        cell["n"] += 1
        cell[answer["verdict"]] += 1
        cell["warned"] += answer["warned"]
    elapsed = time.perf_counter() - start
    print(
        f"\n{label}: {size / elapsed / 1e6:.1f} MB/s, {6000 * elapsed / size * 1e3:.2f} ms a 6 kB"
    )
    return counts


def table(counts: dict[str, dict[str, int]], least: str, sheet: dict[str, str]) -> None:
    """Print the share of each group at and above a verdict, and of each verdict."""
    print(f"  {'':34}{'n':>6}{'at ' + least:>11}{'refuse':>8}{'hold':>7}{'review':>8}   the sheet")
    worse = ORDER[ORDER.index(least) :]
    for name, cell in sorted(counts.items()):
        total = cell["n"]
        shares = [
            sum(cell[word] for word in worse),
            *(cell[w] for w in ("refuse", "hold", "review")),
        ]
        line = "".join(
            f"{100 * n / total:>{w}.1f}%" for n, w in zip(shares, (10, 7, 6, 7), strict=True)
        )
        print(f"  {name:34}{total:>6}{line}   {sheet.get(name, '')}")


SECRETS_SHEET = {
    "+ betterleaks, tier 1": "93.9",
    "+ detect-secrets, tier 1": "56.0 (12 of its plugins' own formats)",
    "+ formats, tier 1": "89.2; wanted: 92",
    "+ gitleaks, tier 1": "89.5",
    "- betterleaks, tier 1": "1 of 138",
    "- gitleaks, tier 1": "0 of 155",
    "- real-skills, tier 0": "0.01 refused, 0.5 warned; wanted: 0.03 refused",
}
INJECTION_SHEET = {
    "+ P1 real malware": "92; wanted: 92",
    "+ P2 written malicious skills": "25-29",
    "+ P3 one line in a real skill": "4-7",
    "+ P4 poisoned tool descriptions": "68-76; wanted: 75",
    "+ P5 override and jailbreak": "29-42",
    "+ P6 plain tasks": "0",
    "- N1 real skills and documents": "1.0-1.6, of that 0.1-0.4 held; wanted: 1.5, 0.4",
    "- N2 real, about security": "0.8-3.2",
    "- N3 real, other registries": "2.5-2.9",
    "- N4 trigger words": "0",
    "- N5 real tool descriptions": "0.3",
}
_POSITIVE = {
    "malskills-clawhub": "P1 real malware",
    "tomevault-live-malware": "P1 real malware",
    "bipia-attacks": "P6 plain tasks",
    "ASB-attack-instructions": "P6 plain tasks",
}
_REAL_ELSEWHERE = ("malskills-benign", "skillscan-benign", "skill-inject-clean", "atr-skill-benign")


def injection_group(row: dict[str, Any]) -> str:
    """Name the column of the sheet a text belongs to."""
    source, kind = row["source"], row["kind"]
    if row["label"]:
        return f"+ {_POSITIVE.get(source) or _positive(source, kind)}"
    if source.startswith("real-"):
        security = source.endswith("SECTOPIC")
        return "- N2 real, about security" if security else "- N1 real skills and documents"
    if source in _REAL_ELSEWHERE:
        return "- N3 real, other registries"
    if kind == "tool_desc":
        return "- N5 real tool descriptions"
    return "- N4 trigger words" if source == "NotInject" else "- N6 other harmless texts"


def _positive(source: str, kind: str) -> str:
    if kind == "tool_desc":
        return "P4 poisoned tool descriptions"
    if source.startswith("skill-inject"):
        return "P3 one line in a real skill"
    written = kind in {"skill", "doc"}
    return "P2 written malicious skills" if written else "P5 override and jailbreak"


def secrets_group(row: dict[str, Any]) -> str:
    """Name a row of the sheet's table of secrets."""
    return f"{'+' if row['label'] else '-'} {row['source']}, tier {row['tier']}"


def hidden_group(row: dict[str, Any]) -> str:
    """Tell real documents from the rest."""
    return "- real documents" if row["source"].startswith("real") else "other texts"


def main(folder: Path) -> None:
    """Print every table."""
    found = list(rows(folder, "secrets"))
    table(measure("secrets", found, secrets, secrets_group), "refuse", SECRETS_SHEET)
    found = list(rows(folder, "injection"))
    counts = measure("malware and injection", found, injection, injection_group)
    table(counts, "review", INJECTION_SHEET)
    sheet = {"- real documents": "0.2 of 9,724"}
    table(measure("hidden text", found, hidden, hidden_group), "refuse", sheet)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"\n{injection_check.rules()}; {secrets_check.rules()}; at most {peak:.0f} MB of memory")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=DATA)
    main(parser.parse_args().data)
