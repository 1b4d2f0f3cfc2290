"""Watching a registry's log: read every leaf that is new, and say which ones somebody should see.

    activity     anything in a namespace that is watched
    duplicate    a name and version that was published before, in any namespace
    key          a release in a watched namespace (in any, where none is) that is signed by a key
                 which is not among those given; or, where none is given, no key in use by the
                 namespace's chain in the log, or without a chain not that of the release before
    chain        a change of a namespace's keys that does not follow the one before it
    log key      the log's own key has handed over to another one

The leaves are believed because they lead to the root that the log has signed, from the tree that
was read the last time on: a log that changes or drops a leaf is found out here, with evidence.

What was read is kept in one SQLite file for each registry. It is written once everything of a
checkpoint has been verified, so what is reported twice was read twice, and nothing is passed over.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import Field

from ctxmcp.logs import Known, Memory
from ctxmcp.witnessing import pinned
from registry_core.errors import Invalid, RegistryError, Unproven
from registry_core.events.leaves import Leaf
from registry_core.keys import MOST_LINKS
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
CREATE TABLE IF NOT EXISTS chains (namespace TEXT PRIMARY KEY, seq INTEGER, digest TEXT);
CREATE TABLE IF NOT EXISTS keys (
    namespace TEXT, key TEXT, standing TEXT, PRIMARY KEY (namespace, key)
);
"""
MOST_ALARMS = 10_000

_PUBLISHED = frozenset({"package_published", "release_held"})
_IN_USE = "in use"


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
        if known and known.key != verifier.text:
            reader.told_of_key(seen, known.key, verifier.text)
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
        found: Iterable[tuple[str, str]] = ()
        if said.get("event") in _PUBLISHED:
            found = (*self._duplicate(position, said), *self._stranger(said))
        elif "prev" in said:
            found = self._chained(said)
        for alarm, detail in found:
            self._alarm(alarm, position, said, detail)

    def told_of_key(self, position: int, old: str, new: str) -> None:
        handed = {"event": "log_key", "name": new}
        self._alarm("log key", position, handed, f"handed over from {old}")

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
        elif not self.watch.keys:
            wrong = self._wrong(namespace, signer, before[0] if before else signer)
            if wrong:
                yield "key", f"signed by {signer}, {wrong}"

    def _wrong(self, namespace: str, signer: str, before: str) -> str:
        """Say what is wrong with a signer, by the chain of its namespace if there is one."""
        keys = dict(
            self.database.execute(
                "SELECT key, standing FROM keys WHERE namespace = ?", (namespace,)
            )
        )
        if not keys:
            return "" if signer == before else f"the release before by {before}"
        standing = keys.get(signer, f"no key of @{namespace}")
        return "" if standing == _IN_USE else f"which is {standing}"

    def _chained(self, said: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Follow a statement about the keys of a namespace."""
        namespace, seq, prev = str(said.get("namespace")), said.get("seq"), said["prev"]
        known = self.database.execute(
            "SELECT seq, digest FROM chains WHERE namespace = ?", (namespace,)
        ).fetchone()
        if type(seq) is not int or (known and (seq - 1, prev) != known) or seq >= MOST_LINKS:
            yield "chain", f"statement {seq!s:.20} does not follow {known[0] if known else 'any'}"
            return
        row = (namespace, seq, str(said.get("digest")))
        self.database.execute("INSERT OR REPLACE INTO chains VALUES (?, ?, ?)", row)
        for key, standing in _standings(said):
            now = (namespace, key, standing)
            self.database.execute("INSERT OR REPLACE INTO keys VALUES (?, ?, ?)", now)

    def _alarm(self, alarm: str, position: int, said: Mapping[str, Any], detail: str = "") -> None:
        if len(self.alarms) == MOST_ALARMS:
            self.unlisted += 1
            return
        event, about = str(said.get("event", "")), _ref(said)
        self.alarms.append(
            Alarm(alarm=alarm, position=position, event=event, about=about, detail=detail)
        )


def _standings(said: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Say how keys stand after a statement."""
    revokes = said.get("action") == "revoke"
    yield str(said.get("key")), "revoked" if revokes else _IN_USE
    if said.get("action") == "rotate":
        yield str(said.get("old")), "replaced"


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
