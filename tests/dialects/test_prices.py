"""What is for sale: nobody has its content for nothing, by no road; who has paid has it by each."""

from __future__ import annotations

import base64
import io
import json
import tarfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import zstandard
from mcp_clients import speaking

import agents
import tools
from ctxmcp.settings import read as read_settings
from dialects.requirements import claims
from mail import MailServer
from registry_core import audit, stripe
from registry_core.callers import OWNER, Scope
from registry_core.errors import Invalid, PaymentRequired
from registry_core.operation import Operation
from registry_core.operations import CATALOG, invoke
from registry_core.registry import Registry
from served import EVERYBODY, Served, at, bearing
from world import World

SECRET = "whsec_" + "test"
SHOP = {
    "CTXMCP_BUY_URL": "https://shop.example/{ns}/{name}?client_reference_id={account}",
    "CTXMCP_WEBHOOK_SECRET": SECRET,
}
HOOK = "/api/v1/webhooks/stripe"
RECIPE = "quokka-77421"
"""Stands in everything that is paid for, and in nothing that describes it."""

SKILL, AGENT, TOOL, OTHER = "@acme/review", "@acme/gmail-agent", "@acme/fetch-url", "@acme/other"


@dataclass(frozen=True)
class Market:
    """A server where four packages are for sale, and their seller."""

    served: Served
    seller: str

    @property
    def registry(self) -> Registry:
        return self.served.world.registry

    async def tell(self, event: dict[str, Any], header: str | None = None) -> httpx.Response:
        body = json.dumps(event).encode()
        signed = stripe.sign(body, SECRET, self.registry.clock()) if header is None else header
        return await self.served.http.post(HOOK, content=body, headers={"stripe-signature": signed})

    async def sell(self, package: str = SKILL, **more: Any) -> httpx.Response:
        return await self.tell(bought(package, **more))


def bought(package: str = SKILL, event: str = "evt_1", **session: Any) -> dict[str, Any]:
    about = {
        "id": "cs_1",
        "payment_intent": f"pi of {package}",
        "payment_status": "paid",
        "amount_total": 500,
        "currency": "usd",
        "client_reference_id": "ada",
        "metadata": {"package": package},
    }
    kind = "checkout.session.completed"
    return {"id": event, "type": kind, "data": {"object": about | session}}


def refunded(package: str = SKILL, event: str = "evt_2") -> dict[str, Any]:
    about = {"id": "ch_1", "payment_intent": f"pi of {package}", "refunded": True}
    return {"id": event, "type": "charge.refunded", "data": {"object": about}}


@pytest.fixture
async def market(tmp_path: Path) -> AsyncIterator[Market]:
    database = f"sqlite+aiosqlite:///{tmp_path / 'registry.sqlite3'}"
    async with (
        World.open(database, tmp_path, SHOP) as world,
        Served.inside(world, EVERYBODY) as served,
    ):
        seller, _ = await world.account("acme")
        yield await stocked(Market(served, seller))


async def stocked(market: Market) -> Market:
    served, seller = market.served, market.seller
    # Unsigned, so before the first signed release pins a key.
    said = agents.manifest(author="@acme")
    prompt = archive_of({"agent.yaml": json.dumps(said), "system-prompt.md": RECIPE})
    sent = agents.form(said, prompt)
    done = await served.http.put("/agentx/api/v1/agents", headers=bearing(seller), **sent)
    assert done.is_success, done.text
    told = tools.manifest()
    code = tools.source(told, f"def main(url: str) -> str:\n    return url  # {RECIPE}\n")
    sold = await tools.send(served, seller, told, code)
    assert "held" not in sold.json(), sold.text
    skill = f"---\nname: review\ndescription: Reviews code.\n---\n# Review\n{RECIPE}\n"
    files = {"SKILL.md": skill, "more.md": RECIPE}
    assert (await served.put(seller, SKILL, files=files)).status_code == 201
    files = {"SKILL.md": skill, "README.md": "What it is about."}
    assert (await served.put(seller, OTHER, files=files)).status_code == 201
    for name in (SKILL, AGENT, TOOL, OTHER):
        given = {"name": name, "amount_cents": 500}
        await invoke(market.registry, OWNER, "price", given)
    return market


