"""Each check on its own: what it refuses, what it lets pass, and in which words."""

from __future__ import annotations

from typing import Any

import pytest

from registry_core.formats import (
    MAX_ARTIFACT,
    MAX_FILE,
    Candidate,
    Dependency,
    Digest,
    File,
    Powers,
    Signature,
)
from registry_core.names import Kind, PackageName, Version
from registry_core.signing import SigningKey
from registry_core.verification import (
    Binding,
    Severity,
    binding,
    coherence,
    integrity,
    paths,
    schema,
    signature,
    sizes,
    verify,
)

KEY = SigningKey(bytes(range(32)))
MANIFEST = {
    "schema_version": 2,
    "kind": "skills",
    "name": "@acme/x",
    "version": "1.0.0",
    "description": "",
    "created_at": "2026-11-21T21:15:33.666237262Z",
    "layers": [],
    "provenance": {"tool": "t", "tool_version": "1"},
}
AT = Binding(PackageName("acme", "x"), Version.parse("1.0.0"))


def bundle(**changes: Any) -> Candidate:
    fields: dict[str, Any] = {
        "format": "ctxpkg",
        "kind": Kind.SKILL,
        "name": "@acme/x",
        "version": "1.0.0",
        "artifact": b"",
        "media_type": "",
        "manifest": MANIFEST,
    }
    return Candidate(**(fields | changes))


def skill(**changes: Any) -> Candidate:
    return bundle(**({"format": "skill", "name": "", "version": "", "manifest": {}} | changes))


def rules(check: Any, candidate: Candidate, at: Binding | None = None) -> list[str]:
    found = check.check(candidate, at)
    return [f"{finding.rule} {finding.severity}" for finding in found]


def changed(**fields: object) -> Candidate:
    return bundle(manifest={**MANIFEST, **fields})


def without(field: str) -> Candidate:
    return bundle(manifest={key: MANIFEST[key] for key in MANIFEST if key != field})


STATS = {
    "knowledge_facts": 0,
    "graph_nodes": 0,
    "graph_edges": 0,
    "pattern_count": 0,
    "gotcha_count": 0,
    "compression_ratio": 0.0,
}


@pytest.mark.parametrize(
    ("candidate", "rule"),
    [
        (changed(schema_version=0), "schema-version"),
        (changed(schema_version=3), "schema-version"),
        (changed(schema_version=1, layers=["graph"]), "kind"),
        (changed(name=""), "name"),
        (changed(name="a:b"), "name"),
        (changed(name="@acmé/x"), "name"),
        (changed(name="a" * 129), "name"),
        (changed(version=""), "version"),
        (changed(version=".1"), "version"),
        (changed(version="1:0"), "version"),
        (changed(version="1" * 65), "version"),
        (changed(version="1.0.0\n"), "version"),
        (without("description"), "description"),
        (without("created_at"), "created-at"),
        (changed(created_at=1), "created-at"),
        (changed(created_at="2026-11-21"), "created-at"),
        (changed(created_at="2026-13-21T00:00:00Z"), "created-at"),
        (changed(created_at="2026-11-21T00:00:00"), "created-at"),
        (changed(updated_at="yesterday"), "updated-at"),
        (without("layers"), "layers"),
        (changed(layers="graph"), "layers"),
        (changed(layers=[["graph"]]), "layers"),
        (changed(layers=["graph", "graph"]), "layers"),
        (changed(layers=["vibes"]), "layers"),
        (changed(schema_version=1, kind="context"), "layers"),
        (without("provenance"), "provenance"),
        (changed(provenance={"tool": "t"}), "provenance"),
        (changed(provenance={"tool": "t", "tool_version": 1}), "provenance"),
        (
            changed(provenance={"tool": "t", "tool_version": "1", "project_hash": 1}),
            "provenance",
        ),
        (changed(stats=[]), "stats"),
        (changed(stats={**STATS, "graph_nodes": True}), "stats"),
        (changed(stats={key: 0 for key in STATS if key != "gotcha_count"}), "stats"),
        (changed(compatibility=1), "compatibility"),
        (changed(compatibility={"target_languages": "py"}), "compatibility"),
        (changed(scope=1), "scope"),
    ],
)
def test_a_manifest_field_with_a_value_outside_the_format_is_refused(candidate, rule):
    assert rules(schema, candidate) == [f"schema/{rule} block"]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"stats": STATS},
        {"updated_at": None},
        {"updated_at": "2026-11-21 21:15:33+02:00"},
        {"layers": ["knowledge", "graph", "session", "patterns", "gotchas", "checkpoint"]},
        {"schema_version": 1, "kind": "context", "layers": ["knowledge"]},
        {"compatibility": None},
        {"compatibility": {"min_lean_ctx_version": None, "target_languages": ["py"]}},
        {"marketplace": {"anything": []}, "conformance_level": 2, "graph_summary": None},
        {"version": "v1", "name": "unscoped"},
    ],
)
def test_what_the_real_engine_writes_or_tolerates_passes_the_schema(fields):
    assert rules(schema, changed(**fields)) == []


