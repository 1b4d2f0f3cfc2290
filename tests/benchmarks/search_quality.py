"""The real search index as an engine that a retrieval evaluator can call.

    make(corpus) -> search(query, k) -> [(id, score), ...]

`corpus` is a list of {"id", "name", "description", "tags"?, "body"?}; ids come back best first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from registry_core.names import Kind
from registry_core.search import Entry, Put, Query
from registry_core.search.fts5 import Fts5Index


def make(corpus: Sequence[Mapping[str, Any]]) -> Callable[[str, int], list[tuple[str, float]]]:
    """Index `corpus` in memory and return the function that searches it."""
    runner = asyncio.Runner()
    index = runner.run(Fts5Index.open(None))
    runner.run(index.apply([Put(entry(document)) for document in corpus], 1))

    def search(query: str, k: int) -> list[tuple[str, float]]:
        found = runner.run(index.search(Query(text=query, limit=k)))
        return [(hit.key, hit.score) for hit in found.hits]

    return search


def entry(document: Mapping[str, Any]) -> Entry:
    """Read one document of a benchmark as a public package."""
    return Entry(
        key=document["id"],
        name=document["name"],
        kind=Kind.SKILL,
        namespace="bench",
        description=document["description"],
        tags=tuple(map(str, document.get("tags") or ())),
        body=document.get("body") or "",
    )
