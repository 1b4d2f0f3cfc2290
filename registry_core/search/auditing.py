"""Auditing a search index: what it would show, held against what the database has.

    found       in each namespace every package that has a release to resolve to, and no other
    by whom     what is private by nobody but who may see it
    counted     as many of each kind, and signed, as there are

An index lists no more than the first `MAX_OFFSET` of a namespace: what comes after is only counted.
A namespace in which something has changed since the position that the index stands at is left to
its next search. Nothing is written.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from registry_core.callers import OWNER
from registry_core.errors import RegistryError
from registry_core.events.kinds import CHANGES
from registry_core.search import MAX_LIMIT, MAX_OFFSET, Query, SearchIndex

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from registry_core.events.log import EventLog
    from registry_core.packages import Summary
    from registry_core.packages.store import Packages

_PAGE = 500
_NAMED = 20
_EVERYBODY: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class _Shelf:
    """What an index shows of one namespace, or of all."""

    index: SearchIndex
    publishers: frozenset[str]

    async def names(self, visible: frozenset[str] | None) -> _Listed:
        """List the names for who may see these namespaces; None is every one."""
        found: dict[str, str] = {}
        while len(found) <= MAX_OFFSET:
            page = await self.index.search(
                Query(
                    publishers=self.publishers,
                    namespaces_visible=visible,
                    limit=MAX_LIMIT,
                    offset=len(found),
                    after=next(reversed(found), ""),
                )
            )
            found |= {hit.key: hit.name for hit in page.hits}
            if len(page.hits) < MAX_LIMIT:
                return _Listed(set(found.values()))
        names = set(found.values())
        return _Listed(names, max(names))

    async def counts(self) -> Mapping[str, Mapping[str, int]]:
        """Return how many there are of each kind and how many are signed; and all of them."""
        query = Query(publishers=self.publishers, namespaces_visible=None, limit=1, facets=True)
        found = await self.index.search(query)
        told = {name: found.facets.get(name, {}) for name in ("kind", "verified")}
        return {**told, "all": {"packages": found.total}}


@dataclass(frozen=True, slots=True)
class _Listed:
    """The names that an index lists, in their order; up to `last`, where there are more."""

    names: set[str]
    last: str = ""

    def of(self, names: set[str]) -> set[str]:
        """Return those of `names` that the list would have."""
        return {name for name in names if name <= self.last} if self.last else names


async def walk(
    index: SearchIndex,
    packages: Packages,
    log: EventLog,
    namespaces: Sequence[str],
    note: Callable[[str, str], None],
) -> int:
    """Look at what an index shows of each namespace; return how many packages that were."""
    seen, problems = 0, []
    try:
        stands = await index.position()
        if stands == 0:  # nobody has searched yet
            return 0
        for namespace in namespaces:
            there = await packages.list(OWNER, namespace=namespace)
            shelf = _Shelf(index, frozenset({namespace}))
            problems += [(namespace, what) for what in await _against(shelf, there)]
            seen += len(there)
        counts = await _Shelf(index, frozenset()).counts()
    except RegistryError as error:
        note("search index", error.message)
        return seen
    moved = await _moved(log, stands)
    for namespace, what in problems:
        if namespace not in moved:
            note(f"search index, @{namespace}", what)
    if not moved and counts["all"]["packages"] != seen:
        note("search index", f"has {counts['all']['packages']} packages, the database {seen}")
    return seen


async def _against(shelf: _Shelf, there: Sequence[Summary]) -> list[str]:
    found, counts = await shelf.names(None), await shelf.counts()
    names = {str(package.name) for package in there}
    public = {str(package.name) for package in there if not package.private}
    shown = await shelf.names(_EVERYBODY)
    return [
        *_told("does not find", found.of(names) - found.names),
        *_told("finds, though there is no release to resolve to,", found.names - names),
        *_told("does not show to everybody", shown.of(public) - shown.names),
        *_told("shows to everybody, though private,", shown.names & names - public),
        *_miscounted(counts, _counted(there)),
    ]


def _told(how: str, names: set[str]) -> Iterator[str]:
    if names:
        more = f" and {len(names) - _NAMED} more" * (len(names) > _NAMED)
        yield f"{how} {', '.join(sorted(names)[:_NAMED])}{more}"


def _counted(there: Sequence[Summary]) -> Mapping[str, Mapping[str, int]]:
    signed = [package.latest is not None and package.latest.signer is not None for package in there]
    return {
        "kind": Counter(package.kind.value for package in there),
        "verified": Counter("true" if one else "false" for one in signed),
        "all": {"packages": len(there)},
    }


def _miscounted(
    found: Mapping[str, Mapping[str, int]], there: Mapping[str, Mapping[str, int]]
) -> Iterator[str]:
    for what, counts in there.items():
        if dict(found[what]) != dict(counts):
            yield f"counts by {what} {dict(found[what])}, the database {dict(counts)}"


async def _moved(log: EventLog, position: int) -> set[str | None]:
    """Return the namespaces of which something has changed since a position."""
    found: set[str | None] = set()
    while events := await log.since(position, _PAGE, CHANGES):
        found |= {event.namespace for event in events}
        position = events[-1].id
    return found
