"""Alembic revisions of the database, shipped with the program and run when it opens one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import Connection

HEAD = "0001"
"""The newest revision under `versions/`; a database at it needs no work."""


def upgrade(connection: Connection) -> None:
    """Bring the connected database to `HEAD`, inside the transaction it is in."""
    from alembic import command  # noqa: PLC0415 - only a database that is not at HEAD needs it
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
