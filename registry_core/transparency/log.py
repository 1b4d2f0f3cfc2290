"""This registry's log: leaves of the database, tiles in the object store, a signed checkpoint.

    leaf          committed with its event, at a position for ever (`events.leaves`)
    tiles         written of the leaves that no checkpoint covers yet
    checkpoint    signed once they are there, and committed in a way that no power failure undoes
    `checkpoint`  a copy beside the tiles, for who serves them with something else

Nobody waits for it while publishing: whoever asks for a checkpoint or a proof brings the log up to
date first. Several processes may do so at once, for what they write is all the same: the tree of
a size depends on the leaves alone, and so does the signature of its checkpoint.

What no checkpoint covers may be written again, as after a crash. What one covers never becomes
anything else: tiles that are missing or damaged are made again from the leaves, and only if these
lead to the root that was signed. If they do not, if the database knows less than was published, or
if another key has signed, nothing is signed or proven any more, and the error says why.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from registry_core.errors import (
    Conflict,
    Forbidden,
    Internal,
    Invalid,
    NotFound,
    RegistryError,
    Tampered,
    Unavailable,
)
from registry_core.events.feed import POLL
from registry_core.events.kinds import INTRODUCING
from registry_core.transparency import checkpoints, handover, merkle, notes, tiles
from registry_core.transparency.auditing import walk
from registry_core.transparency.checkpoints import Checkpoint, Signed
from registry_core.transparency.issuing import Issuing, Terms
from registry_core.transparency.merkle import leaf_hash
from registry_core.transparency.notes import Note
from registry_core.transparency.proofs import Proof
from registry_core.transparency.rows import Rows
from registry_core.transparency.tiles import ENTRIES, WIDTH, Edge, Tile

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence

    from registry_core.events.journal import Journal
    from registry_core.events.leaves import Leaf
    from registry_core.storage import Files
    from registry_core.transparency.auditing import Note as Told
    from registry_core.transparency.auditing import Tell, Walked
    from registry_core.transparency.merkle import Span
    from registry_core.transparency.notes import Signer, Verifier

COPY = "checkpoint"
"""The file of the newest checkpoint."""

KEYS = "keys"
"""The file of the handovers."""

AT_ONCE = 8
"""Files that are read or written at a time."""

MOST_KEPT = 256
"""Full tiles that are kept in memory, 8 KiB each."""

MOST_AHEAD = 60
"""Seconds that the clock of a witness may be ahead."""

MINUTE = 60.0
"""Seconds between two looks whether it is time for a status note."""

_CHUNK = 8 * WIDTH
"""Leaves that are read at a time."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Proven:
    """A leaf, what opens it if it is sealed, and the proof that the log has it."""

    leaf: Leaf
    proof: Proof


@dataclass(frozen=True, slots=True)
class View:
    """What the log shows to somebody who has seen some of it before: all of one checkpoint.

    Beside the newest checkpoint stands the newest one that a witness has signed, if there is one.
    """

    key: str
    handovers: tuple[str, ...]
    checkpoint: Note
    consistency: Mapping[int, tuple[bytes, ...]]
    """By the size of each tree that was seen: that it is the beginning of this one."""
    witnessed: Note | None
    witnessed_consistency: tuple[bytes, ...]
    """That the witnessed tree is the beginning of this one."""
    proven: Mapping[str, Proven]
    """By subject; what is not there is in no leaf."""
    status: str
    """The status note."""
    status_consistency: tuple[bytes, ...]
    """That the tree it speaks of is the beginning of this one."""


