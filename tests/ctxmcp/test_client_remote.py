"""The client over HTTP, against servers that drop, stall, limit, redirect and lie."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from ctxmcp import following, http
from ctxmcp.answers import Event, ToolFailed, Watch
from ctxmcp.remote import Remote
from ctxmcp.serving import running
from registry_core import errors

Answer = Callable[[Request], Response]


class Script:
    """A server that answers one request after the other as a test says, the last one for ever."""

    def __init__(self, *answers: Answer | Response) -> None:
        self.answers = list(answers)
        self.requests: list[Request] = []

    async def answer(self, request: Request) -> Response:
        self.requests.append(request)
        await request.body()
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return answer if isinstance(answer, Response) else answer(request)

    @asynccontextmanager
    async def remote(self, token: str = "") -> AsyncIterator[Remote]:
        every = Route("/{path:path}", self.answer, methods=["GET", "POST"])
        async with (
            running(Starlette(routes=[every]), "127.0.0.1", 0) as url,
            Remote(url, token) as remote,
        ):
            yield remote


def refused(status: int, code: str, **headers: str) -> Response:
    body = {"error": "no", "error_code": code, "hint": "wait"}
    return JSONResponse(body, status, {k.replace("_", "-"): v for k, v in headers.items()})


def said(**structured: object) -> Response:
    content = [{"type": "text", "text": "x"}]
    return JSONResponse({"content": content, "structuredContent": structured})


FOUND = said(hits=[], total=0, next="")


# --- refusals


@pytest.mark.parametrize(
    ("status", "word", "kind", "code"),
    [
        (401, "unauthorized", errors.Unauthenticated, "unauthenticated"),
        (403, "scope_denied", errors.Forbidden, "forbidden"),
        (400, "host_denied", errors.Invalid, "host_denied"),
        (400, "unknown_workspace", errors.Invalid, "unknown_workspace"),
        (400, "tool_error", ToolFailed, "tool_error"),
        (404, "not_found", errors.NotFound, "not_found"),
        (409, "conflict", errors.Conflict, "conflict"),
        (413, "request_too_large", errors.TooLarge, "too_large"),
        (429, "rate_limited", errors.RateLimited, "rate_limited"),
        (429, "concurrency_limited", errors.ConcurrencyLimited, "concurrency_limited"),
        (429, "", errors.RateLimited, "rate_limited"),
        (504, "request_timeout", errors.TimedOut, "request_timeout"),
        (500, "", errors.Unavailable, "unavailable"),
    ],
)
async def test_each_refusal_of_the_contract_is_an_error_with_a_code(
    status, word, kind, code
) -> None:
    async with Script(refused(status, word, retry_after="60")).remote() as remote:
        with pytest.raises(kind) as caught:
            await remote.call("anything", {})
        error = caught.value
        assert (error.code, error.message, error.hint) == (code, "no", "wait")


async def test_a_failed_tool_of_another_server_is_an_error_too() -> None:
    failed = {"content": [{"type": "text", "text": "no"}], "isError": True}
    async with Script(JSONResponse({"result": failed})).remote() as remote:
        with pytest.raises(ToolFailed, match="no") as caught:
            await remote.call("ctx_read", {})
        assert caught.value.code == "tool_error"


async def test_a_limit_says_when_there_is_room() -> None:
    async with Script(refused(429, "rate_limited", retry_after="61")).remote() as remote:
        with pytest.raises(errors.RateLimited) as caught:
            await remote.call("search", {})
        assert caught.value.retry_after == 61


@pytest.mark.parametrize("status", [429, 503])
async def test_a_question_is_asked_once_more_after_a_short_wait(status) -> None:
    script = Script(refused(status, "", retry_after="0"), FOUND)
    async with script.remote() as remote:
        await remote.invoke("search", {"query": "x"})
    bodies = [await request.body() for request in script.requests]
    assert bodies == [b'{"name":"search","arguments":{"query":"x"}}'] * 2


async def test_a_second_refusal_is_final() -> None:
    script = Script(refused(503, "unavailable", retry_after="0"))
    async with script.remote() as remote:
        with pytest.raises(errors.Unavailable):
            await remote.tools()
    assert len(script.requests) == 2


@pytest.mark.parametrize("name", ["yank", "knowledge_remember", "a_tool_nobody_knows"])
async def test_what_may_change_something_is_never_asked_again(name) -> None:
    script = Script(refused(429, "rate_limited", retry_after="0"))
    async with script.remote() as remote:
        with pytest.raises(errors.RateLimited):
            await remote.call(name, {})
    assert len(script.requests) == 1


@pytest.mark.parametrize("wait", ["11", "99999999999999999999", "-1e9"])
async def test_a_wait_without_reason_is_not_sat_out(wait, monkeypatch) -> None:
    monkeypatch.setattr(http, "USUAL_WAIT", 0.0)
    script = Script(refused(429, "rate_limited", retry_after=wait), FOUND)
    async with script.remote() as remote:
        if wait == "11":
            with pytest.raises(errors.RateLimited):
                await remote.call("search", {})
        else:
            await remote.call("search", {})


# --- what is not followed, not read, not believed


async def test_no_redirect_is_followed() -> None:
    script = Script(Response(status_code=307, headers={"location": "http://127.0.0.1:9/elsewhere"}))
    async with script.remote("secret") as remote:
        for ask in (remote.tools(), remote.call("search", {}), anext(remote.events(0, Watch()))):
            with pytest.raises(errors.Invalid, match="redirect to http://127.0.0.1:9/elsewhere"):
                await ask
    assert len(script.requests) == 3


async def test_the_token_goes_to_the_registry_alone() -> None:
    own, other = Script(Response(b"x")), Script(Response(b"x"))
    async with own.remote("secret") as remote, other.remote() as elsewhere:
        await remote.artifact("/here", "", 1)
        await remote.artifact(elsewhere.base, "", 1)
    assert own.requests[0].headers["authorization"] == "Bearer secret"
    assert "authorization" not in other.requests[0].headers


async def test_an_answer_has_a_bound(monkeypatch) -> None:
    monkeypatch.setattr(http, "MOST_ANSWER", 1000)
    async with Script(Response(b"x" * 1001)).remote() as remote:
        with pytest.raises(errors.TooLarge):
            await remote.tools()


async def test_what_was_compressed_unasked_is_not_unpacked() -> None:
    bomb = Response(gzip.compress(b"[" * 10_000_000), headers={"content-encoding": "gzip"})
    script = Script(bomb)
    async with script.remote() as remote:
        with pytest.raises(errors.Unavailable, match="gzip"):
            await remote.tools()
    assert script.requests[0].headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"[" * 100_000, b'{"tools":[1,null]}'])
async def test_an_answer_in_another_shape_breaks_nothing(body) -> None:
    async with Script(Response(body)).remote() as remote:
        assert all(tool.name == "" for tool in await remote.tools())
        assert (await remote.status()).tools == 0
        with pytest.raises(errors.Unavailable, match="shape of its own"):
            await remote.invoke("search", {})


@pytest.mark.parametrize("url", ["", "localhost:8080", "ftp://x", "http://", "http://[::1", "x y"])
def test_an_address_that_is_none_is_refused(url) -> None:
    with pytest.raises(errors.Invalid, match="address"):
        Remote(url, "")


async def test_every_page_of_the_tools_is_read() -> None:
    def page(request: Request) -> Response:
        offset = int(request.query_params["offset"])
        tools = [
            {"name": f"t{i}", "input_schema": {}} for i in range(offset, min(offset + 200, 450))
        ]
        return JSONResponse({"tools": tools, "total": 450})

    script = Script(page)
    async with script.remote() as remote:
        assert [tool.name for tool in await remote.tools()] == [f"t{i}" for i in range(450)]
    assert len(script.requests) == 3


# --- events


def frame(number: int, **more: object) -> str:
    event = {
        "id": number,
        "workspaceId": "default",
        "channelId": "feat/auth",
        "kind": "tool_call_recorded",
        "actor": "cursor",
        "timestamp": "2026-05-05T13:00:00.123456789Z",
        "version": number,
        "parentId": None,
        "consistencyLevel": "local",
        "payload": {"tool": "ctx_read"},
        **more,
    }
    return f"id: {number}\nevent: {event['kind']}\ndata: {json.dumps(event)}\n\n"


def stream(*texts: str, stays: bool = False) -> Answer:
    async def body() -> AsyncIterator[str]:
        for text in texts:
            yield text
        if stays:
            await asyncio.Event().wait()

    return lambda _: StreamingResponse(body(), media_type="text/event-stream; charset=utf-8")


async def taken(events: AsyncIterator[Event], count: int) -> Sequence[int]:
    return [(await anext(events)).id for _ in range(count)]


@pytest.fixture(autouse=True)
def impatient(monkeypatch) -> None:
    monkeypatch.setattr(following, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(following, "MOST_PAUSE", 0.01)


async def test_an_event_has_all_that_the_contract_says() -> None:
    script = Script(stream(frame(42), stays=True))
    async with script.remote() as remote, aclosing(remote.events(0, Watch())) as events:
        event = await anext(events)
    assert (event.id, event.version, event.parent_id) == (42, 42, None)
    assert (event.kind, event.actor) == ("tool_call_recorded", "cursor")
    assert (event.workspace, event.channel) == ("default", "feat/auth")
    assert (event.consistency, event.payload) == ("local", {"tool": "ctx_read"})
    assert event.at.isoformat() == "2026-05-05T13:00:00.123456+00:00"


async def test_a_dropped_stream_goes_on_after_the_last_event_without_loss_or_repeat() -> None:
    script = Script(
        stream(frame(1), frame(2), frame(3)[:40]),  # cut off in the middle of a frame
        refused(503, "unavailable"),
        Response("<html>a proxy is sorry</html>", media_type="text/html"),
        refused(429, "concurrency_limited", retry_after="1"),
        stream(),
        stream(":\n\n", frame(2), frame(3)),  # a server that repeats
        stream(frame(4), stays=True),
    )
    async with script.remote() as remote, aclosing(remote.events(0, Watch())) as events:
        assert await taken(events, 4) == [1, 2, 3, 4]
    asked = [request.query_params["since"] for request in script.requests]
    assert asked == ["0", "2", "2", "2", "2", "2", "3"]


async def test_a_silent_connection_is_made_again() -> None:
    script = Script(stream(frame(1), stays=True), stream(frame(2), stays=True))
    async with script.remote() as remote, aclosing(remote.events(0, Watch(), quiet=0.2)) as events:
        assert await taken(events, 2) == [1, 2]


async def test_a_server_that_goes_away_is_found_again() -> None:
    port = 0
    async with AsyncExitStack() as stack:
        for number in (1, 2):
            app = Starlette(routes=[Route("/v1/events", Script(stream(frame(number))).answer)])
            async with running(app, "127.0.0.1", port) as url:
                port = int(url.rpartition(":")[2])
                if number == 1:
                    remote = await stack.enter_async_context(Remote(url, ""))
                    events = await stack.enter_async_context(aclosing(remote.events(0, Watch())))
                assert await taken(events, 1) == [number]


async def test_nobody_there_is_told_at_once() -> None:
    async with Script(stream()).remote() as remote:
        nobody = remote.base
    async with Remote(nobody, "") as remote:
        with pytest.raises(errors.Unavailable, match="no answer"):
            await anext(remote.events(0, Watch()))


@pytest.mark.parametrize("status", [400, 401, 403, 404])
async def test_what_no_other_connection_would_mend_ends_it(status) -> None:
    script = Script(stream(frame(1)), refused(status, ""))
    async with script.remote() as remote, aclosing(remote.events(0, Watch())) as events:
        assert await taken(events, 1) == [1]
        with pytest.raises(errors.RegistryError):
            await anext(events)
    assert len(script.requests) == 2


async def test_the_first_connection_has_to_succeed() -> None:
    for answer in (refused(503, ""), refused(429, ""), Response("x")):
        script = Script(answer)
        async with script.remote() as remote:
            with pytest.raises(errors.Unavailable):
                await anext(remote.events(0, Watch()))
        assert len(script.requests) == 1


async def test_frames_that_are_no_events_are_not_for_us() -> None:
    strange = [
        "data: hello\n\n",
        "data: []\n\n",
        "data: {}\n\n",
        f"data: {'[' * 100_000}\n\n",
        frame(1, timestamp="yesterday"),
        frame(2, timestamp=None),
        frame(3, id="x"),
    ]
    script = Script(stream(*strange, frame(7), stays=True))
    async with script.remote() as remote, aclosing(remote.events(0, Watch())) as events:
        assert await taken(events, 1) == [7]


async def test_a_line_without_end_is_an_error_and_no_memory() -> None:
    script = Script(stream(*["x" * 65536] * 40, stays=True))
    async with script.remote() as remote:
        with pytest.raises(errors.TooLarge):
            await anext(remote.events(0, Watch()))
    assert len(script.requests) == 1


async def test_who_stops_listening_hangs_up_at_once() -> None:
    gone = asyncio.Event()

    async def body() -> AsyncIterator[str]:
        try:
            yield frame(1)
            await asyncio.Event().wait()
        finally:
            gone.set()

    def answer(request: Request) -> Response:
        return StreamingResponse(body(), media_type="text/event-stream")

    async with Script(answer).remote() as remote:
        async with aclosing(remote.events(0, Watch())) as events:
            await anext(events)
        await gone.wait()
        gone.clear()
        events = remote.events(0, Watch())
        await anext(events)
        waiting = asyncio.create_task(anext(events))
        await asyncio.wait([waiting], timeout=0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await gone.wait()


async def test_place_and_kinds_are_asked_for() -> None:
    script = Script(stream(frame(1), stays=True))
    async with script.remote("t") as remote:
        there = remote.at("my-team", "feat/auth").at("", "")
        async with aclosing(there.events(0, Watch(["a", "b"]))) as events:
            await anext(events)
    request = script.requests[-1]
    assert dict(request.query_params) == {
        "workspaceId": "my-team",
        "channelId": "feat/auth",
        "kind": "a,b",
        "detail": "summary",
        "since": "0",
    }
    assert request.headers["accept"] == "text/event-stream"
    assert request.headers["authorization"] == "Bearer t"


@pytest.mark.parametrize("url", ["http://[::1", "http://" + "x" * 70_000])
async def test_an_artifact_at_no_address_is_the_registrys_fault(url: str) -> None:
    async with Script(Response(b"")).remote() as remote:
        with pytest.raises(errors.Unavailable, match="address"):
            await remote.artifact(url, "0" * 64, 10)


@pytest.mark.parametrize("token", ["\u201clctx_t_quoted\u201d", "lctx_t_two\nlines"])
async def test_a_token_that_no_header_takes_is_told_without_it(token: str) -> None:
    with pytest.raises(errors.Invalid, match="token") as raised:
        Remote("http://localhost", token)
    assert "lctx_t" not in str(raised.value)
