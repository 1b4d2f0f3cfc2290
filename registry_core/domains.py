"""Domains: what a namespace shows to be its own, in the DNS or on its web server.

    _ctxpkg.acme.example TXT                                          either of them has the line
    https://acme.example/.well-known/ctxpkg-verification.txt          ctxpkg-verification=acme:<hex>

The hex is 128 bits of this registry's own for one namespace and one domain: what was published for
another registry, or for an owner before this one, shows nothing. Who manages the namespace asks for
the check; what was verified stays so until it is removed, or the namespace has another owner.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy import delete, func, insert, select, update

from registry_core.accounts import is_hidden
from registry_core.callers import Scope
from registry_core.errors import Conflict, Forbidden, Invalid, NotFound, RegistryError
from registry_core.events import Draft
from registry_core.events.kinds import EventKind
from registry_core.names import shown
from registry_core.schema import domains

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from registry_core.callers import Caller
    from registry_core.events.journal import Journal

MOST_DOMAINS = 10
"""Domains of one namespace, verified or not."""

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = re.compile(rf"(?:{_LABEL}\.)+[a-z](?:[a-z0-9-]{{0,61}}[a-z0-9])")
_MOST = 240
"""Characters of a domain, which leave room for a label before it."""


class Lookup(Protocol):
    """The DNS, and the web."""

    async def records(self, name: str) -> Sequence[str]:
        """Return the TXT records of a name, if there are any. Raises Unavailable."""

    async def lines(self, domain: str, path: str) -> Sequence[str]:
        """Return what a domain's web server has at a path, by https. Raises RegistryError."""


@dataclass(frozen=True, slots=True)
class Domain:
    """A domain that a namespace says is its own, and since when that is known."""

    namespace: str
    domain: str
    challenge: str
    asked_at: datetime
    verified_at: datetime | None

    @property
    def line(self) -> str:
        """What has to be found."""
        return f"ctxpkg-verification={self.namespace}:{self.challenge}"

    @property
    def record(self) -> str:
        """The name whose TXT record may have it."""
        return f"_ctxpkg.{self.domain}"

    @property
    def path(self) -> str:
        """Where the domain's web server may have it."""
        return "/.well-known/ctxpkg-verification.txt"


