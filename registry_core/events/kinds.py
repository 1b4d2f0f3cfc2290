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
    """A release was recorded."""
    PACKAGE_YANKED = "package_yanked"
    """A release was taken out of resolution; its bytes stay."""
    PACKAGE_UNYANKED = "package_unyanked"
    """A yank was taken back."""
    VISIBILITY_CHANGED = "visibility_changed"
    """An owner made a package public or private."""
    CHANNEL_MOVED = "channel_moved"
    """A channel of a package points to another release."""
    PACKAGE_INSTALLED = "package_installed"
    """Somebody asked for an install plan."""
    PACKAGE_VERIFIED = "package_verified"
    """Stored bytes were checked again."""
    NAMESPACE_CLAIMED = "namespace_claimed"
    """A namespace has an owner now."""
    TOKEN_MINTED = "token_minted"  # noqa: S105 - the name of an event
    """A token was made; the event has its id and never the token."""
    TOKEN_REVOKED = "token_revoked"  # noqa: S105 - the name of an event
    """A token opens nothing any more."""
    TRUST_CHANGED = "trust_changed"
    """The verdict on a release is another one."""

    @property
    def consistency(self) -> str:
        """How soon readers agree: `strong` with its rows, `eventual`, or `local` to a node."""
        return _CONSISTENCY.get(self, "strong")

    @property
    def logged(self) -> bool:
        """Whether it is a leaf of the transparency log: it changes what the registry serves."""
        return self in _LOGGED


_LOGGED = frozenset(
    {
        EventKind.PACKAGE_PUBLISHED,
        EventKind.PACKAGE_YANKED,
        EventKind.PACKAGE_UNYANKED,
        EventKind.VISIBILITY_CHANGED,
        EventKind.CHANNEL_MOVED,
        EventKind.TRUST_CHANGED,
    }
)

INTRODUCING = frozenset({EventKind.PACKAGE_PUBLISHED})
"""After one of these a release can be had: it names version and digest, and its leaf proves it."""


_CONSISTENCY = {
    EventKind.TOOL_CALL_RECORDED: "local",
    EventKind.GRAPH_BUILT: "local",
    EventKind.PACKAGE_INSTALLED: "local",
    EventKind.PACKAGE_VERIFIED: "local",
    EventKind.KNOWLEDGE_REMEMBERED: "eventual",
    EventKind.ARTIFACT_STORED: "eventual",
}
