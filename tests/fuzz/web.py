"""The web application as a function of bytes, for fuzzers: a request as HTTP/1.1 writes it.

    POST /v1/tools/call HTTP/1.1
    content-type: application/json

    {"name": "search", "arguments": {"query": "x"}}

An answer is read to its end, a stream up to its first part.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from ctxmcp.visits import Endpoint
from served import FAST, OURS
from transports.http import create_app
from world import World

MOST_SECONDS = 60
"""For one answer: more than any machine needs, so that a hang is found and not waited for."""

UNLIMITED = replace(FAST, calls_per_minute=0, knowledge_per_minute=0)


class Web:
    """An open application, and the loop it runs in."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._end = asyncio.Event()
        opened: asyncio.Future[Any] = self._loop.create_future()
        self._open = self._loop.create_task(self._hold(opened))
        self._app = self._loop.run_until_complete(opened)

    def __call__(self, data: bytes) -> tuple[int, bytes]:
        """Ask, and return status and body. Raises TimeoutError for what never answers."""
        asked = asyncio.wait_for(_asked(self._app, data), MOST_SECONDS)
        return self._loop.run_until_complete(asked)

    def close(self) -> None:
        self._end.set()
        self._loop.run_until_complete(self._open)
        self._loop.run_until_complete(_hang_up())
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()

    async def _hold(self, opened: asyncio.Future[Any]) -> None:
        """Open and close in one task, as the MCP SDK wants it."""
        async with _application() as app:
            opened.set_result(app)
            await self._end.wait()


async def _hang_up() -> None:
    """End what is left of streams."""
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)


@asynccontextmanager
async def _application() -> AsyncIterator[Any]:
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite+aiosqlite:///{folder}/registry.sqlite3"
        async with World.open(url, Path(folder)) as world:
            await world.publish("@acme/review")
            token, _ = await world.mint("acme")
            mcp = Endpoint(world.registry, ("main", "more", "team"))
            app = create_app(world.registry, OURS, UNLIMITED, mcp.open)
            async with app.router.lifespan_context(app) as state:

                def ask(scope: dict[str, Any], receive: Any, send: Any) -> Any:
                    whole = _with_token({**scope, "state": dict(state or {})}, token)
                    return app(whole, receive, send)

                yield ask
                mcp.end()


def _with_token(scope: dict[str, Any], token: str) -> dict[str, Any]:
    """Put a token where a request says TOKEN, so that cases stay what they are."""
    told = [(name, value.replace(b"TOKEN", token.encode())) for name, value in scope["headers"]]
    return {**scope, "headers": told}


async def _asked(app: Any, data: bytes) -> tuple[int, bytes]:
    head, _, body = data.partition(b"\n\n")
    line, *lines = head.split(b"\n")
    scope = _scope(line, lines, body)
    if scope is None:
        return 400, b""
    said: list[dict[str, Any]] = []
    told, gone = asyncio.Event(), asyncio.Event()
    given = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def receive() -> dict[str, Any]:
        for message in given:
            return message
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        said.append(message)
        if message["type"] == "http.response.body":
            told.set()

    answering = asyncio.ensure_future(app(scope, receive, send))
    first = asyncio.ensure_future(told.wait())
    await asyncio.wait({answering, first}, return_when=asyncio.FIRST_COMPLETED)
    first.cancel()
    gone.set()
    if not answering.done() and _streams(said):
        answering.cancel()
    await asyncio.wait({answering})
    if not answering.cancelled() and (error := answering.exception()):
        raise error
    bodies = [message.get("body", b"") for message in said[1:]]
    return int(said[0]["status"]), b"".join(bodies)


def _streams(said: list[dict[str, Any]]) -> bool:
    headers = dict(said[0]["headers"]) if said else {}
    return headers.get(b"content-type", b"").startswith(b"text/event-stream")


def _scope(line: bytes, lines: list[bytes], body: bytes) -> dict[str, Any] | None:
    """Make a scope as a server makes it; None for what a server's own parser refuses."""
    parts = line.split(b" ")
    if len(parts) != 3 or not parts[0].isalpha() or not parts[1].startswith(b"/"):
        return None
    path, _, query = parts[1].partition(b"?")
    headers = [(b"host", b"localhost"), (b"content-length", str(len(body)).encode())]
    for one in lines:
        name, colon, value = one.partition(b":")
        if not colon or not name.replace(b"-", b"").isalnum() or b"\r" in value or b"\0" in value:
            return None
        headers.append((name.lower(), value.strip()))
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": parts[0].decode().upper(),
        "scheme": "http",
        "path": _unquoted(path),
        "raw_path": path,
        "query_string": query,
        "root_path": "",
        "headers": headers,
        "client": ("127.0.0.1", 40_000),
        "server": ("127.0.0.1", 80),
    }


def _unquoted(path: bytes) -> str:
    from urllib.parse import unquote

    return unquote(path.decode("ascii", "replace"))
