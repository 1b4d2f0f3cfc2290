"""Sessions: the state that the agents of a workspace share, one JSON object for each channel.

    save    merges a patch into the state (RFC 7396): null removes a member, an object is merged,
            anything else takes the place of what was there
    set     puts another state in the place of the whole

A session is there from its first change on. Before that it reads as version 0 with an empty
state, so nobody makes one and no two can make it twice. A change reads, checks, merges and writes
in one transaction, and changes follow each other in the order of the log: nothing is lost when
many write at once, and who names `expected_version` changes exactly what it has read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import func, insert, select, update

from registry_core.errors import Conflict, Invalid, NotFound, TooLarge
from registry_core.events import EPOCH, Draft
from registry_core.events.kinds import EventKind, kind_of
from registry_core.names import shown
from registry_core.schema import events, sessions

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement
    from sqlalchemy.ext.asyncio import AsyncConnection

    from registry_core.callers import Caller
    from registry_core.events.journal import Journal

MOST_STATE = 256 * 1024
"""Bytes of a state as compact JSON."""

MOST_DEPTH = 32
"""Objects and arrays inside each other in a state."""

COUNTED = 500
"""How many of a channel's newest events are looked at to say how many somebody has missed."""

Action = Literal["save", "set"]


@dataclass(frozen=True, slots=True)
class Standing:
    """How a session stands, without its state. `event_id` is the event of its last change."""

    workspace: str
    channel: str
    version: int = 0
    event_id: int = 0
    updated_at: datetime = EPOCH
    updated_by: str = ""


@dataclass(frozen=True, slots=True)
class Session(Standing):
    """A session; `version` counts its changes."""

    state: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Change:
    """What somebody wants to do to a session; `reasoning` goes into the log alone.

    Making one raises TooLarge or Invalid for a state that cannot be kept.
    """

    action: Action
    state: Mapping[str, Any]
    expected_version: int | None = None
    reasoning: str = ""
    parent_id: int | None = None

    def __post_init__(self) -> None:
        _check(self.state)


