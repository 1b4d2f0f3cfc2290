"""The app of a world, in this process and on a port."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from served import Served
from world import World


@pytest.fixture
async def served(sqlite_world: World) -> AsyncIterator[Served]:
    async with Served.inside(sqlite_world) as inside:
        yield inside


@pytest.fixture
async def online(sqlite_world: World) -> AsyncIterator[Served]:
    async with Served.on_a_port(sqlite_world) as on_a_port:
        yield on_a_port
