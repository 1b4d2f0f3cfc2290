"""Tools made to order, and what patch-cat's client sends to contribute one."""

from __future__ import annotations

import json
from typing import Any

import httpx

from served import Served, bearing

MANIFEST = {
    "name": "fetch_url",
    "version": "1.0.0",
    "description": "Fetch a URL via HTTP GET and return the body as text.",
    "inputs": [{"name": "url", "type": "string", "description": "The URL to fetch."}],
    "outputs": {"type": "string"},
    "capabilities": {"network": True},
    "runtime": {"language": "python"},
}


def manifest(**more: Any) -> dict[str, Any]:
    return MANIFEST | more


def source(said: dict[str, Any], body: str = "def main(url: str) -> str:\n    return url\n") -> str:
    """The Python file of a tool: its manifest in comments, and a body."""
    lines = [f"# {key}: {json.dumps(value, ensure_ascii=False)}" for key, value in said.items()]
    return "\n".join(["# ---", *lines, "# ---", "", body])


async def contribute(served: Served, token: str, **more: Any) -> httpx.Response:
    """Contribute a tool made to order."""
    said = manifest(**more)
    return await send(served, token, said, source(said))


async def send(served: Served, token: str, said: Any, text: Any) -> httpx.Response:
    sent = json.dumps({"manifest": said, "source": text})  # which escapes half a character
    return await served.http.post("/patchcat/v1/tools", content=sent, headers=bearing(token))