class Sessions:
    """The sessions of one registry."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.loaded = 0
        self.persisted = 0
        """How often a session was read, and changed, through this object."""

    async def get(self, workspace: str, channel: str) -> Session:
        """Return a session as it stands; one that nobody has changed is at version 0."""
        self.loaded += 1
        async with self._journal.database.read() as connection:
            return await _session(connection, workspace, channel)

    async def list(
        self, workspace: str, limit: int, before: int | None = None
    ) -> tuple[Sequence[Standing], int]:
        """Return sessions, the last changed first, and how many there are in the workspace.

        `before` is the `event_id` of the last one of the page before.
        """
        here = sessions.c.workspace == workspace
        page = here if before is None else here & (sessions.c.event_id < before)
        columns = [sessions.c[column.name] for column in fields(Standing)]
        statement = select(*columns).where(page).order_by(sessions.c.event_id.desc()).limit(limit)
        async with self._journal.database.read() as connection:
            rows = (await connection.execute(statement)).mappings().all()
            total = await connection.scalar(select(func.count()).where(here))
        return [Standing(**row) for row in rows], int(total or 0)

    async def mutate(self, change: Change, by: Caller) -> Session:
        """Change the session of the workspace and channel that `by` is in.

        Raises Conflict where it is not at the expected version, TooLarge where it would grow
        beyond its bounds, NotFound for a parent that is no event of the workspace.
        """

        async def work(connection: AsyncConnection) -> Session:
            old = await _session(connection, by.workspace, by.channel)
            _refuse_surprise(old, change)
            state = merged(old.state, change.state) if change.action == "save" else change.state
            _check(state)
            new = Session(
                workspace=old.workspace,
                channel=old.channel,
                version=old.version + 1,
                event_id=await self._tell(connection, old, change, by),
                updated_at=self._journal.now(),
                updated_by=by.name,
                state=state,
            )
            await _keep(connection, new)
            return new

        changed = await self._journal.write(work)
        self.persisted += 1
        return changed

    async def _tell(
        self, connection: AsyncConnection, old: Session, change: Change, by: Caller
    ) -> int:
        """Write the event; what led to it is what the caller says, else the change before."""
        parent = change.parent_id or old.event_id or None
        if change.parent_id:
            await _refuse_stranger(connection, change.parent_id, by.workspace)
        payload = {
            "tool": "session_mutate",
            "action": change.action,
            "session_version": old.version + 1,
        }
        if change.reasoning:
            payload["reasoning"] = change.reasoning
        draft = Draft(
            EventKind.SESSION_MUTATED,
            by.name,
            payload,
            workspace=by.workspace,
            channel=by.channel,
            parent_id=parent,
        )
        return await self._journal.append(connection, draft)

    async def missed(self, workspace: str, channel: str, seen: int) -> int:
        """Count what happened in a channel after the event `seen`, among its newest events.

        What happens to private packages and tokens is nobody's business here.
        """
        here = (events.c.workspace == workspace) & (events.c.channel == channel)
        newest = (
            select(events.c.id, events.c.kind)
            .where(here, ~events.c.private)
            .order_by(events.c.version.desc())
            .limit(COUNTED)
        )
        async with self._journal.database.read() as connection:
            rows = (await connection.execute(newest)).all()
        shared = (row for row in rows if kind_of(row.kind).consistency != "local")
        return sum(row.id > seen for row in shared)


def merged(target: Any, patch: Any) -> Any:
    """Merge a patch as RFC 7396 has it; neither is changed."""
    if not isinstance(patch, Mapping):
        return patch
    result = dict(target) if isinstance(target, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result


def _check(state: Mapping[str, Any]) -> None:
    """Raise TooLarge or Invalid for a state that cannot be kept."""
    _refuse_excess(state)
    try:
        text = json.dumps(state, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        size = len(text.encode())
    except (TypeError, ValueError) as error:  # an infinite number, half a surrogate pair
        raise Invalid(f"the state is no JSON: {shown(str(error), 100)}") from None
    if size > MOST_STATE:
        raise _too_large()


def _refuse_excess(state: Mapping[str, Any]) -> None:
    """Bound depth and size before anything walks the state by calling itself."""
    size, left = 0, [(state, 1)]
    while left:
        value, depth = left.pop()
        size += 1 + (len(value) if isinstance(value, str | Mapping | list) else 0)
        if size > MOST_STATE:
            raise _too_large()
        if not isinstance(value, Mapping | list):
            continue
        if depth > MOST_DEPTH:
            raise TooLarge(f"the state is nested deeper than {MOST_DEPTH}")
        items = value.values() if isinstance(value, Mapping) else value
        left.extend((item, depth + 1) for item in items)


def _too_large() -> TooLarge:
    return TooLarge(
        f"the state is larger than the {MOST_STATE:,} bytes a session may have",
        hint="Keep what is long in a file or a package, and where it is in the session.",
    )


def _refuse_surprise(old: Session, change: Change) -> None:
    if change.expected_version not in {None, old.version}:
        raise Conflict(
            f"the session {old.workspace}:{old.channel} is at version {old.version},"
            f" not {change.expected_version}",
            hint="Read it again, and make the change to what it says now.",
        )


async def _refuse_stranger(connection: AsyncConnection, event_id: int, workspace: str) -> None:
    """Let no chain of events lead into another workspace."""
    there = (events.c.id == event_id) & (events.c.workspace == workspace)
    if await connection.scalar(select(events.c.id).where(there)) is None:
        raise NotFound(f"there is no event {event_id} in the workspace {workspace}")


def _is(workspace: str, channel: str) -> ColumnElement[bool]:
    return (sessions.c.workspace == workspace) & (sessions.c.channel == channel)


async def _session(connection: AsyncConnection, workspace: str, channel: str) -> Session:
    found = await connection.execute(select(sessions).where(_is(workspace, channel)))
    row = found.mappings().one_or_none()
    return Session(**row) if row else Session(workspace, channel)


async def _keep(connection: AsyncConnection, session: Session) -> None:
    values = {
        "version": session.version,
        "state": session.state,
        "event_id": session.event_id,
        "updated_at": session.updated_at,
        "updated_by": session.updated_by,
    }
    where = {"workspace": session.workspace, "channel": session.channel}
    if session.version == 1:
        await connection.execute(insert(sessions).values(values | where))
    else:
        await connection.execute(update(sessions).where(_is(**where)).values(values))
