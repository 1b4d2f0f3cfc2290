"""From a reference to a release that the caller may see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from registry_core.errors import Invalid
from registry_core.names import PackageName, Reference, Version

if TYPE_CHECKING:
    from registry_core.callers import Caller
    from registry_core.packages import Package, Release
    from registry_core.registry import Registry

REFERENCE = "@ns/name[@version|range|channel]"
MOST_REFERENCE = 300


async def resolve(
    registry: Registry, caller: Caller, text: str, *, include_held: bool = False
) -> tuple[Package, Release]:
    """Find the package of a reference and choose its release.

    An exact reference finds what is withheld too, for those who are told of it; for everybody
    else what is held, if they ask for that (`include_held`). Raises NotFound, Held, Revoked.
    """
    reference = Reference.parse(text)
    package = await registry.packages.find(reference.name, caller)
    if isinstance(reference.selector, Version):
        release = package.exactly(reference.selector)
        if caller.is_told_of(reference.name.namespace) or (include_held and release.held):
            return package, release
    return package, package.pick(reference.selector)


def held_too() -> Any:
    """Make the field with which somebody asks for a held release all the same."""
    return Field(default=False, description="Held too.")


def exact(text: str) -> tuple[PackageName, Version]:
    """Read a reference that has to name one version."""
    reference = Reference.parse(text)
    if not isinstance(reference.selector, Version):
        raise Invalid(
            f"{reference} does not name one version", hint=f"Write {reference.name}@1.2.0."
        )
    return reference.name, reference.selector


def download_url(registry: Registry, package: Package, release: Release) -> str:
    """Return where the artifact is served, relative where the registry has no address."""
    name = package.name
    asked = "?include_held=true" if release.held else ""
    return (
        f"{registry.base_url}/api/v1/packages/{name.namespace}/{name.name}"
        f"/{release.version}/download{asked}"
    )
