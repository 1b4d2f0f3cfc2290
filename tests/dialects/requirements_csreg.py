"""What the document of csreg's API requires: an id for each rule, field, scope and problem.

The document describes what all of its endpoints have in common and leaves their bodies open: those
are described by our OpenAPI document, which `test_csreg_described.py` holds the server to.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

SOURCE = "specs/originals/csreg-api.txt"

REQUIREMENTS: Mapping[str, str] = {
    "csreg.json": "All request and response bodies are JSON unless otherwise noted.",
    "csreg.base": "https://csreg.nexus/api/v1",
    "csreg.skills": "curl -s https://csreg.nexus/api/v1/skills",
    "csreg.auth.header": "Authorization: Bearer <token>",
    "csreg.auth.token": '-H "Authorization: Bearer sk_abc123"',
    "csreg.auth.tokens": "or via the tokens API.",
    "csreg.scope.read": "read0Pull skills, browse, search",
    "csreg.scope.write": "write1Push versions, create skills, manage channels. Includes read.",
    "csreg.scope.admin": "admin2Team management, yank versions, delete skills.",
    "csreg.scope.higher": "Higher scopes include all lower scope permissions.",
    "csreg.page": "GET /api/v1/skills?cursor=<uuid>&limit=<n>",
    "csreg.page.limits": "The default limit is 20 and the maximum is 100.",
    "csreg.page.data": '"data": [...]',
    "csreg.page.cursor": '"cursor": "uuid-of-last-item"',
    "csreg.page.more": "If cursor is present, more pages may be available.",
    "csreg.problem.type": '"type": "https://csreg.nexus/errors/version-conflict"',
    "csreg.problem.title": '"title": "Conflict"',
    "csreg.problem.status": '"status": 409',
    "csreg.problem.detail": '"detail": "Version 1.2.0 of @backend/code-reviewer already exists."',
    "csreg.problem.instance": '"instance": "/api/v1/skills/backend/code-reviewer/versions"',
    "csreg.400": "400validation-error",
    "csreg.401": "401authentication-required",
    "csreg.403": "403insufficient-permissions",
    "csreg.404": "404not-found",
    "csreg.409": "409version-conflict",
    "csreg.413": "413archive-too-large",
    "csreg.422": "422manifest-invalid",
    "csreg.429": "429rate-limit-exceeded",
    "csreg.500": "500internal-error",
}
"""By id, the words of the document."""


def rows(document: str) -> Iterator[str]:
    """Give the lines of the document that require something."""
    heads = ("https://", "curl ", "-H ", "GET /", '"', "read0", "write1", "admin2", "All request")
    ours = ('-H "Content-Type',)
    for line in map(str.strip, document.splitlines()):
        is_problem = line[:3].isdecimal() and line[3:4].isalpha()
        rule = "Authorization: " in line or "limit is" in line or "If cursor" in line
        if (line.startswith(heads) or is_problem or rule) and not line.startswith(ours):
            yield line.rstrip(",")
