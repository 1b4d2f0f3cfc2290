"""What a channel has come to: who works in it, what was decided, learned and contradicted.

Counts are of the whole channel; agents, decisions, knowledge and conflicts are read off its newest
events. Contents are left out, as in the detail `summary` of redaction: of a fact there are its
category and key, never its value.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from registry_core.events.kinds import EventKind
from registry_core.events.redaction import Detail, exists_for, readable_namespaces, redacted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from registry_core.callers import Caller
    from registry_core.events import Event
    from registry_core.events.log import EventLog

MOST_DECISIONS = 10
MOST_CHANNELS = 256
"""Channels whose counts are kept, so that only what is new is counted again."""

_Alike = tuple[EventKind, bool, str | None]


@dataclass(frozen=True, slots=True)
class Decision:
    """A change of what is shared, and why."""

    agent: str
    tool: str
    action: str | None
    reasoning: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Learned:
    """A fact that was written."""

    category: str
    key: str
    agent: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Conflict:
    """A key that several agents have written."""

    category: str
    key: str
    agents: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Summary:
    """A channel as one caller sees it; oldest first, except `agents`, which are sorted."""

    events: int
    latest_version: int
    agents: Sequence[str]
    decisions: Sequence[Decision]
    learned: Sequence[Learned]
    conflicts: Sequence[Conflict]
    counts: Mapping[EventKind, int]


class Summaries:
    """Sums up the channels of one log."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._counted: OrderedDict[tuple[str, str], _Counts] = OrderedDict()

    async def of(self, caller: Caller, limit: int) -> Summary:
        """Sum up the channel a caller is in, from its `limit` newest events."""
        counts = await self._counts(caller)
        readable = readable_namespaces(caller)
        seen = await self._log.newest(caller.workspace, caller.channel, limit, readable)
        learned = [_learned(event) for event in seen if _is(event, EventKind.KNOWLEDGE_REMEMBERED)]
        return Summary(
            events=counts.total(),
            latest_version=seen[-1].version if seen else 0,
            agents=sorted({event.actor for event in seen if event.actor}),
            decisions=[_decision(event) for event in seen if _is(event, *_DECISIONS)][
                -MOST_DECISIONS:
            ],
            learned=learned,
            conflicts=_conflicts(seen),
            counts=counts,
        )

    async def _counts(self, caller: Caller) -> Counter[EventKind]:
        counted = await self._counted_to_date(caller.workspace, caller.channel)
        seen: Counter[EventKind] = Counter()
        for (kind, private, namespace), number in counted.items():
            if exists_for(caller, private=private, namespace=namespace):
                seen[kind] += number
        return seen

    async def _counted_to_date(self, workspace: str, channel: str) -> Counter[_Alike]:
        place = (workspace, channel)
        known = self._counted.get(place, _Counts(0, Counter()))
        newer = await self._log.count(known.position, workspace, channel)
        # A new object: whoever counts at the same time does so from where this one began.
        counts = Counter(known.counts)
        for row in newer:
            counts[row.kind, row.private, row.namespace] += row.events
        position = max((row.newest for row in newer), default=known.position)
        self._counted[place] = _Counts(position, counts)
        self._counted.move_to_end(place)
        if len(self._counted) > MOST_CHANNELS:
            self._counted.popitem(last=False)
        return counts


@dataclass(frozen=True, slots=True)
class _Counts:
    position: int
    counts: Counter[_Alike]


_DECISIONS = (EventKind.SESSION_MUTATED, EventKind.KNOWLEDGE_REMEMBERED)


def _is(event: Event, *kinds: EventKind) -> bool:
    return event.kind in kinds


def _decision(event: Event) -> Decision:
    shown = redacted(event, Detail.SUMMARY)
    return Decision(
        agent=event.actor or "",
        tool=_text(shown, "tool") or "",
        action=_text(shown, "action"),
        reasoning=_text(shown, "reasoning"),
        at=event.at,
    )


def _learned(event: Event) -> Learned:
    shown = redacted(event, Detail.SUMMARY)
    return Learned(
        _text(shown, "category") or "", _text(shown, "key") or "", event.actor or "", event.at
    )


def _conflicts(events: Iterable[Event]) -> Sequence[Conflict]:
    """Name the keys that more than one agent has written, as these events tell."""
    writers: dict[tuple[str, str], set[str]] = {}
    for event in events:
        if event.kind is EventKind.KNOWLEDGE_REMEMBERED:
            fact = _learned(event)
            named = writers.setdefault((fact.category, fact.key), set())
            named.update(filter(None, [fact.agent, *_agents(event.payload)]))
    return [
        Conflict(category, key, tuple(sorted(agents)))
        for (category, key), agents in writers.items()
        if len(agents) > 1
    ]


def _agents(payload: Mapping[str, Any]) -> Sequence[str]:
    """Return who took part in a contradiction, where the writer of the event has noticed one."""
    agents = payload.get("agents")
    return [name for name in agents if isinstance(name, str)] if isinstance(agents, list) else []


def _text(payload: Mapping[str, Any], name: str) -> str | None:
    value = payload.get(name)
    return value if isinstance(value, str) else None
