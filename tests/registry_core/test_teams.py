"""Teams as their members see them, on both databases."""

from __future__ import annotations

import pytest

from registry_core.accounts import Role
from registry_core.callers import Caller, Scope
from registry_core.errors import Forbidden, NotFound
from world import World


async def test_a_team_is_seen_by_its_members_and_described_by_its_admins(world: World) -> None:
    registry = world.registry

    async def caller(name: str, scope: Scope = Scope.PUBLISH) -> Caller:
        return await registry.tokens.authenticate((await world.account(name, scope))[0])

    ada, bob, eve = [await caller(name) for name in ("ada", "bob", "eve")]
    await registry.accounts.make_team("backend", "Backend", ada, description="We build.")
    await registry.accounts.set_member("backend", "bob", Role.WRITE, ada)
    await world.publish("@backend/review", private=True)
    [team] = await registry.teams.of(bob)
    assert (team.handle, team.description, team.role) == ("backend", "We build.", Role.WRITE)
    assert (team.members, team.skills) == (2, 1)
    assert await registry.teams.find("backend", bob) == team
    assert await registry.teams.of(eve) == []
    with pytest.raises(NotFound):
        await registry.teams.find("backend", eve)
    changes = {"display_name": "The backend", "description": None}
    with pytest.raises(Forbidden):
        await registry.teams.describe("backend", bob, **changes)
    with pytest.raises(Forbidden):
        await registry.teams.describe("backend", await caller("ada", Scope.PUSH), **changes)
    changed = await registry.teams.describe("backend", ada, **changes)
    assert (changed.display_name, changed.description) == ("The backend", "We build.")
    weak = await caller("ada", Scope.PUSH)
    with pytest.raises(Forbidden):
        await registry.accounts.set_member("backend", "eve", Role.READ, weak)
