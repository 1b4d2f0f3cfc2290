"""Auditing a registry: its log, what it has recorded and its blobs, held against each other.

    log         as `transparency.auditing` says
    releases    each has the leaf that brought it, with the same name, version, digest, kind and
                signer; is held, revoked and yanked as its leaves say; has the report that a leaf
                names; and is what its artifact says, which its signer signed
    packages    the latest release, their number, and as their leaves say: deprecated, private,
                channels
    keys        each chain holds, and each statement of it has its leaf
    advisories  each has its leaf, which says of the same packages, versions and bytes that they
                are bad, and is on the releases that it speaks of
    blobs       each that a release names is there, and each has the bytes of its name
    search      the index shows what there is, and to whom it may (`search.auditing`)

Nothing is written, and one thing at a time is kept in memory. It may run while the registry is
written to: what was written together is read as one commit left it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from registry_core import keys
from registry_core.canonical import digest
from registry_core.errors import InvalidPackage, NotFound, RegistryError, Tampered
from registry_core.events.kinds import INTRODUCING, EventKind
from registry_core.formats import Visibility, reading
from registry_core.names import PackageName, Reference, Version
from registry_core.packages import State
from registry_core.packages.advisories import subject_matter
from registry_core.packages.auditing import Inventory
from registry_core.packages.store import price_of
from registry_core.publish import columns, listing
from registry_core.search import auditing as searching
from registry_core.verification import Binding, Report, prove

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from registry_core.packages import Price
    from registry_core.packages.advisories import Advisory
    from registry_core.packages.auditing import Recorded, Said
    from registry_core.registry import Registry
    from registry_core.transparency.auditing import Tell, Walked

MOST_PROBLEMS = 10_000

STATES: Mapping[EventKind, State] = {
    EventKind.PACKAGE_PUBLISHED: State.RELEASED,
    EventKind.RELEASE_HELD: State.HELD,
    EventKind.RELEASE_RELEASED: State.RELEASED,
    EventKind.RELEASE_REJECTED: State.REJECTED,
    EventKind.RELEASE_REVOKED: State.REVOKED,
}
"""What a release is after a leaf of each kind."""

YANKS: Mapping[EventKind, bool] = {
    EventKind.PACKAGE_YANKED: True,
    EventKind.PACKAGE_UNYANKED: False,
}
"""Whether it is yanked then."""

_BROKEN = (RegistryError, ValueError, TypeError, KeyError, AttributeError, LookupError)
"""What reading a row may raise that this program never wrote."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is not as it has to be, and where."""

    where: str
    what: str


@dataclass(kw_only=True)
class Findings:
    """What is wrong."""

    problems: list[Problem] = field(default_factory=list)
    unlisted: int = 0
    """Problems beyond those that are listed."""

    @property
    def ok(self) -> bool:
        """Whether all is as it has to be."""
        return not self.problems

    def note(self, where: str, what: str) -> None:
        """Write down a problem."""
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(Problem(where, what))
        else:
            self.unlisted += 1


@dataclass(kw_only=True)
class Audited(Findings):
    """What was looked at, and what is wrong."""

    log: Walked | None = None
    releases: int = 0
    packages: int = 0
    namespaces: int = 0
    advisories: int = 0
    blobs: int = 0
    orphans: int = 0
    """Blobs that no release names: garbage, not damage."""
    indexed: int = 0
    """Packages that the search index was held against; none where it is new."""


async def audit(registry: Registry, tell: Tell) -> Audited:
    """Audit a registry; `tell` hears done, total and what, for each part anew."""
    found = Audited()
    found.log = await registry.transparency.audit(found.note, tell)
    await _Walk(registry, Inventory(registry.journal.database), found, tell).all()
    return found


