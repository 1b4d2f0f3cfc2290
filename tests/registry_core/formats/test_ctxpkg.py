"""The .ctxpkg reader and writer: real packages, every trap, and the same bytes each time."""

from __future__ import annotations

import base64
import doctest
import hashlib
import importlib.util
import json
import subprocess
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import zstandard

from registry_core.errors import Invalid, InvalidPackage, TooLarge
from registry_core.formats import Dependency, File, Powers, Visibility, ctxpkg
from registry_core.names import Kind, PackageName, Version
from registry_core.signing import SigningKey, is_valid
from registry_core.verification import Outcome, verify

KEY = SigningKey(bytes(range(32)))
MOMENT = datetime(2026, 11, 21, 21, 12, 22, 908580, tzinfo=UTC)
KNOWLEDGE = {
    "knowledge": {
        "facts": [],
        "patterns": [],
        "insights": [],
        "exported_at": "2026-11-21T21:12:22Z",
    }
}
ADDON_TOML = '[addon]\nname = "@acme/x"\n\n[mcp]\ncommand = "my-addon"\nargs = ["serve"]\n'


def write(**changes: Any) -> bytes:
    """Write a small skill package, with `changes`."""
    return ctxpkg.write(
        **{
            "kind": Kind.SKILL,
            "name": PackageName("acme", "x"),
            "version": Version.parse("1.0.0"),
            "description": "d",
            "files": [File("SKILL.md", b"# x\n")],
            "created_at": MOMENT,
            "key": KEY,
            "tool_version": "0.1.0",
            **changes,
        }
    )


def blob(path: str = "a.md", data: bytes = b"plain", **changes: object) -> dict[str, object]:
    packed = zstandard.ZstdCompressor().compress(data)
    return {
        "path": path,
        "sha256": hashlib.sha256(data).hexdigest(),
        "encoding": "zstd+base64",
        "body": base64.b64encode(packed).decode(),
        **changes,
    }


def bundle(content: object, **manifest: object) -> bytes:
    """Make a package whose manifest says `manifest` and whose digests nobody has computed."""
    fields: dict[str, object] = {
        "schema_version": 2,
        "name": "@acme/x",
        "version": "1.0.0",
        "description": "",
        "created_at": "2026-01-01T00:00:00Z",
        "layers": [],
        "integrity": {"sha256": "", "content_hash": "", "byte_size": 1},
        "provenance": {"tool": "t", "tool_version": "1"},
        **manifest,
    }
    return json.dumps({"manifest": fields, "content": content}).encode()


def documents(*blobs: object) -> bytes:
    return bundle({"documents": {"files": list(blobs)}}, kind="skills")


def test_the_worked_example_of_the_module_is_true():
    assert doctest.testmod(ctxpkg).attempted > 0
    assert doctest.testmod(ctxpkg).failed == 0


REVIEW = ("scripts/setup.sh", "skills/commit.md", "skills/empty.md", "skills/review.md")


@pytest.mark.parametrize(
    ("file", "said", "paths"),
    [
        ("acme-auth-context-1.0.0", "context @acme/auth-context 1.0.0 public", ()),
        ("acme-auth-context-1.0.0-UNSIGNED", "context @acme/auth-context 1.0.0 public", ()),
        ("acme-auth-context-1.1.0", "context @acme/auth-context 1.1.0 public", ()),
        ("acme-auth-context-1.2.0", "context @acme/auth-context 1.2.0 public", ()),
        ("auth-context-1.0.0-UNSCOPED", "context auth-context 1.0.0 public", ()),
        (
            "acme-secret-plan-0.9.0-rc.1+build.5-PRIVATE",
            "context @acme/secret-plan 0.9.0-rc.1+build.5 private",
            (),
        ),
        ("acme-secret-plan2-1.0.0-PRIVATE", "context @acme/secret-plan2 1.0.0 private", ()),
        (
            "acme-leaky-skills-1.0.0-SECRETS",
            "skill @acme/leaky-skills 1.0.0 public",
            ("creds.md",),
        ),
        ("acme-review-skills-0.1.0", "skill @acme/review-skills 0.1.0 public", REVIEW),
        (
            "acme__my-addon-0.2.0",
            "addon @acme/my-addon 0.2.0 public",
            ("m.wasm", "lean-ctx-addon.toml"),
        ),
    ],
)
def test_a_real_package_is_read(shared: Path, file, said, paths):
    data = (shared / f"data/ctxpkg/{file}.ctxpkg").read_bytes()
    found = ctxpkg.read(data)
    assert f"{found.kind} {found.name} {found.version} {found.visibility}" == said
    assert tuple(entry.path for entry in found.files) == paths
    assert (found.format, found.artifact) == ("ctxpkg", data)
    assert all(digest.expected == digest.found for digest in found.digests)
    signature = found.signature
    if "UNSIGNED" in file:
        assert signature is None
    else:
        assert signature
        assert is_valid(signature.value, signature.message, signature.public_key)


