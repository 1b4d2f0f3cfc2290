"""The end of waiting: for an answer, and for a body."""

from __future__ import annotations

import asyncio
import logging

import pytest
from starlette.responses import PlainTextResponse, StreamingResponse

from registry_core.errors import RegistryError
from served import FAST, Served
from transports.dialects import leanctx
from transports.guards import patience
from transports.guards.deadline import Deadline
from transports.guards.patience import Patience
from transports.limits import Limits
from transports.refusals import TooSlow
from world import World

MOMENT = 1e-6
"""Seconds that are over as soon as the loop turns."""


def refuse(scope: object, error: RegistryError) -> object:
    return leanctx.refuse(error)


async def turn(times: int = 5) -> None:
    for _ in range(times):
        await asyncio.sleep(0)


async def answered(app, receive=None, path: str = "/v1/x", **headers: str) -> list[dict]:
    """Let an app answer one request, and return what it sent."""
    sent = []

    async def send(message: dict) -> None:
        sent.append(message)

    named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": "POST", "path": path, "headers": named}
    await app(scope, receive or nothing, send)
    return sent


async def nothing() -> dict[str, object]:
    return {"type": "http.request", "body": b"", "more_body": False}


def deadline(app, seconds: float = MOMENT) -> Deadline:
    return Deadline(app, seconds=seconds, exempt={"/mcp"}, refuse=refuse)  # type: ignore[arg-type]


# --- the deadline of an answer


async def test_work_that_takes_too_long_is_cancelled_and_answered_with_504() -> None:
    ended = []

    async def stuck(scope, receive, send) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    start, body = await answered(deadline(stuck))
    assert start["status"] == 504
    assert b'"error_code":"request_timeout"' in body["body"]
    assert ended == ["cancelled"]


@pytest.mark.parametrize("turns", range(8))
async def test_an_answer_that_begins_as_the_time_ends_is_the_only_one(turns: int) -> None:
    async def late(scope, receive, send) -> None:
        await turn(turns)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await turn()
        await send({"type": "http.response.body", "body": b"late"})

    start, *rest = await answered(deadline(late))
    assert [message["type"] for message in rest] == ["http.response.body"]
    assert (start["status"], rest[0]["body"] == b"late") in {(200, True), (504, False)}


async def test_the_time_stands_still_while_the_body_comes() -> None:
    async def reads(scope, receive, send) -> None:
        while (await receive())["more_body"]:
            pass
        await PlainTextResponse("read")(scope, receive, send)

    parts = [b"a", b"b", b""]

    async def slow() -> dict[str, object]:
        await turn()
        part = parts.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(parts)}

    start, _ = await answered(deadline(reads, 0.5), slow)
    assert start["status"] == 200


async def test_a_body_that_never_comes_is_none_of_its_business() -> None:
    async def reads(scope, receive, send) -> None:
        await receive()

    waiting = asyncio.create_task(answered(deadline(reads), asyncio.Event().wait))
    await turn(20)
    assert not waiting.done()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_waiting_for_the_client_to_leave_stops_no_time() -> None:
    async def stuck(scope, receive, send) -> None:
        await receive()
        await asyncio.gather(receive(), asyncio.Event().wait())

    calls = 0

    async def then_never() -> dict[str, object]:
        nonlocal calls
        calls += 1
        if calls > 1:
            await asyncio.Event().wait()
        return await nothing()

    start, _ = await answered(deadline(stuck), then_never)
    assert start["status"] == 504


async def test_an_answer_that_has_begun_may_last() -> None:
    async def long():
        for _ in range(3):
            await turn()
            yield b"x"

    sent = await answered(deadline(StreamingResponse(long()), 0.5), asyncio.Event().wait)
    assert b"".join(message.get("body", b"") for message in sent) == b"xxx"


async def test_what_is_exempt_and_what_has_no_limit_is_left_alone() -> None:
    async def slow(scope, receive, send) -> None:
        await turn()
        await PlainTextResponse("done")(scope, receive, send)

    for guard, path in ((deadline(slow), "/mcp"), (deadline(slow, 0), "/v1/x")):
        assert (await answered(guard, path=path))[0]["status"] == 200


async def test_a_timeout_inside_is_not_taken_for_the_deadline() -> None:
    async def broken(scope, receive, send) -> None:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        await answered(deadline(broken, 1000))


async def test_a_call_that_was_given_up_is_a_line_in_the_log_and_no_defect(
    sqlite_world: World, caplog: pytest.LogCaptureFixture
) -> None:
    limits = Limits(FAST.requests_per_second, FAST.burst, timeout=MOMENT)
    body = {"name": "inspect", "arguments": {"ref": "@acme/none"}}
    async with Served.inside(sqlite_world, limits=limits) as served:
        with caplog.at_level(logging.WARNING):
            response = await served.http.post("/v1/tools/call", json=body)
    assert response.status_code == 504
    assert response.json()["code"] == "request_timeout"
    assert [(record.levelname, record.exc_info) for record in caplog.records] == [("WARNING", None)]


# --- the patience with a body


async def test_a_body_that_trickles_is_refused_and_the_connection_closed() -> None:
    async def reads(scope, receive, send) -> None:
        try:
            while (await receive())["more_body"]:
                pass
        except TooSlow as error:
            await leanctx.refuse(error)(scope, receive, send)

    parts = [b"a", b"b"]

    async def trickling() -> dict[str, object]:
        if not parts:
            await asyncio.Event().wait()
        return {"type": "http.request", "body": parts.pop(), "more_body": True}

    guard = Patience(reads, grace=MOMENT)
    start, body = await answered(guard, trickling, transfer_encoding="chunked")
    assert start["status"] == 408
    assert (b"connection", b"close") in start["headers"]
    assert b'"error_code":"request_timeout"' in body["body"]


async def test_what_has_come_buys_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "SLOWEST", 1e-3)  # a byte buys a quarter of an hour
    parts = [b"a", b"b", b""]

    async def reads(scope, receive, send) -> None:
        while (await receive())["more_body"]:
            pass
        await PlainTextResponse("read")(scope, receive, send)

    async def slow() -> dict[str, object]:
        if len(parts) < 3:
            await turn()
        part = parts.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(parts)}

    guard = Patience(reads, grace=MOMENT)
    start, _ = await answered(guard, slow, transfer_encoding="chunked")
    assert start["status"] == 200


async def test_waiting_for_the_client_to_leave_is_no_waiting_for_its_body() -> None:
    left = asyncio.Event()

    async def stream(scope, receive, send) -> None:
        await receive()
        assert (await receive())["type"] == "http.disconnect"
        await PlainTextResponse("bye")(scope, receive, send)

    messages = [{"type": "http.request", "body": b"x", "more_body": False}]

    async def then_leaves() -> dict[str, object]:
        if messages:
            return messages.pop()
        await left.wait()
        return {"type": "http.disconnect"}

    guard = Patience(stream, grace=MOMENT)
    waiting = asyncio.create_task(answered(guard, then_leaves, content_length="1"))
    await turn(20)
    left.set()
    assert (await waiting)[0]["status"] == 200