def archive_of(files: dict[str, str]) -> bytes:
    from registry_core import archives

    entries = [archives.Entry(path, text.encode()) for path, text in files.items()]
    return archives.write_tar_gz(tuple(entries))


def plain(data: bytes) -> str:
    """All text in what was answered: of a tar.gz, of a .ctxpkg, of base64 in an answer."""
    if data[:2] == b"\x1f\x8b":
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            return "".join(tar.extractfile(m).read().decode() for m in tar if m.isfile())  # type: ignore[union-attr]
    text = data.decode()
    try:
        files = json.loads(text)["content"]["documents"]["files"]
    except (ValueError, KeyError, TypeError):
        return text
    frames = [base64.b64decode(file["body"]) for file in files]
    return "".join(
        zstandard.ZstdDecompressor().decompressobj().decompress(f).decode() for f in frames
    )


async def source_path(served: Served) -> str:
    shown = (await served.get("/patchcat/v1/tools/fetch_url")).json()
    path: str = httpx.URL(shown["source_url"]).path
    return path


async def roads(served: Served) -> list[str]:
    """Every address that gives the content of something."""
    return [
        at(SKILL, "1.0.0", "download"),
        at(AGENT, "1.2.0", "download"),
        at(TOOL, "1.0.0", "download"),
        "/agentx/api/v1/agents/@acme/gmail-agent/tarball/1.2.0",
        await source_path(served),
        "/csreg/api/v1/skills/acme/review/versions/1.0.0/download",
        "/csreg/api/v1/skills/acme/review/versions/latest/download",
    ]


def calls() -> list[tuple[str, dict[str, Any]]]:
    """Every operation that reads, as it may be called for a package that is for sale."""
    reading = [one for one in CATALOG.values() if not one.writes or one.name == "install"]
    refs = (SKILL, AGENT, TOOL, f"{SKILL}@1.0.0")
    paths = ("SKILL.md", "more.md", "system-prompt.md", "fetch_url.py")
    said = [
        *({"refs": [ref]} for ref in refs),
        *({"ref": ref} for ref in refs),
        *({"ref": ref, "path": path} for ref in refs for path in paths),
        *({"target": ref} for ref in refs),
        *({"query": "quokka"}, {"query": "Reviews code."}, {}),
    ]
    return [(one.name, dict(given)) for one in reading for given in said if takes(one, given)]


def takes(operation: Operation[Any, Any], given: dict[str, Any]) -> bool:
    needed = operation.given.model_json_schema().get("required", [])
    return set(needed) <= given.keys() <= operation.given.model_fields.keys()


async def tool(served: Served, token: str, name: str, arguments: dict[str, Any]) -> httpx.Response:
    sent = {"name": name, "arguments": arguments}
    return await served.http.post("/v1/tools/call", json=sent, headers=bearing(token))


async def test_without_paying_no_road_gives_the_content(market: Market) -> None:
    served = market.served
    eve, _ = await served.world.account("eve")
    team, _ = await served.world.mint("strangers", Scope.READ)
    for token in ("", eve, team, "ctxr_" + "x" * 43):
        for path in await roads(served):
            refused = await served.get(path, token)
            assert refused.status_code in {402, 403}, path
            assert "costs 5.00 USD" in refused.text, path
            assert "https://shop.example/acme/" in refused.text, path
            assert refused.headers["cache-control"] == "no-store"
    assert len(calls()) > 50
    for name, arguments in calls():
        answered = await tool(served, eve, name, arguments)
        assert RECIPE not in answered.text, (name, arguments)
        if arguments.get("path") == "SKILL.md" and "@acme/review" in arguments["ref"]:
            assert (answered.status_code, answered.json()["code"]) == (403, "payment_required")
    for path in (
        *("/api/v1/index.json", "/api/v1/search?q=quokka", "/api/v1/search?q=review"),
        *(at(SKILL, "index.json"), at(SKILL, "1.0.0", "trust"), at(AGENT, "index.json")),
        "/agentx/api/v1/agents/@acme/gmail-agent",
        "/agentx/api/v1/agents/@acme/gmail-agent/versions",
        *("/csreg/api/v1/skills/acme/review", "/csreg/api/v1/skills/acme/review/versions/1.0.0"),
        *("/patchcat/v1/tools/fetch_url", "/patchcat/v1/tools/fetch_url/1.0.0"),
        "/patchcat/v1/tools/search?q=fetch&include_unverified=true",
    ):
        shown = await served.get(path)
        assert shown.status_code == 200, path
        assert RECIPE not in shown.text, path
    downloads = (await served.get(at(SKILL, "index.json"))).json()["versions"][0]["downloads"]
    assert downloads == 0


