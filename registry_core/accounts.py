"""Accounts, and what they own: identities, namespaces, teams.

An account is a person or a bot. It is known by what a provider says it is (`Identity`: the number
of a GitHub user, an address that a link was sent to), never by a name that can change hands. Its
handle is a namespace of its own from the first day on; it may claim more, and a team may own some.

    owner of a namespace    an account, a team, or (neither) whoever runs the registry
    role in a team          read < write < admin: install what is private, publish, do all that an
                            owner may

Whoever runs the registry claims a namespace by using it. What somebody may do in which namespace is
read anew for every token that is looked up, so it ends when the ownership does.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, delete, exists, func, insert, or_, select, update

from registry_core.callers import Scope
from registry_core.errors import Conflict, Forbidden, InvalidName, NotFound, Unauthenticated
from registry_core.events import Draft
from registry_core.events.kinds import EventKind
from registry_core.names import RESERVED_NAMESPACES, parse_namespace, shown
from registry_core.schema import (
    accounts,
    domains,
    identities,
    namespaces,
    packages,
    team_members,
    teams,
)

if TYPE_CHECKING:
    from sqlalchemy import Row
    from sqlalchemy.ext.asyncio import AsyncConnection

    from registry_core.callers import Caller
    from registry_core.events.journal import Journal

_PUBLIC = select(
    exists().where(packages.c.namespace == bindparam("of"), packages.c.visibility == "public")
)

MOST_NAMESPACES = 10
"""Namespaces that one account or team may own, at most."""

_LONGEST_HANDLE = 28
"""Characters of a handle that leave room for a number."""

_TEXT = 1000
"""Characters of what somebody says of himself."""


class Role(StrEnum):
    """What a member of a team may do in its namespaces; each includes the ones before."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who somebody is to a provider. `subject` is what it never gives to anybody else."""

    provider: str
    subject: str
    handle: str
    display_name: str = ""
    avatar_url: str = ""
    bio: str = ""
    website: str = ""
    email: str | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """An account, as it is shown to others; `email` and `disabled_at` are not for them."""

    id: str
    handle: str
    display_name: str
    avatar_url: str
    bio: str
    website: str
    email: str | None
    created_at: datetime
    disabled_at: datetime | None


@dataclass(frozen=True, slots=True)
class Member:
    """An account in a team."""

    handle: str
    role: Role
    since: datetime


@dataclass(frozen=True, slots=True)
class Holding:
    """A namespace that an account may do something in: by itself, or as a member of its owner."""

    namespace: str
    team: str | None
    role: Role
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Reach:
    """Where an account may do everything, where it publishes and no more, and where it reads."""

    manages: frozenset[str]
    writes: frozenset[str]
    reads: frozenset[str]


