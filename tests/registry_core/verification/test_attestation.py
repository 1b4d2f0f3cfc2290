"""Attestations: what is stated is recomputed, and nothing stated is believed."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry_core import canonical, dsse
from registry_core.errors import Invalid, InvalidPackage, RegistryError, TooLarge
from registry_core.formats import Dependency, File, Visibility, ctxpkg
from registry_core.formats.attestation import PAYLOAD_TYPE, Pledge, commitment
from registry_core.names import Kind, PackageName, Version
from registry_core.signing import SigningKey
from registry_core.verification import Outcome, Report, Severity, verify

KEY = SigningKey(bytes(range(32)))
OTHER = SigningKey(bytes(32))
PLEDGE = Pledge(prev="0" * 64, next=commitment(OTHER.public_key), recovery="f" * 64)
AGENT = b"""name: x
version: 1.0.0
description: Reviews.
author: "@acme"
permissions: {network: true}
"""


def write(**changes: Any) -> dict[str, Any]:
    """Write a package that has something of everything, as parsed JSON."""
    data = ctxpkg.write(
        **{
            "kind": Kind.SKILL,
            "name": PackageName("acme", "x"),
            "version": Version.parse("1.0.0"),
            "description": "Sorts imports – and prunes them.",
            "files": [File("run.sh", b"echo\n", executable=True), File("SKILL.md", b"# x\n")],
            "created_at": datetime(2026, 1, 1, tzinfo=UTC),
            "key": KEY,
            "tool_version": "0.1.0",
            "dependencies": [
                Dependency("@acme/base", "^1"),
                Dependency("@acme/more", "*", optional=True),
            ],
            "visibility": Visibility.PRIVATE,
            "pledge": PLEDGE,
            **changes,
        }
    )
    whole: dict[str, Any] = json.loads(data)
    return whole


def judged(whole: dict[str, Any]) -> Report:
    return verify(ctxpkg.read(json.dumps(whole, ensure_ascii=False).encode()))


def blocking(whole: dict[str, Any]) -> list[str]:
    return [finding.rule for finding in judged(whole).blocking]


def restated(payload: bytes, *keys: SigningKey, kind: str = PAYLOAD_TYPE) -> dict[str, Any]:
    """Write a package whose attestation is another one, well signed."""
    return {**write(), "attestation": dsse.sign(kind, payload, keys or [KEY]).as_json()}


def stated() -> dict[str, Any]:
    payload: dict[str, Any] = json.loads(base64.b64decode(write()["attestation"]["payload"]))
    return payload


def test_what_is_packed_here_is_covered_whole():
    report = judged(write())
    assert report.outcome is Outcome.PASSED
    assert {"name", "content", "description", "dependencies", "visibility"} <= set(report.covered)
    assert report.not_covered == ()


def test_what_is_stated_is_the_release_and_what_its_publisher_pledges():
    found = stated()
    assert found.pop("manifest")
    assert found == {
        "name": "@acme/x",
        "version": "1.0.0",
        "kind": "skill",
        "description": "Sorts imports – and prunes them.",
        "visibility": "private",
        "files": [
            {
                "path": "SKILL.md",
                "size": 4,
                "sha256": File("", b"# x\n").sha256,
                "executable": False,
            },
            {
                "path": "run.sh",
                "size": 5,
                "sha256": File("", b"echo\n").sha256,
                "executable": True,
            },
        ],
        "dependencies": [
            {"name": "@acme/base", "requirement": "^1", "optional": False},
            {"name": "@acme/more", "requirement": "*", "optional": True},
        ],
        "powers": {
            "network": [],
            "commands": [],
            "filesystem": "",
            "environment": [],
            "hooks": [],
            "mcp_servers": [],
        },
        "key": KEY.public_key,
        "prev": "0" * 64,
        "next": commitment(OTHER.public_key),
        "recovery": "f" * 64,
    }
    assert canonical.encode(stated()) == base64.b64decode(write()["attestation"]["payload"])


def test_powers_are_stated_as_they_are_read():
    whole = write(kind=Kind.AGENT, files=[File("agent.yaml", AGENT), File("p.md", b"You.\n")])
    found = json.loads(base64.b64decode(whole["attestation"]["payload"]))
    assert found["powers"]["network"]
    assert blocking(whole) == []


def test_a_package_that_attests_nothing_is_let_in_and_said_to_be_uncovered():
    whole = write()
    del whole["attestation"]
    report = judged(whole)
    assert report.blocking == ()
    assert {"description", "dependencies", "visibility"} <= set(report.not_covered)
    whole["attestation"] = None
    assert judged(whole).not_covered == report.not_covered


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("description", "Another.", {"attestation/description", "attestation/manifest"}),
        ("visibility", "public", {"attestation/visibility", "attestation/manifest"}),
        ("dependencies", [], {"attestation/dependencies", "attestation/manifest"}),
        (
            "dependencies",
            [
                {"name": "@acme/base", "version_req": "^1"},
                {"name": "@evil/base", "version_req": "*", "optional": True},
            ],
            {"attestation/dependencies", "attestation/manifest"},
        ),
        ("executables", [], {"attestation/files", "attestation/manifest"}),
        ("tags", ["popular"], {"attestation/manifest"}),
        ("license", "MIT", {"attestation/manifest"}),
        ("author", "Somebody", {"attestation/manifest"}),
        ("created_at", "2020-01-01T00:00:00Z", {"attestation/manifest"}),
    ],
)
def test_a_manifest_that_was_edited_after_it_was_attested_is_refused(field, value, expected):
    whole = write()
    whole["manifest"][field] = value
    assert set(blocking(whole)) == expected


def test_white_space_and_the_order_of_members_change_nothing():
    whole = write()
    whole = dict(reversed(whole.items()))
    assert judged(whole).not_covered == ()
    assert verify(ctxpkg.read(json.dumps(whole, indent="\t").encode())).blocking != ()  # \u escapes
    text = json.dumps(whole, indent="\t", ensure_ascii=False)
    assert verify(ctxpkg.read(text.encode())).not_covered == ()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"name": "@acme/y"}, "attestation/name"),
        ({"version": "1.0.1"}, "attestation/version"),
        ({"kind": "agent"}, "attestation/kind"),
        ({"files": []}, "attestation/files"),
        ({"files": {}}, "attestation/files"),
        ({"powers": {}}, "attestation/powers"),
        ({"manifest": "0" * 64}, "attestation/manifest"),
        ({"key": OTHER.public_key}, "attestation/signature"),
        ({"prev": "x"}, "attestation/prev"),
        ({"prev": None}, "attestation/prev"),
        ({"next": "A" * 64}, "attestation/next"),
        ({"recovery": 1}, "attestation/recovery"),
        ({"approved": True}, "attestation/unknown"),
        ({"dependencies": [{"name": "@acme/base", "requirement": "^1", "optional": 0}]}, None),
    ],
)
def test_a_statement_that_is_not_true_is_refused_whoever_signed_it(change, expected):
    found = blocking(restated(canonical.encode({**stated(), **change})))
    assert found[0] == (expected or "attestation/dependencies")


@pytest.mark.parametrize("member", sorted(stated().keys() - {"prev", "next", "recovery"}))
def test_a_statement_that_leaves_something_out_is_refused(member):
    payload = stated()
    del payload[member]
    assert "attestation/missing" in blocking(restated(canonical.encode(payload)))


@pytest.mark.parametrize("member", ["prev", "next", "recovery"])
def test_what_a_publisher_need_not_pledge_may_be_left_out(member):
    payload = stated()
    del payload[member]
    assert blocking(restated(canonical.encode(payload))) == []


def test_the_statement_has_to_be_signed_by_the_key_of_the_package():
    payload = canonical.encode(stated())
    assert blocking(restated(payload, OTHER)) == ["attestation/signature"]
    assert blocking(restated(payload, KEY, OTHER)) == []
    others = canonical.encode({**stated(), "key": OTHER.public_key})
    assert blocking(restated(others, OTHER)) == ["attestation/key"]
    assert blocking(restated(others, OTHER, KEY)) == ["attestation/key"]


def test_a_second_signature_that_does_not_hold_refuses_the_whole():
    whole = restated(canonical.encode(stated()), KEY, OTHER)
    whole["attestation"]["signatures"][1]["sig"] = whole["attestation"]["signatures"][0]["sig"]
    assert blocking(whole) == ["attestation/signature"]


def test_an_attestation_of_one_release_says_nothing_for_another():
    whole = {**write(), "attestation": write(version=Version.parse("1.0.1"))["attestation"]}
    assert "attestation/version" in blocking(whole)


def test_another_form_of_the_same_json_is_refused():
    assert blocking(restated(json.dumps(stated()).encode())) == ["attestation/canonical"]


def test_an_envelope_of_another_type_is_ignored_and_noted():
    whole = restated(b"not even JSON", kind="application/vnd.other+json")
    found = ctxpkg.read(json.dumps(whole, ensure_ascii=False).encode())
    assert found.attestation is None
    assert "another type" in found.notes[-1]
    assert "description" in verify(found).not_covered


@pytest.mark.parametrize(
    "attestation",
    [
        {},
        [],
        "x",
        1,
        {"payload": "", "payloadType": PAYLOAD_TYPE, "signatures": []},
        dsse.sign(PAYLOAD_TYPE, b"[]", [KEY]).as_json(),
        dsse.sign(PAYLOAD_TYPE, b'{"name": "a", "name": "b"}', [KEY]).as_json(),
        dsse.sign(PAYLOAD_TYPE, b'{"a":' * 200 + b"1" + b"}" * 200, [KEY]).as_json(),
    ],
)
def test_an_attestation_that_is_none_is_no_package(attestation):
    with pytest.raises(InvalidPackage, match="attestation"):
        ctxpkg.read(json.dumps({**write(), "attestation": attestation}).encode())


def test_what_is_too_large_to_attest_is_not_written():
    with pytest.raises(TooLarge):
        write(description="d" * (dsse.MAX_PAYLOAD + 1))


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_no_changed_bit_of_an_attested_package_is_let_in_as_attested(data):
    original = json.dumps(write(), ensure_ascii=False, indent=1).encode()
    position = data.draw(st.integers(0, len(original) * 8 - 1))
    changed = bytearray(original)
    changed[position // 8] ^= 1 << position % 8
    try:
        found = ctxpkg.read(bytes(changed))
    except RegistryError:
        return
    report = verify(found)
    if report.blocking or report.not_covered:
        return
    same = ctxpkg.read(original)
    assert (found.manifest, found.content) == (same.manifest, same.content)


@settings(deadline=None, max_examples=60)
@given(
    st.dictionaries(
        st.sampled_from([*stated(), "other"]),
        st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=9) | st.lists(st.none()),
    )
)
def test_whatever_a_publisher_states_it_is_judged_and_nothing_is_raised(change):
    try:
        payload = canonical.encode({**stated(), **change})
    except Invalid:
        return
    report = judged(restated(payload))
    lies = {n for n, value in change.items() if n not in stated() or stated()[n] != value}
    assert bool(report.blocking) == bool(lies)
    assert all(finding.severity is Severity.BLOCK for finding in report.findings)
