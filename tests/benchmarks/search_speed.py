"""How fast a registry finds: at several sizes, beside a bare FTS5 query in the same run.

    python tests/benchmarks/search_speed.py [--sizes 1000 20000 100000 1000000] [--skills FILE]

FILE holds real skills, one JSON object a line, gzipped; each is taken several times with words of
its own where there are fewer than packages. Requests are descriptions of other skills, cut to a
dozen words. The bare query is an OR of the request's words over name and description in FTS5 with
the stemmer, which is what an index costs that ranks and does nothing else. Each size is built by
one process, one package published and the others put into database and index beside it, and asked
by another: the index in this process, then a server over HTTP and MCP. Times are of the clock; in
brackets is the processor's, which a busy machine does not lengthen by waiting; what a virtual
machine's host gives to others meanwhile is said, too. Memory is what the process has more than one
that was asked the same of an index of a thousand packages.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import itertools
import json
import math
import os
import random
import re
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import httpx
import mcp

from ctxmcp import settings
from registry_core.names import Kind
from registry_core.search import Entry, Put, Query
from registry_core.search.embedding import table
from registry_core.search.tantivy import TantivyIndex
from world import World

SKILLS = ROOT / "../shared/data/catalog/skills.jsonl.gz"
BATCH = 5000
REQUESTS = 300
WARM = 20
CALL = "/v1/tools/call"
CALLERS = 32
FEW = 1000
NAMESPACES = 997
DATABASE = "registry.sqlite3"
PATIENCE = 60.0
"""Seconds for the bare query, which takes several each at a million packages."""

QUANTILES = (0.5, 0.95, 0.99)


def skills(path: Path) -> list[dict[str, Any]]:
    """Read the skills."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def entries(real: Sequence[dict[str, Any]], size: int) -> Iterator[Entry]:
    """Make `size` packages: the real ones, then copies with words of other ones mixed in."""
    dice = random.Random(5)
    for number, skill in enumerate(itertools.islice(itertools.cycle(real), size)):
        other = dice.choice(real)["description"].split()[:12] if number >= len(real) else []
        yield Entry(
            key=str(number + 2),  # the first package of the registry is the one that is published
            name=f"@n{number % NAMESPACES}/{skill['name']}-{number}",
            kind=Kind.SKILL,
            namespace=f"n{number % NAMESPACES}",
            private=number % 50 == 0,
            description=" ".join([skill["description"], *other]),
            tags=tuple(map(str, skill["tags"])),
            body=skill["body"],
        )


def requests(real: Sequence[dict[str, Any]]) -> Iterator[list[str]]:
    """Make requests of about a dozen words, as many as are asked in turn, none of them twice."""
    dice = random.Random(6)
    chosen = dice.sample(list(real), len(real))
    texts = [" ".join(skill["description"].split()[: dice.randint(4, 18)]) for skill in chosen]
    every = iter(dict.fromkeys(filter(None, texts)))
    while asked := list(itertools.islice(every, REQUESTS + WARM)):
        yield asked


def bare(real: Sequence[dict[str, Any]], size: int, path: Path) -> None:
    """Fill a bare FTS5 table."""
    database = sqlite3.connect(path)
    database.execute(
        "create virtual table f using fts5 (name, description, tokenize = 'porter unicode61')"
    )
    rows = ((entry.name, entry.description) for entry in entries(real, size))
    database.executemany("insert into f values (?, ?)", rows)
    database.commit()
    database.close()


def asking(path: Path) -> Callable[[str], object]:
    """Return what asks a bare table."""
    database = sqlite3.connect(path)

    def ask(text: str) -> object:
        words = " OR ".join(f'"{word}"' for word in re.findall(r"\w+", text))
        return database.execute(
            "select rowid from f where f match ? order by rank limit 10", (words,)
        ).fetchall()

    return ask


Times = list[tuple[float, float]]


def timed(ask: Callable[[str], object], texts: Sequence[str], seconds: float = math.inf) -> Times:
    """Ask all that there is time for; return the milliseconds of clock and processor.

    The first few are left out.
    """
    took: Times = []
    until = time.perf_counter() + seconds
    for text in texts:
        if len(took) > 2 * WARM and time.perf_counter() > until:
            break
        start, busy = time.perf_counter(), time.process_time()
        ask(text)
        took.append((1000 * (time.perf_counter() - start), 1000 * (time.process_time() - busy)))
    return took[WARM:]


