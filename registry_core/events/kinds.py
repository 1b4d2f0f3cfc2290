"""The kinds of events, each with how consistent its readers may expect to be."""

from __future__ import annotations

from enum import StrEnum


class EventKind(StrEnum):
    """What happened. `consistency` is the word that the LeanCTX contract has for it."""

    TOOL_CALL_RECORDED = "tool_call_recorded"
    """Any operation was called and completed."""
    SESSION_MUTATED = "session_mutated"
    """The state of a session was changed."""
    KNOWLEDGE_REMEMBERED = "knowledge_remembered"
    """A fact was written."""
    ARTIFACT_STORED = "artifact_stored"
    """An artifact was persisted."""
    GRAPH_BUILT = "graph_built"
    """A graph index was updated."""
    PROOF_ADDED = "proof_added"
    """The evidence ledger grew."""
    PACKAGE_PUBLISHED = "package_published"
    """A release was recorded, and resolves."""
    RELEASE_HELD = "release_held"
    """A release was recorded, or is there, and does not resolve until it has been looked at."""
    RELEASE_RELEASED = "release_released"
    """A reviewer let a held release resolve."""
    RELEASE_REJECTED = "release_rejected"
    """A reviewer decided that a held release never resolves."""
    RELEASE_REVOKED = "release_revoked"
    """A release is not served any more; its number is never used again."""
    PACKAGE_YANKED = "package_yanked"
    """A release was taken out of resolution; its bytes stay."""
    PACKAGE_UNYANKED = "package_unyanked"
    """A yank was taken back."""
    RELEASE_RESCANNED = "release_rescanned"
    """Today's rules find something else in a release than those before."""
    PACKAGE_DEPRECATED = "package_deprecated"
    """A publisher told everybody to use something else, or took that back."""
    ADVISORY_PUBLISHED = "advisory_published"
    """A reviewer told of something known to be bad."""
    ADVISORY_WITHDRAWN = "advisory_withdrawn"
    """An advisory does not hold any more."""
    VISIBILITY_CHANGED = "visibility_changed"
    """An owner made a package public or private."""
    CHANNEL_MOVED = "channel_moved"
    """A channel of a package points to another release, or to none any more."""
    PACKAGE_DESCRIBED = "package_described"
    """An owner made a package, removed it, or wrote something else of it than its releases say."""
    PRICE_CHANGED = "price_changed"
    """An owner asks another price for a package, or none."""
    PACKAGE_BOUGHT = "package_bought"
    """Somebody paid for a package."""
    PACKAGE_REFUNDED = "package_refunded"
    """Somebody has the money back, and the package no more."""
    PACKAGE_INSTALLED = "package_installed"
    """Somebody asked for an install plan."""
    PACKAGE_VERIFIED = "package_verified"
    """Stored bytes were checked again."""
    NAMESPACE_CLAIMED = "namespace_claimed"
    """A namespace has an owner now."""
    NAMESPACE_GIVEN = "namespace_given"
    """A namespace has another owner."""
    DOMAIN_ASKED = "domain_asked"
    """A namespace says that a domain is its own, and was told how to show it; or asks no more."""
    DOMAIN_VERIFIED = "domain_verified"
    """A domain shows that it is a namespace's own."""
    DOMAIN_REMOVED = "domain_removed"
    """A domain is not said to be a namespace's any more."""
    ACCOUNT_CHANGED = "account_changed"
    """An account was disabled, or may act again."""
    MEMBER_CHANGED = "member_changed"
    """Somebody has another role in a team, or none."""
    TEAM_CHANGED = "team_changed"
    """A team is called otherwise, or says something else of itself."""
    PACKAGE_STARRED = "package_starred"
    """Somebody likes a package, or does not any more."""
    PROPOSAL_CHANGED = "proposal_changed"
    """A proposal to make two tools one went a step on."""
    TOKEN_MINTED = "token_minted"  # noqa: S105 - the name of an event
    """A token was made; the event has its id and never the token."""
    TOKEN_REVOKED = "token_revoked"  # noqa: S105 - the name of an event
    """A token opens nothing any more."""
    KEY_PINNED = "key_pinned"
    """The first signed release of a namespace was recorded: its key is the namespace's."""
    KEY_ROTATED = "key_rotated"
    """A key of a namespace was replaced by its successor."""
    KEY_ADDED = "key_added"
    """A namespace signs with one key more."""
    KEY_REVOKED = "key_revoked"
    """A key is compromised since the position in the payload."""
    KEY_RECOVERED = "key_recovered"
    """All keys of a namespace are replaced by one, with its recovery key or by the owner."""
    TRUST_CHANGED = "trust_changed"
    """The verdict on a release is another one; `because` is the kind of event that did it."""

    @property
    def consistency(self) -> str:
        """How soon readers agree: `strong` with its rows, `eventual`, or `local` to a node."""
        return _CONSISTENCY.get(self, "strong")

    @property
    def logged(self) -> bool:
        """Whether it is a leaf of the transparency log: it changes what the registry serves."""
        return self in CHANGES


INTRODUCING = frozenset({EventKind.PACKAGE_PUBLISHED, EventKind.RELEASE_HELD})
"""After one of these a release can be had: it names version and digest, and its leaf proves it."""


_CONSISTENCY = {
    EventKind.TOOL_CALL_RECORDED: "local",
    EventKind.GRAPH_BUILT: "local",
    EventKind.PACKAGE_INSTALLED: "local",
    EventKind.PACKAGE_VERIFIED: "local",
    EventKind.KNOWLEDGE_REMEMBERED: "eventual",
    EventKind.ARTIFACT_STORED: "eventual",
}

CHANGES = frozenset(
    {
        EventKind.PACKAGE_PUBLISHED,
        EventKind.RELEASE_HELD,
        EventKind.RELEASE_RELEASED,
        EventKind.RELEASE_REJECTED,
        EventKind.RELEASE_REVOKED,
        EventKind.PACKAGE_YANKED,
        EventKind.PACKAGE_UNYANKED,
        EventKind.VISIBILITY_CHANGED,
        EventKind.RELEASE_RESCANNED,
        EventKind.PACKAGE_DEPRECATED,
        EventKind.CHANNEL_MOVED,
        EventKind.ADVISORY_PUBLISHED,
        EventKind.ADVISORY_WITHDRAWN,
        EventKind.KEY_PINNED,
        EventKind.KEY_ROTATED,
        EventKind.KEY_ADDED,
        EventKind.KEY_REVOKED,
        EventKind.KEY_RECOVERED,
        EventKind.TRUST_CHANGED,
        EventKind.NAMESPACE_GIVEN,
        EventKind.PRICE_CHANGED,
        EventKind.DOMAIN_VERIFIED,
        EventKind.DOMAIN_REMOVED,
    }
)
"""Kinds after which what is said of a package may be something else; each is a leaf of the log."""


def kind_of(value: str) -> EventKind:
    """Return the kind of a stored event; one that a newer node has written keeps its name."""
    try:
        return EventKind(value)
    except ValueError:
        later = str.__new__(EventKind, value)
        later._name_, later._value_ = value.upper(), value
        return later
