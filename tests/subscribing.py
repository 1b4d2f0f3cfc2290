"""A reader of the event stream over a bare socket: it gets what was written, piece by piece.

It can stop reading, so that the server's buffers fill, and go on later.
"""

from __future__ import annotations

import asyncio
import json
import socket
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import urlsplit


@dataclass
class Subscriber:
    """One open stream."""

    status: int
    headers: dict[str, str]
    _reader: asyncio.StreamReader
    _writer: asyncio.StreamWriter
    _unread: bytes = b""
    pieces: int = 0
    """Chunks that came, each one write of the server."""
    events: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    async def open(
        cls, url: str, query: str = "", token: str = "", *, small: bool = False, **headers: str
    ) -> Subscriber:
        """Subscribe; `small` leaves little room for what is sent and not read."""
        where = urlsplit(url)
        plug = socket.socket()
        plug.setblocking(False)  # noqa: FBT003 - as it is called
        if small:
            plug.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(plug, (where.hostname, where.port))
        reader, writer = await asyncio.open_connection(sock=plug, limit=4096 if small else 1 << 20)
        lines = [f"GET /v1/events?{query} HTTP/1.1", f"Host: {where.netloc}"]
        if token:
            lines.append(f"Authorization: Bearer {token}")
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        writer.write("\r\n".join([*lines, "", ""]).encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        named = dict(line.split(": ", 1) for line in head[1:] if line)
        return cls(int(head[0].split()[1]), named, reader, writer)

    async def piece(self) -> bytes:
        """Return the next chunk; b"" at the end of the stream."""
        size = int(await self._reader.readline(), 16)
        chunk = await self._reader.readexactly(size + 2)
        self.pieces += 1
        return chunk[:-2]

    async def frame(self) -> bytes:
        """Return the next frame, without the empty line at its end; b"" at the end."""
        while b"\n\n" not in self._unread:
            piece = await self.piece()
            if not piece:
                return b""
            self._unread += piece
        frame, _, self._unread = self._unread.partition(b"\n\n")
        return frame

    async def next(self) -> dict[str, Any]:
        """Return the next event, checked against its frame."""
        while (frame := await self.frame()).startswith(b":"):
            pass
        number, kind, data = frame.decode().split("\n")
        event: dict[str, Any] = json.loads(data.removeprefix("data: "))
        assert (number, kind) == (f"id: {event['id']}", f"event: {event['kind']}")
        self.events.append(event)
        return event

    async def take(self, count: int) -> list[int]:
        """Return the ids of the next events."""
        return [(await self.next())["id"] for _ in range(count)]

    async def close(self) -> None:
        """Go, whatever was sent and not read."""
        self._writer.transport.abort()
        with suppress(OSError):
            await self._writer.wait_closed()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *raised: object) -> None:
        await self.close()
