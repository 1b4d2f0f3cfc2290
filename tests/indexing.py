"""What tests of a search index put into it, from this process and from another."""

from __future__ import annotations

import asyncio
import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

from registry_core.names import Kind
from registry_core.search import Entry, Put

ROOT = Path(__file__).parents[1]


def put(key: str, description: str = "", body: str = "") -> Put:
    """Return a package to put into an index."""
    name = f"@a/{key}"
    entry = Entry(
        key=key, name=name, kind=Kind.SKILL, namespace="a", description=description, body=body
    )
    return Put(entry)


def follower(opened: Any, path: Path, last: int, step: int) -> subprocess.Popen[str]:
    """Start a process that indexes `last` packages, and prints how far it is at each step."""
    command = [sys.executable, "-m", "tests.indexing", opened.__module__, opened.__name__]
    return subprocess.Popen(
        [*command, path, str(last), str(step)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )


async def _follow(module: str, name: str, path: str, last: int, step: int) -> None:
    index = await getattr(importlib.import_module(module), name).open(Path(path))
    while (start := await index.position()) < last:
        end = min(start + step, last)
        puts = [put(f"p{number}", body="word " * 500) for number in range(start + 1, end + 1)]
        await index.apply(puts, end)
        sys.stdout.write(f"{end}\n")
        sys.stdout.flush()
    await index.close()


if __name__ == "__main__":
    asyncio.run(_follow(*sys.argv[1:4], *map(int, sys.argv[4:])))
