"""Auditing somebody else's registry, as far as anybody can see it: its log, and what it serves.

    log         signed by the key that this machine knows, grown from what it has seen; its leaves
                lead to the root that is signed, and its tiles are what they make
    releases    each that is served has a leaf with the same digest and signer, and is not one that
                its leaves hold, revoke or yank
    packages    each release that its leaves let resolve is served

Of private packages the log tells strangers nothing, so of a package that once was private, or is
now, only its own namespace can tell. What cannot be told is said (`not_checked`).
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ctxmcp.http import Http
from ctxmcp.logs import Memory
from ctxmcp.remote_log import RemoteLog
from ctxmcp.witnessing import pinned
from registry_core.audit import STATES, YANKS, Findings
from registry_core.errors import (
    Invalid,
    InvalidName,
    InvalidPackage,
    NotFound,
    Tampered,
    TooLarge,
)
from registry_core.events.kinds import INTRODUCING, EventKind
from registry_core.events.leaves import Leaf
from registry_core.names import PackageName, shown
from registry_core.packages import State
from registry_core.transparency import checkpoints, notes
from registry_core.transparency.auditing import Tree, Walked

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from registry_core.transparency.auditing import Tell
    from registry_core.transparency.checkpoints import Checkpoint
    from registry_core.transparency.notes import Verifier

_ATTEMPTS = 3
_NAMED = 5
_TABLES = """
CREATE TABLE releases (
    ref TEXT PRIMARY KEY, name TEXT, sha256 TEXT, signer TEXT, state TEXT,
    yanked INTEGER NOT NULL DEFAULT 0, since INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX of_package ON releases (name);
CREATE TABLE served (name TEXT PRIMARY KEY);
"""
_INSERT = "INSERT OR IGNORE INTO releases (ref, name, sha256, signer) VALUES (?, ?, ?, ?)"
_BYTES = "the artifacts: `install` and `download` verify each that they fetch"


@dataclass(kw_only=True)
class Surveyed(Findings):
    """What was looked at, what is wrong, and what strangers cannot tell."""

    registry: str
    log: Walked | None = None
    packages: int = 0
    releases: int = 0
    sealed: int = 0
    """Leaves about private packages."""
    not_checked: list[str] = field(default_factory=lambda: [_BYTES])


async def survey(url: str, folder: Path, key: str, tell: Tell) -> Surveyed:
    """Look at a registry over HTTP; `key` may pin its log's, `tell` hears how far it is.

    Raises Tampered where the log is signed by another key than before.
    """
    async with RemoteLog(url) as log, Http(log.registry.removesuffix("api"), "") as http:
        known = Memory(folder, log.registry).read()
        verifier = await pinned(log, known, key)
        with closing(sqlite3.connect("")) as database:  # in a file of its own, once it is large
            database.executescript(_TABLES)
            found = Surveyed(registry=log.registry)
            before = known.read() if known else None
            await _Survey(log, http, database, found, verifier, before, tell).all()
    return found


@dataclass(frozen=True, slots=True)
class _Wrong:
    """Something that is served in another way than leaves say; `since` is the last such leaf."""

    ref: str
    what: str
    since: int


@dataclass
class _Survey:
    log: RemoteLog
    http: Http
    database: sqlite3.Connection
    found: Surveyed
    verifier: Verifier
    before: Checkpoint | None
    """What was seen of the log, the last time."""
    tell: Tell
    tree: Tree = field(init=False)
    sealed_releases: int = 0
    unproven: set[str] = field(default_factory=set)
    hidden: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.tree = Tree(0, self.log.file, self.found.note)

    async def all(self) -> None:
        if not await self._read_on():
            return
        await self._list()
        names = "SELECT name FROM served UNION SELECT name FROM releases ORDER BY name"
        listed = self.database.execute(f"SELECT count(*) FROM ({names})").fetchone()[0]  # noqa: S608 - no value in it
        for (name,) in self.database.execute(names):
            self.found.packages += 1
            await self._package(name)
            self.tell(self.found.packages, listed, name)
        self._conclude()

    # The log

    async def _read_on(self) -> bool:
        """Read what is new in the log; False where it does not hold."""
        note = await self.log.checkpoint()
        tree = checkpoints.read(note, self.verifier).checkpoint
        seen = max(self.tree.size, self.before.size if self.before else 0)
        if tree.size < seen:
            self.found.note("log", f"has lost leaves: {seen} were seen, now it is {tree}")
            return False
        problems = len(self.found.problems)
        self.tree.grow(tree.size)
        try:
            await self._read_leaves(tree)
        except (NotFound, Tampered, InvalidPackage) as error:
            self.found.note("log", error.message)
            return False
        if wrong := self.tree.difference(tree):
            self.found.note(f"checkpoint of {tree.size} leaves", wrong)
        self.found.log = Walked(tree.size, tree.size, notes.encode(tree.root), 1)
        return len(self.found.problems) == problems

    async def _read_leaves(self, tree: Checkpoint) -> None:
        start = self.tree.size
        if start == tree.size:
            return
        async for leaves in self.log.leaves(start, tree.size):
            for data in leaves:
                self._take(data)
                await self.tree.append(data)
                self._look_back()
            self.tell(self.tree.size, tree.size, "leaves")

    def _look_back(self) -> None:
        """Hold the tree against what was seen before, when it is as large as that was."""
        if self.before is None or self.before.size != self.tree.size:
            return
        if wrong := self.tree.difference(self.before):
            self.found.note("log", f"has another history: a tree of {self.tree.size} {wrong}")

    def _take(self, data: bytes) -> None:
        where = f"leaf {self.tree.size}"
        try:
            said = Leaf(data).says()
            kind = EventKind(str(said.get("event")))
        except (Invalid, ValueError):
            self.found.note(where, "says nothing that this program can read")
            return
        if "sealed" in said:
            self.found.sealed += 1
            self.sealed_releases += kind in INTRODUCING
            return
        ref = f"{said.get('name')}@{said.get('version')}"
        if kind in INTRODUCING:
            given = (ref, *(said.get(name) for name in ("name", "sha256", "signer")))
            new = self.database.execute(_INSERT, given).rowcount
            if not new and kind is EventKind.PACKAGE_PUBLISHED:
                self.found.note(where, f"publishes {ref}, which was published before")
        for column, value in (("state", STATES.get(kind)), ("yanked", YANKS.get(kind))):
            if value is not None:
                change = f"UPDATE releases SET {column} = ?, since = ? WHERE ref = ?"  # noqa: S608 - our words
                self.database.execute(change, (value, self.tree.size, ref))

    # What is served

    async def _list(self) -> None:
        try:
            index = await self.http.get("api/v1/index.json")
        except TooLarge as error:
            self.found.not_checked.append(f"packages that no leaf names: {error.message}")
            return
        listed = index.get("packages")
        names = [item.get("scoped_name") for item in listed or () if isinstance(item, dict)]
        self.database.executemany(
            "INSERT OR IGNORE INTO served VALUES (?)", [(str(name),) for name in names]
        )

    async def _package(self, text: str) -> None:
        """Hold what is served of a package against its leaves; twice more, if it just changed."""
        try:
            name = PackageName.parse(text)
        except InvalidName as error:
            self.found.note(shown(text), error.message)
            return
        for _ in range(_ATTEMPTS):
            size = self.tree.size
            served = await self._served(name)
            if not [*self._wrong(name, served)]:
                break
            if not await self._read_on():  # the log may be older than what was served
                return
            wrong = [*self._wrong(name, served)]
            if all(one.since < size for one in wrong):
                for one in wrong:
                    self.found.note(one.ref, one.what)
                break
        else:
            self.found.not_checked.append(f"{name}: it changed whenever it was looked at")
        self.found.releases += len(served)

    async def _served(self, name: PackageName) -> list[Mapping[str, Any]]:
        path = f"api/v1/packages/{name.namespace}/{name.name}/index.json"
        try:
            listed = (await self.http.get(path)).get("versions")
        except NotFound:
            return []
        return [entry for entry in listed or () if isinstance(entry, dict)]

    def _wrong(self, name: PackageName, served: Sequence[Mapping[str, Any]]) -> Iterator[_Wrong]:
        for entry in served:
            yield from self._wrong_entry(f"{name}@{entry.get('version')}", entry)
        there = {f"{name}@{entry.get('version')}" for entry in served}
        query = "SELECT ref, since FROM releases WHERE name = ? AND state = ?"
        for ref, since in self.database.execute(query, (str(name), State.RELEASED)).fetchall():
            if ref in there:
                continue
            if self.found.sealed:  # a package that is made private says so in a sealed leaf
                self.hidden.add(ref)
            else:
                yield _Wrong(ref, "is not served, and its leaves say released", since)

    def _wrong_entry(self, ref: str, entry: Mapping[str, Any]) -> Iterator[_Wrong]:
        columns = "SELECT sha256, signer, state, yanked, since FROM releases WHERE ref = ?"
        row = self.database.execute(columns, (ref,)).fetchone()
        if row is None:
            if self.sealed_releases:
                self.unproven.add(ref)
            else:
                yield _Wrong(ref, "is served, and no leaf of the log brought it", -1)
            return
        sha256, signer, state, yanked, since = row
        served = {"sha256": entry.get("artifact_sha256"), "signer": entry.get("signer_public_key")}
        for what, mine in (("sha256", sha256), ("signer", signer)):
            if served[what] != mine:
                said = shown(str(served[what]))
                yield _Wrong(ref, f"{what} is served as {said}, its leaf says {mine}", -1)
        if state != State.RELEASED:
            yield _Wrong(ref, f"is served, and its leaves say {state}", since)
        if yanked and not entry.get("yanked"):
            what = "is served as if it were not yanked, and its leaves say yanked"
            yield _Wrong(ref, what, since)

    def _conclude(self) -> None:
        """Say what only those could tell who may see private packages."""
        if len(self.unproven) > self.sealed_releases:
            what = f"{len(self.unproven)} releases are served without a leaf that names them, and"
            self.found.note("log", f"{what} only {self.sealed_releases} leaves are sealed")
        for refs, what in (
            (self.unproven, "are served, and their packages were private when they came"),
            (self.hidden, "are not served, and their packages may be private now"),
        ):
            if refs:
                named = ", ".join(sorted(refs)[:_NAMED])
                self.found.not_checked.append(f"{len(refs)} releases that {what}: {named}")
