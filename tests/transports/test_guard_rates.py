"""Rates, windows and places: what is allowed agrees with the limits, to the request."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from limits.storage import memory
from starlette.responses import PlainTextResponse

from registry_core.errors import RegistryError
from served import EVERYBODY, FAST, Served, at, bearing
from transports.dialects import leanctx
from transports.guards.in_flight import InFlight
from transports.guards.rates import Buckets
from transports.limits import Below, Crowd, Limits
from wire import Wire
from world import World

CALLERS = 32
SEARCH = {"name": "search", "arguments": {"query": "review"}}


async def all_at_once(send: Callable[[], Awaitable[httpx.Response]], each: int) -> Counter[int]:
    """Let 32 callers send one request after the other; count the statuses."""
    seen: Counter[int] = Counter()

    async def caller() -> None:
        for _ in range(each):
            seen[(await send()).status_code] += 1

    async with asyncio.TaskGroup() as group:
        for _ in range(CALLERS):
            group.create_task(caller())
    return seen


# --- requests a second


@given(st.lists(st.floats(0, 2), max_size=200), st.floats(0.1, 50), st.integers(1, 20))
def test_no_stretch_of_time_has_more_than_its_refill_and_one_burst(
    pauses: list[float], rate: float, burst: int
) -> None:
    buckets, now, passed = Buckets(rate, burst), 0.0, []
    for pause in pauses:
        now += pause
        left = buckets.take("x", now)
        assert 0 <= left.remaining <= burst
        if not left.wait:
            passed.append(now)
    for first, start in enumerate(passed):
        for last in range(first, len(passed)):
            assert last - first + 1 <= burst + (passed[last] - start) * rate + 1e-6


def test_whoever_waits_as_long_as_he_is_told_may_go() -> None:
    buckets, now = Buckets(0.5, 3), 0.0
    for _ in range(3):
        assert not buckets.take("x", now).wait
    for _ in range(5):
        wait = buckets.take("x", now).wait
        assert wait == pytest.approx(2)
        now += wait + 1e-9
        assert not buckets.take("x", now).wait


def test_what_was_given_back_may_be_taken_again_and_no_more() -> None:
    buckets = Buckets(0.001, 2)
    buckets.give_back("unknown")
    for _ in range(3):
        assert not buckets.take("x", 0).wait
        buckets.give_back("x")
        buckets.give_back("x")
    assert [bool(buckets.take("x", 0).wait) for _ in range(3)] == [False, False, True]


def test_askers_who_paused_are_forgotten_and_others_are_not() -> None:
    buckets = Buckets(1, 2, most=10)
    for _ in range(2):
        buckets.take("busy", 100)
    for number in range(9):
        buckets.take(f"old {number}", 0)
    buckets.take("new", 100)
    assert len(buckets) == 2
    assert buckets.take("busy", 100).wait


async def test_of_many_callers_with_one_token_exactly_the_burst_comes_through(
    sqlite_world: World,
) -> None:
    limits = Limits(requests_per_second=0.0001, burst=50)
    async with Served.inside(sqlite_world, EVERYBODY, limits) as served:
        for _ in range(2):  # another token has an allowance of its own
            headers = bearing(await served.token())
            seen = await all_at_once(lambda h=headers: served.http.get("/v1/tools", headers=h), 5)
            assert seen == {200: 50, 429: CALLERS * 5 - 50}


@pytest.mark.parametrize("blank", [" ", "\t", "\xa0", "\x85\xa0"])
async def test_one_token_however_it_is_spaced_has_one_allowance(
    sqlite_world: World, blank: str
) -> None:
    limits = Limits(requests_per_second=0.0001, burst=1)
    async with Served.inside(sqlite_world, EVERYBODY, limits) as served:
        token, statuses = await served.token(), []
        for text in (f"Bearer {token}", f"Bearer {blank}{token}", f"Bearer {token}{blank}"):
            headers = {"authorization": text.encode("latin-1")}
            statuses.append((await served.http.get("/v1/tools", headers=headers)).status_code)
    assert statuses == [200, 429, 429]


async def test_the_owner_at_this_machine_is_one_asker(sqlite_world: World) -> None:
    limits = Limits(requests_per_second=0.0001, burst=40)
    async with Served.inside(sqlite_world, limits=limits) as served:
        assert await all_at_once(lambda: served.http.get("/health"), 2) == {200: 40, 429: 24}


async def test_a_customer_has_one_allowance_for_all_addresses_of_ipv6(
    sqlite_world: World,
) -> None:
    limits = Limits(requests_per_second=0.0001, burst=1)
    keys = [
        ("2001:db8::1", 200),
        ("2001:db8::2", 429),
        ("2001:db8:0:1::1", 200),
        ("192.0.2.1", 200),
        ("192.0.2.2", 200),
    ]
    async with Served.inside(sqlite_world, EVERYBODY, limits) as served:
        app = served.http._transport.app  # type: ignore[attr-defined]
        for peer, status in keys:
            transport = httpx.ASGITransport(app=app, client=(peer, 1))
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
                assert (await http.get("/health")).status_code == status


async def test_a_refusal_says_which_limit_it_was_and_when_to_come_back(
    sqlite_world: World,
) -> None:
    limits = Limits(requests_per_second=0.25, burst=1)
    async with Served.inside(sqlite_world, limits=limits) as served:
        first, second = await served.get("/health"), await served.get("/v1/tools")
    assert first.headers["x-ratelimit-limit"] == "1"
    assert first.headers["x-ratelimit-remaining"] == "0"
    assert first.headers["x-ratelimit-reset"] == "4"
    assert second.status_code == 429
    assert second.json()["error"] == "more than 0.25 requests a second"
    assert second.headers["retry-after"] == "4"
    assert "Come back in 4 s" in second.json()["hint"]
    assert {"x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"} <= set(
        second.headers
    )


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/health", 200),
        ("GET", "/nothing", 404),
        ("DELETE", "/v1/tools", 405),
        ("GET", "/api/v1/index.json", 200),
        ("GET", at("@acme/none", "index.json"), 404),
        ("PUT", at("@acme/none", "1.0.0"), 401),
        ("POST", "/v1/tools/call", 400),
        ("GET", "/v1/tools?limit=x", 400),
    ],
)
async def test_every_answer_says_what_is_left(
    served: Served, method: str, path: str, status: int
) -> None:
    body = b"{" if method == "POST" else None
    headers = {"content-type": "application/json"}
    response = await served.http.request(method, path, content=body, headers=headers)
    assert response.status_code == status
    for name in ("limit", "remaining", "reset"):
        assert response.headers[f"x-ratelimit-{name}"].isdecimal()
    assert len(response.headers.get_list("x-ratelimit-limit")) == 1


async def test_a_limit_of_0_is_none(sqlite_world: World) -> None:
    limits = Limits(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
    async with Served.inside(sqlite_world, EVERYBODY, limits) as served:
        headers = bearing(await served.token())
        for _ in range(150):
            assert (await served.http.get("/health")).status_code == 200
        response = await served.http.post("/v1/tools/call", json=SEARCH, headers=headers)
    assert response.status_code == 200
    assert "x-ratelimit-limit" not in response.headers


# --- requests a minute


async def test_a_token_has_exactly_as_many_calls_a_minute_as_the_document_says(
    sqlite_world: World,
) -> None:
    async with Served.inside(sqlite_world, EVERYBODY) as served:
        headers = bearing(await served.token())

        async def call() -> httpx.Response:
            return await served.http.post("/v1/tools/call", json=SEARCH, headers=headers)

        assert await all_at_once(call, 4) == {200: 100, 429: 28}
        refused = await call()
        other = bearing(await served.token())
        fresh = await served.http.post("/v1/tools/call", json=SEARCH, headers=other)
        elsewhere = await served.http.get("/v1/tools", headers=headers)
    assert refused.json()["error_code"] == "rate_limited"
    assert refused.json()["error"] == "more than 100 tool calls a minute with this token"
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert refused.headers["x-ratelimit-limit"] == "100"
    assert refused.headers["x-ratelimit-remaining"] == "0"
    assert fresh.headers["x-ratelimit-remaining"] == "99"
    assert 1 <= int(fresh.headers["x-ratelimit-reset"]) <= 60
    assert elsewhere.status_code == 200


async def test_the_knowledge_store_has_a_window_of_its_own(sqlite_world: World) -> None:
    async with Served.inside(sqlite_world, EVERYBODY) as served:
        headers = bearing(await served.token())
        statuses = [
            (await served.http.get(f"/v1/knowledge/{number}", headers=headers)).status_code
            for number in range(62)
        ]
    assert 429 not in statuses[:60]
    assert statuses[60:] == [429, 429]


async def test_a_window_moves_on(sqlite_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_000_000.0
    monkeypatch.setattr(memory.time, "time", lambda: now)
    async with Served.inside(sqlite_world, EVERYBODY, Limits(calls_per_minute=2)) as served:
        headers = bearing(await served.token())
        statuses = []
        for pause in (0, 40, 10, 11, 1):
            now += pause
            response = await served.http.post("/v1/tools/call", json=SEARCH, headers=headers)
            statuses.append(response.status_code)
    assert statuses == [200, 200, 429, 200, 429]


async def test_the_owner_at_this_machine_has_no_windows(sqlite_world: World) -> None:
    async with Served.inside(sqlite_world, limits=Limits(1000, 1000, calls_per_minute=1)) as served:
        for _ in range(5):
            assert (await served.http.post("/v1/tools/call", json=SEARCH)).status_code == 200


# --- at the same time


class Held:
    """An app behind the guard whose answers wait until they are let go, and a count of them."""

    def __init__(self, *crowds: Crowd) -> None:
        self.go = asyncio.Event()
        self.inside = 0
        self.most = 0
        self.guard = InFlight(self._app, crowds=crowds, key=_key, refuse=_refuse)

    async def _app(self, scope, receive, send) -> None:  # type: ignore[no-untyped-def]
        self.inside += 1
        self.most = max(self.most, self.inside)
        await self.go.wait()
        self.inside -= 1
        await PlainTextResponse("done")(scope, receive, send)

    async def asked(self, key: str, path: str = "/") -> int:
        sent = []

        async def send(message) -> None:  # type: ignore[no-untyped-def]
            sent.append(message)

        scope = {"type": "http", "path": path, "key": key, "headers": [], "method": "GET"}
        await self.guard(scope, _nothing, send)
        status: int = sent[0]["status"]
        return status


def _key(scope) -> str:  # type: ignore[no-untyped-def]
    key: str = scope["key"]
    return key


def _refuse(scope: object, error: RegistryError) -> object:
    return leanctx.refuse(error)


async def _nothing() -> dict[str, object]:
    return {"type": "http.disconnect"}


async def statuses(held: Held, asked: list[Awaitable[int]]) -> Counter[int]:
    tasks = [asyncio.ensure_future(one) for one in asked]
    for _ in range(3):
        await asyncio.sleep(0)
    held.go.set()
    return Counter(await asyncio.gather(*tasks))


async def test_places_are_counted_per_asker_and_in_all() -> None:
    held = Held(Crowd("", 3, 5, "requests"))
    asked = [held.asked(key) for key in ("a", "b", "c") for _ in range(CALLERS)]
    assert await statuses(held, asked) == {200: 5, 429: 91}
    assert held.most == 5
    assert [await held.asked("a") for _ in range(9)] == [200] * 9  # all places are free again


async def test_a_place_is_free_again_when_its_request_was_cancelled() -> None:
    held = Held(Crowd("", 1, 0, "requests"))
    first = asyncio.ensure_future(held.asked("a"))
    await asyncio.sleep(0)
    assert await held.asked("a") == 429
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    held.go.set()
    assert await held.asked("a") == 200


async def test_streams_and_requests_take_no_places_from_each_other() -> None:
    held = Held(*Limits(streams=5, in_flight=2).crowds)
    asked = [held.asked("a", "/v1/events") for _ in range(8)]
    asked += [held.asked("a", "/v1/events/search") for _ in range(4)]
    assert await statuses(held, asked) == {200: 5 + 2, 429: 3 + 2}


async def test_uploads_that_wait_hold_places_until_they_end(sqlite_world: World) -> None:
    limits = Limits(FAST.requests_per_second, FAST.burst, in_flight=2)
    async with Served.on_a_port(sqlite_world, EVERYBODY, limits) as served:
        token, other = [bearing(await served.token()) for _ in range(2)]
        headers = token | {"content-type": "application/json", "content-length": "2"}
        async with Wire.to(served.url) as first, Wire.to(served.url) as second:
            for wire in (first, second):
                await wire.ask("POST", "/v1/tools/call", headers | {"expect": "100-continue"})
                await wire.is_read()
            refused = await served.http.get("/v1/tools", headers=token)
            others = await served.http.get("/v1/tools", headers=other)
            for wire in (first, second):
                await wire.send(b"{}")
                assert (await wire.reader.readline()).startswith(b"HTTP/1.1 400")
        after = await served.http.get("/v1/tools", headers=token)
    assert refused.status_code == 429
    assert refused.json()["error_code"] == "concurrency_limited"
    assert refused.headers["retry-after"] == "1"
    assert refused.headers["x-ratelimit-limit"]
    assert (others.status_code, after.status_code) == (200, 200)


def test_what_is_below_a_path() -> None:
    paths = ["/v1", "/v1/", "/v1/x", "/v10", "/", "*"]
    assert [path for path in paths if path in Below("/v1", "/y")] == ["/v1", "/v1/", "/v1/x"]
    assert all(path in Below("") for path in paths)
