"""What the OpenAPI document of agentx's API says beyond its routes."""

from __future__ import annotations

from typing import Any

from registry_core.formats.agent import CATEGORIES
from registry_core.packages.shelves import Order
from transports.dialects.agentx.agents import AGENT
from transports.dialects.agentx.catalog import MOST_QUERY, PERIODS
from transports.dialects.agentx.people import LONGEST_RUN
from transports.dialects.agentx.words import MOST_LIMIT, USUAL_LIMIT
from transports.openapi import Description, Row

_STRING: dict[str, Any] = {"type": "string"}
_NULLABLE: dict[str, Any] = {"type": ["string", "null"]}
_FLAG: dict[str, Any] = {"type": "boolean"}
_COUNT: dict[str, Any] = {"type": "integer", "minimum": 0}
_MOMENT: dict[str, Any] = {"type": "string", "format": "date-time"}
_DIGEST: dict[str, Any] = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_ANY_TEXTS: dict[str, Any] = {"type": "array", "items": _STRING}


def _object(**properties: Any) -> dict[str, Any]:
    """Describe an object that has all of these members."""
    return {"type": "object", "properties": properties, "required": list(properties)}


def _some(needed: dict[str, Any], **optional: Any) -> dict[str, Any]:
    return needed | {"properties": needed["properties"] | optional}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


_AUTHOR = _some(_object(username=_STRING, avatar_url=_STRING), display_name=_NULLABLE)
_ITEM = _object(
    scope=_STRING,
    name=_STRING,
    full_name=_STRING,
    description=_STRING,
    category={"enum": [*CATEGORIES, None]},
    tags=_ANY_TEXTS,
    latest_version=_NULLABLE,
    download_count=_COUNT,
    star_count=_COUNT,
    is_verified=_FLAG,
    is_deprecated=_FLAG,
    author=_AUTHOR,
    updated_at=_MOMENT,
)
_VERSION = _object(version=_STRING, download_count=_COUNT, published_at=_MOMENT, is_yanked=_FLAG)
_DETAIL = _object(
    **_ITEM["properties"],
    readme=_STRING,
    license=_STRING,
    repository=_NULLABLE,
    homepage=_NULLABLE,
    is_featured=_FLAG,
    permissions=_object(filesystem=_FLAG, network=_FLAG, execute_commands=_FLAG),
    mcp_servers=_ANY_TEXTS,
    examples={"type": "array", "items": _some(_object(prompt=_STRING), description=_STRING)},
    versions={"type": "array", "items": _VERSION},
    created_at=_MOMENT,
)
_PROFILE = _object(username=_STRING, display_name=_STRING, avatar_url=_STRING)
_PUBLISHED = _some(
    _object(success=_FLAG, version=_STRING, full_name=_STRING, url=_STRING),
    held=_FLAG,
    message=_STRING,
)
_FORM = _some(
    _object(tarball={"type": "string", "format": "binary"}, agent_yaml=_STRING, readme=_STRING),
    sha256=_DIGEST,
)
_RUN = {"success": _FLAG, "duration_ms": {**_COUNT, "maximum": LONGEST_RUN}}
_NAME = {"type": "string", "minLength": 1, "maxLength": 200}
_SHORT = {"type": "string", "maxLength": 50}
_WORD = {"type": "string", "maxLength": 100}
_STARRED = _object(starred=_FLAG, star_count=_COUNT)

_LIMIT = {"limit": {"type": "integer", "default": USUAL_LIMIT, "maximum": MOST_LIMIT}}
_PAGE = {"page": {"type": "integer", "default": 1}, **_LIMIT}
_WORDS = {"type": "string", "maxLength": MOST_QUERY}
_FILTERS = {"category": _STRING, "sort": {"enum": [str(order) for order in Order]}}
_PUBLISH = Row(takes="multipart/form-data", body=_FORM, answer=_PUBLISHED)
_AGENTS = Row(query=_PAGE, answer=_ref("Agents"))