def test_a_real_skill_package_gives_its_texts(shared: Path):
    path = shared / "data/ctxpkg/acme-review-skills-0.2.0.ctxpkg"
    found = ctxpkg.read(path.read_bytes())
    assert found.readme == "# Commit style\nimperative\n"
    assert found.tags == ("skills", "review")
    empty, review = found.file("skills/empty.md"), found.file("skills/review.md")
    assert empty
    assert empty.data == b""
    assert review
    assert review.text == "# Review checklist\n- tests\n- docs 日本語\n"


def test_a_real_addon_says_what_it_starts(shared: Path):
    found = ctxpkg.read((shared / "data/ctxpkg/acme__my-addon-0.2.0.ctxpkg").read_bytes())
    assert found.powers == Powers(commands=("my-addon",), mcp_servers=("@acme/my-addon",))
    manifest = found.file("lean-ctx-addon.toml")
    assert manifest
    assert manifest.text
    assert manifest.text.startswith("[addon]")


def test_a_reindented_copy_of_a_package_is_the_same_package(shared: Path):
    data = (shared / "data/ctxpkg/acme-auth-context-1.1.0.ctxpkg").read_bytes()
    tabs = data.replace(b"\n", b"\r\n").replace(b"  ", b"\t")
    found = ctxpkg.read(tabs)
    assert found.digests == ctxpkg.read(data).digests
    assert verify(found).outcome is Outcome.PASSED


def test_what_is_written_is_read_back_whole_and_verifies():
    files = [
        File("SKILL.md", b"# Review\n"),
        File("scripts/run.sh", b"#!/bin/sh\n", executable=True),
        File("empty", b""),
        File("日本/é.bin", bytes(range(256))),
    ]
    needs = (Dependency("@acme/base", "^1.2"), Dependency("@acme/more", "*", optional=True))
    data = write(
        files=files,
        description='quotes " and \\ and \u2028 and \x7f and 😀',
        author="Ada",
        license="MIT",
        tags=("a", "b"),
        dependencies=needs,
        visibility=Visibility.PRIVATE,
    )
    found = ctxpkg.read(data)
    assert sorted(found.files, key=lambda f: f.path) == sorted(files, key=lambda f: f.path)
    assert (found.kind, found.name, found.version) == (Kind.SKILL, "@acme/x", "1.0.0")
    assert found.description == 'quotes " and \\ and \u2028 and \x7f and 😀'
    assert (found.author, found.license, found.tags) == ("Ada", "MIT", ("a", "b"))
    assert (found.dependencies, found.visibility) == (needs, Visibility.PRIVATE)
    assert found.readme == "# Review\n"
    assert found.signature
    assert found.signature.public_key == KEY.public_key
    report = verify(found)
    # The description holds what people do not see, so that one check speaks, and no other.
    failed = {section.check for section in report.sections if section.outcome is Outcome.FAILED}
    assert (failed, report.signer) == ({"hidden_text"}, KEY.public_key)


AGENT = b"""name: x
version: 1.0.0
description: Reviews.
author: "@acme"
permissions: {network: true}
"""
TOOL = b"""# ---
# name: main
# version: 1.0.0
# description: Prints.
# outputs: {type: string}
# capabilities: {filesystem: read-only}
# runtime: {language: python, python_version: "3.12"}
# ---
print()
"""


