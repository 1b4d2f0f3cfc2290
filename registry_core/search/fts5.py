"""A search index in one SQLite file: FTS5 with BM25, shared by any number of processes.

`entry` holds what is filtered and compared, `document` what is shown, `term` what is ranked: the
columns are terms already (see `terms`), one blank between two, which the `ascii` tokenizer takes
apart again. All three, and the log position, change in one transaction.

A query is a disjunction of its rarest terms. Filters are part of the statement, so the total never
counts what the asker may not see.
"""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Literal, TypeVar

from registry_core.errors import Internal, Unavailable
from registry_core.search import (
    FACETS,
    MAX_BODY,
    MAX_FACETS,
    MAX_LIMIT,
    MAX_OFFSET,
    MAX_TEXT,
    Change,
    Entry,
    Hit,
    Hits,
    Pair,
    Put,
    Query,
)
from registry_core.search.excerpt import Shown, Sought, explained
from registry_core.search.terms import name_terms, storable, text_terms

SCHEMA = 4
"""Raised with every change of the tables or of the rules in `terms`; an older file starts anew."""

APPLICATION = 0x63747869
READERS = 3
BUSY_SECONDS = 10
MAX_TERMS = 64
MAX_SEED = 10_000
"""A query keeps this many terms, its rarest. It finds the entries that hold one of the rarest of
these, as many as share this many postings; all terms then score them. At 20,000 entries the first
ten hits are those that scoring every entry gives."""

BODY_REPEATS = 3
"""A body counts a term this often at most; more costs time and finds nothing better."""

MAX_DESCRIPTION = 16 * 1024
MAX_COUNTED = 100
"""Facets count so many of the best."""

MIN_PIECE = 3

_TABLES = """
create table state (position integer not null);
insert into state values (0);
create table entry (
  id integer primary key,
  key text not null unique,
  name text not null,
  plain_name text not null,
  bare_name text not null,
  kind text not null,
  namespace text not null,
  private integer not null,
  verified integer not null,
  tags text not null,
  category text not null
);
create index entry_by_name on entry (name);
create index entry_by_plain_name on entry (plain_name);
create index entry_by_bare_name on entry (bare_name);
create table document (id integer primary key, description text not null, body blob not null);
create virtual table term using fts5 (name, tags, description, body, tokenize = 'ascii');
create virtual table vocabulary using fts5vocab (term, row);
"""

_VISIBLE = """
  (:namespaces is null or e.private = 0
    or e.namespace in (select value from json_each(:namespaces)))
  and (:kinds is null or e.kind in (select value from json_each(:kinds)))
  and (:publishers is null or e.namespace in (select value from json_each(:publishers)))
  and e.verified >= :verified
  and (:tags is null
    or not exists (select 1 from json_each(:tags) where instr(e.tags, value) = 0))
"""

_LISTED = f"""
select e.id, 0.0 from entry e where {_VISIBLE} order by e.name, e.id limit :most
"""  # noqa: S608 - made of constants

_SEEN = f"""
select e.kind, e.namespace, e.verified, e.tags, e.category from entry e where {_VISIBLE}
"""  # noqa: S608 - made of constants
_THESE = """
select kind, namespace, verified, tags, category from entry
where id in (select value from json_each(:ids))
"""

_LISTED_COUNT = f"select count(*) from entry e where {_VISIBLE}"  # noqa: S608

_PAIRS = f"""
with seen as (select e.id, e.key, d.description from entry e join document d on d.id = e.id
  where d.description <> '' and {_VISIBLE})
select a.key, b.key from seen a join seen b on a.description = b.description and a.id < b.id
order by a.id, b.id limit :limit
"""  # noqa: S608 - made of constants

_CALLED = "select id from entry where plain_name = :asked or bare_name = :asked"
_BEGINNING = """
select id from entry where bare_name >= :word and bare_name < :beyond
union select id from entry where plain_name >= :word and plain_name < :beyond
"""
_CONTAINING = "select id from entry where instr(plain_name, :word)"

