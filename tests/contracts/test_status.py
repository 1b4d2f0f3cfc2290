"""The status note that a registry issues: what it lists, when, and that all nodes say the same."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import event, insert

from ctxmcp import settings as reading
from ctxmcp import wiring
from registry_core.callers import OWNER
from registry_core.errors import Invalid, NotFound, Unavailable
from registry_core.formats import Visibility
from registry_core.names import PackageName, Version
from registry_core.packages.advisories import Warned
from registry_core.schema import advisories
from registry_core.storage import Files
from registry_core.transparency import status
from registry_core.transparency.issuing import PATIENCE, Issuing, Terms
from registry_core.transparency.log import Log
from registry_core.transparency.notes import Verifier
from registry_core.transparency.status import Status, seal
from served import EVERYBODY, Served
from world import KEY, SUSPECT, World

REVIEW = PackageName("acme", "review")
HIDDEN = PackageName("acme", "hidden")
ONE = Version.parse("1.0.0")
BAD = hashlib.sha256(b"bad").hexdigest()
EMPTY = hashlib.sha256(b"").hexdigest()


def again(world: World) -> Log:
    """The log as another node has it, with the same database and files."""
    old = world.registry.transparency
    return Log(world.registry.journal, old._files, old._signer)


async def said(log: Log) -> Status:
    """What the newest note says, to who asks for proofs."""
    view = await log.view()
    return status.read(view.status.encode(), Verifier.parse(log.key))


async def listed(log: Log) -> list[str]:
    """Every line of the list, read as a client does."""
    note = await said(log)
    parts = [note.read_part(d, await log.standing(note.day, d)) for d in dict.fromkeys(note.parts)]
    return sorted(str(entry) for part in parts for entry in part)


def turn(world: World, moment: datetime) -> None:
    world.registry.journal.now = lambda: moment


def files(world: World) -> set[str]:
    folder = world.folder / "log"
    return {path.relative_to(folder).as_posix() for path in folder.glob("standing/*/*")}


async def test_a_new_registry_says_that_nothing_was_taken_back(world: World) -> None:
    log = world.registry.transparency
    note = await said(log)
    assert (note.tree.size, note.parts) == (0, (EMPTY,))
    assert note.expires - note.issued == timedelta(hours=24)
    assert await log.standing(note.day, EMPTY) == b""
    assert (await log.status()).encode() == (world.folder / "log/status").read_bytes()


async def test_what_is_taken_back_is_listed_at_once_and_what_is_given_back_is_not(
    world: World,
) -> None:
    for version in ("1.0.0", "1.1.0", "1.2.0"):
        await world.publish("@acme/review", version)
    await world.publish("@acme/review", "2.0.0", files={"SKILL.md": SUSPECT})
    log, packages = world.registry.transparency, world.registry.packages
    await packages.yank(REVIEW, ONE, "It leaks.", OWNER)
    assert await listed(log) == ["@acme/review yanked 1.0.0"]
    await packages.revoke(REVIEW, Version.parse("1.1.0"), "Stolen.", OWNER)
    await packages.reject(REVIEW, Version.parse("2.0.0"), "No.", OWNER)
    made = await world.registry.advisories.publish(
        Warned("Bad.", package=REVIEW, introduced="1.0.0", fixed="1.2.0", sha256=(BAD,)), OWNER
    )
    await world.registry.advisories.publish(Warned("All of it.", package=REVIEW), OWNER)
    everything = await listed(log)
    assert everything == sorted(
        [
            "@acme/review advisory CTXMCP-2026-0002 0 -".replace(
                "2026-0002", f"{made.id[7:12]}0002"
            ),
            f"@acme/review advisory {made.id} 1.0.0 1.2.0",
            "@acme/review rejected 2.0.0",
            "@acme/review revoked 1.1.0",
            "@acme/review yanked 1.0.0",
            f"{BAD} advisory {made.id}",
        ]
    )
    await packages.unyank(REVIEW, ONE, "", OWNER)
    await world.registry.advisories.withdraw(made.id, OWNER)
    gone = {f"{BAD} advisory {made.id}", "@acme/review yanked 1.0.0"}
    assert await listed(log) == [
        line for line in everything if line not in gone and "1.2.0" not in line
    ]


async def test_a_revoked_key_is_listed_with_the_leaf_since_when(world: World) -> None:
    await world.publish("@acme/review")
    log, key = world.registry.transparency, KEY.public_key
    before = (await said(log)).tree.size
    await world.registry.keychains.revoke("acme", key, None, "Stolen.", OWNER)
    assert await listed(log) == [f"{key} compromised @acme {before}"]  # 1.0.0 is from before
    await world.registry.keychains.revoke("acme", key, 0, "Long ago.", OWNER)
    assert await listed(log) == sorted([f"{key} compromised @acme 0", "@acme/review yanked 1.0.0"])


async def test_of_what_is_private_nothing_can_be_read(world: World) -> None:
    await world.publish("@acme/hidden", private=True)
    await world.publish("@acme/review")
    log, packages = world.registry.transparency, world.registry.packages
    await packages.yank(HIDDEN, ONE, "It leaks.", OWNER)
    proven = (await log.view(["@acme/hidden@1.0.0"])).proven["@acme/hidden@1.0.0"]
    assert await listed(log) == [f"{seal(proven.leaf.salt, '@acme/hidden@1.0.0')} yanked"]
    assert proven.leaf.salt not in str(await listed(log))
    # What was public has no salt: it is left out as soon as it is hidden.
    await packages.yank(REVIEW, ONE, "It leaks.", OWNER)
    assert "@acme/review yanked 1.0.0" in await listed(log)
    await packages.set_visibility(REVIEW, Visibility.PRIVATE, OWNER)
    assert len(await listed(log)) == 1
    # Then nobody knows of the namespace, nor of its keys.
    await world.registry.keychains.revoke("acme", KEY.public_key, None, "Stolen.", OWNER)
    assert len(await listed(log)) == 1
    assert "acme" not in str(await listed(log))


async def test_a_note_is_issued_every_hour_and_whenever_the_list_changes(world: World) -> None:
    log = world.registry.transparency
    first = await said(log)
    await world.publish("@acme/review")
    assert await said(log) == first, "nothing of it is about a publication"
    turn(world, first.issued + timedelta(minutes=59))
    assert await said(log) == first
    turn(world, first.issued + timedelta(hours=1))
    second = await said(log)
    assert (second.issued, second.parts) == (first.issued + timedelta(hours=1), first.parts)
    assert second.tree.size > first.tree.size
    await world.registry.packages.yank(REVIEW, ONE, "", OWNER)
    third = await said(log)
    assert third.issued > second.issued
    # The clock goes back a little, the notes never do.
    turn(world, third.issued - timedelta(minutes=2))
    await world.registry.packages.unyank(REVIEW, ONE, "", OWNER)
    fourth = await said(log)
    assert fourth.issued > third.issued
    assert await said(again(world)) == fourth
    # By a clock that was wrong altogether, nobody has believed them.
    turn(world, right := first.issued - timedelta(days=2))
    assert (await said(log)).issued == right
    assert (await said(again(world))).issued == right


async def test_a_node_that_has_fallen_behind_issues_no_note_of_a_smaller_tree(
    world: World,
) -> None:
    log, start = world.registry.transparency, world.registry.clock()
    old = (await log.catch_up()).checkpoint
    await world.publish("@acme/review")
    turn(world, start + timedelta(hours=2))
    note = await said(log)
    turn(world, start + timedelta(hours=4))
    behind = Issuing(world.registry.journal, log._files, log._signer, Terms())
    issued = (await behind.current(old)).status
    assert (issued.issued > note.issued, issued.tree) == (True, note.tree)
    assert issued.tree.size > old.size


async def test_a_restart_and_another_node_go_on_with_the_same_note(world: World) -> None:
    await world.publish("@acme/review")
    await world.registry.packages.yank(REVIEW, ONE, "", OWNER)
    nodes = [world.registry.transparency, *(again(world) for _ in range(3))]
    views = await asyncio.gather(*(node.view() for node in nodes))
    assert len({view.status for view in views}) == 1
    note = await said(nodes[0])
    turn(world, note.issued + timedelta(hours=1))
    views = await asyncio.gather(*(node.view() for node in nodes))
    assert len({view.status for view in views}) == 1
    assert (await said(nodes[1])).issued > note.issued
    await world.registry.packages.unyank(REVIEW, ONE, "", OWNER)
    assert {str(await listed(node)) for node in (*nodes, again(world))} == {"[]"}


async def test_parts_that_were_lost_or_damaged_are_made_again(world: World) -> None:
    await world.publish("@acme/review")
    await world.registry.packages.yank(REVIEW, ONE, "", OWNER)
    log = world.registry.transparency
    note = await said(log)
    path = world.folder / "log/standing" / note.day / note.parts[0]
    for damage in (path.unlink, lambda: path.write_bytes(b"@a/a yanked 1\n")):
        damage()
        assert await listed(log) == ["@acme/review yanked 1.0.0"]
        assert path.is_file()
    shutil.rmtree(world.folder / "log/standing")
    assert await listed(again(world)) == ["@acme/review yanked 1.0.0"]


@pytest.mark.parametrize(
    ("day", "digest"),
    [
        ("2026-01-01", EMPTY),
        ("..", "status"),
        ("TODAY", "../../../signing.key"),
        ("TODAY", "0" * 64),
        ("TODAY", ""),
    ],
)
async def test_what_is_no_part_is_not_there(sqlite_world: World, day: str, digest: str) -> None:
    log = sqlite_world.registry.transparency
    today = (await said(log)).day
    with pytest.raises(NotFound):
        await log.standing(day.replace("TODAY", today), digest)


async def test_the_parts_of_yesterday_stay_and_those_before_go(world: World) -> None:
    log, start = world.registry.transparency, world.registry.clock()
    days = []
    for n in range(4):
        turn(world, start + timedelta(days=n))
        note = await said(log)
        days.append(note.day)
    assert files(world) == {f"standing/{day}/{EMPTY}" for day in days[-2:]}
    assert await log.standing(days[-2], EMPTY) == b""


class Broken:
    """A store that takes nothing under some path any more."""

    def __init__(self, files: Files, path: str) -> None:
        self._files = files
        self._path = path
        self.create, self.read = files.create, files.read
        self.remove_below = files.remove_below

    async def replace(self, path: str, data: bytes) -> None:
        if path.startswith(self._path):
            raise Unavailable("the object store does not take a file")
        await self._files.replace(path, data)


async def test_a_crash_after_the_note_is_kept_loses_nothing(world: World) -> None:
    await world.publish("@acme/review")
    await world.registry.packages.yank(REVIEW, ONE, "", OWNER)
    log = world.registry.transparency
    crashing = Log(world.registry.journal, Broken(log._files, "status"), log._signer)
    with pytest.raises(Unavailable):
        await crashing.view()
    assert await listed(log) == ["@acme/review yanked 1.0.0"]
    assert (await crashing.view()).status == (await log.view()).status


async def test_a_server_issues_it_unasked_and_goes_on_where_it_could_not(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("registry_core.transparency.log.MINUTE", 0)
    old, written = sqlite_world.registry.transparency, asyncio.Event()

    class Failing(Broken):
        async def replace(self, path: str, data: bytes) -> None:
            if path == "status":
                self._path = "" if written.is_set() else path
                written.set()
            await super().replace(path, data)

    log = Log(sqlite_world.registry.journal, Failing(old._files, "none"), old._signer)
    working = asyncio.create_task(log.stay_current())
    await written.wait()
    while not log._status:  # noqa: ASYNC110 - it tells nobody
        await asyncio.sleep(0)
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    assert "no status note can be issued: the object store does not take" in caplog.text
    assert (await log.view()).status == log._status


async def test_a_note_of_another_key_is_not_taken_over(world: World) -> None:
    log = world.registry.transparency
    note = await said(log)
    other = wiring.note_keys.load(world.folder / "other.key", "other.example/log")
    issuing = Issuing(world.registry.journal, log._files, other, Terms())
    issued = await issuing.current(note.tree)
    assert issued.status.issued > note.issued
    with pytest.raises(Exception, match="expected"):
        status.read(issued.note.encode(), Verifier.parse(log.key))


async def test_how_often_and_how_long_is_said_by_settings(tmp_path: Path) -> None:
    told = {"CTXMCP_STATUS_EVERY": "0.5", "CTXMCP_STATUS_EXPIRES": "2"}
    given = reading.read(data_dir=tmp_path, environment=told)
    async with wiring.open_registry(given) as registry:
        note = await said(registry.transparency)
        assert note.expires - note.issued == timedelta(hours=2)
        registry.journal.now = lambda: note.issued + timedelta(minutes=31)
        assert (await said(registry.transparency)).issued == note.issued + timedelta(minutes=31)
    for every, expires in (("2", "1"), ("0", "1"), ("1", "1"), ("1", "9999"), ("x", "1")):
        told = {"CTXMCP_STATUS_EVERY": every, "CTXMCP_STATUS_EXPIRES": expires}
        with pytest.raises(Invalid):
            async with wiring.open_registry(reading.read(data_dir=tmp_path, environment=told)):
                pass


async def test_the_note_and_its_parts_are_static_files_for_everybody(sqlite_world: World) -> None:
    await sqlite_world.publish("@acme/review")
    await sqlite_world.registry.packages.yank(REVIEW, ONE, "", OWNER)
    async with Served.inside(sqlite_world, EVERYBODY, peer="203.0.113.7") as served:
        key = Verifier.parse((await served.get("/log/key")).text.strip())
        answer = await served.get("/log/status")
        note = status.read(answer.content, key)
        assert answer.headers["cache-control"] == "public, max-age=2"
        part = await served.get(f"/log/standing/{note.day}/{note.parts[0]}")
        assert part.content == b"@acme/review yanked 1.0.0\n"
        assert part.headers["cache-control"] == "public, max-age=31536000, immutable"
        gone = await served.get(f"/log/standing/{note.day}/{'0' * 64}")
        assert (gone.status_code, gone.headers["cache-control"]) == (404, "no-store")
        assert (await served.http.put("/log/status")).status_code == 405


async def test_serving_the_note_touches_no_database(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Within the time that other nodes are given, however long this machine takes.
    monkeypatch.setattr("registry_core.transparency.log.POLL", 3600)
    statements: list[str] = []

    def note(*arguments: object) -> None:
        if "log_" in str(arguments[2]):  # following the events goes on always
            statements.append(str(arguments[2]))

    engine = sqlite_world.registry.journal.database._readers.sync_engine
    async with Served.inside(sqlite_world) as served:
        said = status.read(
            (await served.get("/log/status")).content,
            Verifier.parse(sqlite_world.registry.transparency.key),
        )
        part = f"/log/standing/{said.day}/{said.parts[0]}"
        await served.get(part)
        event.listen(engine, "before_cursor_execute", note)
        for path in ("/log/status", part) * 5:
            assert (await served.get(path)).status_code == 200
        assert statements == []
        await sqlite_world.registry.transparency.view()
        assert statements != []
        event.remove(engine, "before_cursor_execute", note)


async def test_a_list_of_100_000_is_cut_and_a_change_of_it_waits_a_little(
    sqlite_world: World,
) -> None:
    world, log = sqlite_world, sqlite_world.registry.transparency
    now = world.registry.clock()
    rows = [
        {
            "id": f"CTXMCP-2020-{n:06}",
            "published_at": now,
            "modified_at": now,
            "summary": "Bad.",
            "details": "",
            "introduced": "0",
            "sha256": [
                hashlib.sha256(b"%d" % m).hexdigest() for m in range(n * 1000, n * 1000 + 1000)
            ],
            "written_by": "test",
        }
        for n in range(100)
    ]

    async def work(connection: object) -> None:
        await connection.execute(insert(advisories), rows)  # type: ignore[attr-defined]

    await world.registry.journal.database.write(work)
    note = await said(log)
    assert len(note.parts) == status.MOST_PARTS
    assert len(note.sign(log._signer).text) < 16_000
    digest = hashlib.sha256(b"77123").hexdigest()
    data = await log.standing(note.day, note.part_of(digest))
    assert len(data) < 64 * 1024
    found = [e for e in note.read_part(note.part_of(digest), data) if e.subject == digest]
    assert [entry.args for entry in found] == [("CTXMCP-2020-000077",)]
    await world.publish("@acme/review")
    turn(world, note.issued + PATIENCE / 2)
    await world.registry.packages.yank(REVIEW, ONE, "", OWNER)
    assert await said(log) == note
    turn(world, note.issued + PATIENCE)
    later = await said(log)
    assert sum(old != new for old, new in zip(note.parts, later.parts, strict=True)) == 1