@dataclass(frozen=True, slots=True)
class _Walk:
    registry: Registry
    inventory: Inventory
    found: Audited
    tell: Tell

    async def all(self) -> None:
        await self._releases()
        await self._packages()
        await self._keys()
        await self._advisories()
        await self._leaves()
        await self._blobs()
        await self._index()

    async def _releases(self) -> None:
        total = await self.inventory.count()
        async for release_id in self.inventory.release_ids():
            self.found.releases += 1
            where = f"release {release_id}"
            try:
                recorded = await self.inventory.release(release_id)
                where = f"{recorded.package.name}@{recorded.release.version}"
                for what in await self._release(recorded):
                    self.found.note(where, what)
            except _BROKEN as error:
                self._unreadable(where, error)
            self.tell(self.found.releases, total, where)

    def _unreadable(self, where: str, error: Exception) -> None:
        words = error.message if isinstance(error, RegistryError) else repr(error)[:200]
        self.found.note(where, f"its row cannot be read: {words}")

    async def _release(self, recorded: Recorded) -> list[str]:
        return [
            *_against_leaves(recorded),
            *_against_reports(recorded),
            *_against_advisories(recorded),
            *[what async for what in self._against_artifact(recorded)],
        ]

    async def _against_artifact(self, recorded: Recorded) -> AsyncIterator[str]:
        package, release, details = recorded.package, recorded.release, recorded.details
        try:
            artifact = await self.registry.blobs.get(release.sha256)
            candidate = await asyncio.to_thread(reading.read, artifact, release.format)
        except (NotFound, Tampered, InvalidPackage) as error:
            yield f"its blob: {error.message}"
            return
        report = await asyncio.to_thread(prove, candidate, Binding(package.name, release.version))
        for finding in report.blocking:
            yield f"{finding.rule}: {finding.message}"
        says = columns(candidate) | {"signer": report.signer}
        for column, value in says.items():
            if _plain(getattr(release, column)) != _plain(value):
                yield f"{column} in the database is not what the artifact has"
        if candidate.kind is not package.kind:
            yield f"kind in the database is {package.kind}, its artifact's {candidate.kind}"
        if details is not None and _plain(details.files) != _plain(listing(candidate)):
            yield "files in the database are not those of the artifact"

    async def _packages(self) -> None:
        async for row in self.inventory.package_names():
            self.found.packages += 1
            where = f"@{row.namespace}/{row.name}"
            name = PackageName(row.namespace, row.name)
            try:
                for what in await self._package(name):
                    self.found.note(where, what)
            except _BROKEN as error:
                self._unreadable(where, error)

    async def _package(self, name: PackageName) -> list[str]:
        package, whole, rest = await self.inventory.package(name)
        first = next((r for r in package.releases if not r.avoided), None)
        problems = []
        if (package.latest and package.latest.id) != (first and first.id):
            problems.append(f"its latest release is {first and first.version}")
        if package.release_count != len(package.releases):
            problems.append(f"has {len(package.releases)} releases, not {package.release_count}")
        said = _package_says(whole, rest)
        there = (package.deprecated, package.replacement)
        if there != said.deprecated:
            problems.append("is deprecated, or not, in another way than its leaves say")
        if package.price != said.price:
            problems.append(f"costs {package.price}, its leaves say {said.price}")
        if package.private is not said.private:
            problems.append(f"is {package.visibility}, and its leaves say otherwise")
        numbers = {r.id: str(r.version) for r in (*package.releases, *package.withheld)}
        channels = {channel: numbers.get(of) for channel, of in package.channels.items()}
        if channels != said.channels:
            problems.append(f"its channels are {channels}, its leaves say {said.channels}")
        return problems

    async def _keys(self) -> None:
        for namespace in await self.inventory.namespaces():
            self.found.namespaces += 1
            try:
                for what in await self._chain(namespace):
                    self.found.note(f"keys of @{namespace}", what)
            except _BROKEN as error:
                self.found.note(f"keys of @{namespace}", str(error)[:300])

    async def _chain(self, namespace: str) -> list[str]:
        chain, problems = await self.inventory.chain(namespace), []
        for stated in chain:
            statement = stated.link.statement
            if dict(stated.members) != statement.as_json():
                problems.append(f"statement {statement.seq} is not the one that was signed")
            said = dict(_sayings([stated.said] if stated.said else []))
            if statement.digest not in {one.get("digest") for one in said.values()}:
                problems.append(f"statement {statement.seq} has no leaf that says the same")
        keys.fold(namespace, [stated.link for stated in chain], self.registry.clock())
        return problems

    async def _advisories(self) -> None:
        leaves: dict[str, dict[EventKind, Mapping[str, Any]]] = {}
        async for leaf in self.inventory.advisory_leaves():
            for kind, said in _sayings([leaf]):
                leaves.setdefault(str(said.get("advisory")), {})[kind] = said
        for advisory, told in leaves.items():
            self.found.advisories += 1
            try:
                there = await self.registry.advisories.get(advisory)
            except _BROKEN as error:
                self._unreadable(advisory, error)
                continue
            # It may have been withdrawn since the leaves were read, and never comes back.
            if EventKind.ADVISORY_WITHDRAWN in told and there.withdrawn_at is None:
                self.found.note(advisory, "is in force, and its leaf says that it was withdrawn")
            for what in _against_advisory(there, told.get(EventKind.ADVISORY_PUBLISHED, {})):
                self.found.note(advisory, what)
        rows, told_of = await self.inventory.advisories()
        if rows != told_of:
            self.found.note("advisories", f"{rows} are recorded, {told_of} are in the log")

    async def _leaves(self) -> None:
        async for row in self.inventory.leaves_without_row():
            if not await self._is_recorded(row.subject):
                what = f"says {row.kind} of {row.subject}, and nothing of that is recorded"
                self.found.note(f"leaf {row.position}", what)

    async def _is_recorded(self, subject: str) -> bool:
        """Tell whether a release is there: one that was held later was brought by another leaf."""
        try:
            reference = Reference.parse(subject)
            if not isinstance(reference.selector, Version):
                return False
            package, *_ = await self.inventory.package(reference.name)
            return bool(package.exactly(reference.selector))
        except RegistryError:
            return False

    async def _blobs(self) -> None:
        async for digests in self.registry.blobs.digests():
            self.found.blobs += len(digests)
            orphans = await self.inventory.unrecorded(digests)
            self.found.orphans += len(orphans)
            for one in sorted(orphans):
                try:
                    await self.registry.blobs.get(one)
                except (NotFound, Tampered) as error:
                    self.found.note(f"blob {one}", error.message)
            self.tell(self.found.blobs, self.found.blobs, "blobs")

    async def _index(self) -> None:
        registry, spaces = self.registry, await self.inventory.spaces()
        log = registry.journal.log
        self.found.indexed = await searching.walk(
            registry.index, registry.packages, log, spaces, self.found.note
        )


