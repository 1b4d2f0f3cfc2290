"""Prices and purchases, on each kind of database."""

from __future__ import annotations

import json
from typing import Any

import pytest

from registry_core import stripe
from registry_core.accounts import Identity
from registry_core.callers import ANONYMOUS, OWNER, Caller, Scope
from registry_core.errors import Forbidden, NotFound, PaymentRequired
from registry_core.events.kinds import EventKind
from registry_core.names import PackageName
from registry_core.packages import Price
from registry_core.purchases import Purchases
from registry_core.stripe import Shop
from registry_core.tokens import Grant
from world import World

NAME = PackageName("acme", "review")
SECRET = "whsec_" + "test"


@pytest.fixture
async def purchases(world: World) -> Purchases:
    """Of a registry where one package costs something."""
    await world.publish(str(NAME))
    found = Purchases(world.registry.journal, Shop("https://shop.example/{ns}/{name}", SECRET))
    assert (await found.ask(NAME, Price(500, "usd"), OWNER)).price == Price(500, "usd")
    return found


async def has(world: World, purchases: Purchases, caller: Caller) -> bool:
    try:
        await purchases.admit(await world.registry.packages.find(NAME, caller), caller)
    except PaymentRequired as error:
        assert error.buy_url == "https://shop.example/acme/review"
        return False
    return True


async def tell(world: World, purchases: Purchases, event: str, **about: Any) -> str:
    session = {"payment_intent": "pi_1", "metadata": {"package": str(NAME)}, "currency": "usd"}
    kind = "charge.refunded" if about.get("refunded") else "checkout.session.completed"
    said = {"id": event, "type": kind, "data": {"object": session | about}}
    body = json.dumps(said).encode()
    return await purchases.hear(body, stripe.sign(body, SECRET, world.registry.clock()))


async def test_a_namespace_has_what_was_bought_for_it_until_it_is_refunded(
    world: World, purchases: Purchases
) -> None:
    buyer, stranger = await world.caller("buyer", Scope.READ), await world.caller("stranger")
    assert await tell(world, purchases, "evt_1", client_reference_id="@Buyer") == "bought"
    assert await tell(world, purchases, "evt_1", client_reference_id="@Buyer") == "repeated"
    assert await has(world, purchases, buyer)
    assert await has(world, purchases, await world.caller("acme", Scope.READ))
    assert not await has(world, purchases, stranger)
    assert not await has(world, purchases, ANONYMOUS)
    assert await tell(world, purchases, "evt_2", refunded=True) == "refunded"
    assert not await has(world, purchases, buyer)
    told = await world.registry.journal.log.since(0)
    kinds = [event.kind for event in told if event.actor == "stripe"]
    assert kinds == [EventKind.PACKAGE_BOUGHT, EventKind.PACKAGE_REFUNDED]
    assert all(
        event.private and event.namespace == "acme" for event in told if event.actor == "stripe"
    )


async def test_an_address_is_the_account_that_has_it_now_or_later(
    world: World, purchases: Purchases
) -> None:
    details = {"email": "Ada@Example.com"}
    assert await tell(world, purchases, "evt_1", customer_details=details) == "bought"
    accounts, tokens = world.registry.accounts, world.registry.tokens
    for handle, email, expected in (
        ("ada", "ada@example.com", True),
        ("eve", "eve@example.com", False),
    ):
        account = await accounts.known(Identity("email", email, handle, email=email))
        grant = Grant("test", frozenset({Scope.READ}), account=account.id)
        text, _ = await tokens.mint(grant, OWNER)
        assert await has(world, purchases, await tokens.authenticate(text)) is expected


async def test_a_buyer_or_package_that_is_not_there_leaves_nothing(
    world: World, purchases: Purchases
) -> None:
    with pytest.raises(NotFound):
        await tell(world, purchases, "evt_1", client_reference_id="buyer")
    with pytest.raises(NotFound):
        await tell(world, purchases, "evt_1", metadata={"package": "@acme/nothing"})
    buyer = await world.caller("buyer")
    assert await tell(world, purchases, "evt_1", client_reference_id="buyer") == "bought"
    assert await has(world, purchases, buyer)


async def test_only_an_owner_asks_a_price_and_each_change_is_told_once(
    world: World, purchases: Purchases
) -> None:
    pushing = await world.caller("acme", Scope.PUSH)
    with pytest.raises(Forbidden):
        await purchases.ask(NAME, None, pushing)
    owner = await world.caller("acme")
    for price in (Price(500, "usd"), Price(700, "eur"), None, None):
        assert (await purchases.ask(NAME, price, owner)).price == price
    told = await world.registry.journal.log.since(0, kinds=frozenset({EventKind.PRICE_CHANGED}))
    assert [event.payload["amount_cents"] for event in told] == [500, 700, None]
    assert await has(world, purchases, ANONYMOUS)
