"""Looking at a registry's log from another machine: witnesses, monitors, and what they find."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from starlette.applications import Starlette

from ctxmcp import monitoring, note_keys, witness_server
from ctxmcp.http import Http
from ctxmcp.logs import Memory
from ctxmcp.monitoring import Monitored, Watch, monitor
from ctxmcp.remote_log import RemoteLog
from ctxmcp.serving import running
from ctxmcp.witnessing import ask, witness
from registry_core.callers import OWNER
from registry_core.errors import Forbidden, Invalid, Tampered, Unavailable, Unproven
from registry_core.events import Draft
from registry_core.events.kinds import EventKind
from registry_core.keys import Action, Statement
from registry_core.names import PackageName, Version
from registry_core.signing import SigningKey
from registry_core.transparency import merkle, notes
from registry_core.transparency.checkpoints import Checkpoint, read
from registry_core.transparency.log import Log
from registry_core.transparency.merkle import leaf_hash
from registry_core.transparency.notes import Signer, Verifier
from served import Served
from world import KEY, OTHER_KEY, World

NOW = int(datetime.now(UTC).timestamp())
WITNESS = Signer("witness.example/w1", SigningKey(b"the seed of a witness, 32 bytes."))
STRANGER = Signer("witness.example/w2", SigningKey(b"the seed of a stranger, 32 bytes"))


def _witnessed(world: World) -> World:
    log = world.registry.transparency
    known = Log(world.registry.journal, log._files, log._signer, [WITNESS.witness])
    return replace(world, registry=replace(world.registry, transparency=known))


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with World.open(f"sqlite+aiosqlite:///{tmp_path / 'r.sqlite3'}", tmp_path) as opened:
        yield _witnessed(opened)


async def _fork(world: World, folder: Path) -> str:
    """Copy the registry as it is: from here on there are two histories, signed by one key."""
    async with world.registry.journal.database.read() as connection:
        await connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    shutil.copytree(world.folder, folder, ignore=shutil.ignore_patterns("state", "fork"))
    return f"sqlite+aiosqlite:///{folder / 'r.sqlite3'}"


async def test_a_witness_cosigns_what_has_grown_and_remembers_it(
    world: World, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    await world.publish("@acme/review")
    async with Served.on_a_port(world) as served, RemoteLog(served.url) as log:
        first = await witness(log, WITNESS, state, key="", seconds=NOW)
        assert (first.seen, first.size) == (0, 2)  # the key of @acme, and its release
        await world.registry.journal.record(
            *(Draft(EventKind.TRUST_CHANGED, payload={"n": n}) for n in range(300))
        )
        second = await witness(log, WITNESS, state, key=first.log, seconds=NOW)
        assert (second.seen, second.size) == (2, 302)
        assert (await witness(log, WITNESS, state, key="", seconds=NOW)).seen == 302
        note = await log.checkpoint()
    signed = read(note, Verifier.parse(first.log), [WITNESS.witness])
    assert [notes.time_of(one.value) for one in signed.witnessed] == [NOW]


async def test_a_witness_never_signs_two_histories(world: World, tmp_path: Path) -> None:
    state = tmp_path / "state"
    await world.publish("@acme/review")
    url = await _fork(world, tmp_path / "fork")
    await world.publish("@acme/mine")
    await world.publish("@acme/more")
    async with Served.on_a_port(world) as served:
        port = served.url
        async with RemoteLog(port) as log:
            await witness(log, WITNESS, state, key="", seconds=NOW)
            registry = log.registry
    memory = Memory(state / "witness", registry)
    before = memory.read()
    async with World.open(url, tmp_path / "fork") as fork:
        for names in (["@acme/theirs"], ["@acme/other"], ["@acme/third"]):  # less, as many, more
            for name in names:
                await fork.publish(name)
            async with Served.on_a_port(_witnessed(fork)) as served, RemoteLog(served.url) as log:
                log.registry = registry  # the same address, on another day
                with pytest.raises(Unproven, match="has another history") as caught:
                    await witness(log, WITNESS, state, key="", seconds=NOW)
                assert "Nothing was signed. The evidence is in" in caught.value.hint
    assert memory.read() == before


async def test_a_witness_that_the_registry_does_not_know_is_told_its_key(
    world: World, tmp_path: Path
) -> None:
    await world.publish("@acme/review")
    async with Served.on_a_port(world) as served, RemoteLog(served.url) as log:
        with pytest.raises(Forbidden) as caught:
            await witness(log, STRANGER, tmp_path / "state", key="", seconds=NOW)
    assert f"CTXMCP_WITNESSES={STRANGER.witness.text}" in caught.value.hint


async def test_a_pinned_key_has_to_be_the_one_that_signs(world: World, tmp_path: Path) -> None:
    async with Served.on_a_port(world) as served, RemoteLog(served.url) as log:
        with pytest.raises(Tampered):
            await witness(log, WITNESS, tmp_path, key=STRANGER.verifier.text, seconds=NOW)
        await witness(log, WITNESS, tmp_path, key="", seconds=NOW)
        with pytest.raises(Tampered, match="the key of the log"):
            await witness(log, WITNESS, tmp_path, key=STRANGER.verifier.text, seconds=NOW)


async def _look(world: World, state: Path, watch: Watch = Watch()) -> Monitored:  # noqa: B008
    async with Served.on_a_port(world) as served, RemoteLog(served.url) as log:
        log.registry = "https://registry.example/api"
        return await monitor(log, watch, state)


async def test_a_monitor_tells_what_is_new_in_its_namespaces_once(
    world: World, tmp_path: Path
) -> None:
    watch = Watch(frozenset({"acme"}))
    await world.publish("@acme/review")
    await world.publish("@other/review")
    await world.publish("@acme/hidden", private=True)
    first = await _look(world, tmp_path / "state", watch)
    assert (first.seen, first.size, first.sealed) == (0, 5, 1)
    assert [(one.alarm, one.event, one.position, one.about) for one in first.alarms] == [
        ("activity", "key_pinned", 0, "acme"),
        ("activity", "package_published", 1, "@acme/review@1.0.0"),
    ]
    assert (await _look(world, tmp_path / "state", watch)).alarms == []
    await world.registry.packages.yank(
        PackageName("acme", "review"), Version.parse("1.0.0"), "x", OWNER
    )
    third = await _look(world, tmp_path / "state", watch)
    assert [(one.event, one.position) for one in third.alarms] == [
        ("package_yanked", 5),
        ("trust_changed", 6),
    ]


async def test_a_monitor_tells_of_new_keys_and_of_what_was_published_twice(
    world: World, tmp_path: Path
) -> None:
    await world.publish("@acme/review")
    await world.publish("@acme/review", "1.0.1")
    assert (await _look(world, tmp_path / "state")).alarms == []
    await world.publish("@acme/review", "1.0.2", key=OTHER_KEY)
    again = {"name": "@acme/review", "version": "1.0.1", "signer": OTHER_KEY.public_key}
    draft = Draft(EventKind.PACKAGE_PUBLISHED, payload=again, namespace="acme")
    await world.registry.journal.record(draft)
    found = await _look(world, tmp_path / "state")
    assert [(one.alarm, one.position) for one in found.alarms] == [
        ("key", 3),
        ("duplicate", 4),
        ("key", 4),
    ]
    known = Watch(frozenset({"acme"}), frozenset({KEY.public_key}))
    anew = await _look(world, tmp_path / "anew", known)
    assert [one.position for one in anew.alarms if one.alarm == "key"] == [3, 4]
    both = Watch(keys=frozenset({KEY.public_key, OTHER_KEY.public_key}))
    assert {one.alarm for one in (await _look(world, tmp_path / "both", both)).alarms} == {
        "duplicate"
    }


async def test_a_monitor_reads_on_over_many_bundles(world: World, tmp_path: Path) -> None:
    for count in (3, 250, 3, 700):
        drafts = [Draft(EventKind.TRUST_CHANGED, payload={"n": n}) for n in range(count)]
        await world.registry.journal.record(*drafts)
        found = await _look(world, tmp_path / "state")
        assert found.size - found.seen == count


@pytest.mark.parametrize("names", [["@acme/theirs"], ["@acme/theirs", "@acme/more"]])
async def test_a_monitor_finds_another_history(
    world: World, tmp_path: Path, names: list[str]
) -> None:
    await world.publish("@acme/review")
    url = await _fork(world, tmp_path / "fork")
    await world.publish("@acme/mine")
    before = await _look(world, tmp_path / "state")
    async with World.open(url, tmp_path / "fork") as fork:
        with pytest.raises(Unproven, match="not those that its log has signed"):
            await _look(fork, tmp_path / "state")  # fewer
        for name in names:
            await fork.publish(name)
        with pytest.raises(Unproven) as caught:
            await _look(fork, tmp_path / "state")
    assert "Nothing was believed. The evidence is in" in caught.value.hint
    assert (await _look(world, tmp_path / "state")).seen == before.size


async def test_a_monitor_finds_leaves_that_are_not_those_of_the_tree(
    world: World, tmp_path: Path
) -> None:
    await world.publish("@acme/review")
    await world.registry.transparency.catch_up()
    file = world.folder / "log/tile/entries/000.p/2"
    file.write_bytes(file.read_bytes().replace(b"@acme", b"@evil"))
    with pytest.raises(Unproven, match="not those that its log has signed"):
        await _look(world, tmp_path / "state")


async def test_a_monitor_follows_the_chain_of_keys(world: World, tmp_path: Path) -> None:
    state, old, new = tmp_path / "state", KEY.public_key, OTHER_KEY.public_key
    await world.publish("@acme/review")
    (pin,) = await world.registry.keychains.chain("acme")
    rotation = Statement(Action.ROTATE, "acme", 1, pin.statement.digest, new, old=old)
    revocation = Statement(Action.REVOKE, "acme", 2, rotation.digest, new, since=3)

    async def log(kind: EventKind, said: dict[str, object]) -> None:
        await world.registry.journal.record(Draft(kind, payload=said, namespace="acme"))

    async def state_(statement: Statement, kind: EventKind) -> None:
        await log(kind, {**statement.as_json(), "digest": statement.digest})

    async def release(version: str, signer: str) -> None:
        said = {"name": "@acme/review", "version": version, "signer": signer}
        await log(EventKind.PACKAGE_PUBLISHED, said)

    await state_(rotation, EventKind.KEY_ROTATED)
    await release("1.0.1", new)
    assert (await _look(world, state)).alarms == []
    await release("1.0.2", old)
    await state_(revocation, EventKind.KEY_REVOKED)
    await release("1.0.3", new)
    found = await _look(world, state)
    assert [(one.alarm, one.about, one.detail.rpartition(" ")[2]) for one in found.alarms] == [
        ("key", "@acme/review@1.0.2", "replaced"),
        ("key", "@acme/review@1.0.3", "revoked"),
    ]
    # What does not follow is told of, and believed nothing.
    await state_(rotation, EventKind.KEY_ROTATED)
    await log(EventKind.KEY_ADDED, {"prev": "x", "seq": 2**50, "key": old})
    await log(EventKind.KEY_ADDED, {"prev": revocation.digest, "seq": "3", "key": old})
    await release("1.0.4", old)
    found = await _look(world, state)
    assert [one.alarm for one in found.alarms] == ["chain", "chain", "chain", "key"]


async def test_what_no_program_of_ours_wrote_into_a_leaf_is_alarming(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(monitoring, "MOST_ALARMS", 1)

    async def work(connection) -> None:
        await connection.exec_driver_sql("UPDATE log_leaves SET leaf = X'ff'")

    await world.publish("@acme/one")
    await world.publish("@acme/two")
    await world.registry.journal.database.write(work)
    found = await _look(world, tmp_path / "state")
    assert [one.alarm for one in found.alarms] == ["nonsense"]
    assert found.unlisted == 2  # the key of @acme, and two releases


async def test_what_a_monitor_kept_is_not_believed_when_it_was_changed(
    world: World, tmp_path: Path
) -> None:
    await world.publish("@acme/one")
    await _look(world, tmp_path / "state")
    (file,) = (tmp_path / "state/monitor/logs").glob("*.sqlite3")
    import sqlite3

    with sqlite3.connect(file) as database:
        database.execute("UPDATE tree SET known = '{}'")
    database.close()
    with pytest.raises(Invalid, match="not what it wrote"):
        await _look(world, tmp_path / "state")


def test_a_key_is_made_once_and_never_readable_by_others(tmp_path: Path) -> None:
    path = tmp_path / "keys/witness.key"
    made = note_keys.load(path, "witness.example/me")
    assert path.stat().st_mode & 0o777 == 0o600
    assert note_keys.load(path, "").witness == made.witness
    with pytest.raises(Invalid, match="is called witness.example/me"):
        note_keys.load(path, "somebody.example")
    with pytest.raises(Invalid):
        note_keys.load(tmp_path / "none.key", "")


async def test_the_commands_end_as_they_say(world: World, tmp_path: Path) -> None:
    await world.publish("@acme/review")
    environment = {
        **os.environ,
        "HOME": str(tmp_path / "home"),
        "XDG_STATE_HOME": str(tmp_path / "state"),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
    }

    async def run(*words: str) -> tuple[int, dict]:
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "ctxmcp", *words, "--json"],
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
            env=environment,
        )
        return done.returncode, json.loads(done.stdout)

    async with Served.on_a_port(world) as served:
        here = ("--registry", served.url)
        code, found = await run("monitor", *here, "--namespace", "@acme")
        assert (code, [(one["event"], one["about"]) for one in found["alarms"]]) == (
            1,
            [("key_pinned", "acme"), ("package_published", "@acme/review@1.0.0")],
        )
        code, found = await run("monitor", *here, "--namespace", "@acme")
        assert (code, found["alarms"], found["size"]) == (0, [], 2)
        code, found = await run("witness", *here)
        assert (code, found["code"]) == (2, "invalid")
        code, found = await run("witness", *here, "--name", "witness.example/me")
        assert (code, found["code"]) == (4, "forbidden")
        assert "CTXMCP_WITNESSES=witness.example/me+" in found["hint"]
        code, found = await run("witness")
        assert (code, "whose log" in found["error"]) == (2, True)
        key = Signer("registry.example/log", KEY).verifier.text
        code, found = await run("monitor", *here, "--log-key", key)
        assert (code, found["code"]) == (6, "tampered")


async def test_a_registry_that_was_set_back_is_refused_on_the_command_line(
    world: World, tmp_path: Path
) -> None:
    """The registry as the attacker: the version that mends a hole is taken back."""
    await world.publish("@acme/review")
    url = await _fork(world, tmp_path / "fork")
    await world.publish("@acme/review", "1.0.1", description="Mends a hole.")
    project = tmp_path / "home/project"
    project.mkdir(parents=True)

    async def install(address: str) -> tuple[int, dict]:
        words = ["install", "@acme/review", "--registry", address, "--project", str(project)]
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "ctxmcp", *words, "--json"],
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
            env={
                **os.environ,
                "HOME": str(tmp_path / "home"),
                "XDG_STATE_HOME": str(tmp_path / "s"),
            },
        )
        return done.returncode, json.loads(done.stdout)

    async with Served.on_a_port(world) as served:
        code, found = await install(served.url)
        assert (code, found["plan"][0]["ref"]) == (0, "@acme/review@1.0.1")
        assert "of 3 leaves" in found["proven"]
    before = (project / "ctxmcp.lock").read_bytes()
    async with World.open(url, tmp_path / "fork") as fork, Served.on_a_port(fork) as served:
        code, found = await install(served.url)
    assert (code, found["code"]) == (6, "unproven")
    assert "has lost leaves" in found["error"]
    assert "The evidence is in" in found["hint"]
    assert (project / "ctxmcp.lock").read_bytes() == before


def _asked(world: World, folder: Path) -> Starlette:
    log = Verifier.parse(world.registry.transparency.key)
    return witness_server.create_app({log.name: log}, WITNESS, folder, lambda: NOW)


async def test_a_registry_asks_a_witness_by_the_protocol_of_c2sp(
    world: World, tmp_path: Path
) -> None:
    log = world.registry.transparency
    async with running(_asked(world, tmp_path), "127.0.0.1", 0) as url, Http(f"{url}/", "") as http:
        assert (await http.read("")).decode().strip() == WITNESS.witness.text
        for count in (1, 0, 2, 300):
            drafts = [Draft(EventKind.TRUST_CHANGED, payload={"n": n}) for n in range(count)]
            await world.registry.journal.record(*drafts)
            assert await ask(log, http) == 1
        async with Http(f"{url}/nowhere/", "") as nowhere:
            with pytest.raises(Unavailable, match="answers 404"):
                await ask(log, nowhere)
    note = str(await log.checkpoint()).encode()
    signed = read(note, Verifier.parse(log.key), [WITNESS.witness])
    assert (signed.checkpoint.size, len(signed.witnessed)) == (303, 1)


async def test_a_witness_refuses_by_the_protocol_of_c2sp(world: World, tmp_path: Path) -> None:
    log, other = world.registry.transparency, Signer("other.example", SigningKey(bytes(32)))
    forger = Signer(log._signer.name, SigningKey(bytes(32)))
    for name in ("@acme/one", "@acme/two", "@acme/three"):
        await world.publish(name)

    async def note(size: int, word: str = "", signer: Signer = log._signer) -> str:
        rows = await log._rows.leaves(0, size)
        hashes = [leaf_hash(row + word.encode()) for row in rows]
        text = Checkpoint(signer.name, size, merkle.root(hashes)).text
        return str(notes.Note(text, (signer.sign(text),)))

    right = await note(2)
    async with running(_asked(world, tmp_path), "127.0.0.1", 0) as url, Http(f"{url}/", "") as http:
        for body, status, said in (
            ("nonsense", 400, b"begins with"),
            ("x" * 200_000, 413, b"at most"),
            (f"old 0\n\n{await note(2, signer=other)}", 404, b"does not know"),
            (f"old 0\n\n{await note(2, signer=forger)}", 403, b"signed by"),
            (f"old 1\n\n{right}", 409, b"0\n"),
            (f"old 0\n\n{right}", 200, "\u2014 witness.example/w1 ".encode()),
            (f"old 0\n\n{right}", 409, b"2\n"),
            (f"old 2\n\n{right}", 200, "\u2014 witness.example/w1 ".encode()),
            (f"old 2\n\n{await note(2, 'fork')}", 409, b"another history"),
            (f"old 2\n\n{await note(3)}", 422, b"another history"),
        ):
            answered, data = await http.submit("add-checkpoint", body)
            assert (answered, said in data) == (status, True), data
