"""All checks together: real packages, the report, and bytes that somebody changed."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry_core.errors import Invalid, RegistryError
from registry_core.formats import Candidate, File, ctxpkg
from registry_core.names import Kind, PackageName, Version
from registry_core.signing import SigningKey
from registry_core.unicode import sanitize
from registry_core.verification import (
    CHECKS,
    NOT_LOOKED_AT,
    Binding,
    Outcome,
    Report,
    Severity,
    verify,
)

SHARED = Path(__file__).parents[3] / "../shared/data/ctxpkg"
KEY = SigningKey(bytes(range(32)))
SIGNER = "29e4280a24270d96370ca89da443c53e5d1d84c076fb7243dc0a75840a2e338d"

GOOD = [
    ("acme-auth-context-1.0.0", "auth-context", "1.0.0"),
    ("acme-auth-context-1.1.0", "auth-context", "1.1.0"),
    ("acme-auth-context-1.2.0", "auth-context", "1.2.0"),
    ("acme-review-skills-0.1.0", "review-skills", "0.1.0"),
    ("acme-review-skills-0.2.0", "review-skills", "0.2.0"),
    ("acme-secret-plan-0.9.0-rc.1+build.5-PRIVATE", "secret-plan", "0.9.0-rc.1+build.5"),
    ("acme-secret-plan2-1.0.0-PRIVATE", "secret-plan2", "1.0.0"),
    ("acme__my-addon-0.2.0", "my-addon", "0.2.0"),
]


def at(name: str, version: str) -> Binding:
    return Binding(PackageName("acme", name), Version.parse(version))


@pytest.mark.parametrize(("file", "name", "version"), GOOD)
def test_a_real_package_passes_every_check(shared: Path, file, name, version):
    data = (shared / f"data/ctxpkg/{file}.ctxpkg").read_bytes()
    report = verify(ctxpkg.read(data), at(name, version))
    assert (report.outcome, list(report.findings)) == (Outcome.PASSED, [])
    assert report.signer == SIGNER
    assert [section.check for section in report.sections] == [check.NAME for check in CHECKS]


@pytest.mark.parametrize(
    ("file", "rule"),
    [
        ("acme-auth-context-1.0.0-UNSIGNED", "signature/missing"),
        ("auth-context-1.0.0-UNSCOPED", "binding/malformed-name"),
        ("acme-leaky-skills-1.0.0-SECRETS", "secrets/aws_key"),
    ],
)
def test_a_real_package_that_must_be_refused_is_for_its_own_reason(shared: Path, file, rule):
    report = verify(ctxpkg.read((shared / f"data/ctxpkg/{file}.ctxpkg").read_bytes()))
    assert [finding.rule for finding in report.blocking] == [rule]
    assert report.outcome is Outcome.FAILED


def test_a_real_package_is_not_another_one(shared: Path):
    data = (shared / "data/ctxpkg/acme-review-skills-0.1.0.ctxpkg").read_bytes()
    report = verify(ctxpkg.read(data), at("auth-context", "0.1.1"))
    assert [finding.rule for finding in report.blocking] == ["binding/name", "binding/version"]


def test_a_report_is_stored_as_plain_json_and_read_back_equal(shared: Path):
    for file in sorted((shared / "data/ctxpkg").glob("*.ctxpkg")):
        report = verify(ctxpkg.read(file.read_bytes()))
        assert Report.from_json(json.loads(json.dumps(report.as_json()))) == report


def test_a_report_says_what_was_not_looked_at():
    report = verify(Candidate("skill", Kind.SKILL, "", "", b"x", "text/markdown"))
    assert report.skipped == NOT_LOOKED_AT
    outcomes = {section.check: section.outcome for section in report.sections}
    assert outcomes == {
        "schema": Outcome.SKIPPED,
        "coherence": Outcome.SKIPPED,
        "binding": Outcome.PASSED,
        "integrity": Outcome.SKIPPED,
        "signature": Outcome.WARNED,
        "attestation": Outcome.SKIPPED,
        "sizes": Outcome.PASSED,
        "paths": Outcome.PASSED,
        "secrets": Outcome.PASSED,
        "hidden_text": Outcome.PASSED,
        "injection": Outcome.PASSED,
        "powers": Outcome.PASSED,
    }
    versions = {section.check: section.rules for section in report.sections if section.rules}
    assert versions.keys() == {"secrets", "hidden_text", "injection"}
    assert report.as_json()["outcome"] == "warned"
    assert (report.signer, report.covered) == (None, ())


GOOD_REPORT = verify(Candidate("skill", Kind.SKILL, "", "", b"x", "text/markdown")).as_json()


@pytest.mark.parametrize(
    "stored",
    [
        {},
        {"schema": "ctxmcp-trust-report-v1"},
        {**GOOD_REPORT, "schema": "v0"},
        {**GOOD_REPORT, "sections": 1},
        {**GOOD_REPORT, "sections": [{}]},
        {**GOOD_REPORT, "sections": [{"check": "x", "outcome": "great", "findings": []}]},
        {**GOOD_REPORT, "sections": [{"check": "x", "outcome": "passed", "findings": [{}]}]},
    ],
)
def test_what_is_no_report_is_refused(stored):
    with pytest.raises(Invalid, match="trust report"):
        Report.from_json(stored)


@cache
def originals() -> tuple[bytes, ...]:
    """Give a package of our own, and the real ones where they are at hand."""
    ours = ctxpkg.write(
        kind=Kind.SKILL,
        name=PackageName("acme", "x"),
        version=Version.parse("1.0.0"),
        description="d",
        files=[File("SKILL.md", b"# x\n" * 9), File("run.sh", b"echo\n", executable=True)],
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        key=KEY,
        tool_version="0.1.0",
    )
    return (
        ours,
        *((SHARED / f"{file}.ctxpkg").read_bytes() for file, _, _ in GOOD if SHARED.is_dir()),
    )


def refuses_or_means_the_same(data: bytes, original: bytes) -> bool:
    """Whether changed bytes are refused, or still say exactly what their publisher signed."""
    try:
        changed = ctxpkg.read(data)
    except RegistryError:
        return True
    report, signed = verify(changed), ctxpkg.read(original)
    if report.signer is None or report.blocking:
        return True
    if not report.not_covered and changed.manifest != signed.manifest:
        return False
    return (changed.name, changed.version, json.dumps(changed.content)) == (
        signed.name,
        signed.version,
        json.dumps(signed.content),
    )


@settings(deadline=None)
@given(st.data())
def test_no_package_with_a_flipped_bit_verifies_as_anything_else(data):
    original = data.draw(st.sampled_from(originals()))
    position = data.draw(st.integers(0, len(original) * 8 - 1))
    changed = bytearray(original)
    changed[position // 8] ^= 1 << position % 8
    assert refuses_or_means_the_same(bytes(changed), original)


@settings(deadline=None)
@given(st.data())
def test_no_package_with_a_piece_cut_moved_or_added_verifies_as_anything_else(data):
    original = data.draw(st.sampled_from(originals()))
    places = st.integers(0, len(original))
    start, end = sorted((data.draw(places), data.draw(places)))
    piece = data.draw(st.sampled_from([b"", b" ", b"\0", b'"', b"{}", b",", original[start:end]]))
    length = data.draw(st.integers(0, 40))
    changed = original[:start] + piece + original[start + length :]
    assert refuses_or_means_the_same(changed, original)


def test_every_flipped_bit_of_a_signed_content_is_found():
    original = originals()[0]
    signed_from = original.index(b'"content":') + len(b'"content":')
    drawn = random.Random(1)
    for _ in range(300):
        changed = bytearray(original)
        changed[drawn.randrange(signed_from, len(original) - 1)] ^= 1 << drawn.randrange(8)
        assert refuses_or_means_the_same(bytes(changed), original)


@pytest.mark.parametrize(
    ("said", "claimed"),
    [(b"@acme/x", b"@acme/y"), (b'"1.0.0"', b'"1.0.1"')],
    ids=["name", "version"],
)
def test_another_name_or_version_breaks_the_signature(said, claimed):
    report = verify(ctxpkg.read(originals()[0].replace(said, claimed, 1)))
    assert {"integrity/sha256", "signature/invalid"} <= {f.rule for f in report.blocking}
    assert report.signer is None


def test_changed_metadata_without_an_attestation_verifies_and_the_report_does_not_claim_otherwise():
    whole = json.loads(originals()[0])
    whole["manifest"]["description"] = "Another description."
    whole["manifest"]["dependencies"] = [{"name": "@evil/x", "version_req": "*"}]
    del whole["attestation"]
    report = verify(ctxpkg.read(json.dumps(whole).encode()))
    assert report.signer == KEY.public_key
    assert {"description", "dependencies"} <= set(report.not_covered)
    assert all(f.severity is not Severity.BLOCK for f in report.findings)


TEXT = st.text(st.characters(codec="utf-8"), max_size=40).map(lambda text: sanitize(text).text)
FILES = st.dictionaries(
    st.text("abcdefgh", min_size=1, max_size=8).map(lambda stem: f"docs/{stem}.md"),
    TEXT.map(str.encode) | st.just(b"\xff\xfe\xfd"),
    min_size=1,
    max_size=6,
)


@settings(deadline=None)
@given(FILES, TEXT, st.lists(TEXT, max_size=3), st.sampled_from(["1.0.0", "0.1.0-rc.1+b"]))
def test_whatever_is_written_is_read_back_and_verifies(files, description, tags, version):
    data = ctxpkg.write(
        kind=Kind.SKILL,
        name=PackageName("acme", "x"),
        version=Version.parse(version),
        description=description,
        files=[File(path, content) for path, content in files.items()],
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        key=KEY,
        tool_version="0.1.0",
        tags=tags,
        content_extra={"session": {description: tags}},
    )
    found = ctxpkg.read(data)
    assert {file.path: file.data for file in found.files} == files
    assert (found.description, list(found.tags)) == (description, tags)
    assert not verify(found, at("x", version)).blocking
