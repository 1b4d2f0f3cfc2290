"""Tools: the original validator's verdicts, the real tools, and text at random."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry_core.errors import InvalidPackage, TooLarge
from registry_core.formats import MAX_FILE, tool
from registry_core.names import Kind

SOURCE = """\
# ---
# name: word_count
# version: 1.0.0
# description: Count the words of a text.
# inputs: [{name: text, type: string, description: The text.}]
# outputs: {type: integer}
# capabilities: {network: true, filesystem: read-only, browser: true}
# runtime: {language: python, packages: [requests==2.32.3]}
# external_auth: [gmail.read]
# ---

def main(text):
    return len(text.split())
"""


def test_every_vector_is_decided_as_the_original_registry_does(shared: Path) -> None:
    vectors = json.loads((shared / "data/patchcat/frontmatter_vectors.json").read_text())
    given_sources = [vector for vector in vectors if "source" in vector]
    assert len(given_sources) == 69  # the 70th has no source: see the next test
    for vector in given_sources:
        if vector["ok"]:
            manifest = tool.read(vector["source"].encode()).manifest
            assert json.dumps(manifest, sort_keys=True) == json.dumps(
                vector["manifest"], sort_keys=True
            )
        else:
            with pytest.raises(InvalidPackage) as refusal:
                tool.read(vector["source"].encode())
            assert said(vector["error"]) in refusal.value.message, vector["name"]


def said(error: str) -> str:
    """Return the part of the original's words that ours has too."""
    prefix, _, fault = error.partition("schema validation: ")
    # An empty document is `undefined` in JavaScript, and null here.
    return {"(root): Required": "(root): "}.get(fault, fault) if prefix != error else ""


def test_a_description_may_be_long() -> None:
    long = SOURCE.replace("Count the words of a text.", "x" * 10_000)
    assert len(tool.read(long.encode()).description) == 10_000


def test_the_real_tools_are_read_and_agree_with_their_manifests(shared: Path) -> None:
    listed = json.loads((shared / "data/patchcat/seed-batch-manifests.json").read_text())
    manifests = {entry["manifest"]["name"]: entry["manifest"] for entry in listed}
    paths = sorted((shared / "data/patchcat/seed-batch").iterdir())
    assert len(paths) == 30
    for path in paths:
        candidate = tool.read(path.read_bytes(), path.name)
        assert candidate.notes == ()
        assert candidate.manifest == tool.complete(manifests[candidate.name])


def test_a_tool_is_one_file_kept_byte_for_byte() -> None:
    data = SOURCE.replace("\n", "\r\n").encode()
    candidate = tool.read(data, "other.py")
    assert (candidate.kind, candidate.name, candidate.version) == (Kind.TOOL, "word_count", "1.0.0")
    assert [(file.path, file.data) for file in candidate.files] == [("word_count.py", data)]
    assert candidate.artifact == data
    assert candidate.notes == ("the file is called 'other.py', not word_count.py",)


def test_powers_are_what_the_manifest_asks_for() -> None:
    powers = tool.read(SOURCE.encode()).powers
    assert powers.network == ("*",)
    assert powers.filesystem == "read"
    assert powers.commands == ("browser", "pip install requests==2.32.3")
    assert powers.environment == ("gmail.read",)


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"\xff", "not UTF-8"),
        (b"print(1)", "no `# ---` that opens"),
        (b"# ---\n# a: 1\n", "no `# ---` that closes"),
        (b"# ---\n# a: *b\n# ---\n", "manifest:2: aliases are refused"),
    ],
)
def test_a_source_without_a_readable_manifest_is_refused(data: bytes, fault: str) -> None:
    with pytest.raises(InvalidPackage, match=fault):
        tool.read(data)


def test_a_source_is_bounded() -> None:
    with pytest.raises(TooLarge):
        tool.read(SOURCE.encode() + b"#" * MAX_FILE)


@settings(deadline=None, max_examples=150)
@given(st.text(st.sampled_from(list("#- \r\n\tab:[]{}&*!1\ufeff\u2028"))) | st.text())
def test_text_at_random_is_refused(text: str) -> None:
    for source in (text, f"# ---\n{text}\n# ---\n"):
        with pytest.raises((InvalidPackage, TooLarge)):
            tool.read(source.encode("utf-8", "surrogatepass"))
