"""Agents: the original validator's verdicts, the real agents, and what becomes of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry_core import archives
from registry_core.archives import Entry
from registry_core.errors import InvalidPackage, TooLarge
from registry_core.formats import agent
from registry_core.names import Kind

MINIMAL = {"name": "foo", "version": "1.0.0", "description": "Does it.", "author": "@me"}


def an_agent(**more: Any) -> tuple[Entry, ...]:
    return (
        Entry("agent.yaml", json.dumps(MINIMAL | more).encode()),
        Entry("system-prompt.md", b"You help."),
    )


def test_every_vector_is_decided_as_the_original_registry_and_command_line_do(
    shared: Path,
) -> None:
    vectors = json.loads((shared / "data/agentx/agent_yaml_vectors.json").read_text())
    assert len(vectors) == 68
    for vector in vectors:
        faults = agent.validate(vector["input"])
        assert list(faults) == vector.get("server_details", []), vector["name"]
        if not faults:
            whole = agent.complete(vector["input"])
            only_cli = {"allowed_tools", "schedule", "pre_run"}
            stored = {key: value for key, value in whole.items() if key not in only_cli}
            assert stored == vector["stored"], vector["name"]
            assert (not agent.lint(vector["input"])) == vector["cli_ok"], vector["name"]


def test_the_real_agents_are_read_whole(shared: Path) -> None:
    folders = sorted((shared / "data/agentx/agents").iterdir())
    assert len(folders) == 14
    for folder in folders:
        candidate = agent.read_entries(archives.read_folder(folder))
        assert candidate.name == folder.name
        assert candidate.notes == ()
        assert candidate.readme == (folder / "README.md").read_text()
        assert agent.read(candidate.artifact) == candidate


def test_powers_are_what_the_manifest_asks_for() -> None:
    powers = agent.read_entries(
        an_agent(
            permissions={"network": True, "filesystem": True, "execute_commands": True},
            mcp_servers={"github": {"command": "npx", "args": ["-y", "x"]}},
            secrets=[{"name": "TOKEN"}],
            allowed_tools=["mcp__github__*"],
            pre_run=[{"command": "make"}],
        )
    ).powers
    assert powers.network == ("*",)
    assert powers.filesystem == "write"
    assert powers.commands == ("*", "mcp__github__*", "npx -y x")
    assert powers.environment == ("TOKEN",)
    assert powers.hooks == ("make",)
    assert powers.mcp_servers == ("github",)


def test_a_minimal_agent_asks_for_nothing_and_introduces_itself_by_its_prompt() -> None:
    candidate = agent.read_entries(an_agent(category="data", tags=["sql", "data"]))
    assert candidate.kind is Kind.AGENT
    assert not candidate.powers
    assert candidate.readme == "You help."
    assert candidate.license == "MIT"
    assert (candidate.tags, candidate.category) == (("sql", "data"), "data")


def test_what_only_the_command_line_checks_becomes_a_note_and_is_left_out() -> None:
    candidate = agent.read_entries(an_agent(allowed_tools="x", zzz=1)[:1])
    assert candidate.notes == (
        "agent.yaml: allowed_tools: Expected array, received string",
        "agent.yaml: the key 'zzz' is unknown",
        "there is no system-prompt.md",
    )
    assert "allowed_tools" not in candidate.manifest


def test_a_wrapping_folder_is_taken_off() -> None:
    wrapped = [Entry(f"foo-1.0.0/{e.path}", e.data) for e in an_agent()]
    candidate = agent.read(archives.write_tar_gz(wrapped))
    assert [file.path for file in candidate.files] == ["agent.yaml", "system-prompt.md"]
    assert candidate.artifact == archives.write_tar_gz(wrapped)


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"", "is no mapping"),
        (b"\xff", "is not UTF-8"),
        (b"name: a\nname: b", r"agent\.yaml:2: the key 'name' stands there twice"),
        (b"a: &b [1]\nc: *b", "aliases are refused"),
        (b"name: foo", r"agent\.yaml: version: Required \(and 2 more\)"),
        (b"version: 1.0", r"name: Required \(and 3 more\)"),
    ],
)
def test_a_manifest_that_is_wrong_is_refused_at_its_place(data: bytes, fault: str) -> None:
    with pytest.raises(InvalidPackage, match=fault):
        agent.read_entries((Entry("agent.yaml", data),))


def test_an_archive_without_a_manifest_is_refused() -> None:
    with pytest.raises(InvalidPackage, match=r"there is no agent\.yaml at the top"):
        agent.read_entries((Entry("a/agent.yaml", b""), Entry("b", b"")))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
KEYS = sorted({*agent._AGENT.fields, *agent._COMMAND_LINE})


@settings(deadline=None, max_examples=150)
@given(st.dictionaries(st.sampled_from(KEYS), JSON))
def test_any_values_are_validated_without_failing(values: dict[str, Any]) -> None:
    manifest = MINIMAL | values
    agent.lint(manifest)
    if not agent.validate(manifest):
        assert agent.complete(agent.complete(manifest)) == agent.complete(manifest)


@settings(deadline=None, max_examples=100)
@given(st.binary() | st.text().map(str.encode))
def test_bytes_at_random_are_refused(data: bytes) -> None:
    with pytest.raises((InvalidPackage, TooLarge)):
        agent.read(data)
    with pytest.raises((InvalidPackage, TooLarge)):
        agent.read_entries((Entry("agent.yaml", data),))
