"""What the OpenAPI document of csreg's API says beyond its routes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from transports.dialects.csreg.channels import CHANNEL, CHANNELS, Moved, NewChannel
from transports.dialects.csreg.skills import (
    MOST_QUERY,
    SKILL,
    SKILLS,
    SORTS,
    ChangedSkill,
    NewSkill,
)
from transports.dialects.csreg.teams import (
    MEMBER,
    MEMBERS,
    TEAM,
    TEAMS,
    ChangedMember,
    ChangedTeam,
    NewMember,
    NewTeam,
)
from transports.dialects.csreg.users import ME, TOKENS, NewToken
from transports.dialects.csreg.versions import MEDIA_TYPES, VERSION, VERSIONS, Reason
from transports.dialects.csreg.words import KINDS, MOST_LIMIT, OTHERS, PROBLEM, TYPES, USUAL_LIMIT
from transports.openapi import Description, Row, body_of

if TYPE_CHECKING:
    pass

_STRING: dict[str, Any] = {"type": "string"}
_NULLABLE: dict[str, Any] = {"type": ["string", "null"]}
_FLAG: dict[str, Any] = {"type": "boolean"}
_COUNT: dict[str, Any] = {"type": "integer", "minimum": 0}
_MOMENT: dict[str, Any] = {"type": "string", "format": "date-time"}
_LATER: dict[str, Any] = {"type": ["string", "null"], "format": "date-time"}
_ID: dict[str, Any] = {"type": "string", "format": "uuid"}
_DIGEST: dict[str, Any] = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_BYTES: dict[str, Any] = {"type": "string", "format": "binary"}
_WORDS: dict[str, Any] = {"type": "array", "items": _STRING}
_ROLE: dict[str, Any] = {"enum": ["read", "write", "admin"]}
_SCOPES: dict[str, Any] = {"type": "array", "items": _ROLE}


def _object(**properties: Any) -> dict[str, Any]:
    """Describe an object that has all of these members."""
    return {"type": "object", "properties": properties, "required": list(properties)}


def _some(needed: dict[str, Any], **optional: Any) -> dict[str, Any]:
    return needed | {"properties": needed["properties"] | optional}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _page(name: str) -> dict[str, Any]:
    return _some(_object(data={"type": "array", "items": _ref(name)}), cursor=_ID)


_SKILL = _object(
    id=_ID,
    scope=_STRING,
    slug=_STRING,
    name=_STRING,
    displayName=_STRING,
    description=_STRING,
    visibility={"enum": ["public", "private"]},
    tags=_WORDS,
    downloads=_COUNT,
    stars=_COUNT,
    latestVersion=_NULLABLE,
    deprecated=_NULLABLE,
    createdAt=_MOMENT,
    updatedAt=_MOMENT,
)
_VERSION = _some(
    _object(
        id=_ID,
        scope=_STRING,
        slug=_STRING,
        version=_STRING,
        description=_STRING,
        license=_STRING,
        tags=_WORDS,
        status={"enum": ["released", "held", "rejected", "revoked"]},
        yanked=_FLAG,
        yankReason=_NULLABLE,
        sha256=_DIGEST,
        size=_COUNT,
        downloadUrl=_STRING,
        downloads=_COUNT,
        channels=_WORDS,
        publishedBy=_STRING,
        createdAt=_MOMENT,
    ),
    message=_STRING,
)
_TEAM = _object(
    id=_ID,
    slug=_STRING,
    displayName=_STRING,
    description=_STRING,
    avatarUrl=_NULLABLE,
    role=_ROLE,
    memberCount=_COUNT,
    skillCount=_COUNT,
    createdAt=_MOMENT,
    updatedAt=_MOMENT,
)
_MEMBER = _object(
    id=_ID,
    userId=_ID,
    username=_STRING,
    displayName=_STRING,
    avatarUrl=_NULLABLE,
    role=_ROLE,
    createdAt=_MOMENT,
)
_TOKEN = _object(id=_ID, name=_STRING, scopes=_SCOPES, createdAt=_MOMENT, expiresAt=_LATER)
_PROBLEM = _some(
    _object(
        type={"enum": [*(f"{TYPES}{end}" for end, _ in KINDS.values()), "about:blank"]},
        title=_STRING,
        status={"type": "integer"},
        detail=_STRING,
        instance=_STRING,
    ),
    hint=_STRING,
    errors={"type": "array", "items": _object(path=_STRING, message=_STRING, rule=_STRING)},
)
_PAGES = {
    "limit": {"type": "integer", "minimum": 1, "maximum": MOST_LIMIT, "default": USUAL_LIMIT},
    "cursor": _ID,
}
_FORM = _some(_object(archive=_BYTES), version=_STRING)
_PULL = Row(gives="*/*", answer=_BYTES)
_ANY_VERSION = Row(answer=_ref("Version"))
_YANK = Row(body=body_of(Reason), needs_body=False, answer=_ref("Version"))
_GONE = Row(status=204, gives="")
_STAR = Row(answer=_object(starred=_FLAG, stars=_COUNT))

_TOKEN_ROWS = {
    key: row
    for path in TOKENS
    for key, row in {
        f"GET {path}": Row(query=_PAGES, answer=_page("Token")),
        f"POST {path}": Row(
            body=body_of(NewToken),
            status=201,
            answer=_object(**_TOKEN["properties"], token=_STRING),
        ),
        f"DELETE {path}/{{id}}": _GONE,
    }.items()
}
_OPEN = {
    f"GET {SKILLS}",
    f"GET {SKILL}",
    f"GET {VERSIONS}",
    f"GET {VERSION}",
    f"GET {VERSION}/download",
    f"GET {CHANNELS}",
    f"GET {CHANNEL}",
    f"GET {CHANNEL}/download",
}
"""What needs no token where the skill is public."""

_ROWS = {
    f"GET {SKILLS}": Row(
        query={
            "q": {"type": "string", "maxLength": MOST_QUERY},
            "scope": _STRING,
            "tag": _STRING,
            "sort": {"enum": SORTS},
            **_PAGES,
        },
        answer=_page("Skill"),
    ),
    f"POST {SKILLS}": Row(body=body_of(NewSkill), status=201, answer=_ref("Skill")),
    f"GET {SKILL}": Row(answer=_ref("SkillDetail")),
    f"PATCH {SKILL}": Row(body=body_of(ChangedSkill), answer=_ref("SkillDetail")),
    f"DELETE {SKILL}": _GONE,
    f"PUT {SKILL}/star": _STAR,
    f"POST {SKILL}/star": _STAR,
    f"DELETE {SKILL}/star": _STAR,
    f"GET {VERSIONS}": Row(query=_PAGES, answer=_page("Version")),
    f"POST {VERSIONS}": Row(
        query={"version": {**_STRING, "description": "Where the body is the archive itself."}},
        takes="multipart/form-data",
        body=_FORM,
        also_takes=dict.fromkeys(MEDIA_TYPES, _BYTES),
        status=201,
        answer=_ref("Version"),
    ),
    f"GET {VERSION}": _ANY_VERSION,
    f"DELETE {VERSION}": _YANK,
    f"GET {VERSION}/download": _PULL,
    f"POST {VERSION}/yank": _YANK,
    f"PUT {VERSION}/yank": _YANK,
    f"DELETE {VERSION}/yank": _YANK,
    f"POST {VERSION}/unyank": _ANY_VERSION,
    f"PUT {VERSION}/unyank": _ANY_VERSION,
    f"GET {CHANNELS}": Row(query=_PAGES, answer=_page("Channel")),
    f"POST {CHANNELS}": Row(body=body_of(NewChannel), status=201, answer=_ref("Channel")),
    f"GET {CHANNEL}": Row(answer=_ref("Channel")),
    f"PUT {CHANNEL}": Row(body=body_of(Moved), answer=_ref("Channel")),
    f"PATCH {CHANNEL}": Row(body=body_of(Moved), answer=_ref("Channel")),
    f"DELETE {CHANNEL}": _GONE,
    f"GET {CHANNEL}/download": _PULL,
    f"GET {TEAMS}": Row(query=_PAGES, answer=_page("Team")),
    f"POST {TEAMS}": Row(body=body_of(NewTeam), status=201, answer=_ref("Team")),
    f"GET {TEAM}": Row(answer=_ref("Team")),
    f"PATCH {TEAM}": Row(body=body_of(ChangedTeam), answer=_ref("Team")),
    f"GET {MEMBERS}": Row(query=_PAGES, answer=_page("Member")),
    f"POST {MEMBERS}": Row(body=body_of(NewMember), status=201, answer=_ref("Member")),
    f"PATCH {MEMBER}": Row(body=body_of(ChangedMember), answer=_ref("Member")),
    f"PUT {MEMBER}": Row(body=body_of(ChangedMember), answer=_ref("Member")),
    f"DELETE {MEMBER}": _GONE,
    f"GET {ME}": Row(
        answer=_object(
            id=_ID,
            username=_STRING,
            email=_NULLABLE,
            displayName=_STRING,
            avatarUrl=_NULLABLE,
            scopes=_SCOPES,
            createdAt=_MOMENT,
        )
    ),
    f"GET {ME}/stars": Row(query=_PAGES, answer=_page("Skill")),
    **_TOKEN_ROWS,
}

DESCRIPTION = Description(
    name="csreg",
    title="The csreg skills registry API",
    error="Problem",
    closed=frozenset(_ROWS.keys() - _OPEN),
    refusals=sorted({*KINDS, *OTHERS}),
    refuses_with=PROBLEM,
    schemas={
        "Skill": _SKILL,
        "SkillDetail": _object(
            **_SKILL["properties"],
            license=_STRING,
            readme=_STRING,
            versions=_WORDS,
            channels={"type": "object", "additionalProperties": _STRING},
        ),
        "Version": _VERSION,
        "Channel": _object(id=_ID, name=_STRING, version=_STRING, yanked=_FLAG),
        "Team": _TEAM,
        "Member": _MEMBER,
        "Token": _TOKEN,
        "Problem": _PROBLEM,
    },
    rows=_ROWS,
)
