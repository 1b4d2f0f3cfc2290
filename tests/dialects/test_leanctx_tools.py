"""Tool calls: what a body may be, where a call takes place, and what is kept of the answers."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from registry_core.callers import OWNER, Scope
from registry_core.tokens import Grant
from served import Served, bearing

SEARCH = {"name": "search", "arguments": {"query": "review"}}


async def call(served: Served, body: object, token: str = "", **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await served.http.post("/v1/tools/call", json=body, headers=bearing(token) | named)


async def team(served: Served, *scopes: Scope, workspaces: frozenset[str] | None = None) -> str:
    grant = Grant("test", frozenset(scopes), workspaces=workspaces)
    text, _ = await served.world.registry.tokens.mint(grant, OWNER)
    return text


def hits(response: httpx.Response) -> list[str]:
    return [hit["ref"] for hit in response.json()["structuredContent"]["hits"]]


def known(response: httpx.Response) -> bool:
    hit: bool = response.json()["meta"]["cache_hit"]
    return hit


# --- bodies


@pytest.mark.parametrize(
    "content_type",
    ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"],
)
async def test_a_body_that_is_not_sent_as_json_is_415(served: Served, content_type: str) -> None:
    headers = {"content-type": content_type} if content_type else {}
    response = await served.http.post("/v1/tools/call", content=b"{}", headers=headers)
    assert response.status_code == 415
    assert response.json()["error_code"] == "unsupported_media_type"
    assert response.json()["hint"] == "Send `Content-Type: application/json`."


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "Application/JSON"])
async def test_json_is_known_by_its_type_however_it_is_written(
    served: Served, content_type: str
) -> None:
    headers = {"content-type": content_type}
    body = b'{"name":"search"}'
    response = await served.http.post("/v1/tools/call", content=body, headers=headers)
    assert response.status_code == 200


async def test_a_larger_body_is_read_like_a_small_one(served: Served) -> None:
    await served.world.publish("@acme/review")
    for blanks in (0, 5_000, 500_000):
        body = {"name": "search", "arguments": {"query": "review"}, "comment": " " * blanks}
        assert hits(await call(served, body)) == ["@acme/review@1.0.0"]


# --- places


async def last_place(served: Served) -> tuple[str, str]:
    lines = await served.world.registry.recorder.since(0)
    return lines[-1].workspace, lines[-1].channel


@pytest.mark.parametrize(
    ("body", "header", "query", "place"),
    [
        ({}, None, "", ("default", "default")),
        ({"workspaceId": "a", "channelId": "feat/auth"}, "b", "?workspaceId=c", ("a", "feat/auth")),
        ({"workspaceId": None}, "b", "?workspaceId=c&channelId=d", ("b", "d")),
        ({}, None, "?workspaceId=c&channel=d", ("c", "d")),
        ({"channelId": "d"}, "b", "?channelId=e", ("b", "d")),
    ],
)
async def test_a_place_is_read_from_body_header_and_query_in_this_order(
    served: Served, body: dict[str, Any], header: str | None, query: str, place: tuple[str, str]
) -> None:
    headers = {"x-leanctx-workspace": header} if header else {}
    path = f"/v1/tools/call{query}"
    response = await served.http.post(path, json=SEARCH | body, headers=headers)
    assert response.status_code == 200
    assert await last_place(served) == place


@pytest.mark.parametrize("name", ["", "a b", "a" * 65, "ä", "a\n", 1, ["a"], {}, True, "a?b"])
@pytest.mark.parametrize("field", ["workspaceId", "channelId"])
async def test_a_name_that_is_none_is_400(served: Served, field: str, name: object) -> None:
    response = await call(served, SEARCH | {field: name})
    assert response.status_code == 400
    assert response.json()["error_code"] == "invalid_arguments"
    assert response.json()["error"].startswith(field)
    assert await served.world.registry.recorder.since(0) == []


async def test_a_token_works_in_its_workspaces_alone(served: Served) -> None:
    token = await team(served, Scope.SEARCH, workspaces=frozenset({"ours"}))
    assert (await call(served, SEARCH, token, x_leanctx_workspace="ours")).status_code == 200
    for body in (SEARCH, SEARCH | {"workspaceId": "theirs"}):
        denied = await call(served, body, token)
        assert denied.status_code == 400
        assert denied.json()["error_code"] == "unknown_workspace"
        assert denied.json()["hint"] == "It opens ours."


# --- kept answers


async def test_the_same_call_again_is_answered_from_what_was_kept(served: Served) -> None:
    await served.world.publish("@acme/review")
    for name, arguments in (
        ("search", {"query": "review"}),
        ("inspect", {"ref": "@acme/review"}),
        ("trust", {"ref": "@acme/review"}),
        ("versions", {"name": "@acme/review"}),
        ("download", {"ref": "@acme/review"}),
    ):
        first, again = [
            await call(served, {"name": name, "arguments": arguments}) for _ in range(2)
        ]
        assert (known(first), known(again)) == (False, True)
        assert again.json()["structuredContent"] == first.json()["structuredContent"]
        assert again.json()["meta"]["tokens"] == first.json()["meta"]["tokens"]


async def test_the_same_arguments_in_another_order_are_the_same_call(served: Served) -> None:
    await call(served, {"name": "search", "arguments": {"query": "x", "limit": 3}})
    assert known(await call(served, {"arguments": {"limit": 3, "query": "x"}, "name": "search"}))
    assert not known(await call(served, {"name": "search", "arguments": {"query": "x"}}))


async def test_an_installation_or_a_verification_happens_each_time(served: Served) -> None:
    await served.world.publish("@acme/review")
    for body in (
        {"name": "verify", "arguments": {"target": "@acme/review"}},
        {"name": "install", "arguments": {"refs": ["@acme/review"]}},
    ):
        assert [known(await call(served, body)) for _ in range(2)] == [False, False]


async def test_a_change_to_a_package_makes_every_kept_answer_old(served: Served) -> None:
    assert hits(await call(served, SEARCH)) == []
    await served.world.publish("@acme/review")
    assert hits(await call(served, SEARCH)) == ["@acme/review@1.0.0"]
    await served.world.publish("@acme/review", "1.1.0")
    assert hits(await call(served, SEARCH)) == ["@acme/review@1.1.0"]
    yank = {"name": "yank", "arguments": {"ref": "@acme/review@1.1.0", "reason": "broken"}}
    assert (await call(served, yank)).status_code == 200
    assert hits(await call(served, SEARCH)) == ["@acme/review@1.0.0"]


async def test_nobody_is_given_what_was_kept_for_somebody_who_sees_more(served: Served) -> None:
    await served.world.publish("@acme/review", private=True)
    owner, ours = "", await served.token("acme", Scope.READ)
    theirs, nobody = await served.token("other", Scope.READ), await team(served, Scope.SEARCH)
    for _ in range(2):
        for token, found in ((owner, 1), (ours, 1), (theirs, 0), (nobody, 0)):
            assert len(hits(await call(served, SEARCH, token))) == found
    inspect = {"name": "inspect", "arguments": {"ref": "@acme/review"}}
    assert (await call(served, inspect, ours)).status_code == 200
    for token in (theirs, nobody):
        assert (await call(served, inspect, token)).json()["code"] == "not_found"


async def test_a_kept_answer_needs_the_scope_like_any_other(served: Served) -> None:
    assert (await call(served, SEARCH, await team(served, Scope.SEARCH))).status_code == 200
    denied = await call(served, SEARCH, await team(served, Scope.EVENTS))
    assert (denied.status_code, denied.json()["error_code"]) == (403, "scope_denied")


async def test_a_call_that_is_answered_again_is_written_down_like_the_first(
    served: Served,
) -> None:
    for channel in ("one", "two"):
        await call(served, SEARCH | {"channelId": channel})
    lines = await served.world.registry.recorder.since(0)
    assert [(line.operation, line.channel, line.outcome) for line in lines] == [
        ("search", "one", "ok"),
        ("search", "two", "ok"),
    ]
    assert len({line.arguments_sha256 for line in lines}) == 1
    events = await served.world.registry.journal.log.since(0)
    assert [(event.kind, event.channel) for event in events] == [
        ("tool_call_recorded", "one"),
        ("tool_call_recorded", "two"),
    ]


async def test_a_refusal_is_not_kept(served: Served) -> None:
    inspect = {"name": "inspect", "arguments": {"ref": "@acme/review"}}
    assert (await call(served, inspect)).status_code == 400
    await served.world.publish("@acme/review")
    assert (await call(served, inspect)).status_code == 200


async def test_tokens_are_estimated_from_what_an_agent_reads(served: Served) -> None:
    said = (await call(served, SEARCH)).json()
    assert said["meta"]["tokens"] == -(-len(said["content"][0]["text"]) // 4)
    assert said["meta"]["tokens_saved"] == 0
    assert said["result"]["_meta"] == said["meta"]
