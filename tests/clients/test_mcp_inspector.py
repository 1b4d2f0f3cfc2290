"""The MCP Inspector, an npm program of other people, lists and calls the tools over stdio."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import npm
import pytest

from ctxmcp import settings, wiring
from registry_core.callers import OWNER
from registry_core.operations import CATALOG
from registry_core.publish import publish
from world import package

pytestmark = pytest.mark.clients

ROOT = Path(__file__).parents[2]
ERAS = ("legacy", "modern")


@dataclass(frozen=True)
class Inspector:
    """The installed program, and a registry with one package to show it."""

    node: Path
    program: Path
    folder: Path

    def ask(self, era: str, method: str, *words: str, strict: bool = False) -> Any:
        """Run the program on `ctxmcp` with piped input and return what it printed."""
        command = [self.node, self.program, "--cli", "--transport", "stdio"]
        command += ["-e", f"CTXMCP_DATA_DIR={self.folder / 'data'}", "-e", f"PYTHONPATH={ROOT}"]
        command += ["--protocol-era", era, "--method", method, *words, "--format", "json", "-q"]
        command += ["--strict"] if strict else []
        done = subprocess.run(
            [*command, sys.executable, "-m", "ctxmcp"],
            capture_output=True,
            text=True,
            check=False,
            cwd=self.folder,
            env={"HOME": str(self.folder), "PATH": os.environ["PATH"]},
            timeout=600,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "Warning" not in done.stderr
        return json.loads(done.stdout)["result"]


@pytest.fixture(scope="module")
def inspector(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Inspector:
    modules = npm.modules(request.config)
    folder = tmp_path_factory.mktemp("inspected")
    asyncio.run(fill(folder / "data"))
    return Inspector(npm.node(modules), npm.inspector(modules), folder)


async def fill(data_dir: Path) -> None:
    read = settings.read(data_dir=data_dir, environment={})
    async with wiring.open_registry(read) as registry:
        await publish(registry, OWNER, package("@acme/pdf", description="Fills PDF forms."))


@pytest.mark.parametrize("era", ERAS)
def test_it_lists_the_tools_and_finds_their_schemas_portable(
    inspector: Inspector, era: str
) -> None:
    listed = inspector.ask(era, "tools/list", strict=True)
    main = [name for name, operation in CATALOG.items() if operation.toolset == "main"]
    assert [tool["name"] for tool in listed["tools"]] == main


@pytest.mark.parametrize("era", ERAS)
def test_it_calls_tools_and_gets_both_halves(inspector: Inspector, era: str) -> None:
    words = ("--tool-name", "search", "--tool-arg", "query=pdf", "limit=3")
    found = inspector.ask(era, "tools/call", *words)
    assert not found.get("isError")
    assert found["structuredContent"]["hits"][0]["ref"] == "@acme/pdf@1.0.0"
    assert "@acme/pdf@1.0.0" in found["content"][0]["text"]


@pytest.mark.parametrize("era", ERAS)
def test_it_reads_templates_resources_and_prompts(inspector: Inspector, era: str) -> None:
    templates = inspector.ask(era, "resources/templates/list")["resourceTemplates"]
    assert templates[1]["uriTemplate"] == "ctx://{ns}/{name}@{version}/{+path}"
    read = inspector.ask(era, "resources/read", "--uri", "ctx://acme/pdf@1.0.0/README")
    assert "# Review" in read["contents"][0]["text"]
    prompts = inspector.ask(era, "prompts/list")["prompts"]
    assert [prompt["name"] for prompt in prompts] == ["choose_package", "vet_package"]
    words = ("--prompt-name", "vet_package", "--prompt-args", "ref=@acme/pdf")
    asked = inspector.ask(era, "prompts/get", *words)
    assert "Vet @acme/pdf" in asked["messages"][0]["content"]["text"]
