"""An audit finds whatever was changed behind the registry's back, and nothing where all is well."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from auditing import edit, forge_release, silent, told
from sqlalchemy import text

from registry_core.audit import Audited, audit
from registry_core.callers import OWNER
from registry_core.events import Draft
from registry_core.events.kinds import EventKind
from registry_core.formats import Visibility
from registry_core.names import Kind, PackageName, Version
from registry_core.packages.advisories import Warned
from registry_core.rescan import rescan
from registry_core.search import Entry, Put, Query, Remove
from registry_core.signing import SigningKey
from registry_core.transparency.log import Log
from registry_core.transparency.notes import Note, Signer, encode
from world import OTHER_KEY, SUSPECT, World

REVIEW = PackageName.parse("@acme/review")
ONE = Version.parse("1.0.0")


async def audited(world: World) -> Audited:
    return await audit(world.registry, silent)


async def busy(world: World) -> None:
    """Let happen whatever can happen in a registry."""
    packages, owner = world.registry.packages, OWNER
    await world.publish("@acme/review")
    await world.publish("@acme/review", "1.1.0")
    await world.publish("@acme/review", "1.2.0", files={"SKILL.md": SUSPECT})
    await world.publish("@acme/secret", private=True)
    await packages.set_visibility(PackageName.parse("@acme/secret"), Visibility.PUBLIC, owner)
    await packages.set_visibility(PackageName.parse("@acme/secret"), Visibility.PRIVATE, owner)
    await world.publish("@other/base", key=OTHER_KEY)
    await world.publish("@other/top", key=OTHER_KEY, needs={"@other/base": "^1"})
    await packages.yank(REVIEW, ONE, "too old", owner)
    await packages.unyank(REVIEW, ONE, "not so old", owner)
    await packages.yank(REVIEW, Version.parse("1.1.0"), "worse", owner)
    await packages.deprecate(REVIEW, "use the other", "@other/top", owner)
    await packages.point(REVIEW, "old", ONE, owner)
    await packages.revoke(PackageName.parse("@other/base"), ONE, "bad", owner)
    advisories = world.registry.advisories
    await advisories.publish(Warned("it leaks", package=PackageName.parse("@other/top")), owner)
    gone = await advisories.publish(Warned("it does not", sha256=("ab" * 32,)), owner)
    await advisories.withdraw(gone.id, owner)
    await world.registry.keychains.revoke("other", OTHER_KEY.public_key, None, "stolen", owner)


async def test_a_registry_in_which_everything_has_happened_is_as_it_has_to_be(world: World):
    await busy(world)
    before = await audited(world)
    assert told(before) == set()
    assert before.log
    assert before.log.signed == 0, "nobody has asked for a checkpoint yet"
    note = await world.registry.transparency.checkpoint()
    found = await audited(world)
    assert told(found) == set()
    assert found.log
    assert (found.log.signed, found.log.leaves) == (before.log.leaves, before.log.leaves)
    assert found.log.root in str(note)
    assert (found.releases, found.packages, found.namespaces) == (6, 4, 2)
    assert (found.blobs, found.orphans, found.advisories) == (6, 0, 2)
    assert found.indexed == 0, "nobody has searched"
    await search(world)
    found = await audited(world)
    assert told(found) == set()
    assert found.indexed == 2, "two have no release to resolve to"


async def search(world: World) -> None:
    await world.registry.indexer.search(Query(text="review"))


async def test_an_index_that_is_behind_is_no_damage(world: World):
    await world.publish("@acme/review")
    await search(world)
    await world.publish("@acme/more")
    await world.registry.packages.set_visibility(REVIEW, Visibility.PRIVATE, OWNER)
    assert told(await audited(world)) == set()


async def _show(world: World, **change: Any) -> None:
    """Let the index hold something else of the first package than the database."""
    entry = Entry(key="1", name="@acme/review", kind=Kind.SKILL, namespace="acme", verified=True)
    position = await world.registry.index.position()
    await world.registry.index.apply([Put(replace(entry, **change))], position + 1)


async def _show_private(world: World) -> str:
    await world.registry.packages.set_visibility(REVIEW, Visibility.PRIVATE, OWNER)
    await search(world)
    await _show(world)
    return "search index, @acme: shows to everybody, though private, @acme/review"


async def _show_unsigned(world: World) -> str:
    await _show(world, verified=False)
    return "search index, @acme: counts by verified "


async def _show_another_name(world: World) -> str:
    await _show(world, name="@acme/other")
    return "search index, @acme: finds, though there is no release to resolve to, @acme/other"


async def _show_nothing(world: World) -> str:
    position = await world.registry.index.position()
    await world.registry.index.apply([Remove("1")], position + 1)
    return "search index, @acme: does not find @acme/review"


async def _show_strangers(world: World) -> str:
    await _show(world, key="99", namespace="nobody", name="@nobody/x")
    return "search index: has 2 packages, the database 1"


@pytest.mark.parametrize(
    "change", [_show_private, _show_unsigned, _show_another_name, _show_nothing, _show_strangers]
)
async def test_an_index_that_shows_something_else_is_told(world: World, change: Any):
    await world.publish("@acme/review")
    await search(world)
    expected = await change(world)
    found = await audited(world)
    assert any(expected in line for line in told(found)), told(found)


@pytest.mark.parametrize(("gone", "expected"), [("1", "does not find @acme/p1"), ("6", "counts")])
async def test_of_more_packages_than_an_index_lists_the_rest_is_counted(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch, gone: str, expected: str
):
    monkeypatch.setattr("registry_core.search.auditing.MAX_LIMIT", 2)
    monkeypatch.setattr("registry_core.search.auditing.MAX_OFFSET", 2)
    for number in range(1, 7):
        await sqlite_world.publish(f"@acme/p{number}")
    await search(sqlite_world)
    assert told(await audited(sqlite_world)) == set()
    index = sqlite_world.registry.index
    await index.apply([Remove(gone)], await index.position() + 1)
    assert any(f"search index, @acme: {expected}" in it for it in told(await audited(sqlite_world)))


async def test_cosignatures_are_held_against_what_they_are_of(world: World):
    log, witness = world.registry.transparency, Signer("w.example", SigningKey(bytes(32)))
    known = Log(world.registry.journal, log._files, log._signer, [witness.witness])
    await world.publish("@acme/review")
    note = await known.checkpoint()
    await known.cosign(str(note.with_([witness.cosign(note.text, 1)])).encode())
    found = await audited(world)
    assert told(found) == set()
    assert found.log
    assert found.log.cosignatures == 1
    of_another = witness.cosign(f"{note.text}more\n", 1).line
    await edit(world, "UPDATE log_cosignatures SET line = :l", l=of_another)
    (wrong,) = told(await audited(world))
    assert wrong.startswith("cosignature of 2 leaves: a signed note that begins")
    await edit(world, "UPDATE log_cosignatures SET line = 'nonsense'")
    assert told(await audited(world)) == {
        "cosignature of 2 leaves: this is no signed note: 'nonsense' is no signature"
    }


async def test_what_was_scanned_again_is_as_it_has_to_be(sqlite_world: World):
    await sqlite_world.publish("@acme/review")
    await edit(sqlite_world, "UPDATE release_details SET rules = 'older'")
    done = await rescan(sqlite_world.registry, OWNER, silent)
    assert done.scanned == 1
    assert told(await audited(sqlite_world)) == set()


async def test_an_audit_writes_nothing(sqlite_world: World):
    await busy(sqlite_world)
    await sqlite_world.registry.transparency.checkpoint()
    folder = sqlite_world.folder / "log"
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    head = await sqlite_world.registry.journal.log.head()
    await audited(sqlite_world)
    assert {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()} == before
    assert await sqlite_world.registry.journal.log.head() == head


async def _swap_blob(world: World) -> str:
    published = await world.publish("@acme/review")
    path = _blob(world, published.candidate.sha256)
    path.write_bytes(path.read_bytes().replace(b"Review", b"Rewiev"))
    return "@acme/review@1.0.0: its blob: a stored blob was changed: expected "


async def _lose_blob(world: World) -> str:
    published = await world.publish("@acme/review")
    _blob(world, published.candidate.sha256).unlink()
    return f"@acme/review@1.0.0: its blob: no blob {published.candidate.sha256}"


def _blob(world: World, sha256: str) -> Path:
    return world.folder / "blobs/sha256" / sha256[:2] / sha256


def _row(assignment: str, expected: str) -> Any:
    async def change(world: World) -> str:
        await world.publish("@acme/review")
        await edit(world, f"UPDATE releases SET {assignment}")
        return expected

    return change


async def _other_digest(world: World) -> str:
    other = await world.publish("@acme/other")
    await world.publish("@acme/review")
    sha256 = other.candidate.sha256
    await edit(world, "UPDATE releases SET sha256 = :s WHERE id = 2", s=sha256)
    return f"@acme/review@1.0.0: sha256 is {sha256} in the database, its leaf says "


async def _hide_yank(world: World) -> str:
    await world.publish("@acme/review")
    await world.registry.packages.yank(REVIEW, ONE, "bad", OWNER)
    await edit(world, "UPDATE releases SET yanked_at = NULL, yank_reason = NULL")
    return "@acme/review@1.0.0: is not yanked in the database, its leaves say yanked"


async def _hide_advisory(world: World) -> str:
    await world.publish("@acme/review")
    await world.registry.advisories.publish(Warned("it leaks", package=REVIEW), OWNER)
    await edit(world, "UPDATE releases SET advisories = '[]'")
    return "@acme/review@1.0.0: advisory CTXMCP-"


async def _narrow_advisory(world: World) -> str:
    """Let a release out of its range, and take the mark off it, too."""
    await world.publish("@acme/review")
    made = await world.registry.advisories.publish(Warned("it leaks", package=REVIEW), OWNER)
    await edit(world, "UPDATE advisories SET fixed = '0.9.0'")
    await edit(world, "UPDATE releases SET advisories = '[]'")
    return f"{made.id}: fixed is 0.9.0 in the database, its leaf says None"


async def _exchange_advisory(world: World) -> str:
    warned = Warned("it leaks", sha256=("ab" * 32,))
    made = await world.registry.advisories.publish(warned, OWNER)
    await edit(world, "UPDATE advisories SET sha256 = :s", s=json.dumps(["cd" * 32]))
    return f"{made.id}: digests is ['{'cd' * 32}'] in the database, its leaf says "


async def _delete_advisory(world: World) -> str:
    made = await world.registry.advisories.publish(Warned("it leaks", package=REVIEW), OWNER)
    await edit(world, "DELETE FROM advisories")
    return f"{made.id}: its row cannot be read: no advisory"


async def _edit_report(world: World) -> str:
    await world.publish("@acme/review", files={"SKILL.md": SUSPECT})
    async with world.registry.journal.database.read() as connection:
        row = (await connection.execute(text("SELECT report FROM release_details"))).one()
    report = json.loads(row.report)
    report["sections"] = [{**section, "findings": []} for section in report["sections"]]
    await edit(world, "UPDATE release_details SET report = :r", r=json.dumps(report))
    return "@acme/review@1.0.0: its report is none that a leaf names"


async def _delete_release(world: World) -> str:
    await world.publish("@acme/review")
    await edit(world, "DELETE FROM release_details")
    await edit(world, "DELETE FROM releases")
    return "says package_published of @acme/review@1.0.0, and nothing of that is recorded"


async def _insert_release(world: World) -> str:
    await world.publish("@acme/review")
    await forge_release(world, "1.0.0")
    return "@acme/review@9.9.9: no leaf of the log brought it"


async def _edit_key(world: World) -> str:
    await world.publish("@acme/review")
    pin = {"action": "pin", "namespace": "acme", "seq": 0, "prev": "", "key": "ab" * 32}
    await edit(world, "UPDATE namespace_keys SET statement = :s", s=json.dumps(pin))
    return "keys of @acme: statement 0 has no leaf that says the same"


async def _delete_key(world: World) -> str:
    await world.publish("@acme/review")
    await edit(world, "DELETE FROM namespace_keys")
    return "leaf 0: says key_pinned of acme, and nothing of that is recorded"


async def _older_latest(world: World) -> str:
    await world.publish("@acme/review")
    await world.publish("@acme/review", "1.1.0")
    await edit(world, "UPDATE packages SET latest_id = 1")
    return "@acme/review: its latest release is 1.1.0"


async def _undo_deprecation(world: World) -> str:
    await world.publish("@acme/review")
    await world.registry.packages.deprecate(REVIEW, "old", None, OWNER)
    await edit(world, "UPDATE packages SET deprecated = NULL")
    return "@acme/review: is deprecated, or not, in another way than its leaves say"


async def _open(world: World) -> str:
    await world.publish("@acme/review", private=True)
    await edit(world, "UPDATE packages SET visibility = 'public'")
    return "@acme/review: is public, and its leaves say otherwise"


async def _move_channel(world: World) -> str:
    await world.publish("@acme/review")
    await world.publish("@acme/review", "1.1.0")
    await world.registry.packages.point(REVIEW, "stable", Version.parse("1.1.0"), OWNER)
    await edit(world, "UPDATE packages SET channels = '{\"stable\": 1}'")
    return "@acme/review: its channels are {'stable': '1.0.0'}, its leaves say"


async def _edit_event(world: World) -> str:
    await world.publish("@acme/review")
    await edit(world, "UPDATE events SET payload = '{}' WHERE kind = 'package_published'")
    return "leaf 1: says something else than event "


async def _delete_event(world: World) -> str:
    await world.publish("@acme/review")
    await edit(world, "DELETE FROM events WHERE kind = 'package_published'")
    return "leaf 1: event "


async def _forge_opening(world: World) -> str:
    await world.publish("@acme/review", private=True)
    await edit(world, "UPDATE log_leaves SET salt = :salt WHERE position = 1", salt="0" * 64)
    return "leaf 1: what is said to stand in a sealed leaf: expected "


async def _delete_last_leaf(world: World) -> str:
    await world.publish("@acme/review")
    await edit(world, "DELETE FROM log_leaves WHERE position = 1")
    return "package_published has no leaf"


@pytest.mark.parametrize(
    "change",
    [
        _swap_blob,
        _lose_blob,
        _row("description = 'Safe.'", "description in the database is not what the artifact has"),
        _row("dependencies = '[]', powers = '{\"a\": 1}'", "powers in the database is not what"),
        _row("signer = NULL", "signer is None in the database, its leaf says "),
        _row("state = 'held'", "is held in the database, its leaves say released"),
        _row("state = 'fine'", "its row cannot be read: "),
        _row("tags = 'no json'", "its row cannot be read: "),
        _row("version = 'x'", "its row cannot be read: "),
        _row("position = 1", "its leaf is not that of event 1"),
        _other_digest,
        _hide_yank,
        _hide_advisory,
        _narrow_advisory,
        _exchange_advisory,
        _delete_advisory,
        _edit_report,
        _delete_release,
        _insert_release,
        _edit_key,
        _delete_key,
        _older_latest,
        _undo_deprecation,
        _open,
        _move_channel,
        _edit_event,
        _delete_event,
        _forge_opening,
        _delete_last_leaf,
    ],
)
async def test_what_is_changed_behind_its_back_is_told(sqlite_world: World, change: Any):
    expected = await change(sqlite_world)
    found = await audited(sqlite_world)
    assert any(expected in line for line in told(found)), told(found)
    assert not found.ok


LEAVES = 600
"""Enough for two full tiles, and one above them."""


async def signed(world: World) -> World:
    """A log of many leaves, and a checkpoint in their middle."""
    await world.publish("@acme/review")
    for count in (300, LEAVES - 302):
        drafts = [
            Draft(EventKind.CHANNEL_MOVED, "test", {"n": n}, namespace="acme") for n in range(count)
        ]
        await world.registry.journal.record(*drafts)
        await world.registry.transparency.checkpoint()
    assert told(await audited(world)) == set()
    return world


async def _truncate_tile(world: World) -> str:
    path = world.folder / "log/tile/0/001"
    path.write_bytes(path.read_bytes()[:-1])
    return "tile/0/001: has 8,191 bytes, its leaves make 8,192"


async def _other_hash(world: World) -> str:
    path = world.folder / "log/tile/0/001"
    data = path.read_bytes()
    path.write_bytes(data[:64] + bytes(32) + data[96:])
    return "tile/0/001: has another hash of leaf 258 than that leaf makes"


async def _other_bundle(world: World) -> str:
    path = world.folder / "log/tile/entries/000"
    path.write_bytes(path.read_bytes().replace(b"review", b"rewiev"))
    return "tile/entries/000: is not what its leaves make it"


async def _no_tile(world: World) -> str:
    (world.folder / "log/tile/1/000.p/2").unlink()
    return "tile/1/000.p/2: is missing"


async def _edit_leaf(world: World) -> str:
    row = "UPDATE log_leaves SET leaf = CAST(replace(CAST(leaf AS TEXT), '1.0.0', '1.0.1') AS BLOB)"
    await edit(world, f"{row} WHERE position = 1")
    return "tile/0/000: has another hash of leaf 1 than that leaf makes"


async def _edit_leaf_and_root(world: World) -> str:
    await _edit_leaf(world)
    return "checkpoint of 302 leaves: was signed over "


async def _delete_leaf(world: World) -> str:
    await edit(world, "DELETE FROM log_leaves WHERE position = 400")
    return "leaf 400: is missing: "


async def _delete_newest_leaves(world: World) -> str:
    await edit(world, "DELETE FROM log_leaves WHERE position >= 500")
    return "leaf 500: is missing, with all up to 600, which is signed"


async def _fork(world: World) -> str:
    """Sign another root, with the log's own key."""
    signer = Signer.parse((world.folder / "log.key").read_text().strip())
    note = await world.registry.transparency.checkpoint()
    lines = note.text.split("\n")
    lines[2] = encode(b"\x07" * 32)
    forked = Note("\n".join(lines), (signer.sign("\n".join(lines)),))
    await edit(world, "UPDATE log_checkpoints SET note = :n WHERE size = 600", n=str(forked))
    return "checkpoint of 600 leaves: was signed over BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc="