@pytest.mark.parametrize(
    "dependency", [Dependency("plain", "1"), Dependency("@acme/a", "newest"), Dependency("", "")]
)
def test_a_dependency_nobody_can_resolve_is_marked(dependency):
    candidate = bundle(dependencies=(Dependency("@acme/ok", "^1.2"), dependency))
    assert rules(schema, candidate) == ["schema/dependency warning"]


def test_schema_coherence_and_integrity_do_not_apply_to_other_formats():
    assert schema.check(skill(), None) is None
    assert coherence.check(skill(), None) is None
    assert integrity.check(skill(), None) is None


WASM = File("m.wasm", b"\0asm\1\0\0\0")
TOML = File("lean-ctx-addon.toml", b"[mcp]\n")
MD = File("a.md", b"")
DOCUMENTS = {"documents": {"files": [{"path": "a.md"}]}}
MCP = Powers(mcp_servers=("x",))


def holding(kind: Kind, *files: File, powers: Powers | None = None, **content: Any) -> Candidate:
    return bundle(kind=kind, files=files, content=content, powers=powers or Powers())


def modules(*paths: str) -> dict[str, Any]:
    return {"manifest_toml": "x", "modules": [{"path": path} for path in paths]}


KNOWLEDGE = {"facts": [], "patterns": [], "insights": [], "exported_at": ""}


@pytest.mark.parametrize(
    ("candidate", "rule"),
    [
        (holding(Kind.CONTEXT, MD, **DOCUMENTS), "documents"),
        (holding(Kind.GRAMMAR, MD, **DOCUMENTS), "documents"),
        (holding(Kind.ADDON, TOML, MD, powers=MCP, **DOCUMENTS), "documents"),
        (holding(Kind.CONTEXT, TOML, addon={}), "addon"),
        (holding(Kind.GRAMMAR, TOML, addon={}), "addon"),
        (holding(Kind.SKILL, MD, TOML, addon={}, **DOCUMENTS), "addon"),
        (holding(Kind.SKILL), "no-documents"),
        (holding(Kind.SKILL, documents=None), "no-documents"),
        (holding(Kind.SKILL, documents={"files": []}), "no-documents"),
        (holding(Kind.AGENT, MD, **DOCUMENTS), "agent"),
        (holding(Kind.AGENT, File("x/agent.yaml", b""), **DOCUMENTS), "agent"),
        (holding(Kind.TOOL, MD, **DOCUMENTS), "tool"),
        (holding(Kind.TOOL, File("a.py", b""), File("b.py", b""), **DOCUMENTS), "tool"),
        (
            holding(Kind.ADDON, File(TOML.path, b" \n"), WASM, addon=modules("m.wasm")),
            "addon-manifest",
        ),
        (holding(Kind.ADDON, TOML, addon={"manifest_toml": "x"}), "addon-payload"),
        (holding(Kind.ADDON, TOML, File("m.wasm", b"MZ"), addon=modules("m.wasm")), "module"),
        (holding(Kind.CONTEXT, knowledge=[]), "knowledge"),
        (holding(Kind.CONTEXT, knowledge={"facts": []}), "knowledge"),
        (holding(Kind.CONTEXT, checkpoint={}), "checkpoint"),
        (bundle(kind=Kind.CONTEXT, manifest={**MANIFEST, "layers": ["checkpoint"]}), "checkpoint"),
        (
            bundle(
                kind=Kind.CONTEXT,
                manifest={**MANIFEST, "layers": ["checkpoint"], "schema_version": 1},
                content={"checkpoint": {}},
            ),
            "checkpoint",
        ),
    ],
)
def test_a_payload_of_another_kind_is_refused(candidate, rule):
    assert rules(coherence, candidate) == [f"coherence/{rule} block"]


