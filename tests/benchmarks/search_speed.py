"""How fast the search index answers: at several sizes, beside a bare FTS5 query in the same run.

    python tests/benchmarks/search_speed.py [--sizes 1000 20000 100000] [--skills FILE]

FILE holds real skills, one JSON object a line, gzipped; each is taken several times with words of
its own where there are fewer than packages. Requests are descriptions of other skills, cut to a
dozen words. The bare query is an OR of the request's words over name and description in FTS5 with
the stemmer, which is what an index costs that ranks and does nothing else.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import itertools
import json
import random
import re
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from registry_core.names import Kind
from registry_core.search import Entry, Put, Query
from registry_core.search.tantivy import TantivyIndex

SKILLS = ROOT / "../shared/data/catalog/skills.jsonl.gz"
BATCH = 5000
REQUESTS = 300
WARM = 20
CALLERS = 32


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
            key=str(number),
            name=f"@n{number % 997}/{skill['name']}-{number}",
            kind=Kind.SKILL,
            namespace=f"n{number % 997}",
            private=number % 50 == 0,
            description=" ".join([skill["description"], *other]),
            tags=tuple(map(str, skill["tags"])),
            body=skill["body"],
        )


def requests(real: Sequence[dict[str, Any]]) -> list[str]:
    """Make requests of about a dozen words."""
    dice = random.Random(6)
    chosen = dice.sample(list(real), REQUESTS + WARM)
    return [" ".join(skill["description"].split()[: dice.randint(4, 18)]) for skill in chosen]


def bare(real: Sequence[dict[str, Any]], size: int, path: Path) -> Callable[[str], object]:
    """Fill a bare FTS5 table and return what asks it."""
    database = sqlite3.connect(path)
    database.execute(
        "create virtual table f using fts5 (name, description, tokenize = 'porter unicode61')"
    )
    rows = ((entry.name, entry.description) for entry in entries(real, size))
    database.executemany("insert into f values (?, ?)", rows)
    database.commit()

    def ask(text: str) -> object:
        words = " OR ".join(f'"{word}"' for word in re.findall(r"\w+", text))
        return database.execute(
            "select rowid from f where f match ? order by rank limit 10", (words,)
        ).fetchall()

    return ask


def timed(ask: Callable[[str], object], texts: Sequence[str]) -> list[float]:
    """Ask everything and return the sorted milliseconds, the first few left out."""
    took = []
    for text in texts:
        start = time.perf_counter()
        ask(text)
        took.append((time.perf_counter() - start) * 1000)
    return sorted(took[WARM:])


def shown(took: Sequence[float]) -> str:
    """Write the quantiles."""
    return " / ".join(f"{took[int(len(took) * part)]:.2f}" for part in (0.5, 0.95, 0.99))


def memory() -> float:
    """Return the megabytes that are this process's own."""
    fields = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
    return int(fields["RssAnon"].split()[0]) / 1024


def measure(real: Sequence[dict[str, Any]], size: int, folder: Path) -> None:
    """Build, open and ask one size."""
    texts = requests(real)
    runner = asyncio.Runner()
    index = runner.run(TantivyIndex.open(folder / "search"))
    start = time.perf_counter()
    every = entries(real, size)
    position = 0
    while batch := [Put(entry) for entry in itertools.islice(every, BATCH)]:
        position += len(batch)
        runner.run(index.apply(batch, position))
    runner.run(index.close())
    built = time.perf_counter() - start
    before = memory()
    start = time.perf_counter()
    index = runner.run(TantivyIndex.open(folder / "search"))
    runner.run(index.search(Query(text="deploy a service")))
    opened = time.perf_counter() - start
    hybrid = timed(lambda text: runner.run(index.search(Query(text=text))), texts)
    at_once = runner.run(together(index, texts))
    beside = timed(bare(real, size, folder / "bare.db"), texts)
    print(
        f"{size:>9,}  built {built:.1f} s, opened and asked {opened:.2f} s,"
        f" {(memory() - before) * 1024 * 1024 / size:.0f} B a package\n"
        f"{'':11}p50/p95/p99 ms: hybrid {shown(hybrid)}; {CALLERS} at once {shown(at_once)};"
        f" bare FTS5 {shown(beside)};"
        f" ratio of p50 {hybrid[len(hybrid) // 2] / beside[len(beside) // 2]:.2f}",
        flush=True,
    )
    runner.run(index.close())


async def together(index: TantivyIndex, texts: Sequence[str]) -> list[float]:
    """Ask with many callers at once and return the sorted milliseconds of an answer."""
    waiting = iter(texts)
    took: list[float] = []

    async def caller() -> None:
        for text in waiting:
            start = time.perf_counter()
            await index.search(Query(text=text))
            took.append((time.perf_counter() - start) * 1000)

    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    return sorted(took[WARM:])


def main() -> None:
    """Measure every size, each in a folder of its own."""
    given = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    given.add_argument("--sizes", type=int, nargs="+", default=[1000, 20_000, 100_000])
    given.add_argument("--skills", type=Path, default=SKILLS)
    arguments = given.parse_args()
    real = skills(arguments.skills)
    for size in arguments.sizes:
        folder = Path(tempfile.mkdtemp())
        try:
            measure(real, size, folder)
        finally:
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
