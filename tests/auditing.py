"""What tests of audits need: nobody to tell, what was told, and a hand in the database."""

from __future__ import annotations

from typing import Any

from sqlalchemy import text

from registry_core.audit import Findings
from world import World

_COLUMNS = (
    "package_id, format, media_type, sha256, size, signer, description, author, license, tags,"
    " category, dependencies, powers, outcome, position, published_at, published_by, state,"
    " advisories, downloads"
)


def silent(done: int, total: int, words: str) -> None:
    """Tell nobody."""


def told(found: Findings) -> set[str]:
    return {f"{problem.where}: {problem.what}" for problem in found.problems}


async def edit(world: World, statement: str, **values: Any) -> None:
    """Change the database as no part of the program does."""

    async def work(connection: Any) -> None:
        done = await connection.execute(text(statement), values)
        assert done.rowcount

    await world.registry.journal.database.write(work)


async def forge_release(world: World, like: str) -> None:
    """Write a release 9.9.9 that is like another one, into the database alone."""
    await edit(
        world,
        f"INSERT INTO releases (version, precedence, {_COLUMNS})"
        f" SELECT '9.9.9', '9.9.9', {_COLUMNS} FROM releases WHERE version = :like",
        like=like,
    )
