"""Tool calls over plain HTTP beside an empty Starlette route and the real `lean-ctx serve`.

    python tests/benchmarks/tool_calls.py [packages]

Four servers: an app with an empty route as `uvicorn app:app` runs it; the same app and our whole
one (guards, with limits that nobody reaches) by our own HTTP server, in one process; and the
published lean-ctx binary (the extra `clients`). This process asks each by turns, over the same few
connections and raw, so that no client library stands between. `of empty` is the rate as a share of
the empty route's to the same method (0.5 is twice the time), by uvicorn and by our server. `x` is
the rate against the named rows of lean-ctx.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from empty_route import app as empty

from ctxmcp.serving import running, settle
from registry_core.callers import OWNER
from registry_core.tokens import Grant
from served import Served
from transports.limits import Limits
from world import World

PACKAGES = 200
CONNECTIONS = 4
ROUNDS = 7
SECONDS = 0.5
TOKEN = "a-token-for-the-real-server"
UNREACHED = Limits(requests_per_second=10**6, burst=10**6, calls_per_minute=0)

EMPTY_GET, EMPTY_POST = "empty route, GET", "empty route, POST"
OURS = " (our server)"
REAL = "lean-ctx: "


@dataclass(frozen=True)
class Target:
    """One request to one server, and what to compare it with."""

    name: str
    url: str
    request: bytes
    empty: str = ""
    real: tuple[str, ...] = ()


def get(path: str, *headers: str) -> bytes:
    return _request("GET", path, headers)


def call(tool: str, arguments: object, *headers: str) -> bytes:
    body = json.dumps({"name": tool, "arguments": arguments}).encode()
    more = ("Content-Type: application/json", f"Content-Length: {len(body)}")
    return _request("POST", "/v1/tools/call", (*headers, *more)) + body


def _request(method: str, path: str, headers: tuple[str, ...]) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *headers]
    return "".join(f"{line}\r\n" for line in [*lines, ""]).encode()


def targets(plain: str, bare: str, full: str, token: str, real: str) -> list[Target]:
    bearing, known = f"Authorization: Bearer {token}", f"Authorization: Bearer {TOKEN}"
    listing = REAL + "GET /v1/tools?limit=50"
    cheap = tuple(REAL + name for name in ("ctx_tree", "ctx_read", "ctx_overview"))
    tools, search = "/v1/tools?limit=50", {"query": "package-1", "limit": 1}
    inspect = {"ref": "@bench/package-1"}
    post = call("nothing", {}).replace(b"/v1/tools/call", b"/", 1)
    found = [
        Target(EMPTY_GET, plain, get("/")),
        Target(EMPTY_POST, plain, post),
        Target(EMPTY_GET + OURS, bare, get("/")),
        Target(EMPTY_POST + OURS, bare, post),
        Target("GET /v1/tools?limit=50", full, get(tools), EMPTY_GET, (listing,)),
        Target("call search", full, call("search", search), EMPTY_POST, cheap),
        Target("call inspect", full, call("inspect", inspect), EMPTY_POST, cheap),
        Target("GET /v1/tools, with a token", full, get(tools, bearing), EMPTY_GET, (listing,)),
        Target(
            "call search, with a token", full, call("search", search, bearing), EMPTY_POST, cheap
        ),
        Target(
            "call verify (never kept)",
            full,
            call("verify", {"target": "@bench/package-1"}),
            EMPTY_POST,
        ),
    ]
    if not real:
        return found
    return [
        *found,
        Target(listing, real, get(tools, known), EMPTY_GET),
        Target(cheap[0], real, call("ctx_tree", {"path": ".", "depth": 1}, known), EMPTY_POST),
        Target(cheap[1], real, call("ctx_read", {"path": "a.py"}, known), EMPTY_POST),
        Target(cheap[2], real, call("ctx_overview", {}, known), EMPTY_POST),
    ]


async def serve(packages: int) -> None:
    """Serve the empty routes and the whole app until standard input closes."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite+aiosqlite:///{folder}/registry.sqlite3"
        async with AsyncExitStack() as stack:
            world = await stack.enter_async_context(World.open(url, Path(folder)))
            for number in range(packages):
                await world.publish(f"@bench/package-{number}")
            grant = Grant("bench", frozenset(), role="member")
            token, _ = await world.registry.tokens.mint(grant, OWNER)
            bare = await stack.enter_async_context(running(empty, "127.0.0.1", 0))
            full = await stack.enter_async_context(Served.on_a_port(world, limits=UNREACHED))
            sys.stdout.write(f"{bare} {full.url} {token}\n")
            sys.stdout.flush()
            settle()
            await asyncio.to_thread(sys.stdin.read)


