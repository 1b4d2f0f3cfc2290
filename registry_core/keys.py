"""The keys of a namespace: a chain of statements about who may sign for it, and the rules of it.

A statement is canonical JSON and names the digest of the one before, so nothing can be taken out
or put between. What a publisher states is signed in a DSSE envelope of the type below; what the
registry states by itself is not, and is told apart by that.

    { "action": "rotate", "namespace": "acme", "seq": 1, "prev": SHA-256 of statement 0, .. }

    action    members beside those              signed by
    pin       key, next?, recovery?             nobody: the key of the first signed release
    rotate    key, old, next?, recovery?        old, key
    add       key, old                          old, key; and the next key, where there is one
    revoke    key, since, reason?               the next or the recovery key, where there is one,
                                                else a key in use; or nobody: the registry's owner
    recover   key, next?, recovery?             the recovery key, key; or nobody: the registry's
                                                owner, and then it counts `DELAY` later

`next` and `recovery` are commitments, SHA-256 of a public key. Where a next key is committed,
rotating has to be to exactly that one, so whoever steals the key in use can neither rotate it nor
add one. A recovery by the owner is a visible break of continuity, and any statement that the
namespace's own keys sign before it counts cancels it. `since` is the position in the event log
from which on a key is compromised: what it signed before stays good.

`follow` applies one statement to the state that those before it made; it is pure, reads no clock,
and is the same code at the registry and at the client, which believes no registry in this.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property, lru_cache
from typing import Any

from registry_core import canonical, dsse
from registry_core.errors import Conflict, Forbidden, Invalid, RegistryError
from registry_core.formats import Candidate, strict_json
from registry_core.formats.attestation import commitment
from registry_core.names import parse_namespace, shown
from registry_core.signing import SigningKey
from registry_core.verification import Finding, Outcome, Report, Section, Severity

NAME = "keys"
"""The section of a report that says how the signer stands to the namespace."""

PAYLOAD_TYPE = "application/vnd.ctxmcp.keys+json"
DELAY = timedelta(hours=72)
"""How long a recovery by the owner of the registry waits for an objection."""

MOST_STATEMENT = 4096
MOST_REASON = 500
MOST_LINKS = 1000
"""Statements of one namespace, at most."""

_HEX = re.compile(r"[0-9a-f]{64}")


class Action(StrEnum):
    """What a statement does."""

    PIN = "pin"
    ROTATE = "rotate"
    ADD = "add"
    REVOKE = "revoke"
    RECOVER = "recover"


_COMMON = frozenset({"action", "namespace", "seq", "prev", "key"})
_MEMBERS: Mapping[Action, tuple[frozenset[str], frozenset[str]]] = {
    Action.PIN: (_COMMON, frozenset({"next", "recovery"})),
    Action.ROTATE: (_COMMON | {"old"}, frozenset({"next", "recovery"})),
    Action.ADD: (_COMMON | {"old"}, frozenset()),
    Action.REVOKE: (_COMMON | {"since"}, frozenset({"reason"})),
    Action.RECOVER: (_COMMON, frozenset({"next", "recovery"})),
}
"""Members that a statement has, and those that it may have besides."""


@dataclass(frozen=True)
class Statement:
    """One statement; "" and -1 stand for members that it does not have."""

    action: Action
    namespace: str
    seq: int
    prev: str
    key: str
    old: str = ""
    next: str = ""
    recovery: str = ""
    since: int = -1
    reason: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return the members it has."""
        needed, _ = _MEMBERS[self.action]
        said = {name: value for name, value in asdict(self).items() if value not in ("", -1)}
        return {name: getattr(self, name) for name in needed} | said | {"action": str(self.action)}

    @cached_property
    def payload(self) -> bytes:
        """What is signed."""
        return canonical.encode(self.as_json())

    @cached_property
    def digest(self) -> str:
        """What the next statement names."""
        return canonical.digest(self.as_json())

    @classmethod
    def from_json(cls, members: Mapping[str, Any]) -> Statement:
        """Read the members of a statement. Raises Invalid for all that has no place in one."""
        action = _action(members.get("action"))
        needed, optional = _MEMBERS[action]
        if odd := sorted((members.keys() ^ needed) - optional):
            raise Invalid(f"a statement to {action}: {shown(odd[0])} is missing, or too much")
        statement = cls(**{**members, "action": action})
        _check(statement, members.keys())
        return statement

    @classmethod
    def from_payload(cls, payload: bytes) -> Statement:
        """Read canonical JSON. Raises Invalid."""
        try:
            members = strict_json.read(payload, max_bytes=MOST_STATEMENT).members
        except RegistryError as error:
            raise Invalid(f"a statement: {error}") from None
        statement = cls.from_json(members)
        if statement.payload != payload:
            raise Invalid("a statement has to be canonical JSON")
        return statement

    def signed(self, keys: Iterable[SigningKey]) -> dsse.Envelope:
        """Sign it."""
        return dsse.sign(PAYLOAD_TYPE, self.payload, list(keys))


