"""Teams as their members see them; who is in none of them is told of none.

Who makes a team, and who is in it, is in `accounts`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select, update

from registry_core.accounts import Role
from registry_core.callers import Scope
from registry_core.errors import Forbidden, NotFound
from registry_core.events import Draft
from registry_core.events.kinds import EventKind
from registry_core.names import Kind, shown
from registry_core.schema import namespaces, packages, team_members, teams

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import Select
    from sqlalchemy.ext.asyncio import AsyncConnection

    from registry_core.callers import Caller
    from registry_core.events.journal import Journal


@dataclass(frozen=True, slots=True)
class Team:
    """A team, and what the one who looks at it may do in it."""

    id: str
    handle: str
    display_name: str
    description: str
    created_at: datetime
    updated_at: datetime
    role: Role
    members: int
    skills: int


class Teams:
    """The teams of one registry."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def of(self, caller: Caller) -> Sequence[Team]:
        """Return the teams that the caller's account is in, by handle."""
        async with self._journal.database.read() as connection:
            rows = await connection.execute(_seen_by(caller).order_by(teams.c.handle))
            return [_team(row) for row in rows]

    async def find(self, handle: str, caller: Caller) -> Team:
        """Return a team that the caller's account is in. Raises NotFound for every other."""
        async with self._journal.database.read() as connection:
            return await _one(connection, handle, caller)

    async def describe(
        self, handle: str, caller: Caller, *, display_name: str | None, description: str | None
    ) -> Team:
        """Call a team something else, or say something else of it; an admin of it may."""

        async def work(connection: AsyncConnection) -> Team:
            team = await _one(connection, handle, caller)
            if team.role is not Role.ADMIN or not caller.has(Scope.PUBLISH):
                raise Forbidden("only an admin of the team may do that")
            said = {"display_name": display_name, "description": description}
            changed = {name: text for name, text in said.items() if text is not None}
            await connection.execute(
                update(teams)
                .where(teams.c.id == team.id)
                .values(changed | {"updated_at": self._journal.now()})
            )
            kind, payload = EventKind.TEAM_CHANGED, {"team": handle, **changed}
            draft = Draft(kind, caller.name, payload, namespace=handle, private=True)
            await self._journal.append(connection, draft)
            return await _one(connection, handle, caller)

        return await self._journal.write(work)


def _seen_by(caller: Caller) -> Select[Any]:
    members = (
        select(func.count())
        .select_from(team_members)
        .where(team_members.c.team_id == teams.c.id)
        .scalar_subquery()
    )
    skills = (
        select(func.count())
        .select_from(packages)
        .join(namespaces, namespaces.c.name == packages.c.namespace)
        .where(namespaces.c.team_id == teams.c.id, packages.c.kind == Kind.SKILL.value)
        .where(packages.c.latest_id.is_not(None))
        .scalar_subquery()
    )
    mine = team_members.alias("mine")
    return (
        select(teams, mine.c.role, members.label("members"), skills.label("skills"))
        .join(mine, mine.c.team_id == teams.c.id)
        .where(mine.c.account_id == caller.account)
    )


async def _one(connection: AsyncConnection, handle: str, caller: Caller) -> Team:
    found = await connection.execute(_seen_by(caller).where(teams.c.handle == handle))
    row = found.one_or_none()
    if row is None:
        raise NotFound(f"there is no team {shown(handle)}, or you are not in it")
    return _team(row)


def _team(row: Any) -> Team:
    columns = dict(row._mapping)  # noqa: SLF001 - its public name has one underscore, too
    return Team(**columns | {"role": Role(row.role)})