def _sayings(leaves: Sequence[Said]) -> Iterator[tuple[EventKind, Mapping[str, Any]]]:
    """Read leaves; what is none was told when the log was looked at."""
    for leaf in leaves:
        try:
            yield EventKind(leaf.kind), leaf.leaf.says()
        except (RegistryError, ValueError):
            continue


@dataclass(frozen=True, slots=True)
class _Package:
    """What leaves say of a package as a whole."""

    deprecated: tuple[str | None, str | None]
    private: bool
    channels: Mapping[str, str]
    price: Price | None


def _package_says(whole: Sequence[Said], rest: Sequence[Said]) -> _Package:
    # Whether it was private when it came is told by whether its first leaf is sealed.
    private = bool(rest and rest[0].leaf.statement)
    deprecated: tuple[str | None, str | None] = (None, None)
    price: Price | None = None
    for kind, said in _sayings(whole):
        if kind is EventKind.VISIBILITY_CHANGED:
            private = said.get("visibility") == Visibility.PRIVATE
        if kind is EventKind.PACKAGE_DEPRECATED:
            deprecated = said.get("reason"), said.get("replacement")
        if kind is EventKind.PRICE_CHANGED:
            price = price_of(said.get("amount_cents"), said.get("currency"))
    moved = [said for kind, said in _sayings(rest) if kind is EventKind.CHANNEL_MOVED]
    channels = {str(said.get("channel")): str(said.get("version")) for said in moved}
    return _Package(deprecated, private, channels, price)


def _against_leaves(recorded: Recorded) -> Iterator[str]:
    package, release = recorded.package, recorded.release
    leaves = list(_sayings(recorded.said))
    first = next((said for kind, said in leaves if kind in INTRODUCING), None)
    if first is None:
        yield "no leaf of the log brought it"
        return
    for name, mine in {
        "name": str(package.name),
        "version": str(release.version),
        "kind": package.kind.value,
        "sha256": release.sha256,
        "signer": release.signer,
    }.items():
        if first.get(name) != mine:
            yield f"{name} is {mine} in the database, its leaf says {first.get(name)}"
    if release.position not in {
        leaf.event_id for leaf in recorded.said if leaf.kind in INTRODUCING
    }:
        yield f"its leaf is not that of event {release.position}"
    state = [STATES[kind] for kind, _ in leaves if kind in STATES][-1]
    if release.state is not state:
        yield f"is {release.state} in the database, its leaves say {state}"
    yanked = [YANKS[kind] for kind, _ in leaves if kind in YANKS][-1:] == [True]
    if release.yanked is not yanked:
        word = {True: "yanked", False: "not yanked"}
        yield f"is {word[release.yanked]} in the database, its leaves say {word[yanked]}"


def _against_reports(recorded: Recorded) -> Iterator[str]:
    if recorded.details is None:
        yield "has no files and no report in the database"
        return
    stored = recorded.details.report
    report = Report.from_json(stored)
    if report.artifact_sha256 != recorded.release.sha256:
        yield f"its report is about {report.artifact_sha256}"
    named = {value for _, said in _sayings(recorded.said) for value in _reports_in(said)}
    if named & _digests(stored):
        return
    # Scanned again with other rules that found the same: that was no event.
    logged = [Report.from_json(one) for one in recorded.older if named & _digests(one)]
    if not any(_signs(one) == _signs(report) for one in logged):
        yield "its report is none that a leaf names"


def _against_advisories(recorded: Recorded) -> Iterator[str]:
    marked = {one["id"] for one in recorded.release.advisories}
    for one in sorted(recorded.known - marked):
        yield f"advisory {one} is in force against it, and not on it"
    for one in sorted(marked - recorded.known):
        yield f"advisory {one} is on it, and not in force against it"


def _against_advisory(there: Advisory, said: Mapping[str, Any]) -> Iterator[str]:
    """Hold an advisory against its leaf, as far as that says more than its digest."""
    for name, mine in subject_matter(there).items():
        if name in said and said[name] != mine:
            yield f"{name} is {mine} in the database, its leaf says {said[name]}"


def _reports_in(said: Mapping[str, Any]) -> set[str]:
    return {said[name] for name in ("report", "report_sha256") if isinstance(said.get(name), str)}


def _digests(report: Mapping[str, Any]) -> set[str]:
    """Return the digests that leaves name a report by: of publishing, and of scanning again."""
    return {digest(report), Report.from_json(report).sha256}


def _signs(report: Report) -> set[tuple[str, str, str]]:
    return {(finding.rule, finding.severity.value, finding.place) for finding in report.findings}


def _plain(value: Any) -> Any:
    """Return a value as the database gives it back."""
    return json.loads(json.dumps(value))