KIND_FILES = {
    Kind.CONTEXT: [],
    Kind.SKILL: [File("SKILL.md", b"# x\n")],
    Kind.AGENT: [File("agent.yaml", AGENT), File("prompt.md", b"You review.\n")],
    Kind.TOOL: [File("main.py", TOOL)],
    Kind.ADDON: [
        File("lean-ctx-addon.toml", ADDON_TOML.encode()),
        File("m.wasm", b"\0asm\1\0\0\0"),
    ],
    Kind.GRAMMAR: [],
}


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_is_written_and_read_back(kind):
    extra = KNOWLEDGE if kind is Kind.CONTEXT else None
    data = write(kind=kind, files=KIND_FILES[kind], content_extra=extra)
    found = ctxpkg.read(data)
    assert found.kind is kind
    assert {f.path: f.data for f in found.files} == {f.path: f.data for f in KIND_FILES[kind]}
    assert verify(found).outcome is Outcome.PASSED
    assert found.manifest["layers"] == (["knowledge"] if kind is Kind.CONTEXT else [])


def test_the_same_input_gives_the_same_bytes_in_any_order_and_zone():
    files = [File("b", b"2" * 5000), File("a", b"1")]
    later = MOMENT.astimezone(timezone(timedelta(hours=2)))
    assert write(files=files) == write(files=files[::-1], created_at=later)
    assert json.loads(write())["manifest"]["created_at"] == "2026-11-21T21:12:22.908580Z"


@pytest.mark.parametrize(
    "changes",
    [
        {"created_at": MOMENT.replace(tzinfo=None)},
        {"files": [File("a", b""), File("A", b"")]},
        {"files": [File("../a", b"")]},
        {"files": [File("a", b"x" * (1024 * 1024 + 1))]},
        {"files": [File(f"{number}", b"") for number in range(257)]},
        {"kind": Kind.CONTEXT},
        {"kind": Kind.ADDON},
        {"description": "\ud800"},
        {"content_extra": {"graph": float("nan")}},
        {"content_extra": {"graph": object()}},
    ],
)
def test_what_could_not_be_read_is_not_written(changes):
    with pytest.raises(Invalid):
        write(**changes)


