"""Who asks: a caller and what it may do.

A caller is made in one place per door (a token, a loopback peer, the owner of an embedded
registry) and handed down; nothing below looks at a header or at the environment again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

DEFAULT_WORKSPACE = "default"
DEFAULT_CHANNEL = "default"

PLACE = re.compile(r"[A-Za-z0-9._/-]{1,64}")
"""The name of a workspace or channel; a branch (`feat/auth`) is one as it is written."""

PLACE_HINT = "Use 1 to 64 of A-Z a-z 0-9 . _ - /"


class Scope(StrEnum):
    """What a token opens.

    The first three are those of package tokens and apply to namespaces; the eight after them are
    the team server's and apply to workspaces; the last applies to the registry.
    """

    PUBLISH = "publish"
    """All that a namespace's owner may do: yank, delete, keys, teams; includes `push`."""
    PUSH = "push"
    """Publish in the token's namespace and move channels; includes `read`."""
    READ = "read"
    """Install private packages of the token's namespace; includes `search`."""
    SEARCH = "search"
    """Find, inspect and judge packages, plan an installation, read sessions and knowledge."""
    GRAPH = "graph"
    """The graph tools of the contract; no operation here needs it."""
    ARTIFACTS = "artifacts"
    """Download artifacts."""
    INDEX = "index"
    """Rebuild indexes."""
    EVENTS = "events"
    """Follow and search the event log."""
    SESSION_MUTATIONS = "sessionMutations"
    """Change session state."""
    KNOWLEDGE = "knowledge"
    """Write knowledge."""
    AUDIT = "audit"
    """Metrics, events with their whole payload, the audit log."""
    REVIEW = "review"
    """See what is held and why, release or reject it, write advisories."""


_INCLUDED: Mapping[Scope, frozenset[Scope]] = {
    Scope.PUBLISH: frozenset({Scope.PUSH, Scope.READ, Scope.SEARCH, Scope.ARTIFACTS}),
    Scope.PUSH: frozenset({Scope.READ, Scope.SEARCH, Scope.ARTIFACTS}),
    Scope.READ: frozenset({Scope.SEARCH, Scope.ARTIFACTS}),
    Scope.REVIEW: frozenset({Scope.SEARCH, Scope.ARTIFACTS}),
}

_READING = _INCLUDED[Scope.READ] | {Scope.READ}
_PUSHING = _INCLUDED[Scope.PUSH] | {Scope.PUSH}

PACKAGE_SCOPES = frozenset({Scope.PUBLISH, Scope.PUSH, Scope.READ})
TEAM_SCOPES = frozenset(Scope) - PACKAGE_SCOPES

_VIEWER = frozenset({Scope.SEARCH, Scope.GRAPH, Scope.ARTIFACTS, Scope.EVENTS})
_MEMBER = _VIEWER | {Scope.INDEX, Scope.SESSION_MUTATIONS, Scope.KNOWLEDGE}

ROLES: Mapping[str, frozenset[Scope]] = {
    "viewer": _VIEWER,
    "member": _MEMBER,
    "admin": _MEMBER | {Scope.AUDIT, Scope.REVIEW},
    "owner": TEAM_SCOPES,
}
"""What a role adds to the scopes of a token."""


def with_included(scopes: Iterable[Scope]) -> frozenset[Scope]:
    """Return scopes with all that they include."""
    given = frozenset(scopes)
    return given.union(*(_INCLUDED.get(scope, frozenset()) for scope in given))


@dataclass(frozen=True, slots=True)
class Caller:
    """One asker. `namespaces` are the ones its package scopes apply to; an owner has all of them.

    In those of `pushes` it has the scope `push` and what that includes, in those of `reads` the
    scope `read` and no other. `account` is the id of the account that it acts for, if it does;
    `only` the one namespace that its token is for, if it is. `workspaces` are the ones it may work
    in, None for any; `workspace` and `channel` are where this request takes place.
    """

    name: str
    scopes: frozenset[Scope] = frozenset()
    namespaces: frozenset[str] = frozenset()
    pushes: frozenset[str] = frozenset()
    reads: frozenset[str] = frozenset()
    owner: bool = False
    token_id: str | None = None
    account: str | None = None
    only: str | None = None
    workspaces: frozenset[str] | None = None
    workspace: str = DEFAULT_WORKSPACE
    channel: str = DEFAULT_CHANNEL

    def has(self, scope: Scope) -> bool:
        """Whether this caller holds `scope` anywhere."""
        return self.owner or scope in self.scopes

    def may(self, scope: Scope, namespace: str) -> bool:
        """Whether this caller holds `scope` in `namespace`."""
        return self.owner or (
            self.has(scope)
            and (
                namespace in self.namespaces
                or (namespace in self.pushes and scope in _PUSHING)
                or (namespace in self.reads and scope in _READING)
            )
        )

    @property
    def readable(self) -> frozenset[str]:
        """The namespaces whose private packages it may see, where it is no owner."""
        mine = self.namespaces | self.pushes | self.reads
        return mine if self.has(Scope.READ) else frozenset()

    def is_told_of(self, namespace: str) -> bool:
        """Whether this caller is told what of a namespace is held, and why."""
        return self.may(Scope.PUSH, namespace) or self.has(Scope.REVIEW)


ANONYMOUS = Caller(name="anonymous", scopes=frozenset({Scope.SEARCH, Scope.ARTIFACTS}))
"""Somebody without a token, where a door lets one in: sees what is public."""

OWNER = Caller(name="owner", owner=True)
"""Whoever holds the data folder: the user of an embedded registry."""