def _action(word: Any) -> Action:
    try:
        return Action(word)
    except ValueError:
        raise Invalid(
            f"{shown(str(word))} is no statement", hint=f"There are {', '.join(Action)}."
        ) from None


def _check(statement: Statement, there: Iterable[str]) -> None:
    for name in there:
        wrong, words = _KINDS.get(name, _TEXT)
        if wrong(getattr(statement, name)):
            raise Invalid(f"a statement: {name} must be {words}")
    parse_namespace(statement.namespace)


def _no_number(value: Any) -> bool:
    return type(value) is not int or value < 0


def _no_digest(value: Any) -> bool:
    return not isinstance(value, str) or not _HEX.fullmatch(value)


def _no_text(value: Any) -> bool:
    return not isinstance(value, str) or len(value) > MOST_REASON or not value.isprintable()


_NUMBER = (_no_number, "a number from 0 on")
_DIGEST = (_no_digest, "64 lowercase hex characters")
_TEXT = (_no_text, f"at most {MOST_REASON} printable characters")
_KINDS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "seq": _NUMBER,
    "since": _NUMBER,
    "key": _DIGEST,
    "old": _DIGEST,
    "next": _DIGEST,
    "recovery": _DIGEST,
    "prev": (lambda value: value != "" and _no_digest(value), "a digest, or empty"),
}


# A chain is folded for each release, and its past never changes: each envelope is read and
# verified once. What is kept is small, because a longer one is refused.
@lru_cache(maxsize=1024)
def read(envelope: dsse.Envelope) -> Statement:
    """Read the statement in an envelope. Raises Invalid; verifies no signature."""
    if envelope.payload_type != PAYLOAD_TYPE:
        raise Invalid(f"the envelope is of the type {shown(envelope.payload_type)}")
    return Statement.from_payload(envelope.payload)


@dataclass(frozen=True, slots=True)
class Link:
    """A statement as it stands in the chain: where in the event log, and since when.

    `envelope` is None where the registry stated it by itself.
    """

    statement: Statement
    position: int
    at: datetime
    envelope: dsse.Envelope | None = None

    @property
    def effective_at(self) -> datetime:
        """From when on it counts."""
        waits = self.statement.action is Action.RECOVER and self.envelope is None
        return self.at + DELAY if waits else self.at


class Standing(StrEnum):
    """How a key stands to a namespace."""

    CURRENT = "current"
    """It signs."""
    RETIRED = "retired"
    """It was replaced; what it signed until then is good."""
    REVOKED = "revoked"
    """It is compromised, and what it signed from some position on is not good."""
    PENDING = "pending"
    """The owner of the registry has put it in place of the others, and it does not count yet."""
    UNKNOWN = "unknown"
    """Nobody has said anything of it."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key of a namespace."""

    public_key: str
    link: Link
    """The statement that brought it."""
    active: bool = True
    revoked_since: int | None = None


@dataclass(frozen=True, slots=True)
class Ring:
    """The keys of a namespace as some statements leave them; `head` and `seq` are of the last."""

    namespace: str
    keys: Mapping[str, Key]
    next: str = ""
    recovery: str = ""
    seq: int = -1
    head: str = ""
    broken: tuple[Link, ...] = ()
    """Recoveries by the owner of the registry that have come to count."""
    pending: Link | None = None

    @property
    def in_use(self) -> tuple[str, ...]:
        """The keys that sign now."""
        return tuple(key.public_key for key in self.keys.values() if key.active)

    def standing(self, public_key: str, position: int | None = None) -> Standing:
        """Say how a key stands, or for a position in the log, how what it signed there does."""
        key = self.keys.get(public_key)
        if key is None:
            pending = self.pending is not None and self.pending.statement.key == public_key
            return Standing.PENDING if pending else Standing.UNKNOWN
        if key.revoked_since is not None:
            good = position is not None and position < key.revoked_since
            return Standing.RETIRED if good else Standing.REVOKED
        return Standing.CURRENT if key.active else Standing.RETIRED


def empty(namespace: str) -> Ring:
    """Begin with no key."""
    return Ring(namespace, {})


def fold(
    namespace: str, links: Iterable[Link], now: datetime, *, position: int | None = None
) -> Ring:
    """Return the state after all links, or after those up to a position of the log."""
    ring = empty(namespace)
    for link in links:
        if position is None or link.position <= position:
            ring = follow(ring, link)
    return settled(ring, now)


