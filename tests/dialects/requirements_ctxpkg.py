"""What the document of the ctxpkg registry requires: an id for each endpoint, field and status."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

SOURCE = "specs/originals/ctxpkg-registry-api.txt"

REQUIREMENTS: Mapping[str, str] = {
    "ctxpkg.anonymous": "No authentication. Anonymous traffic is rate-limited per IP.",
    "ctxpkg.catalog": "GET /api/v1/index.json",
    "ctxpkg.catalog.scoped_name": "Every package with scoped_name, latest_version, description",
    "ctxpkg.catalog.tags": "tags, downloads, quality score",
    "ctxpkg.catalog.roi": "ROI metrics, price (null = free) and verified flag.",
    "ctxpkg.catalog.example": "index.json | jq '.packages[0].scoped_name'",
    "ctxpkg.search": "GET /api/v1/search?q={query}",
    "ctxpkg.search.answer": "Returns { count, query, results[] } with the same package shape",
    "ctxpkg.search.example": "curl -s 'https://ctxpkg.com/api/v1/search?q=axum' | jq '.count'",
    "ctxpkg.package": "GET /api/v1/packages/{ns}/{name}/index.json",
    "ctxpkg.package.versions": "all versions with integrity hashes and signer keys, readme",
    "ctxpkg.package.quality": "quality breakdown, ROI (source/distilled/saved tokens), price.",
    "ctxpkg.package.example": "rust-axum-patterns/index.json | jq '.latest'",
    "ctxpkg.download": "GET /api/v1/packages/{ns}/{name}/{version}/download",
    "ctxpkg.download.free": "Free packages: anonymous, rate-limited.",
    "ctxpkg.download.paid": "402 with a buy_url unless authenticated and entitled",
    "ctxpkg.download.sha256": "The artifact SHA-256 is exposed via header",
    "ctxpkg.download.example": "lean-ctx-project-context/1.0.0/download",
    "ctxpkg.trust": "GET /api/v1/packages/{ns}/{name}/{version}/trust",
    "ctxpkg.trust.report": "schema validation, integrity recompute, signature binding and secret",
    "ctxpkg.trust.public": "Public for public packages, so anyone can audit any version",
    "ctxpkg.trust.example": "rust-axum-patterns/1.0.0/trust | jq '.trust_report'",
    "ctxpkg.badge": "GET /api/v1/badge/{ns}/{name}",
    "ctxpkg.badge.version": "SVG badge with the current version",
    "ctxpkg.badge.example": "[![ctxpkg](https://ctxpkg.com/api/v1/badge/leanctx/rust-axum-patterns)]",
    "ctxpkg.publisher": "GET /api/v1/publishers/{ns}/index.json",
    "ctxpkg.publisher.profile": "namespace, verified domains, published packages.",
    "ctxpkg.publisher.example": "publishers/leanctx/index.json | jq '.packages | length'",
    "ctxpkg.publish": "PUT /api/v1/packages/{ns}/{name}/{version}",
    "ctxpkg.publish.body": "Body = raw .ctxpkg bytes; Authorization: Bearer ctxp_",
    "ctxpkg.publish.checks": "verifies scoped-name + version binding, integrity, ed25519 signature",
    "ctxpkg.publish.secrets": "runs the secret scan (422 on high-confidence findings, no override)",
    "ctxpkg.publish.immutable": "enforces immutability (409 if the version exists)",
    "ctxpkg.publish.example": "lean-ctx pack publish my-pkg.ctxpkg",
    "ctxpkg.auth": "POST /api/v1/auth/request → GET /api/v1/auth/verify",
    "ctxpkg.auth.sessions": "Sessions are HttpOnly cookies",
    "ctxpkg.auth.tokens": "# browser flow — mint tokens at ctxpkg.com/account/",
    "ctxpkg.token.publish": "ctxp_…",
    "ctxpkg.token.once": "Shown exactly once; only the SHA-256 digest is stored.",
    "ctxpkg.token.read": "ctxr_…",
    "ctxpkg.token.installs": "For installing private or purchased packages from CI",
    "ctxpkg.401": "401 Missing/invalid token, or bad webhook signature",
    "ctxpkg.402": "402 Paid package — response body carries buy_url",
    "ctxpkg.404": "404 Unknown package, version or publisher",
    "ctxpkg.409": "409 Version already published (immutability)",
    "ctxpkg.422": "422 Publish rejected: validation failed or secret scan found high-confidence",
    "ctxpkg.429": "429 Rate limit (anonymous downloads, auth requests)",
    "ctxpkg.own": "point the CLI at it with --registry.",
}
"""By id, the words of the document."""

_HEADINGS = {
    "Docs",
    "Registry API",
    "Public endpoints",
    "Authenticated endpoints",
    "Tokens",
    "Error semantics",
    "Status Meaning",
}


def rows(document: str) -> Iterator[str]:
    """Give the lines of the document but for its headings and its introduction."""
    for line in map(str.strip, document.splitlines()):
        if line and line not in _HEADINGS and not line.startswith("Everything the website"):
            yield line
