"""How well the real search index finds: an engine for an evaluator, and a table of its own.

    make(corpus) -> search(query, k) -> [(id, score), ...]
    python tests/benchmarks/search_quality.py [FOLDER] [--fts5] [--without-vectors] [--minilm]
        [--table FILE]

`corpus` is a list of {"id", "name", "description", "tags"?, "body"?}; ids come back best first. A
score is the similarity that the index states, by which "nothing fits" is decided.
"left out" is what was measured with tables that had not been tuned on that set.
FOLDER holds one folder a set: corpus.jsonl, queries.jsonl, qrels.tsv, and abstain.jsonl with
requests that nothing serves. The baselines are those of the specification of these sets.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from ctxmcp.minilm import MiniLm
from registry_core.names import Kind
from registry_core.search import Entry, Hits, Put, Query, SearchIndex, embedding, fusion
from registry_core.search.embedded import Embedded, form
from registry_core.search.fts5 import Fts5Index
from registry_core.search.tantivy import TantivyIndex

SETS = ROOT / "../shared/data/search/dev"

BASELINES = {
    # set: nDCG@10 of BM25, with wordllama, with a tuned static table, with MiniLM
    "bfcl_static": (0.860, 0.876, 0.867, 0.890),
    "metatool": (0.615, 0.678, 0.661, 0.719),
    "metatool_multi": (0.494, 0.630, 0.606, 0.643),
    "routing406": (0.905, 0.928, 0.927, 0.941),
    "sealtools": (0.820, 0.819, 0.826, 0.813),
    "skill_triggers": (0.709, 0.687, 0.728, 0.712),
    "toolret_api": (0.732, 0.751, 0.746, 0.770),
    "toolret_api_inst": (0.803, 0.833, 0.827, 0.839),
}

BESIDE = ("BM25", "wordl.", "static", "MiniLM")

LEFT_OUT = {
    # set: nDCG@10 with a table that was made without this set's requests, and those beside it:
    # `search_table.py --without bfcl_static sealtools`, `--without metatool metatool_multi
    # routing406`, `--without skill_triggers toolret_api toolret_api_inst`, each with --table
    "bfcl_static": 0.883,
    "metatool": 0.683,
    "metatool_multi": 0.626,
    "routing406": 0.946,
    "sealtools": 0.850,
    "skill_triggers": 0.716,
    "toolret_api": 0.772,
    "toolret_api_inst": 0.840,
}

Search = Callable[[str], Hits]


@dataclass(frozen=True)
class Measured:
    """The figures of one set, each a mean over its requests."""

    ndcg: float
    recall: float
    reciprocal: float
    first: float
    served_fit: float
    """Served requests that are said to fit."""
    unserved_fit: float | None = None
    """Unserved requests that are said to fit."""
    auc: float | None = None
    """Chance that a served request's best similarity is above an unserved one's."""


def make(corpus: Sequence[Mapping[str, Any]]) -> Callable[[str, int], list[tuple[str, float]]]:
    """Index `corpus` in memory and return the function that searches it."""
    ask = engine(corpus, lambda: TantivyIndex.open(None))

    def search(query: str, k: int) -> list[tuple[str, float]]:
        return [(hit.key, hit.similarity or 0.0) for hit in ask(query, k).hits]

    return search


def engine(
    corpus: Sequence[Mapping[str, Any]], open_index: Callable[[], Any]
) -> Callable[[str, int], Hits]:
    """Index `corpus` and return what answers with hits."""
    runner = asyncio.Runner()
    index: SearchIndex = runner.run(open_index())
    runner.run(index.apply([Put(entry(document)) for document in corpus], 1))
    return lambda text, limit: runner.run(index.search(Query(text=text, limit=limit)))


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


def measured(folder: Path, open_index: Callable[[], Any]) -> Measured:
    """Ask everything that a set asks, and average."""
    ask = engine(lines(folder / "corpus.jsonl"), open_index)
    wanted = judged(folder / "qrels.tsv")
    asked = [(q["text"], wanted[q["id"]]) for q in lines(folder / "queries.jsonl")]
    answers = [(ask(text, 10), relevant) for text, relevant in asked if relevant]
    rows = [scored([hit.key for hit in found.hits], relevant) for found, relevant in answers]
    means = [fmean(column) for column in zip(*rows, strict=True)]
    fit = fmean(found.fits for found, _ in answers)
    unserved = folder / "abstain.jsonl"
    if not unserved.exists():
        return Measured(*means, fit)
    without = [ask(q["text"], 10) for q in lines(unserved)]
    chance = auc([top(found) for found, _ in answers], [top(found) for found in without])
    return Measured(*means, fit, fmean(found.fits for found in without), chance)


def scored(ranked: Sequence[str], relevant: Mapping[str, int]) -> tuple[float, ...]:
    """Return nDCG@10, recall@5, reciprocal rank and whether the first is right."""
    gain = discounted([relevant.get(key, 0) for key in ranked])
    best = discounted(sorted(relevant.values(), reverse=True)[:10])
    places = [place for place, key in enumerate(ranked, 1) if key in relevant]
    recall = sum(place <= 5 for place in places) / len(relevant)
    return gain / best, recall, 1 / places[0] if places else 0.0, float(places[:1] == [1])


def discounted(grades: Sequence[int]) -> float:
    """Add up grades, each by how far up it stands."""
    return sum((2**grade - 1) / math.log2(place + 1) for place, grade in enumerate(grades, 1))


def top(found: Hits) -> float:
    """Return the similarity of the best hit."""
    return (found.hits[0].similarity or 0.0) if found.hits else 0.0


def auc(served: Sequence[float], unserved: Sequence[float]) -> float:
    """Return the chance that one of the first is above one of the second."""
    return fmean((a > b) + 0.5 * (a == b) for a in served for b in unserved)


def lines(path: Path) -> list[dict[str, Any]]:
    """Read a file of one JSON object a line."""
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file if line.strip()]


def judged(path: Path) -> dict[str, dict[str, int]]:
    """Read which documents are right for which request."""
    found: dict[str, dict[str, int]] = {}
    for line in path.read_text("utf-8").splitlines()[1:]:
        request, document, grade = line.split("\t")
        if int(grade) > 0:
            found.setdefault(request, {})[document] = int(grade)
    return found


def table(rows: Mapping[str, Measured]) -> Iterator[str]:
    """Set the figures beside the baselines, a line a set and one of means."""
    head = ("nDCG@10", "left out", "R@5", "MRR", "hit@1", "fits", *BESIDE)
    yield f"{'set':18}" + "".join(f"{title:>9}" for title in head)
    columns = []
    for name, row in rows.items():
        left_out = LEFT_OUT.get(name, math.nan)
        figures = (row.ndcg, left_out, row.recall, row.reciprocal, row.first, row.served_fit)
        columns.append((*figures, *BASELINES.get(name, (math.nan,) * len(BESIDE))))
        yield line(name, columns[-1])
        if row.auc is not None and row.unserved_fit is not None:
            yield f"{'':18}  unserved: {row.unserved_fit:.2f} fit; AUC {row.auc:.3f} (BM25 0.992)"
    yield line("mean", [fmean(column) for column in zip(*columns, strict=True)])


def line(name: str, figures: Sequence[float]) -> str:
    """Write one line of the table."""
    return f"{name:18}" + "".join(f"{figure:9.3f}" for figure in figures)


async def of_minilm(folder: None) -> SearchIndex:
    """Open an index of MiniLM's vectors."""
    model = await MiniLm.open()
    return Embedded(await TantivyIndex.open(folder, form(model.name)), model)


def main() -> None:
    """Measure every set of a folder."""
    given = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    given.add_argument("folder", nargs="?", type=Path, default=SETS)
    given.add_argument("--fts5", action="store_true", help="SQLite's engine instead")
    given.add_argument("--without-vectors", action="store_true", help="the terms alone")
    given.add_argument("--minilm", action="store_true", help="the vectors of MiniLM")
    given.add_argument("--table", type=Path, help="another table of word vectors")
    arguments = given.parse_args()
    if arguments.table:
        embedding.TABLE = arguments.table
    if arguments.without_vectors:
        fusion.DENSE_SHARE, fusion.DENSE_ALONE = 0.0, 2.0
    open_index: Callable[[None], Any] = (Fts5Index if arguments.fts5 else TantivyIndex).open
    if arguments.minilm:
        open_index = of_minilm
    folders = sorted(path.parent for path in arguments.folder.glob("*/qrels.tsv"))
    rows = {folder.name: measured(folder, lambda: open_index(None)) for folder in folders}
    print("\n".join(table(rows)))


if __name__ == "__main__":
    main()
