"""Settings, and the only reader of the environment.

A flag of the command line wins over the environment, the environment over the default. Names:

    CTXMCP_DATA_DIR       folder of the embedded registry (also --data-dir)
    CTXMCP_DATABASE_URL   SQLAlchemy URL; default: a SQLite file in the data folder
    CTXMCP_BLOBS_URL      s3://, gs://, az://; default: a folder in the data folder
    CTXMCP_BASE_URL       where clients reach this registry, for absolute download URLs
    CTXMCP_KEY            file of the signing key; default: signing.key in the configuration folder
    CTXPKG_REGISTRY       a remote registry instead of the embedded one (also --registry)
    CTXPKG_TOKEN          the token for it
    SOURCE_DATE_EPOCH     the time that packing writes, in seconds; default: now
    CTXMCP_DEBUG          1: an unexpected error prints its traceback
    NO_COLOR, FORCE_COLOR, TERM=dumb, CI    as everywhere: see `Manners`
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from platformdirs import user_config_path, user_data_path

APP = "ctxmcp"


@dataclass(frozen=True, slots=True)
class Settings:
    """What the program was told."""

    data_dir: Path
    key_file: Path
    tools_dir: Path
    """Where tools are installed: the user's data folder, on no search path."""
    home: Path
    database_url: str = ""
    blobs_url: str = ""
    base_url: str = ""
    registry: str = ""
    token: str = ""
    source_date: datetime | None = None
    """What packing writes as its time, where builds have to be reproducible."""

    def __repr__(self) -> str:
        """Leave the token and the URLs, which may hold passwords, out of every log."""
        return f"Settings(data_dir={str(self.data_dir)!r}, registry={self.registry!r})"

    @property
    def index_file(self) -> Path:
        """The derived search index."""
        return self.data_dir / "search.sqlite3"

    @property
    def blobs_dir(self) -> Path:
        """The folder of blobs, where no other store is set."""
        return self.data_dir / "blobs"

    @property
    def database(self) -> str:
        """The SQLAlchemy URL of the database."""
        return self.database_url or f"sqlite+aiosqlite:///{self.data_dir / 'registry.sqlite3'}"


def read(
    *,
    data_dir: Path | None = None,
    registry: str | None = None,
    token: str | None = None,
    environment: Mapping[str, str] = os.environ,  # noqa: TID251 - the one place
) -> Settings:
    """Read the settings; what is passed stands for a flag of the command line."""
    user_data = user_data_path(APP)
    return Settings(
        data_dir=data_dir or Path(environment.get("CTXMCP_DATA_DIR") or user_data / "registry"),
        key_file=Path(environment.get("CTXMCP_KEY") or user_config_path(APP) / "signing.key"),
        tools_dir=user_data / "tools",
        home=Path.home(),
        database_url=environment.get("CTXMCP_DATABASE_URL", ""),
        blobs_url=environment.get("CTXMCP_BLOBS_URL", ""),
        base_url=environment.get("CTXMCP_BASE_URL", "").rstrip("/"),
        registry=(registry or environment.get("CTXPKG_REGISTRY", "")).rstrip("/"),
        token=token or environment.get("CTXPKG_TOKEN", ""),
        source_date=_moment(environment.get("SOURCE_DATE_EPOCH", "")),
    )


def _moment(seconds: str) -> datetime | None:
    # Build systems set it for everybody; what is no time must not stop a search.
    try:
        return datetime.fromtimestamp(int(seconds), UTC)
    except (ValueError, OverflowError, OSError):
        return None


@dataclass(frozen=True, slots=True)
class Manners:
    """How the user's environment wants programs to behave on a terminal."""

    colour: bool | None
    """None: only on a terminal."""
    still: bool
    """No bars that move, terminal or not."""
    debug: bool


def manners(environment: Mapping[str, str] = os.environ) -> Manners:  # noqa: TID251 - as above
    """Read the manners: https://no-color.org, FORCE_COLOR, a dumb terminal, a CI job."""
    dumb = environment.get("TERM") == "dumb"
    colour = True if environment.get("FORCE_COLOR") else None
    return Manners(
        colour=False if dumb or environment.get("NO_COLOR") else colour,
        still=dumb or bool(environment.get("CI")),
        debug=environment.get("CTXMCP_DEBUG", "") not in {"", "0"},
    )
