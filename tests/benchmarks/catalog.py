"""Twenty thousand real skills through the whole registry: packed, signed, published, used.

    python tests/benchmarks/catalog.py [COUNT] [DATA_DIR]

Prints how many were published, held and refused, each refusal by its rule, the rate, and how much
of the processor's time the checks take; then the time of searches, and installs and verifies a
sample into an empty project.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import re
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]

import httpx
import mcp
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ctxmcp import settings
from ctxmcp.connection import Embedded
from ctxmcp.desk import Desk
from registry_core.callers import OWNER
from registry_core.errors import RegistryError, Rejected
from registry_core.formats import File, ctxpkg, skill
from registry_core.names import Kind, PackageName, Version
from registry_core.publish import publish
from registry_core.verification import Binding, verify
from world import KEY, MOMENT, World

SHARED = Path(__file__).parents[2] / "../shared/data/catalog/skills.jsonl.gz"
AT_ONCE = 16
SAMPLE = 25
CALL = "/v1/tools/call"
SEARCHES, WARM = 300, 20


def skills(count: int) -> Iterator[dict]:
    """Read real skills."""
    with gzip.open(SHARED, "rt", encoding="utf-8") as lines:
        for _, line in zip(range(count), lines, strict=False):
            yield json.loads(line)


def packed(found: dict) -> bytes:
    """Make the signed package of one skill."""
    slug = re.sub(r"[^a-z0-9]+", "-", found["name"].lower()).strip("-")[:50] or "skill"
    text = skill.compose(slug, found["description"] or "No description.", found["body"])
    return ctxpkg.write(
        kind=Kind.SKILL,
        name=PackageName("catalog", f"{slug[:50]}-{found['id'].split('-')[-1]}".strip("-")),
        version=Version.parse("1.0.0"),
        description=found["description"] or "No description.",
        files=[File("SKILL.md", text)],
        created_at=MOMENT,
        key=KEY,
        tool_version="0.1.0",
        tags=[tag for tag in found["tags"] if isinstance(tag, str)][:20],
    )


@dataclass
class Outcome:
    """What became of the skills: references, and by rule what was held and what was refused."""

    names: list[str] = field(default_factory=list)
    held: dict[str, list[str]] = field(default_factory=dict)
    refused: dict[str, list[str]] = field(default_factory=dict)


async def publish_all(world: World, count: int) -> Outcome:
    """Publish every skill."""
    done = Outcome()
    gate = asyncio.Semaphore(AT_ONCE)
    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn())
    bar = Progress(
        *columns, TextColumn("{task.fields[refused]} refused"), console=Console(stderr=True)
    )

    async def one(found: dict) -> None:
        try:
            made = await publish(world.registry, OWNER, packed(found))
            if made.held:
                done.held.setdefault(made.report.held[0].rule, []).append(found["id"])
            else:
                done.names.append(f"{made.name}@{made.version}")
        except RegistryError as error:
            blocking = error.report.blocking if isinstance(error, Rejected) and error.report else ()
            rule = blocking[0].rule if blocking else error.code
            done.refused.setdefault(rule, []).append(found["id"])
        finally:
            gate.release()
            bar.update(task, advance=1, refused=sum(map(len, done.refused.values())))

    with bar:
        task = bar.add_task("publishing", total=count, refused=0)
        async with asyncio.TaskGroup() as group:
            for found in skills(count):
                await gate.acquire()
                group.create_task(one(found))
    return done


def scanning(count: int) -> float:
    """Return the seconds of processor time that the checks take for one of the first skills."""
    read = [ctxpkg.read(packed(found)) for found in skills(count)]
    start = time.process_time()
    for candidate in read:
        name, version = PackageName.parse(candidate.name), Version.parse(candidate.version)
        verify(candidate, Binding(name, version))
    return (time.process_time() - start) / len(read)


def listed(what: str, by_rule: dict[str, list[str]], count: int) -> None:
    total = sum(map(len, by_rule.values()))
    print(f"{what} {total}: {100 * total / count:.2f} %")
    for rule, ids in sorted(by_rule.items(), key=lambda one: -len(one[1])):
        print(f"  {len(ids):5} {rule}: {', '.join(ids)}")


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[str]:
    """Serve the data folder in a process of its own, with no limit that anybody reaches."""
    unlimited = ("REQUESTS_PER_SECOND", "CALLS_PER_MINUTE", "IN_FLIGHT")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ctxmcp", "--data-dir", str(folder), "serve", "--port", "0"),
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
        await process.wait()


def asked(text: str) -> tuple[str, dict[str, str]]:
    return "search", {"query": text}


def body(text: str) -> dict[str, object]:
    return dict(zip(("name", "arguments"), asked(text), strict=True))


async def searched(by: str, ask: Callable[[str], Awaitable[object]], texts: Sequence[str]) -> None:
    """Ask for every text once: the first few to warm up, then one by one, then many at once."""
    for text in texts[:WARM]:
        await ask(text)
    print(f"  {by:12}", end="", flush=True)
    for callers, part in ((1, texts[WARM : WARM + SEARCHES]), (32, texts[WARM + SEARCHES :])):
        waiting, took = iter(part), []

        async def caller(waiting: Iterator[str] = waiting, took: list[float] = took) -> None:
            for text in waiting:
                start = time.perf_counter()
                await ask(text)
                took.append(1000 * (time.perf_counter() - start))

        start = time.perf_counter()
        await asyncio.gather(*(caller() for _ in range(callers)))
        rate = len(took) / (time.perf_counter() - start)
        took.sort()
        shown = " / ".join(f"{took[int(len(took) * part)]:.1f}" for part in (0.5, 0.95, 0.99))
        print(f"  {shown} ({rate:.0f}/s)", end="", flush=True)
    print()


async def main(count: int, folder: Path) -> None:
    """Publish, search, install, verify, and say how it went."""
    async with World.open(f"sqlite+aiosqlite:///{folder / 'registry.sqlite3'}", folder) as world:
        start, used = time.perf_counter(), time.process_time()
        done = await publish_all(world, count)
        elapsed, used = time.perf_counter() - start, (time.process_time() - used) / count
        names = done.names
        print(f"published {len(names):,} of {count:,} in {elapsed:.0f} s: {count / elapsed:.0f}/s")
        listed("held", done.held, count)
        listed("refused", done.refused, count)
        checks = scanning(min(count, 500))
        print(
            f"checks: {checks * 1e3:.1f} ms of the {used * 1e3:.1f} ms of processor time for each"
        )

        desk = Desk(
            Embedded(world.registry, "embedded"),
            replace(settings.read(data_dir=folder, environment={}), home=folder, state_dir=None),
            folder / "project",
        )
        (folder / "project").mkdir(exist_ok=True)
        start = time.perf_counter()
        await world.registry.indexer.catch_up()
        print(f"indexed in {time.perf_counter() - start:.1f} s")
        texts = [(found["description"] or "x")[:200] for found in skills(2 * SEARCHES + WARM)]
        print("milliseconds of a search, p50 / p95 / p99, by one caller and by 32 at once:")
        await searched("in process", lambda text: desk.invoke("search", {"query": text}), texts)
        async with serving(folder) as url:
            async with httpx.AsyncClient(base_url=url, timeout=60) as http:
                await searched("over HTTP", lambda text: http.post(CALL, json=body(text)), texts)
            async with mcp.Client(f"{url}/mcp") as client:
                await searched("over MCP", lambda text: client.call_tool(*asked(text)), texts)
        wanted = names[:: max(1, len(names) // SAMPLE)][:SAMPLE]
        start = time.perf_counter()
        plan = (await desk.invoke("install", {"refs": wanted})).plan
        print(f"installed {len(plan)} in {time.perf_counter() - start:.1f} s")
        start = time.perf_counter()
        verified = await desk.invoke("verify", {})
        good = sum(checked.ok for checked in verified.checked)
        print(
            f"verified {good} of {len(verified.checked)} in {time.perf_counter() - start:.1f} s:"
            f" {'all good' if verified.ok else 'NOT ALL GOOD'}"
        )


if __name__ == "__main__":
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    if len(sys.argv) > 2:
        asyncio.run(main(number, Path(sys.argv[2])))
    else:
        with tempfile.TemporaryDirectory() as temporary:
            asyncio.run(main(number, Path(temporary)))