@pytest.mark.clients
@pytest.mark.parametrize("kind", [Kind.CONTEXT, Kind.SKILL, Kind.ADDON, Kind.GRAMMAR])
def test_the_real_client_finds_what_is_written_valid(tmp_path: Path, kind):
    found = importlib.util.find_spec("thinkery_leanctx_engine")
    if found is None or found.origin is None:
        pytest.skip("the lean-ctx engine is not installed")
    program = Path(found.origin).with_name("bin") / "lean-ctx"
    package = tmp_path / "x.ctxpkg"
    extra = KNOWLEDGE if kind is Kind.CONTEXT else None
    private = Visibility.PRIVATE
    package.write_bytes(
        write(
            kind=kind,
            files=KIND_FILES[kind],
            license="MIT",
            visibility=private,
            content_extra=extra,
        )
    )
    said = subprocess.run(
        [program, "pack", "verify", package],
        env={"HOME": str(tmp_path), "__LEAN_CTX_NO_DAEMON": "1", "LEAN_CTX_TELEMETRY": "off"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert said.stdout.startswith("VALID"), said.stdout + said.stderr
    assert said.stdout.count("pass") == 4


@pytest.mark.parametrize(
    ("manifest", "place"),
    [
        ({"name": 1}, "manifest.name"),
        ({"version": None}, "manifest.version"),
        ({"schema_version": "2"}, "manifest.schema_version"),
        ({"schema_version": True}, "manifest.schema_version"),
        ({"schema_version": 2.0}, "manifest.schema_version"),
        ({"description": None}, "manifest.description"),
        ({"author": ["a"]}, "manifest.author"),
        ({"license": {}}, "manifest.license"),
        ({"tags": "a,b"}, "manifest.tags"),
        ({"tags": [1]}, "manifest.tags[0]"),
        ({"tags": None}, "manifest.tags"),
        ({"executables": {}}, "manifest.executables"),
        ({"kind": None}, "manifest.kind"),
        ({"kind": "skill"}, "manifest.kind"),
        ({"kind": "theme"}, "manifest.kind"),
        ({"kind": ["skills"]}, "manifest.kind"),
        ({"visibility": "internal"}, "manifest.visibility"),
        ({"visibility": None}, "manifest.visibility"),
        ({"dependencies": {"@acme/a": "1"}}, "manifest.dependencies"),
        ({"dependencies": ["@acme/a"]}, "manifest.dependencies[0]"),
        ({"dependencies": [{"name": "@acme/a"}]}, "manifest.dependencies[0].version_req"),
        (
            {"dependencies": [{"name": "@acme/a", "version_req": "1", "optional": 1}]},
            "manifest.dependencies[0].optional",
        ),
        ({"integrity": None}, "manifest.integrity"),
        ({"integrity": {"sha256": "", "content_hash": ""}}, "manifest.integrity.byte_size"),
        (
            {"integrity": {"sha256": "", "content_hash": "", "byte_size": 91.0}},
            "manifest.integrity.byte_size",
        ),
        (
            {"integrity": {"sha256": 1, "content_hash": "", "byte_size": 1}},
            "manifest.integrity.sha256",
        ),
        ({"signature": "x"}, "manifest.signature"),
        ({"signature": {}}, "manifest.signature.algorithm"),
        (
            {"signature": {"algorithm": "rsa", "public_key": "", "value": ""}},
            "manifest.signature.algorithm",
        ),
        ({"signature": {"algorithm": "ed25519", "value": ""}}, "manifest.signature.public_key"),
        (
            {"signature": {"algorithm": "ed25519", "public_key": "", "value": 1}},
            "manifest.signature.value",
        ),
    ],
)
def test_a_manifest_of_the_wrong_shape_is_refused_at_its_place(manifest, place):
    with pytest.raises(InvalidPackage) as refused:
        ctxpkg.read(bundle({}, **manifest))
    assert refused.value.place == place


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ([], "content"),
        (None, "content"),
        ("x", "content"),
        ({"documents": []}, "content.documents"),
        ({"documents": {"files": {}}}, "content.documents.files"),
        ({"documents": {"files": [1]}}, "content.documents.files[0]"),
        ({"documents": {"files": [{}]}}, "content.documents.files[0].path"),
        ({"addon": []}, "content.addon"),
        ({"addon": {}}, "content.addon.manifest_toml"),
        ({"addon": {"manifest_toml": 1}}, "content.addon.manifest_toml"),
        ({"addon": {"manifest_toml": "a = "}}, "content.addon.manifest_toml"),
        ({"addon": {"manifest_toml": "a = " + "9" * 5000}}, "content.addon.manifest_toml"),
        ({"addon": {"manifest_toml": "a = " + "[" * 9000}}, "content.addon.manifest_toml"),
        ({"addon": {"manifest_toml": "a." * 9000 + "a = 1"}}, "content.addon.manifest_toml"),
        ({"addon": {"manifest_toml": " " * 70000}}, "content.addon.manifest_toml"),
        ({"addon": {"manifest_toml": "mcp = 1"}}, "content.addon.manifest_toml.mcp"),
        (
            {"addon": {"manifest_toml": "[mcp]\ncommand = 1"}},
            "content.addon.manifest_toml.mcp.command",
        ),
        ({"addon": {"manifest_toml": "", "modules": [[]]}}, "content.addon.modules[0]"),
    ],
)
def test_content_of_the_wrong_shape_is_refused_at_its_place(content, place):
    with pytest.raises(InvalidPackage) as refused:
        ctxpkg.read(bundle(content))
    assert refused.value.place == place


@pytest.mark.parametrize("member", ["manifest", "content"])
def test_a_missing_or_repeated_top_level_member_is_refused(member):
    whole = json.loads(bundle({}))
    with pytest.raises(InvalidPackage, match=f"{member}: is missing"):
        ctxpkg.read(json.dumps({key: whole[key] for key in whole if key != member}).encode())
    twice = bundle({})[:-1] + f', "{member}": {{}}}}'.encode()
    with pytest.raises(InvalidPackage, match=f"the key '{member}' stands twice"):
        ctxpkg.read(twice)


def test_other_top_level_members_are_tolerated_and_noted():
    whole = {**json.loads(write()), "extra": 1}
    assert "'extra'" in ctxpkg.read(json.dumps(whole).encode()).notes[0]
    assert "'extra'" not in str(ctxpkg.read(write()).notes)


def test_a_null_payload_and_a_null_signature_count_as_absent():
    found = ctxpkg.read(bundle({"documents": None, "addon": None}, signature=None, author=None))
    assert (found.files, found.signature, found.author) == ((), None, "")