_NAMED = f"""
(e.id in (select value from json_each(:called)) or e.id in (select value from json_each(:named)))
  and {_VISIBLE} and e.id not in (select rowid from term where term match :seed)
"""  # noqa: S608 - made of constants

_TIER = """
case
  when e.id in (select value from json_each(:called)) then 0
  when e.id in (select value from json_each(:named)) then 1
  when instr(e.tags, :tag) then 2
  else 3
end
"""

# The name counts twice, the body little: measured with tests/benchmarks/search_quality.py.
_RANKED = f"""
select id, score from (
  select e.id, e.name, -bm25(term, 2, 1, 1, 0.15) as score, {_TIER} as tier
  from term join entry e on e.id = term.rowid where term match :match and {_VISIBLE}
    and (:seed = :match or term.rowid in (select rowid from term where term match :seed))
  union all
  select e.id, e.name, 0.0, {_TIER} from entry e where {_NAMED}
)
order by tier, score desc, name, id limit :most
"""  # noqa: S608 - made of constants

_RANKED_COUNT = f"""
select (select count(*) from term join entry e on e.id = term.rowid
    where term match :seed and {_VISIBLE})
  + (select count(*) from entry e where {_NAMED})
"""  # noqa: S608 - made of constants

_PAGE = """
select e.id, e.key, e.name, d.description, d.body, t.name, t.tags, t.description
from json_each(?) page join entry e on e.id = page.value join document d on d.id = e.id
  join term t on t.rowid = e.id
order by page.key
"""

_RARITY = """
select v.term, v.doc from json_each(?) asked cross join vocabulary v on v.term = asked.value
"""

# SQLITE_ERROR is what a statement meets whose tables are not there.
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR})
_SEPARATOR = "\x1f"
_CONTROL = re.compile("[\x00-\x1f\x7f]+")

_Pool = SimpleQueue[sqlite3.Connection]
_Answer = TypeVar("_Answer")