@claims("ctxpkg.402")
async def test_the_402_of_the_protocol_carries_where_to_buy(market: Market) -> None:
    path = at(SKILL, "1.0.0", "download")
    refused = await market.served.get(path)
    assert refused.status_code == 402
    said = refused.json()
    assert said["buy_url"] == "https://shop.example/acme/review?client_reference_id="
    assert said["buy_url"] in said["error"]
    assert said["code"] == "payment_required"
    eve, _ = await market.served.world.account("eve")
    asked = (await market.served.get(path, eve)).json()
    assert asked["buy_url"] == "https://shop.example/acme/review?client_reference_id=eve"


@claims("ctxpkg.download.paid", "ctxpkg.token.installs")
async def test_who_has_paid_has_it_by_every_road(market: Market) -> None:
    served = market.served
    ada, _ = await served.world.account("ada")
    reading, _ = await served.world.mint("ada", Scope.READ)
    assert reading.startswith("ctxr_")
    for number, package in enumerate((SKILL, AGENT, TOOL)):
        heard = await market.sell(package, event=f"evt_{number}")
        assert (heard.status_code, heard.json()) == (200, {"received": True, "outcome": "bought"})
    for token in (ada, reading, market.seller):
        for path in await roads(served):
            given = await served.get(path, token)
            assert given.status_code == 200, (path, given.text)
            assert RECIPE in plain(given.content), path
            assert given.headers["cache-control"] == "private, no-store", path
        answered = await tool(served, token, "file", {"ref": SKILL, "path": "more.md"})
        assert RECIPE in answered.text
        located = await tool(served, token, "install", {"refs": [SKILL]})
        assert located.status_code == 200
        for path in await roads(served):  # nothing of that was kept for others
            assert (await served.get(path)).status_code in {402, 403}
    assert (await served.get(at(OTHER, "1.0.0", "download"), ada)).status_code == 402


async def test_agents_over_mcp_get_what_they_paid_for(market: Market) -> None:
    world = market.served.world
    eve, _ = await world.account("eve")
    ada, _ = await world.account("ada")
    await market.sell()
    toolsets = frozenset({"main", "more"})
    async with speaking(world, EVERYBODY, toolsets=toolsets) as spoken:
        for token, has in ((eve, False), (ada, True)):
            async with spoken.client("2026-07-28", token) as client:
                read = await client.call_tool("inspect", {"ref": SKILL, "path": "SKILL.md"})
                assert bool(read.is_error) is not has
                assert (RECIPE in str(read.content)) is has
            for uri in ("skill://acme/review/SKILL.md", "ctx://acme/review@1.0.0/more.md"):
                said = await spoken.ask("resources/read", {"uri": uri}, token)
                assert (RECIPE in said.text) is has, said.text
            for uri in ("ctx://acme/review", "ctx://acme/review@1.0.0/README"):
                said = await spoken.ask("resources/read", {"uri": uri}, token)
                assert RECIPE not in said.text
            listed = await spoken.ask("skills/list", {}, token)
            assert RECIPE not in listed.text


