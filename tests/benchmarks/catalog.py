"""Twenty thousand real skills through the whole registry: packed, signed, published, used.

    python tests/benchmarks/catalog.py [COUNT] [DATA_DIR]

Prints how many were published, held and refused, each refusal by its rule, the rate, and how much
of the processor's time the checks take; then installs and verifies a sample into an empty project.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]

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
