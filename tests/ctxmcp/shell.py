"""A user at a prompt: commands run in this process or in one of their own, in folders of a test."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import ctxmcp
from ctxmcp import cli

EXAMPLES = Path(ctxmcp.__file__).parent / "examples"
NAMED = ("commit-messages", "flaky-tests", "changelog-writer", "json_outline.py")
_FOREIGN = ("CTXPKG_REGISTRY", "CTXPKG_TOKEN", "CTXMCP_DEBUG", "FORCE_COLOR", "TERM", "CI")


@dataclass(frozen=True)
class Said:
    """What a command said, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output, which has to be one JSON document and nothing else."""
        return json.loads(self.out)


@dataclass(frozen=True)
class Shell:
    """A prompt in the folder of a project."""

    folder: Path
    capture: pytest.CaptureFixture[str]

    @classmethod
    def at(
        cls, folder: Path, monkeypatch: pytest.MonkeyPatch, capture: pytest.CaptureFixture[str]
    ) -> Shell:
        for name, value in surroundings(folder).items():
            monkeypatch.setenv(name, value)
        for name in _FOREIGN:
            monkeypatch.delenv(name, raising=False)
        shell = cls(folder, capture)
        shell.project.mkdir()
        monkeypatch.chdir(shell.project)
        return shell

    @property
    def project(self) -> Path:
        return self.folder / "project"

    def __call__(self, *words: str) -> Said:
        self.capture.readouterr()
        code = cli.run(words)
        out, err = self.capture.readouterr()
        return Said(code, out, err)

    def ok(self, *words: str) -> Said:
        said = self(*words)
        assert said.code == 0, said
        return said

    def publish(self, example: str, *more: str) -> Said:
        """Publish one of the examples in the wheel under @demo."""
        name = f"@demo/{Path(example).stem.replace('_', '-')}"
        return self.ok("publish", str(EXAMPLES / example), "--name", name, *more)

    def publish_all(self) -> None:
        self.ok("keygen")
        for example in NAMED:
            self.publish(example)


def surroundings(folder: Path) -> Mapping[str, str]:
    return {
        "HOME": str(folder / "home"),
        "XDG_DATA_HOME": str(folder / "data"),
        "XDG_CONFIG_HOME": str(folder / "config"),
        "CTXMCP_DATA_DIR": str(folder / "registry"),
        "CTXMCP_KEY": str(folder / "signing.key"),
        "NO_COLOR": "1",
    }


def process(folder: Path, *words: str, **more: Any) -> subprocess.CompletedProcess[str]:
    """Run Python in a process of its own, with nothing to read and no terminal."""
    ours = os.environ
    environment = {name: value for name, value in ours.items() if name not in _FOREIGN}
    given = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.run(
        [sys.executable, *words],
        env={**environment, **surroundings(folder), **more.pop("environment", {})},
        cwd=folder,
        text=True,
        check=False,
        **{**given, **more},
    )