def shown(took: Times, *, here: bool = True) -> str:
    """Write the quantiles; those of the processor where the work was done `here`."""
    clock, processor = (sorted(column) for column in zip(*took, strict=True))
    used = [f" ({quantile(processor, at):.2f})" if here else "" for at in QUANTILES]
    return " / ".join(
        f"{quantile(clock, at):.2f}{u}" for at, u in zip(QUANTILES, used, strict=True)
    )


def quantile(took: Sequence[float], part: float) -> float:
    """Return what so large a part does not exceed."""
    return took[int(len(took) * part)]


def memory() -> float:
    """Return the megabytes that are this process's own."""
    fields = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
    return int(fields["RssAnon"].split()[0]) / 1024


def ticks() -> tuple[int, int]:
    """Return how much time of this machine its host gave to others, and how much there was."""
    spent = list(map(int, Path("/proc/stat").read_text().partition("\n")[0].split()[1:9]))
    return spent[7], sum(spent)


def build(real: Sequence[dict[str, Any]], size: int, folder: Path) -> None:
    """Build the registry of one size, its index, and the bare table."""
    asyncio.run(first_of(folder))
    runner = asyncio.Runner()
    index = runner.run(TantivyIndex.open(index_of(folder)))
    runner.run(index.clear())
    start, position = time.perf_counter(), 0
    every = entries(real, size)
    while batch := [Put(entry) for entry in itertools.islice(every, BATCH)]:
        position += len(batch)
        runner.run(index.apply(batch, position))
    one = time.perf_counter()
    for number in range(WARM):
        changed = replace(batch_entry(real, number), description=f"Changed {number} times")
        position += 1
        runner.run(index.apply([Put(changed)], position))
    built, each = one - start, (time.perf_counter() - one) / WARM
    runner.run(index.close())
    rows(entries(real, size), position, folder)
    bare(real, size, folder / "bare.db")
    disk = sum(path.stat().st_size for path in index_of(folder).rglob("*")) / size
    print(f"{size:>9,}  built in {built:.0f} s, {disk:,.0f} B a package on disk;", end=" ")
    print(f"one more in {1000 * each:.0f} ms", flush=True)


def index_of(folder: Path) -> Path:
    """Return where a registry in `folder` has its index."""
    return settings.read(data_dir=folder, environment={}).index_dir


async def first_of(folder: Path) -> None:
    """Publish the first package of a registry."""
    async with World.open(f"sqlite+aiosqlite:///{folder / DATABASE}", folder) as world:
        await world.publish("@n0/first")


def rows(every: Iterator[Entry], position: int, folder: Path) -> None:
    """Write the rows of all other packages, and an event that brings the log to `position`."""
    with closing(sqlite3.connect(folder / DATABASE)) as database, database:
        database.row_factory = sqlite3.Row
        first = {
            table: dict(database.execute(f"select * from {table} where id = 1").fetchone())
            for table in ("packages", "releases", "events")
        }

        def put(table: str, row: dict[str, Any]) -> None:
            marks = ", ".join(f":{column}" for column in row)
            database.execute(f"insert into {table} values ({marks})", row)

        for number in range(1, NAMESPACES):
            database.execute(
                "insert into namespaces select ?, created_at, null, null from namespaces limit 1",
                (f"n{number}",),
            )
        for entry in every:
            number, name = int(entry.key), entry.name.partition("/")[2][-64:]
            visibility = "private" if entry.private else "public"
            said = {"namespace": entry.namespace, "name": name, "visibility": visibility}
            put("packages", first["packages"] | said | {"id": number, "latest_id": number})
            said = {"description": entry.description, "tags": json.dumps(entry.tags)}
            put("releases", first["releases"] | said | {"id": number, "package_id": number})
        put(
            "events",
            first["events"] | {"id": position, "kind": "tool_call_recorded", "payload": "{}"},
        )


def batch_entry(real: Sequence[dict[str, Any]], number: int) -> Entry:
    """Return one of the packages again."""
    return next(itertools.islice(entries(real, number + 1), number, None))


