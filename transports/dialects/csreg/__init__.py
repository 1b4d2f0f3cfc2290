"""The API of csreg, the skills registry: what its document describes, and what that leaves open.

Its document gives the ways of signing in, the scopes, pages and problems. What it leaves open is as
a user of npm or crates.io would expect, and stands in `/csreg/openapi.json`. Reading what is public
is for everybody; a token of an account or of a namespace opens the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from transports.apis import Api
from transports.dialects.csreg import channels, skills, teams, users, versions
from transports.dialects.csreg.words import refuse

if TYPE_CHECKING:
    from transports.openapi import Description

__all__ = ["API"]


def _describe() -> Description:
    from transports.dialects.csreg.described import DESCRIPTION  # noqa: PLC0415 - seldom asked for

    return DESCRIPTION


API = Api(
    name="csreg",
    routes=(
        *skills.routes(),
        *versions.routes(),
        *channels.routes(),
        *teams.routes(),
        *users.routes(),
    ),
    refuse=refuse,
    describe=_describe,
    most_body=versions.MOST_BODY,
)