class Accounts:
    """The accounts and teams of one registry."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def known(self, identity: Identity) -> Account:
        """Return the account of an identity, made where it is seen for the first time.

        What the provider says of it is taken over; the handle stays what it first became. Raises
        Unauthenticated where the account is disabled.
        """

        async def work(connection: AsyncConnection) -> Account:
            found = await connection.execute(
                select(accounts)
                .join(identities, identities.c.account_id == accounts.c.id)
                .where(identities.c.provider == identity.provider)
                .where(identities.c.subject == identity.subject)
            )
            row = found.one_or_none()
            if row is None:
                return await self._make(connection, identity)
            refuse_disabled(row)
            await connection.execute(
                update(identities)
                .where(identities.c.provider == identity.provider)
                .where(identities.c.subject == identity.subject)
                .values(handle=identity.handle[:100])
            )
            told = _told(identity, row.handle)
            await connection.execute(update(accounts).where(accounts.c.id == row.id).values(told))
            return await _one(connection, accounts.c.id == row.id)

        return await self._journal.write(work)

    async def find(self, handle: str) -> Account:
        """Return an account by its handle. Raises NotFound."""
        async with self._journal.database.read() as connection:
            return await _one(connection, accounts.c.handle == handle)

    async def of_handles(self, handles: Iterable[str]) -> dict[str, Account]:
        """Return the accounts with these handles, as far as there are any."""
        statement = select(accounts).where(accounts.c.handle.in_(list(handles)))
        async with self._journal.database.read() as connection:
            return {row.handle: _account(row) for row in await connection.execute(statement)}

    async def identity_of(self, account_id: str, provider: str) -> Identity | None:
        """Return who an account is to a provider."""
        statement = select(identities).where(
            identities.c.account_id == account_id, identities.c.provider == provider
        )
        async with self._journal.database.read() as connection:
            row = (await connection.execute(statement)).one_or_none()
        return Identity(row.provider, row.subject, row.handle) if row else None

    async def set_disabled(self, handle: str, by: Caller, *, disabled: bool) -> Account:
        """Let an account do nothing any more, or again; its packages stay what they are."""
        _refuse_others(by)

        async def work(connection: AsyncConnection) -> Account:
            account = await _one(connection, accounts.c.handle == handle)
            moment = self._journal.now() if disabled else None
            await connection.execute(
                update(accounts).where(accounts.c.id == account.id).values(disabled_at=moment)
            )
            payload = {"handle": handle, "disabled": disabled}
            await self._journal.append(connection, _event(EventKind.ACCOUNT_CHANGED, by, payload))
            return await _one(connection, accounts.c.id == account.id)

        return await self._journal.write(work)

    async def give(self, namespace: str, handle: str, by: Caller) -> None:
        """Make an account or a team the owner of a namespace; the registry's owner may.

        An account may make a team, of which it is an admin, the owner of what is its own. It is a
        leaf of the log, so that nobody loses a namespace unnoticed.
        """

        async def work(connection: AsyncConnection) -> None:
            if by.owner:
                await claim(self._journal, connection, namespace, by)
            else:
                await _refuse_to_give(connection, namespace, handle, by)
            owner = await _owner(connection, handle)
            await connection.execute(
                update(namespaces).where(namespaces.c.name == namespace).values(owner)
            )
            await connection.execute(delete(domains).where(domains.c.namespace == namespace))
            hidden = await is_hidden(connection, namespace)
            draft = Draft(
                EventKind.NAMESPACE_GIVEN,
                by.name,
                {"handle": handle},
                namespace=namespace,
                private=hidden,
            )
            await self._journal.append(connection, draft)

        await self._journal.write(work)

    async def claim(self, namespace: str, by: Caller, *, team: str = "") -> None:
        """Make a namespace that nobody has the caller's own, or that of a team he is an admin of.

        Raises Conflict where somebody has it.
        """
        account_id = _account_of(by)

        async def work(connection: AsyncConnection) -> None:
            refuse_reserved(namespace)
            owner = {"account_id": account_id}
            if team:
                owner = {"team_id": await _team(connection, team)}
                await _refuse_who_is_no_admin(connection, owner["team_id"], by)
            owned = await connection.execute(
                select(func.count()).select_from(namespaces).filter_by(**owner)
            )
            if owned.scalar_one() >= MOST_NAMESPACES:
                raise Conflict(f"an account or a team owns {MOST_NAMESPACES} namespaces at most")
            if await _is_taken(connection, namespace):
                raise Conflict(f"@{namespace} has an owner", hint="Choose another.")
            await self._found(connection, namespace, owner, by.name)

        await self._journal.write(work)

    async def holdings(self, caller: Caller) -> list[Holding]:
        """Return the namespaces that the caller's account may do something in, by name."""
        statement = (
            select(
                namespaces.c.name,
                namespaces.c.created_at,
                teams.c.handle,
                func.coalesce(team_members.c.role, Role.ADMIN.value).label("role"),
            )
            .outerjoin(teams, teams.c.id == namespaces.c.team_id)
            .outerjoin(team_members, team_members.c.team_id == teams.c.id)
            .where(
                or_(
                    namespaces.c.account_id == caller.account,
                    team_members.c.account_id == caller.account,
                )
            )
            .order_by(namespaces.c.name)
        )
        async with self._journal.database.read() as connection:
            rows = await connection.execute(statement)
            return [Holding(row.name, row.handle, Role(row.role), row.created_at) for row in rows]

    async def make_team(
        self, handle: str, display_name: str, by: Caller, *, description: str = ""
    ) -> None:
        """Make a team with a namespace of its name; the caller is its first admin."""
        account_id = _account_of(by)

        async def work(connection: AsyncConnection) -> None:
            refuse_reserved(handle)
            if await _is_taken(connection, handle):
                raise Conflict(f"{shown(handle)} is taken", hint="Choose another.")
            now, team_id = self._journal.now(), secrets.token_hex(8)
            said = {"display_name": display_name[:100], "description": description}
            row = {"id": team_id, "handle": handle, "created_at": now, "updated_at": now}
            await connection.execute(insert(teams).values(row | said))
            await self._found(connection, handle, {"team_id": team_id}, by.name)
            await _put_member(connection, team_id, account_id, Role.ADMIN, now)

        await self._journal.write(work)

    async def set_member(self, team: str, handle: str, role: Role | None, by: Caller) -> None:
        """Give an account a role in a team, another one, or none; an admin of the team may.

        The last admin stays one: raises Conflict.
        """

        async def work(connection: AsyncConnection) -> None:
            team_id = await _team(connection, team)
            await _refuse_who_is_no_admin(connection, team_id, by)
            account = await _one(connection, accounts.c.handle == handle)
            await connection.execute(_leave(team_id, account.id))
            if role is not None:
                await _put_member(connection, team_id, account.id, role, self._journal.now())
            if not await _has_admin(connection, team_id):
                raise Conflict(f"{team} would have no admin", hint="Make somebody else one first.")
            payload = {"team": team, "handle": handle, "role": role.value if role else None}
            draft = _event(EventKind.MEMBER_CHANGED, by, payload, namespace=team)
            await self._journal.append(connection, draft)

        await self._journal.write(work)

    async def members(self, team: str) -> list[Member]:
        """Return who is in a team, by handle. Raises NotFound."""
        statement = (
            select(accounts.c.handle, team_members.c.role, team_members.c.since)
            .join(accounts, accounts.c.id == team_members.c.account_id)
            .order_by(accounts.c.handle)
        )
        async with self._journal.database.read() as connection:
            team_id = await _team(connection, team)
            rows = await connection.execute(statement.where(team_members.c.team_id == team_id))
            return [Member(row.handle, Role(row.role), row.since) for row in rows]

    async def _make(self, connection: AsyncConnection, identity: Identity) -> Account:
        handle = await _free_handle(connection, identity.handle)
        account_id, now = secrets.token_hex(8), self._journal.now()
        row = {"id": account_id, "handle": handle, "email": identity.email, "created_at": now}
        await connection.execute(insert(accounts).values(row | _told(identity, handle)))
        await connection.execute(
            insert(identities).values(
                provider=identity.provider,
                subject=identity.subject,
                account_id=account_id,
                handle=identity.handle[:100],
                linked_at=now,
            )
        )
        await self._found(connection, handle, {"account_id": account_id}, f"account:{handle}")
        return await _one(connection, accounts.c.id == account_id)

    async def _found(
        self, connection: AsyncConnection, namespace: str, owner: dict[str, str], actor: str
    ) -> None:
        row = {"name": namespace, "created_at": self._journal.now(), **owner}
        await connection.execute(insert(namespaces).values(row))
        await self._journal.append(
            connection, Draft(EventKind.NAMESPACE_CLAIMED, actor, namespace=namespace, private=True)
        )


