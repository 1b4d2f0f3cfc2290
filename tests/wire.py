"""A client that writes and reads bytes, for what no proper client would send."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx


@dataclass(frozen=True)
class Wire:
    """One connection to a server."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @classmethod
    @asynccontextmanager
    async def to(cls, url: str) -> AsyncIterator[Wire]:
        address = httpx.URL(url)
        reader, writer = await asyncio.open_connection(address.host, address.port)
        try:
            yield cls(reader, writer)
        finally:
            writer.close()
            await asyncio.wait([asyncio.ensure_future(writer.wait_closed())])

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def ask(self, method: str, path: str, headers: Mapping[str, str], body: str = "") -> None:
        """Send the head of a request, and `body` behind it."""
        lines = [f"{method} {path} HTTP/1.1", "Host: localhost"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        await self.send("\r\n".join([*lines, "", body]).encode())

    async def is_read(self) -> None:
        """Wait until the server asks for the body, of a request with `Expect: 100-continue`."""
        assert await self.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"

    async def rest(self) -> bytes:
        """Read to the end of the connection."""
        async with asyncio.timeout(150):
            return await self.reader.read()

    async def answer(self) -> httpx.Response:
        """Read one answer, whose connection ends with it."""
        return read(await self.rest())


def read(said: bytes) -> httpx.Response:
    """Read an answer as it came."""
    head, _, body = said.partition(b"\r\n\r\n")
    status, *fields = head.decode("latin-1").split("\r\n")
    headers = [(name, value) for name, _, value in (field.partition(": ") for field in fields)]
    return httpx.Response(int(status.split()[1]), headers=headers, content=body)
