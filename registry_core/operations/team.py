"""What a team's agents share: the state of a session, and facts that are remembered.

Each takes place in a workspace and a channel: those that are named, else those of the call. They
open to the owner of the registry and to tokens of the team server, not to package tokens. What is
stored here is read by many, so a text that holds a live secret is refused.

What an agent should know beside the answer stands in `notes`, in the words of LeanCTX's contract:
`[CONTEXT STALE]` where much has happened since the event it names as `seen`, `[CONFLICT]` where
its fact took the place of another.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from registry_core.callers import PLACE, PLACE_HINT, Scope
from registry_core.errors import Conflict, Forbidden, Invalid, NotFound, TooLarge, Unauthenticated
from registry_core.names import shown
from registry_core.operation import Model, operation, package_text
from registry_core.verification.report import Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from registry_core import knowledge, sessions
    from registry_core.callers import Caller
    from registry_core.registry import Registry

MOST_MISSED = 10
"""Events that an agent may have missed before it is told so, as in the contract."""

FRESH = timedelta(days=30)
"""How long a fact that nobody confirms goes without a note."""

_APART = "\0\n"
_NOT_PLAIN = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029]")
_NOT_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")

Workspace = Annotated[str, Field(max_length=64, description="Empty: that of the call.")]
Channel = Annotated[str, Field(max_length=64, description="Such as a branch.")]
Seen = Annotated[
    int | None, Field(ge=0, lt=2**31, description="`as_of` of your last answer, for notes.")
]
Reasoning = Annotated[str, Field(max_length=2000, description="Why, for who reads the log.")]


class GetSession(Model):
    """The session to read."""

    channel: Channel = ""
    workspace: Workspace = ""
    seen: Seen = None


class Session(Model):
    """The state, and how it came to be."""

    workspace: str
    channel: str
    version: int = Field(description="Counts the changes; 0: nobody has made one.")
    state: dict[str, Any]
    updated_at: str = ""
    updated_by: str = ""
    as_of: int
    notes: list[str] = Field([])


class MutateSession(Model):
    """The change."""

    state: dict[str, Any] = Field(
        default={}, description="With save a merge patch (RFC 7396): null removes."
    )
    action: Literal["save", "set"] = Field("save", description="set replaces the whole state.")
    expected_version: int | None = Field(
        None, ge=0, lt=2**31, description="Refuse if it changed since this one."
    )
    reasoning: Reasoning = ""
    parent_id: int | None = Field(
        None, ge=1, lt=2**31, description="The event that led to this; default: the last change."
    )
    channel: Channel = ""
    workspace: Workspace = ""


class ListSessions(Model):
    """Where to look."""

    workspace: Workspace = ""
    limit: int = Field(50, ge=1, le=200)
    cursor: str = Field("", max_length=16, description="`next` of the last page.")


class SessionEntry(Model):
    """One session."""

    channel: str
    version: int
    updated_at: str
    updated_by: str


class SessionList(Model):
    """The last changed first."""

    workspace: str
    sessions: list[SessionEntry]
    total: int
    next: str = Field("", description="Cursor of the next page, if any.")


class Remember(Model):
    """The fact."""

    key: str = Field(min_length=1, max_length=128, description="What it is about.")
    value: str = Field(min_length=1, max_length=4096)
    category: str = Field("general", min_length=1, max_length=64)
    confidence: float = Field(0.8, ge=0, le=1)
    reasoning: Reasoning = ""
    channel: Channel = ""
    workspace: Workspace = ""


class Fact(Model):
    """One fact, who said it and when last."""

    category: str
    key: str
    value: str = Field(json_schema_extra=package_text())
    confidence: float
    channel: str
    remembered_at: str
    remembered_by: str
    note: str = Field("", description="Why to doubt it.")


class Remembered(Model):
    """What became of it: remembered, confirmed (it was known), or superseded (another was)."""

    workspace: str
    outcome: Literal["remembered", "confirmed", "superseded"]
    fact: Fact
    superseded: Fact | None = None
    as_of: int
    notes: list[str] = Field([])


class SearchKnowledge(Model):
    """What is looked for."""

    query: str = Field("", max_length=1000, description="In words; empty lists the newest.")
    limit: int = Field(10, ge=1, le=50)
    channel: Channel = Field("", description="Empty: every channel.")
    workspace: Workspace = ""
    seen: Seen = None


class KnowledgeFound(Model):
    """Ranked, best first."""

    workspace: str
    facts: list[Fact]
    total: int
    as_of: int
    notes: list[str] = Field([])


@operation(
    scope=Scope.SEARCH, title="Read a session", ends_in=(Invalid, Unauthenticated), toolset="team"
)
async def session_get(registry: Registry, caller: Caller, given: GetSession) -> Session:
    """Read the state that the agents of a channel share."""
    here = _at(caller, given.workspace, given.channel)
    as_of = await registry.journal.log.head()
    session = await registry.sessions.get(here.workspace, here.channel)
    return _session(session, as_of, await _missed(registry, here, given.seen))


@operation(
    scope=Scope.SESSION_MUTATIONS,
    title="Change a session",
    writes=True,
    ends_in=(Conflict, Invalid, TooLarge, NotFound, Forbidden),
    toolset="team",
)
async def session_mutate(registry: Registry, caller: Caller, given: MutateSession) -> Session:
    """Change the state that the agents of a channel share; others see it at once."""
    from registry_core.sessions import Change  # noqa: PLC0415 - brings the database

    here = _at(caller, given.workspace, given.channel)
    if given.action == "set" and "state" not in given.model_fields_set:
        raise Invalid("session_mutate: set needs a state", hint="{} empties the session.")
    change = Change(
        action=given.action,
        state=given.state,
        expected_version=given.expected_version,
        reasoning=_text(given.reasoning),
        parent_id=given.parent_id,
    )
    await _refuse_secrets([*_texts(given.state, "state"), ("reasoning", given.reasoning)])
    session = await registry.sessions.mutate(change, here)
    return _session(session, session.event_id)


@operation(
    scope=Scope.SEARCH, title="List sessions", ends_in=(Invalid, Unauthenticated), toolset="team"
)
async def session_list(registry: Registry, caller: Caller, given: ListSessions) -> SessionList:
    """List the sessions of a workspace, the last changed first."""
    here = _at(caller, given.workspace)
    before = _cursor(given.cursor)
    found, total = await registry.sessions.list(here.workspace, given.limit + 1, before)
    page = found[: given.limit]
    return SessionList(
        workspace=here.workspace,
        sessions=[
            SessionEntry(
                channel=session.channel,
                version=session.version,
                updated_at=session.updated_at.isoformat(),
                updated_by=session.updated_by,
            )
            for session in page
        ],
        total=total,
        next=str(page[-1].event_id) if len(found) > given.limit else "",
    )


@operation(
    scope=Scope.KNOWLEDGE,
    title="Remember a fact",
    writes=True,
    ends_in=(Invalid, Forbidden),
    toolset="team",
)
async def knowledge_remember(registry: Registry, caller: Caller, given: Remember) -> Remembered:
    """Remember a fact for the team; another value for a key takes the old one's place."""
    from registry_core.knowledge import Statement  # noqa: PLC0415 - brings the database

    here = _at(caller, given.workspace, given.channel)
    statement = Statement(
        category=_word("category", given.category),
        key=_word("key", given.key),
        value=_text(given.value).strip(),
        confidence=given.confidence,
        reasoning=_text(given.reasoning),
    )
    if not statement.value:
        raise Invalid("knowledge_remember: the value is blank")
    await _refuse_secrets(
        (name, getattr(statement, name)) for name in ("category", "key", "value", "reasoning")
    )
    done = await registry.knowledge.remember(statement, here)
    old = done.superseded
    return Remembered(
        workspace=here.workspace,
        outcome="confirmed" if done.confirmed else "superseded" if old else "remembered",
        fact=_fact(done.fact),
        superseded=_fact(old) if old else None,
        as_of=done.event_id,
        notes=[_conflict(old)] if old else [],
    )


