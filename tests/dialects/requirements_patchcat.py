"""What the document of patch-cat's registry requires: an id for each endpoint, field and code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

SOURCE = "specs/originals/patch-cat-registry-api.txt"

REQUIREMENTS: Mapping[str, str] = {
    "patchcat.base": "Base URL (production): https://registry.patch-cat.com",
    "patchcat.envelope": '{ "error": { "code":',
    "patchcat.search": "GET /v1/tools/search?q=<query>&limit=10&include_unverified=false",
    "patchcat.search.results": '"results": [',
    "patchcat.search.name": '"name": "fetch_url"',
    "patchcat.search.description": '"description": "Fetch a URL',
    "patchcat.search.latest_version": '"latest_version": "1.0.0"',
    "patchcat.search.contributor": '"contributor": { "github_handle"',
    "patchcat.search.use_count": '"use_count": 1234',
    "patchcat.search.success_count": '"success_count": 1207',
    "patchcat.search.success_rate": '"success_rate": 0.978',
    "patchcat.search.similarity": '"similarity": 0.94',
    "patchcat.search.verified": '"verified": true',
    "patchcat.search.created_at": '"created_at": "2026-04-01',
    "patchcat.verified": "By default, only verified contributor tools are returned.",
    "patchcat.tool": "GET /v1/tools/:name",
    "patchcat.version": "GET /v1/tools/:name/:version",
    "patchcat.quarantine": "POST /v1/quarantine/summarize",
    "patchcat.quarantine.summary": '"summary": "<2-3 sentence summary',
    "patchcat.quarantine.flags": '"flags": [',
    "patchcat.runs": "POST /v1/tools/:name/runs",
    "patchcat.runs.version": '"version": "1.0.0"',
    "patchcat.runs.success": '"success": true',
    "patchcat.runs.duration_ms": '"duration_ms": 743',
    "patchcat.runs.error_class": '"error_class": "TimeoutError"',
    "patchcat.authenticated": "Authenticated endpoints",
    "patchcat.auth.start": "GET /auth/github/start?redirect=<optional-localhost-url>",
    "patchcat.auth.callback": "GET /auth/github/callback",
    "patchcat.contribute": "POST /v1/tools (auth required)",
    "patchcat.contribute.manifest": '"manifest": {',
    "patchcat.contribute.source": '"source": "<full Python file',
    "patchcat.contribute.name": '"name": "fetch_url"',
    "patchcat.contribute.version": '"version": "1.0.0"',
    "patchcat.contribute.source_sha256": '"source_sha256": "abc...64hex"',
    "patchcat.contribute.status": '"status": "created" | "exists"',
    "patchcat.check.schema": "1. Manifest schema (zod).",
    "patchcat.check.mismatch": "2. Source frontmatter matches",
    "patchcat.check.unicode": "3. Every human-visible field passes the Unicode sanitizer.",
    "patchcat.check.quarantine": "4. Description passes the quarantine LLM",
    "patchcat.name_taken": "5. If a tool with this name already exists under a different",
    "patchcat.proposals": "GET /v1/refactor/proposals?status=<status>",
    "patchcat.proposal.statuses": "verified / equivalence_failed / accepted / rejected",
    "patchcat.proposal": "GET /v1/refactor/proposals/:id",
    "patchcat.proposal.result": "POST /v1/refactor/proposals/:id/result (auth required)",
    "patchcat.errors": "Every error response includes a stable error.code.",
    "patchcat.invalid_query": "invalid_query / invalid_body400",
    "patchcat.invalid_body": "invalid_body400Request didn’t validate.",
    "patchcat.manifest_unsafe_unicode": "manifest_unsafe_unicode400",
    "patchcat.description_flagged_by_quarantine": "description_flagged_by_quarantine400",
    "patchcat.manifest_mismatch": "manifest_mismatch400",
    "patchcat.missing_token": "missing_token / invalid_token401",
    "patchcat.not_found": "tool_not_found / version_not_found404",
    "patchcat.cache.search": "/v1/tools/search30s",
    "patchcat.cache.tool": "/v1/tools/:name and /v1/tools/:name/:version5min",
    "patchcat.cache.else": "Everything elsenone",
}
"""By id, the words of the document."""

OURS_OTHERWISE = ("name_taken409", "r2_put_failed")
"""Rows that are claimed by another, and the failures of parts that are not here."""


def rows(document: str) -> Iterator[str]:
    """Give the lines of the document that require something."""
    heads = ("GET /", "POST /", '"', "1.", "2.", "3.", "4.", "5.", "/v1/", "Base URL")
    for line in map(str.strip, document.splitlines()):
        is_code = any(status in line for status in ("400", "401", "404", "409")) and "_" in line
        if (line.startswith(heads) or is_code) and not line.startswith(OURS_OTHERWISE):
            yield line.rstrip(",")
