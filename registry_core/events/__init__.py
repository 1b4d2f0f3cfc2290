"""The log of everything that happened, and following it.

Whoever has to know of a change reads this log and nothing else: subscribers, the search index,
caches, other nodes. An event is written in the transaction of the rows it speaks of.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from registry_core.callers import DEFAULT_CHANNEL, DEFAULT_WORKSPACE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from registry_core.events.kinds import EventKind

EPOCH = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True)
class Draft:
    """An event that is about to be written.

    `namespace` and `package` name what it is about, and `private` hides it from everyone who may
    not read that namespace's private packages.
    """

    kind: EventKind
    actor: str | None = None
    payload: Mapping[str, Any] = field(default_factory=dict)
    namespace: str | None = None
    package: str | None = None
    private: bool = False
    workspace: str = DEFAULT_WORKSPACE
    channel: str = DEFAULT_CHANNEL
    parent_id: int | None = None


@dataclass(frozen=True, slots=True)
class Event(Draft):
    """An event as it stands in the log; `id` grows in commit order and is never used twice.

    `version` counts the events of one workspace and channel.
    """

    id: int = 0
    at: datetime = EPOCH
    version: int = 0


class Audited(NamedTuple):
    """One line of the audit log: who called what, where, and how it ended; never the arguments."""

    at: datetime
    token_id: str | None
    actor: str
    operation: str
    workspace: str
    channel: str
    allowed: bool
    outcome: str
    arguments_sha256: str
    duration_ms: int
    id: int = 0
