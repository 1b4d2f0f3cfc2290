"""The examples run as their docstrings say, on an embedded registry and against a server."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from ctxmcp import keyfiles
from served import Served
from world import KEY, World

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
SKILL = "---\nname: review\ndescription: Reviews pull requests.\n---\n# Review\n"

Environment = dict[str, str]


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    """A machine of one's own, with a signing key and nothing else."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("CTX", "XDG_"))}
    keyfiles.create(tmp_path / "signing.key")
    return clean | {
        "HOME": str(tmp_path),
        "PYTHONPATH": str(ROOT),
        "CTXMCP_DATA_DIR": str(tmp_path / "data"),
        "CTXMCP_KEY": str(tmp_path / "signing.key"),
    }


@pytest.fixture
async def online(tmp_path: Path) -> AsyncIterator[Served]:
    url = f"sqlite+aiosqlite:///{tmp_path / 'registry.sqlite3'}"
    async with World.open(url, tmp_path / "served") as world, Served.on_a_port(world) as served:
        yield served


def command(name: str, *arguments: str) -> list[str]:
    return [sys.executable, str(EXAMPLES / name), *arguments]


def run(name: str, *arguments: str, cwd: Path, env: Mapping[str, str], code: int = 0) -> str:
    done = subprocess.run(
        command(name, *arguments),
        cwd=cwd,
        env=env,
        capture_output=True,
        check=False,
        text=True,
        timeout=300,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_a_skill_is_published_reviewed_found_and_installed(
    environment: Environment, tmp_path: Path
) -> None:
    (tmp_path / "review").mkdir()
    (tmp_path / "review/SKILL.md").write_text(SKILL)
    here = {"cwd": tmp_path, "env": environment}

    given = ("review", "@acme/review", "1.0.0")
    said = run("publish_skill.py", *given, **here)
    assert "published @acme/review@1.0.0, signed by " in said
    signer = said.partition("signed by ")[2].partition(",")[0]
    assert "is published already" in run("publish_skill.py", *given, **here, code=1)
    assert "invalid: " in run("publish_skill.py", "nowhere", *given[1:], **here, code=1)

    said = run("review_before_install.py", "@acme/review", KEY.public_key, **here, code=1)
    assert f"signed by {signer}, whom you did not name" in said
    assert not (tmp_path / "ctxmcp.lock").exists()
    assert "ctxmcp.lock" in run("review_before_install.py", "@acme/review", signer, **here)

    said = run("search_and_install.py", "review", "a", "pull", "request", **here)
    assert "@acme/review@1.0.0" in said
    assert said.endswith("verified\n")
    assert "Nothing fits" in run("search_and_install.py", "zzz", **here, code=1)


def test_a_script_in_a_package_is_an_objection(environment: Environment, tmp_path: Path) -> None:
    (tmp_path / "review").mkdir()
    (tmp_path / "review/SKILL.md").write_text(SKILL)
    (tmp_path / "review/run.sh").write_text("#!/bin/sh\n")
    (tmp_path / "review/run.sh").chmod(0o755)
    here = {"cwd": tmp_path, "env": environment}
    run("publish_skill.py", "review", "@acme/review", "1.0.0", **here)
    assert "run.sh can be run" in run("review_before_install.py", "@acme/review", **here, code=1)


def test_what_one_agent_decides_another_finds(environment: Environment, tmp_path: Path) -> None:
    said = run("share_knowledge.py", "my-team", cwd=tmp_path, env=environment)
    assert "decision: auth tokens = opaque, 256 bits (says owner)" in said
    assert said.endswith("log in: left to do: tests\n")


async def test_agents_share_over_a_server(
    environment: Environment, tmp_path: Path, online: Served
) -> None:
    env = environment | {"CTXPKG_REGISTRY": online.url}
    said = await asyncio.to_thread(run, "share_knowledge.py", "my-team", cwd=tmp_path, env=env)
    assert said.endswith("log in: left to do: tests\n")


@pytest.mark.skipif(os.name != "posix", reason="a process is interrupted by a signal")
async def test_a_dashboard_prints_what_happened_and_what_happens(
    environment: Environment, online: Served
) -> None:
    await online.world.publish("@acme/before")
    watching = await asyncio.create_subprocess_exec(
        *command("watch_registry.py", "package_published"),
        env=environment | {"CTXPKG_REGISTRY": online.url},
        stdout=asyncio.subprocess.PIPE,
    )
    assert watching.stdout
    greeting = await watching.stdout.readline()
    assert greeting.startswith(b"ctxmcp ")
    assert greeting.endswith(f"at {online.url}\n".encode())
    for name in ("@acme/before", "@acme/after"):
        line = (await watching.stdout.readline()).decode()
        assert line.endswith(f"owner: package_published {name}@1.0.0\n")
        if name == "@acme/before":
            await online.world.publish("@acme/after")
    watching.send_signal(signal.SIGINT)
    assert await watching.wait() == 0


def test_every_example_is_short_run_here_and_says_how_to_run_it() -> None:
    tests = Path(__file__).read_text()
    for path in EXAMPLES.glob("*.py"):
        text = path.read_text()
        assert len(text.splitlines()) <= 40, path.name
        assert f'"{path.name}"' in tests, path.name
        assert f"python examples/{path.name}" in text
