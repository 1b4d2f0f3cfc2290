"""Finding packages by what one needs: what an index is given, what it is asked, what it answers.

An index is derived. Its owner follows the event log and hands over what changed together with the
log position it changed at; both are written at once, so a node that died goes on where it stopped,
and one that lost its index starts at position 0. The backends are files beside this one.

Order of the hits: the package whose name was typed, then names that begin with the one word that
was typed, then packages that carry the text as a tag, then the rest by BM25, or by BM25 and meaning
together where the index has vectors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from registry_core.errors import Unavailable
from registry_core.names import Kind

if TYPE_CHECKING:
    from registry_core.search.embedding import Vector

MAX_TEXT = 4096
MAX_LIMIT = 100
MAX_OFFSET = 10_000
MAX_BODY = 64 * 1024
"""What an index reads of a query (characters), answers at once (hits), skips at most (hits), and
keeps of a body (bytes). More is cut or clamped, never refused."""

MAX_READ = 1000
"""Characters of a description that a vector stands for, about as many as the table was tuned on."""

FITS = 0.5
"""The similarity from which on a package is said to serve the query."""

FACETS = ("kind", "tag", "category", "publisher", "verified")
MAX_FACETS = 20
"""What hits are counted by, and how many values of each are told, the commonest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One package as its latest release describes it.

    `name` is shown and searched (`@acme/auth-context`); `key` is whatever its owner calls it by.
    `body` is the readme and the document texts, joined.
    """

    key: str
    name: str
    kind: Kind
    namespace: str
    private: bool = False
    verified: bool = False
    description: str = ""
    tags: tuple[str, ...] = ()
    category: str = ""
    body: str = ""


def summary(name: str, description: str) -> str:
    """Return what the vector of a package stands for."""
    return f"{name.rpartition('/')[2]} {description[:MAX_READ]}"


@dataclass(frozen=True, slots=True)
class Put:
    """This package is new, or differs from what the index holds.

    `vector` is what another model makes of `summary` (see `embedded`); None for the index's own.
    """

    entry: Entry
    vector: Vector | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Remove:
    """This package is gone; removing what is not there is no error."""

    key: str


Change = Put | Remove


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What somebody looks for; any text is allowed, and an empty one lists everything by name.

    `kinds` and `publishers` (namespaces) are any of, empty for all; `tags` is all of.
    `namespaces_visible` are the namespaces whose private packages the asker may see; None is every
    one. A page begins behind the package `after` (its key); where that is gone, at `offset`.
    """

    text: str = ""
    kinds: frozenset[Kind] = frozenset()
    tags: frozenset[str] = frozenset()
    publishers: frozenset[str] = frozenset()
    include_unverified: bool = True
    namespaces_visible: frozenset[str] | None = frozenset()
    limit: int = 10
    offset: int = 0
    after: str = ""
    facets: bool = False
    vector: Vector | None = field(default=None, compare=False)
    """What another model makes of the text, where the index is of its vectors."""


@dataclass(frozen=True, slots=True)
class Hit:
    """One package found. `matched` says where: some of name, tags, description, body.

    `matched` is "meaning" alone for what shares no word with the query. `score` is the raw BM25
    score, and 0 where no term was. `similarity` is how sure it is, from 0 to 1, that the package
    serves the query: 1 for a name or tag that was typed, else as `fusion` has measured it; None
    where an index cannot tell.
    `rank` is what the hits of an answer are ordered by, from 0 to 1 and 2 more for each better way
    to be found (by words, tag, beginning of the name, name); None where an index keeps that.
    `snippet` is the passage of description or body that has most of the query: plain text, not
    escaped for any markup, free of control characters.
    """

    key: str
    name: str
    score: float
    matched: tuple[str, ...]
    snippet: str
    similarity: float | None = None
    rank: float | None = None


@dataclass(frozen=True, slots=True)
class Hits:
    """One page of hits, and how many there are that the asker may see.

    `fits` is False where not even the best of them is likely to serve the query. They are given all
    the same: the nearest of what does not fit tells the asker what there is. `facets` are counts of
    what was found, where they were asked for: of kind, tag, publisher and verified.
    """

    hits: tuple[Hit, ...]
    total: int
    fits: bool = True
    facets: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pair:
    """The keys of two packages that say nearly the same, and how nearly: 1 is word for word."""

    one: str
    other: str
    similarity: float


class Behind(Unavailable):
    """Another process is writing the index; what was committed before can be searched."""


class SearchIndex(Protocol):
    """Raises `Unavailable` when it cannot answer now, `Internal` when its data is damaged.

    After `Internal`, `clear()` gives an empty index at position 0 again.
    """

    async def position(self) -> int:
        """Return the log position this index stands at; 0 when new."""
        ...

    async def apply(self, changes: Sequence[Change], position: int) -> None:
        """Take over `changes` and stand at `position`, both or neither.

        A position that is not beyond the index's own changes nothing.
        """
        ...

    async def search(self, query: Query) -> Hits:
        """Find what the asker may see."""
        ...

    async def pairs(self, query: Query, least: float) -> Sequence[Pair]:
        """Find pairs of what the asker may see that are as alike as `least` or more, best first.

        Of a query the filters and the limit count. SQLite finds those of one description alone.
        """
        ...

    async def clear(self) -> None:
        """Forget everything and stand at position 0."""
        ...

    async def close(self) -> None:
        """Let go of files and connections; a second call does nothing."""
        ...