async def claim(journal: Journal, connection: AsyncConnection, namespace: str, by: Caller) -> None:
    """Make sure a namespace exists: the owner of the registry claims one by using it."""
    refuse_reserved(namespace)
    if namespace in journal.claimed:
        return
    if await _is_taken(connection, namespace):
        journal.claimed.add(namespace)
        return
    if not by.owner:
        raise Forbidden(f"nobody has claimed @{namespace}", hint="Ask who runs this registry.")
    await connection.execute(insert(namespaces).values(name=namespace, created_at=journal.now()))
    await journal.append(
        connection, Draft(EventKind.NAMESPACE_CLAIMED, by.name, namespace=namespace, private=True)
    )


def refuse_reserved(namespace: str) -> None:
    """Raise InvalidName for what is no namespace, or nobody's."""
    parse_namespace(namespace)
    if namespace in RESERVED_NAMESPACES:
        raise InvalidName(f"the namespace {namespace!r} is reserved", hint="Choose another.")


def refuse_disabled(row: Any) -> None:
    """Raise Unauthenticated for an account that is disabled."""
    if row.disabled_at is not None:
        raise Unauthenticated("the account is disabled", hint="Ask who runs this registry.")


async def is_hidden(connection: AsyncConnection, namespace: str) -> bool:
    """Tell whether a namespace has no package that everybody may see."""
    return not (await connection.execute(_PUBLIC, {"of": namespace})).scalar_one()


async def reach(connection: AsyncConnection, account_id: str) -> Reach:
    """Read where an account may do what."""
    own = select(namespaces.c.name).where(namespaces.c.account_id == account_id)
    shared = (
        select(namespaces.c.name, team_members.c.role)
        .join(team_members, team_members.c.team_id == namespaces.c.team_id)
        .where(team_members.c.account_id == account_id)
    )
    roles = {row.name: Role(row.role) for row in await connection.execute(shared)}
    owned = (await connection.execute(own)).scalars().all()
    where = {role: frozenset(n for n, mine in roles.items() if mine is role) for role in Role}
    return Reach(where[Role.ADMIN].union(owned), where[Role.WRITE], where[Role.READ])


