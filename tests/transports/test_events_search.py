"""Searching the log, following causes, and summing a channel up: over HTTP, in this process."""

from __future__ import annotations

import asyncio
import threading
from typing import Any
from urllib.parse import quote

import pytest

from registry_core.callers import OWNER, Scope
from registry_core.events import Draft, Event, redaction, search
from registry_core.events.kinds import EventKind
from registry_core.events.redaction import Detail
from registry_core.events.search import EventQuery
from registry_core.tokens import Grant
from served import Served
from world import World


async def record(served: Served, *drafts: Draft) -> list[int]:
    return await served.world.registry.journal.record(*drafts)


def fact(
    key: str,
    value: str = "",
    agent: str = "agent-a",
    *,
    category: str = "architecture",
    **more: Any,
) -> Draft:
    payload = {
        "tool": "knowledge_remember",
        "action": "remember",
        "category": category,
        "key": key,
        "knowledge_value": value,
    }
    place = {name: more.pop(name) for name in ("workspace", "channel") if name in more}
    return Draft(EventKind.KNOWLEDGE_REMEMBERED, agent, payload | more, **place)


async def watcher(served: Served, *scopes: Scope) -> str:
    grant = Grant("test", frozenset(scopes or {Scope.EVENTS}))
    text, _ = await served.world.registry.tokens.mint(grant, OWNER)
    return text


async def found(served: Served, query: str, token: str = "") -> list[int]:
    response = await served.get(f"/v1/events/search?{query}", token)
    assert response.status_code == 200, response.text
    said = response.json()
    assert list(said) == ["query", "results", "count"]
    assert said["count"] == len(said["results"])
    return [event["id"] for event in said["results"]]


async def test_every_word_has_to_be_there_and_the_best_come_first(served: Served) -> None:
    long, best, other = await record(
        served,
        fact("auth-strategy", reasoning="We strategise about authentication. " + "And more. " * 50),
        fact("auth-strategy"),
        fact("auth-tokens"),
    )
    assert await found(served, "q=auth+strategy") == [best, long]
    assert set(await found(served, "q=AUTH")) == {long, best, other}
    assert await found(served, "q=auth+nothing") == []
    [result, _] = (await served.get("/v1/events/search?q=auth+strategy")).json()["results"]
    assert result["payload"]["key"] == "auth-strategy"
    assert result["payload"]["knowledge_value"] == "[redacted]"


async def test_what_was_written_a_moment_ago_is_found(served: Served) -> None:
    assert await found(served, "q=strategy") == []
    first = await record(served, fact("strategy"))
    assert await found(served, "q=strategy") == first
    second = await record(served, fact("strategy"))
    assert set(await found(served, "q=strategy")) == {*first, *second}


@pytest.mark.parametrize(
    "text",
    [
        '"',
        '"auth',
        "auth*",
        "auth AND",
        "NEAR(auth",
        "summary:auth",
        "full : auth",
        "-auth",
        "(auth",
        "auth OR zzz",
        "^auth",
        "{refs_only summary} : auth",
        "'; drop table words; --",
        "auth\x00",
        '* ( ) " : ^ - +',
        "ａｕｔｈ",
        "🦀",
        "\ud800",
        "x" * 1000,
        "a " * 500,
    ],
)
async def test_no_character_of_a_query_language_means_anything(served: Served, text: str) -> None:
    await record(served, fact("auth"))
    encoded = quote(text.encode(errors="surrogatepass"))
    response = await served.get(f"/v1/events/search?q={encoded}")
    assert response.status_code == 200, response.text
    assert response.json()["count"] in {0, 1}


async def test_words_are_found_with_their_signs_and_without(served: Served) -> None:
    ids = await record(served, fact("ctx_read:v2"))
    for text in ("ctx_read", "ctx+read", "CTX_READ:V2", "v2"):
        assert await found(served, f"q={text}") == ids
    assert await found(served, "q=read_ctx") == []


@pytest.mark.parametrize("query", ["", "q=", "q=%20%20", "q=" + "x" * 1001, "q=a&limit=x"])
async def test_a_search_for_nothing_is_400(served: Served, query: str) -> None:
    response = await served.get(f"/v1/events/search?{query}")
    assert (response.status_code, response.json()["error_code"]) == (400, "invalid_arguments")


