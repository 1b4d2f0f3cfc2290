"""Tokens: shown once, kept as a digest, revoked at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select

from dialects.requirements import claims
from registry_core.callers import OWNER, Caller, Scope
from registry_core.errors import (
    Conflict,
    Forbidden,
    Invalid,
    InvalidName,
    NotFound,
    Unauthenticated,
)
from registry_core.events.kinds import EventKind
from registry_core.schema import metadata
from registry_core.tokens import MOST_ACTIVE, Grant
from world import World


async def test_a_token_opens_its_namespace_with_its_scope(world: World):
    tokens = world.registry.tokens
    text, token = await world.mint("acme")
    assert text.startswith("ctxp_")
    assert len(text) == len("ctxp_") + 43
    caller = await tokens.authenticate(text)
    assert caller.may(Scope.PUBLISH, "acme")
    assert caller.may(Scope.READ, "acme")
    assert not caller.may(Scope.READ, "other")
    assert caller.token_id == token.id
    read, _ = await world.mint("acme", Scope.READ)
    assert read.startswith("ctxr_")
    reader = await tokens.authenticate(read)
    assert reader.may(Scope.READ, "acme")
    assert not reader.may(Scope.PUBLISH, "acme")


async def test_a_revoked_token_opens_nothing_from_then_on(world: World):
    tokens = world.registry.tokens
    text, token = await world.mint("acme")
    assert (await tokens.authenticate(text)).token_id == token.id
    await tokens.revoke(token.id, OWNER)
    with pytest.raises(Unauthenticated):
        await tokens.authenticate(text)
    first = await tokens.revoke(token.id, OWNER)
    assert first.revoked_at is not None
    kinds = [event.kind for event in await world.registry.journal.log.since(0)]
    assert kinds.count(EventKind.TOKEN_REVOKED) == 1
    with pytest.raises(NotFound):
        await tokens.revoke("nope", OWNER)


async def test_a_revocation_by_another_process_is_seen_at_once(database_url: str, tmp_path: Path):
    async with (
        World.open(database_url, tmp_path) as here,
        World.open(database_url, tmp_path) as there,
    ):
        for _ in range(3):
            text, token = await here.mint("acme")
            assert (await here.registry.tokens.authenticate(text)).token_id == token.id
            await there.registry.tokens.revoke(token.id, OWNER)
            with pytest.raises(Unauthenticated):
                await here.registry.tokens.authenticate(text)


@pytest.mark.parametrize(
    "text", ["", "ctxp_", "ctxp_" + "a" * 43, "CTXP_x", "ctxp_" + "é" * 43, "ctxp_" + "a" * 10**6]
)
async def test_what_is_no_token_opens_nothing(sqlite_world: World, text):
    with pytest.raises(Unauthenticated):
        await sqlite_world.registry.tokens.authenticate(text)


@claims("ctxpkg.token.once")
async def test_no_table_holds_a_token(sqlite_world: World):
    text, _ = await sqlite_world.mint("acme")
    async with sqlite_world.registry.journal.database.read() as connection:
        for table in metadata.sorted_tables:
            rows = (await connection.execute(select(table))).all()
            assert text not in repr(rows)
            assert text.removeprefix("ctxp_") not in repr(rows)


async def test_a_namespace_has_a_bounded_number_of_active_tokens(sqlite_world: World):
    tokens = sqlite_world.registry.tokens
    made = [await sqlite_world.mint("acme", Scope.READ, f"t{n}") for n in range(MOST_ACTIVE)]
    with pytest.raises(Conflict, match="Revoke one"):
        await sqlite_world.mint("acme", Scope.READ)
    await tokens.revoke(made[0][1].id, OWNER)
    await sqlite_world.mint("acme", Scope.READ)
    assert len(await tokens.list("acme")) == MOST_ACTIVE + 1
    assert await tokens.list("other") == []


async def test_only_the_owner_of_the_registry_claims_a_namespace(sqlite_world: World):
    tokens = sqlite_world.registry.tokens
    with pytest.raises(Forbidden):
        await tokens.mint(Grant("x", frozenset({Scope.READ}), "acme"), Caller("somebody"))
    for name in ("official", "www"):
        with pytest.raises(InvalidName, match="reserved"):
            await sqlite_world.mint(name)
    for label in ("", "x" * 101, "a\nb"):
        with pytest.raises(Invalid):
            await sqlite_world.mint("acme", label=label)
    assert await tokens.list() == []
