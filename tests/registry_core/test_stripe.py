"""Stripe's webhooks: which signatures hold, and what an event says."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import timedelta
from typing import Any

import pytest

from registry_core import stripe
from registry_core.errors import Invalid, Unauthenticated
from registry_core.stripe import Bought, Refunded, Shop
from world import MOMENT

SECRET = "whsec_" + "test"
BODY = b'{"id":"evt_1","type":"ping"}'
AT = int(MOMENT.timestamp())


def v1(secret: str = SECRET, moment: int = AT, body: bytes = BODY) -> str:
    return hmac.new(secret.encode(), f"{moment}.".encode() + body, hashlib.sha256).hexdigest()


def test_a_signature_is_as_the_scheme_has_it() -> None:
    assert stripe.sign(BODY, SECRET, MOMENT) == f"t={AT},v1={v1()}"
    stripe.check(BODY, stripe.sign(BODY, SECRET, MOMENT), SECRET, MOMENT)


@pytest.mark.parametrize(
    "header",
    [
        f"t={AT},v1={v1('an older secret')},v1={v1()}",
        f"t={AT}, v0=00, v1={v1()}",
        f"t={AT - 300},v1={v1(moment=AT - 300)}",
        f"t={AT + 300},v1={v1(moment=AT + 300)}",
    ],
)
def test_one_good_signature_of_the_last_five_minutes_is_enough(header: str) -> None:
    stripe.check(BODY, header, SECRET, MOMENT)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "nonsense",
        f"v1={v1()}",
        f"t={AT}",
        f"t={AT},v1=",
        f"t={AT},v1=\xe9",
        f"t={AT},v0={v1()}",
        f"t={AT},v1={v1('another secret')}",
        f"t={AT},v1={v1(body=BODY + b' ')}",
        f"t={AT + 1},v1={v1()}",
        f"t={AT - 301},v1={v1(moment=AT - 301)}",
        f"t={AT + 301},v1={v1(moment=AT + 301)}",
        f"t={'9' * 400},v1={v1()}",
        f"t=-1,v1={v1(moment=-1)}",
        f"t=١٢,v1={v1()}",
    ],
)
def test_everything_else_is_refused(header: str) -> None:
    with pytest.raises(Unauthenticated):
        stripe.check(BODY, header, SECRET, MOMENT)


def test_without_a_secret_nothing_is_signed() -> None:
    with pytest.raises(Unauthenticated):
        stripe.check(BODY, stripe.sign(BODY, "", MOMENT), "", MOMENT)
    with pytest.raises(Unauthenticated):
        stripe.check(BODY, stripe.sign(BODY, SECRET, MOMENT + timedelta(hours=1)), SECRET, MOMENT)


def event(kind: str = "checkout.session.completed", **session: Any) -> bytes:
    about = {
        "id": "cs_1",
        "payment_intent": "pi_1",
        "payment_status": "paid",
        "amount_total": 500,
        "currency": "usd",
        "client_reference_id": "ada",
        "customer_details": {"email": "Ada@Example.com"},
        "metadata": {"package": "@acme/review"},
    }
    said = {"id": "evt_1", "type": kind, "data": {"object": about | session}}
    return json.dumps(said).encode()


BOUGHT = Bought("evt_1", "pi_1", "@acme/review", "ada", "ada@example.com", 500, "usd")


def test_a_purchase_is_read() -> None:
    assert stripe.read(event()) == BOUGHT
    assert stripe.read(event("checkout.session.async_payment_succeeded")) == BOUGHT
    free = stripe.read(event(payment_intent=None, payment_status="no_payment_required"))
    assert isinstance(free, Bought)
    assert free.payment == "cs_1"


@pytest.mark.parametrize(
    "body",
    [
        BODY,
        event(payment_status="unpaid"),
        event(metadata={}),
        event(metadata=None),
        event("charge.refunded", refunded=False),
        event("charge.refunded", refunded=True, payment_intent=None),
        event("checkout.session.expired"),
    ],
)
def test_what_is_no_purchase_is_none(body: bytes) -> None:
    assert stripe.read(body) is None


def test_a_whole_refund_is_read() -> None:
    assert stripe.read(event("charge.refunded", refunded=True)) == Refunded("evt_1", "pi_1")


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", b"\xff", b'{"id":1,"type":"x"}', b'{"id":"evt_1"}', b"[" * 100_000]
    + [event(id="", payment_intent="")],
)
def test_what_is_no_event_is_invalid(body: bytes) -> None:
    with pytest.raises(Invalid):
        stripe.read(body)


def test_the_address_to_buy_at_is_safe_to_click_and_the_secret_in_no_log() -> None:
    from registry_core.names import PackageName

    shop = Shop("https://shop.example/{ns}/{name}?client_reference_id={account}", SECRET)
    bought_at = shop.url(PackageName("acme", "review"), "a&b=c/..")
    assert bought_at == "https://shop.example/acme/review?client_reference_id=a%26b%3Dc%2F.."
    assert SECRET not in repr(shop)
