"""Which server was meant: the names in `Host` and `Origin` have to be this server's own.

A browser sends a page's own name as `Host`, so a page that has its name point to 127.0.0.1 (DNS
rebinding) is told apart by it; and it sends where a page came from as `Origin` with whatever could
change something, so a page elsewhere cannot post here either. Programs send no `Origin`. What is
`shared` is for pages of anywhere; nothing there is done for whoever merely sits at this machine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from registry_core.names import shown
from transports.access import read_name, read_origin
from transports.headers import sent, words
from transports.limits import remembered
from transports.refusals import HostDenied, OriginDenied

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from starlette.types import ASGIApp, Receive, Scope, Send

    from transports.access import Access
    from transports.refusals import Refuse


class HostCheck:
    """Refuses requests that name another server, or come from a page of another."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        access: Access,
        shared: Callable[[Scope], bool],
        refuse: Refuse,
    ) -> None:
        self._app = app
        self._access = access
        self._answers = remembered(self._answers_to)
        self._shared = shared
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        problem = self._problem(scope) if scope["type"] == "http" else None
        app = self._app if problem is None else self._refuse(scope, problem)
        await app(scope, receive, send)

    def _problem(self, scope: Scope) -> HostDenied | None:
        problem = self._host(words(scope, b"host"))
        if problem is None and b"origin" in sent(scope) and not self._shared(scope):
            problem = self._origin(words(scope, b"origin"))
        return problem

    def _host(self, given: Sequence[str]) -> HostDenied | None:
        if len(given) != 1:
            return HostDenied(f"there are {len(given)} Host headers", hint="Send one.")
        if self._answers(given[0]):
            return None
        return HostDenied(
            f"this server does not answer to the Host {shown(given[0])}",
            hint="Start it with `--allowed-host NAME` if it should.",
        )

    def _answers_to(self, host: str) -> bool:
        name = read_name(host)
        return name is not None and self._access.answers_to(name)

    def _origin(self, given: Sequence[str]) -> OriginDenied | None:
        for text in given:
            name = read_origin(text)
            if len(given) > 1 or name is None or not self._access.answers_to(name):
                return OriginDenied(
                    f"pages of {shown(text)} may not use this server",
                    hint="Start it with `--allowed-host NAME` if they should.",
                )
        return None
