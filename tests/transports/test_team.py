"""Sessions and knowledge over HTTP: who gets in, where a request takes place, what is answered."""

from __future__ import annotations

import asyncio
import json

import httpx
import pytest

from registry_core.callers import OWNER, Scope
from registry_core.events.kinds import EventKind
from registry_core.sessions import MOST_STATE
from registry_core.tokens import Grant
from served import EVERYBODY, Served, bearing
from world import World

GITHUB = "ghp_" + "a8Kd03jfQpLzX71mNvBt" * 2


@pytest.fixture
async def served(sqlite_world: World):
    async with Served.inside(sqlite_world, EVERYBODY) as inside:
        yield inside


async def token(served: Served, *workspaces: str, role: str = "member", scopes=()) -> str:
    grant = Grant(
        "agent",
        frozenset(scopes),
        role="" if scopes else role,
        workspaces=frozenset(workspaces) or None,
    )
    text, _ = await served.world.registry.tokens.mint(grant, OWNER)
    return text


async def post(served: Served, path: str, holder: str, **body) -> httpx.Response:
    return await served.http.post(path, json=body, headers=bearing(holder))


async def mutate(served: Served, holder: str, **body) -> httpx.Response:
    return await post(served, "/v1/session/mutate", holder, **body)


async def remember(served: Served, holder: str, **body) -> httpx.Response:
    return await post(served, "/v1/knowledge/remember", holder, **body)


def envelope(response: httpx.Response) -> tuple[int, str]:
    said = response.json()
    assert set(said) == {"error", "error_code", "code", "hint"}
    return response.status_code, said["error_code"]


async def test_a_session_is_changed_read_and_listed_where_the_request_says(served: Served) -> None:
    holder = await token(served, "my-team")
    changed = await mutate(
        served,
        holder,
        workspaceId="my-team",
        channelId="feat/auth",
        action="save",
        state={"todo": ["tests"]},
        expectedVersion=0,
        reasoning="Auth refactor checkpoint",
    )
    assert changed.status_code == 200
    said = changed.json()
    assert list(said) == [
        "workspaceId",
        "channelId",
        "version",
        "state",
        "updatedAt",
        "updatedBy",
        "asOf",
        "notes",
    ]
    for address in (
        "/v1/session?workspaceId=my-team&channel=feat/auth",
        "/v1/session?workspaceId=my-team&channelId=feat/auth",
    ):
        read = (await served.get(address, holder)).json()
        assert {**read, "asOf": 0} == {**said, "asOf": 0}
    assert read["state"] == {"todo": ["tests"]}
    listed = await served.get("/v1/session/list", holder, x_leanctx_workspace="my-team")
    assert listed.json() == {
        "workspaceId": "my-team",
        "sessions": [
            {
                "channelId": "feat/auth",
                "version": 1,
                "updatedAt": said["updatedAt"],
                "updatedBy": said["updatedBy"],
            }
        ],
        "total": 1,
        "next": "",
    }
    assert listed.headers["cache-control"] == "no-store"


