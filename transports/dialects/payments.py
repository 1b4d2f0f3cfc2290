"""Where those who take the money for packages tell of it.

    POST /api/v1/webhooks/stripe    an event of Stripe's, with Stripe-Signature

The answer is `{"received": true, "outcome": ...}`: bought, refunded, repeated, or ignored, which is
what has nothing to do with a package here. 401 for a signature that is not good; 404 for a package
or a buyer that is not there, and Stripe sends it again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import Response
from starlette.routing import Route

from transports import refusals
from transports.openapi import Row, described_by
from transports.schemas import STRING, whole
from transports.state import opened

if TYPE_CHECKING:
    from starlette.requests import Request

STRIPE = "/api/v1/webhooks/stripe"
MOST_BODY = ((STRIPE, 256 * 1024),)


def routes() -> list[Route]:
    """Return what is answered here."""
    return [Route(STRIPE, stripe, methods=["POST"])]


@described_by(
    Row(
        headers={"stripe-signature": STRING | {"x-required": True}},
        body={"type": "object"},
        answer=whole(
            received={"const": True},
            outcome={"enum": ["bought", "refunded", "repeated", "ignored"]},
        ),
        security=[],
    )
)
async def stripe(request: Request) -> Response:
    """Hear that somebody has paid, or has the money back."""
    signature = request.headers.get("stripe-signature", "")
    purchases = opened(request.scope).registry.purchases
    outcome = await purchases.hear(await request.body(), signature)
    body = refusals.encode({"received": True, "outcome": outcome})
    return Response(body, headers={"cache-control": "no-store"}, media_type="application/json")
