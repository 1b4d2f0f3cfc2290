"""What the OpenAPI document of patch-cat's API says beyond its routes."""

from __future__ import annotations

from typing import Any

from registry_core.proposals import Status
from transports.dialects.patchcat.tools import MOST_FOUND, MOST_QUERY, MOST_TEXT, USUALLY_FOUND
from transports.openapi import Description, Row

_STRING: dict[str, Any] = {"type": "string"}
_NULLABLE: dict[str, Any] = {"type": ["string", "null"]}
_FLAG: dict[str, Any] = {"type": "boolean"}
_COUNT: dict[str, Any] = {"type": "integer", "minimum": 0}
_MOMENT: dict[str, Any] = {"type": "string", "format": "date-time"}
_DIGEST: dict[str, Any] = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_PART: dict[str, Any] = {"type": "number", "minimum": 0, "maximum": 1}
_VERSION: dict[str, Any] = {"type": "string", "pattern": r"^\d+\.\d+\.\d+"}


def _object(**properties: Any) -> dict[str, Any]:
    """Describe an object that has all of these members."""
    return {"type": "object", "properties": properties, "required": list(properties)}


def _some(needed: dict[str, Any], **optional: Any) -> dict[str, Any]:
    return needed | {"properties": needed["properties"] | optional}


def _list(of: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": of}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


_CONTRIBUTOR = _object(github_handle=_STRING)
_TOOL_VERSION = _object(name=_STRING, version=_STRING)
_STATUS = {"enum": [str(status) for status in Status]}
_PROPOSAL = _object(
    id={"type": "string", "format": "uuid"},
    tool_a=_TOOL_VERSION,
    tool_b=_TOOL_VERSION,
    similarity=_PART,
    status=_STATUS,
    proposed_manifest_yaml=_NULLABLE,
    proposed_source_sha256={"anyOf": [_DIGEST, {"type": "null"}]},
    equivalence_failure_reason=_NULLABLE,
    runner_log_sha256={"anyOf": [_DIGEST, {"type": "null"}]},
    created_at=_MOMENT,
    updated_at=_MOMENT,
)

DESCRIPTION = Description(
    name="patchcat",
    title="The patch-cat registry API",
    error="Refusal",
    closed=frozenset({"POST /v1/tools", "POST /v1/refactor/proposals/{id}/result"}),
    schemas={
        "Refusal": _object(error=_object(code=_STRING, message=_STRING)),
        "Proposal": _PROPOSAL,
        "Entry": _object(
            name=_STRING,
            description=_STRING,
            latest_version=_VERSION,
            contributor=_CONTRIBUTOR,
            use_count=_COUNT,
            success_count=_COUNT,
            success_rate={"anyOf": [_PART, {"type": "null"}]},
            similarity=_PART,
            verified=_FLAG,
            created_at=_MOMENT,
        ),
        "ToolVersion": _object(
            name=_STRING,
            version=_VERSION,
            description=_STRING,
            source_sha256=_DIGEST,
            source_url=_STRING,
            manifest={"type": "object"},
            contributor=_CONTRIBUTOR,
            created_at=_MOMENT,
        ),
    },
    rows={
        "GET /": Row(answer=_object(service=_STRING, version=_STRING, docs=_STRING)),
        "GET /health": Row(answer=_object(status=_STRING)),
        "GET /v1/tools/search": Row(
            query={
                "q": {**_STRING, "minLength": 1, "maxLength": MOST_QUERY, "x-required": True},
                "limit": {**_COUNT, "minimum": 1, "maximum": MOST_FOUND, "default": USUALLY_FOUND},
                "include_unverified": {"enum": ["true", "false"], "default": "false"},
            },
            answer=_object(results=_list(_ref("Entry"))),
        ),
        "GET /v1/tools/{name}": Row(answer=_ref("ToolVersion")),
        "GET /v1/tools/{name}/{version}": Row(answer=_ref("ToolVersion")),
        "GET /tools/{name}/{version}/{digest}.py": Row(gives="text/x-python", answer=_STRING),
        "POST /v1/tools": Row(
            body=_object(manifest={"type": "object"}, source=_STRING),
            answer=_some(
                _object(
                    name=_STRING,
                    version=_STRING,
                    source_sha256=_DIGEST,
                    status={"enum": ["created", "exists"]},
                ),
                held=_FLAG,
            ),
        ),
        "POST /v1/tools/{name}/runs": Row(
            body=_some(
                _object(
                    version={**_STRING, "minLength": 1, "maxLength": 64},
                    success=_FLAG,
                    duration_ms={"type": "number", "minimum": 0},
                ),
                error_class={**_STRING, "maxLength": 200},
            ),
            answer=_object(status={"const": "recorded"}),
        ),
        "POST /v1/quarantine/summarize": Row(
            body=_object(text={**_STRING, "minLength": 1, "maxLength": MOST_TEXT}),
            answer=_object(summary=_STRING, flags=_list(_STRING)),
        ),
        "GET /v1/refactor/proposals": Row(
            query={"status": _STATUS}, answer=_object(proposals=_list(_ref("Proposal")))
        ),
        "GET /v1/refactor/proposals/{id}": Row(answer=_ref("Proposal")),
        "POST /v1/refactor/proposals/{id}/result": Row(
            body=_some(
                _object(status=_STATUS),
                proposed_manifest_yaml=_NULLABLE,
                proposed_source_sha256=_NULLABLE,
                equivalence_failure_reason=_NULLABLE,
                runner_log_sha256=_NULLABLE,
            ),
            answer=_ref("Proposal"),
        ),
        "GET /auth/github/start": Row(query={"redirect": _STRING}, status=302, answer=_STRING),
        "GET /auth/github/callback": Row(
            query={"code": _STRING, "state": _STRING},
            answer=_object(status=_STRING, handle=_STRING, token=_STRING),
        ),
    },
)