async def test_a_fact_is_remembered_contradicted_and_found(served: Served) -> None:
    first, second = await token(served), await token(served)
    fact = {"category": "auth", "key": "strategy", "value": "JWT", "confidence": 0.9}
    done = (await remember(served, first, **fact, workspaceId="w", channelId="c")).json()
    assert list(done) == ["workspaceId", "outcome", "fact", "superseded", "asOf", "notes"]
    assert (done["workspaceId"], done["outcome"], done["superseded"]) == ("w", "remembered", None)
    assert list(done["fact"]) == [
        "category",
        "key",
        "value",
        "confidence",
        "channelId",
        "rememberedAt",
        "rememberedBy",
        "note",
    ]
    other = await remember(
        served, second, **fact | {"value": "PASETO"}, workspaceId="w", channel="c"
    )
    assert other.json()["outcome"] == "superseded"
    assert other.json()["superseded"] == done["fact"]
    assert other.json()["notes"][0].startswith("[CONFLICT] token:")
    queried = await served.get(
        "/v1/knowledge/search?q=auth+strategy&workspaceId=w&channel=c&limit=5", first
    )
    for found in (
        queried,
        await served.get("/v1/knowledge/search?query=strategy&workspaceId=w", first),
        await post(served, "/v1/knowledge/search", first, query="strategy", workspaceId="w"),
        await post(served, "/v1/knowledge/search", first, q="strategy", workspaceId="w", limit=1),
    ):
        said = found.json()
        assert list(said) == ["workspaceId", "results", "count", "total", "asOf", "notes"]
        assert (said["count"], said["total"]) == (1, 1)
        assert said["results"][0]["value"] == "PASETO"
    elsewhere = await served.get("/v1/knowledge/search?q=auth&workspaceId=w&channel=d", first)
    assert elsewhere.json()["results"] == []
    everything = await post(served, "/v1/knowledge/search", first, workspaceId="w")
    assert everything.json()["total"] == 1


async def test_one_place_sees_nothing_of_another(served: Served) -> None:
    ours, theirs = await token(served, "a"), await token(served, "b")
    await mutate(served, ours, workspaceId="a", state={"secret": "of a"})
    await remember(served, ours, workspaceId="a", key="secret", value="of a")
    for path in ("/v1/session", "/v1/session/list", "/v1/knowledge/search?q=secret"):
        said = await served.get(path, theirs, x_leanctx_workspace="b")
        assert said.status_code == 200
        assert "of a" not in said.text
        refused = await served.get(path, theirs, x_leanctx_workspace="a")
        assert envelope(refused) == (400, "unknown_workspace")
    for path in ("/v1/session/mutate", "/v1/knowledge/remember", "/v1/knowledge/search"):
        refused = await post(served, path, theirs, workspaceId="a")
        assert envelope(refused) == (400, "unknown_workspace")
    # An argument of the operation is no way around it.
    sneaky = await mutate(served, theirs, workspaceId="b", workspace="a", state={"x": 1})
    assert envelope(sneaky) == (403, "scope_denied")
    called = await post(
        served,
        "/v1/tools/call",
        theirs,
        name="session_get",
        arguments={"workspace": "a"},
        workspaceId="b",
    )
    assert envelope(called) == (403, "scope_denied")
    assert (await served.get("/v1/session?workspaceId=a", ours)).json()["version"] == 1


async def test_a_tool_call_takes_place_where_its_body_says(served: Served) -> None:
    holder = await token(served)
    body = {"workspaceId": "w", "channelId": "c"}
    changed = await post(
        served,
        "/v1/tools/call",
        holder,
        name="session_mutate",
        arguments={"state": {"a": 1}},
        **body,
    )
    assert changed.json()["structuredContent"]["version"] == 1
    read = (await served.get("/v1/session?workspaceId=w&channel=c", holder)).json()
    assert read["state"] == {"a": 1}
    again = await post(served, "/v1/tools/call", holder, name="session_get", **body)
    assert again.json()["structuredContent"]["state"] == {"a": 1}
    await mutate(served, holder, state={"a": 2}, **body)
    fresh = await post(served, "/v1/tools/call", holder, name="session_get", **body)
    assert fresh.json()["structuredContent"]["state"] == {"a": 2}, "no old answer is given"


@pytest.mark.parametrize(
    ("scope", "reads", "mutates", "remembers"),
    [
        (Scope.SEARCH, 200, 403, 403),
        (Scope.SESSION_MUTATIONS, 403, 200, 403),
        (Scope.KNOWLEDGE, 403, 403, 200),
        (Scope.EVENTS, 403, 403, 403),
    ],
)
async def test_each_address_has_its_scope(
    served: Served, scope: Scope, reads: int, mutates: int, remembers: int
) -> None:
    holder = await token(served, scopes=[scope])
    for path in ("/v1/session", "/v1/session/list", "/v1/knowledge/search"):
        assert (await served.get(path, holder)).status_code == reads
    assert (await post(served, "/v1/knowledge/search", holder, query="x")).status_code == reads
    assert (await mutate(served, holder, state={})).status_code == mutates
    assert (await remember(served, holder, key="k", value="v")).status_code == remembers