DESCRIPTION = Description(
    name="agentx",
    title="The agentx registry API",
    error="Refusal",
    closed=frozenset(
        {
            "PUT /api/v1/agents",
            f"PUT {AGENT}",
            f"DELETE {AGENT}/{{version}}",
            f"PUT {AGENT}/star",
            f"DELETE {AGENT}/star",
        }
    ),
    schemas={
        "Agents": _object(
            agents={"type": "array", "items": _ITEM}, total=_COUNT, page=_COUNT, limit=_COUNT
        ),
        "Agent": _DETAIL,
        "Refusal": _some(_object(error=_STRING, message=_STRING), details=_ANY_TEXTS),
    },
    rows={
        "GET /api/v1/agents": Row(query={"q": _WORDS, **_FILTERS, **_PAGE}, answer=_ref("Agents")),
        "GET /api/v1/search": Row(
            query={"q": {**_WORDS, "minLength": 1, "x-required": True}, **_FILTERS, **_PAGE},
            answer=_ref("Agents"),
        ),
        "GET /api/v1/trending": Row(
            query={"period": {"enum": list(PERIODS), "default": "week"}, **_LIMIT},
            answer=_ref("Agents"),
        ),
        "GET /api/v1/categories": Row(
            answer=_object(
                categories={
                    "type": "array",
                    "items": _object(slug={"enum": CATEGORIES}, name=_STRING, count=_COUNT),
                }
            )
        ),
        f"GET {AGENT}": Row(answer=_ref("Agent")),
        f"GET {AGENT}/versions": Row(
            answer=_object(
                versions={
                    "type": "array",
                    "items": _some(_VERSION, tarball_size=_COUNT, tarball_sha256=_DIGEST),
                }
            )
        ),
        f"GET {AGENT}/download/{{version}}": Row(
            answer=_object(
                version=_STRING,
                tarball_url=_STRING,
                sha256=_DIGEST,
                size=_COUNT,
                tarball_sha256=_DIGEST,
                tarball_size=_COUNT,
                published_at=_MOMENT,
            )
        ),
        f"GET {AGENT}/tarball/{{version}}": Row(gives="application/gzip", answer={}),
        "PUT /api/v1/agents": _PUBLISH,
        f"PUT {AGENT}": _PUBLISH,
        f"DELETE {AGENT}/{{version}}": Row(answer=_object(success=_FLAG, message=_STRING)),
        f"PUT {AGENT}/star": Row(answer=_STARRED),
        f"DELETE {AGENT}/star": Row(answer=_STARRED),
        "GET /api/v1/users/{username}": Row(
            answer=_object(
                **_PROFILE["properties"],
                bio=_STRING,
                website=_STRING,
                agent_count=_COUNT,
                total_downloads=_COUNT,
                created_at=_NULLABLE,
                agents={"type": "array", "items": _ITEM},
            )
        ),
        "GET /api/v1/users/{username}/agents": _AGENTS,
        "POST /api/v1/auth/github": Row(
            body=_some(_object(redirect_uri=_STRING), state=_STRING),
            answer=_object(auth_url=_STRING, state=_STRING),
        ),
        "GET /api/v1/auth/callback": Row(
            query={name: {**_STRING, "x-required": True} for name in ("code", "state")},
            answer=_object(token=_STRING, user=_object(**_PROFILE["properties"], github_id=_COUNT)),
        ),
        "POST /api/v1/telemetry": Row(
            body={
                "oneOf": [
                    _some(
                        _object(agent_name=_NAME, agent_version=_SHORT, **_RUN),
                        os=_WORD,
                        cli_version=_WORD,
                    ),
                    _some(_object(agent=_NAME, version=_SHORT, **_RUN), error_type=_WORD),
                ]
            },
            answer=_object(ok=_FLAG),
        ),
    },
)
