"""Proposals that two tools be made one: found by how near they are, worked on by a runner.

    pending_generation -> generating -> verified | equivalence_failed
    verified -> accepted | rejected

Whoever says that he is at it (`generating`) is the one who may say how it went. Accepting and
rejecting is for a publisher of one of the two tools, or a reviewer. What a step does not speak of
stays as it was; saying the same again changes nothing.
"""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select, true, update

from registry_core.callers import Scope
from registry_core.errors import Conflict, Forbidden, NotFound
from registry_core.events import Draft
from registry_core.events.kinds import EventKind
from registry_core.formats import Visibility
from registry_core.likeness import pairs
from registry_core.names import Kind, PackageName
from registry_core.schema import packages, proposals, releases

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection

    from registry_core.callers import Caller
    from registry_core.events.journal import Journal
    from registry_core.packages.toolbox import Toolbox

LEAST_SUCCESSES = 50
LEAST_SIMILARITY = 0.92
MOST_FOUND = 50
"""Of one search for candidates."""

MOST_LISTED = 200


class Status(StrEnum):
    """How far a proposal is."""

    PENDING = "pending_generation"
    GENERATING = "generating"
    VERIFIED = "verified"
    FAILED = "equivalence_failed"
    ACCEPTED = "accepted"
    REJECTED = "rejected"


_BEFORE: Mapping[Status, frozenset[Status]] = {
    Status.PENDING: frozenset(),
    Status.GENERATING: frozenset({Status.PENDING}),
    Status.VERIFIED: frozenset({Status.GENERATING}),
    Status.FAILED: frozenset({Status.GENERATING}),
    Status.ACCEPTED: frozenset({Status.VERIFIED}),
    Status.REJECTED: frozenset({Status.VERIFIED}),
}


@dataclass(frozen=True, slots=True)
class Proposal:
    """One proposal; `tool_a` comes first by name."""

    id: str
    tool_a: PackageName
    version_a: str
    tool_b: PackageName
    version_b: str
    similarity: float
    status: Status
    runner: str | None
    manifest_yaml: str | None
    source_sha256: str | None
    failure_reason: str | None
    runner_log_sha256: str | None
    created_at: datetime
    updated_at: datetime


class Proposals:
    """The proposals of one registry."""

    def __init__(self, journal: Journal, toolbox: Toolbox) -> None:
        self._journal = journal
        self._toolbox = toolbox

    async def find_candidates(self) -> int:
        """Propose what is near enough and was never proposed; return how many there are."""
        tools = sorted(await self._proven(), key=lambda tool: tool[0].name)
        near = await asyncio.to_thread(pairs, [tool[1] for tool in tools], LEAST_SIMILARITY)

        async def work(connection: AsyncConnection) -> int:
            known = {
                (row.tool_a, row.tool_b)
                for row in await connection.execute(select(proposals.c.tool_a, proposals.c.tool_b))
            }
            made = 0
            for first, second, similarity in near[:MOST_FOUND]:
                (a, _, version_a), (b, _, version_b) = tools[first], tools[second]
                if (str(a), str(b)) not in known:
                    row = {"tool_a": str(a), "version_a": version_a, "similarity": similarity}
                    row |= {"tool_b": str(b), "version_b": version_b}
                    await self._propose(connection, row)
                    made += 1
            return made

        return await self._journal.write(work)

    async def list(self, status: Status | None = None) -> Sequence[Proposal]:
        """Return proposals, the nearest first."""
        statement = (
            select(proposals)
            .where(proposals.c.status == status.value if status else true())
            .order_by(proposals.c.similarity.desc(), proposals.c.created_at)
            .limit(MOST_LISTED)
        )
        async with self._journal.database.read() as connection:
            return [_proposal(row) for row in await connection.execute(statement)]

    async def get(self, proposal_id: str) -> Proposal:
        """Return a proposal. Raises NotFound."""
        async with self._journal.database.read() as connection:
            return await _one(connection, proposal_id)

    async def step(
        self, proposal_id: str, status: Status, told: Mapping[str, str], caller: Caller
    ) -> Proposal:
        """Take a proposal one step on. Raises NotFound, Forbidden, Conflict."""

        async def work(connection: AsyncConnection) -> Proposal:
            proposal = await _one(connection, proposal_id)
            _refuse(proposal, status, caller)
            if proposal.status is status and proposal.status is not Status.GENERATING:
                return proposal
            if proposal.status not in {status, *_BEFORE[status]}:
                raise Conflict(f"a proposal that is {proposal.status} cannot become {status}")
            values = {**told, "status": status.value, "updated_at": self._journal.now()}
            if status is Status.GENERATING:
                values["runner"] = caller.name
            await connection.execute(
                update(proposals).where(proposals.c.id == proposal_id).values(values)
            )
            payload = {"proposal": proposal_id, "status": status.value}
            draft = Draft(EventKind.PROPOSAL_CHANGED, caller.name, payload)
            await self._journal.append(connection, draft)
            return await _one(connection, proposal_id)

        return await self._journal.write(work)

    async def _proven(self) -> Sequence[tuple[PackageName, str, str]]:
        """Return name, description and version of the tools that have gone well often enough."""
        shown = {name for name, _ in await self._toolbox.shown()}
        statement = (
            select(packages.c.namespace, packages.c.name)
            .add_columns(releases.c.description, releases.c.version)
            .join(releases, releases.c.id == packages.c.latest_id)
            .where(packages.c.kind == Kind.TOOL.value)
            .where(packages.c.visibility == Visibility.PUBLIC.value)
            .where(packages.c.successes >= LEAST_SUCCESSES, releases.c.version.startswith("1."))
        )
        async with self._journal.database.read() as connection:
            found = [
                (PackageName(row.namespace, row.name), row.description, row.version)
                for row in await connection.execute(statement)
            ]
        return [tool for tool in found if tool[0] in shown]

    async def _propose(self, connection: AsyncConnection, row: dict[str, Any]) -> None:
        now = self._journal.now()
        more = {"id": str(uuid.uuid4()), "status": Status.PENDING.value}
        await connection.execute(
            insert(proposals).values(row | more | {"created_at": now, "updated_at": now})
        )


def _refuse(proposal: Proposal, status: Status, caller: Caller) -> None:
    if status in {Status.VERIFIED, Status.FAILED} and proposal.runner != caller.name:
        raise Forbidden("another runner is at this proposal, or none is")
    if status is Status.GENERATING and proposal.runner not in {None, caller.name}:
        raise Forbidden("another runner is at this proposal")
    namespaces = {proposal.tool_a.namespace, proposal.tool_b.namespace}
    decides = caller.has(Scope.REVIEW) or any(
        caller.may(Scope.PUBLISH, namespace) for namespace in namespaces
    )
    if status in {Status.ACCEPTED, Status.REJECTED} and not decides:
        raise Forbidden("only a contributor of one of the two tools, or a reviewer, decides that")


async def _one(connection: AsyncConnection, proposal_id: str) -> Proposal:
    found = await connection.execute(select(proposals).where(proposals.c.id == proposal_id))
    row = found.one_or_none()
    if row is None:
        raise NotFound(f"no proposal {proposal_id}")
    return _proposal(row)


def _proposal(row: Any) -> Proposal:
    members = dict(row._mapping)  # noqa: SLF001 - its public name has one underscore, too
    for tool in ("tool_a", "tool_b"):
        members[tool] = PackageName.parse(members[tool])
    return Proposal(**members | {"status": Status(row.status)})
