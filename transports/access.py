"""Which names a server answers to, and which caller sits at its own machine.

A name is a host, or a host and a port: `registry.example`, `registry.example:8443`, `[::1]:8080`.
Without a port it stands for every port.

A caller is local when all of this holds: the server listens on loopback only, the peer has a
loopback address, `Host` is a loopback name, `Origin` is absent or a loopback name, and no header
says that the request came through a proxy. One of them alone proves nothing: a web page in the
user's browser has the peer's address, and a proxy on the same machine has it too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from registry_core.errors import Invalid
from registry_core.names import shown
from transports.headers import sent, words
from transports.limits import remembered

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from starlette.types import Scope

_AUTHORITY = re.compile(
    r"(?:\[([0-9a-f:.]{2,45})\]|([a-z0-9_](?:[a-z0-9._-]{0,252})))(?::(\d{1,5}))?"
)
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]{0,31}://([^/?#]{1,300})")

_FORWARDED = frozenset(
    {b"forwarded", b"via", b"x-real-ip", b"x-client-ip", b"true-client-ip", b"cf-connecting-ip"}
)


@dataclass(frozen=True, slots=True)
class Name:
    """A host, in lower case and an address in its shortest form; and a port, or any."""

    host: str
    port: int | None = None

    @property
    def loopback(self) -> bool:
        """Whether it is this machine by definition, whatever a name server says."""
        return is_loopback(self.host)

    def covers(self, other: Name) -> bool:
        """Whether `other` is this host, on this port or on any."""
        return self.host == other.host and self.port in {None, other.port}


@lru_cache(maxsize=512)
def read_name(text: str) -> Name | None:
    """Read `host[:port]` as a Host header has it; None where it is malformed."""
    found = _AUTHORITY.fullmatch(text.lower())
    if found is None or not text.isascii():
        return None
    address, host, digits = found.groups()
    port = int(digits) if digits else None
    if port is not None and port > 65535:
        return None
    if address is None:
        return Name(host, port)
    try:
        return Name(str(ip_address(address)), port)
    except ValueError:
        return None


@lru_cache(maxsize=512)
def read_origin(text: str) -> Name | None:
    """Read the host and port of an Origin header; None for `null` and what is malformed."""
    found = _ORIGIN.fullmatch(text.lower())
    return read_name(found[1]) if found else None


@lru_cache(maxsize=512)
def is_loopback(host: str) -> bool:
    """Whether a host, by its name or address, can only be this machine."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


LOOPBACK = (Name("localhost"), Name("127.0.0.1"), Name("::1"))


@dataclass(frozen=True, slots=True)
class Access:
    """The names that are answered to, and whether a local caller owns the registry."""

    names: tuple[Name, ...] = LOOPBACK
    local_owner: bool = True

    @classmethod
    def of_server(
        cls,
        host: str,
        *,
        base_url: str = "",
        allowed: Sequence[str] = (),
        require_token: bool = False,
    ) -> Access:
        """Say it for a server that listens on `host`. Raises Invalid for a name that is none."""
        loopback = is_loopback(host)
        bound = read_name(f"[{host}]" if ":" in host else host)
        base = read_name(urlsplit(base_url).netloc.rpartition("@")[2])
        own = tuple(name for name in (bound, base) if name is not None)
        named = tuple(_allowed(text) for text in allowed)
        return cls(
            names=(*(LOOPBACK if loopback else ()), *own, *named),
            local_owner=loopback and not require_token,
        )

    def answering_also(self, hosts: Iterable[str]) -> Access:
        """Let requests for these names be served, too. Raises Invalid for a name that is none."""
        return replace(self, names=(*self.names, *map(_allowed, hosts)))

    def answers_to(self, name: Name) -> bool:
        """Whether requests for this name are served."""
        return any(known.covers(name) for known in self.names)

    def is_local(self, scope: Scope) -> bool:
        """Whether a request comes from this very machine, to a server that is for it alone."""
        client = scope.get("client")
        return (
            self.local_owner
            and client is not None
            and is_loopback(client[0])
            and not _tells_of_proxy(sent(scope))
            and _says_loopback(scope)
        )


def _tells_of_proxy(names: Iterable[bytes]) -> bool:
    # One search in all of them; no honest local caller has that within a name.
    return not _FORWARDED.isdisjoint(names) or b"x-forwarded-" in b" ".join(names)


def _says_loopback(scope: Scope) -> bool:
    hosts = words(scope, b"host")
    if b"origin" in sent(scope):
        pages = map(read_origin, words(scope, b"origin"))
        if not all(page is not None and page.loopback for page in pages):
            return False
    return bool(hosts) and all(map(_is_own, hosts))


@remembered
def _is_own(host: str) -> bool:
    name = read_name(host)
    return name is not None and name.loopback


def _allowed(text: str) -> Name:
    name = read_name(text)
    if name is None:
        raise Invalid(
            f"{shown(text)} is no host name", hint="Say NAME or NAME:PORT, without a scheme."
        )
    return name
