"""Quality and savings: points for what is recorded, tokens that are counted from the bytes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from registry_core import quality
from registry_core.callers import OWNER
from registry_core.formats import Candidate, File, ctxpkg
from registry_core.names import Kind, PackageName
from registry_core.quality import Cost
from world import World

PROMPT = "You write changelogs."


@pytest.mark.parametrize(
    ("kind", "files", "expected"),
    [
        (Kind.SKILL, {"SKILL.md": "a" * 40, "references/more.md": "b" * 41}, Cost(21, 10)),
        (Kind.SKILL, {"a/SKILL.md": "a" * 4, "b/SKILL.md": "b" * 4, "x.sh": "c" * 8}, Cost(4, 2)),
        (Kind.SKILL, {"commit.md": "a" * 4, "review.md": "b" * 4, "x.sh": "c" * 8}, Cost(4, 2)),
        (Kind.SKILL, {"SKILL.md": "a" * 4, "logo.png": b"\x89PNG\xff"}, Cost(1, 1)),
        (Kind.SKILL, {"run.sh": "a"}, Cost()),
        (Kind.AGENT, {"system-prompt.md": PROMPT, "README.md": "r" * 3}, Cost(6, 6)),
        (Kind.TOOL, {"tool.py": "print()"}, Cost()),
        (Kind.GRAMMAR, {}, Cost()),
        (Kind.CONTEXT, {}, Cost()),
    ],
)
def test_tokens_are_counted_from_the_bytes(
    kind: Kind, files: dict[str, str | bytes], expected: Cost
) -> None:
    held = [
        File(path, data if isinstance(data, bytes) else data.encode())
        for path, data in files.items()
    ]
    candidate = Candidate("ctxpkg", kind, "@acme/x", "1.0.0", b"", "", files=tuple(held))
    assert quality.cost(candidate) == expected


def test_of_a_real_context_package_the_facts_are_what_is_read(shared: Path) -> None:
    candidate = ctxpkg.read((shared / "data/ctxpkg/acme-auth-context-1.0.0.ctxpkg").read_bytes())
    facts = list(quality.facts(candidate))
    assert facts[0] == "token-type: Uses JWT tokens signed with RS256"
    assert len(facts) == 3
    found = quality.cost(candidate)
    assert found.distilled_tokens == -(-len("".join(facts)) // 4)
    assert found.source_tokens
    integrity = candidate.manifest["integrity"]
    # Characters here, bytes there.
    assert integrity["byte_size"] / 4 - 20 < found.source_tokens <= -(-integrity["byte_size"] // 4)


async def test_each_point_is_for_one_thing(sqlite_world: World) -> None:
    await sqlite_world.publish("@acme/review", description="x" * 60, tags=["a", "b", "c"])
    found = await sqlite_world.registry.packages.find(PackageName("acme", "review"), OWNER)
    assert found.latest
    best = {
        "signature": 25,
        "checks": 35,
        "description": 15,
        "tags": 10,
        "author": 5,
        "license": 5,
        "upkeep": 5,
    }
    whole = replace(found, latest=replace(found.latest, author="Ada", license="MIT"))
    assert quality.points(whole) == best
    assert sum(best.values()) == 100

    def without(**changed: object) -> dict[str, int]:
        latest = replace(whole.latest, **changed)  # type: ignore[type-var]
        return dict(quality.points(replace(whole, latest=latest)))

    assert without(signer=None) == best | {"signature": 0}
    assert without(outcome="warned") == best | {"checks": 20}
    assert without(description="x" * 20) == best | {"description": 5}
    assert without(tags=("a",)) == best | {"tags": 3}
    assert without(author="", license="") == best | {"author": 0, "license": 0}
    assert quality.points(replace(whole, deprecated="old")) == best | {"upkeep": 0}
    assert quality.points(replace(whole, latest=None)) == {}
