"""Knowledge: facts that the agents of a workspace remember, each under a category and a key.

    the same value again    confirms the fact: no new one, and it is as fresh as today
    another value           supersedes the fact: the old one stays, and points to the new one

Facts of one channel are told apart from those of another; a search looks into all channels of the
workspace, or into one. Two agents that write one key at once are both recorded, one after the
other, and the later one is told what it has superseded.

A search has two steps. The database finds the facts that may hold a word of the query, by a piece
of each word, so that it needs no index of its own; then the words are compared as the search for
packages compares them (stems, case, accents), and ranked: a word in the key weighs more than one
in the value, a rare word more than a common one.
"""

from __future__ import annotations

import asyncio
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import case, func, insert, literal, or_, select, update

from registry_core.events import Draft
from registry_core.events.kinds import EventKind
from registry_core.schema import facts
from registry_core.search.terms import name_terms

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, UnaryExpression
    from sqlalchemy.ext.asyncio import AsyncConnection

    from registry_core.callers import Caller
    from registry_core.events.journal import Journal

MOST_TERMS = 16
"""Different words of a query that are looked for; more are not read."""

MOST_RANKED = 300
"""Facts that are compared with a query: those with most of it in them, and the newest of these."""

_WORD = re.compile("[a-z]+")
_WEIGHTS = {"key": 3.0, "category": 2.0, "value": 1.0}


@dataclass(frozen=True, slots=True)
class Statement:
    """What somebody says; `reasoning` goes into the log alone."""

    category: str
    key: str
    value: str
    confidence: float
    reasoning: str = ""


@dataclass(frozen=True, slots=True)
class Fact:
    """A fact; `remembered_at` is when it was last said, `event_id` the event of the first time."""

    id: int
    workspace: str
    channel: str
    category: str
    key: str
    value: str
    confidence: float
    event_id: int
    remembered_at: datetime
    remembered_by: str
    superseded_by: int | None


@dataclass(frozen=True, slots=True)
class Remembered:
    """What became of a statement: the fact, the event, and the fact it took the place of."""

    fact: Fact
    event_id: int
    confirmed: bool = False
    superseded: Fact | None = None