@pytest.mark.parametrize(
    "candidate",
    [
        holding(Kind.CONTEXT),
        holding(Kind.CONTEXT, documents=None, addon=None, knowledge=KNOWLEDGE),
        holding(Kind.GRAMMAR),
        holding(Kind.SKILL, MD, knowledge=KNOWLEDGE, **DOCUMENTS),
        holding(Kind.AGENT, File("agent.yaml", b""), **DOCUMENTS),
        holding(Kind.TOOL, MD, File("lib/a.py", b""), **DOCUMENTS),
        holding(Kind.ADDON, TOML, powers=MCP, addon={"manifest_toml": "x"}),
        holding(Kind.ADDON, TOML, WASM, addon=modules("m.wasm")),
        bundle(
            kind=Kind.CONTEXT,
            manifest={**MANIFEST, "layers": ["checkpoint"]},
            content={"checkpoint": {}},
        ),
    ],
)
def test_a_payload_of_its_own_kind_passes(candidate):
    assert rules(coherence, candidate) == []


def test_an_executable_that_is_no_file_is_marked():
    candidate = bundle(
        files=(MD,), content=DOCUMENTS, manifest={**MANIFEST, "executables": ["a.md", "b.sh"]}
    )
    assert rules(coherence, candidate) == ["coherence/executables warning"]


@pytest.mark.parametrize(
    ("candidate", "rule"),
    [
        (bundle(name="@acme/y"), "binding/name"),
        (bundle(name="@acne/x"), "binding/name"),
        (bundle(version="1.0.1"), "binding/version"),
        (bundle(version="1.0.0+build"), "binding/version"),
        (bundle(version="v1"), "binding/malformed-version"),
        (bundle(version="1..0"), "binding/malformed-version"),
        (bundle(version=""), "binding/malformed-version"),
        (bundle(name="x"), "binding/malformed-name"),
        (bundle(name="acme/x"), "binding/malformed-name"),
        (bundle(name="@acme/a/b"), "binding/malformed-name"),
        (bundle(name="@Acme/x"), "binding/malformed-name"),
        (bundle(name=""), "binding/malformed-name"),
        (skill(name="y"), "binding/name"),
        (skill(name="acne/x"), "binding/name"),
        (skill(version="2.0.0"), "binding/version"),
    ],
)
def test_a_package_that_says_another_name_or_version_is_refused(candidate, rule):
    assert rules(binding, candidate, AT) == [f"{rule} block"]


def test_name_and_version_of_a_bundle_are_judged_without_a_binding_too():
    assert rules(binding, bundle(name="x", version="1")) == [
        "binding/malformed-name block",
        "binding/malformed-version block",
    ]
    assert rules(binding, bundle(name="@other/y", version="2.0.0-rc.1")) == []


@pytest.mark.parametrize(
    "candidate", [bundle(), skill(), skill(name="x"), skill(name="acme/x", version="1.0.0")]
)
def test_a_package_that_says_nothing_else_passes(candidate):
    assert rules(binding, candidate, AT) == []


