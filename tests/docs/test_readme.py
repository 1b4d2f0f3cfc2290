"""The README is true: its blocks run, its tables are what the program has."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ctxmcp import policy as installing
from ctxmcp.cli.endings import EXIT_CODES
from registry_core.operations import CATALOG
from registry_core.verification import policy

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(\S+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
SHELL = [block for language, block in BLOCKS if language == "sh" and ".venv" not in block]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A machine of one's own: home, data folder, and the ctxmcp of this interpreter on the path."""
    binaries = tmp_path / "bin"
    binaries.mkdir()
    command = binaries / "ctxmcp"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m ctxmcp "$@"\n')
    command.chmod(0o755)
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("CTX", "XDG_"))}
    return clean | {
        "HOME": str(tmp_path),
        "PATH": f"{binaries}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
    }


@pytest.mark.timeout(1200)
@pytest.mark.skipif(shutil.which("curl") is None, reason="the blocks use curl")
def test_every_shell_block_runs_one_after_the_other(environment, tmp_path):
    assert len(SHELL) >= 4
    said = ""
    for block in SHELL:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            check=False,
            text=True,
            timeout=600,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout
        said += done.stdout
    assert said.count('"error_code":"host_denied"') == 2
    assert re.search(r"^HTTP/1.1 429 .*\nretry-after: \d", said, re.MULTILINE)
    assert not (tmp_path / "project/.agents/skills/tidy-imports").exists()


def test_every_python_block_runs(environment, tmp_path):
    blocks = [block for language, block in BLOCKS if language == "python"]
    assert blocks
    for block in blocks:
        subprocess.run(
            [sys.executable, "-c", block], cwd=tmp_path, env=environment, check=True, timeout=300
        )


def test_every_policy_can_be_read():
    of_registry, of_project = (block for language, block in BLOCKS if language == "toml")
    assert policy.read(of_registry).digest != policy.Policy().digest
    written = of_project.replace("7d3c...64 hex characters", "7d3c" * 16)
    assert installing.parse(written.encode()) != installing.Policy(version=1)


def test_the_exit_codes_are_those_of_the_program():
    rows = re.findall(r"^\| (\d+) \| (.*) \|$", README, re.MULTILINE)
    assert {int(code): words for code, words in rows} == dict(EXIT_CODES)


def test_every_operation_and_command_is_in_the_readme():
    for name in [
        *CATALOG,
        "remove",
        "pack",
        "keygen",
        "serve",
        "mcp",
        "demo",
        "audit",
        "witness",
        "monitor",
    ]:
        assert f"`{name}" in README, name


def test_every_variable_that_is_read_is_in_the_readme():
    source = (ROOT / "ctxmcp/settings.py").read_text()
    for name in set(re.findall(r"\"(CTX[A-Z]*_[A-Z_]+|SOURCE_DATE_EPOCH)\"", source)):
        assert f"`{name}`" in README, name


def test_every_benchmark_in_the_readme_is_there():
    for name in re.findall(r"^\| `(\w+\.py)` \|", README, re.MULTILINE):
        assert (ROOT / "tests/benchmarks" / name).is_file(), name