def settled(ring: Ring, now: datetime) -> Ring:
    """Let a recovery that waited count, when its time has come."""
    if ring.pending is None or now < ring.pending.effective_at:
        return ring
    return replace(_replaced(ring, ring.pending), pending=None, broken=(*ring.broken, ring.pending))


def follow(ring: Ring, link: Link) -> Ring:
    """Apply one link. Raises Invalid, Conflict (not the next one), Forbidden (not allowed)."""
    ring = settled(ring, link.at)
    statement = link.statement
    _check_place(ring, statement)
    if link.envelope is not None and read(link.envelope) != statement:
        raise Invalid("a statement is not the one that was signed")
    after = _RULES[statement.action](ring, link)
    cancels = link.envelope is not None
    return replace(
        after,
        seq=statement.seq,
        head=statement.digest,
        pending=None if cancels else after.pending,
    )


def _check_place(ring: Ring, statement: Statement) -> None:
    if statement.namespace != ring.namespace:
        raise Invalid(f"the statement is about @{statement.namespace}, not @{ring.namespace}")
    if (statement.seq, statement.prev) != (ring.seq + 1, ring.head):
        raise Conflict(
            f"the keys of @{ring.namespace} have changed since statement {statement.seq} was made",
            hint="Make it again on what `ctxmcp keys` shows now.",
        )
    if statement.seq >= MOST_LINKS:
        raise Forbidden(f"the keys of @{ring.namespace} have changed {MOST_LINKS} times")


def _pin(ring: Ring, link: Link) -> Ring:
    if ring.keys or link.envelope is not None:
        raise Forbidden(f"@{ring.namespace} has its first key already")
    said = link.statement
    return replace(
        ring, keys={said.key: Key(said.key, link)}, next=said.next, recovery=said.recovery
    )


def _rotate(ring: Ring, link: Link) -> Ring:
    said = link.statement
    _check_new(ring, said.key)
    _check_changer(ring, said.old)
    _check_signed(link, said.old, said.key)
    if ring.next and commitment(said.key) != ring.next:
        raise Forbidden(
            f"{said.key} is not the key that @{ring.namespace} has committed to as its next one",
            hint="Rotate to the key that was made with the one in use, or recover.",
        )
    if ring.recovery and said.recovery not in {"", ring.recovery}:
        raise Forbidden("a rotation does not change the recovery key")
    keys = {**ring.keys, said.old: replace(ring.keys[said.old], active=False)}
    return replace(
        ring,
        keys={**keys, said.key: Key(said.key, link)},
        next=said.next,
        recovery=ring.recovery or said.recovery,
    )


def _add(ring: Ring, link: Link) -> Ring:
    said = link.statement
    _check_new(ring, said.key)
    _check_changer(ring, said.old)
    _check_signed(link, said.old, said.key)
    if ring.next and ring.next not in _commitments(link):
        raise Forbidden(f"a key is added to @{ring.namespace} with the next key's signature too")
    return replace(ring, keys={**ring.keys, said.key: Key(said.key, link)})


def _revoke(ring: Ring, link: Link) -> Ring:
    said = link.statement
    key = ring.keys.get(said.key)
    if key is None:
        raise Invalid(f"{said.key} is no key of @{ring.namespace}")
    if said.since > link.position:
        raise Invalid(f"position {said.since} of the event log is still to come")
    if link.envelope is not None:
        _check_guardian(ring, link)
    since = said.since if key.revoked_since is None else min(said.since, key.revoked_since)
    revoked = replace(key, active=False, revoked_since=since)
    return replace(ring, keys={**ring.keys, said.key: revoked})


def _check_guardian(ring: Ring, link: Link) -> None:
    guards = {ring.next, ring.recovery} - {""}
    if guards and guards.isdisjoint(_commitments(link)):
        raise Forbidden(
            f"a key of @{ring.namespace} is revoked with its next or its recovery key",
            hint="Whoever has stolen the key in use could do it otherwise.",
        )
    if not guards and set(ring.in_use).isdisjoint(_signers(link)):
        raise Forbidden(f"a key of @{ring.namespace} is revoked with one that is in use")


def _recover(ring: Ring, link: Link) -> Ring:
    said = link.statement
    _check_new(ring, said.key)
    if not ring.keys:
        raise Invalid(f"@{ring.namespace} has no key that could be lost")
    if link.envelope is None:
        return replace(ring, pending=link)
    _check_signed(link, said.key)
    if not ring.recovery or ring.recovery not in _commitments(link):
        raise Forbidden(
            f"this is not signed by the recovery key of @{ring.namespace}",
            hint="Ask the owner of the registry to recover it, which takes 72 hours.",
        )
    return _replaced(ring, link)


def _replaced(ring: Ring, link: Link) -> Ring:
    """Put one key in place of all others."""
    said = link.statement
    keys = {name: replace(key, active=False) for name, key in ring.keys.items()}
    kept = ring.recovery if link.envelope is not None else ""
    return replace(
        ring,
        keys={**keys, said.key: Key(said.key, link)},
        next=said.next,
        recovery=said.recovery or kept,
    )