class Domains:
    """The domains of the namespaces of one registry."""

    def __init__(self, journal: Journal, lookup: Callable[[], Lookup]) -> None:
        self._journal = journal
        self._lookup = lookup  # made for each check: most registries never make one

    async def verified(self) -> dict[str, list[str]]:
        """Return the verified domains of every namespace that has one."""
        statement = select(domains.c.namespace, domains.c.domain).order_by(domains.c.domain)
        found: dict[str, list[str]] = {}
        async with self._journal.database.read() as connection:
            rows = await connection.execute(statement.where(domains.c.verified_at.is_not(None)))
            for namespace, domain in rows:
                found.setdefault(namespace, []).append(domain)
        return found

    async def of(self, namespace: str, by: Caller) -> list[Domain]:
        """Return the domains of a namespace, verified or not; who manages it is told."""
        _refuse_others(namespace, by)
        mine = select(domains).where(domains.c.namespace == namespace)
        async with self._journal.database.read() as connection:
            rows = await connection.execute(mine.order_by(domains.c.domain))
            return [_domain(row) for row in rows]

    async def ask(self, namespace: str, domain: str, by: Caller) -> Domain:
        """Make what a domain has to show; asking again changes nothing."""
        _refuse_others(namespace, by)
        domain = parse_domain(domain)
        row = {"namespace": namespace, "domain": domain, "challenge": secrets.token_hex(16)}

        async def work(connection: AsyncConnection) -> Domain:
            known = await _found(connection, namespace, domain)
            if known is not None:
                return known
            count = select(func.count()).where(domains.c.namespace == namespace)
            if (await connection.execute(count)).scalar_one() >= MOST_DOMAINS:
                raise Conflict(f"a namespace has {MOST_DOMAINS} domains at most")
            now = self._journal.now()
            await connection.execute(insert(domains).values(row | {"asked_at": now}))
            asked = await _one(connection, namespace, domain)
            await self._note(connection, EventKind.DOMAIN_ASKED, by, asked)
            return asked

        return await self._journal.write(work)

    async def check(self, namespace: str, domain: str, by: Caller) -> tuple[Domain, list[str]]:
        """Look whether a domain shows it; return the domain, and why it is not found where not."""
        _refuse_others(namespace, by)
        async with self._journal.database.read() as connection:
            asked = await _one(connection, namespace, domain)
        problems = await self._problems(asked)
        if problems:
            return asked, problems

        async def work(connection: AsyncConnection) -> Domain:
            now = self._journal.now()
            await connection.execute(
                update(domains)
                .where(*_is(namespace, domain), domains.c.challenge == asked.challenge)
                .values(verified_at=now)
            )
            verified = await _one(connection, namespace, domain)
            if verified.verified_at == now:
                await self._note(connection, EventKind.DOMAIN_VERIFIED, by, verified)
            return verified

        return await self._journal.write(work), []

    async def remove(self, namespace: str, domain: str, by: Caller) -> None:
        """Let a domain be shown no more, or not be waited for."""
        _refuse_others(namespace, by)

        async def work(connection: AsyncConnection) -> None:
            gone = await _one(connection, namespace, domain)
            await connection.execute(delete(domains).where(*_is(namespace, domain)))
            was_shown = gone.verified_at is not None
            kind = EventKind.DOMAIN_REMOVED if was_shown else EventKind.DOMAIN_ASKED
            await self._note(connection, kind, by, gone)

        await self._journal.write(work)

    async def _problems(self, asked: Domain) -> list[str]:
        """Say why nothing was found; nothing where something was."""
        lookup, problems = self._lookup(), []
        for where, look in (
            (f"the TXT records of {asked.record}", partial(lookup.records, asked.record)),
            (
                f"https://{asked.domain}{asked.path}",
                partial(lookup.lines, asked.domain, asked.path),
            ),
        ):
            try:
                if asked.line in {line.strip() for line in await look()}:
                    return []
                problems.append(f"{where}: no such line")
            except RegistryError as error:
                problems.append(f"{where}: {error.message}")
        return problems

    async def _note(
        self, connection: AsyncConnection, kind: EventKind, by: Caller, about: Domain
    ) -> None:
        hidden = not kind.logged or await is_hidden(connection, about.namespace)
        said = {"domain": about.domain}
        draft = Draft(kind, by.name, said, namespace=about.namespace, private=hidden)
        await self._journal.append(connection, draft)


def parse_domain(text: str) -> str:
    """Read the name of a domain, in lower case. Raises Invalid."""
    domain = text.strip().lower().removesuffix(".")
    if len(domain) > _MOST or not _DOMAIN.fullmatch(domain):
        raise Invalid(
            f"{shown(text)} is no domain",
            hint="Write it as acme.example, without a scheme; what is not ASCII as xn--...",
        )
    return domain


def _refuse_others(namespace: str, by: Caller) -> None:
    if not by.may(Scope.PUBLISH, namespace):
        raise Forbidden(f"only who manages @{shown(namespace)[1:-1]} may do that")


def _is(namespace: str, domain: str) -> tuple[Any, Any]:
    return domains.c.namespace == namespace, domains.c.domain == domain


async def _found(connection: AsyncConnection, namespace: str, domain: str) -> Domain | None:
    found = await connection.execute(select(domains).where(*_is(namespace, domain)))
    row = found.one_or_none()
    return None if row is None else _domain(row)


async def _one(connection: AsyncConnection, namespace: str, domain: str) -> Domain:
    found = await _found(connection, namespace, domain)
    if found is None:
        raise NotFound(f"@{namespace} has no domain {shown(domain)}")
    return found


def _domain(row: Any) -> Domain:
    return Domain(**row._mapping)  # noqa: SLF001 - its public name has one underscore, too
