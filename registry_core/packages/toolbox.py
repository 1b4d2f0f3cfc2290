"""Tools by their bare names, each of which belongs to one namespace.

Who contributes a tool under a name first has that name. Where nobody has, it is the one public tool
that has been called so for longest. A name that is somebody's is never anybody else's, whatever is
published under it elsewhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, func, insert, select

from registry_core.errors import Conflict
from registry_core.formats import Visibility
from registry_core.names import Kind, PackageName
from registry_core.schema import packages, releases, tool_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from sqlalchemy.ext.asyncio import AsyncConnection

    from registry_core.events.journal import Journal


class Toolbox:
    """The names of the tools of one registry."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def owner(self, name: str) -> str | None:
        """Return the namespace whose tool is called so, None where there is none."""
        async with self._journal.database.read() as connection:
            return await _owner(connection, name)

    async def claim(self, name: str, namespace: str) -> bool:
        """Make a name a namespace's; tell whether it is new. Raises Conflict for another's."""

        async def work(connection: AsyncConnection) -> bool:
            owner = await _owner(connection, name)
            if owner not in {None, namespace}:
                raise Conflict(f"the tool {name} is another contributor's")
            mine = select(tool_names).where(tool_names.c.name == name)
            if (await connection.execute(mine)).one_or_none() is not None:
                return False
            await connection.execute(insert(tool_names).values(name=name, namespace=namespace))
            return True

        return await self._journal.write(work)

    async def let_go(self, name: str, namespace: str) -> None:
        """Take a claim back that came to nothing."""

        async def work(connection: AsyncConnection) -> None:
            mine = (tool_names.c.name == name) & (tool_names.c.namespace == namespace)
            await connection.execute(delete(tool_names).where(mine))

        await self._journal.write(work)

    async def shown(self) -> Sequence[tuple[PackageName, str]]:
        """Return every public tool that its bare name leads to, with its description."""
        statement = (
            select(packages.c.namespace, packages.c.name, releases.c.description)
            .add_columns(tool_names.c.namespace.label("owner"))
            .join(releases, releases.c.id == packages.c.latest_id)
            .outerjoin(tool_names, tool_names.c.name == packages.c.name)
            .where(_public())
            .order_by(packages.c.id)
        )
        found: dict[str, tuple[PackageName, str]] = {}
        async with self._journal.database.read() as connection:
            for row in await connection.execute(statement):
                if row.owner in {None, row.namespace}:
                    name = PackageName(row.namespace, row.name)
                    found.setdefault(row.name, (name, row.description))
        return list(found.values())

    async def runs_of(self, namespaces: Iterable[str]) -> Mapping[str, int]:
        """Sum up how often the tools of each of these namespaces were run."""
        statement = (
            select(packages.c.namespace, func.sum(packages.c.runs))
            .where(_public(), packages.c.namespace.in_(list(namespaces)))
            .group_by(packages.c.namespace)
        )
        async with self._journal.database.read() as connection:
            return {row[0]: int(row[1]) for row in await connection.execute(statement)}


def _public() -> Any:
    there = (packages.c.kind == Kind.TOOL.value) & packages.c.latest_id.is_not(None)
    return there & (packages.c.visibility == Visibility.PUBLIC.value)


async def _owner(connection: AsyncConnection, name: str) -> str | None:
    claimed = select(tool_names.c.namespace).where(tool_names.c.name == name)
    owner: str | None = (await connection.execute(claimed)).scalar_one_or_none()
    if owner is not None:
        return owner
    oldest = select(packages.c.namespace).where(_public(), packages.c.name == name)
    found = await connection.execute(oldest.order_by(packages.c.id).limit(1))
    owner = found.scalar_one_or_none()
    return owner  # noqa: RET504 - named for its type
