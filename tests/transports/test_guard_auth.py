"""Loopback or token: who is the owner for being at this machine, and who is turned away."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from sqlalchemy import event

from registry_core.callers import OWNER, Scope
from registry_core.tokens import Grant
from served import EVERYBODY, FAST, Served, at, bearing
from transports.access import Access
from transports.guards.auth import Known
from transports.limits import Limits
from world import World, package

YANK = {"name": "yank", "arguments": {"ref": "@acme/review@1.0.0", "reason": "bad"}}
SEARCH = {"name": "search", "arguments": {}}
FORWARDED = [
    ("forwarded", "for=192.0.2.1"),
    ("x-forwarded-for", "192.0.2.1"),
    ("x-forwarded-host", "registry.example"),
    ("x-forwarded-proto", "https"),
    ("x-forwarded-anything", ""),
    ("x-real-ip", "127.0.0.1"),
    ("via", "1.1 proxy"),
]


async def call(served: Served, body: object = SEARCH, **headers: str) -> httpx.Response:
    return await served.http.post("/v1/tools/call", json=body, headers=headers)


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.9.9.9", "::1"])
async def test_a_caller_at_this_machine_is_the_owner(sqlite_world: World, peer: str) -> None:
    async with Served.inside(sqlite_world, peer=peer) as served:
        await served.put(await served.token(), private=True)
        found = (await call(served)).json()["structuredContent"]
        assert found["total"] == 1
        assert (await call(served, YANK)).status_code == 200
        lines = await sqlite_world.registry.recorder.since(0)
    assert {line.actor for line in lines} == {"owner"}


@pytest.mark.parametrize(
    ("access", "peer", "header"),
    [
        (EVERYBODY, "127.0.0.1", None),
        (Access(), "192.0.2.1", None),
        (Access(), "fe80::1", None),
        (Access(), "", None),
        *((Access(), "127.0.0.1", header) for header in FORWARDED),
    ],
)
@pytest.mark.parametrize("path", ["/v1/tools/call", "/v1/tools", "/v1/nothing", "/v1", "/mcp"])
async def test_anybody_else_needs_a_token(
    sqlite_world: World, access: Access, peer: str, header: tuple[str, str] | None, path: str
) -> None:
    headers = dict([header] if header else [])
    async with Served.inside(sqlite_world, access, peer=peer) as served:
        response = await served.http.post(path, json=SEARCH, headers=headers)
        assert response.status_code == 401
        assert response.json()["error_code"] == "unauthorized"
        assert response.json()["hint"].endswith("`ctxmcp token create` makes one.")
        assert response.headers["www-authenticate"].startswith("Bearer")
        token = bearing(await served.token())
        found = await served.http.post("/v1/tools/call", json=SEARCH, headers=headers | token)
        assert found.status_code == 200


async def test_what_is_public_stays_so_for_others(sqlite_world: World) -> None:
    async with Served.inside(sqlite_world, EVERYBODY, peer="192.0.2.1") as served:
        await served.put(await served.token())
        for path in ("/health", "/api/v1/index.json", at("@acme/review", "1.0.0", "download")):
            assert (await served.get(path)).status_code == 200


async def test_the_packages_api_knows_no_owner_at_this_machine(served: Served) -> None:
    await served.put(await served.token(), private=True)
    assert (await served.get(at("@acme/review", "index.json"))).status_code == 404
    written = await served.http.put(at("@acme/x", "1.0.0"), content=package("@acme/x"))
    assert written.status_code == 401


@pytest.mark.parametrize(
    "change",
    [
        lambda token: token.upper(),
        lambda token: token[:-1],
        lambda token: token + "x",
        lambda token: token * 100,
        lambda token: token.replace("ctxp_", "ctxr_"),
        lambda token: token.replace("ctxp_", "lctx_t_"),
        lambda token: token[:-1] + "\u00fc",
        lambda token: f"{token} {token}",
        lambda token: token[:0],
    ],
)
async def test_a_token_that_is_nearly_right_is_wrong_also_at_this_machine(
    served: Served, change: object
) -> None:
    wrong = change(await served.token())  # type: ignore[operator]
    headers = {"authorization": f"Bearer {wrong}".encode("latin-1")}
    response = await served.http.post("/v1/tools/call", json=SEARCH, headers=headers)
    assert (response.status_code, response.json()["error_code"]) == (401, "unauthorized")
    assert not wrong or wrong not in response.text


async def test_a_revoked_token_opens_nothing_from_the_next_request_on(served: Served) -> None:
    tokens = served.world.registry.tokens
    text, token = await tokens.mint(Grant("ci", frozenset({Scope.SEARCH})), OWNER)
    assert (await call(served, **bearing(text))).status_code == 200
    await tokens.revoke(token.id, OWNER)
    assert (await call(served, **bearing(text))).status_code == 401


async def test_who_is_turned_away_stands_in_the_audit_log_without_secrets(
    sqlite_world: World,
) -> None:
    recorder = sqlite_world.registry.recorder
    async with Served.inside(sqlite_world, EVERYBODY) as served:
        await call(served)
        await call(served, authorization="Bearer ctxp_a-secret-that-nobody-may-read")
        await served.http.post("/mcp", json={})
        await served.get("/v1/tools")
    lines = await recorder.since(0)
    assert [(line.operation, line.allowed, line.outcome) for line in lines] == [
        ("/v1/tools/call", False, "unauthenticated"),
        ("/v1/tools/call", False, "unauthenticated"),
        ("/mcp", False, "unauthenticated"),
    ]
    assert "secret" not in repr(lines)


async def test_a_call_without_its_scope_stands_in_the_audit_log_once(served: Served) -> None:
    await served.put(await served.token())
    token = await served.token(scope=Scope.READ)
    assert (await call(served, YANK, **bearing(token))).status_code == 403
    [line] = await served.world.registry.recorder.since(0)
    assert (line.operation, line.allowed, line.outcome) == ("yank", False, "forbidden")
    assert line.token_id


@pytest.mark.parametrize("path", ["/v1/tools/call", "/v1/session/mutate"])
async def test_a_call_into_a_foreign_workspace_stands_in_the_audit_log(
    served: Served, path: str
) -> None:
    scopes = frozenset({Scope.SEARCH, Scope.SESSION_MUTATIONS})
    grant = Grant("ci", scopes, workspaces=frozenset({"ours"}))
    text, token = await served.world.registry.tokens.mint(grant, OWNER)
    body = {**SEARCH, "workspaceId": "theirs"}
    response = await served.http.post(path, json=body, headers=bearing(text))
    assert response.json()["error_code"] == "unknown_workspace"
    [line] = await served.world.registry.recorder.since(0)
    assert (line.operation, line.token_id, line.workspace) == (path, token.id, "theirs")
    assert (line.allowed, line.outcome) == (False, "unknown_workspace")


@pytest.fixture
def look_ups(sqlite_world: World) -> Iterator[list[str]]:
    seen: list[str] = []
    engine = sqlite_world.registry.journal.database._readers.sync_engine

    def note(connection: object, cursor: object, statement: str, *rest: object) -> None:
        if "FROM tokens" in statement:
            seen.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    yield seen
    event.remove(engine, "before_cursor_execute", note)


async def test_invented_tokens_are_bounded_by_address_and_so_are_their_look_ups(
    sqlite_world: World, look_ups: list[str]
) -> None:
    limits = Limits(requests_per_second=0.001, burst=5)
    async with Served.inside(sqlite_world, EVERYBODY, limits, peer="192.0.2.1") as served:
        good = await served.token()
        statuses = [
            (await call(served, **bearing(f"ctxp_{number:043}"))).status_code
            for number in range(30)
        ]
        assert statuses == [401] * 5 + [429] * 25
        assert len(look_ups) == 5
    async with Served.inside(sqlite_world, EVERYBODY, limits, peer="192.0.2.2") as served:
        assert (await call(served, **bearing(good))).status_code == 200


async def test_who_sends_no_token_keeps_nobody_behind_the_same_proxy_from_being_found(
    sqlite_world: World,
) -> None:
    limits = Limits(requests_per_second=0.001, burst=5)
    async with Served.inside(sqlite_world, EVERYBODY, limits, peer="192.0.2.1") as served:
        good = await served.token()
        statuses = [(await call(served)).status_code for _ in range(6)]
        assert statuses == [401] * 5 + [429]
        assert (await call(served, **bearing(good))).status_code == 200


async def test_a_request_looks_its_token_up_once_where_anything_was_written(
    sqlite_world: World, look_ups: list[str]
) -> None:
    async with Served.inside(sqlite_world, EVERYBODY, FAST) as served:
        token = await served.token()
        for number in (1, 2):
            await sqlite_world.mint("acme")
            await call(served, **bearing(token))
            assert len(look_ups) == number


def test_the_latest_tokens_are_known() -> None:
    known = Known(most=2)
    for digest in ("a", "b", "a", "c"):
        known.add(digest)
    assert [digest in known for digest in ("a", "b", "c", "")] == [True, False, True, False]
    known.discard("a")
    known.discard("never seen")
    assert "a" not in known
