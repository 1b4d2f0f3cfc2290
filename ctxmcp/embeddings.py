"""A model of vectors behind an endpoint that speaks OpenAI's embeddings, as most servers do.

POST {url}/embeddings   {model, input: [text, ..]} -> data[i].{index, embedding}
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from ctxmcp.http import Http
from registry_core.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_NUMBERS = 8192
"""Of one vector."""

_LARGEST = 1e6
"""More than any number of a vector; nan is not below it."""


class Embeddings:
    """One model at one endpoint."""

    def __init__(self, url: str, name: str, key: str, seconds: float) -> None:
        self.name = name
        self._http = Http(url.rstrip("/") + "/", key)
        self._seconds = seconds

    async def close(self) -> None:
        await self._http.close()

    async def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        body: dict[str, Any] = {"model": self.name, "input": list(texts)}
        try:
            async with asyncio.timeout(self._seconds):
                said = await self._http.post("embeddings", body, repeat=False)
        except TimeoutError:
            raise Unavailable(f"the model of vectors took over {self._seconds:g} s") from None
        data = said.get("data")
        found = {}
        for one in data if isinstance(data, list) else []:
            if isinstance(one, dict) and isinstance(one.get("index"), int):
                found[one["index"]] = one.get("embedding")
        vectors = [found.get(number) for number in range(len(texts))]
        if not all(map(_is_vector, vectors)) or len({len(one) for one in vectors if one}) > 1:
            raise Unavailable("the model of vectors answers in a shape of its own")
        return vectors  # type: ignore[return-value]  # as was just seen


def _is_vector(value: Any) -> bool:
    return (
        isinstance(value, list)
        and 0 < len(value) <= MOST_NUMBERS
        and all(type(one) in {int, float} and -_LARGEST < one < _LARGEST for one in value)
    )
