"""Who signs for a namespace: showing its key chain, and changing it by statements that are signed.

The statements are made and signed on the user's own machine, where the keys are; what travels is
the envelope. Their rules are `registry_core.keys`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from registry_core.callers import Scope
from registry_core.errors import Conflict, Forbidden, Invalid, NotFound
from registry_core.names import parse_namespace
from registry_core.operation import Model, local, operation, package_text, remote

if TYPE_CHECKING:
    from registry_core.callers import Caller
    from registry_core.keys import Link, Ring
    from registry_core.registry import Registry

MOST_NAMESPACES = 100

_NAMESPACE = "The namespace, with or without its @."
_ENDS_IN = (NotFound, Invalid, Forbidden, Conflict)


class Keys(Model):
    """The namespaces asked about."""

    namespaces: list[str] = Field(
        min_length=1, max_length=MOST_NAMESPACES, description="With or without the @."
    )


class KeyEntry(Model):
    """One key of a namespace, now."""

    key: str
    standing: str = Field(description="current, retired, revoked or pending")
    came_by: str = Field(description="pin, rotate, add or recover")
    since: str
    revoked_since: int | None = Field(None, description="Position in the event log.")


class ChainLink(Model):
    """One statement of the chain; `envelope` is null where the registry stated it itself."""

    position: int
    at: str
    statement: str = Field(description="Canonical JSON.", json_schema_extra=package_text())
    envelope: dict[str, Any] | None


class KeyChain(Model):
    """The keys of a namespace, and the statements that prove it, oldest first."""

    namespace: str
    keys: list[KeyEntry]
    next: str = Field(description="Commitment to the next key, or empty.")
    recovery: str = Field(description="Commitment to the recovery key, or empty.")
    broken: list[str] = Field(description="When the registry's owner replaced the keys.")
    links: list[ChainLink]


class KeyChains(Model):
    """The chains, as they were asked for, and where the event log ends."""

    chains: list[KeyChain]
    position: int


class Rotate(Model):
    """The namespace, and the successor of the key in use."""

    namespace: str = Field("", max_length=33, description=_NAMESPACE, json_schema_extra=local())
    next_key: str = Field(
        "",
        max_length=4096,
        description="File of the next key, where it is not beside the one in use.",
        json_schema_extra=local(),
    )
    statement: dict[str, Any] = Field({}, description="DSSE.", json_schema_extra=remote())


class AddKey(Model):
    """The namespace, and one more key for it."""

    namespace: str = Field("", max_length=33, description=_NAMESPACE, json_schema_extra=local())
    added: str = Field(
        "", max_length=4096, description="File of the key to add.", json_schema_extra=local()
    )
    next_key: str = Field(
        "",
        max_length=4096,
        description="File of the next key, where it is not beside the one in use.",
        json_schema_extra=local(),
    )
    statement: dict[str, Any] = Field({}, description="DSSE.", json_schema_extra=remote())


class RevokeKey(Model):
    """The key, and since when it is compromised."""

    namespace: str = Field(max_length=33, description=_NAMESPACE)
    key: str = Field(max_length=64, description="Its 64 hex characters.")
    since: int | None = Field(
        None, description="Position in the event log from which on nothing of it is good; now."
    )
    reason: str = Field("", max_length=500, description="Everybody can read it.")
    signed_by: str = Field(
        "",
        max_length=4096,
        description="File of the next or the recovery key, where it is not beside the one in use.",
        json_schema_extra=local(),
    )
    statement: dict[str, Any] = Field({}, description="DSSE.", json_schema_extra=remote())


class Recover(Model):
    """The namespace, and the key that shall take the place of all others."""

    namespace: str = Field(max_length=33, description=_NAMESPACE)
    key: str = Field(
        "",
        max_length=64,
        description="For the registry's owner, without a recovery key: the new public key.",
    )
    recovery_key: str = Field(
        "",
        max_length=4096,
        description="File of the recovery key; your signing key becomes the new one.",
        json_schema_extra=local(),
    )
    statement: dict[str, Any] = Field({}, description="DSSE.", json_schema_extra=remote())


class KeyChange(Model):
    """What changed."""

    namespace: str
    action: Literal["rotate", "add", "revoke", "recover"]
    key: str
    in_use: list[str] = Field(description="The keys that sign now.")
    counts_from: str
    position: int
    notes: list[str] = Field(default=[])


@operation(
    scope=Scope.SEARCH,
    title="Show keys",
    ends_in=(NotFound, Invalid),
    toolset="more",
    cacheable=False,  # a recovery comes to count with time alone
)
async def keys(registry: Registry, caller: Caller, given: Keys) -> KeyChains:
    """Show who signs for namespaces: their keys, and the chain of statements that proves it."""
    position = await registry.journal.log.head()
    chains = [await _chain(registry, caller, _namespace(text)) for text in given.namespaces]
    return KeyChains(chains=chains, position=position)


@operation(scope=Scope.PUBLISH, title="Rotate a key", writes=True, ends_in=_ENDS_IN, toolset="more")
async def rotate(registry: Registry, caller: Caller, given: Rotate) -> KeyChange:
    """Replace the key of a namespace by its successor; both sign."""
    return await _submit(registry, caller, given.statement, "rotate")


@operation(scope=Scope.PUBLISH, title="Add a key", writes=True, ends_in=_ENDS_IN, toolset="more")
async def add_key(registry: Registry, caller: Caller, given: AddKey) -> KeyChange:
    """Let one more key sign for a namespace."""
    return await _submit(registry, caller, given.statement, "add")


@operation(
    scope=Scope.PUBLISH,
    title="Revoke a key",
    writes=True,
    destructive=True,
    ends_in=_ENDS_IN,
    toolset="more",
)
async def revoke_key(registry: Registry, caller: Caller, given: RevokeKey) -> KeyChange:
    """Revoke a compromised key, and withdraw what it signed since it is."""
    if given.statement:
        return await _submit(registry, caller, given.statement, "revoke")
    namespace = _namespace(given.namespace)
    link = await registry.keychains.revoke(
        namespace, given.key.lower(), given.since, given.reason, caller
    )
    return await _changed(registry, link)


@operation(
    scope=Scope.PUBLISH,
    title="Recover a namespace",
    writes=True,
    destructive=True,
    ends_in=_ENDS_IN,
    toolset="more",
)
async def recover(registry: Registry, caller: Caller, given: Recover) -> KeyChange:
    """Replace all keys of a namespace: with its recovery key, or in 72 hours as the owner."""
    if given.statement:
        return await _submit(registry, caller, given.statement, "recover")
    link = await registry.keychains.recover(_namespace(given.namespace), given.key.lower(), caller)
    return await _changed(registry, link)


def _namespace(text: str) -> str:
    return parse_namespace(text.removeprefix("@"))


async def _chain(registry: Registry, caller: Caller, namespace: str) -> KeyChain:
    from registry_core.keys import fold  # noqa: PLC0415 - listing needs no signatures

    links = await registry.keychains.seen_by(namespace, caller)
    ring = fold(namespace, links, registry.clock())
    return KeyChain(
        namespace=namespace,
        keys=_entries(ring),
        next=ring.next,
        recovery=ring.recovery,
        broken=[link.effective_at.isoformat() for link in ring.broken],
        links=[_link(link) for link in links],
    )


def _entries(ring: Ring) -> list[KeyEntry]:
    found = [
        KeyEntry(
            key=key.public_key,
            standing=ring.standing(key.public_key),
            came_by=key.link.statement.action,
            since=key.link.effective_at.isoformat(),
            revoked_since=key.revoked_since,
        )
        for key in ring.keys.values()
    ]
    if ring.pending is None:
        return found
    said = ring.pending.statement
    since = ring.pending.effective_at.isoformat()
    pending = KeyEntry(key=said.key, standing="pending", came_by=said.action, since=since)
    return [*found, pending]


def _link(link: Link) -> ChainLink:
    return ChainLink(
        position=link.position,
        at=link.at.isoformat(),
        statement=link.statement.payload.decode(),
        envelope=link.envelope.as_json() if link.envelope else None,
    )


async def _submit(
    registry: Registry, caller: Caller, statement: dict[str, Any], action: str
) -> KeyChange:
    from registry_core import dsse  # noqa: PLC0415 - listing needs no signatures
    from registry_core.keys import read  # noqa: PLC0415 - as above

    envelope = dsse.read(statement, "statement")
    said = read(envelope)
    if said.action != action:
        raise Invalid(f"the statement is to {said.action}, and this is to {action}")
    return await _changed(registry, await registry.keychains.submit(envelope, caller))


async def _changed(registry: Registry, link: Link) -> KeyChange:
    said = link.statement
    ring = await registry.keychains.ring(said.namespace)
    return KeyChange(
        namespace=said.namespace,
        action=said.action.value,
        key=said.key,
        in_use=list(ring.in_use),
        counts_from=link.effective_at.isoformat(),
        position=link.position,
    )
