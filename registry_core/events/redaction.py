"""What somebody may see of an event: whether it exists at all, and how much of its payload.

    refs_only   what was touched: tool, kind, ids; of the registry's own events their public facts
                (name, version, digest) too, which the catalog tells everybody; `redacted: true`
    summary     everything but contents: these are replaced by "[redacted]"
    full        everything; needs the scope `audit`

An event about a private package, or about the tokens of a namespace, exists only for callers that
may read that namespace.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from registry_core.callers import Scope
from registry_core.events.kinds import EventKind

if TYPE_CHECKING:
    from registry_core.callers import Caller
    from registry_core.events import Event

CONTENTS = frozenset(
    {
        "content",
        "file_content",
        "result",
        "output",
        "session_data",
        "knowledge_value",
        "arguments",
        "state",
        "value",
    }
)
"""Members of a payload that hold what somebody wrote, at any depth. The last two are ours."""

REFS = ("tool", "kind", "event_kind", "workspace_id", "channel_id", "id")
"""Members that `refs_only` keeps."""

FACTS = (
    *("package_id", "name", "version", "sha256", "channel", "visibility", "ok", "token_id"),
    *("verdict", "was", "because", "advisory", "rules", "report_sha256"),
    *("namespace", "key", "old", "since", "digest"),
    *("amount_cents", "currency", "buyer"),
)
"""Members that it keeps of the registry's own events besides."""

HIDDEN = "[redacted]"

MOST_DEPTH = 32
"""Levels of a payload that are shown; what is deeper is hidden whatever it is called."""

_TEAMS = frozenset(
    {
        EventKind.TOOL_CALL_RECORDED,
        EventKind.SESSION_MUTATED,
        EventKind.KNOWLEDGE_REMEMBERED,
        EventKind.ARTIFACT_STORED,
        EventKind.GRAPH_BUILT,
        EventKind.PROOF_ADDED,
    }
)


class Detail(StrEnum):
    """How much of a payload is shown."""

    REFS_ONLY = "refs_only"
    SUMMARY = "summary"
    FULL = "full"


def exists_for(caller: Caller, *, private: bool, namespace: str | None) -> bool:
    """Whether an event of this namespace exists for a caller."""
    return not private or (caller.owner if namespace is None else caller.may(Scope.READ, namespace))


def readable_namespaces(caller: Caller) -> frozenset[str] | None:
    """Return the namespaces whose private events exist for a caller; None for every one."""
    return None if caller.owner else caller.readable


def redacted(event: Event, detail: Detail) -> Mapping[str, Any]:
    """Return the payload of an event as it is shown."""
    if detail is Detail.FULL:
        return event.payload
    if detail is Detail.SUMMARY:
        return {name: _hidden(name, value, 1) for name, value in event.payload.items()}
    kept = REFS if event.kind in _TEAMS else (*REFS, *FACTS)
    refs = {name: event.payload[name] for name in kept if _is_ref(event.payload.get(name))}
    return {**refs, "redacted": True}


def words(event: Event, detail: Detail) -> str:
    """Return what somebody who sees this detail of an event may find it by."""
    shown = [text for text in _texts(redacted(event, detail)) if text is not HIDDEN]
    return "\n".join((event.kind.value, event.actor or "", *shown))


def _hidden(name: str, value: Any, depth: int) -> Any:
    if name in CONTENTS or depth > MOST_DEPTH:
        return HIDDEN
    if isinstance(value, Mapping):
        return {inner: _hidden(inner, item, depth + 1) for inner, item in value.items()}
    if isinstance(value, list):
        return [_hidden("", item, depth + 1) for item in value]
    return value


def _is_ref(value: Any) -> bool:
    return isinstance(value, str | int) and len(str(value)) <= 256


def _texts(payload: Mapping[str, Any]) -> Iterator[str]:
    left: list[Any] = list(payload.values())
    while left:
        value = left.pop()
        if isinstance(value, Mapping):
            left.extend(value.values())
        elif isinstance(value, list):
            left.extend(value)
        elif isinstance(value, str):
            yield value
