"""Bodies that are too long, come in pieces, stop early, or are refused before they were read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest

from registry_core.errors import TooLarge
from registry_core.formats import MAX_ARTIFACT
from served import Served, at, bearing
from transports.guards import patience
from transports.guards.patience import Patience
from transports.refusals import response
from world import package

ADDRESS = at("@acme/review", "1.0.0")


async def said(served: Served, request: bytes, *, then: bytes = b"") -> bytes:
    """Send bytes as they are, all of them before reading anything, and read to the end."""
    parts = urlsplit(served.url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        writer.write(request)
        await writer.drain()
        writer.write(then)
        await writer.drain()
        async with asyncio.timeout(150):
            return await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()


def head(method: str, path: str, *headers: str) -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: localhost", *headers, "", ""]).encode()


async def test_a_refusal_is_read_by_a_client_that_sends_everything_first(online: Served) -> None:
    body = b"x" * (2 * MAX_ARTIFACT)
    length = f"Content-Length: {len(body)}"
    token = f"Authorization: Bearer {await online.token()}"
    for method, path, headers, status in (
        ("PUT", ADDRESS, [token], b"413"),
        ("PUT", ADDRESS, [], b"413"),
        ("POST", "/nothing", [], b"413"),
    ):
        answer = await said(
            online, head(method, path, length, "Connection: close", *headers), then=body
        )
        assert answer.startswith(b"HTTP/1.1 " + status)
        assert b'{"error":"the body is longer than' in answer


async def test_a_401_and_a_404_are_read_while_the_body_is_still_coming(online: Served) -> None:
    body = b"x" * (MAX_ARTIFACT - 10)
    length = f"Content-Length: {len(body)}"
    close = "Connection: close"
    for path, status in ((ADDRESS, b"401"), (at("@acme/review", "a", "b"), b"404")):
        answer = await said(online, head("PUT", path, length, close), then=body)
        assert answer.startswith(b"HTTP/1.1 " + status)


async def test_a_connection_goes_on_after_a_refusal(online: Served) -> None:
    body = b"x" * 200_000
    refused = head("PUT", ADDRESS, f"Content-Length: {len(body)}") + body
    answer = await said(online, refused, then=head("GET", "/health", "Connection: close"))
    assert answer.startswith(b"HTTP/1.1 401")
    assert answer.endswith(b"\r\n\r\nok\n")


async def test_a_client_that_waits_to_be_asked_is_refused_without_its_body(online: Served) -> None:
    headers = ["Content-Length: 5000000", "Expect: 100-continue"]
    answer = await said(online, head("PUT", ADDRESS, *headers))
    assert answer.startswith(b"HTTP/1.1 401")
    assert b"connection: close" in answer


async def test_a_body_that_says_it_is_enormous_is_refused_at_once(online: Served) -> None:
    answer = await said(online, head("PUT", ADDRESS, "Content-Length: 99999999999999"))
    assert answer.startswith(b"HTTP/1.1 413")
    assert b"connection: close" in answer


async def chunks(total: int, each: int = 65536) -> AsyncIterator[bytes]:
    for start in range(0, total, each):
        yield b"x" * min(each, total - start)


async def test_a_body_in_chunks_has_the_same_bound(online: Served) -> None:
    headers = bearing(await online.token())
    over = await online.http.put(ADDRESS, content=chunks(MAX_ARTIFACT + 1), headers=headers)
    assert over.status_code == 413
    assert "8,388,608 bytes" in over.json()["error"]
    exactly = await online.http.put(ADDRESS, content=chunks(MAX_ARTIFACT), headers=headers)
    assert exactly.status_code == 422  # it may come in; it is no package


async def test_a_package_may_come_in_chunks(online: Served) -> None:
    artifact = package()

    async def by_ten() -> AsyncIterator[bytes]:
        for start in range(0, len(artifact), 10):
            yield artifact[start : start + 10]

    response = await online.http.put(
        ADDRESS, content=by_ten(), headers=bearing(await online.token())
    )
    assert response.status_code == 201
    assert (await online.get(at("@acme/review", "1.0.0", "download"))).content == artifact


async def test_an_upload_that_breaks_off_leaves_nothing(
    online: Served, caplog: pytest.LogCaptureFixture
) -> None:
    artifact = package()
    token = f"Authorization: Bearer {await online.token()}"
    parts = urlsplit(online.url)
    for headers in ([f"Content-Length: {len(artifact)}"], ["Transfer-Encoding: chunked"]):
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        first = artifact[:100] if "Content" in headers[0] else b"64\r\n" + artifact[:100] + b"\r\n"
        writer.write(head("PUT", ADDRESS, token, *headers) + first)
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        assert await reader.read() == b""
    assert (await online.get(at("@acme/review", "index.json"))).status_code == 404
    assert (await online.put(await online.token())).status_code == 201
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


async def test_a_client_that_never_ends_its_body_is_answered_and_let_go(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(patience, "DRAIN_SECONDS", 0)

    async def never() -> dict[str, object]:
        await asyncio.Event().wait()
        raise AssertionError

    assert await answered(never, length=b"1000") == (401, b"close")


async def test_a_body_without_end_is_drained_within_a_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(patience, "MOST_DRAINED", 10_000)

    async def more() -> dict[str, object]:
        return {"type": "http.request", "body": b"x" * 1000, "more_body": True}

    assert await answered(more, length=None) == (401, b"close")


async def answered(receive: object, length: bytes | None) -> tuple[int, bytes | None]:
    """Let an app refuse without reading, behind the guard; return status and `connection`."""
    sent = []

    async def app(scope: object, receive: object, send: object) -> None:
        await response(TooLarge("no"), 401, {})(scope, receive, send)  # type: ignore[arg-type]

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    header = (b"content-length", length) if length else (b"transfer-encoding", b"chunked")
    scope = {"type": "http", "path": "/", "headers": [header]}
    guard = Patience(app, grace=0)  # type: ignore[arg-type]
    await guard(scope, receive, send)  # type: ignore[arg-type]
    start = sent[0]
    return start["status"], dict(start["headers"]).get(b"connection")  # type: ignore[return-value, call-overload]