async def test_a_readme_of_what_is_for_sale_is_shown(market: Market) -> None:
    index = (await market.served.get(at(OTHER, "index.json"))).json()
    assert index["readme"] == "What it is about."
    assert index["price"] == {"amount_cents": 500, "currency": "usd"}
    items = (await market.served.get("/api/v1/index.json")).json()["packages"]
    assert {item["price"]["amount_cents"] for item in items} == {500}
    assert (await market.served.get(at(SKILL, "index.json"))).json()["readme"] == ""


async def test_an_event_counts_once_and_a_refund_ends_it(market: Market) -> None:
    served = market.served
    ada, _ = await served.world.account("ada")
    path = at(SKILL, "1.0.0", "download")
    assert (await market.sell()).json()["outcome"] == "bought"
    assert (await market.sell()).json()["outcome"] == "repeated"
    assert (await served.get(path, ada)).status_code == 200
    assert RECIPE in (await tool(served, ada, "file", {"ref": SKILL, "path": "more.md"})).text
    assert (await market.tell(refunded())).json()["outcome"] == "refunded"
    assert (await market.tell(refunded())).json()["outcome"] == "repeated"
    assert (await served.get(path, ada)).status_code == 402
    assert RECIPE not in (await tool(served, ada, "file", {"ref": SKILL, "path": "more.md"})).text
    # The purchase told again by another event of the same payment does not undo it.
    assert (await market.sell(event="evt_3")).json()["outcome"] == "bought"
    assert (await served.get(path, ada)).status_code == 402
    again = await market.sell(event="evt_4", payment_intent="pi_another")
    assert again.json()["outcome"] == "bought"
    assert (await served.get(path, ada)).status_code == 200


async def test_a_refund_that_is_told_before_its_purchase_counts(market: Market) -> None:
    ada, _ = await market.served.world.account("ada")
    assert (await market.tell(refunded())).json()["outcome"] == "refunded"
    assert (await market.sell()).json()["outcome"] == "bought"
    assert (await market.served.get(at(SKILL, "1.0.0", "download"), ada)).status_code == 402


@claims("ctxpkg.401")
@pytest.mark.parametrize("header", ["", "t=1,v1=00", "nonsense"])
async def test_nobody_else_can_tell_of_a_purchase(market: Market, header: str) -> None:
    ada, _ = await market.served.world.account("ada")
    refused = await market.tell(bought(), header)
    assert refused.status_code == 401
    assert isinstance(refused.json()["error"], str)
    assert (await market.served.get(at(SKILL, "1.0.0", "download"), ada)).status_code == 402


async def test_what_cannot_be_sold_is_told_again_later(market: Market) -> None:
    served = market.served
    assert (await market.sell("@acme/nothing")).status_code == 404
    assert (await market.sell("no name at all")).status_code == 400
    assert (await market.sell(client_reference_id="ada")).status_code == 404  # nobody is called so
    ada, _ = await served.world.account("ada")
    assert (await market.sell(client_reference_id="ada")).json()["outcome"] == "bought"
    assert (await served.get(at(SKILL, "1.0.0", "download"), ada)).status_code == 200
    other = {"id": "evt_9", "type": "invoice.paid", "data": {"object": {}}}
    assert (await market.tell(other)).json()["outcome"] == "ignored"


async def test_who_paid_by_mail_address_has_it_with_a_session_of_that_address(
    tmp_path: Path,
) -> None:
    database = f"sqlite+aiosqlite:///{tmp_path / 'registry.sqlite3'}"
    async with (
        MailServer().running() as mail,
        World.open(database, tmp_path, SHOP | mail.environment) as world,
        Served.inside(world, EVERYBODY) as served,
    ):
        seller, _ = await world.account("acme")
        market = await stocked(Market(served, seller))
        paid = {"client_reference_id": None, "customer_details": {"email": "Ada@Example.com"}}
        assert (await market.sell(**paid)).json()["outcome"] == "bought"
        path = at(SKILL, "1.0.0", "download")
        assert (await served.get(path)).status_code == 402
        await served.http.post("/api/v1/auth/request", json={"email": "ada@example.com"})
        assert (await served.http.get(mail.link())).status_code == 200
        given = await served.get(path)
        assert (given.status_code, given.headers["cache-control"]) == (200, "private, no-store")
        assert (await served.get(at(OTHER, "1.0.0", "download"))).status_code == 402
        served.http.cookies.clear()
        assert (await served.get(path)).status_code == 402


