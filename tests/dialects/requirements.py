"""What the document of the team server requires: an id for each row, field, header and limit.

Each id has the words of the document it comes from. A test says which of them it shows:

    @claims("endpoint.health")

`test_requirements.py` checks both directions: every id is claimed by a test and every
claim is an id; every id is in the document, and every row of the document has an id.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

TESTS = Path(__file__).parents[1]
SOURCE = "specs/originals/leanctx-team-server-api.txt"

REQUIREMENTS: Mapping[str, str] = {
    "auth.bearer": "Authorization: Bearer lctx_t_",
    "auth.create": 'token create --scope read,write --name "ci-bot"',
    "auth.token": "Token: lctx_t_",
    "scope.search": "search | Read tools",
    "scope.graph": "graph | Graph tools",
    "scope.artifacts": "artifacts | ctx_artifacts",
    "scope.index": "index | Graph index builds",
    "scope.events": "events | Subscribe to SSE",
    "scope.sessionMutations": "sessionMutations | ctx_session writes",
    "scope.knowledge": "knowledge | ctx_knowledge writes",
    "scope.audit": "audit | Metrics, full-payload events, audit log",
    "endpoint.tools.call": "POST /v1/tools/call",
    "call.name": '"name": "ctx_read"',
    "call.arguments": '"arguments": {',
    "call.workspaceId": '"workspaceId": "my-team"',
    "call.channelId": '"channelId": "feat/auth"',
    "answer.content": '"content": [{',
    "answer.content.type": '"type": "text"',
    "answer.content.text": '"text": "exports',
    "answer.isError": '"isError": false',
    "answer.meta": '"meta": {',
    "answer.meta.tokens_saved": '"tokens_saved"',
    "answer.meta.cache_hit": '"cache_hit"',
    "answer.meta.duration_ms": '"duration_ms"',
    "endpoint.session": "GET /v1/session?workspaceId=my-team&channel=feat/auth",
    "endpoint.session.mutate": "POST /v1/session/mutate",
    "endpoint.session.list": "GET /v1/session/list?workspaceId=my-team",
    "endpoint.events": "GET /v1/events?workspaceId=my-team&channelId=feat/auth&since=0",
    "events.frame.id": "id: 4",
    "events.frame.event": "event: ",
    "events.frame.data": 'data: {"id":4',
    "event.id": '"id":42',
    "event.workspaceId": '"workspaceId":"my-team"',
    "event.channelId": '"channelId":"feat/auth"',
    "event.kind": '"kind":"tool_call_recorded"',
    "event.actor": '"actor":"cursor"',
    "event.timestamp": '"timestamp":"2026-05-05T13:00:00Z"',
    "event.version": '"version":42',
    "event.parentId": '"parentId":null',
    "event.consistencyLevel": '"consistencyLevel":"local"',
    "event.payload": '"payload":{"tool":"ctx_read"}',
    "event.payload.reasoning": '"reasoning":"Auth refactor checkpoint"',
    "kind.tool_call_recorded": "tool_call_recorded | local",
    "kind.session_mutated": "session_mutated | strong",
    "kind.knowledge_remembered": "knowledge_remembered | eventual",
    "kind.artifact_stored": "artifact_stored | eventual",
    "kind.graph_built": "graph_built | local",
    "kind.proof_added": "proof_added | strong",
    "endpoint.context.summary": "GET /v1/context/summary?workspaceId=my-team",
    "summary.view": "agents, decisions, conflicts",
    "endpoint.events.search": "GET /v1/events/search?q=auth+strategy&workspaceId=my-team",
    "endpoint.events.lineage": "GET /v1/events/lineage?id=42&depth=10",
    "endpoint.health": "GET /health # Health check",
    "endpoint.metrics": "GET /v1/metrics # JSON metrics snapshot (requires audit scope)",
    "limit.tools.call": "/v1/tools/call | 100 req/min per token",
    "limit.events": "/v1/events | 5 concurrent SSE connections",
    "limit.knowledge": "/v1/knowledge/* | 60 req/min per token",
    "header.limit": "X-RateLimit-Limit",
    "header.remaining": "X-RateLimit-Remaining",
    "header.reset": "X-RateLimit-Reset",
    "sdk.error": "console.error(e.code, e.message)",
    "sdk.event": "console.log(event.type, event.data)",
    "sdk.tools.call": "ctx.tools.call(name, args) | Execute",
    "sdk.tools.list": "ctx.tools.list() | List",
    "sdk.session.get": "ctx.session.get(channel) | Get",
    "sdk.session.list": "ctx.session.list() | List",
    "sdk.knowledge.search": "ctx.knowledge.search(query) | Search",
    "sdk.knowledge.remember": "ctx.knowledge.remember(fact) | Store",
    "sdk.events.subscribe": "ctx.events.subscribe(opts) | SSE",
    "sdk.status": "ctx.status() | Server status",
    "bind.loopback": "auth token is optional",
    "bind.others": "0.0.0.0): requires",
    "bind.host": "Host header is checked",
    "bind.allowed_host": "--allowed-host",
    "error.unauthorized": "401 | unauthorized",
    "error.host_denied": "400 | host_denied",
    "error.rate_limited": "429 | rate_limited",
    "error.concurrency_limited": "429 | concurrency_limited",
    "error.tool_error": "400 | tool_error",
    "error.request_timeout": "504 | request_timeout",
    "curl.serve": "serve --host 127.0.0.1 --port 8080",
    "curl.health": "curl http://127.0.0.1:8080/health",
    "curl.manifest": "curl http://127.0.0.1:8080/v1/manifest",
    "curl.tools": 'curl "http://127.0.0.1:8080/v1/tools?offset=0&limit=50"',
    "curl.call": "curl -X POST",
}
"""By id, the words of the document; backquotes and emphasis are left out on both sides."""


def claims(*ids: str) -> Callable[[T], T]:
    """Say which requirements a test shows."""

    def unchanged(test: T) -> T:
        return test

    return unchanged


def claimed() -> Iterator[tuple[str, str]]:
    """Give every claim in the tests with where it is, read from their source."""
    for path in sorted(TESTS.rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.AsyncFunctionDef | ast.FunctionDef):
                for requirement in _claims(node):
                    yield requirement, f"{path.relative_to(TESTS)}::{node.name}"


def _claims(test: ast.AsyncFunctionDef | ast.FunctionDef) -> Iterator[str]:
    for decorator in test.decorator_list:
        if isinstance(decorator, ast.Call) and getattr(decorator.func, "id", "") == "claims":
            yield from (str(ast.literal_eval(argument)) for argument in decorator.args)


def plain(text: str) -> str:
    """Return the document without what marks it up."""
    return text.replace("`", "").replace("**", "")


def rows(document: str) -> Iterator[str]:
    """Give the lines of the document that require something: rows, requests, fields, headers."""
    heads = ("GET /", "POST /", "curl ", "id: ", "event: ", "data: ")
    for line in map(str.strip, plain(document).splitlines()):
        cells = line.strip("|").split("|")
        if (len(cells) > 1 and not _is_head(line)) or line.startswith(heads):
            yield line


def _is_head(line: str) -> bool:
    titles = ("Scope |", "Kind |", "Endpoint |", "Method |", "Status |")
    return set(line) <= set("|- ") or line.strip("| ").startswith(titles)
