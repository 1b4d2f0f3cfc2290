"""Clients that mean harm, or none and are broken: each is refused cleanly by a real server.

After all of them the server answers, has written nothing but its first line, and ends well.
"""

from __future__ import annotations

import asyncio
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from served import at, bearing
from transports.connections import MOST_HEAD
from wire import Wire
from world import World, package

ROOT = Path(__file__).parents[2]
LIMITS = {
    "CTXMCP_REQUESTS_PER_SECOND": "10000",
    "CTXMCP_BURST": "10000",
    "CTXMCP_IN_FLIGHT": "200",
    "CTXMCP_HEAD_SECONDS": "2",
    "CTXMCP_BODY_SECONDS": "0.5",
    "CTXMCP_STALL_SECONDS": "0.5",
}
DEEP = 100_000
MEGABYTE = 1024 * 1024
LARGE = "---\nname: large\ndescription: Large.\n---\n# Large\n"
MORE = b"x" * (MOST_HEAD + 100)
JSON = {"content-type": "application/json"}


@dataclass(frozen=True)
class Target:
    """A server in a process of its own, and a token for its packages."""

    process: subprocess.Popen[str]
    url: str
    token: str


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    folder = tmp_path_factory.mktemp("registry")
    token = asyncio.run(_filled(folder))
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CTX")}
    process = subprocess.Popen(
        [sys.executable, "-m", "ctxmcp", "serve", "--port", "0", "--data-dir", str(folder)],
        cwd=ROOT,
        env=clean | LIMITS,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr
    first = process.stderr.readline()
    assert first.startswith("ctxmcp serves http://127.0.0.1:"), first
    yield Target(process, first.split()[2], token)
    process.send_signal(signal.SIGTERM)
    out, rest = process.communicate(timeout=150)
    assert (process.returncode, out, rest) == (0, "", "")


async def _filled(folder: Path) -> str:
    async with World.open(f"sqlite+aiosqlite:///{folder / 'registry.sqlite3'}", folder) as world:
        await world.publish("@acme/review")
        noise = {f"{number}.txt": os.urandom(MEGABYTE // 8).hex() for number in range(4)}
        await world.publish("@acme/large", files={"SKILL.md": LARGE, **noise})
        return (await world.mint("acme"))[0]


@pytest.fixture(autouse=True)
async def http(target: Target) -> AsyncIterator[httpx.AsyncClient]:
    """A client; whatever it does, the server answers and has complained of nothing after it."""
    # Loading certificates, which nobody needs here, would take longer than most of the tests.
    async with httpx.AsyncClient(base_url=target.url, timeout=150, verify=False) as client:
        yield client
        assert (await client.get("/health")).text == "ok\n"
        assert (await client.post("/v1/tools/call", json={"name": "search"})).status_code == 200
    assert target.process.poll() is None
    assert target.process.stderr
    assert select.select([target.process.stderr], [], [], 0)[0] == []


def refused(response: httpx.Response, status: int, error_code: str) -> None:
    assert (response.status_code, response.json()["error_code"]) == (status, error_code)
    assert len(response.content) < 2000
    assert "Traceback" not in response.text


# --- slow, silent, half gone


@pytest.mark.parametrize("part", [b"G", b"GET /health HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: l"])
async def test_a_head_that_never_ends_is_answered_with_408(target: Target, part: bytes) -> None:
    async with Wire.to(target.url) as wire:
        await wire.send(part)
        refused(await wire.answer(), 408, "request_timeout")


async def test_a_head_that_trickles_is_given_as_little_time(target: Target) -> None:
    async with Wire.to(target.url) as wire:
        await wire.send(b"GET /health HTTP/1.1\r\n")
        said = b""
        while not said:
            try:
                async with asyncio.timeout(0.01):
                    said = await wire.reader.readline()
            except TimeoutError:
                await wire.send(b"X: y\r\n")
    assert said.startswith(b"HTTP/1.1 408")


async def test_a_client_that_says_nothing_is_let_go(target: Target) -> None:
    async with Wire.to(target.url) as wire:
        assert await wire.rest() == b""


async def test_a_second_request_has_to_come_whole_too(target: Target) -> None:
    async with Wire.to(target.url) as wire:
        await wire.ask("GET", "/health", {})
        assert (await wire.reader.readuntil(b"ok\n")).startswith(b"HTTP/1.1 200")
        await wire.send(b"GET /hea")
        refused(await wire.answer(), 408, "request_timeout")


@pytest.mark.parametrize("length", [{"content-length": "100"}, {"transfer-encoding": "chunked"}])
async def test_a_body_that_never_ends_is_answered_with_408(
    target: Target, length: dict[str, str]
) -> None:
    async with Wire.to(target.url) as wire:
        await wire.ask("POST", "/v1/tools/call", JSON | length)
        await wire.send(b"1\r\n{\r\n" if "transfer-encoding" in length else b"{")
        refused(await wire.answer(), 408, "request_timeout")


async def test_hundreds_of_them_keep_nobody_from_working(
    target: Target, http: httpx.AsyncClient
) -> None:
    parts = [
        b"GET /health HTTP/1.1\r\nHost: loc",
        b"",
        b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{",
    ]

    async def slow(number: int) -> bytes:
        async with Wire.to(target.url) as wire:
            await wire.send(parts[number % len(parts)])
            return await wire.rest()

    async with asyncio.TaskGroup() as group:
        slows = [group.create_task(slow(number)) for number in range(200)]
        for _ in range(20):
            assert (await http.get("/health")).status_code == 200
    assert {task.result()[:12] for task in slows} == {b"HTTP/1.1 408", b""}


async def test_streams_that_are_left_without_a_word_hold_no_places(
    target: Target, http: httpx.AsyncClient
) -> None:
    for _ in range(20):  # of five places
        async with Wire.to(target.url) as wire:
            await wire.ask("GET", "/v1/events", {})
            assert (await wire.reader.readline()).startswith(b"HTTP/1.1 200")
            wire.writer.transport.abort()
    async with http.stream("GET", "/v1/events") as response:
        assert response.headers["content-type"].startswith("text/event-stream")


async def test_a_sixth_stream_is_refused_and_the_five_go_on(
    target: Target, http: httpx.AsyncClient
) -> None:
    async with asyncio.TaskGroup() as group:
        opened, close = asyncio.Semaphore(0), asyncio.Event()

        async def stream() -> None:
            async with http.stream("GET", "/v1/events") as response:
                assert response.status_code == 200
                opened.release()
                await close.wait()

        for _ in range(5):
            group.create_task(stream())
        for _ in range(5):
            await opened.acquire()
        refused(await http.get("/v1/events"), 429, "concurrency_limited")
        assert (await http.get("/v1/events/search?q=x")).status_code == 200
        close.set()


async def test_a_client_that_takes_nothing_of_its_answer_is_let_go(target: Target) -> None:
    address = httpx.URL(target.url)
    asked = f"GET {at('@acme/large', '1.0.0', 'download')} HTTP/1.1\r\nHost: localhost\r\n\r\n"

    def deaf() -> int:
        with socket.socket() as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            one.connect((address.host, address.port))
            one.sendall(asked.encode() * 64)  # more than all buffers between the two hold
            gone = select.poll()
            gone.register(one, 0)  # what is told without being asked for: the other end is gone
            return len(gone.poll(30_000))

    assert await asyncio.to_thread(deaf) == 1


# --- too much


def nested(size: int) -> bytes:
    filling = json.dumps("x" * (size - 2 * DEEP - 100)).encode()
    return b'{"name": "search", "arguments": ' + b"[" * DEEP + filling + b"]" * DEEP + b"}"


async def test_ten_megabytes_of_nested_json_are_refused(http: httpx.AsyncClient) -> None:
    body = nested(10 * MEGABYTE)
    refused(await http.post("/v1/tools/call", content=body, headers=JSON), 400, "invalid_request")
    refused(await http.post("/mcp", content=body, headers=JSON), 413, "request_too_large")
    refused(
        await http.post("/v1/session/mutate", content=body, headers=JSON), 413, "request_too_large"
    )


async def test_nested_json_that_is_short_enough_for_every_door_is_refused(
    target: Target, http: httpx.AsyncClient
) -> None:
    body = b"[" * DEEP + b"]" * DEEP
    both = {"accept": "application/json, text/event-stream"}
    for path in ("/v1/tools/call", "/mcp"):
        response = await http.post(path, content=body, headers=JSON | both)
        assert 400 <= response.status_code < 500, path
    put = await http.put(at("@acme/x", "1.0.0"), content=body, headers=bearing(target.token))
    assert put.status_code == 422


async def test_a_head_that_is_too_long_is_refused(target: Target) -> None:
    async with Wire.to(target.url) as wire:
        await wire.send(b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: " + MORE + b"\r\n\r\n")
        refused(await wire.answer(), 400, "invalid_request")


async def test_empty_headers_count_with_what_is_around_them(target: Target) -> None:
    async with Wire.to(target.url) as wire:
        await wire.send(b"GET /health HTTP/1.1\r\n" + b"a:\r\n" * (MOST_HEAD // 5))
        refused(await wire.answer(), 400, "invalid_request")


async def test_a_head_without_an_end_is_refused(target: Target) -> None:
    begun = b"GET /health HTTP/1.1\r\nHost: localhost\r\n"
    async with Wire.to(target.url) as wire:
        await wire.send(begun + b"\r\n" + begun + b"X: ")
        await wire.reader.readuntil(b"ok\n")  # so the beginning of the second one is read too
        await wire.send(MORE)
        refused(await wire.answer(), 400, "invalid_request")


async def test_blanks_around_a_value_are_no_part_of_it(target: Target) -> None:
    async with Wire.to(target.url) as wire:
        await wire.send(
            b"GET /health HTTP/1.1\r\nHost: \t localhost \t \r\nConnection: close \r\n\r\n"
        )
        assert (await wire.rest()).startswith(b"HTTP/1.1 200")


async def test_what_comes_after_chunks_is_no_header(target: Target) -> None:
    body = "2\r\n{}\r\n0\r\nHost: evil.example\r\nAuthorization: Bearer x\r\n\r\n"
    async with Wire.to(target.url) as wire:
        headers = JSON | {"transfer-encoding": "chunked", "connection": "close"}
        await wire.ask("POST", "/v1/tools/call", headers, body)
        refused(await wire.answer(), 400, "invalid_request")


# --- the wrong names, the wrong tokens


async def test_a_hundred_wrong_hosts_and_origins_are_denied(http: httpx.AsyncClient) -> None:
    names = [f"{word}{number}.example" for word in ("evil", "localhost") for number in range(50)]
    for name in names:
        denied = await http.get("/v1/tools", headers={"host": name})
        refused(denied, 400, "host_denied")
        call = {"name": "yank", "arguments": {"ref": "@acme/review@1.0.0", "reason": "evil"}}
        origin = {"origin": f"https://{name}"}
        refused(await http.post("/v1/tools/call", json=call, headers=origin), 400, "host_denied")
    assert (await http.get(at("@acme/review", "index.json"))).json()["latest"] == "1.0.0"


async def test_a_simple_post_of_a_page_is_no_call(http: httpx.AsyncClient) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""):
        body = b'{"name": "search"}'
        response = await http.post("/v1/tools/call", content=body, headers={"content-type": kind})
        assert response.status_code == 415


@pytest.mark.parametrize(
    "header",
    [
        "Bearer {upper}",
        "Bearer {short}",
        "Bearer {token}x",
        "Bearer {long}",
        "Bearer",
        "Basic {token}",
        "Token {token}",
        "{token}",
        "Bearer {token} {token}",
        "Bearer {token}, Bearer {token}",
        "Bearer \u00e9\u00e9",
        "Bearer ' OR 1=1 --",
    ],
)
async def test_a_wrong_token_opens_nothing(
    target: Target, http: httpx.AsyncClient, header: str
) -> None:
    token = target.token
    forms = {"token": token, "upper": token.upper(), "short": token[:-1], "long": token * 200}
    value = header.format(**forms).encode("latin-1")
    headers = {"authorization": value}
    for path in ("/v1/tools", "/v1/events", "/mcp"):
        refused(await http.get(path, headers=headers), 401, "unauthorized")
    put = await http.put(at("@acme/x", "1.0.0"), content=package("@acme/x"), headers=headers)
    assert put.status_code == 401


# --- odd questions


@pytest.mark.parametrize(
    "q",
    [
        '"',
        '"" OR',
        "a AND",
        "NEAR(a b, 5)",
        "col:x",
        "*",
        "a*",
        "^a",
        "-a",
        "(",
        ")" * 1000,
        "{a b}: c",
        "a" * 5000,
        "'; DROP TABLE events; --",
        "\x00",
        "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"),
        "\u202e",
        "%",
        "_",
    ],
)
async def test_a_search_in_the_words_of_the_index_is_a_search(
    http: httpx.AsyncClient, q: str
) -> None:
    for path in ("/api/v1/search", "/v1/events/search"):
        response = await http.get(path, params={"q": q})
        assert response.status_code in {200, 400}, path
    call = {"name": "search", "arguments": {"query": q}}
    assert (await http.post("/v1/tools/call", json=call)).status_code in {200, 400}


@pytest.mark.parametrize("number", ["-1", "9" * 30, "-" + "9" * 30, "1e9", "0x10", "NaN", "", "²"])
@pytest.mark.parametrize(
    "path",
    [
        "/v1/tools?offset={}",
        "/v1/tools?limit={}",
        "/v1/events?since={}&limit=bad",
        "/v1/events?limit={}&since=bad",
        "/v1/events/search?q=x&limit={}",
        "/v1/events/lineage?id={}",
        "/v1/events/lineage?id=1&depth={}",
        "/v1/context/summary?limit={}",
    ],
)
async def test_an_odd_number_is_refused_or_read_as_the_nearest_one(
    http: httpx.AsyncClient, path: str, number: str
) -> None:
    response = await http.get(path.format(number))
    assert response.status_code in {200, 400}
    if response.status_code == 400:
        assert response.json()["error_code"] in {"invalid_request", "invalid_arguments"}


@pytest.mark.parametrize("number", [-1, 10**30, -(10**30), 1.5, "x", None, [], {}])
async def test_an_odd_number_in_a_call_is_refused(http: httpx.AsyncClient, number: object) -> None:
    call = {"name": "search", "arguments": {"limit": number}}
    refused(await http.post("/v1/tools/call", json=call), 400, "tool_error")


# --- what is hardly HTTP


@pytest.mark.parametrize(
    "request_",
    [
        b"hello\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 100 + b"\r\n\r\n",
        b"GET /health\r\n\r\n",
        b"GET /health HTTP/1.1\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: localhost\r\nHost: evil\r\n\r\n",
        b"GET /health HTTP/1.0\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost : localhost\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: a\x00b\r\n\r\n",
        b"GET /hea\x00lth HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET http://evil.example/health HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        b"POST /v1/tools/call HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
        b"POST /v1/tools/call HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    ],
)
async def test_what_is_hardly_http_is_refused_in_the_envelope(
    target: Target, request_: bytes
) -> None:
    async with Wire.to(target.url) as wire:
        await wire.send(request_)
        if b"HTTP/1.1\r\nHost: evil" in request_:  # that one is proper, and would be kept open
            said = await wire.reader.readuntil(b"\r\n\r\n")
            assert said.startswith(b"HTTP/1.1 400")
            return
        response = await wire.answer()
    assert response.status_code in {400, 501}
    assert response.json()["error_code"] in {"invalid_request", "host_denied"}


async def test_chunks_that_are_none_are_refused(target: Target) -> None:
    async with Wire.to(target.url) as wire:
        await wire.ask("POST", "/v1/tools/call", JSON | {"transfer-encoding": "chunked"})
        await wire.send(b"zzz\r\n")
        said = await wire.rest()
    assert said == b"" or said.startswith(b"HTTP/1.1 400")


async def test_an_upgrade_is_not_taken(target: Target) -> None:
    headers = {
        "connection": "upgrade, close",
        "upgrade": "websocket",
        "sec-websocket-version": "13",
    }
    async with Wire.to(target.url) as wire:
        await wire.ask("GET", "/health", headers)
        assert (await wire.rest()).startswith(b"HTTP/1.1 200")
