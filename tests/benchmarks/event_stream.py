"""The event stream under load: SUBSCRIBERS readers while RATE events a second are appended.

    python tests/benchmarks/event_stream.py [subscribers] [rate] [seconds]

A real server runs in a process of its own and appends the events too, one commit each. Every
reader's record of ids is compared with the log: none lost, none repeated, none out of order; else
the program ends with status 1. Printed besides: the time from append to receipt, what gathers in
one write, and how the server's memory moves.

The readers are bare sockets in this process, told the events' own moments by the frames. Beside
the load the time of a small request to the same server is taken, as its other users would see it.
"""

from __future__ import annotations

import asyncio
import re
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

MOMENT = re.compile(rb'"timestamp":"([^"]+)"')
SAMPLE = 20
"""Of so many readers one looks at the moments of its events."""


async def serve(folder: str, rate: int, seconds: int) -> None:
    """Serve, and append when told to on standard input; tell what was written at the end."""
    from ctxmcp.serving import running
    from registry_core.events import Draft
    from registry_core.events.kinds import EventKind
    from transports.http import create_app
    from transports.limits import Limits
    from world import World

    limits = Limits(requests_per_second=0, streams=0, streams_total=0)
    url = f"sqlite+aiosqlite:///{folder}/registry.sqlite3"
    async with World.open(url, Path(folder)) as world:
        app = create_app(world.registry, limits=limits)
        async with running(app, "127.0.0.1", 0, limits) as address:
            say(address)
            await asyncio.to_thread(sys.stdin.readline)
            loop = asyncio.get_running_loop()
            began, writing, written = loop.time(), set(), []

            async def append(number: int) -> None:
                draft = Draft(EventKind.TOOL_CALL_RECORDED, "bench", {"tool": f"tool-{number}"})
                written.extend(await world.registry.journal.record(draft))

            for number in range(rate * seconds):
                await asyncio.sleep(max(0.0, began + number / rate - loop.time()))
                task = asyncio.create_task(append(number))
                writing.add(task)
                task.add_done_callback(writing.discard)
                if number % (rate * 5) == 0:
                    say(f"memory {memory()}")
            while writing:
                await asyncio.wait(writing)
            say(f"memory {memory()}")
            say(f"written {loop.time() - began:.2f} {' '.join(map(str, sorted(written)))}")
            await asyncio.to_thread(sys.stdin.readline)


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def memory() -> int:
    """Return the resident memory of this process in KiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() // 1024


class Reader(asyncio.Protocol):
    """A subscriber that keeps the ids of what it is sent."""

    def __init__(self, *, timed: bool) -> None:
        self.ids: list[int] = []
        self.late: list[float] = []
        self.pieces = 0
        self._timed = timed
        self._rest = b""
        self.opened = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        whole = self._rest + data
        if not self.opened.done():
            head, _, whole = whole.partition(b"\r\n\r\n")
            assert b" 200 " in head.partition(b"\r\n")[0]
            self.opened.set_result(None)
        # A frame ends with an empty line; the lengths of chunks stand between frames, on lines of
        # their own. Anything dearer than this, and what is measured is this program.
        *frames, self._rest = whole.split(b"\n\n")
        frames = [frame.partition(b"id: ")[2] for frame in frames]
        frames = [frame for frame in frames if frame]  # not the heartbeats
        self.ids.extend([int(frame[: frame.index(b"\n")]) for frame in frames])
        self.pieces += bool(frames)
        if self._timed:
            now = time.time()
            moments = [MOMENT.search(frame)[1].decode() for frame in frames]
            self.late.extend(now - datetime.fromisoformat(text).timestamp() for text in moments)


async def main(subscribers: int, rate: int, seconds: int) -> int:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, "--serve", folder, str(rate), str(seconds)]
        server = subprocess.Popen(  # noqa: ASYNC220 - this program again
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        try:
            return await watch(server, subscribers)
        finally:
            server.terminate()
            server.wait()


async def watch(server: subprocess.Popen[str], subscribers: int) -> int:
    assert server.stdin
    assert server.stdout
    address = server.stdout.readline().strip().removeprefix("http://")
    host, port = address.split(":")
    loop = asyncio.get_running_loop()
    readers: list[Reader] = []
    request = f"GET /v1/events?since=0 HTTP/1.1\r\nHost: {address}\r\n\r\n".encode()
    for number in range(subscribers):
        timed = number % SAMPLE == 0
        transport, reader = await loop.create_connection(
            lambda timed=timed: Reader(timed=timed), host, int(port)
        )
        transport.write(request)
        await reader.opened
        readers.append(reader)
    print(f"{subscribers} readers; {datetime.now(UTC):%H:%M:%S}")
    server.stdin.write("go\n")
    server.stdin.flush()
    asking = asyncio.create_task(ask(host, int(port)))
    memories: list[int] = []
    while True:
        word, *rest = (await asyncio.to_thread(server.stdout.readline)).split()
        if word == "memory":
            memories.append(int(rest[0]))
            continue
        took, written = float(rest[0]), list(map(int, rest[1:]))
        break
    asking.cancel()
    print(f"{len(written)} events in {took:.1f} s: {len(written) / took:.0f} a second")
    await until_all_is_read(readers, len(written))
    print(f"memory of the server, MiB: {', '.join(f'{kib / 1024:.0f}' for kib in memories)}")
    late = sorted(moment for reader in readers for moment in reader.late)
    shares = ", ".join(f"p{p} {late[len(late) * p // 100] * 1000:.0f} ms" for p in (50, 95, 99))
    print(f"append to receipt: {shares}, most {late[-1] * 1000:.0f} ms")
    pieces = sum(reader.pieces for reader in readers)
    print(f"{len(written) * subscribers / pieces:.1f} events in a read")
    with_faults = sum(reader.ids != written for reader in readers)
    print(f"readers with an event lost, repeated or out of order: {with_faults}")
    return int(with_faults > 0)


async def ask(host: str, port: int) -> None:
    """Ask for something small again and again, as somebody else would."""
    loop, times = asyncio.get_running_loop(), []
    reader, writer = await asyncio.open_connection(host, port)
    try:
        while True:
            began = loop.time()
            writer.write(f"GET /health HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
            await reader.readuntil(b"ok\n")
            times.append(loop.time() - began)
            await asyncio.sleep(0.2)
    finally:
        times.sort()
        print(f"GET /health beside it: median {times[len(times) // 2] * 1000:.1f} ms")
        writer.close()


async def until_all_is_read(readers: list[Reader], count: int) -> None:
    """Wait until every reader has so many events, or nothing comes any more."""
    before, after = -1, 0
    while after != before and any(len(reader.ids) < count for reader in readers):
        await asyncio.sleep(3)
        before, after = after, sum(len(reader.ids) for reader in readers)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        asyncio.run(serve(sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
    else:
        given = [*map(int, sys.argv[1:]), *(500, 200, 30)[len(sys.argv) - 1 :]]
        sys.exit(asyncio.run(main(*given)))
