"""The kinds of events, each with how consistent its readers may expect to be."""

from __future__ import annotations

from enum import StrEnum


class EventKind(StrEnum):
    """What happened. `consistency` is the word that the LeanCTX contract has for it."""

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

    @property
    def consistency(self) -> str:
        """`strong` where the rows are in the same transaction, `local` for what only counts."""
        return "local" if self in {self.PACKAGE_INSTALLED, self.PACKAGE_VERIFIED} else "strong"