class Knowledge:
    """The facts of one registry."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def remember(self, statement: Statement, by: Caller) -> Remembered:
        """Record a statement in the workspace and channel that `by` is in."""

        async def work(connection: AsyncConnection) -> Remembered:
            old = await _current(connection, statement, by)
            if old is not None and old.value == statement.value:
                return await self._confirm(connection, old, statement, by)
            return await self._record(connection, old, statement, by)

        return await self._journal.write(work)

    async def search(
        self, workspace: str, text: str, limit: int, channel: str | None = None
    ) -> tuple[Sequence[Fact], int]:
        """Return facts that hold for `text`, best first, and how many of those compared do.

        A blank text lists the newest facts, and counts them all.
        """
        here = (facts.c.workspace == workspace) & facts.c.superseded_by.is_(None)
        if channel is not None:
            here &= facts.c.channel == channel
        if not text.strip():
            return await self._newest(here, limit), await self._count(here)
        wanted = list(dict.fromkeys(name_terms(text)))[:MOST_TERMS]
        if not wanted:
            return [], 0
        pieces = [_WORDS.icontains(piece, autoescape=True) for piece in _pieces(wanted, text)]
        most = sum((case((piece, 1), else_=0) for piece in pieces), literal(0)).desc()
        candidates = await self._newest(here & or_(*pieces), MOST_RANKED, most)
        ranked = await asyncio.to_thread(_ranked, candidates, wanted)
        return ranked[:limit], len(ranked)

    async def _newest(
        self, here: ColumnElement[bool], limit: int, *first: UnaryExpression[int]
    ) -> Sequence[Fact]:
        statement = select(facts).where(here).order_by(*first, facts.c.id.desc()).limit(limit)
        async with self._journal.database.read() as connection:
            return [Fact(**row) for row in (await connection.execute(statement)).mappings()]

    async def _count(self, here: ColumnElement[bool]) -> int:
        statement = select(func.count()).select_from(facts).where(here)
        async with self._journal.database.read() as connection:
            return int(await connection.scalar(statement) or 0)

    async def _confirm(
        self, connection: AsyncConnection, old: Fact, statement: Statement, by: Caller
    ) -> Remembered:
        fact = replace(
            old,
            confidence=max(old.confidence, statement.confidence),
            remembered_at=self._journal.now(),
        )
        fresh = {"confidence": fact.confidence, "remembered_at": fact.remembered_at}
        await connection.execute(update(facts).where(facts.c.id == old.id).values(fresh))
        draft = _draft("confirm", statement, by, old)
        event_id = await self._journal.append(connection, draft)
        return Remembered(fact, event_id, confirmed=True)

    async def _record(
        self, connection: AsyncConnection, old: Fact | None, statement: Statement, by: Caller
    ) -> Remembered:
        draft = _draft("supersede" if old else "remember", statement, by, old)
        event_id = await self._journal.append(connection, draft)
        row: dict[str, Any] = {
            "workspace": by.workspace,
            "channel": by.channel,
            "category": statement.category,
            "key": statement.key,
            "value": statement.value,
            "confidence": statement.confidence,
            "event_id": event_id,
            "remembered_at": self._journal.now(),
            "remembered_by": by.name,
            "superseded_by": None,
        }
        written = await connection.execute(insert(facts).values(row).returning(facts.c.id))
        fact = Fact(id=int(written.scalar_one()), **row)
        if old is not None:
            points = update(facts).where(facts.c.id == old.id).values(superseded_by=fact.id)
            await connection.execute(points)
        return Remembered(fact, event_id, superseded=old)


async def _current(connection: AsyncConnection, statement: Statement, by: Caller) -> Fact | None:
    """Return the fact that holds for the category and key now."""
    found = await connection.execute(
        select(facts).where(
            facts.c.workspace == by.workspace,
            facts.c.category == statement.category,
            facts.c.key == statement.key,
            facts.c.channel == by.channel,
            facts.c.superseded_by.is_(None),
        )
    )
    row = found.mappings().one_or_none()
    return Fact(**row) if row else None


def _draft(action: str, statement: Statement, by: Caller, old: Fact | None) -> Draft:
    payload: dict[str, Any] = {
        "tool": "knowledge_remember",
        "action": action,
        "category": statement.category,
        "key": statement.key,
        "confidence": statement.confidence,
        "knowledge_value": statement.value,
    }
    if statement.reasoning:
        payload["reasoning"] = statement.reasoning
    if action == "supersede" and old is not None:
        payload["agents"] = [old.remembered_by, by.name]
    return Draft(
        EventKind.KNOWLEDGE_REMEMBERED,
        by.name,
        payload,
        workspace=by.workspace,
        channel=by.channel,
        parent_id=old.event_id if old else None,
    )


_WORDS = facts.c.key + " " + facts.c.category + " " + facts.c.value


def _pieces(wanted: Sequence[str], text: str) -> Sequence[str]:
    """Return what a fact that holds one of the terms has in it, at least one of these.

    A stem differs from its word in its last letter at most (`verify`, `verifi`); a word with
    accents differs from its term, so it is looked for as it was typed.
    """
    stems = [term[:-1] if len(term) > 3 and _WORD.fullmatch(term) else term for term in wanted]
    typed = [word for word in text.split()[:MOST_TERMS] if not word.isascii()]
    return list(dict.fromkeys([*stems, *typed]))


def _ranked(candidates: Sequence[Fact], wanted: Sequence[str]) -> list[Fact]:
    """Keep the facts that hold a term, best first; of equal ones the surer, then the newer."""
    weighed = [(_weights(fact, frozenset(wanted)), fact) for fact in candidates]
    having = Counter(term for weights, _ in weighed for term in weights)
    rarity = {term: math.log(1 + len(candidates) / count) for term, count in having.items()}

    def rank(found: tuple[Mapping[str, float], Fact]) -> tuple[float, float, int]:
        weights, fact = found
        score = sum(weight * rarity[term] for term, weight in weights.items())
        return score, fact.confidence, fact.id

    held = [found for found in weighed if found[0]]
    return [fact for _, fact in sorted(held, key=rank, reverse=True)]


def _weights(fact: Fact, wanted: frozenset[str]) -> Mapping[str, float]:
    """Return the terms that a fact holds, each with the weight of the best place it stands in."""
    weights: dict[str, float] = {}
    for name, weight in _WEIGHTS.items():
        for term in wanted.intersection(name_terms(getattr(fact, name))):
            weights.setdefault(term, weight)
    return weights
