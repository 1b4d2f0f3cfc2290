"""What the document of agentx's registry requires: an id for each heading, status and limit.

The fields of its examples have no ids: `test_agentx_document.py` reads each example out of the
document, and compares what the server answers member by member.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

SOURCE = "specs/originals/agentx-registry-api.txt"

REQUIREMENTS: Mapping[str, str] = {
    "agentx.auth.bearer": "Authentication: Bearer token in Authorization header",
    "agentx.json": "Content-Type: application/json (unless otherwise noted)",
    "agentx.base": "Base URL: https://registry.agentx.dev/api/v1",
    "agentx.auth.github": "### POST /auth/github",
    "agentx.auth.callback": "### GET /auth/callback",
    "agentx.auth.callback.code": "- code (string, required)",
    "agentx.auth.callback.state": "- state (string, required)",
    "agentx.agents": "### GET /agents",
    "agentx.agents.q": "- q (string, optional)",
    "agentx.agents.category": "- category (string, optional)",
    "agentx.agents.sort": "- sort (string, optional)",
    "agentx.agents.page": "- page (integer, optional)",
    "agentx.agents.limit": "- limit (integer, optional): Results per page (default: 20, max: 100)",
    "agentx.search": "### GET /search",
    "agentx.search.q": "- q (string, required)",
    "agentx.search.limit": "- limit (integer, optional): Max results (default: 20)",
    "agentx.trending": "### GET /trending",
    "agentx.trending.period": "- period (string, optional)",
    "agentx.categories": "### GET /categories",
    "agentx.detail": "### GET /agents/:scope/:name",
    "agentx.detail.scope": "- scope (string): Agent scope",
    "agentx.detail.name": "- name (string): Agent name",
    "agentx.versions": "### GET /agents/:scope/:name/versions",
    "agentx.download": "### GET /agents/:scope/:name/download/:version",
    "agentx.download.version": "- version (string): Semver version",
    "agentx.publish": "### PUT /agents/:scope/:name",
    "agentx.publish.token": "- Authorization: Bearer agentx_xxxxx",
    "agentx.publish.form": "- Content-Type: multipart/form-data",
    "agentx.publish.tarball": "- tarball (file, required)",
    "agentx.publish.agent_yaml": "- agent_yaml (string, required)",
    "agentx.publish.readme": "- readme (string, required)",
    "agentx.unpublish": "### DELETE /agents/:scope/:name/:version",
    "agentx.user": "### GET /users/:username",
    "agentx.user.agents": "### GET /users/:username/agents",
    "agentx.telemetry": "### POST /telemetry",
    "agentx.200": "Response (200)",
    "agentx.400": "Response (400)",
    "agentx.403": "Response (403)",
    "agentx.404": "Response (404)",
    "agentx.409": "Response (409)",
    "agentx.limit.anonymous": "- Unauthenticated: 60 requests per minute per IP",
    "agentx.limit.account": "- Authenticated: 120 requests per minute per user",
    "agentx.limit.publish": "- Publish: 10 requests per hour per user",
    "agentx.header.limit": "- X-RateLimit-Limit",
    "agentx.header.remaining": "- X-RateLimit-Remaining",
    "agentx.header.reset": "- X-RateLimit-Reset",
}
"""By id, the words of the document; backquotes and emphasis are left out on both sides."""


_HEADS = ("###", "- ", "Response (", "Base URL", "Authentication:", "Content-Type:")


def rows(document: str) -> Iterator[str]:
    """Give the lines of the document that require something, without those of its examples."""
    yield from (line for line in document.splitlines() if line.startswith(_HEADS))