async def test_nobody_gets_in_without_a_token_of_the_team(served: Served) -> None:
    package_token = await served.token()
    for path in ("/v1/session", "/v1/session/list", "/v1/knowledge/search"):
        assert envelope(await served.get(path)) == (401, "unauthorized")
        assert envelope(await served.get(path, "lctx_t_" + "x" * 43)) == (401, "unauthorized")
        assert envelope(await served.get(path, package_token)) == (403, "scope_denied")
    for path in ("/v1/session/mutate", "/v1/knowledge/remember"):
        assert envelope(await post(served, path, "")) == (401, "unauthorized")
        body = {"state": {}} if path.endswith("mutate") else {"key": "k", "value": "v"}
        assert envelope(await post(served, path, package_token, **body)) == (403, "scope_denied")


async def test_a_stale_version_is_409_and_says_the_current_one(served: Served) -> None:
    holder = await token(served)
    await mutate(served, holder, state={"a": 1})
    refused = await mutate(served, holder, state={"a": 2}, expectedVersion=0)
    assert envelope(refused) == (409, "conflict")
    assert "is at version 1, not 0" in refused.json()["error"]


async def test_of_agents_that_race_over_http_none_is_lost(sqlite_world: World) -> None:
    async with Served.on_a_port(sqlite_world) as online:
        holder = await token(online)
        answers = await asyncio.gather(
            *(mutate(online, holder, state={f"a{n}": n}) for n in range(12)),
            *(remember(online, holder, key="k", value=f"{n}") for n in range(12)),
        )
        assert {answer.status_code for answer in answers} == {200}
        read = (await online.get("/v1/session", holder)).json()
        assert (read["version"], len(read["state"])) == (12, 12)
        outcomes = [answer.json()["outcome"] for answer in answers[12:]]
        assert sorted(outcomes) == ["remembered"] + ["superseded"] * 11


async def test_what_happens_is_in_the_log_with_its_cause(served: Served) -> None:
    holder = await token(served)
    place = {"workspaceId": "w", "channelId": "c"}
    first = (await mutate(served, holder, state={"a": 1}, reasoning="Start.", **place)).json()
    await mutate(served, holder, state={"a": 2}, **place)
    await mutate(served, holder, state={"a": 3}, parentId=first["asOf"], **place)
    await remember(served, holder, key="k", value="v", **place)
    await remember(served, holder, key="k", value="w", **place)
    registry = served.world.registry
    await registry.recorder.flush()
    events = [e for e in await registry.journal.log.since(0) if e.workspace == "w"]
    assert {event.channel for event in events} == {"c"}
    mutated = [e for e in events if e.kind is EventKind.SESSION_MUTATED]
    assert [e.parent_id for e in mutated] == [None, mutated[0].id, mutated[0].id]
    facts = [e for e in events if e.kind is EventKind.KNOWLEDGE_REMEMBERED]
    assert [e.parent_id for e in facts] == [None, facts[0].id]
    called = [e.payload["tool"] for e in events if e.kind is EventKind.TOOL_CALL_RECORDED]
    assert called == ["session_mutate"] * 3 + ["knowledge_remember"] * 2


