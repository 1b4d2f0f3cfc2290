"""Advisories in the Open Source Vulnerability format (https://ossf.github.io/osv-schema/, 1.7).

    GET /api/v1/osv/index.json     ids, and when each was last changed
    GET /api/v1/osv/{id}.json      one advisory

    { "schema_version": "1.7.0", "id": "CTXMCP-2026-0001", "modified": "..Z", "published": "..Z",
      "summary": "..", "details": "..",
      "affected": [ { "package": { "ecosystem": "ctxpkg", "name": "@ns/name" },
          "ranges": [ { "type": "SEMVER",
                        "events": [ {"introduced": "0"}, {"fixed": "1.2.0"} ] } ] } ],
      "database_specific": { "sha256": ["..."] } }

What is known by its bytes alone has no `affected`; the digests are those of files and artifacts.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from starlette.routing import Route

from transports import refusals
from transports.answers import EVERYTHING, Answer, answer, respond
from transports.state import opened

if TYPE_CHECKING:
    from datetime import datetime

    from starlette.requests import Request
    from starlette.responses import Response

    from registry_core.packages.advisories import Advisory
    from registry_core.registry import Registry

SCHEMA = "1.7.0"
ECOSYSTEM = "ctxpkg"
FRESH = 60
"""Seconds: what is known to be bad has to be known soon."""

MOST = 10_000
"""Advisories of the index."""


def routes() -> list[Route]:
    """Return what this dialect answers."""
    return [
        Route("/api/v1/osv/index.json", index),
        Route("/api/v1/osv/{id}.json", advisory),
    ]


async def index(request: Request) -> Response:
    """List the advisories."""
    state = opened(request.scope)
    make = partial(_index, state.registry)
    return respond(request, await state.answers.get(("osv",), about=EVERYTHING, make=make))


async def advisory(request: Request) -> Response:
    """Give one advisory."""
    state, wanted = opened(request.scope), request.path_params["id"]
    make = partial(_one, state.registry, wanted)
    return respond(request, await state.answers.get(("osv", wanted), about=EVERYTHING, make=make))


async def _index(registry: Registry) -> Answer:
    found = await registry.advisories.page(limit=MOST)
    entries = [
        {
            "id": one.id,
            "modified": _moment(one.modified_at),
            **({"withdrawn": _moment(one.withdrawn_at)} if one.withdrawn_at else {}),
        }
        for one in found
    ]
    return _answer({"advisories": entries})


async def _one(registry: Registry, wanted: str) -> Answer:
    return _answer(document(await registry.advisories.get(wanted)))


def document(one: Advisory) -> dict[str, Any]:
    """Shape an advisory as OSV has it."""
    said: dict[str, Any] = {
        "schema_version": SCHEMA,
        "id": one.id,
        "modified": _moment(one.modified_at),
        "published": _moment(one.published_at),
    }
    if one.withdrawn_at:
        said["withdrawn"] = _moment(one.withdrawn_at)
    said |= {"summary": one.summary, "details": one.details}
    if one.package is not None:
        events = [{"introduced": one.introduced}] + ([{"fixed": one.fixed}] if one.fixed else [])
        said["affected"] = [
            {
                "package": {"ecosystem": ECOSYSTEM, "name": str(one.package)},
                "ranges": [{"type": "SEMVER", "events": events}],
            }
        ]
    return said | {"database_specific": {"sha256": list(one.sha256)}}


def _answer(said: dict[str, Any]) -> Answer:
    cache = f"public, max-age={FRESH}"
    return answer(refusals.encode(said), "application/json", cache=cache, fresh_for=FRESH)


def _moment(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
