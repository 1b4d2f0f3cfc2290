"""Issuing the status note: every hour, and as soon as what it lists has changed.

    list    of the whole database, cut into parts (`transparency.status`)
    parts   written beside the log's tiles, under `standing/<day>/<SHA-256>`
    note    signed and kept in the one row there is, in a transaction that all nodes stand in line
            for: whoever comes second takes the note of the first
    copy    `status`, for who serves the files with something else

So every node and every restart goes on with the note that was issued last, and none is ever issued
with an earlier time, or of a smaller tree. Where the list is long, a change waits up to `PATIENCE`
for the next note.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import delete, exists, insert, select

from registry_core.errors import Invalid, NotFound, Tampered
from registry_core.schema import log_leaves, log_status
from registry_core.transparency import listing, notes, status
from registry_core.transparency.status import MOST_AHEAD, Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from registry_core.events.journal import Journal
    from registry_core.storage import Files
    from registry_core.transparency.checkpoints import Checkpoint
    from registry_core.transparency.notes import Signer, Verifier

COPY = "status"
"""The file of the newest note."""

PATIENCE = timedelta(minutes=1)
LONG = 32
"""Parts of a list that is long."""

AT_ONCE = 8
"""Files that are written at a time."""

_DIGEST = re.compile(r"[0-9a-f]{64}")
_TICK = timedelta(microseconds=1)
_LONGEST = timedelta(days=31)
_NEWEST = select(log_status).limit(1)
_KINDS = sorted(kind.value for kind in listing.LISTED)


@dataclass(frozen=True, slots=True)
class Terms:
    """How often a note is issued, and how long it holds."""

    every: timedelta = timedelta(hours=1)
    expires: timedelta = timedelta(hours=24)

    def __post_init__(self) -> None:
        if not timedelta(0) < self.every < self.expires <= _LONGEST:
            raise Invalid(
                f"a status note every {self.every} that holds for {self.expires} is of no use",
                hint="It is issued again before it expires, which is within 31 days.",
            )


@dataclass(frozen=True, slots=True)
class Issued:
    """A note, and what it says."""

    note: str
    status: Status
    before: str | None = None
    """The folder of the parts before these, if it is another one."""

    def has(self, day: str, digest: str) -> bool:
        """Tell whether it names a part."""
        return self.status.day == day and digest in self.status.parts


class Issuing:
    """The status note of one log."""

    def __init__(
        self,
        journal: Journal,
        files: Files,
        signer: Signer,
        terms: Terms,
        before: Sequence[Verifier] = (),
    ) -> None:
        self._journal = journal
        self._files = files
        self._signer = signer
        self._before = before
        self._terms = terms
        self._one_at_a_time = asyncio.Lock()
        self._issued: Issued | None = None
        self._looked = 0

    async def current(self, tree: Checkpoint) -> Issued:
        """Return the newest note of all nodes; issue one where it is time to."""
        async with self._one_at_a_time:
            issued = await self._newest()
            if issued is None or await self._is_due(issued, tree.size):
                issued = await self._issue(tree, issued)
            self._issued = issued
            return issued

    async def part(self, day: str, digest: str, tree: Checkpoint) -> bytes:
        """Return a part of a list; one that should be there and is not is made again.

        Raises NotFound.
        """
        issued = self._issued
        if issued is None or not issued.has(day, digest):
            issued = await self.current(tree)
        data = await self._read(issued, day, digest)
        if data is None and issued.has(day, digest):
            async with self._one_at_a_time:
                await self._write(day, await self._list())
                data = await self._read(issued, day, digest)
                if data is None:  # the list is another one by now, though no leaf says so
                    self._issued = await self._issue(tree, issued)
        if data is None:
            raise NotFound("no such part of the registry's status", hint="Ask for its status note.")
        return data

    async def _read(self, issued: Issued, day: str, digest: str) -> bytes | None:
        if day not in {issued.status.day, issued.before} or not _DIGEST.fullmatch(digest):
            return None
        data = await self._files.read(f"standing/{day}/{digest}")
        return data if data is not None and status.digests_of([data]) == (digest,) else None

    async def _newest(self) -> Issued | None:
        async with self._journal.database.read() as connection:
            return await self._kept(connection)

    async def _kept(self, connection: AsyncConnection) -> Issued | None:
        """Read the row; None where there is none, or another key or a wrong clock has made it."""
        row = (await connection.execute(_NEWEST)).one_or_none()
        if row is None:
            return None
        found = self._issued
        if found is None or found.note != row.note:
            try:
                data = row.note.encode()
                said = status.read(data, self._signer.verifier, before=self._before)
            except (Invalid, Tampered):
                return None
            found = Issued(str(self._signer.signed(notes.parse(data))), said, row.before)
        return None if found.status.issued > self._journal.now() + MOST_AHEAD else found

    async def _is_due(self, issued: Issued, size: int) -> bool:
        now = self._journal.now()
        if now >= issued.status.issued + self._terms.every:
            return True
        since = max(self._looked if issued is self._issued else 0, issued.status.tree.size)
        if since >= size:
            return False
        if now < issued.status.issued + PATIENCE and len(issued.status.parts) >= LONG:
            return False
        changed = await self._has_changed(since)
        self._looked = since if changed else size
        return changed

    async def _has_changed(self, since: int) -> bool:
        changed = exists().where(log_leaves.c.position >= since, log_leaves.c.kind.in_(_KINDS))
        async with self._journal.database.read() as connection:
            return bool((await connection.execute(select(changed))).scalar_one())

    async def _issue(self, tree: Checkpoint, known: Issued | None) -> Issued:
        """Make a note of a tree, or take the one that another node has made meanwhile."""
        parts = await self._list()
        day = f"{self._journal.now():%Y-%m-%d}"
        await self._write(day, parts)

        async def work(connection: AsyncConnection) -> tuple[Issued, Issued | None]:
            await self._journal.database.serialise(connection)
            there = await self._kept(connection)
            if there is not None and self._is_as_good(there, known, tree):
                return there, there
            made = self._made(tree, status.digests_of(parts), there)
            await connection.execute(delete(log_status))
            row = {"issued_at": made.status.issued, "note": made.note, "before": made.before}
            await connection.execute(insert(log_status).values(row))
            return made, there

        issued, there = await self._journal.database.write(work)
        if issued is not there:
            if issued.status.day != day:  # it became midnight, or the clock went back
                await self._write(issued.status.day, parts)
            await self._publish(issued, there)
        return issued

    def _is_as_good(self, there: Issued, known: Issued | None, tree: Checkpoint) -> bool:
        """Tell whether another node has made a note since, that speaks of as much."""
        fresh = self._journal.now() < there.status.issued + self._terms.every
        is_another = known is None or there.note != known.note
        return fresh and is_another and there.status.tree.size >= tree.size

    def _made(self, tree: Checkpoint, digests: tuple[str, ...], there: Issued | None) -> Issued:
        issued = self._journal.now()
        if there is None:
            made = Status(tree, issued, issued + self._terms.expires, digests)
            return Issued(str(made.sign(self._signer)), made)
        issued = max(issued, there.status.issued + _TICK)
        tree = max(tree, there.status.tree, key=lambda one: one.size)  # of a node that knows more
        made = Status(tree, issued, issued + self._terms.expires, digests)
        before = there.before if there.status.day == made.day else there.status.day
        return Issued(str(made.sign(self._signer)), made, before)

    async def _publish(self, issued: Issued, there: Issued | None) -> None:
        """Write the copy of a note, and drop what only notes before the last one had."""
        await self._files.replace(COPY, issued.note.encode())
        kept = {issued.status.day, issued.before}
        if there is not None and there.before is not None and there.before not in kept:
            await self._files.remove_below(f"standing/{there.before}")

    async def _list(self) -> list[bytes]:
        # A long one takes a while, and others are served meanwhile.
        return await asyncio.to_thread(status.cut, await listing.entries(self._journal))

    async def _write(self, day: str, parts: Sequence[bytes]) -> None:
        turns = asyncio.Semaphore(AT_ONCE)

        async def one(digest: str, data: bytes) -> None:
            async with turns:
                path = f"standing/{day}/{digest}"
                if not await self._files.create(path, data) and (
                    await self._files.read(path) != data
                ):
                    await self._files.replace(path, data)

        named = dict(zip(status.digests_of(parts), parts, strict=True))
        await asyncio.gather(*(one(digest, data) for digest, data in named.items()))
