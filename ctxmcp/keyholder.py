"""Changing the keys of a namespace from the machine that has them: state, sign, send, keep.

The registry's chain is folded by the same rules as at the registry before anything is signed, so
what would be refused is refused here. A rotation writes the key after the next one first and moves
the files last: whenever it is interrupted, running it again finishes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ctxmcp import keyfiles
from ctxmcp.keyfiles import Keyfiles
from registry_core import dsse, keys
from registry_core.errors import Invalid, NotFound
from registry_core.formats.attestation import commitment
from registry_core.keys import Action, Link, Ring, Statement
from registry_core.operations.keys import (
    AddKey,
    ChainLink,
    KeyChain,
    KeyChains,
    KeyChange,
    Recover,
    RevokeKey,
    Rotate,
)

if TYPE_CHECKING:
    from ctxmcp.connection import Connection
    from registry_core.operation import Model
    from registry_core.signing import SigningKey


def links(chain: KeyChain) -> list[Link]:
    """Read the links of a chain as a registry sends them. Raises Invalid."""
    return [_link(link) for link in chain.links]


def _link(link: ChainLink) -> Link:
    try:
        at = datetime.fromisoformat(link.at)
    except ValueError:
        raise Invalid("a key chain: `at` is no time") from None
    if at.tzinfo is None:
        raise Invalid("a key chain: `at` has no zone")
    envelope = dsse.read(link.envelope) if link.envelope is not None else None
    # What came as JSON may hold halves of characters; they are no UTF-8, and refused as such.
    payload = link.statement.encode(errors="surrogatepass")
    return Link(Statement.from_payload(payload), link.position, at, envelope)


@dataclass(frozen=True, slots=True)
class Keyholder:
    """Who holds the key files, and the registry where they sign."""

    connection: Connection
    files: Keyfiles
    now: datetime

    async def rotate(self, given: Rotate) -> Model:
        """Replace the key in use by the next one, and that by a new one."""
        namespace = _namespace(given.namespace)
        ring, _ = await self._ring(namespace)
        if self._is_half_done(ring):
            return self._finish(ring)
        old, successor = keyfiles.load(self.files.current), self._successor(given, ring)
        fresh = self._fresh()
        members = {"old": old.public_key, "next": commitment(fresh.public_key)}
        if not ring.recovery and (recovery := self.files.commits().recovery):
            members["recovery"] = recovery
        statement = _following(ring, Action.ROTATE, successor, **members)
        change = await self._send("rotate", {"statement": _signed(statement, old, successor)})
        self.files.advance(successor, fresh)
        return _noted(change, *self._places())

    async def add(self, given: AddKey) -> Model:
        """Add a key, with the signatures of the one in use, of itself and of the next one."""
        if not given.added:
            raise Invalid("which key is added?", hint="Name its file: --added FILE.")
        ring, _ = await self._ring(_namespace(given.namespace))
        old, added = keyfiles.load(self.files.current), keyfiles.load(Path(given.added))
        by = [old, added]
        if ring.next:
            by.append(keyfiles.load(Path(given.next_key) if given.next_key else self.files.next))
        statement = _following(ring, Action.ADD, added, old=old.public_key)
        return await self._send("add_key", {"statement": _signed(statement, *by)})

    async def revoke(self, given: RevokeKey) -> Model:
        """Revoke a key: with one that may, or without any as the registry's owner."""
        namespace = _namespace(given.namespace)
        plain = given.model_dump(exclude={"signed_by", "statement"}, exclude_none=True)
        ring, position = await self._ring(namespace)
        by = self._guardian(given, ring)
        if by is None:
            return await self._send("revoke_key", plain)
        statement = Statement(
            Action.REVOKE,
            namespace,
            ring.seq + 1,
            ring.head,
            given.key.lower(),
            since=position + 1 if given.since is None else given.since,
            reason=given.reason,
        )
        return await self._send("revoke_key", {**plain, "statement": _signed(statement, by)})

    async def recover(self, given: Recover) -> Model:
        """Put the key in use here in place of all others: with the recovery key."""
        namespace = _namespace(given.namespace)
        if given.key:
            return await self._send("recover", {"namespace": namespace, "key": given.key})
        ring, _ = await self._ring(namespace)
        own = keyfiles.load(self.files.current)
        path = Path(given.recovery_key) if given.recovery_key else self.files.recovery
        recovery = keyfiles.load(path)
        statement = _following(ring, Action.RECOVER, own, next=self.files.commits().next)
        signed = _signed(statement, own, recovery)
        return await self._send("recover", {"namespace": namespace, "statement": signed})

    async def _ring(self, namespace: str) -> tuple[Ring, int]:
        found = await self.connection.invoke("keys", {"namespaces": [namespace]})
        assert isinstance(found, KeyChains)  # noqa: S101 - the operation's own output
        ring = keys.fold(namespace, links(found.chains[0]), self.now)
        if not ring.keys:
            raise NotFound(
                f"@{namespace} has no key yet", hint="Publish something: that brings its first."
            )
        return ring, found.position

    async def _send(self, name: str, arguments: dict[str, Any]) -> KeyChange:
        change = await self.connection.invoke(name, arguments)
        assert isinstance(change, KeyChange)  # noqa: S101 - the operation's own output
        return change

    def _is_half_done(self, ring: Ring) -> bool:
        """Tell whether the registry has a rotation whose files were not moved."""
        if not self.files.fresh.exists():
            return False
        return ring.next == commitment(keyfiles.load(self.files.fresh).public_key)

    def _finish(self, ring: Ring) -> KeyChange:
        candidates = [self.files.next, self.files.current]
        known = [keyfiles.load(path) for path in candidates if path.exists()]
        successor = next((key for key in known if key.public_key in ring.in_use), None)
        if successor is None:
            raise Invalid(
                f"@{ring.namespace} has been rotated, and the key it signs with is not here",
                hint=f"Put it back to {self.files.next} and run this again.",
            )
        link = ring.keys[successor.public_key].link
        self.files.advance(successor, keyfiles.load(self.files.fresh))
        change = KeyChange(
            namespace=ring.namespace,
            action="rotate",
            key=successor.public_key,
            in_use=list(ring.in_use),
            counts_from=link.at.isoformat(),
            position=link.position,
        )
        return _noted(change, "this finished a rotation that was interrupted", *self._places())

    def _successor(self, given: Rotate, ring: Ring) -> SigningKey:
        path = Path(given.next_key) if given.next_key else self.files.next
        if ring.next or path.exists() or given.next_key:
            return keyfiles.load(path)
        return keyfiles.create(path)  # nothing was committed to, so any key may follow

    def _fresh(self) -> SigningKey:
        path = self.files.fresh
        return keyfiles.load(path) if path.exists() else keyfiles.create(path)

    def _guardian(self, given: RevokeKey, ring: Ring) -> SigningKey | None:
        """Choose a key that may revoke; None where there is none here."""
        if given.signed_by:
            return keyfiles.load(Path(given.signed_by))
        paths = (self.files.recovery, self.files.next, self.files.current)
        there = [keyfiles.load(path) for path in paths if path.exists()]
        guards = {ring.next, ring.recovery} - {""}
        if guards:
            return next((key for key in there if commitment(key.public_key) in guards), None)
        return next((key for key in there if key.public_key in ring.in_use), None)

    def _places(self) -> tuple[str, str]:
        return (
            f"you sign with {self.files.current} now; the old key is kept beside it",
            f"the key after this one is {self.files.next}: keep it somewhere else",
        )


def _namespace(text: str) -> str:
    if not text:
        raise Invalid("which namespace?", hint="Name it, such as @acme.")
    return text.removeprefix("@")


def _following(ring: Ring, action: Action, key: SigningKey, **members: Any) -> Statement:
    return Statement(action, ring.namespace, ring.seq + 1, ring.head, key.public_key, **members)


def _signed(statement: Statement, *by: SigningKey) -> dict[str, Any]:
    return statement.signed(by).as_json()


def _noted(change: KeyChange, *notes: str) -> KeyChange:
    return change.model_copy(update={"notes": [*change.notes, *notes]})
