"""A log changes its key: who knows the old one follows, and follows nobody else."""

from __future__ import annotations

import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from auditing import silent, told
from bench import BASE, Machine

from ctxmcp import note_keys, wiring
from ctxmcp.logs import Memory
from ctxmcp.monitoring import Watch, monitor
from ctxmcp.remote_audit import survey
from ctxmcp.remote_log import RemoteLog
from ctxmcp.witnessing import witness
from registry_core.audit import audit
from registry_core.callers import OWNER
from registry_core.errors import Invalid, NotFound, Tampered, Unproven
from registry_core.names import PackageName, Version
from registry_core.signing import SigningKey
from registry_core.transparency import handover
from registry_core.transparency.notes import Signer
from served import Served
from world import World

WITNESS = Signer("witness.example/w1", SigningKey(b"the seed of a witness, 32 bytes."))


@asynccontextmanager
async def started_again(here: Machine) -> AsyncIterator[Machine]:
    """Start the registry again, on the same data."""
    async with wiring.open_registry(here.settings) as registry:
        yield replace(here, registry=registry)


def memory(here: Machine) -> Memory:
    return Memory(here.settings.state, BASE, BASE)


def remembered(here: Machine) -> str:
    known = memory(here).read()
    assert known is not None
    return known.key


async def test_an_installer_follows_to_the_new_key_and_never_back(
    here: Machine, tmp_path: Path
) -> None:
    await here.publish("@acme/base")
    await here.facing().install("@acme/base")
    old = remembered(here)
    lock = here.text("ctxmcp.lock")
    before = await here.fork(tmp_path / "before")
    new, kept = note_keys.rotate(here.settings)
    assert old != new.text
    assert Signer.parse(kept.read_text()).verifier.text == old
    assert stat.S_IMODE(here.settings.log_key_file.stat().st_mode) == 0o600
    async with started_again(here) as again:
        # Nothing was published since: the tree that the old key has signed, the new one signs too.
        await again.facing().install("@acme/base")
        assert remembered(here) == new.text
        assert here.text("ctxmcp.lock") != lock, "the proof is one of the new key"
        await again.publish("@acme/more")
        await again.facing().install("@acme/more")
        assert (await here.verify()).ok
        found = await audit(again.registry, silent)
        assert told(found) == set()
    # One who shows the old key, as a thief of that file would, is not believed any more.
    async with wiring.open_registry(before) as registry:
        with pytest.raises(Unproven, match="the key of the log"):
            await here.facing(registry=registry).install("@acme/base")


async def test_whoever_was_away_for_two_changes_follows_both(here: Machine) -> None:
    await here.publish("@acme/base")
    await here.facing().install("@acme/base")
    note_keys.rotate(here.settings)
    new, _ = note_keys.rotate(here.settings)
    async with started_again(here) as again:
        assert len(again.registry.transparency.handovers) == 2
        await again.facing().install("@acme/base")
    assert remembered(here) == new.text


async def test_a_lock_knows_the_old_key_of_a_log_as_well(here: Machine) -> None:
    await here.publish("@acme/base")
    await here.facing().install("@acme/base")
    memory(here).file.unlink()
    note_keys.rotate(here.settings)
    async with started_again(here) as again:
        await again.facing().install()


async def test_what_was_taken_back_is_known_across_a_change(here: Machine) -> None:
    await here.publish("@acme/base")
    await here.facing().install("@acme/base")
    name, one = PackageName("acme", "base"), Version.parse("1.0.0")
    before = (await here.facing().install("@acme/base")).proven
    note_keys.rotate(here.settings)
    async with started_again(here) as again:
        assert (await again.facing().install("@acme/base")).proven == before, "the same note holds"
        await again.registry.packages.yank(name, one, "It leaks.", OWNER)
        notes = (await again.facing().install("@acme/base@1.0.0")).notes
    assert "yanked" in notes[0]


