"""Finding events by words: an FTS5 index in one SQLite file, derived from the log.

    file     a SQLite database of its own, whatever the log is in; removed, it is built again
    words    one column for each detail of redaction, so that nobody finds an event by words that
             the answer would hide; the texts themselves are not kept
    query    each word of the text is looked for as it stands, all of them in one event; none of
             the characters of a query language means anything

The index is read up to the head of the log before each answer. It is opened when somebody first
searches, and any number of processes may share it.
"""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
import threading
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from registry_core.errors import Unavailable
from registry_core.events.redaction import Detail, words

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from registry_core.events import Event
    from registry_core.events.kinds import EventKind
    from registry_core.events.log import EventLog

T = TypeVar("T")

SCHEMA = 1
"""Raised with every change of the tables or of what is indexed; an older file starts anew."""

APPLICATION = 0x63747865
BATCH = 500
BUSY_SECONDS = 10
MOST_WORDS = 32
"""Words of a query that are looked for; more are not read."""

MOST_RANKED = 10_000
"""Events that are compared with each other, the newest of those that match."""

_TABLES = """
create table state (position integer not null);
insert into state values (0);
create table event (
  id integer primary key,
  workspace text not null,
  channel text not null,
  kind text not null,
  private integer not null,
  namespace text
);
create virtual table words using fts5 (
  refs_only, summary, full, content = '', tokenize = 'porter unicode61 remove_diacritics 2'
);
"""

_MATCHING = """
from words join event e on e.id = words.rowid
where words match :match and e.workspace = :workspace
  and (:channel is null or e.channel = :channel)
  and (:kinds is null or e.kind in (select value from json_each(:kinds)))
  and (:namespaces is null or not e.private
    or e.namespace in (select value from json_each(:namespaces)))
"""

_FOUND = f"""
select e.id {_MATCHING}
  and words.rowid >= coalesce(
    (select e.id {_MATCHING} order by words.rowid desc limit 1 offset {MOST_RANKED}), 0)
order by bm25(words), e.id desc limit :limit
"""

_WORD = re.compile(r"[^\s\x00-\x1f\"]+")
_LETTER = re.compile(r"[^\W_]")


@dataclass(frozen=True, slots=True, kw_only=True)
class EventQuery:
    """What somebody looks for: `channel` None is any, no `kinds` are all.

    `namespaces` are those whose private events exist for the asker; None is every one.
    """

    text: str
    workspace: str
    channel: str | None = None
    kinds: frozenset[EventKind] = frozenset()
    namespaces: frozenset[str] | None = frozenset()
    detail: Detail = Detail.SUMMARY
    limit: int = 20


class EventIndex:
    """The index of one log, in the file `path`."""

    def __init__(self, path: Path, log: EventLog) -> None:
        self._path = path
        self._log = log
        self._connection: sqlite3.Connection | None = None
        self._one_at_a_time = asyncio.Lock()
        self._in_use = threading.Lock()

    async def search(self, query: EventQuery) -> Sequence[Event]:
        """Return the events that hold every word of the query, the best first."""
        match = _match(query.text, query.detail)
        if not match:
            return []
        async with self._one_at_a_time:
            await self._catch_up()
            ids = await self._run(lambda connection: _search(connection, match, query))
        return await self._log.some(ids)

    async def close(self) -> None:
        """Close the file."""
        async with self._one_at_a_time:
            if self._connection is not None:
                await self._run(sqlite3.Connection.close)
                self._connection = None

    async def _catch_up(self) -> None:
        position, head = await self._run(_position), await self._log.head()
        if position > head:  # the log is another one than the index was made from
            await self._run(_recreate)
            position = 0
        while position < head:
            events = await self._log.since(position, BATCH)
            await self._run(partial(_apply, events=events))
            position = events[-1].id

    async def _run(self, act: Callable[[sqlite3.Connection], T]) -> T:
        """Do it in a thread: there it is finished even where nobody waits for it any more.

        Whoever comes next waits for that: two transactions of one connection would undo each other.
        """

        def acted() -> T:
            try:
                with self._in_use:
                    if self._connection is None:
                        self._connection = _open(self._path)
                    return act(self._connection)
            except sqlite3.DatabaseError as error:
                raise Unavailable(
                    "the index of events cannot be used now", hint="Try again in a moment."
                ) from error

        return await asyncio.to_thread(acted)


def _open(path: Path) -> sqlite3.Connection:
    """Open or make the file; one that is damaged, or of another schema, starts anew."""
    try:
        return _prepared(path)
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF not in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
            raise
        for suffix in ("", "-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        return _prepared(path)


def _prepared(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    try:
        connection.execute("pragma journal_mode = wal")
        # A last commit that a power failure takes is read from the log again.
        connection.execute("pragma synchronous = normal")
        if _pragma(connection, "user_version") != SCHEMA:
            _recreate(connection, unless=SCHEMA)
    except BaseException:
        connection.close()
        raise
    return connection


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"pragma {name}").fetchone()[0])


def _recreate(connection: sqlite3.Connection, unless: int | None = None) -> None:
    """Make every table anew, but not where a neighbour has made schema `unless` meanwhile."""
    with connection:
        connection.execute("begin exclusive")
        if _pragma(connection, "user_version") == unless:
            return
        for name in ("words", "event", "state"):
            connection.execute(f"drop table if exists {name}")
        for statement in _TABLES.split(";"):
            connection.execute(statement)
        connection.execute(f"pragma application_id = {APPLICATION}")
        connection.execute(f"pragma user_version = {SCHEMA}")


def _position(connection: sqlite3.Connection) -> int:
    return int(connection.execute("select position from state").fetchone()[0])


def _apply(connection: sqlite3.Connection, events: Sequence[Event]) -> None:
    with connection:
        connection.execute("begin immediate")
        position = _position(connection)  # a neighbour may have been here
        new = [event for event in events if event.id > position]
        connection.executemany(
            "insert into event values (?, ?, ?, ?, ?, ?)",
            [(e.id, e.workspace, e.channel, e.kind.value, e.private, e.namespace) for e in new],
        )
        connection.executemany(
            "insert into words (rowid, refs_only, summary, full) values (?, ?, ?, ?)",
            [(event.id, *(_storable(words(event, detail)) for detail in Detail)) for event in new],
        )
        if new:
            connection.execute("update state set position = ?", (new[-1].id,))


def _storable(text: str) -> str:
    """Replace lone surrogates, which JSON can spell and UTF-8 cannot."""
    return text.encode(errors="replace").decode()


def _search(connection: sqlite3.Connection, match: str, query: EventQuery) -> list[int]:
    given = {
        "match": match,
        "workspace": query.workspace,
        "channel": query.channel,
        "kinds": json.dumps(sorted(query.kinds)) if query.kinds else None,
        "namespaces": None if query.namespaces is None else json.dumps(sorted(query.namespaces)),
        "limit": query.limit,
    }
    return [row[0] for row in connection.execute(_FOUND, given)]


def _match(text: str, detail: Detail) -> str:
    """Spell a text as FTS5 wants it: each word a quoted phrase, in the column of the detail."""
    found = [word for word in _WORD.findall(_storable(text)) if _LETTER.search(word)]
    phrases = " ".join(f'"{word}"' for word in found[:MOST_WORDS])
    return f"{detail} : ({phrases})" if phrases else ""
