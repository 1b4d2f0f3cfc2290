"""A language model behind an endpoint that speaks OpenAI's chat completions, as most servers do.

POST {url}/chat/completions   {model, messages, temperature: 0} -> choices[0].message.content
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ctxmcp.http import Http
from registry_core.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_TOKENS = 2000
"""Of one answer."""


class ChatModel:
    """One model at one endpoint."""

    def __init__(self, url: str, name: str, key: str) -> None:
        self.name = name
        self._http = Http(url.rstrip("/") + "/", key)

    async def close(self) -> None:
        await self._http.close()

    async def ask(self, messages: Sequence[dict[str, str]]) -> str:
        body: dict[str, Any] = {
            "model": self.name,
            "messages": list(messages),
            "temperature": 0,
            "max_tokens": MOST_TOKENS,
        }
        said = await self._http.post("chat/completions", body, repeat=False)
        try:
            content = said["choices"][0]["message"]["content"]
        except (KeyError, IndexError, TypeError):
            content = None
        if not isinstance(content, str):
            raise Unavailable("the model answers in a shape of its own")
        return content
