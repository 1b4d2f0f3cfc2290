"""The policy of a registry: what it may say, what it may not, and what findings do by it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ctxmcp import settings, wiring
from registry_core import publish as publishing
from registry_core.callers import OWNER
from registry_core.errors import Invalid, Rejected
from registry_core.formats import ctxpkg
from registry_core.verification import Report, Severity, verify
from registry_core.verification.policy import Policy, read
from registry_core.verification.report import Finding, Outcome, Section
from world import SUSPECT, World, package

SECRET = "AKIA" + "QWERTYUIOPASDFGH"


def report(*findings: Finding) -> Report:
    section = Section("any", Outcome.of(findings), findings)
    return Report("0" * 64, (section,), None, (), (), ())


def one(policy: str, rule: str, severity: Severity) -> Severity:
    (finding,) = read(policy).applied(report(Finding(rule, severity, "m"))).findings
    return finding.severity


def test_the_default_leaves_each_finding_to_its_check():
    findings = [Finding("injection/x", severity, "m") for severity in Severity]
    applied = Policy().applied(report(*findings))
    assert list(applied.findings) == findings
    assert applied.policy == Policy().digest


@pytest.mark.parametrize(
    ("policy", "rule", "severity", "then"),
    [
        ('[severity]\nhold = "refuse"', "injection/x", Severity.HOLD, Severity.BLOCK),
        ('[severity]\nhold = "flag"', "injection/x", Severity.HOLD, Severity.REVIEW),
        ('[severity]\nreview = "hold"', "injection/x", Severity.REVIEW, Severity.HOLD),
        ('[severity]\nreview = "off"', "injection/x", Severity.REVIEW, Severity.NOTE),
        ('[severity]\nreview = "flag"', "injection/x", Severity.REVIEW, Severity.REVIEW),
        ('[severity]\nwarning = "hold"', "binding/x", Severity.WARNING, Severity.HOLD),
        ('[rules]\ninjection = "refuse"', "injection/x", Severity.REVIEW, Severity.BLOCK),
        ('[rules]\ninjection = "refuse"', "binding/x", Severity.WARNING, Severity.WARNING),
        ('[rules]\ninjection = "off"', "injection/x", Severity.WARNING, Severity.NOTE),
        # Off is for what is flagged: what is held is at least flagged.
        ('[rules]\ninjection = "off"', "injection/x", Severity.HOLD, Severity.REVIEW),
        # What is only noted was nothing, and is nothing.
        ('[rules]\ninjection = "refuse"', "injection/x", Severity.NOTE, Severity.NOTE),
        # What a check refuses stays refused.
        ('[rules]\nhidden_text = "flag"', "hidden_text/tag", Severity.BLOCK, Severity.BLOCK),
    ],
)
def test_a_policy_says_what_a_finding_does(policy, rule, severity, then):
    assert one(policy, rule, severity) is then


def test_the_rule_wins_over_its_check_and_the_check_over_the_severity():
    policy = """
        [severity]
        review = "off"
        [rules]
        injection = "hold"
        "injection/x" = "refuse"
    """
    assert one(policy, "injection/x", Severity.REVIEW) is Severity.BLOCK
    assert one(policy, "injection/y", Severity.REVIEW) is Severity.HOLD
    assert one(policy, "binding/y", Severity.REVIEW) is Severity.NOTE


def test_nothing_that_a_policy_says_lets_a_secret_in():
    made = package(files={"SKILL.md": f"key = {SECRET}"})
    policy = read('[severity]\nhold = "flag"\nreview = "off"\nwarning = "off"')
    found = policy.applied(verify(ctxpkg.read(made)))
    assert any(finding.rule.startswith("secrets/") for finding in found.blocking)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ('[severity]\nblock = "hold"', 2, "unknown"),
        ('[severity]\nhold = "off"', 2, "is 'off'"),
        ('\n[severity]\nhold = "ignore"', 3, "ignore"),
        ("[severity]\nhold = 1", 2, "is '1'"),
        ('[rules]\n"secrets/aws" = "flag"', 2, "without override"),
        ('[rules]\nsecrets = "refuse"', 2, "without override"),
        ('[rules]\nintegrity = "flag"', 2, "no check"),
        ('[rules]\ninjektion = "flag"', 2, "no check"),
        ("[more]\nx = 1", 1, "unknown"),
        ("rules = 3", 1, "no table"),
        ("[names]\npopular_downloads = -1", 2, "whole number"),
        ("[names]\npopular_days = true", 2, "whole number"),
        ('[names]\nreserved = "acme"', 2, "no list"),
        ("[rules]\ninjection = hold", 2, "line 2"),
    ],
)
def test_a_policy_that_cannot_be_kept_is_not_read_and_says_where(text, line, words):
    with pytest.raises(Invalid, match=words) as refused:
        read(text, "policy.toml")
    assert f"line {line}" in str(refused.value) or f"policy.toml:{line}:" in str(refused.value)
    assert refused.value.hint


def test_a_policy_is_named_by_what_it_says_not_by_how_it_is_written():
    one = read('[severity]\nhold = "refuse"\nreview = "off"')
    other = read('# ours\n[severity]\nreview = "off"\nhold = "refuse"\n[names]\n')
    assert one.digest == other.digest != Policy().digest


async def test_a_registry_refuses_holds_and_flags_by_its_policy(tmp_path: Path):
    file = tmp_path / "policy.toml"
    made = package(files={"SKILL.md": SUSPECT})
    for action in ("refuse", "hold", "flag"):
        file.write_text(f'[rules]\ninjection = "{action}"')
        read_ = settings.read(data_dir=tmp_path / action, environment={"CTXMCP_POLICY": str(file)})
        async with wiring.open_registry(read_) as registry:
            if action == "refuse":
                with pytest.raises(Rejected, match="malware_delivery"):
                    await publishing.publish(registry, OWNER, made)
                continue
            done = await publishing.publish(registry, OWNER, made)
            assert done.held is (action == "hold")
            assert done.report.as_json()["policy"] == registry.policy.digest
            assert Report.from_json(done.report.as_json()) == done.report


async def test_a_registry_does_not_open_with_a_bad_policy(tmp_path: Path):
    bad = tmp_path / "policy.toml"
    bad.write_text('[severity]\nhold = "ignore"')
    read_ = settings.read(data_dir=tmp_path / "data", environment={})
    for file, words in ((bad, "policy.toml:2"), (tmp_path / "none.toml", "cannot be read")):
        with pytest.raises(Invalid, match=words):
            async with wiring.open_registry(replace(read_, policy_file=file)):
                pass


async def test_every_report_names_the_policy(sqlite_world: World):
    done = await sqlite_world.publish("@acme/review")
    assert done.report.policy == Policy().digest
