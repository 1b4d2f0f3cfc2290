"""Verified domains through ctxpkg's API, with a real DNS and a real web server to look at."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from sqlalchemy import select

import internet
from dialects.requirements import claims
from registry_core.callers import OWNER, Scope
from registry_core.domains import MOST_DOMAINS, Domains, parse_domain
from registry_core.errors import Invalid
from registry_core.events.kinds import EventKind
from registry_core.schema import log_leaves
from served import EVERYBODY, Served, bearing
from transports.dialects.ctxpkg_account.domains import MOST_CHECKS
from world import World

DOMAINS = "/api/v1/account/namespaces/acme/domains"
ONE = f"{DOMAINS}/acme.example"
PROFILE = "/api/v1/publishers/acme/index.json"


@pytest.fixture
async def net() -> AsyncIterator[internet.World]:
    async with internet.running("acme.example") as running:
        yield running


@pytest.fixture
async def served(sqlite_world: World, net: internet.World) -> AsyncIterator[Served]:
    registry = sqlite_world.registry
    looking = replace(registry, domains=Domains(registry.journal, net.seen))
    async with Served.inside(World(looking, sqlite_world.folder), EVERYBODY) as inside:
        yield inside


async def ada(served: Served, namespace: str = "acme") -> dict[str, str]:
    """Let ada manage a namespace; return her token as a header."""
    text, account = await served.world.account("ada")
    await served.world.registry.accounts.give(namespace, account.handle, OWNER)
    return bearing(text)


async def ask(served: Served, who: dict[str, str], domain: str = "acme.example") -> Any:
    asked = await served.http.post(DOMAINS, json={"domain": domain}, headers=who)
    assert asked.status_code == 201, asked.text
    return asked.json()


async def check(served: Served, who: dict[str, str]) -> Any:
    checked = await served.http.post(f"{ONE}/check", headers=who)
    assert checked.status_code == 200, checked.text
    return checked.json()


async def profile(served: Served) -> Any:
    return (await served.get(PROFILE)).json()


async def test_a_domain_is_verified_by_a_record_and_shown_in_the_profile(
    served: Served, net: internet.World
) -> None:
    who = await ada(served)
    await served.world.publish("@acme/review")
    asked = await ask(served, who, " Acme.Example. ")
    assert (asked["domain"], asked["verified"]) == ("acme.example", False)
    assert asked["txt"]["name"] == "_ctxpkg.acme.example"
    shown = await profile(served)
    assert (shown["verified_domains"], shown["packages"][0]["verified"]) == ([], False)
    net.names.records["_ctxpkg.acme.example", "TXT"] = ['"v=spf1"', f'"{asked["txt"]["value"]}"']
    checked = await check(served, who)
    assert (checked["verified"], checked["problems"]) == (True, [])
    shown = await profile(served)
    assert shown["verified_domains"] == ["acme.example"]
    assert shown["packages"][0]["verified"] is True
    for path in ("/api/v1/index.json", "/api/v1/search?q=review"):
        listed = (await served.get(path)).json()
        assert [one["verified"] for one in listed.get("packages") or listed["results"]] == [True]
    assert not net.requests


async def test_a_domain_is_verified_by_a_file_as_well(served: Served, net: internet.World) -> None:
    who = await ada(served)
    asked = await ask(served, who)
    where = asked["well_known"]
    assert where["url"] == "https://acme.example/.well-known/ctxpkg-verification.txt"
    net.says(f"# ours\n{where['content']}\n")
    assert (await check(served, who))["verified"] is True


async def test_what_is_not_found_is_said_and_changes_nothing(
    served: Served, net: internet.World
) -> None:
    who = await ada(served)
    asked = await ask(served, who)
    wrong = asked["txt"]["value"].replace("=acme:", "=other:")
    net.names.records["_ctxpkg.acme.example", "TXT"] = [f'"{wrong}"', '"ctxpkg-verification=acme:"']
    net.says(asked["txt"]["value"][:-1])
    checked = await check(served, who)
    assert checked["verified"] is False
    assert [problem.rpartition(": ")[2] for problem in checked["problems"]] == ["no such line"] * 2
    net.names.broken.add("_ctxpkg.acme.example")
    del net.names.records["_ctxpkg.acme.example", "TXT"]
    net.says("", status="500 Broken")
    dns, page = (await check(served, who))["problems"]
    assert "the DNS does not answer" in dns
    assert "it answers 500" in page


async def test_each_namespace_and_owner_has_a_line_of_its_own(served: Served) -> None:
    who = await ada(served)
    first = await ask(served, who)
    assert await ask(served, who) == first
    await served.world.registry.accounts.give("acme", "ada", OWNER)
    assert (await served.http.get(DOMAINS, headers=who)).json() == {"domains": []}
    assert (await ask(served, who))["txt"] != first["txt"]


async def test_another_owner_does_not_inherit_what_was_verified(
    served: Served, net: internet.World
) -> None:
    who = await ada(served)
    await served.world.publish("@acme/review")
    line = (await ask(served, who))["txt"]["value"]
    net.names.records["_ctxpkg.acme.example", "TXT"] = [f'"{line}"']
    await check(served, who)
    assert (await profile(served))["verified_domains"] == ["acme.example"]
    _, bob = await served.world.account("bob")
    await served.world.registry.accounts.give("acme", bob.handle, OWNER)
    assert (await profile(served))["verified_domains"] == []


async def test_a_domain_is_removed(served: Served, net: internet.World) -> None:
    who = await ada(served)
    await served.world.publish("@acme/review")
    line = (await ask(served, who))["txt"]["value"]
    net.names.records["_ctxpkg.acme.example", "TXT"] = [f'"{line}"']
    await check(served, who)
    before = await served.get(PROFILE)
    gone = await served.http.delete(ONE, headers=who)
    assert gone.status_code == 204
    after = await served.get(PROFILE, if_none_match=before.headers["etag"])
    assert (after.status_code, after.json()["verified_domains"]) == (200, [])
    for method, path in (("DELETE", ONE), ("POST", f"{ONE}/check")):
        assert (await served.http.request(method, path, headers=who)).status_code == 404
    async with served.world.registry.journal.database.read() as connection:
        kinds = (await connection.execute(select(log_leaves.c.kind))).scalars().all()
    assert kinds[-2:] == [EventKind.DOMAIN_VERIFIED.value, EventKind.DOMAIN_REMOVED.value]


async def test_what_is_asked_for_and_private_is_told_to_nobody_else(served: Served) -> None:
    who = await ada(served)
    await served.world.publish("@acme/plans", private=True)
    await ask(served, who)
    await served.http.delete(ONE, headers=who)
    assert (await served.get(PROFILE)).status_code == 404
    async with served.world.registry.journal.database.read() as connection:
        leaves = (await connection.execute(select(log_leaves.c.leaf))).scalars().all()
    assert b"acme.example" not in b"".join(leaves)


@claims("ctxpkg.publisher.profile")
async def test_a_profile_has_what_is_public_and_can_be_kept(served: Served) -> None:
    await ada(served)
    await served.world.publish("@acme/review")
    await served.world.publish("@acme/plans", private=True)
    shown = await served.get(PROFILE)
    [item] = shown.json()["packages"]
    assert item == (await served.get("/api/v1/index.json")).json()["packages"][0]
    assert shown.json()["namespace"] == "acme"
    assert shown.headers["cache-control"] == "public, max-age=300"
    assert (await served.get(PROFILE, if_none_match=shown.headers["etag"])).status_code == 304
    assert (await served.get("/api/v1/publishers/nobody/index.json")).status_code == 404


async def test_only_who_manages_a_namespace_sees_and_changes_its_domains(served: Served) -> None:
    who = await ada(served)
    await ask(served, who)
    eve, _ = await served.world.account("eve")
    weak, _ = await served.world.account("ada", Scope.PUSH)
    narrow, _ = await served.world.account("ada", namespace="ada")
    revoked, _ = await served.world.account("late", expires_at=served.world.registry.clock())
    asks = [("GET", DOMAINS), ("POST", DOMAINS), ("POST", f"{ONE}/check"), ("DELETE", ONE)]
    for text, status in (
        *((text, 403) for text in (eve, weak, narrow, await served.token("acme"))),
        *((text, 401) for text in ("", "ctxp_" + "x" * 43, revoked)),
    ):
        for method, path in asks:
            body = {"domain": "evil.example"}
            refused = await served.http.request(method, path, json=body, headers=bearing(text))
            assert refused.status_code == status, (text, method, path)
            assert isinstance(refused.json()["error"], str)
    assert len((await served.http.get(DOMAINS, headers=who)).json()["domains"]) == 1


async def test_domains_and_checks_are_counted(served: Served) -> None:
    who = await ada(served)
    for number in range(MOST_DOMAINS):
        await ask(served, who, f"acme-{number}.example")
    more = await served.http.post(DOMAINS, json={"domain": "more.example"}, headers=who)
    assert more.status_code == 409
    path = f"{DOMAINS}/acme-0.example/check"
    checks = [(await served.http.post(path, headers=who)).status_code for _ in range(31)]
    assert checks == [200] * MOST_CHECKS + [429]


async def test_answers_are_what_the_document_says(served: Served) -> None:
    who = await ada(served)
    document = (await served.get("/openapi.json")).json()["paths"]
    there = "/api/v1/account/namespaces/{ns}/domains"
    for method, path, template in (
        ("POST", DOMAINS, there),
        ("GET", DOMAINS, there),
        ("POST", f"{ONE}/check", f"{there}/{{domain}}/check"),
    ):
        body = {"domain": "acme.example"} if template == there else None
        answer = await served.http.request(method, path, json=body, headers=who)
        described = document[template][method.lower()]["responses"][str(answer.status_code)]
        schema = described["content"]["application/json"]["schema"]
        Draft202012Validator(schema).validate(answer.json())


@pytest.mark.parametrize(
    "text",
    [
        *("", "acme", "localhost", "127.0.0.1", "[::1]", "https://acme.example", "a b.example"),
        *("acme.example/x", "acme.example:443", "-a.example", "é.example", "_x.example", "a..b"),
        *("acme.1", "a" * 64 + ".example", ".".join(["a" * 60] * 5)),
    ],
)
def test_what_is_no_domain_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        parse_domain(text)