@operation(
    scope=Scope.SEARCH, title="Search knowledge", ends_in=(Invalid, Unauthenticated), toolset="team"
)
async def knowledge_search(
    registry: Registry, caller: Caller, given: SearchKnowledge
) -> KnowledgeFound:
    """Find facts that the team has remembered."""
    here = _at(caller, given.workspace, given.channel)
    as_of = await registry.journal.log.head()
    found, total = await registry.knowledge.search(
        here.workspace, _text(given.query), given.limit, given.channel or None
    )
    now = registry.clock()
    return KnowledgeFound(
        workspace=here.workspace,
        facts=[_fact(fact, _doubt(fact, now, given.seen)) for fact in found],
        total=total,
        as_of=as_of,
        notes=await _missed(registry, here, given.seen),
    )


def _at(caller: Caller, workspace: str, channel: str = "") -> Caller:
    """Return the caller where the operation takes place. Raises what keeps it out."""
    if caller.token_id is None and not caller.owner:
        raise Unauthenticated(
            "what a team shares needs a token", hint="Make one with `ctxmcp token create`."
        )
    if caller.namespaces or caller.account is not None:
        raise Forbidden(
            "a package token opens no workspace",
            hint="Make one of the team server: `ctxmcp token create --scope search`.",
        )
    here = replace(
        caller, workspace=workspace or caller.workspace, channel=channel or caller.channel
    )
    for name in (here.workspace, here.channel):
        if not PLACE.fullmatch(name):
            raise Invalid(
                f"{shown(name)} is no workspace or channel",
                hint=PLACE_HINT,
            )
    if caller.workspaces is not None and here.workspace not in caller.workspaces:
        raise Forbidden(
            f"this token opens no workspace {shown(here.workspace)}",
            hint=f"It opens {', '.join(sorted(caller.workspaces))}.",
        )
    return here