def measure(real: Sequence[dict[str, Any]], size: int, folder: Path) -> None:
    """Open and ask one size."""
    asked = requests(real)
    texts = next(asked)
    runner = asyncio.Runner()
    start = time.perf_counter()
    table()
    loaded = time.perf_counter() - start
    few = runner.run(TantivyIndex.open(folder / "few"))
    runner.run(few.apply([Put(entry) for entry in entries(real, FEW)], FEW))
    runner.run(together(searched(few), texts, 1))
    before = memory()
    start = time.perf_counter()
    index = runner.run(TantivyIndex.open(index_of(folder)))
    runner.run(index.search(Query(text="deploy a service")))
    opened = loaded + time.perf_counter() - start
    began = ticks()
    hybrid = runner.run(together(searched(index), texts, 1))
    taken, every = (now - then for now, then in zip(ticks(), began, strict=True))
    kept = (memory() - before) * 1024 * 1024 / size
    at_once = runner.run(together(searched(index), texts, CALLERS))
    beside = timed(asking(folder / "bare.db"), texts, PATIENCE)
    ratio = [quantile(sorted(clock for clock, _ in took), 0.5) for took in (hybrid, beside)]
    print(
        f"{'':11}opened and asked in {opened:.2f} s, {kept:.0f} B of memory a package\n"
        f"{'':11}p50 / p95 / p99 in ms: {shown(hybrid)} while the machine's host took"
        f" {taken / max(every, 1):.0%} of it; {CALLERS} at once {shown(at_once)}\n"
        f"{'':11}bare FTS5: {shown(beside)}; the hybrid takes {ratio[0] / ratio[1]:.2f} of its p50",
        flush=True,
    )
    for each in (few, index):
        runner.run(each.close())
    runner.run(over_the_wire(asked, folder))


Ask = Callable[[str], Awaitable[object]]


def searched(index: TantivyIndex) -> Ask:
    """Return what asks an index."""
    return lambda text: index.search(Query(text=text))


async def together(ask: Ask, texts: Sequence[str], callers: int) -> Times:
    """Ask with so many callers at once and return the milliseconds of an answer."""
    waiting = iter(texts)
    took: Times = []

    async def caller() -> None:
        for text in waiting:
            start, busy = time.perf_counter(), time.process_time()
            await ask(text)
            took.append((1000 * (time.perf_counter() - start), 1000 * (time.process_time() - busy)))

    await asyncio.gather(*(caller() for _ in range(callers)))
    return took[WARM:]


async def over_the_wire(asked: Iterator[Sequence[str]], folder: Path) -> None:
    """Ask a server by both of its ways, each time what it was not asked before."""
    async with serving(folder) as url:
        async with httpx.AsyncClient(base_url=url, timeout=PATIENCE) as http:

            async def call(text: str) -> None:
                given = {"name": "search", "arguments": {"query": text}}
                (await http.post(CALL, json=given)).raise_for_status()

            await told("over HTTP", call, asked)
        async with mcp.Client(f"{url}/mcp") as client:

            async def use(text: str) -> None:
                answer = await client.call_tool("search", {"query": text})
                if answer.is_error:
                    raise SystemExit(str(answer))

            await told("over MCP", use, asked)


async def told(way: str, ask: Ask, asked: Iterator[Sequence[str]]) -> None:
    """Print what one way takes, by one caller and by many at once."""
    alone = shown(await together(ask, next(asked), 1), here=False)
    many = shown(await together(ask, next(asked), CALLERS), here=False)
    print(f"{'':11}{way}: {alone}; {CALLERS} at once {many}", flush=True)


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[str]:
    """Serve a registry in a process of its own, with no limit that anybody reaches."""
    unlimited = ("REQUESTS_PER_SECOND", "CALLS_PER_MINUTE", "IN_FLIGHT")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ctxmcp", "--data-dir", str(folder), "serve", "--port", "0"),
        cwd=ROOT,
        env=os.environ | {f"CTXMCP_{name}": "0" for name in unlimited},
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr
    try:
        async for line in process.stderr:
            if found := re.search(r"http://[^/\s]+", line.decode()):
                yield found[0]
                return
        raise SystemExit("the server did not start")
    finally:
        process.terminate()
        await process.communicate()


def main() -> None:
    """Measure every size, each in a folder of its own."""
    given = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    given.add_argument("--sizes", type=int, nargs="+", default=[1000, 20_000, 100_000])
    given.add_argument("--skills", type=Path, default=SKILLS)
    given.add_argument("--step", choices=["build", "ask"], help="one step, in FOLDER")
    given.add_argument("--folder", type=Path)
    arguments = given.parse_args()
    if arguments.step:
        step = build if arguments.step == "build" else measure
        step(skills(arguments.skills), arguments.sizes[0], arguments.folder)
        return
    for size in arguments.sizes:
        with tempfile.TemporaryDirectory() as folder:
            for step in ("build", "ask"):
                said = ["--sizes", str(size), "--skills", str(arguments.skills)]
                command = [sys.executable, __file__, *said, "--step", step, "--folder", folder]
                subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
