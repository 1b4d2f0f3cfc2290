"""Answers that everybody may see, kept as they go over the wire, until the log says they are old.

    answer = await answers.get(("index", "@acme/x"), about="@acme/x", make=...)

A kept answer costs no database. Each is `about` one package, or about `EVERYTHING`; an event in
the log that speaks of a package evicts what is about it and what is about everything. So:

- Who wrote in this process reads its write: the feed counts commits, and a count that moved makes
  the next `get` read the log first. What other processes write is seen within the feed's `POLL`.
- An answer whose making overlapped such an event is given and not kept.
- Many who ask for the same answer at once share one making of it.
- What has no event (downloads) is at most `fresh_for` seconds old.

What is given to `get` is what an anonymous caller may see. Where callers see different things, the
key says which of them an answer is for.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.responses import Response

from registry_core.errors import RegistryError
from registry_core.events.feed import POLL
from registry_core.events.kinds import CHANGES, EventKind

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from starlette.requests import Request

    from registry_core.events import Event
    from registry_core.events.journal import Journal

MOST_BYTES = 64 * 1024 * 1024
"""Bytes of all kept answers."""

EVERYTHING = "*"

_OVERHEAD = 1024
"""Bytes counted for an answer beside its body: keys, headers, objects."""


_EVICTING = CHANGES | {EventKind.PACKAGE_REFUNDED}
"""Kinds after which somebody may be answered otherwise."""

_log = logging.getLogger(__name__)

Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """A body and its headers, ready to be sent."""

    body: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    etag: str
    fresh_for: float
    """Seconds it may be kept, 0 for not at all."""
    counts: tuple[int, int] | None = None
    """The package and release id whose download it is."""
    tokens: int = 0
    """What an agent reads of it, in tokens, where an agent does."""


def answer(
    body: bytes,
    media_type: str,
    *,
    cache: str,
    fresh_for: float = 0,
    etag: str = "",
    headers: Sequence[tuple[str, str]] = (),
) -> Answer:
    """Make an answer; its ETag is the digest of the body unless another is given."""
    etag = f'"{etag or hashlib.sha256(body).hexdigest()[:32]}"'
    named = (
        ("content-type", media_type),
        ("content-length", str(len(body))),
        ("cache-control", cache),
        ("etag", etag),
        ("x-content-type-options", "nosniff"),
        *headers,
    )
    raw = tuple((name.encode("latin-1"), value.encode("latin-1")) for name, value in named)
    return Answer(body, raw, etag, fresh_for)


class Ready(Response):
    """Sends an answer as it is."""

    def __init__(self, ready: Answer) -> None:
        self.status_code = 200
        self.background = None
        self.body = ready.body
        self.raw_headers = list(ready.headers)


def respond(request: Request, ready: Answer) -> Response:
    """Send an answer, or 304 to who has it already."""
    known = request.headers.get("if-none-match")
    response = Ready(ready)
    if known is not None and _holds(known, ready.etag):
        unsent = {b"content-type", b"content-length"}
        response.status_code = 304
        response.body = b""
        response.raw_headers = [header for header in ready.headers if header[0] not in unsent]
    return response


def _holds(known: str, etag: str) -> bool:
    """Compare weakly, as RFC 9110 wants it for If-None-Match."""
    tags = {tag.strip().removeprefix("W/") for tag in known.split(",")}
    return etag in tags or "*" in tags


@dataclass(frozen=True, slots=True)
class _Kept:
    answer: Answer
    about: str
    until: float

    @property
    def size(self) -> int:
        return len(self.answer.body) + _OVERHEAD


class Answers:
    """The kept answers of one registry; `position` is how far in the log they are right."""

    def __init__(self, journal: Journal, position: int, *, most_bytes: int = MOST_BYTES) -> None:
        self._journal = journal
        self._position = position
        self._most = most_bytes
        self._commits = journal.feed.commits
        self._changes = 0
        self._kept: OrderedDict[Key, _Kept] = OrderedDict()
        self._about: dict[str, set[Key]] = {}
        self._bytes = 0
        self._making: dict[tuple[Key, int], asyncio.Task[Answer]] = {}
        self._reading = asyncio.Lock()

    @classmethod
    async def open(cls, journal: Journal, *, most_bytes: int = MOST_BYTES) -> Answers:
        """Start with nothing kept, at the head of the log."""
        return cls(journal, await journal.log.head(), most_bytes=most_bytes)

    async def get(self, key: Key, *, about: str, make: Callable[[], Awaitable[Answer]]) -> Answer:
        """Return the kept answer, or make it, raising what `make` raises."""
        await self._be_current()
        kept = self._found(key)
        if kept is not None:
            return kept
        making = self._making.get((key, self._changes))
        if making is None:
            making = asyncio.create_task(self._make(key, about, make), name="answer")
            self._share(making, (key, self._changes))
        # Shielded: who gives up waiting does not take the answer from the others.
        return await asyncio.shield(making)

    async def kept(self, key: Key) -> Answer | None:
        """Return the kept answer if there is one; who makes it else does so with `made`."""
        await self._be_current()
        return self._found(key)

    async def made(self, key: Key, *, about: str, make: Callable[[], Awaitable[Answer]]) -> Answer:
        """Make an answer for this asker alone, and keep it; raises what `make` raises."""
        return await self._make(key, about, make)

    async def follow(self) -> None:
        """Evict as the log goes on, for ever; this is how other processes' writes are seen."""
        while True:
            await asyncio.sleep(POLL)
            try:
                await self._catch_up()
            except RegistryError as error:
                # Nothing may be given out while nobody knows whether it is old.
                _log.warning("the event log cannot be read: %s", error)
                self._drop(list(self._kept))

    def __len__(self) -> int:
        return len(self._kept)

    def _found(self, key: Key) -> Answer | None:
        kept = self._kept.get(key)
        if kept is None or kept.until <= _now():
            return None
        self._kept.move_to_end(key)
        return kept.answer

    async def _be_current(self) -> None:
        if self._commits != self._journal.feed.commits:
            await self._catch_up()

    async def _catch_up(self) -> None:
        async with self._reading:
            commits, head = self._journal.feed.commits, await self._journal.log.head()
            # Calls fill the log, and changes are few: only these are read.
            while self._position < head:
                changes = await self._journal.log.since(self._position, kinds=_EVICTING)
                for change in changes:
                    self._apply(change)
                self._position = changes[-1].id if changes else head
            self._commits = commits

    def _apply(self, change: Event) -> None:
        self._changes += 1
        self._evict(f"@{change.namespace}/{change.package}")
        self._evict(EVERYTHING)

    def _evict(self, about: str) -> None:
        self._drop(list(self._about.get(about, ())))

    async def _make(self, key: Key, about: str, make: Callable[[], Awaitable[Answer]]) -> Answer:
        changes = self._changes
        made = await make()
        if made.fresh_for and changes == self._changes:
            self._keep(key, _Kept(made, about, _now() + made.fresh_for))
        return made

    def _share(self, making: asyncio.Task[Answer], flight: tuple[Key, int]) -> None:
        def landed(task: asyncio.Task[Answer]) -> None:
            del self._making[flight]
            if not task.cancelled():
                task.exception()  # seen, also where all who waited have gone

        self._making[flight] = making
        making.add_done_callback(landed)

    def _keep(self, key: Key, kept: _Kept) -> None:
        self._drop([key])
        if kept.size > self._most:
            return
        self._kept[key] = kept
        self._about.setdefault(kept.about, set()).add(key)
        self._bytes += kept.size
        while self._bytes > self._most:
            self._drop([next(iter(self._kept))])

    def _drop(self, keys: Sequence[Key]) -> None:
        for key in keys:
            kept = self._kept.pop(key, None)
            if kept is None:
                continue
            self._bytes -= kept.size
            siblings = self._about[kept.about]
            siblings.discard(key)
            if not siblings:
                del self._about[kept.about]


def _now() -> float:
    return asyncio.get_running_loop().time()
