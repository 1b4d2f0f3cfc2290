"""The transparency log at a million leaves, against bare SHA-256 of the same bytes.

    python tests/benchmarks/transparency.py [LEAVES]

Prints, measured in one run, leaves of a usual size (a publication, about 360 bytes):

    tree      leaves a second into tiles in memory
    log       leaves a second that are committed already: read, into tiles in a folder, signed
    tiles     bytes of the tree's tiles and of the bundles, a leaf
    proof     at 100,000 leaves and at the end: size of the file, time to make one (tiles on disk,
              then in memory) and to verify one; time to show growth from 1,000 leaves

Each time stands beside SHA-256 over the same bytes: over all leaves, or over the proof's file. A
verified proof includes one Ed25519 signature, whose time is printed as well.
"""

from __future__ import annotations

import asyncio
import hashlib
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from registry_core import signing
from registry_core.events import Draft
from registry_core.events.kinds import EventKind
from registry_core.events.leaves import leaf_of
from registry_core.schema import log_leaves
from registry_core.transparency import tiles
from registry_core.transparency.log import Log
from registry_core.transparency.merkle import leaf_hash
from registry_core.transparency.notes import Verifier
from registry_core.transparency.proofs import Proof
from world import MOMENT, World

AT = 100_000
TURNS = 200


def leaf(number: int) -> bytes:
    """Make the leaf of a publication."""
    digest = hashlib.sha256(b"%d" % number).hexdigest()
    facts = {"name": f"@bench/p{number}", "version": "1.0.0", "kind": "skill"}
    signed = {"sha256": digest, "report": digest[::-1], "signer": "0" * 64}
    draft = Draft(EventKind.PACKAGE_PUBLISHED, payload=facts | signed, namespace="bench")
    return leaf_of(draft, MOMENT).data


def rate(title: str, count: int, seconds: float, yardstick: float) -> None:
    """Print a rate and its ratio."""
    print(f"{title:34} {count / seconds:12,.0f} /s   {seconds / yardstick:8.1f}x sha256")


def tree(leaves: list[bytes]) -> float:
    """Grow a tree in memory; return seconds."""
    edge, written = tiles.Edge(), 0
    start = time.perf_counter()
    for at in range(0, len(leaves), tiles.WIDTH):
        group = leaves[at : at + tiles.WIDTH]
        written += len(tiles.bundle(group))
        for one in group:
            written += sum(len(data) for _, data in edge.append(leaf_hash(one)))
    edge.root()
    return time.perf_counter() - start


def hashed(leaves: list[bytes]) -> float:
    """Hash each leaf; return seconds."""
    start = time.perf_counter()
    for one in leaves:
        hashlib.sha256(one).digest()
    return time.perf_counter() - start


async def commit(world: World, start: int, leaves: list[bytes]) -> None:
    """Put leaves into the database as publishing does, many at once."""

    def row(position: int, data: bytes) -> dict[str, object]:
        return {
            "position": position,
            "event_id": position + 1,
            "kind": EventKind.PACKAGE_PUBLISHED.value,
            "subject": f"@bench/p{position}@1.0.0",
            "leaf": data,
        }

    async def work(connection: AsyncConnection) -> None:
        for at in range(0, len(leaves), 10_000):
            part = leaves[at : at + 10_000]
            await connection.execute(
                insert(log_leaves), [row(start + at + n, data) for n, data in enumerate(part)]
            )

    await world.registry.journal.database.write(work)
    world.registry.journal.feed.wake()


async def median(turns: int, work: Callable[[int], Awaitable[object]]) -> float:
    """Return the median of the seconds that `work(turn)` takes."""
    taken = []
    for turn in range(turns):
        start = time.perf_counter()
        await work(turn)
        taken.append(time.perf_counter() - start)
    return sorted(taken)[turns // 2]


async def proofs(world: World, size: int) -> None:
    """Print what proofs cost at a size."""
    log = world.registry.transparency
    log._kept.clear()
    picks = [f"@bench/p{(turn * 7919) % size}@1.0.0" for turn in range(TURNS)]
    cold = await median(TURNS, lambda turn: log.view([picks[turn]]))
    warm = await median(TURNS, lambda turn: log.view([picks[turn % 10]]))
    growth = await median(TURNS, lambda turn: log.view(seen=[1000 + turn]))
    shown = (await log.view([picks[1]])).proven[picks[1]]
    text, data, key = shown.proof.text, shown.leaf.data, Verifier.parse(log.key)

    async def verify(turn: int) -> None:
        Proof.parse(text).check(data, key)

    async def digest(turn: int) -> None:
        hashlib.sha256(text.encode()).digest()

    (signature,) = (await log.checkpoint()).signatures
    body = (await log.checkpoint()).text.encode()

    async def signed(turn: int) -> None:
        assert signing.is_valid(signature.value.hex(), body, key.public_key)

    yardstick = await median(TURNS, digest)
    print(f"\nproof at {size:,} leaves: {len(text.encode()):,} bytes, leaf {len(data)} bytes")
    for title, seconds in (
        ("made, tiles on disk", cold),
        ("made, tiles in memory", warm),
        ("growth from 1,000 leaves", growth),
        ("verified", await median(TURNS, verify)),
        ("of which Ed25519", await median(TURNS, signed)),
    ):
        print(f"  {title:32} {seconds * 1000:8.2f} ms  {seconds / yardstick:8.0f}x sha256")


def stored(folder: Path) -> tuple[int, int, int]:
    """Return the files of a log, and the bytes of hashes and of bundles."""
    files = [path for path in (folder / "log/tile").rglob("*") if path.is_file()]
    sizes = [(("entries" in path.parts), path.stat().st_size) for path in files]
    hashes = sum(size for entries, size in sizes if not entries)
    return len(files), hashes, sum(size for entries, size in sizes if entries)


async def main(count: int) -> None:
    """Measure and print."""
    leaves = [leaf(number) for number in range(count)]
    yardstick = hashed(leaves)
    rate("sha256 of each leaf", count, yardstick, yardstick)
    rate("tree: into tiles in memory", count, tree(leaves), yardstick)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with World.open(f"sqlite+aiosqlite:///{folder / 'r.sqlite3'}", folder) as world:
            log: Log = world.registry.transparency
            await commit(world, 0, leaves[:AT])
            await log.catch_up()
            await proofs(world, min(AT, count))
            if count > AT:
                await commit(world, AT, leaves[AT:])
                start = time.perf_counter()
                await log.catch_up()
                seconds = time.perf_counter() - start
                print()
                part = yardstick * (count - AT) / count
                rate("log: committed, written, signed", count - AT, seconds, part)
                await proofs(world, count)
            number, hashes, bundles = stored(folder)
            print(f"\n{number:,} files: tiles {hashes / count:.1f} bytes a leaf,", end=" ")
            print(f"bundles {bundles / count:.1f}, leaves {sum(map(len, leaves)) / count:.1f}")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000))
