"""The popular packages, found by what a name could be taken for.

What is popular is the registry's policy: so many downloads, or so many days since a package was
new. Downloads grow without events, so the names are read anew when they are `REFRESH` old; until
then a look-up is a few dozen entries of a dictionary. A name and what is one letter away from it
share a key (`verification.names.keys`), so only those that share one are compared.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import false, or_, select

from registry_core.formats import Visibility
from registry_core.names import PackageName
from registry_core.schema import packages
from registry_core.verification.names import keys

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from registry_core.events.journal import Journal
    from registry_core.verification.policy import Names

REFRESH = timedelta(minutes=1)

MOST = 5_000
"""Names that are kept: the most downloaded of more."""


class Popular:
    """The popular public packages of one registry."""

    def __init__(self, journal: Journal, names: Names, *, refresh: timedelta = REFRESH) -> None:
        self._journal = journal
        self._names = names
        self._refresh = refresh
        self._by_key: Mapping[str, Sequence[PackageName]] = {}
        self._known: Sequence[PackageName] = ()
        self._read_at: datetime | None = None
        self._one_at_a_time = asyncio.Lock()

    async def near(self, name: PackageName) -> tuple[PackageName, ...]:
        """Return the popular packages whose namespace or name may be like this one's."""
        async with self._one_at_a_time:
            now = self._journal.now()
            if self._read_at is None or now - self._read_at >= self._refresh:
                await self._renew(await self._read(now))
                self._read_at = now
        found = {
            popular: None
            for key in sorted(_keys(name))
            for popular in self._by_key.get(key, ())
            if popular != name
        }
        return tuple(found)

    async def _renew(self, names: Sequence[PackageName]) -> None:
        if names != self._known:
            # Thousands of names take a second: others are not kept waiting.
            self._by_key = await asyncio.to_thread(_by_key, names)
            self._known = names

    async def _read(self, now: datetime) -> Sequence[PackageName]:
        days = self._names.popular_days
        old = packages.c.created_at <= now - timedelta(days=days) if days else false()
        statement = (
            select(packages.c.namespace, packages.c.name)
            .where(packages.c.visibility == Visibility.PUBLIC.value)
            .where(packages.c.latest_id.is_not(None))
            .where(or_(packages.c.downloads >= self._names.popular_downloads, old))
            .order_by(packages.c.downloads.desc(), packages.c.id)
            .limit(MOST)
        )
        async with self._journal.database.read() as connection:
            return [PackageName(*row) for row in await connection.execute(statement)]


def _by_key(names: Sequence[PackageName]) -> Mapping[str, Sequence[PackageName]]:
    found: defaultdict[str, list[PackageName]] = defaultdict(list)
    for name in names:
        for key in _keys(name):
            found[key].append(name)
    return found


def _keys(name: PackageName) -> set[str]:
    """Keep namespaces and names apart: `@acme/x` is not like `@x/acme`."""
    return {f"@{key}" for key in keys(name.namespace)} | keys(name.name)
