"""Choosing one release of each package so that everything asked for is satisfied together.

The search itself is resolvelib's (pip's resolver): it prefers the newest stable release and goes
back where a choice turns out to exclude something. Before it starts, every package it could need
is loaded, so it runs without IO. A dependency never resolves to a yanked release; an exact
version that the user asked for may be one, and a held one if they ask for that. Optional
dependencies are not followed.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from resolvelib import AbstractProvider, BaseReporter, Resolver
from resolvelib.resolvers import ResolutionImpossible, ResolutionTooDeep

from registry_core.errors import DependencyConflict, DependencyCycle, NotFound, TooLarge
from registry_core.names import PackageName, Range, Reference, Version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from registry_core.callers import Caller
    from registry_core.packages import Package, Release
    from registry_core.packages.store import Packages

MOST_PACKAGES = 500
MOST_ROUNDS = 20_000


@dataclass(frozen=True, slots=True)
class Choice:
    """A release that was chosen for a package."""

    package: Package
    release: Release

    @property
    def needs(self) -> list[tuple[PackageName, Range]]:
        """Return what has to be installed with it."""
        return [
            (PackageName.parse(d["name"]), Range.parse(d["requirement"]))
            for d in self.release.dependencies
            if not d["optional"]
        ]

    def __str__(self) -> str:
        return f"{self.package.name}@{self.release.version}"


@dataclass(frozen=True, slots=True)
class _Wanted:
    name: PackageName
    selector: Version | Range | str | None
    by: str


async def resolve(
    packages: Packages,
    caller: Caller,
    references: Sequence[Reference],
    *,
    include_held: bool = False,
) -> list[Choice]:
    """Choose releases for references and all they depend on, dependencies first.

    Raises NotFound, NothingMatches, Held, DependencyConflict, DependencyCycle, TooLarge.
    """
    asked = {r.name: await packages.find(r.name, caller) for r in references}
    for reference in references if include_held else ():
        asked[reference.name] = _admitting(asked[reference.name], reference)
    known = await _load(packages, caller, asked)
    for reference in references:
        known[reference.name].pick(reference.selector)  # raises in words of its own
    wanted = [_Wanted(r.name, r.selector, "you") for r in references]
    resolver: Any = Resolver(_Provider(known), BaseReporter())
    try:
        chosen = resolver.resolve(wanted, max_rounds=MOST_ROUNDS).mapping
    except ResolutionImpossible as error:
        raise _conflict([cause.requirement for cause in error.causes], known) from None
    except ResolutionTooDeep:
        raise DependencyConflict(
            "no set of versions was found in reasonable time", hint="Ask for exact versions."
        ) from None
    return _dependencies_first(chosen, [reference.name for reference in references])


async def _load(
    packages: Packages, caller: Caller, asked: Mapping[PackageName, Package]
) -> dict[PackageName, Package]:
    known = dict(asked)
    missing: set[PackageName] = set()
    open_ = list(known)
    while open_:
        for name in _all_needs(known[open_.pop()]):
            if name in known or name in missing:
                continue
            if len(known) >= MOST_PACKAGES:
                raise TooLarge(f"this depends on more than {MOST_PACKAGES} packages")
            try:
                known[name] = await packages.find(name, caller)
                open_.append(name)
            except NotFound:
                missing.add(name)
    return known


def _admitting(package: Package, reference: Reference) -> Package:
    """Let a held release be chosen that is named exactly."""
    for release in package.withheld:
        if release.held and release.version == reference.selector:
            return package.admitting(release)
    return package


def _all_needs(package: Package) -> Iterator[PackageName]:
    for release in package.releases:
        for name, _ in Choice(package, release).needs:
            yield name


class _Provider(AbstractProvider):  # type: ignore[type-arg]
    """What resolvelib asks: names, candidates in order of preference, and what they need."""

    def __init__(self, known: Mapping[PackageName, Package]) -> None:
        self._known = known

    def identify(self, requirement_or_candidate: _Wanted | Choice) -> PackageName:
        if isinstance(requirement_or_candidate, Choice):
            return requirement_or_candidate.package.name
        return requirement_or_candidate.name

    def get_preference(self, identifier: PackageName, *args: Any, **kwargs: Any) -> str:
        return str(identifier)

    def find_matches(
        self,
        identifier: PackageName,
        requirements: Mapping[PackageName, Iterator[_Wanted]],
        incompatibilities: Mapping[PackageName, Iterator[Choice]],
    ) -> Callable[[], Iterable[Choice]] | list[Choice]:
        package = self._known.get(identifier)
        if package is None:
            return []
        wanted = list(requirements[identifier])
        excluded = {choice.release.id for choice in incompatibilities[identifier]}
        return [
            Choice(package, release)
            for release in package.releases
            if release.id not in excluded and all(_fits(w, package, release) for w in wanted)
        ]

    def is_satisfied_by(self, requirement: _Wanted, candidate: Choice) -> bool:
        return _fits(requirement, candidate.package, candidate.release)

    def get_dependencies(self, candidate: Choice) -> list[_Wanted]:
        return [_Wanted(name, range_, str(candidate)) for name, range_ in candidate.needs]


def _fits(wanted: _Wanted, package: Package, release: Release) -> bool:
    selector = wanted.selector
    if isinstance(selector, Version):
        return release.version == selector
    if release.avoided:
        return False
    if isinstance(selector, Range):
        return selector.holds(release.version)
    return selector is None or package.channels.get(selector) == release.id


def _conflict(wanted: Sequence[_Wanted], known: Mapping[PackageName, Package]) -> Exception:
    by_name: dict[PackageName, dict[str, None]] = defaultdict(dict)
    for w in wanted:
        by_name[w.name][f"{w.by} needs {Reference(w.name, w.selector)}"] = None
    name, reasons = next(iter(by_name.items()))
    if name not in known:
        return NotFound(f"{'; '.join(reasons)}, and there is no package {name}")
    there = ", ".join(str(r.version) for r in known[name].releases[:5] if not r.avoided)
    return DependencyConflict(
        f"no version of {name} satisfies everybody: {'; '.join(reasons)}",
        hint=f"There are {there or 'only ones to avoid'}.",
    )


def _dependencies_first(
    chosen: Mapping[PackageName, Choice], roots: Sequence[PackageName]
) -> list[Choice]:
    ordered: dict[PackageName, Choice] = {}
    path: list[PackageName] = []

    def visit(name: PackageName) -> None:
        if name in path:
            circle = " -> ".join(str(n) for n in [*path[path.index(name) :], name])
            raise DependencyCycle(f"packages depend on each other in a circle: {circle}")
        if name in ordered:
            return
        path.append(name)
        for needed, _ in chosen[name].needs:
            visit(needed)
        path.pop()
        ordered[name] = chosen[name]

    for root in roots:
        visit(root)
    return list(ordered.values())
