"""Auditing a registry over HTTP: everything that a stranger can hold against its log."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from auditing import edit, forge_release, silent, told

from ctxmcp.logs import Known, Memory
from ctxmcp.remote_audit import _BYTES, Surveyed, survey
from registry_core.callers import OWNER
from registry_core.errors import Tampered
from registry_core.events import Draft
from registry_core.events.kinds import EventKind
from registry_core.formats import Visibility
from registry_core.names import PackageName, Version
from registry_core.signing import SigningKey
from registry_core.transparency import checkpoints
from registry_core.transparency.checkpoints import Checkpoint
from registry_core.transparency.notes import Note, Signer
from served import Served
from world import OTHER_KEY, SUSPECT, World

REVIEW = PackageName.parse("@acme/review")
ONE = Version.parse("1.0.0")


async def surveyed(world: World, key: str = "") -> Surveyed:
    async with Served.on_a_port(world) as served:
        return await survey(served.url, world.folder / "state", key, silent)


async def filled(world: World) -> World:
    await world.publish("@acme/review")
    await world.publish("@acme/review", "1.1.0")
    await world.publish("@acme/review", "1.2.0", files={"SKILL.md": SUSPECT})
    await world.publish("@other/base", key=OTHER_KEY)
    await world.registry.packages.yank(REVIEW, ONE, "old", OWNER)
    drafts = [Draft(EventKind.CHANNEL_MOVED, "test", {"n": n}) for n in range(300)]
    await world.registry.journal.record(*drafts)
    return world


async def test_an_honest_registry_holds(sqlite_world: World):
    found = await surveyed(await filled(sqlite_world))
    assert told(found) == set()
    assert found.log
    assert found.log.signed == 308
    assert (found.packages, found.releases, found.sealed) == (2, 3, 0)
    assert found.not_checked == [_BYTES]


async def test_what_is_private_is_said_not_to_be_seen(sqlite_world: World):
    world = await filled(sqlite_world)
    await world.publish("@acme/secret", private=True)
    await world.publish("@acme/opened", private=True)
    packages = world.registry.packages
    await packages.set_visibility(PackageName.parse("@acme/opened"), Visibility.PUBLIC, OWNER)
    await packages.set_visibility(PackageName.parse("@other/base"), Visibility.PRIVATE, OWNER)
    found = await surveyed(world)
    assert told(found) == set()
    assert found.sealed == 4
    said = " ".join(found.not_checked)
    assert "1 releases that are served, and their packages were private" in said
    assert "@acme/opened@1.0.0" in said
    assert "@other/base@1.0.0" in said
    assert "secret" not in said


async def _hide_yank(world: World) -> str:
    await edit(world, "UPDATE releases SET yanked_at = NULL WHERE version = '1.0.0'")
    return "@acme/review@1.0.0: is served as if it were not yanked, and its leaves say yanked"


async def _serve_held(world: World) -> str:
    await edit(world, "UPDATE releases SET state = 'released'")
    return "@acme/review@1.2.0: is served, and its leaves say held"


async def _other_bytes(world: World) -> str:
    await edit(world, "UPDATE releases SET sha256 = :s WHERE version = '1.1.0'", s="ab" * 32)
    return f"@acme/review@1.1.0: sha256 is served as '{'ab' * 32}', its leaf says "


async def _other_signer(world: World) -> str:
    await edit(world, "UPDATE releases SET signer = NULL WHERE version = '1.1.0'")
    return "@acme/review@1.1.0: signer is served as 'None', its leaf says "


async def _unlogged(world: World) -> str:
    await forge_release(world, "1.1.0")
    return "@acme/review@9.9.9: is served, and no leaf of the log brought it"


async def _dropped(world: World) -> str:
    await edit(world, "UPDATE releases SET state = 'rejected' WHERE version = '1.1.0'")
    return "@acme/review@1.1.0: is not served, and its leaves say released"


async def _tile(world: World) -> str:
    await world.registry.transparency.checkpoint()
    path = world.folder / "log/tile/0/000"
    path.write_bytes(bytes(32) + path.read_bytes()[32:])
    return "tile/0/000: has another hash of leaf 0 than that leaf makes"


async def _bundle(world: World) -> str:
    await world.registry.transparency.checkpoint()
    path = world.folder / "log/tile/entries/000"
    path.write_bytes(path.read_bytes().replace(b"1.1.0", b"1.1.1"))
    return "checkpoint of 308 leaves: was signed over "


async def _nonsense(world: World) -> str:
    await edit(world, "UPDATE log_leaves SET leaf = :l WHERE position = 300", l=b"nonsense")
    return "leaf 300: says nothing that this program can read"


async def _twice(world: World) -> str:
    said = {"name": "@acme/review", "version": "1.1.0", "sha256": "ab" * 32}
    await world.registry.journal.record(Draft(EventKind.PACKAGE_PUBLISHED, "x", said))
    return "leaf 308: publishes @acme/review@1.1.0, which was published before"


@pytest.mark.parametrize(
    "change",
    [
        _hide_yank,
        _serve_held,
        _other_bytes,
        _other_signer,
        _unlogged,
        _dropped,
        _tile,
        _bundle,
        _nonsense,
        _twice,
    ],
)
async def test_what_a_registry_serves_beside_its_log_is_told(sqlite_world: World, change: Any):
    expected = await change(await filled(sqlite_world))
    found = await surveyed(sqlite_world)
    assert any(line.startswith(expected) for line in told(found)), told(found)


async def _seen(world: World, size: int, root: bytes | None) -> Surveyed:
    """Look at a registry after its log was seen with a size and root."""
    signer = Signer.parse((world.folder / "log.key").read_text().strip())
    data = str(await world.registry.transparency.checkpoint()).encode()
    tree = checkpoints.read(data, signer.verifier).checkpoint
    note = Checkpoint(tree.origin, size or tree.size, root or tree.root)
    async with Served.on_a_port(world) as served:
        memory = Memory(world.folder / "state", f"{served.url}/api")
        signed = Note(note.text, (signer.sign(note.text),))
        memory.keep(None, Known(memory.registry, signer.verifier.text, str(signed)))
        return await survey(served.url, world.folder / "state", "", silent)


async def test_a_log_is_held_against_what_was_seen_of_it(sqlite_world: World):
    world = await filled(sqlite_world)
    assert told(await _seen(world, 0, None)) == set()


async def test_a_forked_log_is_told(sqlite_world: World):
    found = await _seen(await filled(sqlite_world), 100, b"\x07" * 32)
    assert any(line.startswith("log: has another history") for line in told(found))


async def test_a_log_that_has_lost_leaves_is_told(sqlite_world: World):
    found = await _seen(await filled(sqlite_world), 10_000, b"\x07" * 32)
    assert any(line.startswith("log: has lost leaves: 10000 were seen") for line in told(found))


async def test_another_key_than_the_one_that_is_given_is_refused(sqlite_world: World):
    other = Signer("other.example/log", SigningKey(b"the seed of a stranger, 32 bytes"))
    with pytest.raises(Tampered):
        await surveyed(await filled(sqlite_world), other.verifier.text)


async def test_a_survey_while_everything_is_written_finds_nothing(sqlite_world: World):
    world = await filled(sqlite_world)

    async def write() -> None:
        for n in range(1, 6):
            await world.publish("@acme/moving", f"1.{n}.0")
            name = PackageName.parse("@acme/moving")
            await world.registry.packages.yank(name, Version.parse(f"1.{n}.0"), "x", OWNER)

    async with Served.on_a_port(world) as served:
        writing = asyncio.create_task(write())
        found = await survey(served.url, world.folder / "state", "", silent)
        await writing
    assert told(found) == set()


async def test_the_command_looks_at_a_registry_from_another_machine(
    sqlite_world: World, tmp_path: Path
):
    world = await filled(sqlite_world)
    await _hide_yank(world)
    async with Served.on_a_port(world) as served:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "ctxmcp", "audit", "--registry", served.url, "--json"),
            stdout=subprocess.PIPE,
            cwd=tmp_path,
            env={**os.environ, "HOME": str(tmp_path)},
        )
        out, _ = await process.communicate()
    assert process.returncode == 6
    assert json.loads(out)["problems"][0]["where"] == "@acme/review@1.0.0"
