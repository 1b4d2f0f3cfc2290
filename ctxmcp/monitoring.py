"""Watching a registry's log: read every leaf that is new, and say which ones somebody should see.

    activity     anything in a namespace that is watched
    duplicate    a name and version that was published before, in any namespace
    key          a release in a watched namespace (in any, where none is) that is signed by a key
                 which is not among those given; or, where none is given, not the one before

The leaves are believed because they lead to the root that the log has signed, from the tree that
was read the last time on: a log that changes or drops a leaf is found out here, with evidence.

What was read is kept in one SQLite file for each registry. It is written once everything of a
checkpoint has been verified, so what is reported twice was read twice, and nothing is passed over.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import Field

from ctxmcp.logs import Known, Memory
from ctxmcp.witnessing import pinned
from registry_core.errors import Invalid, RegistryError, Unproven
from registry_core.events.leaves import Leaf
from registry_core.operation import Model
from registry_core.transparency import notes
from registry_core.transparency.checkpoints import read
from registry_core.transparency.merkle import leaf_hash
from registry_core.transparency.tiles import Edge, edge

if TYPE_CHECKING:
    from pathlib import Path

    from ctxmcp.remote_log import RemoteLog
    from registry_core.transparency.checkpoints import Checkpoint
    from registry_core.transparency.tiles import Tile

_TABLES = """
CREATE TABLE IF NOT EXISTS tree (known TEXT NOT NULL, tiles TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS releases (ref TEXT PRIMARY KEY, position INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS signers (namespace TEXT PRIMARY KEY, key TEXT NOT NULL);
"""
MOST_ALARMS = 10_000

_PUBLISHED = frozenset({"package_published", "release_held"})


class Alarm(Model):
    """A leaf that somebody should look at, and why."""

    alarm: str
    position: int
    event: str
    about: str
    detail: str = ""


class Monitored(Model):
    """What was read, and what of it is alarming."""

    registry: str
    log: str
    seen: int
    size: int
    root: str
    sealed: int = Field(description="Leaves about private packages, which say nothing.")
    alarms: list[Alarm]
    unlisted: int = Field(0, description="Alarms beyond those that are listed.")


@dataclass(frozen=True, slots=True)
class Watch:
    """What somebody wants to be told of."""

    namespaces: frozenset[str] = frozenset()
    keys: frozenset[str] = frozenset()


async def monitor(log: RemoteLog, watch: Watch, folder: Path, *, key: str = "") -> Monitored:
    """Read on from where the last time ended. Raises Unproven for another history."""
    memory = Memory(folder / "monitor", log.registry)
    memory.file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with closing(_open(memory.file.with_suffix(".sqlite3"))) as database:
        known, grown = _resume(database)
        verifier = await pinned(log, known, key)
        note = await log.checkpoint()
        tree = read(note, verifier).checkpoint
        before = known.read() if known else None
        _check_size(memory, before, tree, note)
        seen, reader = grown.size, _Reader(database, watch)
        if tree.size > seen:
            async for leaves in log.leaves(seen, tree.size):
                for data in leaves:
                    reader.take(grown.size, data)
                    grown.append(leaf_hash(data))
        if grown.root() != tree.root:
            raise _contradiction(memory, before, tree, note)
        _keep(database, Known(log.registry, verifier.text, note.decode()), grown)
    return Monitored(
        registry=log.registry,
        log=verifier.text,
        seen=seen,
        size=tree.size,
        root=notes.encode(tree.root),
        sealed=reader.sealed,
        alarms=reader.alarms,
        unlisted=reader.unlisted,
    )


@dataclass(slots=True)
class _Reader:
    database: sqlite3.Connection
    watch: Watch
    sealed: int = 0
    alarms: list[Alarm] = field(default_factory=list)
    unlisted: int = 0

    def take(self, position: int, data: bytes) -> None:
        try:
            said = Leaf(data).says()
        except Invalid:
            self._alarm("nonsense", position, {}, "a leaf that says nothing this program can read")
            return
        if "sealed" in said:
            self.sealed += 1
            return
        if self._watched(said):
            self._alarm("activity", position, said)
        if said.get("event") in _PUBLISHED:
            for alarm, detail in (*self._duplicate(position, said), *self._stranger(said)):
                self._alarm(alarm, position, said, detail)

    def _watched(self, said: Mapping[str, Any]) -> bool:
        return said.get("namespace") in self.watch.namespaces

    def _duplicate(self, position: int, said: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        ref = _ref(said)
        found = self.database.execute("SELECT position FROM releases WHERE ref = ?", (ref,))
        earlier = found.fetchone()
        if earlier:
            yield "duplicate", f"published before, as leaf {earlier[0]}"
        else:
            self.database.execute("INSERT INTO releases VALUES (?, ?)", (ref, position))

    def _stranger(self, said: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        namespace, signer = str(said.get("namespace")), str(said.get("signer") or "nobody")
        found = self.database.execute("SELECT key FROM signers WHERE namespace = ?", (namespace,))
        before = found.fetchone()
        self.database.execute("INSERT OR REPLACE INTO signers VALUES (?, ?)", (namespace, signer))
        if self.watch.namespaces and not self._watched(said):
            return
        if self.watch.keys and signer not in self.watch.keys:
            yield "key", f"signed by {signer}, which is none of the keys that were given"
        elif not self.watch.keys and before and before[0] != signer:
            yield "key", f"signed by {signer}, the release before by {before[0]}"

    def _alarm(self, alarm: str, position: int, said: Mapping[str, Any], detail: str = "") -> None:
        if len(self.alarms) == MOST_ALARMS:
            self.unlisted += 1
            return
        event, about = str(said.get("event", "")), _ref(said)
        self.alarms.append(
            Alarm(alarm=alarm, position=position, event=event, about=about, detail=detail)
        )


def _ref(said: Mapping[str, Any]) -> str:
    name, version = said.get("name"), said.get("version")
    return f"{name}@{version}" if name and version else str(name or said.get("namespace") or "")


def _check_size(memory: Memory, before: Checkpoint | None, now: Checkpoint, note: bytes) -> None:
    if before and now.size < before.size:
        raise _contradiction(memory, before, now, note)


def _contradiction(
    memory: Memory, before: Checkpoint | None, now: Checkpoint, note: bytes
) -> Unproven:
    error = Unproven(
        f"the leaves of {memory.registry} are not those that its log has signed",
        expected=f"growth from {before}" if before else "the signed root",
        found=str(now),
        evidence=f"--- known\n{before.text if before else ''}\n--- now\n{note.decode()}",
    )
    return memory.with_evidence(error, "believed")


def _open(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path)
    database.executescript(_TABLES)
    return database


def _resume(database: sqlite3.Connection) -> tuple[Known | None, Edge]:
    row = database.execute("SELECT known, tiles FROM tree").fetchone()
    if row is None:
        return None, Edge()
    try:
        known = Known(**json.loads(row[0]))
        hashes: Mapping[str, str] = json.loads(row[1])
        partial: list[tuple[Tile, bytes]] = [
            (tile, bytes.fromhex(hashes[tile.path])) for tile in edge(known.read().size)
        ]
    except (ValueError, TypeError, KeyError, RegistryError):
        raise Invalid(
            "what this monitor has kept is not what it wrote", hint="Delete it and begin anew."
        ) from None
    return known, Edge(partial)


def _keep(database: sqlite3.Connection, known: Known, grown: Edge) -> None:
    tiles = {tile.path: data.hex() for tile, data in grown.tiles()}
    kept = {"registry": known.registry, "key": known.key, "checkpoint": known.checkpoint}
    database.execute("DELETE FROM tree")
    database.execute("INSERT INTO tree VALUES (?, ?)", (json.dumps(kept), json.dumps(tiles)))
    database.commit()
