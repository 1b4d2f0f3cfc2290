"""The conformance suite of MCP, and the Inspector, against `ctxmcp serve` over HTTP.

The registry lacks what the suite calls fixtures: tools, prompts and resources made for its tests.
Those scenarios are listed in the `.yml` files here, and nothing else is. The same suite runs
without any list against a server that has the fixtures, behind the same guards and endpoint.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import npm
import pytest
from clients import fixtures

from ctxmcp import settings, wiring
from ctxmcp.serving import running
from registry_core.callers import OWNER
from registry_core.operations import CATALOG
from registry_core.publish import publish
from transports.http import create_app
from world import World, package

pytestmark = [pytest.mark.clients, pytest.mark.timeout(900)]

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
REVISIONS = ("2025-11-25", "2026-07-28")
SCENARIOS = (
    "sep-2640-skills-enumeration",
    "sep-2640-skills-directory",
    "sep-2640-skills-manifest",
    "http-header-validation",
)
SKILL = {
    "SKILL.md": (
        "---\nname: review\ndescription: Reviews pull requests.\nlicense: MIT\n"
        "metadata:\n  audience: everybody\n---\n# Review\n\nRead [how](references/how.md).\n"
    ),
    "references/how.md": "# How\n",
    "scripts/run.py": "print('reviewed')\n",
    "assets/dot.bin": b"\x89PNG\xff\x00",
}
OTHER = {"SKILL.md": "---\nname: forms\ndescription: Fills forms.\n---\n# Forms\n"}


@dataclass(frozen=True)
class Suite:
    """The programs, and a folder for what they write."""

    modules: Path
    folder: Path

    def conformance(self, url: str, *words: str) -> list[str]:
        program = [str(npm.node(self.modules)), str(npm.conformance(self.modules)), "server"]
        return [*program, "--url", f"{url}/mcp", "-o", str(self.folder / "out"), *words]

    def inspect(self, url: str, era: str, method: str, *words: str) -> Any:
        command = [npm.node(self.modules), npm.inspector(self.modules), "--cli"]
        command += ["--transport", "http", "--server-url", f"{url}/mcp", "--protocol-era", era]
        command += ["--method", method, *words, "--format", "json", "-q"]
        done = run(command, self.folder)
        assert done.returncode == 0, done.stdout + done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]


def run(command: list[Any], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={"HOME": str(folder), "PATH": os.environ["PATH"]},
        timeout=900,
    )


@pytest.fixture(scope="module")
def suite(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Suite:
    return Suite(npm.modules(request.config), tmp_path_factory.mktemp("suite"))


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real `ctxmcp serve`, which has to end well."""
    folder = tmp_path_factory.mktemp("served")
    asyncio.run(fill(folder / "data"))
    command = [sys.executable, "-m", "ctxmcp", "serve", "--port", "0", "--data-dir"]
    log = folder / "log"
    with (
        log.open("w") as written,
        subprocess.Popen(
            [*command, folder / "data"],
            stderr=subprocess.PIPE,
            stdout=written,
            text=True,
            env={"PYTHONPATH": str(ROOT), "HOME": str(folder), "PATH": os.environ["PATH"]},
        ) as server,
    ):
        assert server.stderr
        yield server.stderr.readline().split()[2]
        server.send_signal(signal.SIGTERM)
        assert server.stderr.read() == ""
        assert server.wait(30) == 0


async def fill(data_dir: Path) -> None:
    read = settings.read(data_dir=data_dir, environment={})
    async with wiring.open_registry(read) as registry:
        await publish(registry, OWNER, package("@acme/review", files=SKILL))
        await publish(registry, OWNER, package("@acme/web-forms", files=OTHER))


@pytest.mark.parametrize("revision", REVISIONS)
def test_the_registry_conforms_but_for_what_needs_fixtures(
    suite: Suite, url: str, revision: str
) -> None:
    known = str(HERE / f"not-a-fixture-server-{revision}.yml")
    words = ("--requirements", revision, "--expected-failures", known)
    done = run(suite.conformance(url, *words), suite.folder)
    assert done.returncode == 0, done.stdout[-4000:]
    assert "all failures are expected" in done.stdout


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_skills_and_headers_conform_without_exception(
    suite: Suite, url: str, scenario: str
) -> None:
    done = run(suite.conformance(url, "--scenario", scenario), suite.folder)
    assert done.returncode == 0, done.stdout[-4000:]
    assert " 0 failed" in done.stdout


@pytest.mark.parametrize("revision", REVISIONS)
async def test_the_whole_suite_passes_behind_our_guards(
    suite: Suite, sqlite_world: World, revision: str
) -> None:
    app = create_app(sqlite_world.registry, mcp=fixtures.endpoint)
    async with running(app, "127.0.0.1", 0) as url:
        program = suite.conformance(url, "--requirements", revision)
        done = await asyncio.to_thread(run, program, suite.folder)
    assert done.returncode == 0, done.stdout[-4000:]


@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_the_inspector_finds_the_schemas_portable(suite: Suite, url: str, era: str) -> None:
    [answer] = suite.inspect(url, era, "tools/list", "--strict")
    main = [name for name, operation in CATALOG.items() if operation.toolset == "main"]
    assert [tool["name"] for tool in answer["result"]["tools"]] == main


def test_the_inspector_verifies_the_digest_of_every_file(suite: Suite, url: str) -> None:
    verified = suite.inspect(url, "modern", "skills/list", "--verify")
    assert [skill["outcome"] for skill in verified] == ["verified"] * 2
    assert [skill["uri"] for skill in verified] == [
        "skill://acme/review/SKILL.md",
        "skill://acme/web-forms/forms/SKILL.md",
    ]
