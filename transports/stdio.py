"""MCP around a given server, on standard input and output: one JSON-RPC message a line.

Standard output belongs to the protocol alone. `take_over` moves both streams to descriptors that
nobody else knows; from then on whatever prints, here or in a child process, prints to standard
error, and whoever reads standard input finds it empty. It imports nothing heavy, so that it can
run before anything that might print while it is imported.
"""

from __future__ import annotations

import asyncio
import os
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from mcp.server.lowlevel import Server

MOST_MESSAGE = 16 * 1024 * 1024
"""Bytes of one message, at most; a longer one is dropped like any line that is no JSON-RPC."""

_AHEAD = 64
"""Messages that are read before the server has taken them."""


@dataclass(frozen=True, slots=True)
class Wire:
    """The descriptors that the protocol is read from and written to."""

    incoming: int
    outgoing: int


def take_over() -> Wire:
    """Keep standard input and output for the protocol and lead everybody else away from them."""
    wire = Wire(incoming=os.dup(0), outgoing=os.dup(1))
    _lead(0, os.open(os.devnull, os.O_RDONLY))
    _lead(1, _standard_error())
    return wire


def _lead(descriptor: int, to: int) -> None:
    os.dup2(to, descriptor)
    os.close(to)


def _standard_error() -> int:
    try:
        return os.dup(2)
    except OSError:  # a host may start us without one
        return os.open(os.devnull, os.O_WRONLY)


async def serve(server: Server[Any], wire: Wire) -> None:
    """Serve one client until it closes the input; cancel it to stop before."""
    from mcp.server.stdio import stdio_server  # noqa: PLC0415 - `take_over` goes first

    incoming, outgoing = (
        cast("Any", _Incoming(wire.incoming)),
        cast("Any", _Outgoing(wire.outgoing)),
    )
    async with stdio_server(incoming, outgoing) as (received, sent):
        await server.run(received, sent, server.create_initialization_options())


class _Incoming:
    """The lines of a descriptor.

    A thread of our own reads them: it can be left behind where it waits for a client that neither
    writes nor leaves, so that a signal ends the process at once.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lines: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._room = threading.Semaphore(_AHEAD)
        self._loop = asyncio.get_running_loop()
        threading.Thread(target=self._read, name="stdin", daemon=True).start()

    def __aiter__(self) -> _Incoming:
        return self

    async def __anext__(self) -> str:
        line = await self._lines.get()
        if line is None:
            raise StopAsyncIteration
        self._room.release()
        return line.decode(errors="replace")

    def _read(self) -> None:
        lines = _Lines()
        while chunk := self._chunk():
            for line in lines.cut(chunk):
                self._room.acquire()
                self._hand_over(line)
        self._hand_over(None)

    def _chunk(self) -> bytes:
        try:
            return os.read(self._descriptor, 65536)
        except OSError:  # a client that was killed looks like one that left
            return b""

    def _hand_over(self, line: bytes | None) -> None:
        try:
            self._loop.call_soon_threadsafe(self._lines.put_nowait, line)
        except RuntimeError:  # the loop is closed: nobody waits any more
            return


class _Lines:
    """Lines out of chunks, holding no more than one message."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def cut(self, chunk: bytes) -> list[bytes]:
        """Return the lines that end in `chunk`."""
        if b"\n" not in chunk:
            self._keep(chunk)
            return []
        first, *lines, rest = chunk.split(b"\n")
        self._keep(first)
        lines.insert(0, bytes(self._rest))
        self._rest.clear()
        self._keep(rest)
        return lines

    def _keep(self, part: bytes) -> None:
        # What goes beyond the limit is lost, and what is left of the message is no JSON.
        self._rest += part[: MOST_MESSAGE - len(self._rest)]


class _Outgoing:
    """Writes to a descriptor, in a thread: a client that does not read stops nobody else."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    async def write(self, text: str) -> None:
        """Write all of `text`."""
        await asyncio.to_thread(self._write, text.encode())

    async def flush(self) -> None:
        """Do nothing: nothing is held back."""

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[os.write(self._descriptor, rest) :]
            except BrokenPipeError:  # the client left, and its input ends next
                return
