"""What a registry takes back, as its status note lists it: one look at the whole database.

Of a private package the list says nothing that can be read without the salt of the leaf by which
the release was published; one that was public then has none, and is left out. So are the keys of a
namespace that is hidden: its chain says it to who may see it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Text, and_, bindparam, case, cast, or_, select

from registry_core import accounts, keyring
from registry_core.events.kinds import INTRODUCING, EventKind
from registry_core.formats import Visibility
from registry_core.packages import State
from registry_core.schema import advisories, log_leaves, namespace_keys, packages, releases
from registry_core.transparency.status import Entry, seal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from sqlalchemy import ColumnElement, Select
    from sqlalchemy.ext.asyncio import AsyncConnection

    from registry_core.events.journal import Journal

LISTED = frozenset(
    {
        EventKind.PACKAGE_YANKED,
        EventKind.PACKAGE_UNYANKED,
        EventKind.RELEASE_REVOKED,
        EventKind.RELEASE_REJECTED,
        EventKind.ADVISORY_PUBLISHED,
        EventKind.ADVISORY_WITHDRAWN,
        EventKind.KEY_REVOKED,
        EventKind.VISIBILITY_CHANGED,
    }
)
"""Kinds of events after which the list may be another one; each is a leaf of the log."""

_AT_ONCE = 2000
_GONE = frozenset({State.REVOKED.value, State.REJECTED.value})
_REF = "@" + packages.c.namespace + "/" + packages.c.name + "@" + releases.c.version
_SALT = (
    select(log_leaves.c.salt)
    .where(
        log_leaves.c.subject == _REF,
        log_leaves.c.kind.in_(sorted(kind.value for kind in INTRODUCING)),
    )
    .order_by(log_leaves.c.position)
    .limit(1)
    .correlate(packages, releases)
    .scalar_subquery()
)
"""Of the leaf that proves a release: the first about it."""
_WITHDRAWN = (
    select(
        releases.c.id,
        packages.c.namespace,
        packages.c.name,
        packages.c.visibility,
        releases.c.version,
        releases.c.yanked_at,
        releases.c.state,
        case((packages.c.visibility == Visibility.PRIVATE.value, _SALT)).label("salt"),
    )
    .join(releases, releases.c.package_id == packages.c.id)
    .where(
        or_(
            releases.c.yanked_at.is_not(None),
            and_(releases.c.state != State.RELEASED.value, releases.c.state.in_(sorted(_GONE))),
        )
    )
)
_IN_FORCE = select(
    advisories.c.id,
    advisories.c.package,
    advisories.c.introduced,
    advisories.c.fixed,
    advisories.c.sha256,
).where(advisories.c.withdrawn_at.is_(None))
_REVOKING = (
    select(namespace_keys.c.namespace)
    .where(cast(namespace_keys.c.statement, Text).contains('"revoke"'))
    .distinct()
)
_FIRST_LEAF = (
    select(log_leaves.c.position)
    .where(log_leaves.c.event_id >= bindparam("since"))
    .order_by(log_leaves.c.event_id)
    .limit(1)
)


async def entries(journal: Journal) -> list[Entry]:
    """Return all that is listed, as the database is now."""
    found: list[Entry] = []
    async with journal.database.read() as connection:
        async for row in _pages(connection, _WITHDRAWN, releases.c.id):
            found += _releases(row)
        async for row in _pages(connection, _IN_FORCE, advisories.c.id):
            found += _advisory(row)
        return found + [entry async for entry in _compromised(journal, connection)]


async def _pages(
    connection: AsyncConnection, statement: Select[Any], key: ColumnElement[Any]
) -> AsyncIterator[Any]:
    """Yield rows by their first column, some at a time: others are served in between."""
    statement = statement.order_by(key).limit(_AT_ONCE)
    rows = (await connection.execute(statement)).all()
    while rows:
        for row in rows:
            yield row
        rows = (await connection.execute(statement.where(key > rows[-1][0]))).all()


def _releases(row: Any) -> Iterator[Entry]:
    name = f"@{row.namespace}/{row.name}"
    words = [row.state] if row.state in _GONE else []
    for word in [*words, *(["yanked"] if row.yanked_at else [])]:
        if row.visibility == Visibility.PUBLIC.value:
            yield Entry(name, word, (row.version,))
        elif row.salt:
            yield Entry(seal(row.salt, f"{name}@{row.version}"), word)


def _advisory(row: Any) -> Iterator[Entry]:
    if row.package:
        yield Entry(row.package, "advisory", (row.id, row.introduced, row.fixed or "-"))
    for digest in row.sha256:
        yield Entry(digest, "advisory", (row.id,))


async def _compromised(journal: Journal, connection: AsyncConnection) -> AsyncIterator[Entry]:
    for namespace in (await connection.execute(_REVOKING)).scalars().all():
        if await accounts.is_hidden(connection, namespace):
            continue
        ring = await keyring.ring(journal, connection, namespace)
        for key in ring.keys.values():
            if key.revoked_since is not None:
                first = await connection.execute(_FIRST_LEAF, {"since": key.revoked_since})
                args = (f"@{namespace}", str(first.scalar_one()))
                yield Entry(key.public_key, "compromised", args)