async def _unsigned(world: World) -> str:
    await edit(world, "UPDATE log_checkpoints SET note = replace(note, '302', '301')")
    return "checkpoint of 302 leaves: "


async def _go_back(world: World) -> str:
    await edit(world, "DELETE FROM log_checkpoints WHERE size = 600")
    return "is published, the database knows of 302 leaves"


async def _lose_copy(world: World) -> str:
    (world.folder / "log/checkpoint").unlink()
    return "checkpoint: the published copy is missing"


@pytest.mark.parametrize(
    "change",
    [
        _truncate_tile,
        _other_hash,
        _other_bundle,
        _no_tile,
        _edit_leaf,
        _edit_leaf_and_root,
        _delete_leaf,
        _delete_newest_leaves,
        _fork,
        _unsigned,
        _go_back,
        _lose_copy,
    ],
)
async def test_a_log_that_is_not_what_it_was_is_told(sqlite_world: World, change: Any):
    expected = await change(await signed(sqlite_world))
    found = await audited(sqlite_world)
    assert any(expected in line for line in told(found)), told(found)


async def test_blobs_that_nothing_names_are_counted_and_looked_at(sqlite_world: World):
    await sqlite_world.publish("@acme/review")
    stored = await sqlite_world.registry.blobs.put(b"left behind by a crash")
    found = await audited(sqlite_world)
    assert (found.blobs, found.orphans, told(found)) == (2, 1, set())
    _blob(sqlite_world, stored).write_bytes(b"something else")
    assert any(f"blob {stored}: " in line for line in told(await audited(sqlite_world)))


async def test_an_audit_while_everything_is_written_finds_nothing(world: World):
    await busy(world)

    async def write() -> None:
        for n in range(1, 9):
            name = PackageName.parse("@acme/moving")
            await world.publish("@acme/moving", f"1.{n}.0")
            await world.registry.packages.yank(name, Version.parse(f"1.{n}.0"), "x", OWNER)
            await world.registry.packages.deprecate(name, f"reason {n}", None, OWNER)
            await world.registry.transparency.checkpoint()

    writing = asyncio.create_task(write())
    audits = 0
    while not writing.done() or not audits:
        assert told(await audited(world)) == set()
        audits += 1
    await writing


async def test_no_more_is_listed_than_anybody_reads(sqlite_world: World, monkeypatch):
    await signed(sqlite_world)
    await edit(sqlite_world, "UPDATE events SET payload = '{}' WHERE kind = 'channel_moved'")
    monkeypatch.setattr("registry_core.audit.MOST_PROBLEMS", 10)
    found = await audited(sqlite_world)
    assert (len(found.problems), found.unlisted, found.ok) == (10, LEAVES - 12, False)