class Log:
    """The log of one registry."""

    def __init__(
        self,
        journal: Journal,
        files: Files,
        signer: Signer,
        witnesses: Sequence[Verifier] = (),
        terms: Terms = Terms(),  # noqa: B008 - frozen
        handovers: Sequence[str] = (),
    ) -> None:
        self._journal = journal
        self._rows = Rows(journal.database)
        self._files = files
        self._signer = signer
        self._witnesses = {witness.text: witness for witness in witnesses}
        self._before = handover.leading_to(signer.verifier, handovers)
        self._issuing = Issuing(journal, files, signer, terms, self._before)
        self.handovers = tuple(handovers)
        """The notes by which its keys followed one another."""
        self._status, self._asked = "", 0.0
        self._one_at_a_time = asyncio.Lock()
        self._edge: Edge | None = None
        self._signed: Signed | None = None
        self._commits, self._looked = -1, 0.0
        self._kept: OrderedDict[Tile, bytes] = OrderedDict()

    @property
    def key(self) -> str:
        """The key that its checkpoints are verified with."""
        return self._signer.verifier.text

    async def checkpoint(self) -> Note:
        """Return the newest checkpoint, with its cosignatures; never an older one than any node."""
        signed = await self.catch_up(at_least=merkle.MOST_LEAVES)
        return await self._with_cosignatures(signed.checkpoint.size, signed.note)

    async def catch_up(self, *, at_least: int = 0) -> Signed:
        """Bring tiles and checkpoint up to date: at once with what this process has committed.

        What others have is looked for every `POLL` seconds, or where fewer leaves than `at_least`
        are known. Raises Tampered, Unavailable.
        """
        async with self._one_at_a_time:
            commits, now = self._journal.feed.commits, asyncio.get_running_loop().time()
            known = self._signed
            fresh = commits == self._commits and now - self._looked < POLL
            if known is not None and fresh and known.checkpoint.size >= at_least:
                return known
            try:
                signed = await self._grow()
            except BaseException:
                self._edge = self._signed = None  # the next one begins with what was written
                raise
            self._signed, self._commits, self._looked = signed, commits, now
            return signed

    async def tile(self, path: str) -> bytes:
        """Return a file of the log that its checkpoint covers. Raises NotFound."""
        try:
            tile = Tile.parse(path)
        except Invalid as error:
            raise NotFound(error.message) from None
        signed = await self.catch_up()
        if tile.end > signed.checkpoint.size:
            raise NotFound(f"the log has no {path} yet")
        return await self._read(tile, signed.checkpoint.size)

    async def status(self) -> str:
        """Return the status note, at most `POLL` seconds after another node has issued it."""
        now = asyncio.get_running_loop().time()
        if not self._status or now - self._asked >= POLL:
            signed = await self.catch_up()
            self._status = (await self._issuing.current(signed.checkpoint)).note
            self._asked = now
        return self._status

    async def stay_current(self) -> None:
        """Issue the note whenever it is time to, also where nobody asks for it here; never ends.

        So its copy is fresh where something else serves the files.
        """
        while True:
            try:
                await self.status()
            except RegistryError as error:
                _log.warning("no status note can be issued: %s", error)
            await asyncio.sleep(MINUTE)

    async def standing(self, day: str, digest: str) -> bytes:
        """Return a part of the list that the status note is about. Raises NotFound."""
        signed = self._signed or await self.catch_up()
        return await self._issuing.part(day, digest, signed.checkpoint)

    async def view(self, subjects: Collection[str] = (), *, seen: Collection[int] = ()) -> View:
        """Prove what the log says of subjects, to somebody who has seen trees of these sizes."""
        leaves = await self._rows.about(subjects, INTRODUCING)
        # Who has seen more than this node knows was shown it by another.
        furthest = max((*(position + 1 for position, _ in leaves.values()), *seen), default=0)
        signed = await self.catch_up(at_least=furthest)
        issued = await self._issuing.current(signed.checkpoint)
        told = issued.status.tree.size  # by a node that may know more
        if told > signed.checkpoint.size:
            signed = await self.catch_up(at_least=told)
        size = signed.checkpoint.size
        note = await self._with_cosignatures(size, signed.note)
        proven = {
            subject: Proven(leaf, await self._prove(position, leaf, signed.checkpoint, note))
            for subject, (position, leaf) in leaves.items()
        }
        witnessed = await self._rows.witnessed([*self._witnesses]) if self._witnesses else None
        return View(
            key=self.key,
            handovers=self.handovers,
            checkpoint=note,
            consistency={
                old: await self._consistency(old, signed.checkpoint) for old in seen if old <= size
            },
            witnessed=await self._witnessed(witnessed),
            witnessed_consistency=await self._consistency(witnessed or 0, signed.checkpoint),
            proven=proven,
            status=issued.note,
            status_consistency=await self._consistency(told, signed.checkpoint),
        )

    async def cosign(self, data: bytes) -> int:
        """Take in the cosignatures of a checkpoint; return how many are of known witnesses.

        Raises Invalid, NotFound for a size that was never signed, Conflict for a tree that this log
        never had, Forbidden where no witness or not a witness has signed.
        """
        note = notes.parse(data)
        checkpoint = Checkpoint.parse(note.text)
        ours = await self._rows.checkpoint(checkpoint.size)
        if ours is None:
            raise NotFound(f"this log has signed no checkpoint of {checkpoint.size} leaves")
        if notes.parse(ours.encode()).text != note.text:
            raise Conflict(f"this log has never signed {checkpoint} of {checkpoint.origin}")
        try:
            found = note.signed_by([*self._witnesses.values()])
        except Tampered as error:
            raise Forbidden(error.message) from None
        latest = self._journal.now().timestamp() + MOST_AHEAD
        if not found or any(notes.time_of(one.value) > latest for one in found):
            raise Forbidden(
                "no signature is one that a witness of this log has made by now",
                hint="Whoever runs the registry names its witnesses: CTXMCP_WITNESSES.",
            )
        keys = {(witness.name, witness.id): text for text, witness in self._witnesses.items()}
        await self._rows.cosign(checkpoint.size, {keys[s.name, s.id]: s.line for s in found})
        return len(found)

    async def rebuild(self) -> Checkpoint:
        """Write every tile that the newest checkpoint covers again, from the leaves.

        Raises Tampered where these do not lead to the root that was signed.
        """
        signed = await self.catch_up()
        async with self._one_at_a_time:
            await self._make_again(signed.checkpoint)
        return signed.checkpoint

    async def audit(self, note: Told, tell: Tell) -> Walked:
        """Hold leaves, tiles and checkpoints against each other; nothing is written."""

        async def read(tile: Tile) -> bytes | None:
            return await self._files.read(tile.path)

        copy, logs = await self._files.read(COPY), (*self._before, self._signer.verifier)
        return await walk(self._rows, read, copy, logs, note, tell)

    async def _with_cosignatures(self, size: int, note: Note) -> Note:
        lines = await self._rows.cosignatures(size) if self._witnesses else {}
        known = [line for witness, line in lines.items() if witness in self._witnesses]
        return note.with_(notes.parse_signatures("".join(known))) if known else note

    async def _witnessed(self, size: int | None) -> Note | None:
        text = await self._rows.checkpoint(size) if size is not None else None
        if size is None or text is None:
            return None
        return await self._with_cosignatures(size, self._signer.signed(notes.parse(text.encode())))

    # Growing

    async def _grow(self) -> Signed:
        """Write tiles of the leaves that are new, then sign."""
        signed, edge = self._signed, self._edge
        if signed is None or edge is None:
            signed, edge = await self._resume()
            self._edge = edge
        size = await self._rows.size()
        if signed is not None and size <= signed.checkpoint.size:
            return signed
        await self._write(edge, size)
        text = Checkpoint(self._signer.name, size, edge.root()).text
        note = Note(text, (self._signer.sign(text),))
        await self._rows.sign(size, str(note))
        await self._files.replace(COPY, str(note).encode())
        return Signed(Checkpoint.parse(text), note)

    async def _write(self, edge: Edge, size: int) -> None:
        """Let an edge grow to a size, and write all that is new in the tree then."""
        before = edge.size
        was_partial = {(tile.level, tile.index) for tile in tiles.edge(before)}
        async for start, leaves in self._chunks(before - before % WIDTH, size):
            _check_same(edge, leaves[: max(0, before - start)])
            written = _bundles(start, leaves)
            for leaf in leaves[max(0, edge.size - start) :]:
                written += edge.append(leaf_hash(leaf))
            await self._put(written)
            for tile, _ in written:  # a full one stands for every part of itself
                if not tile.partial and (max(tile.level, 0), tile.index) in was_partial:
                    await self._files.remove_below(f"{tile.path}.p")
        await self._put([(tile, data) for tile, data in edge.tiles() if tile.end > before])

    async def _chunks(self, start: int, end: int) -> AsyncIterator[tuple[int, Sequence[bytes]]]:
        while start < end:
            leaves = await self._rows.leaves(start, min(start + _CHUNK, end))
            if len(leaves) < min(_CHUNK, end - start):
                raise Tampered(
                    "the leaves in the database",
                    expected=f"all of {start} to {end}",
                    found=f"{len(leaves)} of them",
                )
            yield start, leaves
            start += len(leaves)

    async def _put(self, written: Iterable[tuple[Tile, bytes]]) -> None:
        turns = asyncio.Semaphore(AT_ONCE)

        async def one(tile: Tile, data: bytes) -> None:
            async with turns:
                if await self._files.create(tile.path, data):
                    return
                # No checkpoint covers it, or it is made again: what is there may be half of it.
                if await self._files.read(tile.path) != data:
                    await self._files.replace(tile.path, data)

        await asyncio.gather(*(one(tile, data) for tile, data in written))

    # Going on where somebody stopped

    async def _resume(self) -> tuple[Signed | None, Edge]:
        """Return the newest checkpoint, and the edge of its tree."""
        text, copy = await self._rows.newest(), await self._files.read(COPY)
        signed = self._ours(text.encode()) if text else None
        published = self._published(copy)
        if published is not None and published.size > (signed.checkpoint.size if signed else -1):
            # The database went back, as with an old backup; if its leaves are all there, no harm.
            return None, await self._again_from(published)
        if text is None or signed is None:
            return None, Edge()
        if copy != (note := str(signed.note).encode()):
            await self._files.replace(COPY, note)
        if self.handovers:
            await self._files.replace(KEYS, handover.join(self.handovers).encode())
        return signed, await self._edge_of(signed.checkpoint)

    def _ours(self, note: bytes) -> Signed:
        try:
            found = checkpoints.read(note, self._signer.verifier, before=self._before)
        except Tampered as error:
            raise Unavailable(
                f"the log of this registry was begun with another key or origin: {error.message}",
                hint="Give every process of it the same: CTXMCP_LOG_KEY names the file.",
            ) from error
        return replace(found, note=self._signer.signed(found.note))

    def _published(self, copy: bytes | None) -> Checkpoint | None:
        if copy is None:
            return None
        try:
            return self._ours(copy).checkpoint
        except Invalid as error:
            _log.warning(
                "the copy of the checkpoint is damaged and will be written again: %s", error
            )
            return None

    async def _again_from(self, published: Checkpoint) -> Edge:
        if await self._rows.size() < published.size:
            raise Tampered(
                "the database knows less than the log has published",
                expected=str(published),
                found=f"{await self._rows.size()} leaves",
                hint="Restore a newer copy of the database: a log never goes back. Without one,"
                " begin another log, with another key, and tell everybody.",
            )
        return await self._make_again(published)

    async def _edge_of(self, tree: Checkpoint) -> Edge:
        """Read the edge of a tree off its tiles, or make them again if they do not fit."""
        read = [(tile, await self._files.read(tile.path)) for tile in tiles.edge(tree.size)]
        whole = [(tile, data) for tile, data in read if data and tiles.is_whole(tile, data)]
        edge = Edge(whole)
        if edge.size == tree.size and edge.root() == tree.root:
            return edge
        return await self._make_again(tree)

    async def _make_again(self, tree: Checkpoint) -> Edge:
        """Make every tile of a tree again; first see that its leaves are still the same."""
        edge = Edge()
        async for _, leaves in self._chunks(0, tree.size):
            for leaf in leaves:
                edge.append(leaf_hash(leaf))
        if edge.root() != tree.root:
            raise Tampered(
                "the leaves in the database are not those that were signed",
                expected=str(tree),
                found=f"{edge.size} leaves, root {notes.encode(edge.root())}",
                hint="Restore the database; nothing is signed over what was changed.",
            )
        again = Edge()
        await self._write(again, tree.size)
        self._kept.clear()
        return again

    # Proving

    async def _prove(self, index: int, leaf: Leaf, tree: Checkpoint, note: Note) -> Proof:
        spans, mine = merkle.inclusion(index, tree.size), leaf_hash(leaf.data)
        for attempt in (self.rebuild, None):
            hashes = await self._hashes(spans, tree.size)
            if merkle.is_included(mine, index, tree.size, hashes, tree.root):
                return Proof(index, hashes, str(note))
            if attempt:  # a tile is damaged; no proof goes out that does not hold
                await attempt()
        raise Internal(f"leaf {index} of the log is not in its tree of {tree}")

    async def _consistency(self, old: int, tree: Checkpoint) -> tuple[bytes, ...]:
        if not 0 < old < tree.size:
            return ()
        spans = [(0, old), *merkle.consistency(old, tree.size)]
        for attempt in (self.rebuild, None):
            root, *hashes = await self._hashes(spans, tree.size)
            if merkle.is_consistent(old, tree.size, root, tree.root, hashes):
                return tuple(hashes)
            if attempt:
                await attempt()
        raise Internal(f"the log of {old} leaves is not the beginning of that of {tree}")

    async def _hashes(self, spans: Sequence[Span], size: int) -> tuple[bytes, ...]:
        wanted = tiles.needed(spans, size)
        turns = asyncio.Semaphore(AT_ONCE)

        async def one(tile: Tile) -> tuple[Tile, bytes]:
            async with turns:
                return tile, await self._read(tile, size)

        read = dict(await asyncio.gather(*map(one, wanted)))
        return tuple(tiles.span_hash(span, size, read) for span in spans)

    async def _read(self, tile: Tile, size: int) -> bytes:
        """Return a file of a tree that was signed; where it is gone, all of them are made again."""
        data = await self._stored(tile, size)
        if data is not None:
            return data
        async with self._one_at_a_time:
            data = await self._stored(tile, size)
            if data is None and self._signed is not None:
                _log.warning("the log's %s is missing or damaged: all are made again", tile.path)
                await self._make_again(self._signed.checkpoint)
                data = await self._stored(tile, size)
        if data is None:
            raise Internal(f"the log's {tile.path} cannot be made")
        return data

    async def _stored(self, tile: Tile, size: int) -> bytes | None:
        found = self._kept.get(tile) or await self._whole(tile)
        later = tiles.tile_of(tile.level, tile.index, size)
        if found is not None or later == tile:
            return found
        data = self._kept.get(later) or await self._whole(later)
        return None if data is None else tiles.beginning(tile, later, data)

    async def _whole(self, tile: Tile) -> bytes | None:
        data = await self._files.read(tile.path)
        if data is None or not tiles.is_whole(tile, data):
            return None
        self._keep(tile, data)
        return data

    def _keep(self, tile: Tile, data: bytes) -> None:
        if tile.partial or tile.level == ENTRIES:
            return
        self._kept[tile] = data
        self._kept.move_to_end(tile)
        if len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)


def _bundles(start: int, leaves: Sequence[bytes]) -> list[tuple[Tile, bytes]]:
    end = start + len(leaves)
    groups = [leaves[at : at + WIDTH] for at in range(0, len(leaves), WIDTH)]
    return [
        (tiles.tile_of(ENTRIES, start // WIDTH + n, end), tiles.bundle(group))
        for n, group in enumerate(groups)
    ]


def _check_same(edge: Edge, leaves: Sequence[bytes]) -> None:
    """See that leaves which were hashed before are still what they were."""
    if [leaf_hash(leaf) for leaf in leaves] != list(edge.leaves)[: len(leaves)]:
        raise Tampered(
            "leaves in the database that a checkpoint covers",
            expected="what was signed",
            found="something else",
            hint="Restore the database; nothing is signed over what was changed.",
        )