async def test_results_are_limited(served: Served) -> None:
    await record(served, *[fact("auth")] * 120)
    for query, count in (("", 20), ("&limit=3", 3), ("&limit=0", 1), ("&limit=999", 100)):
        assert len(await found(served, f"q=auth{query}")) == count


async def test_a_search_stays_in_its_workspace_and_may_stay_in_a_channel(served: Served) -> None:
    here, there, _ = await record(
        served,
        fact("auth", workspace="my-team", channel="feat/auth"),
        fact("auth", workspace="my-team"),
        fact("auth"),
    )
    assert set(await found(served, "q=auth&workspaceId=my-team")) == {here, there}
    assert await found(served, "q=auth&workspaceId=my-team&channelId=feat/auth") == [here]
    assert await found(served, "q=auth&workspaceId=nobodys") == []
    kinds = "workspaceId=my-team&channel=feat/auth&kind=session_mutated"
    assert await found(served, f"q=auth&{kinds}") == []


async def test_nobody_finds_an_event_by_words_that_the_answer_hides(served: Served) -> None:
    [secret] = await record(served, fact("auth", "the sesame phrase"))
    auditor = await watcher(served, Scope.EVENTS, Scope.AUDIT)
    plain = await watcher(served)
    for token, query, ids in (
        (plain, "q=sesame", []),
        (auditor, "q=sesame", []),
        (auditor, "q=sesame&detail=full", [secret]),
        (plain, "q=redacted", []),
        (plain, "q=auth", [secret]),
        (plain, "q=auth&detail=refs_only", []),
        (plain, "q=knowledge_remember&detail=refs_only", [secret]),
    ):
        assert await found(served, query, token) == ids, query
    denied = await served.get("/v1/events/search?q=sesame&detail=full", plain)
    assert (denied.status_code, denied.json()["error_code"]) == (403, "scope_denied")


async def test_private_events_are_found_by_their_namespace_alone(served: Served) -> None:
    await served.world.publish("@acme/sesame", private=True)
    assert await found(served, "q=sesame", await watcher(served)) == []
    assert len(await found(served, "q=sesame")) == 1


async def test_the_index_is_built_again_where_it_is_lost_damaged_or_of_another_log(
    sqlite_world: World,
) -> None:
    url = f"sqlite+aiosqlite:///{sqlite_world.folder / 'registry.sqlite3'}"
    file = sqlite_world.folder / "events.sqlite3"
    async with Served.inside(sqlite_world) as served:
        ids = await record(served, fact("auth"), fact("auth"))
        assert set(await found(served, "q=auth")) == set(ids)
    await sqlite_world.registry.event_index.close()
    for damage in (b"", b"no database at all" * 100, None):
        file.unlink() if damage is None else file.write_bytes(damage)
        async with World.open(url, sqlite_world.folder) as again, Served.inside(again) as served:
            assert set(await found(served, "q=auth")) == set(ids)
    other = f"sqlite+aiosqlite:///{sqlite_world.folder / 'other.sqlite3'}"
    async with World.open(other, sqlite_world.folder) as again, Served.inside(again) as served:
        assert await found(served, "q=auth") == []


async def test_the_index_serves_a_log_in_postgresql(world: World) -> None:
    async with Served.inside(world) as served:
        ids = await record(served, fact("auth-strategy"))
        assert await found(served, "q=strategy") == ids


# --- lineage


async def test_a_lineage_is_what_caused_an_event_from_child_to_root(served: Served) -> None:
    kind = EventKind.SESSION_MUTATED
    [root] = await record(served, Draft(kind, "a", {"action": "save", "arguments": "secret"}))
    [middle] = await record(served, Draft(kind, "a", {}, parent_id=root))
    [leaf, _] = await record(served, Draft(kind, "a", {}, parent_id=middle), Draft(kind))
    said = (await served.get(f"/v1/events/lineage?id={leaf}")).json()
    assert list(said) == ["eventId", "depth", "chain"]
    assert (said["eventId"], said["depth"]) == (leaf, 3)
    assert [event["id"] for event in said["chain"]] == [leaf, middle, root]
    assert [event["parentId"] for event in said["chain"]] == [middle, root, None]
    assert said["chain"][-1]["payload"] == {"action": "save", "arguments": "[redacted]"}
    for depth, count in (("1", 1), ("2", 2), ("0", 1), ("999", 3)):
        said = (await served.get(f"/v1/events/lineage?id={leaf}&depth={depth}")).json()
        assert said["depth"] == len(said["chain"]) == count


