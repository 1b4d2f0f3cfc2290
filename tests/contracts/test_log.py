"""What the transparency log keeps, on every database: order, append-only growth, and repair."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import delete, select, update

from ctxmcp import settings as reading
from ctxmcp import wiring
from registry_core.callers import OWNER
from registry_core.errors import (
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    RegistryError,
    Tampered,
    Unavailable,
)
from registry_core.events import Draft
from registry_core.events.kinds import EventKind
from registry_core.names import PackageName, Version
from registry_core.operation import Surface
from registry_core.operations import invoke
from registry_core.schema import events, log_checkpoints, log_leaves
from registry_core.signing import SigningKey
from registry_core.transparency import merkle, notes, tiles
from registry_core.transparency.checkpoints import Checkpoint, read
from registry_core.transparency.log import Log, View
from registry_core.transparency.merkle import leaf_hash
from registry_core.transparency.notes import Note, Signer, Verifier
from registry_core.transparency.tiles import ENTRIES, Tile, tile_of
from world import KEY, World

WITNESS = Signer("witness.example/w1", SigningKey(b"the seed of a witness, 32 bytes."))
STRANGER = Signer("witness.example/w2", SigningKey(b"the seed of a stranger, 32 bytes"))
SURFACES: Sequence[Surface] = ("local", "remote")
NOW = int(datetime.now(UTC).timestamp())


@pytest.fixture
def log(world: World) -> Log:
    return world.registry.transparency


async def _append(world: World, count: int, word: str = "leaf") -> None:
    drafts = [Draft(EventKind.TRUST_CHANGED, payload={word: n}) for n in range(count)]
    await world.registry.journal.record(*drafts)


async def _leaves(log: Log) -> list[bytes]:
    """Read every leaf as a stranger would: from the bundles of the newest checkpoint."""
    size = (await _tree(log)).size
    found: list[bytes] = []
    for index in range(-(-size // tiles.WIDTH)):
        tile = tile_of(ENTRIES, index, size)
        found += tiles.unbundle(await log.tile(tile.path), tile.width)
    return found


async def _tree(log: Log) -> Checkpoint:
    note = str(await log.checkpoint()).encode()
    return read(note, Verifier.parse(log.key)).checkpoint


def _files(world: World) -> dict[str, bytes]:
    folder = world.folder / "log"
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _again(world: World) -> Log:
    """The log as another process has it."""
    old = world.registry.transparency
    return Log(world.registry.journal, old._files, old._signer, [*old._witnesses.values()])


async def test_a_new_registry_has_a_signed_empty_log(log: Log) -> None:
    assert await _tree(log) == Checkpoint(log.key.split("+")[0], 0, merkle.EMPTY_ROOT)


async def test_what_changes_the_registry_is_a_leaf_and_nothing_else_is(world: World) -> None:
    name = PackageName.parse("@acme/review")
    await world.publish("@acme/review")
    await world.mint("acme")
    await world.registry.packages.yank(name, Version.parse("1.0.0"), "broken", OWNER)
    await world.registry.packages.yank(name, Version.parse("1.0.0"), "again", OWNER)
    await world.registry.packages.unyank(name, Version.parse("1.0.0"), "", OWNER)
    await world.registry.packages.point(name, "beta", Version.parse("1.0.0"), OWNER)
    said = [json.loads(leaf) for leaf in await _leaves(world.registry.transparency)]
    assert [one["event"] for one in said] == [
        "key_pinned",
        "package_published",
        "package_yanked",
        "trust_changed",
        "package_unyanked",
        "trust_changed",
        "channel_moved",
    ]
    release = (await world.registry.packages.find(name, OWNER)).releases[0]
    assert {key: said[0][key] for key in ("namespace", "action", "seq", "key")} == {
        "namespace": "acme",
        "action": "pin",
        "seq": 0,
        "key": release.signer,
    }
    assert {key: said[1][key] for key in ("name", "version", "kind", "sha256", "signer")} == {
        "name": "@acme/review",
        "version": "1.0.0",
        "kind": "skill",
        "sha256": release.sha256,
        "signer": release.signer,
    }
    assert said[2]["reason"] == "broken"
    assert [(one["because"], one["was"], one["verdict"]) for one in (said[3], said[5])] == [
        ("package_yanked", "trusted", "refuse"),
        ("package_unyanked", "refuse", "trusted"),
    ]
    assert not any("package_id" in one for one in said)


async def test_a_release_that_was_refused_leaves_no_leaf(world: World, log: Log) -> None:
    await world.publish("@acme/review")
    before = await _leaves(log)
    assert len(before) == 2  # its key, and the release
    with pytest.raises(Conflict):
        await world.publish("@acme/review", description="Another.")
    assert await _leaves(log) == before


async def test_many_publishers_at_once_give_positions_without_a_gap(world: World, log: Log) -> None:
    await asyncio.gather(*(world.publish(f"@acme/p{n}") for n in range(20)))
    async with world.registry.journal.database.read() as connection:
        rows = (
            await connection.execute(
                select(log_leaves.c.position, log_leaves.c.event_id).order_by(log_leaves.c.position)
            )
        ).all()
        known = set((await connection.execute(select(events.c.id))).scalars())
    assert [row.position for row in rows] == list(range(21))
    assert sorted(row.event_id for row in rows) == [row.event_id for row in rows]
    assert {row.event_id for row in rows} <= known
    leaves = await _leaves(log)
    assert len(set(leaves)) == 21
    said = [json.loads(leaf)["event"] for leaf in leaves]
    assert said == ["key_pinned", *["package_published"] * 20]  # whoever came first pinned it


async def test_every_checkpoint_is_the_beginning_of_every_later_one(world: World, log: Log) -> None:
    trees = []
    for count in (1, 2, 4, 200, 49, 1, 300, 256):
        await _append(world, count, f"after{len(trees)}")
        trees.append(await _tree(log))
    assert [tree.size for tree in trees] == [1, 3, 7, 207, 256, 257, 557, 813]
    leaves = await _leaves(log)
    newest = trees[-1]
    for tree in trees:
        assert merkle.root([leaf_hash(leaf) for leaf in leaves[: tree.size]]) == tree.root
        shown = await log.view(seen=[tree.size])
        assert merkle.is_consistent(
            tree.size, newest.size, tree.root, newest.root, shown.consistency[tree.size]
        )
    assert (await log.view(seen=[0, 813, 10_000])).consistency == {0: (), 813: ()}


async def test_what_was_served_once_is_served_for_ever(world: World, log: Log) -> None:
    seen: dict[str, bytes] = {}
    for count in (5, 60, 191, 1, 300):
        await _append(world, count)
        size = (await _tree(log)).size
        for tile in [*tiles.edge(size), tile_of(ENTRIES, size // 256, size), Tile(0, 0, 3)]:
            if tile.width:
                seen.setdefault(tile.path, await log.tile(tile.path))
    assert {"tile/0/000.p/5", "tile/entries/000.p/65", "tile/1/000.p/1"} <= set(seen)
    for path, data in seen.items():
        assert await log.tile(path) == data
        assert await _again(world).tile(path) == data
    there = set(_files(world))
    assert not any(path.startswith("tile/0/000.p") for path in there)  # the full one has it all


async def test_what_no_checkpoint_covers_is_not_served(world: World, log: Log) -> None:
    await _append(world, 300)
    await log.tile("tile/0/001.p/44")
    for path in ("tile/0/001.p/45", "tile/0/001", "tile/1/000.p/2", "tile/63/000", "tile/0/0", ""):
        with pytest.raises(NotFound):
            await log.tile(path)


async def test_two_nodes_sign_one_and_the_same_history(
    world: World, log: Log, database_url: str
) -> None:
    async with World.open(database_url, world.folder) as other:
        await asyncio.gather(
            *(
                here.publish(f"@acme/p{n}-{i}")
                for n, here in enumerate((world, other))
                for i in range(8)
            ),
            *(here.registry.transparency.catch_up() for here in (world, other, world, other)),
        )
        for here in (world, other):
            await here.registry.transparency.catch_up(at_least=17)
        assert str(await log.checkpoint()) == str(await other.registry.transparency.checkpoint())
        subjects = [f"@acme/p{n}-{i}@1.0.0" for n in range(2) for i in range(8)]
        for here in (world, other):
            shown = await here.registry.transparency.view(subjects, seen=[3])
            _check(shown)
            assert set(shown.proven) == set(subjects)


async def test_no_node_shows_less_than_another_has_shown(
    world: World, log: Log, database_url: str
) -> None:
    async with World.open(database_url, world.folder) as other:
        behind = other.registry.transparency
        await world.publish("@acme/first")  # the key that it pins is a leaf as well
        await behind.catch_up()  # and it does not look again for a while
        for number in range(3, 6):
            await world.publish(f"@acme/p{number}")
            assert (await _tree(log)).size == number
            shown = await behind.view(seen=[number])
            assert Checkpoint.parse(shown.checkpoint.text).size == number
        await world.publish("@acme/last")
        assert (await _tree(behind)).size == 6


async def test_two_nodes_that_open_at_once_have_one_key(database_url: str, tmp_path: Path) -> None:
    async def key() -> str:
        async with World.open(database_url, tmp_path) as opened:
            return opened.registry.transparency.key

    assert len({await key(), *await asyncio.gather(key(), key())}) == 1
    assert (tmp_path / "log.key").stat().st_mode & 0o777 == 0o600


async def test_a_release_is_proven_by_its_leaf(world: World, log: Log) -> None:
    for version in ("1.0.0", "1.1.0"):
        await world.publish("@acme/review", version)
    await _append(world, 600)
    shown = await log.view(["@acme/review@1.0.0", "@acme/review@2.0.0"])
    _check(shown)
    assert list(shown.proven) == ["@acme/review@1.0.0"]
    assert shown.proven["@acme/review@1.0.0"].leaf.says()["version"] == "1.0.0"


def _check(shown: View) -> None:
    for one in shown.proven.values():
        one.proof.check(one.leaf.data, Verifier.parse(shown.key))


async def test_the_leaf_of_a_private_package_tells_strangers_nothing(
    world: World, log: Log
) -> None:
    await world.publish("@acme/secret-project", private=True)
    leaves = [json.loads(leaf) for leaf in await _leaves(log)]
    assert [leaf["event"] for leaf in leaves] == ["key_pinned", "package_published"]
    assert all(set(leaf) == {"at", "event", "sealed"} for leaf in leaves)
    shown = await log.view(["@acme/secret-project@1.0.0"])
    _check(shown)
    mine = shown.proven["@acme/secret-project@1.0.0"].leaf
    assert mine.says()["name"] == "@acme/secret-project"
    for false in (
        replace(mine, salt="00"),
        replace(mine, statement=mine.statement.replace(b"1.0.0", b"1.0.1")),
    ):
        with pytest.raises(Tampered):
            false.says()
    again = await log.view(["@acme/secret-project@1.0.0"])
    assert again.proven == shown.proven


async def test_a_very_long_statement_stands_in_the_log_as_its_digest(
    world: World, log: Log
) -> None:
    draft = Draft(EventKind.TRUST_CHANGED, payload={"name": "@a/b", "why": "x" * 100_000})
    await world.registry.journal.record(draft)
    (leaf,) = await _leaves(log)
    assert set(json.loads(leaf)) == {"at", "event", "namespace", "name", "digest"}


async def test_half_a_character_in_a_payload_is_refused_and_the_log_goes_on(
    world: World, log: Log
) -> None:
    await _append(world, 1)
    journal, before = world.registry.journal, await world.registry.journal.log.head()
    for payload in ({"why": "\ud800"}, {"\udfff": "why"}, {"why": ["x", {"so": "x\ud800"}]}):
        bad, good = (
            Draft(EventKind.TRUST_CHANGED, payload=said)
            for said in (payload, {"why": "\U00010000"})
        )
        with pytest.raises(Invalid, match="lone surrogate"):
            await journal.record(good, bad)  # one transaction: the good one is not there either
    assert await journal.log.since(before) == []
    refused, kept = await asyncio.gather(  # and those that are committed with it are
        journal.record(bad), journal.record(good), return_exceptions=True
    )
    assert isinstance(refused, Invalid)
    assert [event.id for event in await journal.log.since(before)] == kept
    await _append(world, 1, "later")
    assert [json.loads(leaf).get("why") for leaf in await _leaves(log)] == [
        None,
        "\U00010000",
        None,
    ]


HALF = "half of one: \ud800"
REF, NAME = "@acme/review@1.0.0", "@acme/review"


@pytest.mark.parametrize(
    ("operation", "given", "field"),
    [
        ("yank", {"ref": REF, "reason": HALF}, "reason"),
        ("yank", {"ref": f"@acme/{HALF}@1.0.0", "reason": "broken"}, "ref"),
        ("unyank", {"ref": REF, "reason": HALF}, "reason"),
        ("revoke", {"ref": REF, "reason": HALF}, "reason"),
        ("review", {"ref": REF, "decision": "reject", "reason": HALF}, "reason"),
        ("deprecate", {"name": NAME, "reason": HALF}, "reason"),
        ("deprecate", {"name": NAME, "reason": "old", "replacement": HALF}, "replacement"),
        ("channel", {"ref": REF, "channel": HALF}, "channel"),
        ("advise", {"package": NAME, "summary": HALF}, "summary"),
        ("advise", {"package": NAME, "summary": "bad", "details": HALF}, "details"),
        ("revoke_key", {"namespace": "acme", "key": KEY.public_key, "reason": HALF}, "reason"),
    ],
)
async def test_an_operation_that_is_given_half_a_character_is_invalid_and_writes_nothing(
    sqlite_world: World, operation: str, given: dict[str, str], field: str
) -> None:
    registry = sqlite_world.registry
    await sqlite_world.publish(NAME)
    head, leaves = await registry.journal.log.head(), await _leaves(registry.transparency)
    shown = await registry.packages.find(PackageName.parse(NAME), OWNER)
    for surface in SURFACES:
        with pytest.raises(Invalid, match=f"{operation}: {field}: ") as caught:
            await invoke(registry, OWNER, operation, given, surface)
        str(caught.value).encode()  # it can be told to whoever asked
    assert await registry.journal.log.since(head) == []
    assert await _leaves(registry.transparency) == leaves
    assert await registry.packages.find(PackageName.parse(NAME), OWNER) == shown
    await invoke(registry, OWNER, "yank", {"ref": REF, "reason": "a whole one: \U00010000"})
    said = [json.loads(leaf) for leaf in (await _leaves(registry.transparency))[len(leaves) :]]
    assert [one["event"] for one in said] == ["package_yanked", "trust_changed"]
    assert said[0]["reason"] == "a whole one: \U00010000"


async def _damaged(world: World, path: str, how: str) -> None:
    file = world.folder / "log" / path
    if how == "gone":
        file.unlink()
    elif how == "cut off":
        file.write_bytes(file.read_bytes()[:-1])
    else:
        file.write_bytes(bytes(len(file.read_bytes())))


@pytest.mark.parametrize("how", ["gone", "cut off", "other bytes"])
async def test_tiles_that_were_lost_or_damaged_are_made_again(world: World, how: str) -> None:
    await world.publish("@acme/review")
    await _append(world, 600)
    await world.registry.transparency.status()
    before = _files(world)
    for path in before:
        if path.startswith("tile/") and (how != "other bytes" or "entries" not in path):
            await _damaged(world, path, how)
    log = _again(world)
    _check(await log.view(["@acme/review@1.0.0"], seen=[300]))
    for path in before:
        if path.startswith("tile/"):
            assert await log.tile(path) == before[path], path
    assert _files(world) == before


async def test_files_that_a_crash_left_behind_are_overwritten(world: World, log: Log) -> None:
    await _append(world, 3)
    await log.catch_up()
    for path in ("tile/0/000.p/5", "tile/entries/000.p/5"):
        (world.folder / "log" / path).write_bytes(b"half of so")
    await _append(world, 2)
    assert len(await _leaves(log)) == 5


async def test_the_checkpoint_of_the_store_is_a_copy_that_may_be_lost(
    world: World, log: Log
) -> None:
    await _append(world, 3)
    copy = world.folder / "log/checkpoint"
    for damage in (copy.unlink, lambda: copy.write_bytes(b"half of it")):
        before = str(await log.checkpoint())
        damage()
        assert str(await _again(world).checkpoint()) == before == copy.read_text()
        await _append(world, 1)


async def test_a_leaf_that_was_changed_in_the_database_stops_the_log(
    world: World, log: Log
) -> None:
    await _append(world, 300)
    before = str(await log.checkpoint())
    files = _files(world)
    await _change(world, update(log_leaves).where(log_leaves.c.position == 298).values(leaf=b"{}"))
    await _append(world, 1)
    for one in (log, _again(world)):  # whether or not it has the tree in memory
        with pytest.raises(Tampered):
            await one.checkpoint()
    for path in [path for path in files if path.startswith("tile/")]:
        (world.folder / "log" / path).unlink()
    with pytest.raises(Tampered):  # nothing is made again out of what was changed
        await _again(world).checkpoint()
    assert before == files["checkpoint"].decode()
    assert not any(path.startswith("tile/") for path in _files(world))


async def test_a_database_that_went_back_stops_the_log(world: World, log: Log) -> None:
    await _append(world, 10)
    await log.catch_up()
    await _change(world, delete(log_checkpoints))
    await _change(world, delete(log_leaves).where(log_leaves.c.position >= 8))
    for more in (0, 5):  # also where other leaves came in their place
        await _append(world, more, "other")
        with pytest.raises(Tampered):
            await _again(world).checkpoint()


async def test_checkpoints_that_were_lost_are_found_in_the_store(world: World, log: Log) -> None:
    await _append(world, 10)
    before = str(await log.checkpoint())
    await _change(world, delete(log_checkpoints))
    assert str(await _again(world).checkpoint()) == before


async def _change(world: World, statement: object) -> None:
    async def work(connection) -> None:
        await connection.execute(statement)

    await world.registry.journal.database.write(work)


async def test_a_node_with_another_key_signs_nothing(world: World, log: Log) -> None:
    await _append(world, 1)
    await log.catch_up()
    stranger = Log(world.registry.journal, log._files, STRANGER)
    with pytest.raises(Unavailable, match="begun with another key"):
        await stranger.checkpoint()


async def test_the_key_and_the_origin_can_be_given(tmp_path: Path) -> None:
    key = tmp_path / "kept/elsewhere.key"
    given = reading.read(data_dir=tmp_path / "data", environment={})
    given = replace(given, log_key=key, log_origin="registry.example/log")
    async with wiring.open_registry(given) as registry:
        assert registry.transparency.key.startswith("registry.example/log+")
    with pytest.raises(Invalid, match="is called registry.example/log"):
        async with wiring.open_registry(replace(given, log_origin="another.example/log")):
            pass
    key.write_text("no key")
    with pytest.raises(Invalid, match="does not hold the private key"):
        async with wiring.open_registry(given):
            pass


async def _note(log: Log, *, size: int | None = None, root: bytes | None = None) -> Note:
    note = await log.checkpoint()
    if size is None:
        return note
    text = Checkpoint(log.key.split("+")[0], size, root or bytes(32)).text
    return Note(text, ())


def _cosigned(note: Note, *signers: Signer, at: int = NOW) -> bytes:
    return str(note.with_([signer.cosign(note.text, at) for signer in signers])).encode()


@pytest.fixture
def witnessed(world: World, log: Log) -> Log:
    return Log(world.registry.journal, log._files, log._signer, [WITNESS.witness])


async def test_the_cosignature_of_a_known_witness_is_served(world: World, witnessed: Log) -> None:
    await _append(world, 3)
    note = await _note(witnessed)
    assert await witnessed.cosign(_cosigned(note, WITNESS, STRANGER, at=NOW - 9)) == 1
    assert await witnessed.cosign(_cosigned(note, WITNESS)) == 1
    served = str(await witnessed.checkpoint()).encode()
    signed = read(served, Verifier.parse(witnessed.key), [WITNESS.witness, STRANGER.witness])
    assert [notes.time_of(one.value) for one in signed.witnessed] == [NOW]
    await _append(world, 2)
    shown = await witnessed.view(seen=[3])
    assert (Checkpoint.parse(shown.checkpoint.text).size, len(shown.checkpoint.signatures)) == (
        5,
        1,
    )
    assert shown.witnessed is not None
    assert str(shown.witnessed).encode() == served
    assert shown.witnessed_consistency == shown.consistency[3]


async def test_cosignatures_that_prove_nothing_are_refused(world: World, witnessed: Log) -> None:
    await _append(world, 3)
    note = await _note(witnessed)
    forged = WITNESS.cosign(note.text, NOW)
    refused: Sequence[tuple[bytes, type[RegistryError]]] = [
        (b"nonsense", Invalid),
        (str(note).encode(), Forbidden),
        (_cosigned(note, STRANGER), Forbidden),
        (_cosigned(note, WITNESS, at=NOW + 3600), Forbidden),
        (str(note.with_([replace(forged, value=bytes(72))])).encode(), Forbidden),
        (_cosigned(await _note(witnessed, size=7), WITNESS), NotFound),
        (_cosigned(await _note(witnessed, size=3), WITNESS), Conflict),
    ]
    for data, error in refused:
        with pytest.raises(error):
            await witnessed.cosign(data)
    assert str(await witnessed.checkpoint()) == str(note)
    with pytest.raises(Forbidden):
        await world.registry.transparency.cosign(_cosigned(note, WITNESS))