async def measure(packages: int) -> None:
    """Start the servers, ask by turns, print a table."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, __file__, "--serve", str(packages)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout
    bare, full, token = (await process.stdout.readline()).decode().split()
    async with plain() as uvicorn, lean_ctx() as real:
        asked = targets(uvicorn, bare, full, token, real)
        for target in asked:
            await _check(target)
        rates: dict[str, list[float]] = {target.name: [] for target in asked}
        for _ in range(ROUNDS):
            for target in asked:
                rates[target.name].append(await _rate(target))
    await process.communicate(b"")
    for target in asked:
        sys.stdout.write(_row(target, rates))


def _row(target: Target, rates: dict[str, list[float]]) -> str:
    row = f"{target.name:34} {statistics.median(rates[target.name]):8.0f}/s"
    if target.empty:
        shares = [_ratio(target.name, target.empty + by, rates) for by in ("", OURS)]
        row += f"  {shares[0]:.2f}, {shares[1]:.2f} of empty"
    there = [name for name in target.real if name in rates]
    versus = [
        f"{_ratio(target.name, name, rates):.1f} x {name.removeprefix(REAL)}" for name in there
    ]
    return f"{row}  {', '.join(versus)}".rstrip() + "\n"


def _ratio(one: str, other: str, rates: dict[str, list[float]]) -> float:
    """Compare each round on its own: what slows the machine for a while slows both."""
    return statistics.median(a / b for a, b in zip(rates[one], rates[other], strict=True))


@asynccontextmanager
async def plain() -> AsyncIterator[str]:
    """Run the empty route as uvicorn does unless it is told otherwise."""
    port = _free_port()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "uvicorn", "empty_route:app", "--port", str(port)),
        *("--app-dir", str(Path(__file__).parent)),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        await _listening(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        await process.wait()


@asynccontextmanager
async def lean_ctx() -> AsyncIterator[str]:
    """Run the real server, its limits out of the way; an empty URL where it is not installed."""
    found = importlib.util.find_spec("thinkery_leanctx_engine")
    if found is None or found.origin is None:
        sys.stdout.write("lean-ctx is not installed: pip install 'ctxmcp[clients]'\n")
        yield ""
        return
    with tempfile.TemporaryDirectory() as folder:
        home, project = _project(Path(folder))
        port = _free_port()
        process = await asyncio.create_subprocess_exec(
            *(str(Path(found.origin).parent / "bin/lean-ctx"), "serve", "--port", str(port)),
            *("--project-root", str(project), "--auth-token", TOKEN),
            *("--max-rps", "1000000", "--rate-burst", "1000000"),
            env={
                "HOME": str(home),
                "PATH": "/usr/bin:/bin",
                "__LEAN_CTX_NO_DAEMON": "1",
                "LEAN_CTX_TELEMETRY": "off",
            },
            cwd=project,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            await _listening(port)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            await process.wait()


def _project(folder: Path) -> tuple[Path, Path]:
    """Make a home, and beside it a project of one file: lean-ctx reads none that is a home."""
    home, project = folder / "home", folder / "project"
    home.mkdir()
    project.mkdir()
    project.joinpath("a.py").write_text("x = 1\n")
    return home, project


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


async def _listening(port: int) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.1)
                continue
            writer.close()
            await writer.wait_closed()
            return


async def _check(target: Target) -> None:
    """Ask once: what is measured has to be an answer and no refusal."""
    asker = await Asker.open(target.url)
    status, body = await asker.ask(target.request)
    await asker.close()
    if b" 200 " not in status or b'"isError":true' in body:
        raise SystemExit(f"{target.name}: {status!r} {body[:300]!r}")


async def _rate(target: Target) -> float:
    started = time.perf_counter()
    until = started + SECONDS
    asked = await asyncio.gather(*(_ask(target, until) for _ in range(CONNECTIONS)))
    return sum(asked) / (time.perf_counter() - started)


async def _ask(target: Target, until: float) -> int:
    asker, asked = await Asker.open(target.url), 0
    while time.perf_counter() < until:
        await asker.ask(target.request)
        asked += 1
    await asker.close()
    return asked


@dataclass(frozen=True)
class Asker:
    """One connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @classmethod
    async def open(cls, url: str) -> Asker:
        parts = urlsplit(url)
        return cls(*await asyncio.open_connection(parts.hostname, parts.port, limit=2**22))

    async def ask(self, request: bytes) -> tuple[bytes, bytes]:
        self.writer.write(request)
        head = await self.reader.readuntil(b"\r\n\r\n")
        start = head.index(b"content-length: ") + 16
        body = await self.reader.readexactly(int(head[start : head.index(b"\r", start)]))
        return head[: head.index(b"\r")], body

    async def close(self) -> None:
        self.writer.close()
        await self.writer.wait_closed()


if __name__ == "__main__":
    numbers = [int(argument) for argument in sys.argv[1:] if argument.isdecimal()]
    work = serve if "--serve" in sys.argv else measure
    asyncio.run(work(numbers[0] if numbers else PACKAGES))