async def test_a_lineage_is_20_long_and_50_at_most(served: Served) -> None:
    last = None
    for _ in range(60):
        [last] = await record(served, Draft(EventKind.GRAPH_BUILT, parent_id=last))
    for query, count in (("", 20), ("&depth=50", 50), ("&depth=51", 50)):
        said = (await served.get(f"/v1/events/lineage?id={last}{query}")).json()
        assert said["depth"] == count


async def test_an_event_that_is_not_there_has_no_lineage(served: Served) -> None:
    for number in (10**6, 0, -1, 10**17):
        response = await served.get(f"/v1/events/lineage?id={number}")
        assert response.status_code == 200
        assert response.json() == {"eventId": number, "depth": 0, "chain": []}


@pytest.mark.parametrize("query", ["", "id=", "id=x", "id=1.5", "id=" + "9" * 30, "id=1&depth=-1"])
async def test_a_bad_id_is_400(served: Served, query: str) -> None:
    response = await served.get(f"/v1/events/lineage?{query}")
    assert (response.status_code, response.json()["error_code"]) == (400, "invalid_arguments")


async def test_a_lineage_ends_at_what_the_caller_may_not_see(served: Served) -> None:
    kind = EventKind.PACKAGE_PUBLISHED
    [root] = await record(served, Draft(kind))
    [hidden] = await record(served, Draft(kind, namespace="acme", private=True, parent_id=root))
    [leaf] = await record(served, Draft(kind, parent_id=hidden))
    [foreign] = await record(served, Draft(kind, workspace="other", parent_id=leaf))
    token = await watcher(served)
    for number, place, count in (
        (leaf, "", 1),
        (hidden, "", 0),
        (root, "", 1),
        (foreign, "", 0),
        (foreign, "&workspaceId=other", 1),
    ):
        response = await served.get(f"/v1/events/lineage?id={number}{place}", token)
        assert response.json()["depth"] == count
    assert (await served.get(f"/v1/events/lineage?id={leaf}")).json()["depth"] == 3


# --- summary


async def test_a_channel_is_summed_up(served: Served) -> None:
    place = {"workspace": "my-team", "channel": "feat/auth"}
    reasoning = "JWT preferred for scaling"
    await record(
        served,
        Draft(EventKind.TOOL_CALL_RECORDED, "agent-a", {"tool": "ctx_read"}, **place),
        fact("auth-strategy", "JWT", "agent-a", **place),
        fact("auth-strategy", "opaque", "agent-b", reasoning=reasoning, **place),
        fact("naming", "x", "agent-b", **place),
        Draft(
            EventKind.SESSION_MUTATED,
            "agent-c",
            {"tool": "ctx_session", "action": "save", "arguments": {"secret": 1}},
            **place,
        ),
        fact("elsewhere"),
    )
    response = await served.get("/v1/context/summary?workspaceId=my-team&channelId=feat/auth")
    said = response.json()
    assert list(said) == [
        "workspaceId",
        "channelId",
        "totalEvents",
        "latestVersion",
        "activeAgents",
        "recentDecisions",
        "knowledgeDelta",
        "conflictAlerts",
        "eventCountsByKind",
        "limit",
    ]
    assert (said["workspaceId"], said["channelId"]) == ("my-team", "feat/auth")
    assert (said["totalEvents"], said["latestVersion"], said["limit"]) == (5, 5, 100)
    assert said["activeAgents"] == ["agent-a", "agent-b", "agent-c"]
    assert [(d["agent"], d["tool"], d["action"]) for d in said["recentDecisions"]] == [
        ("agent-a", "knowledge_remember", "remember"),
        ("agent-b", "knowledge_remember", "remember"),
        ("agent-b", "knowledge_remember", "remember"),
        ("agent-c", "ctx_session", "save"),
    ]
    assert said["recentDecisions"][1]["reasoning"] == reasoning
    assert list(said["knowledgeDelta"][0]) == ["category", "key", "agent", "timestamp"]
    assert [d["key"] for d in said["knowledgeDelta"]] == ["auth-strategy"] * 2 + ["naming"]
    assert said["conflictAlerts"] == [
        {"category": "architecture", "key": "auth-strategy", "agents": ["agent-a", "agent-b"]}
    ]
    assert said["eventCountsByKind"] == {
        "tool_call_recorded": 1,
        "knowledge_remembered": 3,
        "session_mutated": 1,
    }
    for hidden in ('JWT"', "opaque", "secret"):
        assert hidden not in response.text