async def test_a_new_key_that_the_old_one_did_not_announce_is_not_followed(
    here: Machine, tmp_path: Path
) -> None:
    await here.publish("@acme/base")
    await here.facing().install("@acme/base")
    thief = Signer(here.registry.transparency._signer.name, SigningKey(b"t" * 32))
    other = Signer(thief.name, SigningKey(b"o" * 32))
    for handovers in ((), (handover.make(other, thief),)):
        text = f"{thief.private_text()}\n\n{handover.join(handovers)}"
        stolen = replace(await here.fork(tmp_path / f"stolen-{len(handovers)}"), log_key=None)
        stolen.log_key_file.write_text(text)
        async with wiring.open_registry(stolen) as registry:
            async with registry.journal.database.read() as connection:
                await connection.exec_driver_sql("DELETE FROM log_checkpoints")
            (stolen.log_dir / "checkpoint").unlink()
            with pytest.raises(Unproven, match="the key of the log") as caught:
                await here.facing(registry=registry).install("@acme/base")
            assert thief.verifier.text in caught.value.evidence


async def test_witness_monitor_and_audit_follow(sqlite_world: World, tmp_path: Path) -> None:
    world, state = sqlite_world, tmp_path / "state"
    await world.publish("@acme/review")
    old = world.registry.transparency
    witnessed = type(old)(world.registry.journal, old._files, old._signer, [WITNESS.witness])
    first = replace(world, registry=replace(world.registry, transparency=witnessed))
    async with Served.on_a_port(first) as served, RemoteLog(served.url) as log:
        registry = log.registry
        await witness(log, WITNESS, state, key="", seconds=1)
        await monitor(log, Watch(), state)
        given = (await log.key()).text
    new = Signer(old._signer.name, SigningKey(b"n" * 32))
    chain = (handover.make(old._signer, new),)
    changed = type(old)(world.registry.journal, old._files, new, [WITNESS.witness], handovers=chain)
    second = replace(world, registry=replace(world.registry, transparency=changed))
    async with Served.on_a_port(second) as served, RemoteLog(served.url) as log:
        log.registry = registry  # the same address, after a new start
        assert (await served.get("/log/keys")).text == handover.join(chain)
        note = (await log.checkpoint()).decode()
        assert note.count("\u2014 ") == 3, "the old key, its witness, and the new key"
        await world.publish("@acme/review", "1.1.0")
        seen = await witness(log, WITNESS, state, key="", seconds=2)
        assert (seen.log, seen.size > seen.seen) == (new.verifier.text, True)
        found = await monitor(log, Watch(), state)
        assert (found.log, [one.alarm for one in found.alarms]) == (new.verifier.text, ["log key"])
        assert found.alarms[0].detail == f"handed over from {given}"
        assert (await monitor(log, Watch(), state)).alarms == [], "told once"
        assert (await witness(log, WITNESS, state, key=given, seconds=3)).log == seen.log
        assert (await survey(served.url, tmp_path / "other", given, silent)).ok
        stranger = Signer(new.name, SigningKey(b"s" * 32))
        with pytest.raises(Tampered, match="the key of the log"):
            await monitor(log, Watch(), state, key=stranger.verifier.text)


async def test_the_key_is_not_changed_where_there_is_none_or_the_file_is_damaged(
    here: Machine, tmp_path: Path
) -> None:
    with pytest.raises(NotFound, match="there is no key"):
        note_keys.rotate(replace(here.settings, log_key=tmp_path / "none.key"))
    note_keys.rotate(here.settings)
    file = here.settings.log_key_file
    whole = file.read_text()
    file.write_text(whole.replace("ctxmcp log key 1", "ctxmcp log key 2"))
    with pytest.raises(Invalid, match="no handover"):
        async with wiring.open_registry(here.settings):
            pass
    file.write_text(whole.partition("\n\n")[0] + "\n")  # a key that nobody was told of
    async with wiring.open_registry(here.settings) as registry:
        assert registry.transparency.handovers == ()
