"""Foreign APIs beside the native ones, each with its own paths, words and limits.

An `Api` is one document: its routes have the paths of that document. It is found

    under its name       /agentx/api/v1/search
    at the root          /api/v1/trending, where no other document claims that very path
    under a host name    http://registry.agentx.dev/api/v1/search, where a setting maps the host

`Addressing` stands outside of everything and turns the last two into the first, so that guards,
limits and routes know one spelling. Where a path is written with doubled slashes, as clients make
them of an address that ends in one, it is read as if it were not.

An API's own text for a person stands where the client looks for it: a guard that turns a request
away refuses by the `refuse` of the API that the path belongs to, as an endpoint does.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote

from starlette.responses import Response
from starlette.routing import Mount, Route, Router

from registry_core.errors import Invalid
from registry_core.names import shown
from transports import openapi, refusals
from transports.access import read_name
from transports.headers import words
from transports.limits import remembered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from registry_core.errors import RegistryError
    from transports.limits import Limits, Window
    from transports.openapi import Description

_API = "ctxmcp.api"
_MOUNTED = "ctxmcp.mounted"
_SLASHES = re.compile("/{2,}")
T = TypeVar("T")

_DEEPEST = 3
"""Segments of a path by which a route is looked up; what is behind them, its pattern tells."""


@dataclass(frozen=True)
class Api:
    """One foreign API; `name` is also its prefix. Paths below are those of its document."""

    name: str
    routes: Sequence[Route]
    refuse: Callable[[Scope, RegistryError], Response]
    describe: Callable[[], Description]
    """What its OpenAPI document says beyond its routes."""
    most_body: Sequence[tuple[str, int]] = ()
    windows: Callable[[Limits], Sequence[Window]] = field(default=lambda _: ())
    shared: str = ""
    """What is below this path may be used by pages of anywhere, which come without cookies."""

    @property
    def prefix(self) -> str:
        """What stands before its paths."""
        return f"/{self.name}"

    def mount(self) -> Mount:
        """Return its routes, and its OpenAPI document, under its prefix."""
        routes = [Route("/openapi.json", self._document), *self.routes]
        return Mount(self.prefix, app=Router(routes, redirect_slashes=False))

    async def _document(self, request: Request) -> Response:
        """Describe this API."""
        routes = filter(_is_described, self.routes)
        described = openapi.foreign(self.describe(), routes, version("ctxmcp"), mounted(request))
        return Response(refusals.encode(described), media_type="application/json")


class Addressing:
    """Finds the API that a request is for, and spells its path in the one way."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        apis: Sequence[Api],
        native: Iterable[Route],
        hosts: Mapping[str, str],
    ) -> None:
        self._app = app
        self._by_name = {api.name: api for api in apis}
        named = [(read_name(host), self._by_name[name]) for host, name in hosts.items()]
        self._by_host = [(host, api) for host, api in named if host is not None]
        self._native: defaultdict[str, list[Route]] = defaultdict(list)
        self._foreign: defaultdict[str, list[tuple[Route, Api]]] = defaultdict(list)
        for route in native:
            self._native[_head(route.path)].append(route)
        for api in apis:
            for route in filter(_is_described, api.routes):
                if head := _head(route.path):  # the front page is no API's
                    self._foreign[head].append((route, api))
        self._at_root = remembered(self._claimed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self._address(scope)
            if is_shared(scope):
                send = _shared(send)
        await self._app(scope, receive, send)

    def _address(self, scope: Scope) -> None:
        path: str = scope["path"]
        api = self._hosted(scope) if self._by_host else None
        if api is not None:
            _spell(scope, api, api.prefix + _SLASHES.sub("/", path), mounted="")
            return
        if "//" in path:
            path = _SLASHES.sub("/", path)
        api = self._by_name.get(path.split("/", 2)[1]) if path.startswith("/") else None
        if api is not None:
            bare = path == api.prefix
            _spell(scope, api, f"{path}/" if bare else path, mounted=api.prefix)
        elif (api := self._at_root(path)) is not None:
            _spell(scope, api, api.prefix + path, mounted=api.prefix)

    def _hosted(self, scope: Scope) -> Api | None:
        host = read_name(next(iter(words(scope, b"host")), ""))
        return next((a for h, a in self._by_host if host is not None and h.covers(host)), None)

    def _claimed(self, path: str) -> Api | None:
        found = {api.name: api for route, api in _below(self._foreign, path) if _is_at(route, path)}
        if len(found) != 1 or any(_is_at(route, path) for route in _below(self._native, path)):
            return None
        return next(iter(found.values()))


def api_of(scope: Scope) -> Api | None:
    """Return the API that a request is for; None for the native ones."""
    found: Api | None = scope.get(_API)
    return found


def is_shared(scope: Scope) -> bool:
    """Whether pages of anywhere may use what a request is for."""
    api = api_of(scope)
    return bool(api and api.shared and scope["path"].startswith(api.prefix + api.shared))


def mounted(request: Request) -> str:
    """Return what stands before the paths of its API for the client of a request."""
    before: str = request.scope[_MOUNTED]
    return before


def asked(scope: Scope) -> str:
    """Return the path of a request as its client has sent it."""
    sent: bytes = scope.get("raw_path") or quote(scope["path"]).encode()
    return sent.decode("latin-1")


def address(request: Request, path: str, base_url: str) -> str:
    """Return where a client finds a path of the API that its request is for.

    `base_url` is where the registry is reached; without one, and on a host of the API's own, it is
    the address that the client has used.
    """
    before = mounted(request)
    here = f"{request.url.scheme}://{request.headers.get('host', '')}"
    return f"{base_url if base_url and before else here}{before}{path}"


def read_hosts(text: str, known: Iterable[str]) -> dict[str, str]:
    """Read `NAME=API NAME=API`. Raises Invalid."""
    hosts = {}
    for pair in text.split():
        host, equals, name = pair.partition("=")
        if not equals or read_name(host) is None or name not in known:
            raise Invalid(
                f"CTXMCP_HOSTS: {shown(pair)} is no host and API",
                hint=f"Write NAME=API; APIs are {', '.join(known)}.",
            )
        hosts[host] = name
    return hosts


def _spell(scope: Scope, api: Api, path: str, *, mounted: str) -> None:
    # In place: what stands around this refuses by the same scope.
    scope["path"] = path
    scope[_API] = api
    scope[_MOUNTED] = mounted


def _is_described(route: Route) -> bool:
    return route.include_in_schema


def _shared(send: Send) -> Send:
    async def telling(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = [*message.get("headers", ()), (b"access-control-allow-origin", b"*")]
            message["headers"] = headers
        await send(message)

    return telling


def _head(path: str) -> str:
    """Return the first segments of a path of a route, up to its first parameter."""
    literal = path.partition("{")[0].split("/")[1 : _DEEPEST + 1]
    return "/".join(literal).rstrip("/")


def _below(table: Mapping[str, list[T]], path: str) -> list[T]:
    """Return what may be at a path, by its head."""
    segments = path.split("/", _DEEPEST + 1)[1 : _DEEPEST + 1]
    found: list[T] = []
    for depth in range(len(segments), 0, -1):
        found += table.get("/".join(segments[:depth]), [])
    return found


def _is_at(route: Route, path: str) -> bool:
    return route.path_regex.match(path) is not None
