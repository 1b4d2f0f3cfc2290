"""Cards: what the owner of a package wrote of it, beside what its releases say.

A package may be there before its first release, by its card alone. A list of packages holds those
that have a release to resolve to, and those that have a card; it goes page by page behind a
package, so that none comes twice and none is left out while others are added.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, or_, select, true, tuple_, update
from sqlalchemy.exc import IntegrityError

from registry_core.accounts import claim as claim_namespace
from registry_core.callers import Scope
from registry_core.errors import Conflict, Forbidden, Invalid
from registry_core.events.kinds import EventKind
from registry_core.packages.store import (
    about,
    changeable,
    insert_package,
    load,
    pushes,
    summary_of,
    visible_to,
)
from registry_core.schema import cards, packages, releases, stars

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, Row
    from sqlalchemy.ext.asyncio import AsyncConnection

    from registry_core.callers import Caller
    from registry_core.events.journal import Journal
    from registry_core.formats import Visibility
    from registry_core.names import Kind, PackageName
    from registry_core.packages import Package, Summary


@dataclass(frozen=True, slots=True)
class Card:
    """What is written on it; what is empty, the latest release says."""

    display_name: str = ""
    description: str = ""
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Begun:
    """A package that is to be there before its first release."""

    name: PackageName
    kind: Kind
    visibility: Visibility


@dataclass(frozen=True, slots=True)
class Listed:
    """A package and its card, if it has one."""

    package: Summary
    card: Card | None


class Order(StrEnum):
    """What comes first: the newest, the last that was changed, the most, or a name from a to z."""

    CREATED = "created"
    UPDATED = "updated"
    DOWNLOADS = "downloads"
    STARS = "stars"
    NAME = "name"


_COLUMNS: dict[Order, Any] = {
    Order.CREATED: packages.c.id,  # which count upwards, and never change
    Order.UPDATED: packages.c.updated_at,
    Order.DOWNLOADS: packages.c.downloads,
    Order.STARS: packages.c.stars,
    Order.NAME: packages.c.name,
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which packages: of a kind, and as far as said of a namespace, these names, or starred."""

    kind: Kind
    namespace: str = ""
    names: Sequence[PackageName] | None = None
    starred_by: str = ""
    order: Order = Order.CREATED


