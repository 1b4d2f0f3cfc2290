"""The registry API of agentx: what its command line and its website speak.

The paths are those of its document; where the real client and the document differ, both are
answered. Reading is for everybody; writing takes a token, of an account or of a namespace.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from transports.apis import Api
from transports.dialects.agentx import agents, catalog, people, publishing
from transports.dialects.agentx.words import refuse
from transports.limits import HOUR, MINUTE, Whom, Window

if TYPE_CHECKING:
    from transports.limits import Limits
    from transports.openapi import Description

__all__ = ["API"]


def _windows(limits: Limits) -> tuple[Window, ...]:
    """Return the windows of the document."""
    hourly = limits.agentx_publishes_per_hour
    return (
        Window(
            "/agentx/api/v1/agents",
            hourly,
            HOUR,
            "publishes an hour",
            Whom.ACCOUNT,
            frozenset({"PUT"}),
            f"Publish rate limit exceeded. Maximum {hourly} publishes per hour.",
        ),
        _all("requests a minute with a token", limits.agentx_account_per_minute, Whom.ACCOUNT),
        _all("requests a minute", limits.agentx_per_minute, Whom.ADDRESS),
    )


def _all(words: str, most: int, whom: Whom) -> Window:
    return Window("/agentx", most, MINUTE, words, whom, refusal="Rate limit exceeded")


def _describe() -> Description:
    from transports.dialects.agentx.described import DESCRIPTION  # noqa: PLC0415 - seldom asked for

    return DESCRIPTION


API = Api(
    name="agentx",
    routes=(*catalog.routes(), *publishing.routes(), *agents.routes(), *people.routes()),
    refuse=refuse,
    describe=_describe,
    most_body=publishing.MOST_BODY,
    windows=_windows,
)
