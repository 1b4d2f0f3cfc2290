"""Who asks: a caller and what it may do.

A caller is made in one place per door (a token, a loopback peer, the owner of an embedded
registry) and handed down; nothing below looks at a header or at the environment again.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Scope(StrEnum):
    """What a token opens."""

    READ = "read"
    """Install private packages of the token's namespace."""
    PUBLISH = "publish"
    """Publish and yank in the token's namespace; includes `read`."""


@dataclass(frozen=True, slots=True)
class Caller:
    """One asker. `namespaces` are the ones its scopes apply to; an owner has all of them."""

    name: str
    scopes: frozenset[Scope] = frozenset()
    namespaces: frozenset[str] = frozenset()
    owner: bool = False
    token_id: str | None = None

    def has(self, scope: Scope) -> bool:
        """Whether this caller holds `scope` anywhere."""
        return (
            self.owner
            or scope in self.scopes
            or (scope is Scope.READ and Scope.PUBLISH in self.scopes)
        )

    def may(self, scope: Scope, namespace: str) -> bool:
        """Whether this caller holds `scope` in `namespace`."""
        return self.owner or (namespace in self.namespaces and self.has(scope))


ANONYMOUS = Caller(name="anonymous")
"""Somebody without a token: sees what is public."""

OWNER = Caller(name="owner", owner=True)
"""Whoever holds the data folder: the user of an embedded registry."""
