"""Packages and their releases, as records.

A release, once recorded, is never changed: only whether it is yanked is, its state, and the number
of its downloads. The statements that read and write them are `packages.store`.

    released   it resolves, and is in every index and search
    held       recorded whole, and in none of them; a reviewer has to look at it first
    rejected   a reviewer has looked at it: it never resolves
    revoked    it is not served any more, to nobody

What is not released is `withheld`: an exact reference to it says what became of it, and those who
are told of it (its publishers, reviewers) see why. No number is used twice, whatever its state.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from registry_core.errors import Held, NothingMatches, RegistryError, Revoked
from registry_core.formats import Visibility
from registry_core.names import Range, Version

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from registry_core.keys import Signing
    from registry_core.names import Kind, PackageName
    from registry_core.verification import Finding


class State(StrEnum):
    """Whether a release resolves, and if not, why."""

    RELEASED = "released"
    HELD = "held"
    REJECTED = "rejected"
    REVOKED = "revoked"


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
    category: str
    dependencies: tuple[dict[str, Any], ...]
    powers: dict[str, Any]
    source_tokens: int | None
    distilled_tokens: int | None
    outcome: str
    position: int
    """The id of the event of its publishing: where in the log it stands."""
    published_at: datetime
    published_by: str
    yanked_at: datetime | None
    yank_reason: str | None
    state: State
    state_reason: str | None
    state_by: str | None
    advisories: tuple[dict[str, Any], ...]
    """`id` and `summary` of each that is in force against it."""
    downloads: int

    @property
    def yanked(self) -> bool:
        """Whether nothing resolves to it any more unless it is named exactly."""
        return self.yanked_at is not None

    @property
    def avoided(self) -> bool:
        """Whether nothing resolves to it unless it is named exactly: yanked, or known to be bad."""
        return self.yanked or bool(self.advisories)

    @property
    def why_avoided(self) -> str:
        """What whoever names it exactly has to know; empty where nothing speaks against it."""
        known = [f"advisory {a['id']}: {a['summary']}" for a in self.advisories]
        return "; ".join([*known, *([self.yank_reason or "yanked"] if self.yanked else [])])

    @property
    def held(self) -> bool:
        """Whether it waits for somebody to look at it."""
        return self.state is State.HELD

    @property
    def shut(self) -> bool:
        """Whether it was never let in, or not yet: what was found is not for everybody."""
        return self.state in {State.HELD, State.REJECTED}


@dataclass(frozen=True, slots=True)
class Price:
    """What a package costs, once: cents of a currency, which is three small letters."""

    amount_cents: int
    currency: str

    def __str__(self) -> str:
        return f"{self.amount_cents / 100:.2f} {self.currency.upper()}"


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
    runs: int
    successes: int
    """Of the runs that somebody told of."""
    stars: int
    deprecated: str | None
    """Why its publisher wants nobody to begin with it."""
    replacement: str | None
    price: Price | None
    """None: it is free."""
    latest: Release | None

    def readme(self, details: Details) -> str:
        """Return what is shown of a release to everybody: of a paid one no part of what it is."""
        return details.readme if self.price is None else details.introduction

    @property
    def private(self) -> bool:
        """Whether only its namespace may see it."""
        return self.visibility is Visibility.PRIVATE


@dataclass(frozen=True, slots=True)
class Listed:
    """What a list of hits says of a package and its latest release."""

    name: PackageName
    kind: Kind
    downloads: int
    version: str
    description: str
    tags: Sequence[str]
    signer: str | None
    outcome: str


@dataclass(frozen=True, slots=True)
class Package(Summary):
    """A package with all of its releases, in the order of `names.newest_first`."""

    releases: tuple[Release, ...]
    """Those in the state `released`, yanked or not."""
    channels: Mapping[str, int]
    """Channel name -> release id."""
    withheld: tuple[Release, ...] = ()
    """Those in any other state."""

    def exactly(self, version: Version) -> Release:
        """Return a release whatever its state. Raises NothingMatches."""
        for release in (*self.releases, *self.withheld):
            if release.version == version:
                return release
        raise NothingMatches(self._why_nothing(version), hint=self._known())

    def admitting(self, release: Release) -> Package:
        """Return the package as if this release had been released."""
        rest = tuple(r for r in self.withheld if r.id != release.id)
        return replace(self, releases=(*self.releases, release), withheld=rest)

    def pick(self, selector: Version | Range | str | None) -> Release:
        """Choose a release as a reference asks for it.

        An exact version may be yanked or have an advisory; a range or "latest" never finds such a
        one, and nothing finds a withheld one. Raises NothingMatches, Held, Revoked.
        """
        gone = next((r for r in self.withheld if r.version == selector), None)
        if gone is not None:
            raise self.refusal_of(gone)
        if isinstance(selector, Version):
            found = [r for r in self.releases if r.version == selector]
        elif isinstance(selector, Range):
            found = [r for r in self.releases if not r.avoided and selector.holds(r.version)]
            found.sort(key=lambda r: r.version, reverse=True)
        elif selector is None:
            found = [r for r in self.releases if not r.avoided]
        else:
            found = [r for r in self.releases if r.id == self.channels.get(selector)]
        if not found:
            raise NothingMatches(self._why_nothing(selector), hint=self._known())
        return found[0]

    def refusal_of(self, release: Release) -> RegistryError:
        """Make the refusal of a withheld release, without what only some are told."""
        ref = f"{self.name}@{release.version}"
        if release.state is State.REVOKED:
            return Revoked(
                f"{ref} is revoked: {release.state_reason or 'no reason given'}",
                hint="Remove it where it is installed, and look for another version.",
            )
        if release.state is State.REJECTED:
            return Held(f"{ref} was held, looked at and not let in", hint=self._known())
        return Held(
            f"{ref} is held until a reviewer of the registry has looked at it",
            hint="`install` and `download` give it with include_held, at your own risk.",
        )

    def _why_nothing(self, selector: Version | Range | str | None) -> str:
        if selector is None:
            return f"every version of {self.name} is {self._why_all()}"
        word = {Version: "version", Range: "version in"}.get(type(selector), "channel")
        return f"{self.name} has no {word} {selector}"

    def _why_all(self) -> str:
        if not self.releases:
            return "withheld" if self.withheld else "yet to come"
        return "yanked" if all(r.yanked for r in self.releases) else "yanked or has an advisory"

    def _known(self) -> str:
        there = [f"{r.version}{_mark(r)}" for r in self.releases[:5]]
        more = ", …" if len(self.releases) > 5 else ""
        return f"There are {', '.join(there)}{more}." if there else ""


def _mark(release: Release) -> str:
    if release.yanked:
        return " (yanked)"
    return f" ({release.advisories[0]['id']})" if release.advisories else ""


@dataclass(frozen=True, slots=True)
class Details:
    """What a release holds, beside its row: kept apart because lists never need it."""

    files: tuple[dict[str, Any], ...]
    """`path`, `size`, `sha256`, `executable` of each."""
    readme: str
    body: str
    report: dict[str, Any]
    """The newest, as it is stored."""
    rules: str = ""
    """The digest of the rule sets that it went by."""

    @property
    def introduction(self) -> str:
        """The readme where it is a README.md, and not what an agent is to read."""
        written = any(file["path"].lower() == "readme.md" for file in self.files)
        return self.readme if written else ""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A held release, the package it is of, and its report as it is stored."""

    name: PackageName
    kind: Kind
    release: Release
    report: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Claim:
    """What somebody wants to publish: all that admitting it looks at."""

    name: PackageName
    version: Version
    kind: Kind
    visibility: Visibility


@dataclass(frozen=True, slots=True)
class NewRelease(Claim):
    """A verified release that is about to be recorded; its blob is stored already.

    With the state `held` it is recorded whole and resolves to nothing.
    """

    row: Mapping[str, Any]
    """Columns of `releases`."""
    details: Details
    signing: Signing
    """Who signed it."""
    judged: tuple[Finding, ...]
    """What was found of that by the keys of the namespace."""
    state: State = State.RELEASED
    why_held: str | None = None
    advisories: tuple[dict[str, Any], ...] = ()