async def test_the_largest_state_fits_and_one_byte_more_does_not(served: Served) -> None:
    holder = await token(served)
    room = MOST_STATE - len('{"a":""}')
    text = "é" * (room // 2) + "x" * (room % 2)
    escaped = json.dumps({"state": {"a": text}, "action": "set"}).encode()
    assert len(escaped) > 2 * MOST_STATE
    headers = bearing(holder) | {"content-type": "application/json"}
    put = await served.http.post("/v1/session/mutate", content=escaped, headers=headers)
    assert put.status_code == 200
    assert (await served.get("/v1/session", holder)).json()["state"] == {"a": text}
    more = await mutate(served, holder, state={"a": text + "x"})
    assert envelope(more) == (413, "request_too_large")
    huge = await mutate(served, holder, state={"a": "x" * 3_000_000})
    assert envelope(huge) == (413, "request_too_large")


@pytest.mark.parametrize("path", ["/v1/session/mutate", "/v1/knowledge/remember"])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"state": {}, "state": {}}',
        b'{"state": {"a": NaN}}',
        b'{"state": ' + b'{"a":' * 100 + b"1" + b"}" * 100 + b"}",
        b'{"state": ' + b"[" * 10_000 + b"]" * 10_000 + b"}",
        b'{"state": "text"}',
        b'{"state": {"a": "\\ud800"}}',
        b'{"unknown": 1}',
        b'{"action": "drop", "key": "k", "value": ["v"]}',
        b'{"workspaceId": 5}',
        b'{"workspaceId": "a b"}',
        b'{"channelId": "../\\u0000"}',
        b'{"expectedVersion": -1, "key": ""}',
        b"\xff\xfe",
    ],
)
async def test_a_body_that_makes_no_sense_is_refused_in_the_envelope(
    served: Served, path: str, body: bytes
) -> None:
    holder = await token(served)
    headers = bearing(holder) | {"content-type": "application/json"}
    response = await served.http.post(path, content=body, headers=headers)
    status, code = envelope(response)
    assert status in {400, 413}
    assert code in {"invalid_request", "invalid_arguments", "request_too_large"}
    kinds = {event.kind for event in await served.world.registry.journal.log.since(0)}
    assert not kinds & {EventKind.SESSION_MUTATED, EventKind.KNOWLEDGE_REMEMBERED}


async def test_a_body_that_is_not_sent_as_json_is_415(served: Served) -> None:
    holder = await token(served)
    for path in ("/v1/session/mutate", "/v1/knowledge/remember", "/v1/knowledge/search"):
        response = await served.http.post(
            path, content=b'{"state": {}}', headers=bearing(holder) | {"content-type": "text/plain"}
        )
        assert envelope(response)[0] == 415


@pytest.mark.parametrize(
    "address",
    [
        "/v1/session?workspaceId=a%20b",
        "/v1/session?channel=" + "x" * 65,
        "/v1/session?seen=-1",
        "/v1/session?seen=x",
        "/v1/session?unknown=1",
        "/v1/session/list?limit=0",
        "/v1/session/list?limit=" + "9" * 30,
        "/v1/session/list?cursor=x",
        "/v1/knowledge/search?limit=-1",
        "/v1/knowledge/search?q=" + "x" * 1001,
        "/v1/knowledge/search?q=%00",
    ],
)
async def test_an_address_that_makes_no_sense_is_400(served: Served, address: str) -> None:
    status, code = envelope(await served.get(address, await token(served)))
    assert status == 400
    assert code in {"invalid_request", "invalid_arguments"}


async def test_the_wrong_method_is_405_in_the_envelope(served: Served) -> None:
    holder = await token(served)
    for path in ("/v1/session/mutate", "/v1/knowledge/remember"):
        response = await served.get(path, holder)
        assert (envelope(response)[0], response.headers["allow"]) == (405, "POST")
    assert envelope(await post(served, "/v1/session", holder))[0] == 405


async def test_a_secret_is_refused_and_not_repeated(served: Served) -> None:
    holder = await token(served)
    for answer in (
        await mutate(served, holder, state={"key": GITHUB}),
        await remember(served, holder, key="k", value=GITHUB),
    ):
        assert envelope(answer) == (400, "invalid_request")
        assert GITHUB not in answer.text
        assert "github_token" in answer.json()["error"]