async def test_a_summary_counts_everything_and_reads_the_newest(served: Served) -> None:
    await record(served, *(fact(f"k{n}", agent=f"agent-{n % 3}") for n in range(30)))
    for limit, shown in ((1, 1), (5, 5), (0, 1), (9999, 500)):
        said = (await served.get(f"/v1/context/summary?limit={limit}")).json()
        assert (said["totalEvents"], said["limit"]) == (30, shown)
        assert len(said["knowledgeDelta"]) == min(shown, 30)
        assert said["knowledgeDelta"][-1]["key"] == "k29"
        assert len(said["recentDecisions"]) == min(shown, 10)
    await record(served, fact("one more"))
    assert (await served.get("/v1/context/summary")).json()["totalEvents"] == 31


async def test_an_empty_channel_is_summed_up_too(served: Served) -> None:
    said = (await served.get("/v1/context/summary?channel=nobody")).json()
    assert (said["totalEvents"], said["latestVersion"], said["eventCountsByKind"]) == (0, 0, {})


async def test_a_summary_does_not_count_what_the_caller_may_not_see(served: Served) -> None:
    await served.world.publish("@acme/plan", private=True)
    said = (await served.get("/v1/context/summary", await watcher(served))).json()
    assert "package_published" not in said["eventCountsByKind"]
    said = (await served.get("/v1/context/summary")).json()
    assert said["eventCountsByKind"]["package_published"] == 1


async def test_search_and_lineage_need_events_and_a_summary_search_or_events(
    served: Served,
) -> None:
    token = await watcher(served, Scope.SEARCH)
    for path, status in (
        ("/v1/events/search?q=x", 403),
        ("/v1/events/lineage?id=1", 403),
        ("/v1/context/summary", 200),
    ):
        assert (await served.get(path, token)).status_code == status
    token = await watcher(served, Scope.AUDIT)
    assert (await served.get("/v1/context/summary", token)).status_code == 403


async def test_a_summary_does_not_tell_whether_the_newest_events_are_private(
    served: Served,
) -> None:
    await record(served, fact("auth"), fact("auth", agent="agent-b"))
    await served.world.publish("@acme/secret", private=True)
    said = (await served.get("/v1/context/summary?limit=1", await watcher(served))).json()
    assert (said["latestVersion"], said["activeAgents"]) == (2, ["agent-b"])


async def test_a_search_that_is_given_up_does_not_disturb_the_next(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy, over = threading.Event(), threading.Event()

    def slowly(event: Event, detail: Detail) -> str:
        if not busy.is_set():  # the first search is given up here, in the midst of a transaction
            busy.set()
            over.wait(0.2)  # the next one is over before, if it does not wait for this
        return redaction.words(event, detail)

    monkeypatch.setattr(search, "words", slowly)
    ids = await record(served, fact("walrus", agent="agent-b"), fact("other"))
    index = served.world.registry.event_index
    asked = asyncio.create_task(index.search(EventQuery(text="walrus", workspace="default")))
    await asyncio.to_thread(busy.wait)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    next_one = asyncio.create_task(served.get("/v1/events/search?q=walrus"))
    next_one.add_done_callback(lambda _: over.set())
    assert [event["id"] for event in (await next_one).json()["results"]] == ids[:1]
    assert await found(served, "q=other") == ids[1:]
