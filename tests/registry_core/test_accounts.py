"""Accounts: who somebody is, which namespaces are whose, and what a team may do where."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from registry_core.accounts import MOST_NAMESPACES, Identity, Role
from registry_core.callers import OWNER, Caller, Scope
from registry_core.errors import Conflict, Forbidden, InvalidName, NotFound, Unauthenticated
from registry_core.events.kinds import EventKind
from registry_core.events.leaves import Leaf
from registry_core.schema import log_leaves, metadata, tokens
from registry_core.tokens import MOST_SIGNED_IN, Grant
from world import World


def somebody(login: str, number: int) -> Identity:
    return Identity("github", str(number), login, login.title(), website="javascript:alert(1)")


async def test_an_account_is_its_number_at_the_provider_and_not_its_name_there(world: World):
    accounts = world.registry.accounts
    first = await accounts.known(somebody("Sinan", 1))
    assert (first.handle, first.display_name, first.website) == ("sinan", "Sinan", "")
    renamed = await accounts.known(somebody("sinan-of-old", 1))
    assert (renamed.id, renamed.handle) == (first.id, "sinan")
    assert renamed.display_name == "Sinan-Of-Old"
    other = await accounts.known(somebody("sinan", 2))
    assert other.id != first.id
    assert other.handle == "sinan-2"
    known = await accounts.identity_of(first.id, "github")
    assert known is not None
    assert (known.subject, known.handle) == ("1", "sinan-of-old")


@pytest.mark.parametrize(
    ("login", "handle"),
    [
        ("admin", "admin-2"),
        ("x", "user-x"),
        ("user_corp", "user-corp"),
        ("a" * 39, "a" * 32),
        ("-", "user"),
    ],
)
async def test_a_handle_is_a_namespace_that_nobody_has(
    sqlite_world: World, login: str, handle: str
):
    account = await sqlite_world.registry.accounts.known(somebody(login, 7))
    assert account.handle == handle
    text, _ = await sqlite_world.account(login)  # another number, so another account
    caller = await sqlite_world.registry.tokens.authenticate(text)
    assert not caller.may(Scope.READ, handle)


async def test_a_namespace_that_has_an_owner_is_nobody_elses_for_his_name(sqlite_world: World):
    await sqlite_world.publish("@acme/review")
    account = await sqlite_world.registry.accounts.known(somebody("acme", 3))
    assert account.handle == "acme-2"


async def test_an_account_publishes_in_what_is_its_own(world: World):
    text, _ = await world.account("knid")
    reading, _ = await world.account("knid", Scope.READ)
    registry = world.registry
    caller = await registry.tokens.authenticate(text)
    assert caller.name == "account:knid"
    assert caller.may(Scope.PUBLISH, "knid")
    assert not caller.may(Scope.READ, "acme")
    assert not (await registry.tokens.authenticate(reading)).may(Scope.PUBLISH, "knid")
    await registry.accounts.claim("widgets", caller)
    now = await registry.tokens.authenticate(text)
    assert now.namespaces == {"knid", "widgets"}
    with pytest.raises(Conflict):
        await registry.accounts.claim("widgets", caller)
    with pytest.raises(InvalidName):
        await registry.accounts.claim("admin", caller)
    for number in range(MOST_NAMESPACES - 2):
        await registry.accounts.claim(f"more-{number}", now)
    with pytest.raises(Conflict):
        await registry.accounts.claim("one-more", now)


async def test_only_the_owner_of_the_registry_gives_a_namespace_away(world: World):
    registry = world.registry
    await world.publish("@acme/review")
    text, _ = await world.account("knid")
    caller = await registry.tokens.authenticate(text)
    with pytest.raises(Forbidden):
        await registry.accounts.give("acme", "knid", caller)
    await registry.accounts.give("acme", "knid", OWNER)
    assert (await registry.tokens.authenticate(text)).may(Scope.PUBLISH, "acme")
    other, _ = await world.account("other")
    await registry.accounts.give("acme", "other", OWNER)
    assert not (await registry.tokens.authenticate(text)).may(Scope.PUBLISH, "acme")
    assert (await registry.tokens.authenticate(other)).may(Scope.PUBLISH, "acme")
    with pytest.raises(NotFound):
        await registry.accounts.give("acme", "nobody", OWNER)


async def test_who_is_given_a_namespace_stands_in_the_log_unless_all_of_it_is_private(world: World):
    registry = world.registry
    await world.account("knid")
    await world.publish("@acme/review")
    await world.publish("@hidden/plans", private=True)
    for namespace in ("acme", "hidden"):
        await registry.accounts.give(namespace, "knid", OWNER)
    given = select(log_leaves).where(log_leaves.c.kind == EventKind.NAMESPACE_GIVEN.value)
    async with registry.journal.database.read() as connection:
        shown, sealed = (await connection.execute(given.order_by(log_leaves.c.position))).all()
    assert Leaf(shown.leaf).says()["namespace"] == "acme"
    assert Leaf(shown.leaf).says()["handle"] == "knid"
    assert b"hidden" not in sealed.leaf
    assert Leaf(sealed.leaf, sealed.statement, sealed.salt).says()["namespace"] == "hidden"


async def test_a_team_lets_its_members_do_what_their_roles_say(world: World):
    registry, accounts = world.registry, world.registry.accounts
    texts = {name: (await world.account(name))[0] for name in ("ada", "bob", "cy")}

    async def caller(name: str) -> Caller:
        return await registry.tokens.authenticate(texts[name])

    await accounts.make_team("backend", "Backend", await caller("ada"))
    with pytest.raises(Conflict):
        await accounts.make_team("bob", "Not Bob", await caller("ada"))
    await accounts.set_member("backend", "bob", Role.WRITE, await caller("ada"))
    await accounts.set_member("backend", "cy", Role.READ, await caller("ada"))
    assert [(m.handle, m.role) for m in await accounts.members("backend")] == [
        ("ada", Role.ADMIN),
        ("bob", Role.WRITE),
        ("cy", Role.READ),
    ]
    await world.publish("@backend/review", private=True)
    writer = await caller("bob")
    assert writer.may(Scope.PUSH, "backend")
    assert not writer.may(Scope.PUBLISH, "backend")
    reader = await caller("cy")
    assert reader.may(Scope.READ, "backend")
    assert not reader.may(Scope.PUBLISH, "backend")
    assert len(await registry.packages.list(reader)) == 1
    assert not await registry.packages.list(Caller("anybody"))
    with pytest.raises(Forbidden):
        await accounts.set_member("backend", "cy", Role.ADMIN, await caller("bob"))
    with pytest.raises(Conflict):
        await accounts.set_member("backend", "ada", None, await caller("ada"))
    assert (await accounts.members("backend"))[0].role is Role.ADMIN
    await accounts.set_member("backend", "cy", None, await caller("ada"))
    assert not (await caller("cy")).may(Scope.READ, "backend")


async def test_a_disabled_account_does_nothing_until_it_may_again(world: World):
    registry = world.registry
    text, _ = await world.account("knid")
    caller = await registry.tokens.authenticate(text)
    with pytest.raises(Forbidden):
        await registry.accounts.set_disabled("knid", caller, disabled=True)
    await registry.accounts.set_disabled("knid", OWNER, disabled=True)
    with pytest.raises(Unauthenticated):
        await registry.tokens.authenticate(text)
    with pytest.raises(Unauthenticated):
        await world.account("knid")
    await registry.accounts.set_disabled("knid", OWNER, disabled=False)
    assert (await registry.tokens.authenticate(text)).account == caller.account
    kinds = [event.kind for event in await registry.journal.log.since(0)]
    assert kinds.count(EventKind.ACCOUNT_CHANGED) == 2


async def test_a_token_ends_when_it_expires_also_where_it_was_found_before(world: World):
    registry = world.registry
    text, _ = await world.account("knid", expires_at=registry.clock() + timedelta(hours=1))
    assert (await registry.tokens.authenticate(text)).account
    past = registry.clock() - timedelta(seconds=1)
    gone, _ = await world.account("knid", expires_at=past)
    for _ in range(2):
        with pytest.raises(Unauthenticated, match="expired"):
            await registry.tokens.authenticate(gone)


async def test_a_token_of_an_account_for_one_namespace_opens_that_one(world: World):
    text, account = await world.account("knid", brand="sk")
    assert text.startswith("sk_")
    registry = world.registry
    caller = await registry.tokens.authenticate(text)
    await registry.accounts.claim("widgets", caller)
    grant = Grant("ci", frozenset({Scope.PUBLISH}), "widgets", account=account.id)
    narrow, _ = await registry.tokens.mint(grant, caller)
    assert (await registry.tokens.authenticate(narrow)).namespaces == {"widgets"}
    foreign = Grant("ci", frozenset({Scope.PUBLISH}), "knid", account=account.id)
    await registry.accounts.give("knid", (await world.account("other"))[1].handle, OWNER)
    taken, _ = await registry.tokens.mint(foreign, caller)
    assert (await registry.tokens.authenticate(taken)).namespaces == set()


async def test_more_sign_ins_than_an_account_may_have_end_the_oldest(sqlite_world: World):
    texts = [(await sqlite_world.account("knid"))[0] for _ in range(MOST_SIGNED_IN + 1)]
    authenticate = sqlite_world.registry.tokens.authenticate
    with pytest.raises(Unauthenticated):
        await authenticate(texts[0])
    assert (await authenticate(texts[1])).account == (await authenticate(texts[-1])).account


async def test_neither_accounts_nor_their_tokens_hold_a_secret(world: World, tmp_path: Path):
    text, account = await world.account("knid")
    async with world.registry.journal.database.read() as connection:
        for table in metadata.sorted_tables:
            for row in await connection.execute(select(table)):
                assert text not in str(row), table.name
        [row] = await connection.execute(select(tokens.c.account_id))
    assert row.account_id == account.id


async def test_an_account_token_that_is_revoked_opens_nothing(world: World):
    text, account = await world.account("knid")
    [token] = await world.registry.tokens.of_account(account.id)
    await world.registry.tokens.revoke(token.id, OWNER)
    with pytest.raises(Unauthenticated):
        await world.registry.tokens.authenticate(text)


async def test_an_account_holds_what_is_its_own_and_what_is_its_teams(world: World):
    registry, accounts = world.registry, world.registry.accounts
    texts = {name: (await world.account(name))[0] for name in ("ada", "bob")}

    async def caller(name: str) -> Caller:
        return await registry.tokens.authenticate(texts[name])

    async def held(name: str) -> list[tuple[str, str | None, Role]]:
        return [(h.namespace, h.team, h.role) for h in await accounts.holdings(await caller(name))]

    await accounts.make_team("backend", "Backend", await caller("ada"))
    await accounts.set_member("backend", "bob", Role.WRITE, await caller("ada"))
    await accounts.claim("acme", await caller("ada"))
    await accounts.claim("tools", await caller("ada"), team="backend")
    with pytest.raises(Forbidden):
        await accounts.claim("more", await caller("bob"), team="backend")
    with pytest.raises(Forbidden):
        await accounts.give("acme", "backend", await caller("bob"))
    with pytest.raises(NotFound):
        await accounts.give("acme", "bob", await caller("ada"))
    assert ("acme", None, Role.ADMIN) in await held("ada")
    await accounts.give("acme", "backend", await caller("ada"))
    assert await held("ada") == [
        ("acme", "backend", Role.ADMIN),
        ("ada", None, Role.ADMIN),
        ("backend", "backend", Role.ADMIN),
        ("tools", "backend", Role.ADMIN),
    ]
    assert await held("bob") == [
        ("acme", "backend", Role.WRITE),
        ("backend", "backend", Role.WRITE),
        ("bob", None, Role.ADMIN),
        ("tools", "backend", Role.WRITE),
    ]
    with pytest.raises(Forbidden):
        await accounts.give("tools", "backend", await caller("ada"))
