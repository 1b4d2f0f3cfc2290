"""What the OpenAPI document of agentx's API says beyond its routes."""

from __future__ import annotations

from registry_core.formats.agent import CATEGORIES
from registry_core.packages.shelves import Order
from transports.dialects.agentx.agents import AGENT
from transports.dialects.agentx.catalog import MOST_QUERY, PERIODS
from transports.dialects.agentx.people import LONGEST_RUN
from transports.dialects.agentx.words import MOST_LIMIT, USUAL_LIMIT
from transports.openapi import Description, Row
from transports.schemas import (
    COUNT,
    DIGEST,
    FLAG,
    MOMENT,
    NULLABLE,
    STRING,
    TEXTS,
    array,
    ref,
    some,
    whole,
)

_AUTHOR = some(whole(username=STRING, avatar_url=STRING), display_name=NULLABLE)
_ITEM = whole(
    scope=STRING,
    name=STRING,
    full_name=STRING,
    description=STRING,
    category={"enum": [*CATEGORIES, None]},
    tags=TEXTS,
    latest_version=NULLABLE,
    download_count=COUNT,
    star_count=COUNT,
    is_verified=FLAG,
    is_deprecated=FLAG,
    author=_AUTHOR,
    updated_at=MOMENT,
)
_VERSION = whole(version=STRING, download_count=COUNT, published_at=MOMENT, is_yanked=FLAG)
_DETAIL = whole(
    **_ITEM["properties"],
    readme=STRING,
    license=STRING,
    repository=NULLABLE,
    homepage=NULLABLE,
    is_featured=FLAG,
    permissions=whole(filesystem=FLAG, network=FLAG, execute_commands=FLAG),
    mcp_servers=TEXTS,
    examples=array(some(whole(prompt=STRING), description=STRING)),
    versions=array(_VERSION),
    created_at=MOMENT,
)
_PROFILE = whole(username=STRING, display_name=STRING, avatar_url=STRING)
_PUBLISHED = some(
    whole(success=FLAG, version=STRING, full_name=STRING, url=STRING),
    held=FLAG,
    message=STRING,
)
_FORM = some(
    whole(tarball={"type": "string", "format": "binary"}, agent_yaml=STRING, readme=STRING),
    sha256=DIGEST,
)
_RUN = {"success": FLAG, "duration_ms": {**COUNT, "maximum": LONGEST_RUN}}
_NAME = {"type": "string", "minLength": 1, "maxLength": 200}
_SHORT = {"type": "string", "maxLength": 50}
_WORD = {"type": "string", "maxLength": 100}
_STARRED = whole(starred=FLAG, star_count=COUNT)

_LIMIT = {"limit": {"type": "integer", "default": USUAL_LIMIT, "maximum": MOST_LIMIT}}
_PAGE = {"page": {"type": "integer", "default": 1}, **_LIMIT}
_WORDS = {"type": "string", "maxLength": MOST_QUERY}
_FILTERS = {"category": STRING, "sort": {"enum": [str(order) for order in Order]}}
_PUBLISH = Row(takes="multipart/form-data", body=_FORM, answer=_PUBLISHED)
_AGENTS = Row(query=_PAGE, answer=ref("Agents"))

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
        "Agents": whole(agents=array(_ITEM), total=COUNT, page=COUNT, limit=COUNT),
        "Agent": _DETAIL,
        "Refusal": some(whole(error=STRING, message=STRING), details=TEXTS),
    },
    rows={
        "GET /api/v1/agents": Row(query={"q": _WORDS, **_FILTERS, **_PAGE}, answer=ref("Agents")),
        "GET /api/v1/search": Row(
            query={"q": {**_WORDS, "minLength": 1, "x-required": True}, **_FILTERS, **_PAGE},
            answer=ref("Agents"),
        ),
        "GET /api/v1/trending": Row(
            query={"period": {"enum": list(PERIODS), "default": "week"}, **_LIMIT},
            answer=ref("Agents"),
        ),
        "GET /api/v1/categories": Row(
            answer=whole(
                categories=array(whole(slug={"enum": CATEGORIES}, name=STRING, count=COUNT))
            )
        ),
        f"GET {AGENT}": Row(answer=ref("Agent")),
        f"GET {AGENT}/versions": Row(
            answer=whole(versions=array(some(_VERSION, tarball_size=COUNT, tarball_sha256=DIGEST)))
        ),
        f"GET {AGENT}/download/{{version}}": Row(
            answer=whole(
                version=STRING,
                tarball_url=STRING,
                sha256=DIGEST,
                size=COUNT,
                tarball_sha256=DIGEST,
                tarball_size=COUNT,
                published_at=MOMENT,
            )
        ),
        f"GET {AGENT}/tarball/{{version}}": Row(gives="application/gzip", answer={}),
        "PUT /api/v1/agents": _PUBLISH,
        f"PUT {AGENT}": _PUBLISH,
        f"DELETE {AGENT}/{{version}}": Row(answer=whole(success=FLAG, message=STRING)),
        f"PUT {AGENT}/star": Row(answer=_STARRED),
        f"DELETE {AGENT}/star": Row(answer=_STARRED),
        "GET /api/v1/users/{username}": Row(
            answer=whole(
                **_PROFILE["properties"],
                bio=STRING,
                website=STRING,
                agent_count=COUNT,
                total_downloads=COUNT,
                created_at=NULLABLE,
                agents=array(_ITEM),
            )
        ),
        "GET /api/v1/users/{username}/agents": _AGENTS,
        "POST /api/v1/auth/github": Row(
            body=some(whole(redirect_uri=STRING), state=STRING),
            answer=whole(auth_url=STRING, state=STRING),
        ),
        "GET /api/v1/auth/callback": Row(
            query={name: {**STRING, "x-required": True} for name in ("code", "state")},
            answer=whole(token=STRING, user=whole(**_PROFILE["properties"], github_id=COUNT)),
        ),
        "POST /api/v1/telemetry": Row(
            body={
                "oneOf": [
                    some(
                        whole(agent_name=_NAME, agent_version=_SHORT, **_RUN),
                        os=_WORD,
                        cli_version=_WORD,
                    ),
                    some(whole(agent=_NAME, version=_SHORT, **_RUN), error_type=_WORD),
                ]
            },
            answer=whole(ok=FLAG),
        ),
    },
)
