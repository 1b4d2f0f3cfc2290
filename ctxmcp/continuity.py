"""Whether a release is signed by whom this project has believed so far.

The keys of a namespace are pinned in the lock when something of it is first installed. From then
on a key is believed if it is pinned, or if a chain of statements leads to it that pinned keys
signed: the registry's word counts for nothing in this, and its owner's recovery of a namespace is
no such statement. The chain that was seen is pinned too, so it can only grow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pydantic import ValidationError

from ctxmcp import changes, keyholder, planning
from ctxmcp import lock as locking
from ctxmcp.lock import UNSIGNED, Lock, Pinned
from registry_core import keys
from registry_core.errors import Invalid, RegistryError, Tampered, UnknownSigner, Untrusted
from registry_core.keys import Action, Link, Ring, Standing
from registry_core.names import shown
from registry_core.operations.keys import MOST_NAMESPACES, KeyChain, KeyChains

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from ctxmcp.connection import Connection
    from registry_core.operations.install import Planned


async def check(
    connection: Connection, planned: Sequence[Planned], lock: Lock, now: datetime
) -> tuple[list[Pinned], list[str]]:
    """Check who signed what is planned; return what is to be pinned, and what to tell of it.

    Raises UnknownSigner, Untrusted, Tampered.
    """
    names = sorted({planning.split(release)[0].namespace for release in planned})
    chains = await _chains(connection, names)
    believed = {name: _Believed.of(lock.namespaces.get(name), chains[name], now) for name in names}
    for release in planned:
        believed[planning.split(release)[0].namespace].check(release)
    return [one.pin() for one in believed.values()], [n for b in believed.values() for n in b.notes]


def accept(project: Path, namespace: str, key: str) -> Pinned:
    """Believe a key of a namespace from now on, on the user's word. Raises Invalid.

    What was seen of the chain is forgotten, so that another past can be accepted too.
    """
    lock = locking.read(project)
    before = lock.namespaces.get(namespace)
    try:
        pin = Pinned(name=namespace, keys=sorted({*(before.keys if before else ()), key}))
    except ValidationError:
        raise Invalid(
            f"{shown(key)} is no key", hint=f"64 hex characters, or {UNSIGNED}."
        ) from None
    changes.write_lock(project, lock.believing([pin]))
    return pin


async def _chains(connection: Connection, names: Sequence[str]) -> Mapping[str, KeyChain]:
    found: dict[str, KeyChain] = {}
    for start in range(0, len(names), MOST_NAMESPACES):
        some = list(names[start : start + MOST_NAMESPACES])
        answer = await connection.invoke("keys", {"namespaces": some})
        assert isinstance(answer, KeyChains)  # noqa: S101 - the operation's own output
        told = [chain.namespace for chain in answer.chains]
        if told != some:
            raise Tampered("the registry's key chains", expected=str(some), found=str(told))
        found |= dict(zip(some, answer.chains, strict=True))
    return found


class _Believed:
    """What is believed of one namespace: a pin, and what a chain adds to it."""

    def __init__(self, pinned: Pinned | None, ring: Ring, links: Sequence[Link]) -> None:
        self._pinned = pinned
        self._ring = ring
        self._keys = set(pinned.keys) if pinned else set(ring.keys)
        self.notes = () if pinned else tuple(map(_broken, ring.broken))
        if pinned:
            self._grow([link for link in links if link.statement.seq > pinned.seq])

    @classmethod
    def of(cls, pinned: Pinned | None, chain: KeyChain, now: datetime) -> _Believed:
        """Read a chain, and hold it against the pin."""
        try:
            links = keyholder.links(chain)
            ring = keys.fold(chain.namespace, links, now)
        except RegistryError as error:
            raise Untrusted(
                f"the key chain of @{chain.namespace} does not hold: {error.message}",
                hint="Do not install from this registry; ask who runs it.",
            ) from error
        if pinned and pinned.seq >= 0:
            _check_past(pinned, links)
        return cls(pinned, ring, links)

    def _grow(self, links: Sequence[Link]) -> None:
        """Believe the keys that believed keys have brought."""
        began = bool(links) and (links[0].statement.seq > 0 or links[0].statement.key in self._keys)
        for link in links:
            said = link.statement
            if link.envelope is None:
                continue
            by_old = said.action in {Action.ROTATE, Action.ADD} and said.old in self._keys
            # Its own commitments prove it, as long as nobody has replaced them in between.
            by_recovery = (
                began and said.action is Action.RECOVER and not self._is_broken_before(said.seq)
            )
            if by_old or by_recovery:
                self._keys.add(said.key)

    def _is_broken_before(self, seq: int) -> bool:
        seen = self._pinned.seq if self._pinned else -1
        return any(seen < link.statement.seq < seq for link in self._ring.broken)

    def check(self, release: Planned) -> None:
        """Refuse what somebody else signed, or a key after it was compromised."""
        signer = release.signer or UNSIGNED
        if release.signer and (
            self._ring.standing(release.signer, release.position) is Standing.REVOKED
        ):
            raise Untrusted(
                f"{release.ref} is signed by {release.signer}, which was compromised by then",
                hint="Look for a version that is signed by another key.",
            )
        if not self._keys and self._pinned is None:
            self._keys.add(signer)  # trust on first use, where a registry knows no chain
        if signer not in self._keys:
            raise self._unknown(release, signer)

    def _unknown(self, release: Planned, signer: str) -> UnknownSigner:
        namespace = self._ring.namespace
        known = tuple(sorted(self._keys))
        who = "not signed" if signer == UNSIGNED else f"signed by {signer}"
        here = "this project knows" if self._pinned else "signs there"
        return UnknownSigner(
            f"{release.ref} is {who}, which does not follow from what {here} of @{namespace}:"
            f" {', '.join(known)}",
            known=known,
            found=signer,
            hint=f"Ask its publisher. If it is theirs: `ctxmcp accept-key @{namespace} {signer}`.",
        )

    def pin(self) -> Pinned:
        """Return what is to be pinned."""
        return Pinned(
            name=self._ring.namespace,
            keys=sorted(self._keys),
            seq=self._ring.seq,
            head=self._ring.head,
        )


def _check_past(pinned: Pinned, links: Sequence[Link]) -> None:
    """See that the chain has grown from what was seen of it."""
    found = links[pinned.seq].statement.digest if pinned.seq < len(links) else "nothing"
    if found != pinned.head:
        raise Tampered(
            f"the key chain of @{pinned.name}, statement {pinned.seq}",
            expected=pinned.head,
            found=found,
            hint="The registry tells another past than before; ask its publisher for their key.",
        )


def _broken(link: Link) -> str:
    return (
        f"the keys of @{link.statement.namespace} were replaced by the registry's owner on"
        f" {link.effective_at:%Y-%m-%d}: continuity is broken there"
    )
