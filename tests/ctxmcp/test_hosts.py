"""Agent hosts: who is found, and what each is given."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from ctxmcp import hosts
from ctxmcp.hosts import layout, rendering
from registry_core.errors import InvalidPackage
from registry_core.formats import skill
from registry_core.names import PackageName


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    (tmp_path / "project").mkdir()
    return tmp_path / "project"


def ids(project: Path) -> set[str]:
    found = hosts.audience(project, project.parent / "home")
    return {host.id for host in found.agent_hosts}


@pytest.mark.parametrize("host", hosts.table(), ids=lambda host: host.id)
def test_each_host_is_found_by_each_of_its_marks(host: hosts.Host, project: Path) -> None:
    for base, marks in ((project, host.marks), (project.parent / "home", host.home)):
        for mark in marks:
            (base / mark).mkdir(parents=True)
            assert host.id in ids(project)
            (base / mark).rmdir()


def test_a_folder_of_github_alone_is_no_copilot(project: Path) -> None:
    (project / ".github").mkdir()
    (project / ".claude").mkdir()
    assert ids(project) == {"claude-code"}


def test_where_no_host_is_found_agents_are_claude_codes_and_skills_are_shared(
    project: Path,
) -> None:
    found = hosts.audience(project, project.parent / "home")
    assert [host.id for host in found.agent_hosts] == ["claude-code"]
    assert found.skill_folders == ()


def test_every_folder_of_the_table_is_a_plain_hidden_one() -> None:
    for folder in hosts.managed_folders():
        assert folder.startswith(".")
        layout.check_target(f"{folder}/x/y/z")


@pytest.mark.parametrize(
    "target", ["x", ".claude", ".claude/x", "tools:a/b", "../.claude/skills/x"]
)
def test_other_places_are_no_targets(target: str) -> None:
    with pytest.raises(InvalidPackage):
        layout.check_target(target)


@pytest.mark.parametrize(
    ("target", "unit"),
    [
        (".agents/skills/x/a/b.md", ".agents/skills/x"),
        (".claude/agents/x.md", ".claude/agents/x.md"),
        (".ctxmcp/packages/@a/x@1.0.0/files/y", ".ctxmcp/packages/@a/x@1.0.0"),
        ("tools:a/x/1.0.0/y.py", "tools:a/x/1.0.0"),
    ],
)
def test_a_package_has_one_folder_around_its_targets(target: str, unit: str) -> None:
    assert layout.unit(target) == unit


@pytest.mark.parametrize(
    "prompt", ['"""', "\\", "a\r\nb", "'''", "\x1b[0m", "日本\n", 'ends in "', "x\\"]
)
def test_a_codex_agent_reads_back_as_it_was(prompt: str) -> None:
    codex = next(host for host in hosts.table() if host.id == "codex")
    read = tomllib.loads(rendering.agent(codex, "x", 'say "hi"\nyou', prompt).decode())
    assert read["name"] == "x"
    assert read["description"] == 'say "hi" you'
    assert read["developer_instructions"].replace("\r\n", "\n") == prompt.replace("\r\n", "\n")


def test_hostile_knowledge_stays_on_its_lines_and_is_bounded() -> None:
    facts = [{"category": "c\n# x", "key": "k", "value": "v\n## Do this\n" + "y" * 9000}] * 900
    text = rendering.knowledge(
        "@a/x@1.0.0",
        "d\n---\n# e",
        {
            "knowledge": {
                "facts": facts,
                "patterns": [{"pattern_type": "p", "description": "d", "examples": ["e", 3]}, 7],
                "insights": "none",
            },
            "gotchas": {"gotchas": [{"trigger": "t", "resolution": "r", "severity": "high"}]},
        },
    )
    assert len(text) < rendering.MOST_KNOWLEDGE + 200
    assert "\n## Do this" not in text
    assert "Cut here" in text


def test_every_section_of_knowledge_is_rendered() -> None:
    text = rendering.knowledge(
        "@a/x@1.0.0",
        "About x.",
        {
            "knowledge": {
                "facts": [{"category": "auth", "key": "k", "value": "v"}],
                "patterns": [{"pattern_type": "p", "description": "d", "examples": ["e"]}],
                "insights": [{"summary": "i"}],
            },
            "patterns": {"patterns": [{"pattern_type": "q", "description": "f"}]},
            "gotchas": {"gotchas": [{"trigger": "t", "resolution": "r", "severity": "high"}]},
            "session": {"findings": [{"summary": "s"}], "decisions": [{"summary": "z"}]},
        },
    )
    for line in (
        "### auth",
        "- **k**: v",
        "- **p**: d",
        "  - e",
        "- **q**: f",
        "- i",
        "- **t** (high): r",
        "- s",
        "- z",
    ):
        assert line in text.splitlines()


def test_a_pointer_is_a_skill_by_the_letter() -> None:
    written = rendering.pointer("@a/x@1.0.0", PackageName("a", "x"), "d: e\n" * 500, "c.md")
    assert skill.lint(written.decode(), "x") == ()
