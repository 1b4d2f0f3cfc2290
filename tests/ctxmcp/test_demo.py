"""The demonstration: it shows what it says, and leaves nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from shell import Shell, process

from ctxmcp.cli.demo import Step
from registry_core.names import Kind


@pytest.fixture
def shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Shell:
    return Shell.at(tmp_path, monkeypatch, capsys)


def test_the_demo_runs_without_a_terminal_a_home_or_a_network_and_leaves_nothing(
    tmp_path: Path,
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    environment = {
        "TMPDIR": str(scratch),
        "CTXPKG_REGISTRY": "http://127.0.0.1:9",
        "CTXPKG_TOKEN": "ctxp_of_somebody_else_0000",
    }
    done = process(tmp_path, "-m", "ctxmcp", "demo", environment=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert list(scratch.iterdir()) == []
    # The compiled rules of the secret scanner are this user's cache, not the demo's.
    left = [path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()]
    assert all("secret-rules" in path.parts for path in left), left
    assert "BAD @demo/flaky-tests@1.1.0" in done.stdout
    assert done.stdout.count("(exit code 6: ") == 2
    assert "claude mcp add ctxmcp -- /" in done.stdout


def test_each_step_is_a_command_with_its_answer(shell: Shell) -> None:
    told = shell.ok("demo", "--json").json
    commands = [step["command"] for step in told["steps"]]
    for word in ("keygen", "publish", "search", "inspect", "trust", "install", "verify", "pack"):
        assert any(command.startswith(f"ctxmcp {word}") for command in commands), word
    published = [s["answer"] for s in told["steps"] if s["command"].startswith("ctxmcp publish")]
    kinds = {answer["kind"] for answer in published if "kind" in answer}
    assert kinds == {Kind.SKILL, Kind.AGENT, Kind.TOOL, Kind.CONTEXT}
    assert published[-1]["code"] == "rejected"
    assert [step["exit_code"] for step in told["steps"]].count(6) == 2
    assert not (shell.folder / "registry").exists()


def test_a_found_package_is_the_one_that_was_looked_for(shell: Shell) -> None:
    steps = shell.ok("demo", "--json").json["steps"]
    search = next(step for step in steps if step["command"].startswith("ctxmcp search"))
    assert search["answer"]["hits"][0]["ref"] == "@demo/flaky-tests@1.1.0"


def test_a_command_is_printed_as_it_is_typed() -> None:
    assert Step(("search", "two words", "-n", "3")).typed == 'ctxmcp search "two words" -n 3'
