"""Auditing a log: leaves, tiles and checkpoints held against each other; nothing is made again.

    leaves         there from 0 on without a gap, and each says what its event says
    tiles          what the leaves make them, every one that the newest checkpoint covers
    checkpoints    signed by the log, each over the root that the leaves lead to
    cosignatures   each is its witness's, of a checkpoint that was signed
    `checkpoint`   its copy beside the tiles, not ahead of the database

What is committed when it begins is looked at, and none of that ever changes: it may run while the
log grows.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from registry_core.errors import Invalid, RegistryError, Tampered
from registry_core.events import Draft
from registry_core.events.kinds import EventKind
from registry_core.events.leaves import Leaf, leaf_of, subject_of
from registry_core.transparency import checkpoints, notes, tiles
from registry_core.transparency.merkle import leaf_hash
from registry_core.transparency.tiles import ENTRIES, WIDTH, Edge, Tile, hashes_of

if TYPE_CHECKING:
    from registry_core.transparency.checkpoints import Checkpoint
    from registry_core.transparency.notes import Verifier
    from registry_core.transparency.rows import Rows

Note = Callable[[str, str], None]
"""Is told where something is wrong, and what."""

Tell = Callable[[int, int, str], object]
"""Is told done, total and what was done."""

Read = Callable[[Tile], Awaitable[bytes | None]]
"""Gives a file of a log as it is, None where there is none."""

_PAGE = 512


@dataclass(frozen=True, slots=True)
class Walked:
    """How much of a log was looked at."""

    leaves: int
    signed: int
    """Leaves that the newest checkpoint covers."""
    root: str
    checkpoints: int
    cosignatures: int = 0


class Tree:
    """A tree that grows leaf by leaf, held against the files of a log of a size."""

    def __init__(self, size: int, read: Read, note: Note) -> None:
        self._size, self._read, self._note = size, read, note
        self._edge = Edge()
        self._bundle: list[bytes] = []

    @property
    def size(self) -> int:
        """How many leaves it has."""
        return self._edge.size

    async def append(self, leaf: bytes) -> None:
        """Take in a leaf; look at each file that it makes full, and at the last at the others."""
        self._bundle.append(leaf)
        made = self._edge.append(leaf_hash(leaf))
        ends = self.size == self._size
        if len(self._bundle) == WIDTH or ends:
            bundle = tiles.tile_of(ENTRIES, (self.size - 1) // WIDTH, self.size)
            made.append((bundle, tiles.bundle(self._bundle)))
        if len(self._bundle) == WIDTH:
            self._bundle = []
        for tile, data in (*made, *(self._edge.tiles() if ends else ())):
            await self._compare(tile, data)

    def grow(self, size: int) -> None:
        """Go on to a larger size."""
        self._size = size

    def difference(self, signed: Checkpoint) -> str:
        """Say how a checkpoint of as many leaves contradicts them; nothing where it does not."""
        if self._edge.root() == signed.root:
            return ""
        mine = notes.encode(self._edge.root())
        return f"was signed over {notes.encode(signed.root)}, its leaves lead to {mine}"

    async def _compare(self, tile: Tile, expected: bytes) -> None:
        found = await self._read(tile)
        if found is None and tile.partial:
            full = await self._read(tile.full)
            if full is not None and tiles.is_whole(tile.full, full):
                found = tiles.beginning(tile, tile.full, full)
        if found is None:
            self._note(tile.path, "is missing")
        elif found != expected:
            self._note(tile.path, _difference(tile, expected, found))


def _difference(tile: Tile, expected: bytes, found: bytes) -> str:
    if len(found) != len(expected):
        return f"has {len(found):,} bytes, its leaves make {len(expected):,}"
    if tile.level:
        return "is not what its leaves make it"
    both = zip(hashes_of(expected), hashes_of(found), strict=True)
    first = next(n for n, (mine, theirs) in enumerate(both) if mine != theirs)
    return f"has another hash of leaf {tile.index * WIDTH + first} than that leaf makes"


async def walk(
    rows: Rows, read: Read, copy: bytes | None, logs: Sequence[Verifier], note: Note, tell: Tell
) -> Walked:
    """Look at all of a log, that has or had these keys; `copy` was read before anything else."""
    newest, size = await rows.newest(), await rows.size()
    signed = _read(newest.encode(), logs, note) if newest else None
    covered = signed.size if signed else 0
    _look_at_copy(copy, covered, logs, note)
    if size < covered:
        note(f"leaf {size}", f"is missing, with all up to {covered}, which is signed")
    tree, seen = Tree(covered, read, note), 0
    coming = _Checkpoints(rows, logs, covered, note)
    await coming.look(tree)
    async for row in _leaves(rows, size):
        if row.position != seen:
            note(f"leaf {seen}", "is missing: what comes behind it cannot be held against the tree")
            break
        seen += 1
        for wrong in _against_event(row):
            note(f"leaf {row.position}", wrong)
        if tree.size < covered:
            await tree.append(row.leaf)
            await coming.look(tree)
        tell(seen, size, f"leaf {row.position}")
    async for row in rows.unlogged():
        note(f"event {row.id}", f"{row.kind} has no leaf")
    cosignatures = await _look_at_witnesses(rows, note)
    root = notes.encode(signed.root) if signed else ""
    return Walked(seen, covered, root, coming.seen, cosignatures)


def _look_at_copy(copy: bytes | None, covered: int, logs: Sequence[Verifier], note: Note) -> None:
    if copy is None:
        if covered:
            note("checkpoint", "the published copy is missing")
        return
    published = _read(copy, logs, note)
    if published and published.size > covered:
        note("checkpoint", f"{published} is published, the database knows of {covered} leaves")


class _Checkpoints:
    """The checkpoints of a log, in the order of their sizes, up to the first that is false."""

    def __init__(self, rows: Rows, logs: Sequence[Verifier], last: int, note: Note) -> None:
        self._logs, self._note = logs, note
        self._rows = rows.signed(last)
        self._next: Checkpoint | None = None
        self._over = False
        self.seen = 0

    async def look(self, tree: Tree) -> None:
        """Hold those of the size of a tree against it."""
        while not self._over:
            if self._next is None:
                self._next = await self._read_on()
            if self._next is None or self._next.size > tree.size:
                return
            wrong = tree.difference(self._next)
            if wrong:
                self._note(f"checkpoint of {self._next.size} leaves", wrong)
                self._over = True
            self._next = None

    async def _read_on(self) -> Checkpoint | None:
        async for row in self._rows:
            self.seen += 1
            found = _read(row.note.encode(), self._logs, self._note, row.size)
            if found is not None:
                return found
        self._over = True
        return None


def _read(
    data: bytes, logs: Sequence[Verifier], note: Note, size: int | None = None
) -> Checkpoint | None:
    *before, log = logs
    try:
        found = checkpoints.read(data, log, before=before).checkpoint
    except (Invalid, Tampered) as error:
        note("checkpoint" if size is None else f"checkpoint of {size} leaves", error.message)
        return None
    if size not in {None, found.size}:
        note(f"checkpoint of {size} leaves", f"says {found}")
        return None
    return found


async def _look_at_witnesses(rows: Rows, note: Note) -> int:
    """Look at every cosignature that is kept; return how many there are."""
    seen = 0
    async for row in rows.cosigned():
        seen += 1
        if wrong := _against_witness(row):
            note(f"cosignature of {row.size} leaves", wrong)
    return seen


def _against_witness(row: Any) -> str:
    """Say what is wrong with a kept cosignature; nothing where it is its witness's."""
    try:
        witness = notes.Verifier.parse(row.witness)
        cosigned = notes.Note(notes.parse(row.note.encode()).text, notes.parse_signatures(row.line))
        made = cosigned.signed_by([witness])
    except (Invalid, Tampered) as error:
        return error.message
    return "" if made else f"is none of {witness.name}"


async def _leaves(rows: Rows, size: int) -> AsyncIterator[Any]:
    for start in range(0, size, _PAGE):
        for row in await rows.with_events(start, min(start + _PAGE, size)):
            yield row


def _against_event(row: Any) -> Iterator[str]:
    """Hold a leaf against the event that it was written with."""
    leaf = Leaf(row.leaf, row.statement or b"", row.salt or "")
    try:
        leaf.says()
    except RegistryError as error:
        yield error.message
    if row.at is None:
        yield f"event {row.event_id} is missing"
        return
    try:
        draft = Draft(
            EventKind(row.event_kind),
            payload=row.payload,
            namespace=row.namespace,
            private=row.private,
        )
        made, subject = leaf_of(draft, row.at), subject_of(draft)[:200]
    except (ValueError, Invalid, AttributeError):
        yield f"event {row.event_id} is none that has a leaf"
        return
    if (made.statement or made.data) != (leaf.statement or leaf.data):
        yield f"says something else than event {row.event_id}"
    if (row.subject, row.kind) != (subject, row.event_kind):
        yield f"is filed under {row.kind} of {row.subject}"