def _check_new(ring: Ring, key: str) -> None:
    if key in ring.keys:
        raise Conflict(f"{key} is, or was, a key of @{ring.namespace} already")


def _check_changer(ring: Ring, old: str) -> None:
    """See that `old` may speak: it is in use, or a next key answers for what was stolen."""
    standing = ring.standing(old)
    if standing is Standing.CURRENT or (standing is Standing.REVOKED and ring.next):
        return
    raise Forbidden(f"{old} is {standing}: it does not change the keys of @{ring.namespace}")


def _check_signed(link: Link, *keys: str) -> None:
    for key in keys:
        if key not in _signers(link):
            raise Forbidden(f"the statement is not signed by {key}")


def _signers(link: Link) -> frozenset[str]:
    return _verified(link.envelope) if link.envelope is not None else frozenset()


@lru_cache(maxsize=1024)
def _verified(envelope: dsse.Envelope) -> frozenset[str]:
    return envelope.signers


def _commitments(link: Link) -> frozenset[str]:
    return frozenset(map(commitment, _signers(link)))


_RULES = {
    Action.PIN: _pin,
    Action.ROTATE: _rotate,
    Action.ADD: _add,
    Action.REVOKE: _revoke,
    Action.RECOVER: _recover,
}


@dataclass(frozen=True, slots=True)
class Signing:
    """Who signed a release, and to which keys its attestation commits."""

    signer: str | None
    next: str = ""
    recovery: str = ""

    @classmethod
    def of(cls, candidate: Candidate, report: Report) -> Signing:
        """Read it off a release whose signature and attestation have been verified."""
        said = candidate.attestation
        if said is None:
            return cls(report.signer)
        return cls(report.signer, said.text("next"), said.text("recovery"))


def judge(ring: Ring, signing: Signing) -> tuple[Finding, ...]:
    """Judge the signer of a new release; the first one is pinned, not judged."""
    if not ring.keys:
        return ()
    if signing.signer is None:
        known = _named(ring.in_use)
        return (_held("unsigned", f"it is not signed, while @{ring.namespace} signs with {known}"),)
    standing = ring.standing(signing.signer)
    if standing is Standing.CURRENT:
        return tuple(_commitments_told(ring, signing))
    return (_STRANGERS[standing](ring, signing.signer),)


def section(findings: Collection[Finding]) -> Section:
    """Make the section of a report."""
    return Section(NAME, Outcome.of(findings), tuple(findings))


def _commitments_told(ring: Ring, signing: Signing) -> Iterator[Finding]:
    told = (("next", ring.next, signing.next), ("recovery", ring.recovery, signing.recovery))
    for what, committed, said in told:
        if said and said != committed:
            yield Finding(
                f"{NAME}/{what}",
                Severity.REVIEW if committed else Severity.NOTE,
                f"it commits to another {what} key than @{ring.namespace} has",
                place=f"attestation.{what}",
                fix="Only the first release and a rotation commit to keys: `ctxmcp rotate`.",
            )


def _unknown(ring: Ring, signer: str) -> Finding:
    return _held(
        "unknown",
        f"{signer} is no key of @{ring.namespace}, which signs with {_named(ring.in_use)}",
    )


def _retired(ring: Ring, signer: str) -> Finding:
    return _held(
        "retired", f"{signer} was replaced: @{ring.namespace} signs with {_named(ring.in_use)}"
    )


def _pending(ring: Ring, signer: str) -> Finding:
    when = f"{ring.pending.effective_at:%Y-%m-%d %H:%M} UTC" if ring.pending else ""
    return _held("pending", f"{signer} becomes the key of @{ring.namespace} on {when}")


def _revoked(ring: Ring, signer: str) -> Finding:
    return Finding(
        f"{NAME}/revoked",
        Severity.BLOCK,
        f"{signer} is revoked as compromised",
        place="manifest.signature.public_key",
        fix=f"Sign it with a key of @{ring.namespace} that is in use.",
    )


def _held(rule: str, message: str) -> Finding:
    return Finding(
        f"{NAME}/{rule}",
        Severity.HOLD,
        message,
        place="manifest.signature.public_key",
        fix="Sign it with a key in use, or make this one known: `ctxmcp rotate`, `ctxmcp recover`.",
    )


_STRANGERS: Mapping[Standing, Callable[[Ring, str], Finding]] = {
    Standing.UNKNOWN: _unknown,
    Standing.RETIRED: _retired,
    Standing.PENDING: _pending,
    Standing.REVOKED: _revoked,
}


def _named(keys: Collection[str]) -> str:
    return ", ".join(keys) or "no key at all"
