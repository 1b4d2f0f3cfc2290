"""The headers of a request by their names: read once, and asked for by every guard."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.types import Scope

    Headers = Mapping[bytes, Sequence[bytes]]

SESSION = "ctxpkg_session"
"""The cookie of a browser that has signed in."""

_KEY = "ctxmcp.headers"


def sent(scope: Scope) -> Headers:
    """Return the values of every header, in the order they came; names are in lower case."""
    known: dict[bytes, list[bytes]] | None = scope.get(_KEY)
    if known is None:
        known = scope[_KEY] = {}
        for name, value in scope["headers"]:
            if name in known:
                known[name].append(value)
            else:
                known[name] = [value]
    return known


def words(scope: Scope, name: bytes) -> list[str]:
    """Return the values of one header as text."""
    return [value.decode("latin-1") for value in sent(scope).get(name, ())]


def announced(scope: Scope) -> int | None:
    """Return the length of the body that comes, 0 where it comes in chunks; None for no body."""
    headers = sent(scope)
    if b"transfer-encoding" in headers:
        return 0
    return int(headers.get(b"content-length", (b"0",))[-1]) or None
