"""Starting against what any Python program, and any MCP server of this SDK, needs to start.

    python tests/benchmarks/start_up.py [TURNS]

Prints, measured in turns in one run: `ctxmcp --version` beside `python -c pass`, and the time from
starting `ctxmcp` with piped input to its first list of tools beside the same of a ten-line server
on the bare MCP SDK.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]

TEN_LINES = '''
from mcp.server import MCPServer

server = MCPServer("ten lines")

@server.tool()
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b

server.run("stdio")
'''

HELLO = (
    {
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": {"name": "start_up", "version": "1"},
        },
    },
    {"method": "notifications/initialized"},
    {"id": 2, "method": "tools/list"},
)

PROGRAM = [sys.executable, "-m", "ctxmcp"]


def runs(command: Sequence[str], environment: dict[str, str]) -> float:
    """Return seconds from starting a program to its end."""
    start = time.perf_counter()
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def lists(command: Sequence[str], environment: dict[str, str]) -> float:
    """Return seconds from starting a server to its first list of tools."""
    start = time.perf_counter()
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdin
        assert server.stdout
        for message in HELLO:
            server.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
            server.stdin.flush()
            answer = json.loads(server.stdout.readline()) if "id" in message else {}
        elapsed = time.perf_counter() - start
        assert answer["result"]["tools"], answer
        server.stdin.close()
    return elapsed


def measured(
    measure: Callable[[Sequence[str], dict[str, str]], float],
    commands: dict[str, list[str]],
    environment: dict[str, str],
    turns: int,
) -> None:
    """Measure the commands in turns; print each, and the first over the second."""
    figures = {label: [measure(words, environment)] for label, words in commands.items()}
    for _ in range(turns):
        for label, words in commands.items():
            figures[label].append(measure(words, environment))
    best, median = [], []
    for label, seconds in figures.items():
        best.append(min(seconds))
        median.append(sorted(seconds)[len(seconds) // 2])
        print(f"{label:34} best {best[-1] * 1000:6.0f} ms   median {median[-1] * 1000:6.0f} ms")
    print(f"{'ratio':34} best {best[0] / best[1]:6.2f}x     median {median[0] / median[1]:6.2f}x\n")


def main(turns: int) -> None:
    """Measure both pairs."""
    with tempfile.TemporaryDirectory() as folder:
        given = {"CTXMCP_DATA_DIR": folder, "PYTHONPATH": str(ROOT)}
        environment = os.environ | given
        plain = {"python -c pass": [sys.executable, "-c", "pass"]}
        bare = {"a ten-line server": [sys.executable, "-c", TEN_LINES]}
        measured(runs, {"ctxmcp --version": [*PROGRAM, "--version"]} | plain, environment, turns)
        measured(lists, {"ctxmcp, to the list of tools": PROGRAM} | bare, environment, turns)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
