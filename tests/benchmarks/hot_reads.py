"""Hot reads beside an empty Starlette route: how many of each a second, and the ratios.

    python tests/benchmarks/hot_reads.py [packages]

One process serves a registry of 1,000 packages and, on another port, an app with one empty route,
both by the same server. This process asks by turns over the same few connections, raw, so that a
client library's own costs do not stand between. A ratio of 1.0 is as fast as the empty route.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ctxmcp.serving import running
from transports.http import create_app
from transports.limits import Limits
from world import World

PACKAGES = 1000
UNREACHED = Limits(requests_per_second=10**6, burst=10**6)
CONNECTIONS = 4
ROUNDS = 7
SECONDS = 0.3
EMPTY = "an empty route"
PATHS = {
    "package index": "/api/v1/packages/bench/package-1/index.json",
    "package index, 304": "/api/v1/packages/bench/package-1/index.json",
    "trust report": "/api/v1/packages/bench/package-1/1.0.0/trust",
    "download": "/api/v1/packages/bench/package-1/1.0.0/download",
    "search": "/api/v1/search?q=package-1",
    "catalog": "/api/v1/index.json",
    "catalog, 304": "/api/v1/index.json",
}


async def serve(packages: int) -> None:
    """Serve both until standard input closes."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite+aiosqlite:///{folder}/registry.sqlite3"
        async with AsyncExitStack() as stack:
            world = await stack.enter_async_context(World.open(url, Path(folder)))
            for start in range(0, packages, 50):
                names = [f"@bench/package-{n}" for n in range(start, min(start + 50, packages))]
                await asyncio.gather(*(world.publish(name) for name in names))
            bare = await stack.enter_async_context(running(_bare(), "127.0.0.1", 0))
            app = create_app(world.registry, limits=UNREACHED)
            full = await stack.enter_async_context(running(app, "127.0.0.1", 0))
            sys.stdout.write(f"{bare} {full}\n")
            sys.stdout.flush()
            await asyncio.to_thread(sys.stdin.read)


def _bare() -> Starlette:
    async def nothing(request: Request) -> Response:
        return Response()

    return Starlette(routes=[Route("/", nothing)])


async def measure(packages: int) -> None:
    """Start the server, ask by turns, print a table."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, __file__, "--serve", str(packages)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout
    bare, full = (await process.stdout.readline()).decode().split()
    targets = {EMPTY: await _request(bare, "/")}
    for name, path in PATHS.items():
        targets[name] = await _request(full, path, conditional=name.endswith("304"))
    rates: dict[str, list[float]] = {name: [] for name in targets}
    for _ in range(ROUNDS):
        for name, (url, request, length) in targets.items():
            rates[name].append(await _rate(url, request, length))
    for name, (_, _, length) in targets.items():
        rate = statistics.median(rates[name])
        # Of each round on its own, so that what slows the machine for a while slows both.
        ratio = statistics.median(
            one / empty for one, empty in zip(rates[name], rates[EMPTY], strict=True)
        )
        sys.stdout.write(f"{name:20} {rate:8.0f}/s {ratio:6.2f} of empty {length:9,} bytes\n")
    await process.communicate(b"")


async def _request(url: str, path: str, *, conditional: bool = False) -> tuple[str, bytes, int]:
    """Make a request, ask it once to warm up, and learn how long the whole answer is."""
    head = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n"
    answer = await _once(url, f"{head}\r\n".encode())
    if not conditional:
        return url, f"{head}\r\n".encode(), len(answer)
    etag = answer.partition(b"etag: ")[2].partition(b"\r\n")[0].decode()
    request = f"{head}If-None-Match: {etag}\r\n\r\n".encode()
    return url, request, len(await _once(url, request))


async def _once(url: str, request: bytes) -> bytes:
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    writer.write(request)
    answer = await reader.readuntil(b"\r\n\r\n")
    length = answer.partition(b"content-length: ")[2].partition(b"\r\n")[0]
    answer += await reader.readexactly(int(length or 0))
    writer.close()
    await writer.wait_closed()
    return answer


async def _rate(url: str, request: bytes, length: int) -> float:
    started = time.perf_counter()
    until = started + SECONDS
    asked = await asyncio.gather(*(_ask(url, request, length, until) for _ in range(CONNECTIONS)))
    return sum(asked) / (time.perf_counter() - started)


async def _ask(url: str, request: bytes, length: int, until: float) -> int:
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port, limit=2**22)
    asked = 0
    while time.perf_counter() < until:
        writer.write(request)
        await reader.readexactly(length)
        asked += 1
    writer.close()
    await writer.wait_closed()
    return asked


if __name__ == "__main__":
    numbers = [int(argument) for argument in sys.argv[1:] if argument.isdecimal()]
    work = serve if "--serve" in sys.argv else measure
    asyncio.run(work(numbers[0] if numbers else PACKAGES))
