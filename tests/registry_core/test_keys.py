"""The rules of a namespace's key chain: who may change what, and what holds where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_core import canonical, dsse, keys
from registry_core.errors import Conflict, Forbidden, Invalid, RegistryError
from registry_core.formats.attestation import commitment
from registry_core.keys import Action, Link, Ring, Signing, Standing, Statement
from registry_core.signing import SigningKey
from registry_core.verification import Severity

START = datetime(2026, 1, 1, tzinfo=UTC)
A, B, C, THIEF, RECOVERY = (SigningKey(bytes([n]) * 32) for n in range(1, 6))
ALL = {"A": A, "B": B, "C": C, "THIEF": THIEF, "RECOVERY": RECOVERY}


def sha(key: SigningKey) -> str:
    return commitment(key.public_key)


@dataclass
class Chain:
    """A chain that grows by ten positions and one hour a statement."""

    links: list[Link] = field(default_factory=list)
    hours: int = 0

    @property
    def now(self) -> datetime:
        return START + timedelta(hours=self.hours)

    @property
    def ring(self) -> Ring:
        return keys.fold("acme", self.links, self.now)

    def say(self, action: Action, key: SigningKey, *by: SigningKey, **members: Any) -> Chain:
        self.hours += 1
        ring = self.ring
        made = Statement(action, "acme", ring.seq + 1, ring.head, key.public_key, **members)
        link = Link(made, 10 * len(self.links), self.now, made.signed(by) if by else None)
        keys.follow(ring, link)
        self.links.append(link)
        return self

    def standing(self, key: SigningKey, position: int | None = None) -> Standing:
        return self.ring.standing(key.public_key, position)


def pinned(next_: SigningKey | None = B, recovery: SigningKey | None = RECOVERY) -> Chain:
    members = {
        name: sha(key) for name, key in (("next", next_), ("recovery", recovery)) if key is not None
    }
    return Chain().say(Action.PIN, A, **members)


def rotated() -> Chain:
    return pinned().say(Action.ROTATE, B, A, B, old=A.public_key, next=sha(C))


def test_the_first_key_is_pinned_and_a_second_is_not():
    chain = pinned()
    assert chain.standing(A) is Standing.CURRENT
    assert chain.standing(B) is Standing.UNKNOWN
    with pytest.raises(Forbidden, match="first key"):
        chain.say(Action.PIN, THIEF)
    with pytest.raises(Forbidden):
        Chain().say(Action.PIN, A, A)


def test_a_rotation_replaces_the_key_and_says_the_next_one():
    chain = rotated()
    assert chain.standing(B) is Standing.CURRENT
    assert chain.standing(A) is Standing.RETIRED
    assert (chain.ring.next, chain.ring.recovery) == (sha(C), sha(RECOVERY))
    assert keys.fold("acme", chain.links, chain.now, position=0).in_use == (A.public_key,)


@pytest.mark.parametrize("by", [[A], [THIEF], [A, B], []])
def test_a_stolen_key_cannot_rotate_to_another_than_the_committed_one(by):
    with pytest.raises((Forbidden, Invalid, Conflict)):
        pinned().say(Action.ROTATE, THIEF, *by, THIEF, old=A.public_key)


@pytest.mark.parametrize("by", [[A], [B], [B, THIEF]])
def test_a_rotation_is_signed_by_both_keys(by):
    with pytest.raises(Forbidden, match="not signed by"):
        pinned().say(Action.ROTATE, B, *by, old=A.public_key)


def test_without_a_commitment_the_key_in_use_is_enough_and_may_commit():
    chain = pinned(None, None).say(
        Action.ROTATE, C, A, C, old=A.public_key, next=sha(B), recovery=sha(RECOVERY)
    )
    assert (chain.ring.next, chain.ring.recovery) == (sha(B), sha(RECOVERY))


def test_a_rotation_does_not_change_the_recovery_key():
    with pytest.raises(Forbidden, match="recovery"):
        pinned().say(Action.ROTATE, B, A, B, old=A.public_key, recovery=sha(THIEF))


def test_a_key_that_was_never_in_use_or_is_no_more_changes_nothing():
    for old in (A, THIEF):
        with pytest.raises(Forbidden):
            rotated().say(Action.ROTATE, C, old, C, old=old.public_key)
    with pytest.raises(Conflict, match="already"):
        rotated().say(Action.ROTATE, A, B, A, old=B.public_key)


def test_a_key_is_added_with_the_next_keys_signature_alone_where_one_is_committed():
    with pytest.raises(Forbidden, match="next key"):
        pinned().say(Action.ADD, THIEF, A, THIEF, old=A.public_key)
    chain = pinned().say(Action.ADD, C, A, B, C, old=A.public_key)
    assert set(chain.ring.in_use) == {A.public_key, C.public_key}
    assert chain.ring.next == sha(B)
    assert len(pinned(None).say(Action.ADD, C, A, C, old=A.public_key).ring.in_use) == 2


def test_a_revoked_key_is_good_for_what_it_signed_before():
    chain = rotated().say(Action.REVOKE, A, RECOVERY, since=7, reason="stolen")
    assert chain.standing(A) is Standing.REVOKED
    assert chain.standing(A, 6) is Standing.RETIRED
    assert chain.standing(A, 7) is Standing.REVOKED
    again = chain.say(Action.REVOKE, A, C, since=9)
    assert again.ring.keys[A.public_key].revoked_since == 7


@pytest.mark.parametrize("by", [[A], [THIEF], [A, THIEF]])
def test_a_stolen_key_does_not_revoke_where_another_is_committed(by):
    with pytest.raises(Forbidden, match="next or its recovery"):
        pinned().say(Action.REVOKE, A, *by, since=0)


def test_where_nothing_is_committed_a_key_in_use_revokes():
    assert pinned(None, None).say(Action.REVOKE, A, A, since=0).standing(A) is Standing.REVOKED
    with pytest.raises(Forbidden, match="in use"):
        pinned(None, None).say(Action.REVOKE, A, THIEF, since=0)


def test_the_owner_of_the_registry_revokes_at_once_but_no_future_and_no_stranger():
    assert pinned().say(Action.REVOKE, A, since=3).standing(A) is Standing.REVOKED
    with pytest.raises(Invalid, match="still to come"):
        pinned().say(Action.REVOKE, A, since=11)
    with pytest.raises(Invalid, match="no key of"):
        pinned().say(Action.REVOKE, THIEF, since=0)


def test_after_a_revocation_the_next_key_takes_over():
    chain = pinned().say(Action.REVOKE, A, since=0)
    assert chain.ring.in_use == ()
    with pytest.raises(Forbidden):
        chain.say(Action.ROTATE, THIEF, A, THIEF, old=A.public_key)
    assert chain.say(Action.ROTATE, B, A, B, old=A.public_key).ring.in_use == (B.public_key,)


def test_the_recovery_key_replaces_all_others_at_once_without_a_break():
    chain = pinned().say(Action.RECOVER, C, RECOVERY, C, next=sha(B))
    assert chain.ring.in_use == (C.public_key,)
    assert (chain.ring.broken, chain.ring.recovery) == ((), sha(RECOVERY))


@pytest.mark.parametrize("by", [[A, THIEF], [THIEF], [B, THIEF], [RECOVERY]])
def test_nobody_else_recovers(by):
    with pytest.raises(Forbidden):
        pinned().say(Action.RECOVER, THIEF, *by)
    with pytest.raises(Forbidden):
        pinned(recovery=None).say(Action.RECOVER, THIEF, *by)


def test_a_recovery_by_the_owner_waits_three_days_and_is_a_visible_break():
    chain = pinned().say(Action.RECOVER, C)
    chain.hours += 71
    assert (chain.standing(A), chain.standing(C)) == (Standing.CURRENT, Standing.PENDING)
    assert chain.ring.broken == ()
    chain.hours += 1
    assert (chain.standing(A), chain.standing(C)) == (Standing.RETIRED, Standing.CURRENT)
    assert [link.statement.key for link in chain.ring.broken] == [C.public_key]
    assert (chain.ring.next, chain.ring.recovery) == ("", "")


def test_what_the_namespace_signs_in_the_meantime_cancels_it():
    chain = pinned().say(Action.RECOVER, C).say(Action.ROTATE, B, A, B, old=A.public_key)
    chain.hours += 100
    assert (chain.ring.in_use, chain.ring.broken) == ((B.public_key,), ())


def test_once_it_counts_the_old_key_cancels_nothing():
    chain = pinned().say(Action.RECOVER, C)
    chain.hours += 72
    with pytest.raises(Forbidden):
        chain.say(Action.ROTATE, B, A, B, old=A.public_key)


def test_the_chain_cannot_be_cut_swapped_or_told_of_another_namespace():
    first, second = rotated().links
    for links in ([second], [second, first], [first, first], [first, second, second]):
        with pytest.raises(RegistryError):
            keys.fold("acme", links, START)
    with pytest.raises(Invalid):
        keys.fold("other", [first], START)
    changed = replace(first, statement=replace(first.statement, key=THIEF.public_key))
    with pytest.raises(Conflict):
        keys.fold("acme", [changed, second], START)


def test_a_signed_statement_is_that_of_its_envelope_and_of_its_type():
    first, second = rotated().links
    assert second.envelope
    other = replace(second, statement=replace(second.statement, next=sha(THIEF)))
    with pytest.raises(Invalid, match="not the one that was signed"):
        keys.fold("acme", [first, other], START)
    typed = dsse.sign("application/vnd.ctxmcp.manifest+json", second.envelope.payload, [A, B])
    with pytest.raises(Invalid, match="type"):
        keys.fold("acme", [first, replace(second, envelope=typed)], START)


GOOD: Mapping[str, Any] = {
    "action": "rotate",
    "namespace": "acme",
    "seq": 1,
    "prev": "0" * 64,
    "key": "1" * 64,
    "old": "2" * 64,
}


@pytest.mark.parametrize(
    "change",
    [
        {"action": "pwn"},
        {"action": None},
        {"action": ["rotate"]},
        {"namespace": "Acme"},
        {"namespace": 1},
        {"seq": -1},
        {"seq": True},
        {"seq": 1.0},
        {"seq": "1"},
        {"prev": "x"},
        {"prev": None},
        {"key": "A" * 64},
        {"key": "1" * 63},
        {"old": None},
        {"next": ""},
        {"recovery": "0"},
        {"since": 1},
        {"reason": "x"},
        {"extra": 1},
    ],
)
def test_a_statement_of_the_wrong_shape_is_refused(change):
    with pytest.raises(Invalid):
        Statement.from_json({**GOOD, **change})
    assert Statement.from_json(GOOD).as_json() == GOOD


@pytest.mark.parametrize("member", list(GOOD))
def test_a_statement_without_one_of_its_members_is_refused(member):
    with pytest.raises(Invalid):
        Statement.from_json({name: value for name, value in GOOD.items() if name != member})


@pytest.mark.parametrize(
    "payload",
    [b"", b"[]", b"{}", b'{"action":"rotate","action":"add"}', b" " * 5000]
    + [b" " + canonical.encode(GOOD), canonical.encode({**GOOD, "since": 0})],
)
def test_a_payload_that_is_no_statement_is_refused(payload):
    with pytest.raises((Invalid, RegistryError)):
        keys.read(dsse.sign(keys.PAYLOAD_TYPE, payload, [A]))


def test_the_signer_of_a_release_is_judged_by_the_chain():
    def found(chain: Chain, signer: SigningKey | None, **said: str) -> list[tuple[str, Severity]]:
        signing = Signing(signer.public_key if signer else None, **said)
        return [(f.rule, f.severity) for f in keys.judge(chain.ring, signing)]

    hold, block = Severity.HOLD, Severity.BLOCK
    assert found(Chain(), A) == found(Chain(), None) == found(pinned(), A) == []
    assert found(pinned(), THIEF) == [("keys/unknown", hold)]
    assert found(pinned(), None) == [("keys/unsigned", hold)]
    assert found(rotated(), A) == [("keys/retired", hold)]
    assert found(pinned().say(Action.RECOVER, C), C) == [("keys/pending", hold)]
    assert found(pinned().say(Action.REVOKE, A, since=0), A) == [("keys/revoked", block)]
    assert found(pinned(), A, next=sha(B), recovery=sha(RECOVERY)) == []
    assert found(pinned(), A, next=sha(THIEF)) == [("keys/next", Severity.REVIEW)]
    assert found(pinned(recovery=None), A, recovery=sha(C)) == [("keys/recovery", Severity.NOTE)]


@given(st.data())
def test_who_holds_only_the_key_in_use_never_becomes_a_key_or_removes_one(data):
    chain = data.draw(st.sampled_from([pinned(), rotated()]))
    [in_use] = chain.ring.in_use
    stolen = next(key for key in ALL.values() if key.public_key == in_use)
    before = chain.ring.in_use
    for _ in range(data.draw(st.integers(1, 4))):
        action = data.draw(st.sampled_from(Action))
        about = data.draw(st.sampled_from([stolen, THIEF, SigningKey(bytes([77]) * 32)]))
        members: dict[str, Any] = {}
        if action in {Action.ROTATE, Action.ADD}:
            members = {"old": data.draw(st.sampled_from([in_use, THIEF.public_key]))}
        if action is Action.REVOKE:
            members = {"since": 0}
        by = data.draw(st.lists(st.sampled_from([stolen, THIEF, about]), min_size=1, unique=True))
        with pytest.raises(RegistryError):
            chain.say(action, about, *by, **members)
    assert chain.ring.in_use == before
