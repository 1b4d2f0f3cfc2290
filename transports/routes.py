"""Routes that are found at once: by their whole path, where it has no parameters.

A router asks its routes in turn, and each tries a pattern; the last of thirty costs as much as
reading the request. These answer with one look into a table, and nothing stands between them and
the application's own handling of errors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from starlette.requests import Request
from starlette.routing import BaseRoute, Match, NoMatchFound, Route

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from starlette.types import Receive, Scope, Send


class ByPath(BaseRoute):
    """Routes of different paths, none with a parameter; each endpoint is a coroutine function."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self.routes = routes
        self._found = {route.path: route for route in routes}
        if len(self._found) < len(routes) or any("{" in path for path in self._found):
            raise ValueError("each of these routes needs a path of its own, without parameters")

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        route = self._found.get(scope["path"])
        if route is None:
            return Match.NONE, {}
        whole = not route.methods or scope["method"] in route.methods
        found = {"endpoint": route.endpoint, "path_params": {}}
        return Match.FULL if whole else Match.PARTIAL, found

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = self._found[scope["path"]]
        if route.methods and scope["method"] not in route.methods:
            await route.handle(scope, receive, send)  # it says which ones there are
            return
        response = await route.endpoint(Request(scope, receive, send))
        await response(scope, receive, send)

    def url_path_for(self, name: str, /, **path_params: Any) -> NoReturn:
        raise NoMatchFound(name, path_params)


def each(routes: Iterable[BaseRoute]) -> Iterator[Route]:
    """Give every single route, also those found by their path."""
    for route in routes:
        if isinstance(route, ByPath):
            yield from route.routes
        elif isinstance(route, Route):
            yield route
