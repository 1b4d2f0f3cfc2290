"""Search with the vectors of a model behind an endpoint: a real stand-in server, also broken."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ctxmcp import settings, wiring
from ctxmcp.serving import running
from registry_core.callers import OWNER
from registry_core.errors import Invalid
from registry_core.operations import invoke
from registry_core.operations.search import SearchResult
from registry_core.publish import publish
from registry_core.registry import Registry
from registry_core.search.embedded import fitted
from registry_core.search.embedding import table
from registry_core.search.vectors import SIZE
from served import FAST
from world import package

WIDE = 384
TALK = "speak papers with an audio narrator"


def meant(text: str) -> list[float]:
    """Stand for a model that knows what the table knows, in more numbers."""
    return [*map(float, table().embed(text)), *[0.0] * (WIDE - SIZE)]


@dataclass
class StandIn:
    """An endpoint of embeddings that answers what a test wants."""

    answer: Callable[[list[str]], Any] = lambda texts: [meant(text) for text in texts]
    texts: list[str] = field(default_factory=list)
    keys: set[str | None] = field(default_factory=set)
    models: set[str] = field(default_factory=set)

    async def embed(self, request: Request) -> Response:
        body = await request.json()
        self.texts += body["input"]
        self.models.add(body["model"])
        self.keys.add(request.headers.get("authorization"))
        said = self.answer(body["input"])
        if isinstance(said, Response):
            return said
        data = [{"index": at, "embedding": vector} for at, vector in enumerate(said)]
        return JSONResponse({"data": data[::-1]})  # in whatever order

    @asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        app = Starlette(routes=[Route("/v1/embeddings", self.embed, methods=["POST"])])
        app.state.streams = None
        async with running(app, "127.0.0.1", 0, FAST) as url:
            yield f"{url}/v1"


@asynccontextmanager
async def searching(
    stand_in: StandIn, folder: Path, model: str = "mini"
) -> AsyncIterator[Registry]:
    async with stand_in.running() as url:
        environment = {
            "CTXMCP_EMBEDDING_URL": url,
            "CTXMCP_EMBEDDING": model,
            "CTXMCP_EMBEDDING_KEY": "sk-test",
        }
        read = settings.read(data_dir=folder, environment=environment)
        async with wiring.open_registry(read) as registry:
            yield registry


async def shelf(registry: Registry) -> None:
    for name, description in {
        "voice": "Text to speech: reads documents aloud in natural voices.",
        "rows": "Converts spreadsheets to comma separated files.",
        "logs": "Collects server logs and counts errors.",
    }.items():
        await publish(registry, OWNER, package(f"@acme/{name}", description=description))


async def found(registry: Registry, text: str) -> SearchResult:
    answer = await invoke(registry, OWNER, "search", {"query": text})
    assert isinstance(answer, SearchResult)
    return answer


def names(answer: SearchResult) -> list[str]:
    return [hit.ref.rpartition("@")[0] for hit in answer.hits]


async def test_what_shares_no_word_is_found_by_the_vectors_of_the_model(tmp_path: Path) -> None:
    stand_in = StandIn()
    async with searching(stand_in, tmp_path) as registry:
        await shelf(registry)
        assert names(await found(registry, TALK))[:1] == ["@acme/voice"]
    assert (stand_in.keys, stand_in.models) == ({"Bearer sk-test"}, {"mini"})
    assert "voice Text to speech: reads documents aloud in natural voices." in stand_in.texts
    assert stand_in.texts[-1] == TALK


async def test_words_alone_rank_while_the_model_does_not_answer(tmp_path: Path) -> None:
    stand_in = StandIn()
    async with searching(stand_in, tmp_path) as registry:
        await shelf(registry)
        assert names(await found(registry, TALK))
        stand_in.answer = lambda _: JSONResponse({"error": "overloaded"}, 500)
        assert names(await found(registry, TALK)) == []
        assert names(await found(registry, "spreadsheets")) == ["@acme/rows"]


async def test_what_is_new_waits_for_the_model_and_the_rest_is_found(tmp_path: Path) -> None:
    stand_in = StandIn()
    async with searching(stand_in, tmp_path) as registry:
        await shelf(registry)
        assert names(await found(registry, "spreadsheets")) == ["@acme/rows"]
        stand_in.answer = lambda _: JSONResponse({"error": "overloaded"}, 500)
        await publish(registry, OWNER, package("@acme/sheets", description="Sums spreadsheets."))
        assert names(await found(registry, "spreadsheets")) == ["@acme/rows"]
        stand_in.answer = StandIn().answer
        await registry.indexer.rebuild()
        assert set(names(await found(registry, "spreadsheets"))) == {"@acme/rows", "@acme/sheets"}


@pytest.mark.parametrize(
    "broken",
    [
        lambda _: [],
        lambda texts: [[1.0], *[[1.0, 2.0]] * len(texts)],
        lambda texts: [["1.0"] * WIDE for _ in texts],
        lambda texts: [[10**400] * WIDE for _ in texts],
        lambda texts: [[] for _ in texts],
        lambda texts: [None for _ in texts],
        lambda _: Response(b'{"data": [{"index": 0, "embedding": [NaN]}]}'),
        lambda _: Response(b'{"data": {"index": 0}}'),
        lambda _: Response(b"[]"),
        lambda _: Response(b"x"),
    ],
)
async def test_an_answer_of_another_shape_is_none(
    tmp_path: Path, broken: Callable[[list[str]], Any]
) -> None:
    stand_in = StandIn()
    async with searching(stand_in, tmp_path) as registry:
        await shelf(registry)
        assert names(await found(registry, TALK))
        stand_in.answer = broken
        assert names(await found(registry, TALK)) == []


async def test_another_model_has_an_index_of_its_own(tmp_path: Path) -> None:
    stand_in = StandIn()
    async with searching(stand_in, tmp_path) as registry:
        await shelf(registry)
        assert names(await found(registry, TALK))
    async with wiring.open_registry(settings.read(data_dir=tmp_path, environment={})) as registry:
        assert names(await found(registry, TALK))[:1] == ["@acme/voice"]
    for model, again in (("mini", False), ("maxi", True), ("mini", False)):
        stand_in.texts.clear()
        async with searching(stand_in, tmp_path, model) as registry:
            assert names(await found(registry, TALK))[:1] == ["@acme/voice"]
        assert (len(stand_in.texts) > 1) == again


async def test_where_no_model_was_ever_reached_nothing_is_indexed_and_nothing_fails(
    tmp_path: Path,
) -> None:
    stand_in = StandIn(lambda _: JSONResponse({"error": "no such model"}, 404))
    async with searching(stand_in, tmp_path) as registry:
        await shelf(registry)
        assert names(await found(registry, "spreadsheets")) == []
        assert await registry.indexer.lag() > 0


def test_an_endpoint_needs_a_model() -> None:
    with pytest.raises(Invalid, match="CTXMCP_EMBEDDING_URL and CTXMCP_EMBEDDING"):
        settings.read(environment={"CTXMCP_EMBEDDING_URL": "http://127.0.0.1:9/v1"})
    # Whoever names a model means to have it: nothing is left out without a word.
    with pytest.raises(Invalid, match="CTXMCP_EMBEDDING_URL and CTXMCP_EMBEDDING"):
        settings.read(environment={"CTXMCP_EMBEDDING": "mini"})
    with pytest.raises(Invalid, match="CTXMCP_MODEL_URL and CTXMCP_MODEL"):
        settings.read(environment={"CTXMCP_MODEL": "minilm"})


@pytest.mark.parametrize("size", [8, SIZE, 384, 1536])
def test_a_vector_of_any_size_keeps_its_angles_about(size: int) -> None:
    dice = np.random.default_rng(3)
    one = dice.standard_normal(size)
    near, far = one + 0.3 * dice.standard_normal(size), dice.standard_normal(size)
    asked, about, away = (fitted(vector.tolist()) for vector in (one, near, far))
    assert asked @ about > 0.8
    assert asked @ about > asked @ away + 0.2
    assert np.linalg.norm(asked) == pytest.approx(1)
    assert not fitted([0.0] * size).any()