def test_free_text_of_other_formats_cannot_contradict_and_is_marked():
    assert rules(binding, skill(name="PDF tools", version="1.0"), AT) == [
        "binding/malformed-name warning",
        "binding/malformed-version warning",
    ]


def test_a_digest_that_is_not_of_the_bytes_is_refused_with_both():
    digests = (Digest("content_hash", "aa", "bb"), Digest("byte_size", "1", "1"))
    (found,) = integrity.check(bundle(digests=digests), None) or ()
    assert (found.rule, found.severity) == ("integrity/content-hash", Severity.BLOCK)
    assert found.message == "the manifest says 'aa', the bytes give bb"
    assert found.place == "manifest.integrity.content_hash"


def signed(message: bytes = b"m", **changes: str) -> Signature:
    fields = {"public_key": KEY.public_key, "value": KEY.sign(b"m"), **changes}
    return Signature(**fields, message=message)


@pytest.mark.parametrize(
    ("candidate", "expected"),
    [
        (bundle(signature=signed()), []),
        (bundle(), ["signature/missing block"]),
        (skill(), ["signature/missing warning"]),
        (skill(signature=signed()), []),
        (bundle(signature=signed(b"n")), ["signature/invalid block"]),
        (bundle(signature=signed(public_key="0" * 64)), ["signature/invalid block"]),
        (bundle(signature=signed(value="0" * 128)), ["signature/invalid block"]),
        (bundle(signature=signed(value="")), ["signature/malformed block"]),
        (bundle(signature=signed(value=KEY.sign(b"m") + "\n")), ["signature/malformed block"]),
        (bundle(signature=signed(public_key="g" * 64)), ["signature/malformed block"]),
        (
            bundle(signature=signed(public_key=f"{KEY.public_key[:62]} ff")),
            ["signature/malformed block"],
        ),
    ],
)
def test_a_signature_is_present_well_formed_and_the_keys(candidate, expected):
    assert rules(signature, candidate) == expected


def test_only_a_valid_signature_covers_and_the_metadata_with_an_attestation_alone():
    good = verify(bundle(signature=signed()))
    assert (good.signer, good.covered) == (KEY.public_key, ("name", "version", "content"))
    assert {"description", "dependencies", "visibility", "kind", "executables"} < set(
        good.not_covered
    )
    for candidate in (bundle(), skill(), bundle(signature=signed(b"n"))):
        bad = verify(candidate)
        assert (bad.signer, bad.covered) == (None, ())
        assert set(bad.not_covered) == {*good.covered, *good.not_covered}
    whole = signature.coverage(bundle(signature=signed()), signed=True, attested=True)
    assert (set(whole.covered), whole.not_covered) == (set(bad.not_covered), ())


def test_what_is_too_large_or_too_many_is_refused_and_the_edge_is_not():
    large, most = File("a", bytes(MAX_FILE + 1)), File("a", bytes(MAX_FILE))
    assert rules(sizes, bundle(artifact=bytes(MAX_ARTIFACT + 1))) == ["sizes/artifact block"]
    assert rules(sizes, bundle(files=(MD,) * 257)) == ["sizes/file-count block"]
    assert rules(sizes, bundle(files=(most, large))) == ["sizes/file block"]
    assert rules(sizes, bundle(files=(most,) * 8 + (File("b", b"x"),))) == ["sizes/total block"]
    assert rules(sizes, bundle(artifact=bytes(MAX_ARTIFACT), files=(most,) * 8)) == []


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["a", "b/c"], []),
        ([], []),
        (["../a"], ["paths/unsafe block"]),
        (["a", "A"], ["paths/unsafe block"]),
        (["a", "a/b"], ["paths/unsafe block"]),
        (["aux.md"], ["paths/portable warning"]),
        (["what?.md"], ["paths/portable warning"]),
    ],
)
def test_paths_are_judged_in_every_format(names, expected):
    assert rules(paths, skill(files=tuple(File(name, b"") for name in names))) == expected
