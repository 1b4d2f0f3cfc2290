"""What the OpenAPI document of csreg's API says beyond its routes."""

from __future__ import annotations

from typing import Any

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
from transports.schemas import (
    BYTES,
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

_LATER: dict[str, Any] = {"type": ["string", "null"], "format": "date-time"}
_ID: dict[str, Any] = {"type": "string", "format": "uuid"}
_ROLE: dict[str, Any] = {"enum": ["read", "write", "admin"]}
_SCOPES: dict[str, Any] = array(_ROLE)


def _page(name: str) -> dict[str, Any]:
    return some(whole(data=array(ref(name))), cursor=_ID)


_SKILL = whole(
    id=_ID,
    scope=STRING,
    slug=STRING,
    name=STRING,
    displayName=STRING,
    description=STRING,
    visibility={"enum": ["public", "private"]},
    tags=TEXTS,
    downloads=COUNT,
    stars=COUNT,
    latestVersion=NULLABLE,
    deprecated=NULLABLE,
    createdAt=MOMENT,
    updatedAt=MOMENT,
)
_VERSION = some(
    whole(
        id=_ID,
        scope=STRING,
        slug=STRING,
        version=STRING,
        description=STRING,
        license=STRING,
        tags=TEXTS,
        status={"enum": ["released", "held", "rejected", "revoked"]},
        yanked=FLAG,
        yankReason=NULLABLE,
        sha256=DIGEST,
        size=COUNT,
        downloadUrl=STRING,
        downloads=COUNT,
        channels=TEXTS,
        publishedBy=STRING,
        createdAt=MOMENT,
    ),
    message=STRING,
)
_TEAM = whole(
    id=_ID,
    slug=STRING,
    displayName=STRING,
    description=STRING,
    avatarUrl=NULLABLE,
    role=_ROLE,
    memberCount=COUNT,
    skillCount=COUNT,
    createdAt=MOMENT,
    updatedAt=MOMENT,
)
_MEMBER = whole(
    id=_ID,
    userId=_ID,
    username=STRING,
    displayName=STRING,
    avatarUrl=NULLABLE,
    role=_ROLE,
    createdAt=MOMENT,
)
_TOKEN = whole(id=_ID, name=STRING, scopes=_SCOPES, createdAt=MOMENT, expiresAt=_LATER)
_PROBLEM = some(
    whole(
        type={"enum": [*(f"{TYPES}{end}" for end, _ in KINDS.values()), "about:blank"]},
        title=STRING,
        status={"type": "integer"},
        detail=STRING,
        instance=STRING,
    ),
    hint=STRING,
    errors=array(whole(path=STRING, message=STRING, rule=STRING)),
)
_PAGES = {
    "limit": {"type": "integer", "minimum": 1, "maximum": MOST_LIMIT, "default": USUAL_LIMIT},
    "cursor": _ID,
}
_FORM = some(whole(archive=BYTES), version=STRING)
_PULL = Row(gives="*/*", answer=BYTES)
_ANY_VERSION = Row(answer=ref("Version"))
_YANK = Row(body=body_of(Reason), needs_body=False, answer=ref("Version"))
_GONE = Row(status=204, gives="")
_STAR = Row(answer=whole(starred=FLAG, stars=COUNT))

_TOKEN_ROWS = {
    key: row
    for path in TOKENS
    for key, row in {
        f"GET {path}": Row(query=_PAGES, answer=_page("Token")),
        f"POST {path}": Row(
            body=body_of(NewToken), status=201, answer=whole(**_TOKEN["properties"], token=STRING)
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
            "scope": STRING,
            "tag": STRING,
            "sort": {"enum": SORTS},
            **_PAGES,
        },
        answer=_page("Skill"),
    ),
    f"POST {SKILLS}": Row(body=body_of(NewSkill), status=201, answer=ref("Skill")),
    f"GET {SKILL}": Row(answer=ref("SkillDetail")),
    f"PATCH {SKILL}": Row(body=body_of(ChangedSkill), answer=ref("SkillDetail")),
    f"DELETE {SKILL}": _GONE,
    f"PUT {SKILL}/star": _STAR,
    f"POST {SKILL}/star": _STAR,
    f"DELETE {SKILL}/star": _STAR,
    f"GET {VERSIONS}": Row(query=_PAGES, answer=_page("Version")),
    f"POST {VERSIONS}": Row(
        query={"version": {**STRING, "description": "Where the body is the archive itself."}},
        takes="multipart/form-data",
        body=_FORM,
        also_takes=dict.fromkeys(MEDIA_TYPES, BYTES),
        status=201,
        answer=ref("Version"),
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
    f"POST {CHANNELS}": Row(body=body_of(NewChannel), status=201, answer=ref("Channel")),
    f"GET {CHANNEL}": Row(answer=ref("Channel")),
    f"PUT {CHANNEL}": Row(body=body_of(Moved), answer=ref("Channel")),
    f"PATCH {CHANNEL}": Row(body=body_of(Moved), answer=ref("Channel")),
    f"DELETE {CHANNEL}": _GONE,
    f"GET {CHANNEL}/download": _PULL,
    f"GET {TEAMS}": Row(query=_PAGES, answer=_page("Team")),
    f"POST {TEAMS}": Row(body=body_of(NewTeam), status=201, answer=ref("Team")),
    f"GET {TEAM}": Row(answer=ref("Team")),
    f"PATCH {TEAM}": Row(body=body_of(ChangedTeam), answer=ref("Team")),
    f"GET {MEMBERS}": Row(query=_PAGES, answer=_page("Member")),
    f"POST {MEMBERS}": Row(body=body_of(NewMember), status=201, answer=ref("Member")),
    f"PATCH {MEMBER}": Row(body=body_of(ChangedMember), answer=ref("Member")),
    f"PUT {MEMBER}": Row(body=body_of(ChangedMember), answer=ref("Member")),
    f"DELETE {MEMBER}": _GONE,
    f"GET {ME}": Row(
        answer=whole(
            id=_ID,
            username=STRING,
            email=NULLABLE,
            displayName=STRING,
            avatarUrl=NULLABLE,
            scopes=_SCOPES,
            createdAt=MOMENT,
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
        "SkillDetail": whole(
            **_SKILL["properties"],
            license=STRING,
            readme=STRING,
            versions=TEXTS,
            channels={"type": "object", "additionalProperties": STRING},
        ),
        "Version": _VERSION,
        "Channel": whole(id=_ID, name=STRING, version=STRING, yanked=FLAG),
        "Team": _TEAM,
        "Member": _MEMBER,
        "Token": _TOKEN,
        "Problem": _PROBLEM,
    },
    rows=_ROWS,
)