class Fts5Index:
    """A `SearchIndex` in the SQLite file `path`, or in memory; made by `open`."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._writing: _Pool = SimpleQueue()
        self._reading: _Pool = SimpleQueue() if path else self._writing
        self._closed = False

    @classmethod
    async def open(cls, path: Path | None) -> Fts5Index:
        """Open or create an index; a file that is damaged or of another schema starts anew."""
        index = cls(path)
        await asyncio.to_thread(_translated(index._connect_or_replace))
        return index

    async def position(self) -> int:
        """Return the log position this index stands at."""
        return await self._run(self._reading, _position)

    async def apply(self, changes: Sequence[Change], position: int) -> None:
        """Take over `changes` and stand at `position`, in one transaction."""
        await self._run(self._writing, lambda connection: _apply(connection, changes, position))

    async def search(self, query: Query) -> Hits:
        """Find what the asker may see."""
        return await self._run(self._reading, lambda connection: _search(connection, query))

    async def pairs(self, query: Query, least: float) -> Sequence[Pair]:
        """Find pairs of packages with one description: this index knows of no other likeness."""
        return await self._run(self._reading, lambda connection: _pairs(connection, query))

    async def clear(self) -> None:
        """Forget everything, damage included."""
        try:
            await self._run(self._writing, _recreate)
        except Internal:
            await asyncio.to_thread(_translated(self._replace))

    async def close(self) -> None:
        """Close every connection once its statement has ended."""
        if not self._closed:
            self._closed = True
            await asyncio.to_thread(self._disconnect)

    async def _run(self, pool: _Pool, act: Callable[[sqlite3.Connection], _Answer]) -> _Answer:
        if self._closed:
            raise Unavailable("the search index is closed")

        def lent() -> _Answer:
            try:
                connection = pool.get(timeout=BUSY_SECONDS)
            except Empty:
                raise Unavailable("the search index is busy", hint="Try again later.") from None
            try:
                return act(connection)
            finally:
                pool.put(connection)

        # A thread outlives the task that waits for it: what it does is never left half done.
        return await asyncio.to_thread(_translated(lent))

    def _connect_or_replace(self) -> None:
        try:
            self._connect()
        except sqlite3.DatabaseError as error:
            if not (self._path and _is_damage(error)):
                raise
            _delete(self._path)
            self._connect()

    def _connect(self) -> None:
        self._writing.put(_opened(self._path))
        if self._path:
            for _ in range(READERS):
                self._reading.put(_connected(self._path))

    def _disconnect(self) -> None:
        for pool, size in ((self._writing, 1), (self._reading, READERS if self._path else 0)):
            for _ in range(size):
                pool.get().close()

    def _replace(self) -> None:
        self._disconnect()
        if self._path:
            _delete(self._path)
        self._connect()


def _translated(act: Callable[[], _Answer]) -> Callable[[], _Answer]:
    """Say what SQLite says in the words of the registry."""

    def acted() -> _Answer:
        try:
            return act()
        except sqlite3.ProgrammingError:
            raise
        except sqlite3.DatabaseError as error:
            if _is_damage(error):
                raise Internal(
                    "the search index is damaged",
                    hint="Clear it; it is built again from the event log.",
                ) from error
            raise Unavailable(f"the search index cannot be used now: {error}") from error

    return acted


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGED


def _opened(path: Path | None) -> sqlite3.Connection:
    connection = _connected(path)
    try:
        _prepare(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _connected(path: Path | None) -> sqlite3.Connection:
    return sqlite3.connect(
        path or ":memory:", timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )


def _delete(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _prepare(connection: sqlite3.Connection) -> None:
    _refuse_foreign(connection)
    connection.execute("pragma journal_mode = wal")
    # A last commit that a power failure takes is read from the log again.
    connection.execute("pragma synchronous = normal")
    if _pragma(connection, "user_version") != SCHEMA:
        _recreate(connection, unless=SCHEMA)


def _refuse_foreign(connection: sqlite3.Connection) -> None:
    filled = connection.execute("select 1 from sqlite_schema limit 1").fetchone()
    if filled and _pragma(connection, "application_id") != APPLICATION:
        raise Unavailable(
            "the file of the search index is another program's database",
            hint="Choose a path of its own for the search index.",
        )


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"pragma {name}").fetchone()[0])


def _recreate(connection: sqlite3.Connection, unless: int | None = None) -> None:
    """Make every table anew, but not where a neighbour has made schema `unless` meanwhile."""
    with _transaction(connection, "exclusive"):
        if _pragma(connection, "user_version") == unless:
            return
        # A virtual table takes its own tables with it, so it goes first.
        for (name,) in connection.execute(
            "select name from sqlite_schema where type = 'table' order by sql not like '%virtual%'"
        ).fetchall():
            connection.execute(f'drop table if exists "{name}"')
        for statement in _TABLES.split(";"):
            connection.execute(statement)
        connection.execute(f"pragma application_id = {APPLICATION}")
        connection.execute(f"pragma user_version = {SCHEMA}")


@contextmanager
def _transaction(
    connection: sqlite3.Connection, mode: Literal["deferred", "immediate", "exclusive"]
) -> Iterator[None]:
    connection.execute(f"begin {mode}")
    try:
        yield
        connection.execute("commit")
    finally:
        if connection.in_transaction:
            connection.execute("rollback")


def _position(connection: sqlite3.Connection) -> int:
    return int(connection.execute("select position from state").fetchone()[0])


def _apply(connection: sqlite3.Connection, changes: Iterable[Change], position: int) -> None:
    with _transaction(connection, "immediate"):
        if position <= _position(connection):
            return
        for change in changes:
            if isinstance(change, Put):
                _remove(connection, change.entry.key)
                _add(connection, change.entry)
            else:
                _remove(connection, change.key)
        connection.execute("update state set position = ?", (position,))


def _remove(connection: sqlite3.Connection, key: str) -> None:
    row = connection.execute("select id from entry where key = ?", (storable(key),)).fetchone()
    if row:
        connection.execute("delete from term where rowid = ?", row)
        connection.execute("delete from document where id = ?", row)
        connection.execute("delete from entry where id = ?", row)


def _add(connection: sqlite3.Connection, entry: Entry) -> None:
    shown = Shown.of(replace(entry, description=entry.description[:MAX_DESCRIPTION]))
    body = storable(entry.body[:MAX_BODY]).encode()[:MAX_BODY].decode(errors="ignore")
    plain_name = _asked(shown.name)
    added = connection.execute(
        "insert into entry values"
        " (null, :key, :name, :plain_name, :bare_name, :kind, :namespace, :private, :verified,"
        " :tags, :category)",
        {
            "key": shown.key,
            "name": shown.name,
            "plain_name": plain_name,
            "bare_name": plain_name.rpartition("/")[2],
            "kind": entry.kind.value,
            "namespace": storable(entry.namespace),
            "private": entry.private,
            "verified": entry.verified,
            "tags": "".join(map(_tag, entry.tags)),
            "category": _plain(entry.category).strip().lower(),
        },
    )
    number = added.lastrowid
    kept = number, shown.description, shown.body
    connection.execute("insert into document values (?, ?, ?)", kept)
    row = (number, *shown.terms, " ".join(_few(text_terms(body))))
    connection.execute(
        "insert into term (rowid, name, tags, description, body) values (?, ?, ?, ?, ?)", row
    )


def _few(terms: list[str]) -> Iterator[str]:
    for term, count in Counter(terms).items():
        yield from (term,) * min(count, BODY_REPEATS)


def _asked(text: str) -> str:
    """Spell a name as names are compared."""
    return text.strip().lower().removeprefix("@")


def _tag(text: str) -> str:
    """Spell a tag as tags are compared: each between two separators."""
    return f"{_SEPARATOR}{_plain(text).strip().lower()}{_SEPARATOR}"


def _plain(text: str) -> str:
    return _CONTROL.sub(" ", storable(text))


def _search(connection: sqlite3.Connection, query: Query) -> Hits:
    text = _plain(query.text[:MAX_TEXT]).strip()
    given = {**_filters(query), **_window(query)}
    with _transaction(connection, "deferred"):
        if not text:
            total = _count(connection, _LISTED_COUNT, given)
            found = connection.execute(_LISTED, given).fetchall()
            hits = _hits(connection, _page(connection, found, query), total, (), "")
            return replace(hits, facets=_facets(connection, _SEEN, given) if query.facets else {})
        terms, seed = _rarest(connection, name_terms(text))
        given |= {"tag": _tag(text), "match": _match(terms), "seed": _match(seed)}
        return _ranked(connection, given, terms, _asked(text), query)


def _ranked(
    connection: sqlite3.Connection,
    given: dict[str, Any],
    terms: Sequence[str],
    asked: str,
    query: Query,
) -> Hits:
    """Rank what holds a term or begins with the one word `asked`.

    Where the asker may see neither, the word may be a piece of a name, anywhere in it.
    """
    names = {"asked": asked, "word": asked, "beyond": f"{asked}\U0010ffff"}
    one_word = bool(asked) and " " not in asked
    given["called"] = _json(_ids(connection, _CALLED, names))
    given["named"] = _json(_ids(connection, _BEGINNING, names) if one_word else ())
    total = _count(connection, _RANKED_COUNT, given)
    if not total and one_word and len(asked) >= MIN_PIECE:
        given["named"] = _json(_ids(connection, _CONTAINING, names))
        total = _count(connection, _RANKED_COUNT, given)
    found = connection.execute(_RANKED, given).fetchall() if total else []
    hits = _hits(connection, _page(connection, found, query), total, terms, asked)
    ids = {"ids": _json(number for number, _ in found[:MAX_COUNTED])}
    return replace(hits, facets=_facets(connection, _THESE, ids) if query.facets else {})


def _page(
    connection: sqlite3.Connection, found: list[tuple[int, float]], query: Query
) -> list[tuple[int, float]]:
    """Cut the page out of what was found from the first hit on."""
    seen = _ids(connection, "select id from entry where key = :key", {"key": storable(query.after)})
    places = [place for place, (number, _) in enumerate(found, 1) if number in seen]
    start = places[0] if places else max(0, min(query.offset, MAX_OFFSET))
    return found[start : start + max(1, min(query.limit, MAX_LIMIT))]


def _facets(
    connection: sqlite3.Connection, statement: str, given: dict[str, Any]
) -> dict[str, dict[str, int]]:
    counts: dict[str, Counter[str]] = {name: Counter() for name in FACETS}
    for kind, publisher, verified, tags, category in connection.execute(statement, given):
        counts["kind"][kind] += 1
        counts["publisher"][publisher] += 1
        counts["verified"]["true" if verified else "false"] += 1
        counts["category"].update([category] if category else [])
        counts["tag"].update(set(filter(None, tags.split(_SEPARATOR))))
    return {name: dict(count.most_common(MAX_FACETS)) for name, count in counts.items()}


def _ids(connection: sqlite3.Connection, statement: str, given: dict[str, str]) -> list[int]:
    return [number for (number,) in connection.execute(statement, given)]


def _pairs(connection: sqlite3.Connection, query: Query) -> list[Pair]:
    found = connection.execute(_PAIRS, {**_filters(query), **_window(query)})
    return [Pair(one, other, 1.0) for one, other in found]


def _filters(query: Query) -> dict[str, Any]:
    visible = query.namespaces_visible
    return {
        "namespaces": None if visible is None else _json(map(storable, visible)),
        "kinds": _json(query.kinds) if query.kinds else None,
        "tags": _json(map(_tag, query.tags)) if query.tags else None,
        "publishers": _json(map(storable, query.publishers)) if query.publishers else None,
        "verified": not query.include_unverified,
    }


def _window(query: Query) -> dict[str, int]:
    return {
        "limit": max(1, min(query.limit, MAX_LIMIT)),
        # Longer than the page: what was seen last may have moved since.
        "most": max(0, min(query.offset, MAX_OFFSET)) + 2 * MAX_COUNTED,
    }


def _json(values: Iterable[object]) -> str:
    return json.dumps(list(values))


def _match(terms: Iterable[str]) -> str:
    # The empty phrase is a term that no row holds.
    return " OR ".join(f'"{term}"' for term in terms) or '""'


def _rarest(connection: sqlite3.Connection, terms: Iterable[str]) -> tuple[list[str], list[str]]:
    """Choose the terms to ask for, rarest first, and those of them that an entry has to hold."""
    rows = connection.execute(_RARITY, (_json(dict.fromkeys(terms)),)).fetchall()
    rows.sort(key=lambda row: row[1])
    # BM25 gives a term that half of the entries hold no weight.
    half = _count(connection, "select count(*) from entry", {}) / 2
    chosen = [row for row in rows if row[1] <= half][:MAX_TERMS] or rows[:1]
    postings = accumulate(count for _, count in chosen)
    few = sum(sum_ <= MAX_SEED for sum_ in postings)
    rarest = [term for term, _ in chosen]
    return rarest, rarest[: max(few, 1)]


def _count(connection: sqlite3.Connection, statement: str, given: dict[str, Any]) -> int:
    return int(connection.execute(statement, given).fetchone()[0])


def _hits(
    connection: sqlite3.Connection,
    found: list[tuple[int, float]],
    total: int,
    terms: Sequence[str],
    asked: str,
) -> Hits:
    scores = dict(found)
    page = connection.execute(_PAGE, (_json(scores),))
    sought = Sought.of(dict.fromkeys(terms, 1.0))
    return Hits(tuple(_hit(row[1:], scores[row[0]], sought, asked) for row in page), total)


def _hit(row: tuple[Any, ...], score: float, sought: Sought, asked: str) -> Hit:
    key, name, description, body, *terms = row
    matched, snippet, _ = explained(Shown(key, name, description, terms, body), sought, asked)
    return Hit(key, name, score, matched, snippet)
