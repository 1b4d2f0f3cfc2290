"""Signing in: each attempt once, for the API it was begun for, and never to somebody else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from github import SECRET, GitHub, codes
from registry_core.errors import Expired, Invalid, NotFound, Unauthenticated, Unavailable
from registry_core.schema import metadata, sign_ins
from registry_core.signin import LIFETIME, Pass, is_loopback
from world import World

AGENTX = Pass("agentx", "agentx", timedelta(days=90))
PATCHCAT = Pass("patchcat", "patchcat", timedelta(days=30))
CTXPKG = Pass("ctxpkg", "ctxs", timedelta(days=14))
BACK = "http://127.0.0.1:9876/callback"
STATE = "0123456789abcdef0123456789abcdef"


@pytest.fixture
async def github() -> AsyncIterator[GitHub]:
    async with GitHub().running() as running:
        yield running


@pytest.fixture
async def world(database_url: str, tmp_path: Path, github: GitHub) -> AsyncIterator[World]:
    async with World.open(database_url, tmp_path, github.environment) as opened:
        yield opened


async def agreed(world: World, github: GitHub, state: str = STATE) -> dict[str, str]:
    begun = await world.registry.sign_in.begin(AGENTX, redirect_uri=BACK, state=state)
    return codes(github.agree(begun.address))


async def test_somebody_signs_in_and_has_a_token_of_his_account(world: World, github: GitHub):
    back = await agreed(world, github)
    assert back["state"] == STATE
    done = await world.registry.sign_in.finish(AGENTX, **back)
    assert (done.account.handle, done.identity.subject) == ("sinan", "12345")
    assert done.token.startswith("agentx_")
    caller = await world.registry.tokens.authenticate(done.token)
    assert (caller.account, caller.namespaces) == (done.account.id, {"sinan"})


async def test_a_state_is_good_once_and_a_code_is_too(world: World, github: GitHub):
    back = await agreed(world, github)
    await world.registry.sign_in.finish(AGENTX, **back)
    with pytest.raises(Unauthenticated) as again:
        await world.registry.sign_in.finish(AGENTX, **back)
    with pytest.raises(Unauthenticated) as unknown:
        await world.registry.sign_in.finish(AGENTX, state="f" * 32, code=back["code"])
    assert str(again.value) == str(unknown.value)
    other = await agreed(world, github, "another-state-of-somebody")
    with pytest.raises(Unauthenticated):
        await world.registry.sign_in.finish(AGENTX, state=other["state"], code=back["code"])
    with pytest.raises(Invalid):
        await agreed(world, github)


async def test_an_attempt_of_one_api_ends_in_no_other(world: World, github: GitHub):
    back = await agreed(world, github)
    with pytest.raises(Unauthenticated):
        await world.registry.sign_in.finish(PATCHCAT, **back)
    assert (await world.registry.sign_in.finish(AGENTX, **back)).token


async def test_an_attempt_ends_when_its_time_is_over(world: World, github: GitHub):
    back = await agreed(world, github)
    past = world.registry.clock() - timedelta(seconds=1)

    async def work(connection):
        await connection.execute(update(sign_ins).values(expires_at=past))

    await world.registry.journal.database.write(work)
    with pytest.raises(Unauthenticated):
        await world.registry.sign_in.finish(AGENTX, **back)


async def test_old_attempts_are_forgotten(world: World, github: GitHub):
    await agreed(world, github)
    past = world.registry.clock() - 2 * LIFETIME

    async def work(connection):
        await connection.execute(update(sign_ins).values(expires_at=past))

    await world.registry.journal.database.write(work)
    await agreed(world, github, "another-state-of-somebody")
    async with world.registry.journal.database.read() as connection:
        assert len((await connection.execute(select(sign_ins))).all()) == 1


async def test_a_code_that_was_meant_for_another_attempt_is_not_taken(world: World, github: GitHub):
    mine = await agreed(world, github)
    his = await agreed(world, github, "another-state-of-somebody")
    with pytest.raises(Unauthenticated):  # PKCE: the verifier is of another state
        await world.registry.sign_in.finish(AGENTX, state=mine["state"], code=his["code"])


async def test_where_github_is_silent_the_same_attempt_may_be_ended_later(
    world: World, github: GitHub
):
    back = await agreed(world, github)
    github.down = True
    with pytest.raises(Unavailable):
        await world.registry.sign_in.finish(AGENTX, **back)
    github.down = False
    assert (await world.registry.sign_in.finish(AGENTX, **back)).account.handle == "sinan"


async def test_nothing_that_opens_a_door_is_stored(world: World, github: GitHub):
    back = await agreed(world, github)
    done = await world.registry.sign_in.finish(AGENTX, **back)
    kept = []
    async with world.registry.journal.database.read() as connection:
        for table in metadata.sorted_tables:
            kept += [str(row) for row in await connection.execute(select(table))]
    for word in (STATE, back["code"], done.token, SECRET, "gho_"):
        assert not [row for row in kept if word in row], word


@pytest.mark.parametrize("state", ["short", "x" * 129, "a b" * 10, "é" * 20])
async def test_a_state_that_is_none_begins_nothing(world: World, state: str):
    with pytest.raises(Invalid):
        await world.registry.sign_in.begin(AGENTX, redirect_uri=BACK, state=state)


async def test_without_an_application_nobody_signs_in(sqlite_world: World):
    with pytest.raises(NotFound, match="no GitHub application"):
        await sqlite_world.registry.sign_in.begin(AGENTX, redirect_uri=BACK)


@pytest.mark.parametrize(
    "address",
    ["http://127.0.0.1:9/callback", "http://localhost:9876/callback", "https://localhost/x?y=z"],
)
def test_a_listener_on_this_machine_is_one(address: str):
    assert is_loopback(address)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "https://evil.example/callback",
        "http://127.0.0.1.evil.example/",
        "http://127.0.0.1@evil.example/",
        "http://evil.example#@127.0.0.1/",
        "http://evil.example\\@127.0.0.1/",
        "http://127.0.0.1:80@evil.example/",
        "http://user:pass@localhost/",
        "http://localhost:99999/",
        "http://localhost:x/",
        "//127.0.0.1/",
        "javascript:alert(1)//127.0.0.1/",
        "http://[::1]/callback",
        "http://127.1/",
        "http://2130706433/",
        "http://local\thost/",
        "http://localhost\n.evil.example/",
        "http://lоcalhost/",
        "http://localhost:80",
        "http://127.0.0.1/" + "x" * 500,
    ],
)
def test_what_is_not_a_listener_on_this_machine_is_none(address: str):
    assert not is_loopback(address)


async def test_a_link_signs_in_whoever_reads_the_mail_once(world: World):
    sign_in, tokens = world.registry.sign_in, world.registry.tokens
    first = await sign_in.begin_by_mail(CTXPKG, "ada@example.com")
    second = await sign_in.begin_by_mail(CTXPKG, "ada@example.com")
    done = await sign_in.finish_by_mail(CTXPKG, first)
    assert (done.account.handle, done.account.email) == ("ada", "ada@example.com")
    assert (await tokens.authenticate(done.token)).account == done.account.id
    assert (await sign_in.finish_by_mail(CTXPKG, second)).account.id == done.account.id
    for used in (first, second, "x"):
        with pytest.raises(Expired):
            await sign_in.finish_by_mail(CTXPKG, used)


async def test_a_link_and_a_state_are_not_the_same_thing(world: World, github: GitHub):
    back = await agreed(world, github)
    with pytest.raises(Expired):
        await world.registry.sign_in.finish_by_mail(CTXPKG, back["state"])
    secret = await world.registry.sign_in.begin_by_mail(CTXPKG, "ada@example.com")
    with pytest.raises(Expired):
        await world.registry.sign_in.finish(AGENTX, state=secret, code=back["code"])
    assert (await world.registry.sign_in.finish(AGENTX, **back)).token
