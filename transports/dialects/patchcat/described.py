"""What the OpenAPI document of patch-cat's API says beyond its routes."""

from __future__ import annotations

from typing import Any

from registry_core.proposals import Status
from transports.dialects.patchcat.tools import MOST_FOUND, MOST_QUERY, MOST_TEXT, USUALLY_FOUND
from transports.openapi import Description, Row
from transports.schemas import (
    COUNT,
    DIGEST,
    FLAG,
    MOMENT,
    NULLABLE,
    STRING,
    array,
    ref,
    some,
    whole,
)

_PART: dict[str, Any] = {"type": "number", "minimum": 0, "maximum": 1}
_VERSION: dict[str, Any] = {"type": "string", "pattern": r"^\d+\.\d+\.\d+"}


_CONTRIBUTOR = whole(github_handle=STRING)
_TOOL_VERSION = whole(name=STRING, version=STRING)
_STATUS = {"enum": [str(status) for status in Status]}
_PROPOSAL = whole(
    id={"type": "string", "format": "uuid"},
    tool_a=_TOOL_VERSION,
    tool_b=_TOOL_VERSION,
    similarity=_PART,
    status=_STATUS,
    proposed_manifest_yaml=NULLABLE,
    proposed_source_sha256={"anyOf": [DIGEST, {"type": "null"}]},
    equivalence_failure_reason=NULLABLE,
    runner_log_sha256={"anyOf": [DIGEST, {"type": "null"}]},
    created_at=MOMENT,
    updated_at=MOMENT,
)

DESCRIPTION = Description(
    name="patchcat",
    title="The patch-cat registry API",
    error="Refusal",
    closed=frozenset({"POST /v1/tools", "POST /v1/refactor/proposals/{id}/result"}),
    schemas={
        "Refusal": whole(error=whole(code=STRING, message=STRING)),
        "Proposal": _PROPOSAL,
        "Entry": whole(
            name=STRING,
            description=STRING,
            latest_version=_VERSION,
            contributor=_CONTRIBUTOR,
            use_count=COUNT,
            success_count=COUNT,
            success_rate={"anyOf": [_PART, {"type": "null"}]},
            similarity=_PART,
            verified=FLAG,
            created_at=MOMENT,
        ),
        "ToolVersion": whole(
            name=STRING,
            version=_VERSION,
            description=STRING,
            source_sha256=DIGEST,
            source_url=STRING,
            manifest={"type": "object"},
            contributor=_CONTRIBUTOR,
            created_at=MOMENT,
        ),
    },
    rows={
        "GET /": Row(answer=whole(service=STRING, version=STRING, docs=STRING)),
        "GET /health": Row(answer=whole(status=STRING)),
        "GET /v1/tools/search": Row(
            query={
                "q": {**STRING, "minLength": 1, "maxLength": MOST_QUERY, "x-required": True},
                "limit": {**COUNT, "minimum": 1, "maximum": MOST_FOUND, "default": USUALLY_FOUND},
                "include_unverified": {"enum": ["true", "false"], "default": "false"},
            },
            answer=whole(results=array(ref("Entry"))),
        ),
        "GET /v1/tools/{name}": Row(answer=ref("ToolVersion")),
        "GET /v1/tools/{name}/{version}": Row(answer=ref("ToolVersion")),
        "GET /tools/{name}/{version}/{digest}.py": Row(gives="text/x-python", answer=STRING),
        "POST /v1/tools": Row(
            body=whole(manifest={"type": "object"}, source=STRING),
            answer=some(
                whole(
                    name=STRING,
                    version=STRING,
                    source_sha256=DIGEST,
                    status={"enum": ["created", "exists"]},
                ),
                held=FLAG,
            ),
        ),
        "POST /v1/tools/{name}/runs": Row(
            body=some(
                whole(
                    version={**STRING, "minLength": 1, "maxLength": 64},
                    success=FLAG,
                    duration_ms={"type": "number", "minimum": 0},
                ),
                error_class={**STRING, "maxLength": 200},
            ),
            answer=whole(status={"const": "recorded"}),
        ),
        "POST /v1/quarantine/summarize": Row(
            body=whole(text={**STRING, "minLength": 1, "maxLength": MOST_TEXT}),
            answer=whole(summary=STRING, flags=array(STRING)),
        ),
        "GET /v1/refactor/proposals": Row(
            query={"status": _STATUS}, answer=whole(proposals=array(ref("Proposal")))
        ),
        "GET /v1/refactor/proposals/{id}": Row(answer=ref("Proposal")),
        "POST /v1/refactor/proposals/{id}/result": Row(
            body=some(
                whole(status=_STATUS),
                proposed_manifest_yaml=NULLABLE,
                proposed_source_sha256=NULLABLE,
                equivalence_failure_reason=NULLABLE,
                runner_log_sha256=NULLABLE,
            ),
            answer=ref("Proposal"),
        ),
        "GET /auth/github/start": Row(query={"redirect": STRING}, status=302, answer=STRING),
        "GET /auth/github/callback": Row(
            query={"code": STRING, "state": STRING},
            answer=whole(status=STRING, handle=STRING, token=STRING),
        ),
    },
)
