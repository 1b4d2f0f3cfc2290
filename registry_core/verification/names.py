"""A new name is not one that people would take for another's.

Only a package of which nothing was released yet is looked at: whoever installs it later knows it
by a name that somebody looked at once. Held for review is what, folded, is a reserved or popular
name of somebody else, or one letter away from it (one put in, left out, replaced, or two that
changed places). The same package name in another namespace is no likeness: that is what
namespaces are for.

    skeleton("Flaky-Tests") == skeleton("flakytests") == skeleton("f1aky-tests")
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from registry_core.names import RESERVED_NAMESPACES, PackageName
from registry_core.verification.report import Finding, Outcome, Section, Severity

NAME = "names"

SHORTEST = 5
"""Letters of a folded name from which one letter more or less is a likeness."""

_LOOK_ALIKES = (("rn", "m"), ("vv", "w"), ("0", "o"), ("1", "l"), ("|", "l"))
_SEPARATORS = str.maketrans("", "", "-_. ")

_FIX = "Choose another name, or ask a reviewer of the registry to release the package."


@dataclass(frozen=True, slots=True)
class Naming:
    """What a new name is held against."""

    name: PackageName
    near: tuple[PackageName, ...] = ()
    """Popular packages that `likeness` may find alike."""
    reserved: frozenset[str] = frozenset()
    """Names that this registry's policy reserves."""


def section(naming: Naming) -> Section:
    """Hold a new name against what is reserved and popular."""
    findings = tuple(_findings(naming))
    return Section(NAME, Outcome.of(findings), findings)


def skeleton(name: str) -> str:
    """Fold case, separators and look-alike letters (those of UTS 39 that names may have)."""
    folded = name.lower().translate(_SEPARATORS)
    for letters, seen in _LOOK_ALIKES:
        folded = folded.replace(letters, seen)
    return folded


def likeness(one: str, other: str) -> str:
    """Say in words how a name is like another; empty where it is not, or is that very name."""
    if one == other:
        return ""
    left, right = skeleton(one), skeleton(other)
    if left == right:
        return "looks the same as"
    if min(len(left), len(right)) >= SHORTEST and is_one_edit(left, right):
        return "is one letter away from"
    return ""


def is_one_edit(one: str, other: str) -> bool:
    """Tell whether one insertion, deletion, replacement or swap of neighbours separates them."""
    if len(one) > len(other):
        one, other = other, one
    if len(other) - len(one) > 1 or one == other:
        return False
    at = next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), len(one))
    if len(one) < len(other):
        return one[at:] == other[at + 1 :]
    swapped = one[at : at + 2] == other[at : at + 2][::-1]
    return one[at + 1 :] == other[at + 1 :] or (swapped and one[at + 2 :] == other[at + 2 :])


def keys(name: str) -> set[str]:
    """Return what two names that are alike have at least one of in common."""
    folded = skeleton(name)
    return {folded, *(folded[:n] + folded[n + 1 :] for n in range(len(folded)))}


def _findings(naming: Naming) -> Iterator[Finding]:
    yield from _reserved(naming)
    for popular in naming.near:
        yield from _alike(naming.name, popular)


def _reserved(naming: Naming) -> Iterator[Finding]:
    for place, name in (("namespace", naming.name.namespace), ("name", naming.name.name)):
        if name in naming.reserved:
            message = f"{name} is reserved on this registry"
            yield Finding(f"{NAME}/reserved", Severity.BLOCK, message, place, "Choose another.")
        known = naming.reserved | (RESERVED_NAMESPACES if place == "namespace" else frozenset())
        yield from _like_reserved(place, name, known)


def _like_reserved(place: str, name: str, reserved: Iterable[str]) -> Iterator[Finding]:
    for other in sorted(reserved):
        if name != other and skeleton(name) == skeleton(other):
            message = f"{name} looks the same as {other}, which is reserved"
            yield Finding(f"{NAME}/like-reserved", Severity.HOLD, message, place, _FIX)


def _alike(name: PackageName, popular: PackageName) -> Iterator[Finding]:
    if name.namespace == popular.namespace:
        return
    for place, rule, one, other in (
        ("namespace", "like-namespace", name.namespace, popular.namespace),
        ("name", "like-package", name.name, popular.name),
    ):
        if how := likeness(one, other):
            message = f"{one} {how} {other} of the popular package {popular}"
            yield Finding(f"{NAME}/{rule}", Severity.HOLD, message, place, _FIX)