def _refuse_others(by: Caller) -> None:
    if not by.owner:
        raise Forbidden("only who runs the registry may do that")


def _account_of(by: Caller) -> str:
    if by.account is None:
        raise Forbidden("this needs an account", hint="Sign in first.")
    return by.account


async def _one(connection: AsyncConnection, which: Any) -> Account:
    row = (await connection.execute(select(accounts).where(which))).one_or_none()
    if row is None:
        raise NotFound("there is no such account")
    return _account(row)


def _account(row: Row[Any]) -> Account:
    return Account(**row._mapping)  # noqa: SLF001 - its public name has one underscore, too


async def _is_taken(connection: AsyncConnection, namespace: str) -> bool:
    known = await connection.execute(select(namespaces).where(namespaces.c.name == namespace))
    return known.one_or_none() is not None


async def _owner(connection: AsyncConnection, handle: str) -> dict[str, str | None]:
    found = await connection.execute(select(teams.c.id).where(teams.c.handle == handle))
    team_id = found.scalar_one_or_none()
    if team_id is not None:
        return {"account_id": None, "team_id": team_id}
    account = await _one(connection, accounts.c.handle == handle)
    return {"account_id": account.id, "team_id": None}


async def _team(connection: AsyncConnection, handle: str) -> str:
    found = await connection.execute(select(teams.c.id).where(teams.c.handle == handle))
    team_id: str | None = found.scalar_one_or_none()
    if team_id is None:
        raise NotFound(f"there is no team {shown(handle)}")
    return team_id


async def _refuse_who_is_no_admin(connection: AsyncConnection, team_id: str, by: Caller) -> None:
    if by.owner:
        return
    if not by.has(Scope.PUBLISH):
        raise Forbidden("this token may not manage a team", hint="Use one with the scope publish.")
    found = await connection.execute(
        select(team_members.c.role)
        .where(team_members.c.team_id == team_id)
        .where(team_members.c.account_id == by.account)
    )
    if found.scalar_one_or_none() != Role.ADMIN.value:
        raise Forbidden("only an admin of the team may do that")


async def _refuse_to_give(
    connection: AsyncConnection, namespace: str, handle: str, by: Caller
) -> None:
    own = select(namespaces.c.name).where(
        namespaces.c.name == namespace, namespaces.c.account_id == _account_of(by)
    )
    if (await connection.execute(own)).one_or_none() is None:
        raise Forbidden(f"only the account that owns @{namespace} may give it to a team")
    await _refuse_who_is_no_admin(connection, await _team(connection, handle), by)


async def _has_admin(connection: AsyncConnection, team_id: str) -> bool:
    found = await connection.execute(
        select(func.count())
        .select_from(team_members)
        .where(team_members.c.team_id == team_id, team_members.c.role == Role.ADMIN.value)
    )
    return bool(found.scalar_one())


def _leave(team_id: str, account_id: str) -> Any:
    return delete(team_members).where(
        team_members.c.team_id == team_id, team_members.c.account_id == account_id
    )


async def _put_member(
    connection: AsyncConnection, team_id: str, account_id: str, role: Role, now: datetime
) -> None:
    row = {"team_id": team_id, "account_id": account_id, "role": role.value, "since": now}
    await connection.execute(insert(team_members).values(row))


def _told(identity: Identity, handle: str) -> dict[str, str]:
    """Return what a provider says of somebody, as far as it is kept."""
    website = identity.website[:_TEXT]
    return {
        "display_name": (identity.display_name or handle)[:100],
        "avatar_url": identity.avatar_url[:_TEXT],
        "bio": identity.bio[:_TEXT],
        "website": website if website.startswith(("https://", "http://")) else "",
    }


async def _free_handle(connection: AsyncConnection, wanted: str) -> str:
    """Make a handle like the one that is wanted: that very one, unless it is another's."""
    base = re.sub("[^a-z0-9-]+", "-", wanted.lower())[:32].strip("-")
    base = base if len(base) > 1 else f"user-{base}".strip("-")
    known = await connection.execute(
        select(namespaces.c.name).where(namespaces.c.name.startswith(base[:_LONGEST_HANDLE]))
    )
    taken = RESERVED_NAMESPACES | set(known.scalars())
    stem, number = base[:_LONGEST_HANDLE].rstrip("-"), 2
    while base in taken:
        base, number = f"{stem}-{number}", number + 1
    return base


def _event(
    kind: EventKind, by: Caller, payload: dict[str, Any], namespace: str | None = None
) -> Draft:
    return Draft(kind, by.name, payload, namespace=namespace, private=True)
