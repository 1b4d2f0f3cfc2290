"""People in the ctxpkg registry API: signing in by mail, and what an account owns.

    POST   /api/v1/auth/request                          a link, by mail
    GET    /api/v1/auth/verify?token=                    what the link does: a session
    POST   /api/v1/auth/verify                           the same, by the button of a page
    POST   /api/v1/auth/sign-out                         the end of a session
    GET    /api/v1/account                               who I am
    GET    /api/v1/account/tokens                        tokens; POST, DELETE .../{id}
    GET    /api/v1/account/namespaces                    namespaces; POST claims one
    PUT    /api/v1/account/namespaces/{ns}/owner         give one to a team
    GET    /api/v1/account/namespaces/{ns}/domains       domains; POST begins to verify one
    POST   .../domains/{domain}/check                    look whether it shows it; DELETE
    GET    /api/v1/account/teams                         teams; POST makes one
    GET    /api/v1/account/teams/{team}                  its members
    PUT    /api/v1/account/teams/{team}/members/{who}    a role; DELETE

The document names the first two and leaves everything else to the website that it is of. A session
or a token of an account says who asks (`transports.cookies` has what a session must show to change
something). Refusals are ctxpkg's; what is somebody's own is kept by no cache.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from transports.dialects.ctxpkg_account import domains, namespaces, sessions, teams, tokens
from transports.limits import HOUR, Whom, Window

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.routing import Route

    from transports.limits import Limits


def windows(limits: Limits) -> Sequence[Window]:
    """Return what bounds how often somebody has mail sent."""
    return [
        Window(
            sessions.REQUEST,
            limits.links_per_hour,
            HOUR,
            "links for signing in",
            whom,
            refusal=f"more than {limits.links_per_hour} links for signing in within an hour",
        )
        for whom in (Whom.ACCOUNT, Whom.ADDRESS)
    ]


def routes() -> list[Route]:
    """Return what this dialect answers."""
    return [
        route for part in (sessions, namespaces, domains, teams, tokens) for route in part.routes()
    ]