async def test_a_team_has_what_was_bought_for_it(market: Market) -> None:
    served = market.served
    world = served.world
    ada, _ = await world.account("ada")
    made = await served.http.post(
        "/csreg/api/v1/teams", json={"slug": "backend"}, headers=bearing(ada)
    )
    assert made.status_code == 201
    assert (await market.sell(client_reference_id="backend")).json()["outcome"] == "bought"
    path = at(SKILL, "1.0.0", "download")
    assert (await served.get(path, ada)).status_code == 200
    bob, _ = await world.account("bob")
    assert (await served.get(path, bob)).status_code == 402
    members = "/csreg/api/v1/teams/backend/members"
    sent = {"username": "bob", "role": "read"}
    assert (await served.http.post(members, json=sent, headers=bearing(ada))).status_code == 201
    assert (await served.get(path, bob)).status_code == 200
    assert (await served.http.delete(f"{members}/bob", headers=bearing(ada))).is_success
    assert (await served.get(path, bob)).status_code == 402


async def test_an_owner_alone_sets_a_price_and_takes_it_back(market: Market) -> None:
    served = market.served
    eve, _ = await served.world.account("eve")
    pushing, _ = await served.world.account("acme", Scope.PUSH)
    for token in (eve, pushing):
        refused = await tool(served, token, "price", {"name": SKILL, "amount_cents": 1})
        assert refused.status_code == 403
    for wrong in ({"amount_cents": -1}, {"amount_cents": 1, "currency": "USD"}, {}):
        refused = await tool(served, market.seller, "price", {"name": SKILL, **wrong})
        assert refused.status_code == 400
    given = {"name": SKILL, "amount_cents": 999, "currency": "eur"}
    costs = await tool(served, market.seller, "price", given)
    assert costs.json()["structuredContent"] == given
    assert "9.99 EUR" in (await served.get(at(SKILL, "1.0.0", "download"))).json()["error"]
    report = await audit.audit(market.registry, lambda *_: None)
    assert report.problems == []
    free = await tool(served, market.seller, "price", {"name": SKILL, "amount_cents": 0})
    assert free.json()["structuredContent"]["amount_cents"] == 0
    assert RECIPE in plain((await served.get(at(SKILL, "1.0.0", "download"))).content)
    assert RECIPE in (await served.get(at(SKILL, "index.json"))).json()["readme"]
    found = await tool(served, eve, "search", {"query": "quokka"})
    assert "@acme/review" in found.text


async def test_where_nothing_can_be_bought_nothing_has_a_price(sqlite_world: World) -> None:
    await sqlite_world.publish(SKILL)
    with pytest.raises(Invalid, match="CTXMCP_BUY_URL"):
        await invoke(sqlite_world.registry, OWNER, "price", {"name": SKILL, "amount_cents": 1})
    with pytest.raises(Invalid, match="no address"):
        read_settings(environment={"CTXMCP_BUY_URL": "shop"})


async def test_a_dependency_that_is_for_sale_has_to_be_bought_too(market: Market) -> None:
    await market.served.world.publish("@free/kit", needs={SKILL: "^1"})
    eve = await market.served.world.caller("eve", Scope.READ)
    with pytest.raises(PaymentRequired) as refused:
        await invoke(market.registry, eve, "install", {"refs": ["@free/kit"]})
    assert refused.value.buy_url == "https://shop.example/acme/review?client_reference_id="


async def test_the_registry_itself_goes_on_checking_what_is_for_sale(market: Market) -> None:
    verified = await tool(market.served, market.seller, "verify", {"target": f"{SKILL}@1.0.0"})
    assert verified.json()["structuredContent"]["ok"] is True
    report = await audit.audit(market.registry, lambda *_: None)
    assert report.problems == []
