"""What a registry answers beside the outputs of its operations: tools, results, events, status."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from registry_core.errors import RegistryError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime


class ToolFailed(RegistryError):
    """A tool says that it failed, in words alone: the registry names no kind of error for it."""

    code = "tool_error"


@dataclass(frozen=True, slots=True)
class Tool:
    """What can be called, and the JSON Schema of what it takes."""

    name: str
    description: str
    input_schema: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a tool said: content blocks for a model, and the same as data where it has any."""

    content: Sequence[Mapping[str, Any]]
    structured: Any = None
    meta: Mapping[str, Any] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The text blocks of the content, joined."""
        return "\n".join(str(block["text"]) for block in self.content if "text" in block)


@dataclass(frozen=True, slots=True)
class Event:
    """One event of the log; `id` grows, is never used twice, and is where to go on from."""

    id: int
    kind: str
    actor: str | None
    at: datetime
    workspace: str
    channel: str
    version: int
    """Counts the events of one workspace and channel."""
    parent_id: int | None
    consistency: str
    """`strong`, `eventual` or `local`."""
    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Watch:
    """Which events are wanted, any kind if none is named, and how much of their payloads.

    `refs_only` names what an event is about, `summary` leaves out what was read or written alone,
    `full` needs the scope `audit`.
    """

    kinds: Sequence[str] = ()
    detail: str = "summary"


@dataclass(frozen=True, slots=True)
class Status:
    """That a registry answers, and what it is."""

    address: str
    server: str
    version: str
    tools: int
    """How many can be called."""
    latest_event_id: int
    """Where to subscribe from for what happens from now on."""
