"""Telling of untrusted text without passing it on.

    POST /v1/quarantine/summarize   {text: 1 to 50,000 characters} -> {summary, flags}

The summary has no word of the text, the flags are the five of the contract (none: no rule found a
sign). The text is stored nowhere. A refusal is `{error: {code, message}}`, as its clients read it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from starlette.responses import Response
from starlette.routing import Route

from registry_core.errors import InvalidPackage
from registry_core.formats import strict_json
from registry_core.verification.quarantine import summarize as summing_up
from transports import refusals
from transports.guards.auth import bearer

if TYPE_CHECKING:
    from starlette.requests import Request

MOST_TEXT = 50_000
"""Characters."""

MOST_BYTES = 6 * MOST_TEXT + 1024
"""Of a body: each character may be written as an escape."""

MOST_BODY = (("/v1/quarantine/", MOST_BYTES),)


def routes() -> list[Route]:
    """Return what this dialect answers."""
    return [Route("/v1/quarantine/summarize", summarize, methods=["POST"])]


async def summarize(request: Request) -> Response:
    """Say what a text shows signs of, without a word of it."""
    await bearer(request.scope).local_or_token()
    try:
        text = strict_json.read(await request.body(), max_bytes=MOST_BYTES).members.get("text")
    except InvalidPackage as error:
        return _invalid(f"the body is not a JSON object: {error.message}")
    if not isinstance(text, str) or not 1 <= len(text) <= MOST_TEXT:
        return _invalid(f"text has to be a string of 1 to {MOST_TEXT:,} characters")
    told = await asyncio.to_thread(summing_up, text)
    return _answer({"summary": told.summary, "flags": list(told.flags)}, 200)


def _invalid(message: str) -> Response:
    return _answer({"error": {"code": "invalid_body", "message": message}}, 400)


def _answer(document: dict[str, Any], status: int) -> Response:
    headers = {"cache-control": "no-store"}
    body = refusals.encode(document)
    return Response(body, status, headers, media_type="application/json")
