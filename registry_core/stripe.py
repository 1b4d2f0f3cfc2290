"""Stripe's webhooks: whether Stripe wrote what came, and what it says of a purchase.

    Stripe-Signature: t=1767323045,v1=5257a869e7ec...,v1=...,v0=...

`v1` is the hexadecimal HMAC-SHA256 of the time, a full stop and the body, under the endpoint's
secret (`whsec_...`). There is one for each secret in use while one is replaced. A signature holds
five minutes, so that what somebody recorded cannot be sent again later. The body is an event:

    {"id": "evt_1", "type": "checkout.session.completed", "data": {"object": {
       "id": "cs_1", "payment_intent": "pi_1", "payment_status": "paid", "amount_total": 500,
       "currency": "usd", "client_reference_id": "ada",
       "customer_details": {"email": "ada@example.com"}, "metadata": {"package": "@acme/review"}}}}

    checkout.session.completed, .async_payment_succeeded   a purchase, where the money has come and
                                                           `metadata.package` says of what
    charge.refunded                                        all of the money went back
"""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from registry_core.errors import Invalid, Unauthenticated

if TYPE_CHECKING:
    from datetime import datetime

    from registry_core.names import PackageName

TOLERANCE = timedelta(minutes=5)

_PAID = frozenset({"checkout.session.completed", "checkout.session.async_payment_succeeded"})
_REFUNDED = "charge.refunded"


@dataclass(frozen=True, slots=True)
class Shop:
    """Where packages are bought, and the secret of who tells of it."""

    buy_url: str = ""
    """{ns}, {name} and {account} stand for the package, and for who asks."""
    secret: str = ""

    def __repr__(self) -> str:
        """Leave the secret out of every log."""
        return f"Shop(buy_url={self.buy_url!r})"

    def url(self, name: PackageName, account: str) -> str:
        """Return where a package is bought."""
        parts = {"{ns}": name.namespace, "{name}": name.name, "{account}": account}
        url = self.buy_url
        for mark, part in parts.items():
            url = url.replace(mark, quote(part, safe=""))
        return url


@dataclass(frozen=True, slots=True)
class Bought:
    """A purchase; `reference` and `email` say who it was, as far as they are known."""

    event: str
    payment: str
    package: str
    reference: str
    email: str
    amount_cents: int
    currency: str


@dataclass(frozen=True, slots=True)
class Refunded:
    """A payment that went back."""

    event: str
    payment: str


def sign(body: bytes, secret: str, at: datetime) -> str:
    """Make the header that Stripe sends with a body."""
    moment = str(int(at.timestamp()))
    return f"t={moment},v1={_signature(moment, body, secret)}"


def check(body: bytes, header: str, secret: str, now: datetime) -> None:
    """Raise Unauthenticated for what the holder of the secret did not sign just now."""
    said = [part.strip().partition("=") for part in header.split(",")]
    moment = next((value for name, _, value in said if name == "t"), "")
    if not secret or not moment.isascii() or not moment.isdecimal() or len(moment) > 12:
        raise _unsigned("is missing, or there is no secret to check it with")
    if abs(now.timestamp() - int(moment)) > TOLERANCE.total_seconds():
        raise _unsigned("is of another time")
    wanted = _signature(moment, body, secret).encode()
    given = [value.encode(errors="replace") for name, _, value in said if name == "v1"]
    # Each of them, in the time that one takes: nobody learns how far a guess was right.
    if not any([hmac.compare_digest(wanted, value) for value in given]):  # noqa: C419 - as said
        raise _unsigned("is not the secret's")


def _signature(moment: str, body: bytes, secret: str) -> str:
    return hmac.new(secret.encode(), moment.encode() + b"." + body, hashlib.sha256).hexdigest()


def _unsigned(why: str) -> Unauthenticated:
    return Unauthenticated(
        f"the signature of this webhook {why}",
        hint="CTXMCP_WEBHOOK_SECRET has to be the endpoint's signing secret.",
    )


def read(body: bytes) -> Bought | Refunded | None:
    """Read an event; None for what is none of these. Raises Invalid for what is no event."""
    try:
        event = json.loads(body)
    except (ValueError, RecursionError):
        event = None
    said = event if isinstance(event, dict) else {}
    about = _object(_object(said.get("data")).get("object"))
    name, kind = _text(said.get("id")), said.get("type")
    if not name or not isinstance(kind, str):
        raise Invalid("the body is no event of Stripe's")
    if kind in _PAID and about.get("payment_status") != "unpaid":
        return _bought(name, about)
    if kind == _REFUNDED and about.get("refunded") is True and _text(about.get("payment_intent")):
        return Refunded(name, _text(about.get("payment_intent")))
    return None


def _bought(event: str, session: dict[str, Any]) -> Bought | None:
    package = _text(_object(session.get("metadata")).get("package"))
    payment = _text(session.get("payment_intent")) or _text(session.get("id"))
    customer = _object(session.get("customer_details"))
    amount = session.get("amount_total")
    if not package:
        return None  # something else is sold there, too
    if not payment:
        raise Invalid("the event names no payment")
    return Bought(
        event=event,
        payment=payment,
        package=package,
        reference=_text(session.get("client_reference_id")),
        email=_text(customer.get("email") or session.get("customer_email")).lower(),
        amount_cents=amount if type(amount) is int and 0 <= amount < 10**9 else 0,
        currency=_text(session.get("currency"))[:3],
    )


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) and len(value) <= 254 and value.isprintable() else ""