class Cards:
    """The cards of one registry."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def make(self, begun: Begun, card: Card, caller: Caller) -> Listed:
        """Begin a package with a card. Raises Forbidden; Conflict where it is there already."""
        name = begun.name

        async def work(connection: AsyncConnection) -> Listed:
            if not caller.may(Scope.PUSH, name.namespace):
                raise _not_yours(name)
            await claim_namespace(self._journal, connection, name.namespace, caller)
            package = await load(connection, name)
            if package is None:
                now = self._journal.now()
                await insert_package(connection, name, begun.kind, begun.visibility, now)
            else:
                await _begin_anew(connection, package, begun)
            package = await load(connection, name)
            assert package is not None  # noqa: S101 - it was written in this transaction
            await connection.execute(insert(cards).values(package_id=package.id, **_row(card)))
            await self._tell(connection, package, card, caller)
            return Listed(package, card)

        try:
            return await self._journal.write(work)
        except IntegrityError:  # somebody else was faster
            raise _exists(name) from None

    async def change(self, name: PackageName, caller: Caller, **changed: Any) -> Listed:
        """Write something else on the card of a package."""

        async def work(connection: AsyncConnection) -> Listed:
            package = await changeable(connection, name, caller, pushes)
            before = await _of(connection, package.id)
            card = replace(before or Card(), **changed)
            mine = cards.c.package_id == package.id
            statement = update(cards).where(mine) if before else insert(cards)
            await connection.execute(statement.values(package_id=package.id, **_row(card)))
            now = self._journal.now()
            await connection.execute(
                update(packages).where(packages.c.id == package.id).values(updated_at=now)
            )
            await self._tell(connection, package, card, caller)
            return Listed(replace(package, updated_at=now), card)

        return await self._journal.write(work)

    async def of(self, package: Summary) -> Card | None:
        """Return the card of a package."""
        async with self._journal.database.read() as connection:
            return await _of(connection, package.id)

    async def page(
        self, wanted: Wanted, caller: Caller, *, after: int | None, limit: int
    ) -> list[Listed]:
        """Return the packages that the caller may see behind the one with the id `after`.

        Raises Invalid where there is none with that id.
        """
        there, column = _there(wanted, caller), _COLUMNS[wanted.order]
        ascending = wanted.order is Order.NAME
        statement = _LISTED.where(there).order_by(
            column if ascending else column.desc(),
            packages.c.id if ascending else packages.c.id.desc(),
        )
        async with self._journal.database.read() as connection:
            if after is not None:
                at = after
                if wanted.order is not Order.CREATED:
                    at = await _value(connection, column, there, after)
                key, last = tuple_(column, packages.c.id), (at, after)
                statement = statement.where(key > last if ascending else key < last)
            return [_listed(row) for row in await connection.execute(statement.limit(limit))]

    async def _tell(
        self, connection: AsyncConnection, package: Package, card: Card, caller: Caller
    ) -> None:
        draft = about(package, EventKind.PACKAGE_DESCRIBED, caller, _row(card))
        await self._journal.append(connection, draft)


_LISTED = (
    select(
        packages,
        releases,
        cards.c.package_id.label("card_of"),
        cards.c.display_name.label("card_name"),
        cards.c.description.label("card_description"),
        cards.c.tags.label("card_tags"),
    )
    .outerjoin(releases, releases.c.id == packages.c.latest_id)
    .outerjoin(cards, cards.c.package_id == packages.c.id)
)


def _there(wanted: Wanted, caller: Caller) -> ColumnElement[bool]:
    there: ColumnElement[bool] = packages.c.kind == wanted.kind.value
    there &= visible_to(caller)
    there &= or_(packages.c.latest_id.is_not(None), cards.c.package_id.is_not(None))
    there &= packages.c.namespace == wanted.namespace if wanted.namespace else true()
    if wanted.names is not None:
        named = [(name.namespace, name.name) for name in wanted.names]
        there &= tuple_(packages.c.namespace, packages.c.name).in_(named)
    if wanted.starred_by:
        mine = select(stars.c.package_id).where(stars.c.account_id == wanted.starred_by)
        there &= packages.c.id.in_(mine)
    return there


async def _value(
    connection: AsyncConnection, column: Any, there: ColumnElement[bool], after: int
) -> Any:
    statement = _LISTED.with_only_columns(column).where(there, packages.c.id == after)
    row = (await connection.execute(statement)).one_or_none()
    if row is None:
        raise Invalid("the cursor's item is not in this list any more", hint="Begin again.")
    return row[0]


def _listed(row: Row[Any]) -> Listed:
    written = (row.card_name, row.card_description, tuple(row.card_tags or ()))
    return Listed(summary_of(row), Card(*written) if row.card_of is not None else None)


async def _of(connection: AsyncConnection, package_id: int) -> Card | None:
    found = await connection.execute(select(cards).where(cards.c.package_id == package_id))
    row = found.one_or_none()
    return Card(row.display_name, row.description, tuple(row.tags)) if row else None


async def _begin_anew(connection: AsyncConnection, package: Package, begun: Begun) -> None:
    """Let a package that was removed, or never released, be begun again."""
    taken = package.releases or any(release.held for release in package.withheld)
    if taken or await _of(connection, package.id) or package.kind is not begun.kind:
        raise _exists(begun.name)
    await connection.execute(
        update(packages)
        .where(packages.c.id == package.id)
        .values(visibility=begun.visibility.value)
    )


def _exists(name: PackageName) -> Conflict:
    return Conflict(f"{name} already exists", hint="Choose another name.")


def _not_yours(name: PackageName) -> Forbidden:
    return Forbidden(f"this token may not publish in @{name.namespace}")


def _row(card: Card) -> dict[str, Any]:
    return asdict(card) | {"tags": list(card.tags)}
