"""A registry that lies about its log is found out, and nothing is installed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bench import BASE, Lie, Machine, honest

from ctxmcp import lock as locking
from ctxmcp import logs, wiring
from ctxmcp.cli.endings import Ending, ending
from ctxmcp.connection import Embedded
from ctxmcp.desk import Desk
from ctxmcp.logs import Known, Memory
from registry_core.callers import OWNER
from registry_core.errors import Conflict, Invalid, Tampered, Unproven
from registry_core.events.kinds import EventKind
from registry_core.names import Kind, PackageName, Version
from registry_core.operations.install import Installation, Logged, Shown
from registry_core.publish import publish
from registry_core.registry import Registry
from registry_core.signing import SigningKey
from registry_core.transparency.checkpoints import Checkpoint
from registry_core.transparency.log import Log
from registry_core.transparency.notes import Note, Signer, Verifier
from registry_core.transparency.proofs import Proof
from world import OTHER_KEY, package

WITNESS = Signer("witness.example/w1", SigningKey(b"the seed of a witness, 32 bytes."))


def _desk(here: Machine, lie: Lie = honest, registry: Registry | None = None) -> Desk:
    """A desk at which the registry is a remote one, as far as memory and lock go."""
    return here.facing(lie, registry).desk


async def _install(desk: Desk, *refs: str, **more: object) -> Installation:
    done = await desk.invoke("install", {"refs": list(refs), **more})
    assert isinstance(done, Installation)
    return done


def _memory(here: Machine) -> Memory:
    return Memory(here.settings.state, BASE, BASE)


async def _refused(here: Machine, desk: Desk, *refs: str) -> Unproven:
    """Install, be refused, and see that nothing changed and that the evidence is there."""
    before, known = here.tree(), _memory(here).read()
    with pytest.raises(Unproven) as caught:
        await _install(desk, *refs)
    assert ending(caught.value) is Ending.VERIFICATION == 6
    assert here.tree() == before
    assert _memory(here).read() == known
    assert "The evidence is in " in caught.value.hint
    path = caught.value.hint.partition("The evidence is in ")[2].partition(": show")[0]
    with open(path) as file:  # noqa: ASYNC230, PTH123 - a test
        assert file.read() == caught.value.evidence
    return caught.value


async def test_what_was_proven_is_told_remembered_and_kept_in_the_lock(here: Machine) -> None:
    await here.publish("@acme/base")
    await here.publish("@acme/top", needs={"@acme/base": "^1.0"})
    done = await _install(_desk(here), "@acme/top")
    assert "of 3 leaves" in done.proven  # the key of @acme, and two releases
    assert done.log is None
    assert all(planned.log is None for planned in done.plan), "proofs are not for agents to read"
    known = _memory(here).read()
    assert known is not None
    assert known.read().size == 3
    assert known.key == here.registry.transparency.key
    entries = locking.read(here.project).packages
    assert {entry.log.key for entry in entries.values() if entry.log} == {known.key}
    assert len(entries) == 2
    assert (await here.verify()).ok


async def test_one_s_own_registry_is_remembered_as_well(here: Machine) -> None:
    await here.publish("@acme/base")
    done = await here.install("@acme/base")
    assert "of 2 leaves" in done.proven
    (file,) = (here.settings.state / "logs").glob("*.json")
    assert json.loads(file.read_bytes())["registry"] == f"the registry in {here.settings.data_dir}"


async def test_a_log_that_has_grown_is_believed(here: Machine) -> None:
    for version in ("1.0.0", "1.1.0", "1.2.0"):
        await here.publish("@acme/base", version)
        await _install(_desk(here), "@acme/base")
    known = _memory(here).read()
    assert known is not None
    assert known.read().size == 4


async def test_the_proof_of_an_installed_release_stays_in_the_lock_as_it_was(here: Machine) -> None:
    await here.publish("@acme/base")
    await _install(_desk(here), "@acme/base")
    before = here.text("ctxmcp.lock")
    await here.publish("@acme/other")
    for more in ({}, {"frozen": True}):
        await _install(_desk(here), **more)
        assert here.text("ctxmcp.lock") == before


async def test_the_proof_of_a_private_release_opens_its_sealed_leaf(here: Machine) -> None:
    await here.publish("@acme/hidden", private=True)
    await _install(_desk(here), "@acme/hidden")
    entry = locking.read(here.project).packages["@acme/hidden"]
    assert entry.log is not None
    assert "hidden" not in entry.log.leaf
    assert "@acme/hidden" in entry.log.statement
    assert (await here.verify()).ok


def _told(answer: Installation, **changed: Any) -> Installation:
    assert answer.log is not None
    return answer.model_copy(update={"log": answer.log.model_copy(update=changed)})


def _planned(answer: Installation, **changed: Any) -> Installation:
    first, *rest = answer.plan
    return answer.model_copy(update={"plan": [first.model_copy(update=changed), *rest]})


def _leaf(answer: Installation, **changed: str) -> Installation:
    log = answer.plan[0].log
    assert log is not None
    return _planned(answer, log=log.model_copy(update=changed))


def _proof(answer: Installation, change: Callable[[Proof], Proof]) -> Installation:
    log = answer.plan[0].log
    assert log is not None
    return _leaf(answer, proof=change(Proof.parse(log.proof)).text)


def _says(answer: Installation) -> dict[str, Any]:
    log = answer.plan[0].log
    assert log is not None
    return json.loads(log.leaf)


LIES: Mapping[str, Lie] = {
    "no leaf": lambda a: _planned(a, log=None),
    "no log at all": lambda a: a.model_copy(update={"log": None}),
    "other bytes": lambda a: _planned(a, sha256="0" * 64),
    "another signer": lambda a: _planned(a, signer=OTHER_KEY.public_key),
    "no signer": lambda a: _planned(a, signer=None),
    "another kind": lambda a: _planned(a, kind=Kind.CONTEXT),
    "another leaf": lambda a: _leaf(
        a, leaf=json.dumps({**_says(a), "sha256": "0" * 64}, separators=(",", ":"))
    ),
    "what opens nothing": lambda a: _leaf(a, statement="{}", salt="0" * 64),
    "no proof": lambda a: _leaf(a, proof=""),
    "a moved leaf": lambda a: _proof(a, lambda p: replace(p, index=p.index + 1)),
    "a leaf behind the end": lambda a: _proof(a, lambda p: replace(p, index=p.index + 4)),
    "a cut proof": lambda a: _proof(a, lambda p: replace(p, hashes=p.hashes[:-1])),
    "a cut off leaf": lambda a: _proof(a, lambda p: replace(p, hashes=p.hashes[1:])),
    "a proof that goes on": lambda a: _proof(
        a, lambda p: replace(p, hashes=(*p.hashes, p.hashes[0]))
    ),
    "the proof without its checkpoint": lambda a: _proof(a, lambda p: replace(p, checkpoint="")),
    "no checkpoint": lambda a: _told(a, checkpoint=""),
    "half a character": lambda a: _told(a, checkpoint="\ud800"),
    "no key": lambda a: _told(a, key=""),
    "another key": lambda a: _told(a, key=WITNESS.verifier.text),
    "no consistency": lambda a: _told(a, consistency=[]),
    "reversed consistency": lambda a: _told(
        a,
        consistency=[
            c.model_copy(update={"hashes": [*c.hashes[::-1], *c.hashes[:1]]})
            for c in a.log.consistency
        ],
    ),
    "nonsense for consistency": lambda a: _told(
        a, consistency=[c.model_copy(update={"hashes": ["x"]}) for c in a.log.consistency]
    ),
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES.keys())
async def test_a_plan_that_the_log_does_not_prove_is_refused(here: Machine, lie: Lie) -> None:
    await here.publish("@acme/base")
    await _install(_desk(here), "@acme/base")
    await here.publish("@acme/other")
    await here.publish("@acme/third")

    def lied(answer: Installation) -> Installation:
        told = lie(answer)
        assert told != answer, "or nothing is tried here"
        return told

    await _refused(here, _desk(here, lied), "@acme/base")
    await _install(_desk(here), "@acme/base")


async def test_the_proof_of_one_release_does_not_stand_for_another(here: Machine) -> None:
    await here.publish("@acme/one")
    await here.publish("@acme/two")

    def swapped(answer: Installation) -> Installation:
        first, second = answer.plan
        logs_ = {"log": second.log}, {"log": first.log}
        plan = [p.model_copy(update=u) for p, u in zip((first, second), logs_, strict=True)]
        return answer.model_copy(update={"plan": plan})

    error = await _refused(here, _desk(here, swapped), "@acme/one", "@acme/two")
    assert "in the log" in error.message


async def test_the_leaf_of_something_else_than_a_publication_is_none(here: Machine) -> None:
    await here.publish("@acme/base")
    name, version = PackageName("acme", "base"), Version.parse("1.0.0")
    await here.registry.packages.yank(name, version, "broken", OWNER)
    log = here.registry.transparency
    yanked = await log._rows.about([f"{name}@{version}"], [EventKind.PACKAGE_YANKED])
    position, leaf = yanked[f"{name}@{version}"]
    signed = await log.catch_up()
    proof = await log._prove(position, leaf, signed.checkpoint, signed.note)
    kept = Logged(leaf=leaf.data.decode(), proof=proof.text)
    expected = {"name": str(name), "version": str(version)}
    with pytest.raises(Tampered, match="a publication"):
        logs.check_proof(kept, Verifier.parse(log.key), expected)


async def test_two_histories_of_one_size_or_of_another_are_told_apart(
    here: Machine, tmp_path: Path
) -> None:
    await here.publish("@acme/base")
    other = await here.fork(tmp_path / "fork")
    await here.publish("@acme/mine")
    await _install(_desk(here), "@acme/base")
    async with wiring.open_registry(other) as registry:
        await publish(registry, OWNER, package("@acme/theirs"))
        error = await _refused(here, _desk(here, registry=registry), "@acme/base")
        assert "has another history" in error.message
        assert error.evidence.count("\u2014 ctxmcp.invalid/") >= 2, "both are signed by the log"
        await publish(registry, OWNER, package("@acme/more"))
        error = await _refused(here, _desk(here, registry=registry), "@acme/base")
        assert "has another history" in error.message


async def test_an_old_state_of_the_log_is_refused(here: Machine, tmp_path: Path) -> None:
    await here.publish("@acme/base")
    other = await here.fork(tmp_path / "fork")
    await here.publish("@acme/base", "1.0.1", description="Mends a hole.")
    await _install(_desk(here), "@acme/base")
    async with wiring.open_registry(other) as registry:
        error = await _refused(here, _desk(here, registry=registry), "@acme/base@1.0.0")
    assert "has lost leaves" in error.message


async def test_a_log_signed_by_another_key_is_refused(here: Machine) -> None:
    await here.publish("@acme/base")
    await _install(_desk(here), "@acme/base")
    log = here.registry.transparency
    async with here.registry.journal.database.read() as connection:
        await connection.exec_driver_sql("DELETE FROM log_checkpoints")
    shutil.rmtree(here.settings.data_dir / "log")
    key = Signer(log._signer.name, SigningKey(bytes(32)))
    (here.settings.data_dir / "log").mkdir()
    begun_anew = replace(here.registry, transparency=Log(here.registry.journal, log._files, key))
    error = await _refused(here, _desk(here, registry=begun_anew), "@acme/base")
    assert "the key of the log" in error.message


@pytest.mark.parametrize("address", ["the same", "another"])
async def test_a_lock_from_another_machine_shows_up_a_split_view(
    here: Machine, tmp_path: Path, address: str
) -> None:
    await here.publish("@acme/base")
    other = await here.fork(tmp_path / "fork")
    await here.publish("@acme/mine")
    await _install(_desk(here), "@acme/base")  # what a colleague was shown, in the project's lock
    _memory(here).file.unlink()
    if address == "another":
        lock = here.project / "ctxmcp.lock"
        lock.write_text(lock.read_text().replace(BASE, "https://mirror.example/api"))
    async with wiring.open_registry(other) as registry:
        for name in ("@acme/theirs", "@acme/more"):
            await publish(registry, OWNER, package(name))
        error = await _refused(here, _desk(here, registry=registry), "@acme/theirs")
        assert "has another history" in error.message
        (here.project / "ctxmcp.lock").unlink()
        shutil.rmtree(here.project / ".agents")
        shutil.rmtree(here.project / ".ctxmcp")
        await _install(_desk(here, registry=registry), "@acme/theirs")


async def test_a_lock_says_that_a_registry_had_a_log(here: Machine) -> None:
    await here.publish("@acme/base")
    await _install(_desk(here), "@acme/base")
    _memory(here).file.unlink()
    await _refused(here, _desk(here, LIES["no log at all"]), "@acme/base")


async def test_a_registry_that_never_had_a_log_is_used_without(here: Machine) -> None:
    await here.publish("@acme/base")

    def without(answer: Installation) -> Installation:
        return _planned(answer.model_copy(update={"log": None}), log=None)

    done = await _install(_desk(here, without), "@acme/base")
    assert (done.installed, done.proven) == (True, "")
    assert _memory(here).read() is None
    assert locking.read(here.project).packages["@acme/base"].log is None
    assert "of 2 leaves" in (await _install(_desk(here), "@acme/base")).proven


async def test_the_locks_proof_is_verified_offline(here: Machine) -> None:
    await here.publish("@acme/base")
    await _install(_desk(here), "@acme/base")
    path = here.project / "ctxmcp.lock"
    text = path.read_text()
    for false, said in (
        (text.replace("\\nindex 1\\n", "\\nindex 0\\n"), "the proof that"),
        (text.replace("\\nindex 1\\n", "\\nindex 2\\n"), "the proof that"),
        (text.replace('"skill\\",\\"name', '"agent\\",\\"name'), "the proof that"),
        (text.replace("\u2014", "-"), "signature"),
    ):
        assert false != text, said
        path.write_text(false)
        found = await here.verify()
        assert any(said in problem for one in found.checked for problem in one.problems)
    path.write_text(text)
    assert (await here.verify()).ok


async def test_a_lock_whose_proof_is_none_is_not_read(here: Machine) -> None:
    await here.publish("@acme/base")
    await _install(_desk(here), "@acme/base")
    text = (here.project / "ctxmcp.lock").read_text()
    for false in (
        text.replace("c2sp.org/tlog-proof@v1", "something"),
        text.replace("[package.log]", "[package.log]\nmore = 1"),
        text.replace('\nkey = "', '\nkey = "x'),
    ):
        with pytest.raises(Invalid):
            locking.parse(false.encode())


@pytest.mark.parametrize(("times", "ends"), [(2, True), (3, False)])
async def test_who_learned_more_meanwhile_is_asked_again_a_few_times(
    here: Machine, times: int, *, ends: bool
) -> None:
    await here.publish("@acme/base")
    memory, left = _memory(here), [f"\u2014 w{n} AAAAAAAA\n" for n in range(times)]

    def meanwhile(answer: Installation) -> Installation:
        assert answer.log is not None
        if left:
            note = answer.log.checkpoint + left.pop()
            assert memory.keep(memory.read(), Known(BASE, answer.log.key, note))
        return answer

    if ends:
        assert "of 2 leaves" in (await _install(_desk(here, meanwhile), "@acme/base")).proven
    else:
        with pytest.raises(Conflict, match="learning"):
            await _install(_desk(here, meanwhile), "@acme/base")


def test_two_who_remember_at_once_do_not_overwrite_each_other(tmp_path: Path) -> None:
    memory = Memory(tmp_path, BASE, BASE)
    signer = Signer("registry.example/log", SigningKey(bytes(32)))

    def known(size: int) -> Known:
        text = Checkpoint(signer.name, size, bytes(32)).text
        return Known(BASE, signer.verifier.text, str(Note(text, (signer.sign(text),))))

    assert memory.keep(None, known(1))
    assert not memory.keep(None, known(2))
    assert memory.keep(known(1), known(3))
    assert not memory.keep(known(1), known(2))
    assert memory.read() == known(3)


@pytest.mark.parametrize("data", ["", "{}", "[]", "null", '{"registry": 1}', "x" * 300_000])
def test_a_memory_that_is_none_is_refused(tmp_path: Path, data: str) -> None:
    memory = Memory(tmp_path, BASE)
    memory.file.parent.mkdir(parents=True)
    memory.file.write_text(data)
    with pytest.raises(Invalid, match="is not what this program wrote there"):
        memory.read()


async def test_a_memory_with_a_status_note_of_somebody_else_is_refused(here: Machine) -> None:
    await here.publish("@acme/base")
    await _install(_desk(here), "@acme/base")
    memory = _memory(here)
    kept = json.loads(memory.file.read_bytes())
    for note in (kept["status"].replace("+00", "+01")[:-9], kept["checkpoint"], "x", 1):
        memory.file.write_text(json.dumps({**kept, "status": note}))
        with pytest.raises(Invalid, match="is not what this program wrote there"):
            memory.read()


async def test_witnesses_are_counted_for_the_tree_that_they_have_seen(here: Machine) -> None:
    old = here.registry.transparency
    log = Log(here.registry.journal, old._files, old._signer, [WITNESS.witness])
    registry = replace(here.registry, transparency=log)
    await here.publish("@acme/base")
    note = await log.checkpoint()
    await log.cosign(str(note.with_([WITNESS.cosign(note.text, 1)])).encode())

    async def shown() -> Shown:
        given = {"refs": ["@acme/base"], "seen": []}
        answer = await Embedded(registry, BASE).invoke("install", given)
        assert isinstance(answer, Installation)
        assert answer.log is not None
        return answer.log

    assert logs.witnesses(await shown(), [WITNESS.witness]) == {"witness.example/w1": 2}
    assert logs.witnesses(await shown(), []) == {}
    await here.publish("@acme/other")
    told = await shown()
    assert logs.witnesses(told, [WITNESS.witness]) == {"witness.example/w1": 2}
    with pytest.raises(Tampered, match="the witnessed tree"):
        logs.witnesses(told.model_copy(update={"witnessed_consistency": []}), [WITNESS.witness])
