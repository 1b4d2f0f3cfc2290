"""Packages and their releases, as records.

A release, once recorded, is never changed: only whether it is yanked is, and the number of its
downloads. The statements that read and write them are `packages.store`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from registry_core.errors import NothingMatches
from registry_core.formats import Visibility
from registry_core.names import Range, Version

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from registry_core.keys import Signing
    from registry_core.names import Kind, PackageName
    from registry_core.verification import Finding


@dataclass(frozen=True, slots=True)
class Release:
    """One published version, as recorded. `dependencies` and `powers` are plain JSON values."""

    id: int
    version: Version
    format: str
    media_type: str
    sha256: str
    size: int
    signer: str | None
    description: str
    author: str
    license: str
    tags: tuple[str, ...]
    dependencies: tuple[dict[str, Any], ...]
    powers: dict[str, Any]
    outcome: str
    position: int
    """The id of the event of its publishing: where in the log it stands."""
    published_at: datetime
    published_by: str
    yanked_at: datetime | None
    yank_reason: str | None
    downloads: int

    @property
    def yanked(self) -> bool:
        """Whether nothing resolves to it any more unless it is named exactly."""
        return self.yanked_at is not None


@dataclass(frozen=True, slots=True)
class Summary:
    """A package as a catalog lists it: itself and its latest release."""

    id: int
    name: PackageName
    kind: Kind
    visibility: Visibility
    created_at: datetime
    updated_at: datetime
    release_count: int
    downloads: int
    latest: Release | None

    @property
    def private(self) -> bool:
        """Whether only its namespace may see it."""
        return self.visibility is Visibility.PRIVATE


@dataclass(frozen=True, slots=True)
class Package(Summary):
    """A package with all of its releases, in the order of `names.newest_first`."""

    releases: tuple[Release, ...]
    channels: Mapping[str, int]
    """Channel name -> release id."""

    def pick(self, selector: Version | Range | str | None) -> Release:
        """Choose a release as a reference asks for it.

        An exact version may be yanked; a range, a channel or "latest" never finds a yanked one.
        """
        if isinstance(selector, Version):
            found = [r for r in self.releases if r.version == selector]
        elif isinstance(selector, Range):
            found = [r for r in self.releases if not r.yanked and selector.holds(r.version)]
            found.sort(key=lambda r: r.version, reverse=True)
        elif selector is None:
            found = [r for r in self.releases if not r.yanked]
        else:
            found = [r for r in self.releases if r.id == self.channels.get(selector)]
        if not found:
            raise NothingMatches(self._why_nothing(selector), hint=self._known())
        return found[0]

    def _why_nothing(self, selector: Version | Range | str | None) -> str:
        if selector is None:
            return f"every version of {self.name} is yanked"
        word = {Version: "version", Range: "version in"}.get(type(selector), "channel")
        return f"{self.name} has no {word} {selector}"

    def _known(self) -> str:
        there = [f"{r.version}{' (yanked)' if r.yanked else ''}" for r in self.releases[:5]]
        return f"There are {', '.join(there)}{', …' if len(self.releases) > 5 else ''}."


@dataclass(frozen=True, slots=True)
class Details:
    """What a release holds, beside its row: kept apart because lists never need it."""

    files: tuple[dict[str, Any], ...]
    """`path`, `size`, `sha256`, `executable` of each."""
    readme: str
    body: str
    report: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Claim:
    """What somebody wants to publish: all that admitting it looks at."""

    name: PackageName
    version: Version
    kind: Kind
    visibility: Visibility


@dataclass(frozen=True, slots=True)
class NewRelease(Claim):
    """A verified release that is about to be recorded; its blob is stored already."""

    row: Mapping[str, Any]
    """Columns of `releases`."""
    details: Details
    signing: Signing
    """Who signed it."""
    judged: tuple[Finding, ...]
    """What was found of that by the keys of the namespace."""
