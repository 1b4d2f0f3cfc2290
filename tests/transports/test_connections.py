"""Connections whose peers break the protocol while somebody answers them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from ctxmcp.serving import running
from transports.limits import Limits
from wire import Wire

CHUNKED = {"transfer-encoding": "chunked"}
Endpoint = Callable[[Request], Awaitable[Response]]


def app(endpoint: Endpoint) -> Starlette:
    return Starlette(routes=[Route("/", endpoint, methods=["GET", "POST"])])


async def at_once(request: Request) -> Response:
    """Begin an answer before the body was read, and never end it."""

    async def parts() -> AsyncIterator[bytes]:
        yield b"begun"
        await asyncio.Event().wait()

    return StreamingResponse(parts())


async def test_a_body_that_breaks_after_the_answer_began_ends_the_connection(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with running(app(at_once), "127.0.0.1", 0) as url, Wire.to(url) as wire:
        await wire.ask("POST", "/", CHUNKED)
        await wire.reader.readuntil(b"begun")
        await wire.send(b"zzz\r\n")
        assert await wire.rest() == b"\r\n"  # the end of the chunk that was sent
    assert caplog.records == []


async def test_a_body_that_breaks_before_the_answer_began_is_refused(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def reads(request: Request) -> Response:
        await request.body()
        return PlainTextResponse("read")

    async with running(app(reads), "127.0.0.1", 0) as url, Wire.to(url) as wire:
        await wire.ask("POST", "/", CHUNKED | {"expect": "100-continue"})
        await wire.is_read()
        await wire.send(b"zzz\r\n")
        response = await wire.answer()
    assert (response.status_code, response.json()["error_code"]) == (400, "invalid_request")
    assert [record.message for record in caplog.records if "Fatal" in record.message] == []


async def test_a_connection_that_is_kept_is_given_a_fresh_time_for_each_head() -> None:
    async def slow(request: Request) -> Response:
        await asyncio.to_thread(late.wait, 10)
        return PlainTextResponse("done")

    import threading

    late = threading.Event()
    limits = Limits(head_seconds=0.05)
    async with running(app(slow), "127.0.0.1", 0, limits) as url, Wire.to(url) as wire:
        await wire.ask("GET", "/", {})
        async with Wire.to(url) as silent:
            assert (
                await silent.rest() == b""
            )  # so the time of a head is over, and this one's is not
        late.set()
        assert (await wire.reader.readline()).startswith(b"HTTP/1.1 200")
        await wire.reader.readuntil(b"done")
        await wire.ask("GET", "/", {"connection": "close"})
        assert (await wire.rest()).endswith(b"done")


async def test_a_reader_that_takes_something_now_and_then_is_waited_for() -> None:
    size = 8_000_000

    async def large(request: Request) -> Response:
        return Response(b"x" * size)

    limits = Limits(stall_seconds=0.2)
    async with running(app(large), "127.0.0.1", 0, limits) as url, Wire.to(url) as wire:
        await wire.ask("GET", "/", {"connection": "close"})
        got = 0
        while part := await wire.reader.read(65_536):
            got += len(part)
            await asyncio.sleep(0)
    assert got > size
