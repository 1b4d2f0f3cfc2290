"""A search index in one folder: tantivy for terms, a table of vectors for meaning.

    search/SCHEMA-TABLE/        one form of the index; another form starts anew
        meta.json, *.term ...   tantivy's files
        vectors-POSITION        see `vectors`

Whoever writes holds tantivy's lock for one batch. The log position, and how many vectors count,
are a document of their own, so they change in the commit that changes the content. Any number of
processes read; each looks at `meta.json` before it answers. Where another process writes for long,
`apply` raises `Behind`, and what was committed is served until it is done.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from copy import copy
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
from tantivy import Index, IndexWriter, Searcher

from registry_core.errors import Internal, Unavailable
from registry_core.search import Behind, Change, Hits, Pair, Put, Query, fields, vectors
from registry_core.search.embedding import table
from registry_core.search.retrieval import Snapshot, pairs, search
from registry_core.search.vectors import Records, Vectors

SCHEMA = 5
"""Raised with every change of `fields`, of the records in `vectors` or of the rules in `terms`."""

BUSY_SECONDS = 10.0
HEAP = 32 << 20
SEARCHERS = 2
"""So many searches go on at once; more would wait for each other, and each keeps memory."""

SPARE = 1000
"""Vectors that stand for nothing are dropped when there are this many more of them than others."""

_MARK = "ctxmcp-search"
_Answer = TypeVar("_Answer")
_Stamp = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class State:
    """What is committed together with the content."""

    position: int = 0
    next_row: int = 1
    records: int = 0
    file: str = "vectors-0"


class TantivyIndex:
    """A `SearchIndex` in `folder`, or in memory; made by `open`."""

    def __init__(self, folder: Path | None, model: str) -> None:
        self._root = folder
        self._model = model
        """Whose vectors it holds, if not those of the table that is shipped."""
        self._folder: Path | None = None
        self._lock = threading.RLock()
        # Nothing long is done with this one: who asks waits for it, and not for who writes.
        self._loading = threading.RLock()
        self._merging: threading.Thread | None = None
        self._stamp: _Stamp | None = None
        self._state = State()
        self._vectors = Vectors()
        self._closed = False
        self._searchers = ThreadPoolExecutor(SEARCHERS, "search")

    @classmethod
    async def open(cls, folder: Path | None, model: str = "") -> TantivyIndex:
        """Open or create an index; a folder that is damaged or of another schema starts anew.

        With a `model` every change and query comes with its vector.
        """
        index = cls(folder, model)
        await asyncio.to_thread(_translated(index._open_or_replace))
        return index

    async def position(self) -> int:
        """Return the log position this index stands at."""
        return await self._run(lambda: self._current()[1].position)

    async def apply(self, changes: Sequence[Change], position: int) -> None:
        """Take over `changes` and stand at `position`, in one commit."""
        await self._run(lambda: self._apply(changes, position))

    async def search(self, query: Query) -> Hits:
        """Find what the asker may see."""
        return await self._run(lambda: search(self._current()[0], query), self._searchers)

    async def pairs(self, query: Query, least: float) -> Sequence[Pair]:
        """Find pairs of packages that say nearly the same, best first."""
        return await self._run(lambda: pairs(self._current()[0], query, least))

    async def clear(self) -> None:
        """Forget everything, damage included."""
        await self._run(self._clear)

    async def close(self) -> None:
        """Let go of the folder once what is being merged is merged."""
        if not self._closed:
            self._closed = True
            await asyncio.to_thread(self._settle)
            self._searchers.shutdown(wait=False)

    async def _run(self, act: Callable[[], _Answer], threads: Executor | None = None) -> _Answer:
        if self._closed:
            raise Unavailable("the search index is closed")
        # A thread outlives the task that waits for it: what it does is never left half done.
        return await asyncio.get_running_loop().run_in_executor(threads, _translated(act))

    def _open_or_replace(self) -> None:
        if self._root:
            form = f"{SCHEMA}-{self._model or table().digest}"
            _claim(self._root, form)
            self._folder = self._root / form
        try:
            self._open()
        except ValueError:
            self._replace()

    def _open(self) -> None:
        if self._folder:
            self._folder.mkdir(exist_ok=True)
        self._index = Index(fields.FIELDS, str(self._folder) if self._folder else None)
        # It is looked at when somebody asks: a thread of its own would write into the folder, a
        # lock, at any time, even while the folder is removed.
        self._index.config_reader("manual")
        self._stamp = None
        self._state, self._vectors = State(), Vectors()
        self._load()

    def _replace(self) -> None:
        if self._folder:
            shutil.rmtree(self._folder)
        self._open()

    def _current(self) -> tuple[Snapshot, State]:
        """Return the state that was committed last, by whichever process."""
        if self._folder and _stamp(self._folder) != self._stamp:
            self._load()
        return self._now

    def _load(self) -> None:
        """Look at the last commit; take over vectors that another process has added."""
        with self._loading:
            stamp = _stamp(self._folder) if self._folder else None
            if stamp is not None and stamp == self._stamp:
                return
            self._index.reload()
            searcher = self._index.searcher()
            state = _state(searcher)
            if state != self._state:
                self._take_over(searcher, state)
            public = fields.all_public(searcher)
            self._now = Snapshot(searcher, copy(self._vectors), public, bool(self._model)), state
            self._state, self._stamp = state, stamp

    def _committed(self, state: State, held: Vectors) -> None:
        with self._loading:
            self._state, self._vectors = state, held
            self._load()

    def _take_over(self, searcher: Searcher, state: State) -> None:
        same = state.file == self._state.file and state.records >= self._vectors.count
        self._vectors = copy(self._vectors) if same else Vectors()
        if self._folder and state.records:
            start = self._vectors.count
            self._vectors.add(vectors.read(self._folder / state.file, start, state.records))
        self._vectors.keep(fields.every_row(searcher, state.next_row))

    def _apply(self, changes: Sequence[Change], position: int) -> None:
        with self._writing() as writer:
            state = self._now[1]
            if position <= state.position:
                return
            last = {fields.whole(_key(change)): change for change in changes}
            added = [change for change in last.values() if isinstance(change, Put)]
            numbered = list(enumerate(added, state.next_row))
            documents = [fields.document(put.entry, row) for row, put in numbered]
            records = vectors.records(numbered)
            gone = fields.rows_of(self._now[0].searcher, last)
            for key in last:
                writer.delete_documents_by_term("key", key)
            for document in documents:
                writer.add_document(document)
            self._commit(writer, replace(state, position=position), records, gone)

    def _commit(
        self, writer: IndexWriter, state: State, records: Records, gone: vectors.Rows
    ) -> None:
        after, at = copy(self._vectors), state.records
        after.forget(gone)
        if after.spare() > SPARE:
            records, at = np.concatenate([after.living(), records]), 0
            state = replace(state, file=f"vectors-{state.position}")
            after = Vectors()
        if self._folder:
            vectors.write(self._folder / state.file, at, records)
        state = replace(
            state,
            records=at + len(records),
            next_row=max(state.next_row, int(records["row"][-1]) + 1 if len(records) else 0),
        )
        writer.delete_documents_by_query(fields.the_state())
        writer.add_document(fields.state_document(json.dumps(asdict(state))))
        writer.commit()
        after.add(records)
        self._committed(state, after)
        self._sweep()

    def _sweep(self) -> None:
        if self._folder:
            for file in self._folder.glob("vectors-*"):
                if file.name != self._state.file:
                    file.unlink(missing_ok=True)

    def _clear(self) -> None:
        try:
            with self._writing() as writer:
                writer.delete_all_documents()
                writer.commit()
                self._committed(State(), Vectors())
        except ValueError:
            with self._lock, self._loading:
                self._replace()

    @contextmanager
    def _writing(self) -> Iterator[IndexWriter]:
        """Hold the lock of this process and that of the folder; see the last commit first."""
        with self._lock:
            self._settle()
            writer = _writer(self._index)
            try:
                self._load()
                yield writer
            except BaseException:
                writer.rollback()
                raise
            finally:
                # Merging goes on behind the answer; the next batch waits for it.
                self._merging = threading.Thread(target=writer.wait_merging_threads)
                self._merging.start()

    def _settle(self) -> None:
        if self._merging:
            self._merging.join()
            self._merging = None


def _key(change: Change) -> str:
    return change.entry.key if isinstance(change, Put) else change.key


def _writer(index: Index) -> IndexWriter:
    end = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            return index.writer(HEAP, 1)
        except ValueError as error:
            if "LockBusy" not in str(error):
                raise
            if time.monotonic() >= end:
                raise Behind(
                    "another process is writing the search index",
                    hint="Search serves what was indexed before; try again later.",
                ) from error
        time.sleep(0.02)


def _state(searcher: Searcher) -> State:
    found = searcher.search(fields.the_state(), limit=1).hits
    if not found:
        return State()
    return State(**json.loads(str(searcher.doc(found[0][1]).get_first("state"))))


def _stamp(folder: Path) -> _Stamp:
    seen = (folder / "meta.json").stat()
    return seen.st_mtime_ns, seen.st_ino, seen.st_size


def _claim(root: Path, form: str) -> None:
    """Make the folder, or see that it is one that this module has made; drop older forms."""
    root.mkdir(exist_ok=True)
    mark = root / _MARK
    if not mark.exists():
        if any(root.iterdir()):
            raise Unavailable(
                "the folder of the search index holds other files",
                hint="Choose a folder of its own for the search index.",
            )
        mark.touch()
    for old in root.iterdir():
        if old.is_dir() and old.name != form:
            shutil.rmtree(old, ignore_errors=True)


def _translated(act: Callable[[], _Answer]) -> Callable[[], _Answer]:
    """Say what tantivy says in the words of the registry."""

    def acted() -> _Answer:
        try:
            return act()
        except ValueError as error:
            raise Internal(
                "the search index is damaged",
                hint="Clear it; it is built again from the event log.",
            ) from error
        except OSError as error:
            # Not the error's own text, which names files of the registry to whoever asks.
            why = error.strerror or type(error).__name__
            raise Unavailable(f"the search index cannot be used now: {why}") from error

    return acted
