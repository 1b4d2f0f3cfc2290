"""Whose releases a project installs: pinned keys, chains that prove others, registries that lie."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from bench import Machine

from ctxmcp import lock as locking
from ctxmcp.connection import Embedded
from ctxmcp.desk import Desk
from registry_core import canonical, errors
from registry_core.callers import OWNER
from registry_core.formats.attestation import Pledge, commitment
from registry_core.keys import Action, Statement
from registry_core.operation import Model
from registry_core.operations.keys import ChainLink, KeyChain, KeyChains
from registry_core.signing import SigningKey
from world import KEY, OTHER_KEY

NEXT = SigningKey(bytes([7]) * 32)
RECOVERY = SigningKey(bytes([8]) * 32)
THIEF = SigningKey(bytes([9]) * 32)
PLEDGE = Pledge(next=commitment(NEXT.public_key), recovery=commitment(RECOVERY.public_key))


async def say(here: Machine, action: Action, key: SigningKey, *by: SigningKey, **more: Any) -> None:
    ring = await here.registry.keychains.ring("acme")
    made = Statement(action, "acme", ring.seq + 1, ring.head, key.public_key, **more)
    await here.registry.keychains.submit(made.signed(by), OWNER)


async def rotate(here: Machine) -> None:
    await say(here, Action.ROTATE, NEXT, KEY, NEXT, old=KEY.public_key)


def pinned(here: Machine) -> locking.Pinned:
    return locking.read(here.project).namespaces["acme"]


class Lying(Embedded):
    """A registry that serves the chain it was told to."""

    lie: Callable[[KeyChain], KeyChain]

    async def invoke(self, name: str, arguments: Mapping[str, Any]) -> Model:
        answer = await super().invoke(name, arguments)
        if isinstance(answer, KeyChains):
            return answer.model_copy(update={"chains": [self.lie(c) for c in answer.chains]})
        return answer


def lying(here: Machine, lie: Callable[[list[ChainLink]], list[ChainLink]]) -> Machine:
    connection = Lying(here.registry, "file:///registry")
    connection.lie = lambda chain: chain.model_copy(update={"links": lie(chain.links)})
    return replace(here, desk=Desk(connection, here.settings, here.project))


async def test_the_first_install_pins_who_signs_and_how_far_the_chain_was_seen(here: Machine):
    await here.publish("@acme/review", pledge=PLEDGE)
    await here.install("@acme/review")
    ring = await here.registry.keychains.ring("acme")
    assert pinned(here) == locking.Pinned(name="acme", keys=[KEY.public_key], seq=0, head=ring.head)
    await here.desk.remove(["@acme/review"])
    assert pinned(here).keys == [KEY.public_key]


async def test_a_stolen_token_with_another_key_installs_nowhere_and_both_keys_are_named(
    here: Machine,
):
    await here.publish("@acme/review")
    await here.install("@acme/review")
    await here.publish("@acme/other", key=OTHER_KEY)
    before = here.tree()
    with pytest.raises(errors.UnknownSigner) as refused:
        await here.install("@acme/other")
    assert (refused.value.known, refused.value.found) == ((KEY.public_key,), OTHER_KEY.public_key)
    assert KEY.public_key in refused.value.message
    assert OTHER_KEY.public_key in refused.value.message
    assert f"ctxmcp accept-key @acme {OTHER_KEY.public_key}" in refused.value.hint
    assert here.tree() == before


def accept(project: Path, key: str) -> list[str]:
    """Accept a key on the command line."""
    ran = subprocess.run(
        [sys.executable, "-m", "ctxmcp", "accept-key", "@acme", key, "--json"]
        + ["--project", str(project)],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    keys: list[str] = json.loads(ran.stdout)["keys"]
    return keys


async def test_a_key_that_the_user_accepts_is_believed(here: Machine):
    await here.publish("@acme/review")
    await here.install("@acme/review")
    await here.publish("@acme/review", "1.1.0", key=OTHER_KEY)
    said = await asyncio.to_thread(accept, here.project, OTHER_KEY.public_key.upper())
    assert OTHER_KEY.public_key in said
    await here.install("@acme/review")
    assert locking.read(here.project).packages["@acme/review"].version == "1.1.0"
    assert pinned(here).seq == 0


async def test_even_a_first_install_takes_no_key_that_the_chain_does_not_have(here: Machine):
    await here.publish("@acme/review")
    await here.publish("@acme/review", "1.1.0", key=OTHER_KEY)
    with pytest.raises(errors.UnknownSigner, match="signs there"):
        await here.install("@acme/review")
    assert here.tree() == {}
    await here.install("@acme/review@1.0.0")


async def test_a_key_that_was_rotated_properly_is_followed(here: Machine):
    await here.publish("@acme/review", pledge=PLEDGE)
    await here.install("@acme/review")
    await rotate(here)
    await here.publish("@acme/review", "1.1.0", key=NEXT)
    await here.install("@acme/review")
    assert set(pinned(here).keys) == {KEY.public_key, NEXT.public_key}
    assert pinned(here).seq == 1


async def test_a_recovery_with_the_committed_key_is_followed(here: Machine):
    await here.publish("@acme/review", pledge=PLEDGE)
    await here.install("@acme/review")
    await say(here, Action.RECOVER, OTHER_KEY, OTHER_KEY, RECOVERY)
    await here.publish("@acme/review", "1.1.0", key=OTHER_KEY)
    await here.install("@acme/review")


def retold(statement: Mapping[str, Any], *by: SigningKey, position: int = 5) -> ChainLink:
    said = Statement.from_json(statement)
    return ChainLink(
        position=position,
        at="2026-01-01T00:00:00+00:00",
        statement=said.payload.decode(),
        envelope=said.signed(by).as_json() if by else None,
    )


def after(links: list[ChainLink]) -> dict[str, Any]:
    last = json.loads(links[-1].statement)
    return {"namespace": "acme", "seq": last["seq"] + 1, "prev": canonical.digest(last)}


async def test_a_recovery_by_the_owner_of_the_registry_is_not_believed(here: Machine):
    """The registry as attacker: it replaces the keys by its own, days ago, and signs with them."""
    await here.publish("@acme/review", pledge=PLEDGE)
    await here.install("@acme/review")
    await here.publish("@acme/review", "1.1.0", key=THIEF)
    there = lying(
        here,
        lambda links: [
            *links,
            retold({**after(links), "action": "recover", "key": THIEF.public_key}).model_copy(
                update={"at": links[-1].at}
            ),
        ],
    )
    later = _later(there)
    with pytest.raises(errors.UnknownSigner, match=THIEF.public_key):
        await later.install("@acme/review")


def _later(machine: Machine) -> Machine:
    machine.at(machine.registry.clock() + timedelta(days=3652))
    return machine


async def test_nor_is_what_the_replaced_keys_bring_afterwards(here: Machine):
    await here.publish("@acme/review", pledge=PLEDGE)
    await here.install("@acme/review")
    await here.publish("@acme/review", "1.1.0", key=NEXT)

    def lie(links: list[ChainLink]) -> list[ChainLink]:
        recovered = retold({**after(links), "action": "recover", "key": THIEF.public_key})
        told = [*links, recovered.model_copy(update={"at": links[-1].at})]
        members = {**after(told), "action": "rotate", "key": NEXT.public_key}
        rotation = retold({**members, "old": THIEF.public_key}, THIEF, NEXT)
        return [*told, rotation.model_copy(update={"at": "2035-01-01T00:00:00+00:00"})]

    there = lying(here, lie)
    with pytest.raises(errors.UnknownSigner):
        await _later(there).install("@acme/review")


@pytest.mark.parametrize("by", [[KEY, THIEF], [THIEF], []])
async def test_a_chain_with_a_rotation_that_the_rules_forbid_is_refused_whole(here: Machine, by):
    await here.publish("@acme/review", pledge=PLEDGE)
    await here.install("@acme/review")
    await here.publish("@acme/review", "1.1.0", key=THIEF)

    def lie(links: list[ChainLink]) -> list[ChainLink]:
        members = {**after(links), "action": "rotate", "key": THIEF.public_key}
        return [*links, retold({**members, "old": KEY.public_key}, *by)]

    with pytest.raises(errors.Untrusted, match="does not hold"):
        await lying(here, lie).install("@acme/review")


async def test_a_registry_that_tells_another_past_is_caught(here: Machine):
    await here.publish("@acme/review", pledge=PLEDGE)
    await rotate(here)
    await here.install("@acme/review")
    pin = retold(
        {
            "action": "pin",
            "namespace": "acme",
            "seq": 0,
            "prev": "",
            "key": KEY.public_key,
        }
    )
    for lie in (lambda links: links[:1], lambda _: [pin], lambda _: []):
        with pytest.raises(errors.Tampered, match="statement 1"):
            await lying(here, lie).install("@acme/review")


async def test_a_chain_that_is_none_is_refused(here: Machine):
    await here.publish("@acme/review")
    for change in (
        {"statement": "{}"},
        {"statement": "x"},
        {"at": "yesterday"},
        {"at": "2026-01-01"},
        {"envelope": {}},
    ):

        def lie(links: list[ChainLink], change: Mapping[str, Any] = change) -> list[ChainLink]:
            return [links[0].model_copy(update=change)]

        with pytest.raises(errors.Untrusted, match="does not hold"):
            await lying(here, lie).install("@acme/review")


async def test_what_a_key_signed_after_it_was_compromised_is_refused_also_from_the_lock(
    here: Machine,
):
    await here.publish("@acme/review", pledge=PLEDGE)
    await here.install("@acme/review")
    await say(here, Action.REVOKE, KEY, NEXT, since=0)
    with pytest.raises(errors.NothingMatches):
        await here.install("@acme/review")
    for refs in ([], ["@acme/review@1.0.0"]):
        with pytest.raises(errors.Untrusted, match="compromised"):
            await here.install(*refs)


async def test_a_namespace_is_the_same_whatever_registry_serves_it(here: Machine, tmp_path: Path):
    """Dependency confusion: another registry has a namespace of the same name."""
    from bench import machine

    await here.publish("@acme/review")
    await here.install("@acme/review")
    other = tmp_path / "other"
    other.mkdir()
    async with machine(other) as mirror:
        await mirror.publish("@acme/review", "9.0.0", key=THIEF)
        confused = replace(
            here,
            desk=Desk(
                Embedded(mirror.registry, "file:///mirror"),
                here.settings,
                here.project,
            ),
        )
        with pytest.raises(errors.Tampered, match="the key of the log"):
            await confused.install("@acme/review")


@pytest.mark.parametrize(
    "text",
    [
        "namespace = 1\n",
        '[[namespace]]\nname = "acme"\n',
        '[[namespace]]\nname = "@acme"\nkeys = []\n',
        '[[namespace]]\nname = "acme"\nkeys = ["x"]\n',
        '[[namespace]]\nname = "acme"\nkeys = []\nseq = -2\n',
        '[[namespace]]\nname = "acme"\nkeys = []\nseq = true\n',
        '[[namespace]]\nname = "acme"\nkeys = []\nhead = "x"\n',
        '[[namespace]]\nname = "acme"\nkeys = []\nextra = 1\n',
        '[[namespace]]\nname = "acme"\nkeys = []\n[[namespace]]\nname = "acme"\nkeys = []\n',
    ],
)
def test_a_lock_whose_pins_are_none_is_refused(text):
    with pytest.raises(errors.Invalid, match=r"ctxmcp\.lock"):
        locking.parse(text.encode())
