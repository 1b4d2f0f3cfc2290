"""Publishing against what the machine does at best.

    python tests/benchmarks/publishing.py [COUNT]

Prints, measured in turns in one run: publishes per second of the whole pipeline (read, admit,
verify, store, record), one after the other and 32 at once, beside the yardstick: per release one
ed25519 verification, one SHA-256 of the artifact and one SQLite commit, by hand.
"""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
import sys
import tempfile
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]

from registry_core import signing
from registry_core.callers import OWNER
from registry_core.formats import ctxpkg
from registry_core.publish import publish
from world import World, package

TURNS = 5


def packages(prefix: str, count: int) -> list[bytes]:
    """Make signed skills of a usual size, about 6 kB of text each."""
    text = "\n".join(f"Line {n}: look at the change, then at what it touches." for n in range(110))
    return [
        package(
            f"@bench/{prefix}-{n}",
            files={"SKILL.md": f"---\nname: x\ndescription: Review {n}.\n---\n{n}\n{text}"},
        )
        for n in range(count)
    ]


def by_hand(folder: Path, made: list[bytes]) -> float:
    """Return seconds: verify, hash and commit each."""
    database = sqlite3.connect(folder / "yardstick.sqlite3", isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=NORMAL")
    database.execute("CREATE TABLE IF NOT EXISTS t (sha256 TEXT, signer TEXT)")
    signatures = [ctxpkg.read(data).signature for data in made]
    start = time.perf_counter()
    for data, signature in zip(made, signatures, strict=True):
        assert signature
        assert signing.is_valid(signature.value, signature.message, signature.public_key)
        row = hashlib.sha256(data).hexdigest(), signature.public_key
        database.execute("BEGIN IMMEDIATE")
        database.execute("INSERT INTO t VALUES (?, ?)", row)
        database.execute("COMMIT")
    elapsed = time.perf_counter() - start
    database.close()
    return elapsed


async def pipeline(world: World, made: list[bytes], at_once: int) -> float:
    """Return seconds for publishing all, so many at a time."""
    gate = asyncio.Semaphore(at_once)

    async def one(data: bytes) -> None:
        async with gate:
            await publish(world.registry, OWNER, data)

    start = time.perf_counter()
    await asyncio.gather(*(one(data) for data in made))
    return time.perf_counter() - start


async def main(count: int) -> None:
    """Measure in turns and print the medians."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        figures: dict[str, list[float]] = {"by hand": [], "one by one": [], "32 at once": []}
        async with World.open(f"sqlite+aiosqlite:///{folder / 'r.sqlite3'}", folder) as world:
            for turn in range(TURNS):
                figures["by hand"].append(by_hand(folder, packages(f"h{turn}", count)))
                for label, at_once in (("one by one", 1), ("32 at once", 32)):
                    made = packages(f"{'ab'[at_once > 1]}{turn}", count)
                    figures[label].append(await pipeline(world, made, at_once))
        yardstick = sorted(figures["by hand"])[TURNS // 2]
        for label, seconds in figures.items():
            median = sorted(seconds)[TURNS // 2]
            print(
                f"{label:12} {count / median:8.0f} a second   {median / yardstick:5.1f}x yardstick"
            )


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 100))