def _session(session: sessions.Session, as_of: int, notes: Iterable[str] = ()) -> Session:
    return Session(
        workspace=session.workspace,
        channel=session.channel,
        version=session.version,
        state=dict(session.state),
        updated_at=session.updated_at.isoformat() if session.version else "",
        updated_by=session.updated_by,
        as_of=as_of,
        notes=list(notes),
    )


async def _missed(registry: Registry, here: Caller, seen: int | None) -> list[str]:
    """Tell an agent that it has fallen behind."""
    if seen is None:
        return []
    count = await registry.sessions.missed(here.workspace, here.channel, seen)
    if count <= MOST_MISSED:
        return []
    fell_behind = f"[CONTEXT STALE] {count} events happened in {here.channel} since your last read."
    return [f"{fell_behind} Read the session and search what you rely on again."]


def _cursor(text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdecimal()) or int(text) >= 2**31:
        raise Invalid("session_list: cursor is not one that a list returned")
    return int(text)


def _word(name: str, text: str) -> str:
    """Read a category or key: one line, and blanks do not tell two of them apart."""
    if _NOT_PLAIN.search(text) or not text.strip():
        raise Invalid(f"knowledge_remember: {name} is no line of text")
    return " ".join(text.split())


def _text(text: str) -> str:
    if _NOT_TEXT.search(text):
        raise Invalid("a text holds control characters, or half of a surrogate pair")
    return text


def _texts(value: Any, place: str) -> Iterator[tuple[str, str]]:
    """Give every string and key of a state, whose depth is bounded, with where it stands."""
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield place, key
            yield from _texts(item, f"{place}.{key[:40]}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _texts(item, f"{place}[{index}]")


async def _refuse_secrets(texts: Iterable[tuple[str, str]]) -> None:
    """Raise Invalid for a live secret in one of these texts, each with what it is called."""
    from registry_core.verification import secrets  # noqa: PLC0415 - listing looks for none

    named = list(texts)
    leaks = await asyncio.to_thread(lambda: list(secrets.leaks(_APART.join(t for _, t in named))))
    for leak in leaks:
        if leak.severity is Severity.BLOCK:
            place = _named(named, leak.start)
            raise Invalid(
                f"not stored, for it holds a secret: {leak.rule} in {place}: {leak.preview}",
                hint="Say where it is kept instead of what it is, and revoke it: it was sent.",
            )


def _named(texts: Iterable[tuple[str, str]], at: int) -> str:
    """Name the text that a place in all of them joined is in."""
    for name, text in texts:
        at -= len(text) + len(_APART)
        if at < 0:
            return name
    return ""


def _fact(fact: knowledge.Fact, note: str = "") -> Fact:
    return Fact(
        category=fact.category,
        key=fact.key,
        value=fact.value,
        confidence=fact.confidence,
        channel=fact.channel,
        remembered_at=fact.remembered_at.isoformat(),
        remembered_by=fact.remembered_by,
        note=note,
    )


def _doubt(fact: knowledge.Fact, now: datetime, seen: int | None) -> str:
    """Say why an agent should not rely on a fact as it remembers it."""
    age = now - fact.remembered_at
    if seen is not None and fact.event_id > seen:
        return "written since your last read"
    return f"nobody has confirmed it for {age.days} days" if age > FRESH else ""


def _conflict(old: knowledge.Fact) -> str:
    return (
        f"[CONFLICT] {old.remembered_by} wrote another value to {old.category}/{old.key} at"
        f" {old.remembered_at.isoformat(timespec='seconds')}. Review it before you go on."
    )