def test_an_upper_case_key_and_signature_are_read_in_lower_case():
    whole = json.loads(write())
    signature = whole["manifest"]["signature"]
    signature["public_key"] = signature["public_key"].upper()
    signature["value"] = signature["value"].upper()
    del whole["attestation"]  # which has the manifest as it was written
    found = ctxpkg.read(json.dumps(whole, ensure_ascii=False).encode())
    assert found.signature
    assert found.signature.public_key == KEY.public_key
    assert verify(found).outcome is Outcome.PASSED


def test_more_than_8_mib_is_too_large():
    with pytest.raises(TooLarge):
        ctxpkg.read(write() + b" " * (8 * 1024 * 1024))


@pytest.mark.parametrize(
    ("paths", "readme"),
    [
        (["a.md", "SKILL.md", "ReadMe.MD"], "ReadMe.MD"),
        (["a.md", "docs/README.md", "SKILL.md"], "SKILL.md"),
        (["b.txt", "docs/z.md", "docs/a.md"], "docs/z.md"),
        (["b.txt"], ""),
    ],
)
def test_the_readme_is_the_file_a_reader_would_open_first(paths, readme):
    found = ctxpkg.read(documents(*(blob(path, path.encode()) for path in paths)))
    assert found.readme == readme


@pytest.mark.parametrize(
    "paths",
    [
        [""],
        ["/a"],
        ["a\\b"],
        ["c:a"],
        ["a//b"],
        ["a/"],
        ["./a"],
        ["a/.."],
        ["..foo"],
        ["a/..b/c"],
        ["a\n"],
        ["a\x7f"],
        ["a" * 513],
        ["a" * 256],
        ["é" * 128],
        ["a", "a"],
        ["a", "A"],
        ["é", "e\u0301"],
        ["ß/x", "SS/x"],
        ["a", "a/b"],
        ["a/b", "A"],
        ["a/b/c", "a-b", "a/b"],
    ],
)
def test_paths_that_a_folder_cannot_hold_are_refused(paths):
    with pytest.raises(InvalidPackage):
        ctxpkg.read(documents(*map(blob, paths)))


def test_paths_at_the_edge_are_read():
    paths = ["a" * 255, "/".join(["b" * 127] * 4), "a...", ".hidden", "x y", "a/b", "a-b"]
    assert [f.path for f in ctxpkg.read(documents(*map(blob, paths))).files] == paths


def test_a_module_cannot_take_the_place_of_the_addon_manifest():
    content = {"addon": {"manifest_toml": "", "modules": [blob("Lean-Ctx-Addon.toml")]}}
    with pytest.raises(InvalidPackage, match="same file"):
        ctxpkg.read(bundle(content, kind="addon"))


def test_an_addon_over_http_names_its_address_and_environment():
    toml = '[mcp]\nurl = "https://example.com/mcp"\n[mcp.env]\nTOKEN = "x"\n'
    found = ctxpkg.read(bundle({"addon": {"manifest_toml": toml}}, kind="addon"))
    assert found.powers == Powers(
        network=("https://example.com/mcp",), environment=("TOKEN",), mcp_servers=("@acme/x",)
    )


def test_what_an_agent_a_tool_and_a_skill_ask_for_is_read_from_their_own_words():
    asking = b"---\nname: x\ndescription: y\nallowed-tools: Bash(git:*) Read\n---\n"
    powers = {
        kind: ctxpkg.read(write(kind=kind, files=files)).powers
        for kind, files in (
            (Kind.AGENT, [File("agent.yaml", AGENT)]),
            (Kind.TOOL, [File("main.py", TOOL)]),
            (Kind.SKILL, [File("SKILL.md", asking)]),
        )
    }
    assert powers[Kind.AGENT].network == ("*",)
    assert powers[Kind.TOOL].filesystem == "read"
    assert powers[Kind.SKILL].commands == ("Bash(git:*)", "Read")


def test_an_agent_and_a_tool_have_to_be_what_they_say_and_a_skill_need_not():
    for kind, path in ((Kind.AGENT, "agent.yaml"), (Kind.TOOL, "main.py")):
        with pytest.raises(InvalidPackage):
            ctxpkg.read(write(kind=kind, files=[File(path, b"name: x")]))
    found = ctxpkg.read(write(kind=Kind.SKILL, files=[File("SKILL.md", b"# No frontmatter")]))
    assert "SKILL.md cannot be read" in found.notes[0]
