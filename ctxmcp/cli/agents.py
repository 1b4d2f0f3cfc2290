"""One line for each agent host that lets it start this registry as its MCP server."""

from __future__ import annotations

import json
import shlex
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def program() -> list[str]:
    """Return the words that start this very installation from anywhere."""
    script = Path(sysconfig.get_path("scripts")) / "ctxmcp"
    for found in (script, script.with_suffix(".exe")):
        if found.is_file():
            return [str(found)]
    return [sys.executable, "-m", "ctxmcp"]


def one_liners(start: Sequence[str]) -> list[tuple[str, str]]:
    """Return (agent host, what to run or to write) for the MCP server started by `start`."""
    words = shlex.join([*start, "mcp"])
    entry = {"command": start[0], "args": [*start[1:], "mcp"]}
    code = shlex.quote(json.dumps({"name": "ctxmcp", **entry}))
    cursor = json.dumps({"mcpServers": {"ctxmcp": entry}})
    return [
        ("Claude Code", f"claude mcp add ctxmcp -- {words}"),
        ("Codex", f"codex mcp add ctxmcp -- {words}"),
        ("VS Code", f"code --add-mcp {code}"),
        (".cursor/mcp.json", cursor),
    ]
