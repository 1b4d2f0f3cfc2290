"""What this server is and can, in the documents that clients of the contract ask for.

    GET /health             ok
    GET /v1/status          the same for who wants JSON
    GET /v1/manifest        every tool with its schema and the digest of it
    GET /v1/capabilities    what this instance has of all that the contract knows
    GET /v1/openapi.json    the contract's routes and no other, as its conformance kit wants it
    GET /openapi.json       every route

The last four do not change while the server runs, and are encoded once.
"""

from __future__ import annotations

import functools
import hashlib
import json
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from transports import openapi, refusals
from transports.dialects.leanctx import envelope
from transports.dialects.leanctx.tools import described
from transports.guards.auth import bearer
from transports.state import opened

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

CONTRACT_VERSION = 1
READ_MODES = ("full",)
"""The contract's ways to shorten a file; a registry gives what was published, whole."""

CONTRACTS = {
    "leanctx.contract.capabilities.contract_version": 1,
    "leanctx.contract.context_package_v1.schema_version": 1,
    "leanctx.contract.context_package_v2.schema_version": 2,
    "leanctx.contract.http_mcp.contract_version": CONTRACT_VERSION,
    "leanctx.contract.mcp_manifest.schema_version": 1,
    "leanctx.contract.team_server.contract_version": 1,
}
"""The contracts that are kept here. The published client takes version 1 of HTTP-MCP alone."""

CONTRACT_STATUS = {
    "capabilities": "stable",
    "conformance": "stable",
    "ctxpkg-registry": "stable",
    "http-mcp": "frozen",
}

FEATURES = {
    "ast_compression": False,
    "audit_trail": True,
    "caching": True,
    "compression": False,
    "gateway": False,
    "http_server": True,
    "knowledge": True,
    "registry": True,
    "routing": False,
    "savings_ledger": False,
    "semantic_search": False,
    "session": True,
    "wasm_runtime": False,
}


def routes() -> list[Route]:
    """Return what this module answers."""
    return [
        Route("/health", health),
        Route("/v1/status", status),
        Route("/v1/manifest", manifest),
        Route("/v1/capabilities", capabilities),
        Route("/v1/openapi.json", contract_openapi),
        Route("/openapi.json", whole_openapi),
    ]


async def health(request: Request) -> Response:
    """Say that the process answers."""
    return PlainTextResponse("ok\n", headers={"cache-control": "no-store"})


async def status(request: Request) -> Response:
    """Say that the registry answers, and what it is."""
    await bearer(request.scope).local_or_token()
    state = opened(request.scope)
    return envelope.document(
        {
            "status": "ok",
            "server": {"name": "ctxmcp", "version": _version()},
            "contract_version": CONTRACT_VERSION,
            "tools": len(described(state.toolsets)),
            "latestEventId": await state.registry.journal.log.head(),
        }
    )


async def manifest(request: Request) -> Response:
    """Describe every tool."""
    await bearer(request.scope).local_or_token()
    return envelope.ready(_manifest(opened(request.scope).toolsets))


async def capabilities(request: Request) -> Response:
    """Say what this instance has."""
    await bearer(request.scope).local_or_token()
    return envelope.ready(_capabilities(opened(request.scope).toolsets))


async def contract_openapi(request: Request) -> Response:
    """Describe the routes of the contract, in OpenAPI."""
    await bearer(request.scope).local_or_token()
    return envelope.ready(openapi.contract(request.app, _version()))


async def whole_openapi(request: Request) -> Response:
    """Describe every route, in OpenAPI."""
    return envelope.ready(openapi.whole(request.app, _version()))


@functools.cache
def _version() -> str:
    return version("ctxmcp")


@functools.cache
def _manifest(toolsets: frozenset[str]) -> bytes:
    tools = [{**tool, "schema_md5": _digest(tool)} for tool in described(toolsets)]
    return refusals.encode(
        {
            "schema_version": 1,
            "counts": {"granular": len(tools), "unified": 0},
            "read_modes": _read_modes(),
            "tools": {"granular": tools, "unified": []},
        }
    )


def _digest(tool: Mapping[str, Any]) -> str:
    """Return what the contract calls an MD5 and its own server fills with a SHA-256."""
    text = json.dumps(tool["input_schema"], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


@functools.cache
def _capabilities(toolsets: frozenset[str]) -> bytes:
    names = [tool["name"] for tool in described(toolsets)]
    return refusals.encode(
        {
            "contract_version": CONTRACT_VERSION,
            "server": {"name": "ctxmcp", "version": _version(), "persona": "registry"},
            "plane": "team",
            "transports": ["stdio-mcp", "http-mcp", "rest", "sse"],
            "presets": [],
            "read_modes": _read_modes(),
            "tools": {"total": len(names), "names": names},
            "features": FEATURES,
            "extensions": {
                "plugins": [],
                "tools": [],
                "read_modes": [],
                "compressors": [],
                "chunkers": [],
            },
            "contracts": CONTRACTS,
            "contract_status": CONTRACT_STATUS,
        }
    )


def _read_modes() -> dict[str, Any]:
    return {"count": len(READ_MODES), "modes": list(READ_MODES)}
