"""What to install, and from where: the plan that an installer carries out.

The registry resolves and says which bytes belong to which name; the installer, on the user's own
machine, downloads, verifies again, and writes. A registry never writes anybody's disk.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from registry_core.callers import Scope
from registry_core.errors import DependencyConflict, DependencyCycle, NotFound
from registry_core.events import Draft
from registry_core.events.kinds import EventKind
from registry_core.names import Kind, Reference
from registry_core.operation import Model, local, operation
from registry_core.operations.naming import REFERENCE, download_url, held_too
from registry_core.resolution import Choice, resolve

if TYPE_CHECKING:
    from registry_core.callers import Caller
    from registry_core.registry import Registry


MOST_REFERENCES = 1000


class Install(Model):
    """What is wanted."""

    refs: list[str] = Field(
        default=[], max_length=MOST_REFERENCES, description=f"{REFERENCE}; empty: the lock."
    )
    include_held: bool = held_too()
    project: str = Field(
        "", max_length=4096, description="Folder to install into.", json_schema_extra=local()
    )
    frozen: bool = Field(
        default=False, description="Exactly the lock, or fail.", json_schema_extra=local()
    )
    dry_run: bool = Field(
        default=False, description="Only show the plan.", json_schema_extra=local()
    )


class Planned(Model):
    """One release to install."""

    ref: str
    kind: Kind
    url: str
    sha256: str
    size: int
    media_type: str
    signer: str | None
    yanked: bool
    published_at: str
    position: int = Field(description="Of its publishing, in the event log.")
    held: bool = False
    deprecated: bool = False
    requested: bool = Field(description="False: a dependency of another.")
    dependencies: list[str] = Field(description="@ns/name range, as declared.")


class Written(Model):
    """One place on this machine that was written."""

    path: str
    what: str = Field(description="installed, linked, pointer, unchanged or kept (user edits)")


class Installation(Model):
    """The plan, dependencies first; and what was written where it was carried out."""

    plan: list[Planned]
    installed: bool = False
    project: str = ""
    written: list[Written] = Field(default=[])
    lock: str = ""
    notes: list[str] = Field(default=[])


@operation(
    scope=Scope.SEARCH,
    title="Install packages",
    writes=True,
    ends_in=(NotFound, DependencyConflict, DependencyCycle),
)
async def install(registry: Registry, caller: Caller, given: Install) -> Installation:
    """Resolve, verify and install packages into a project, for the agents it has."""
    references = [Reference.parse(text) for text in given.refs]
    chosen = await resolve(registry.packages, caller, references, include_held=given.include_held)
    requested = {reference.name for reference in references}
    await registry.journal.record(*(_installed(choice, caller) for choice in chosen))
    return Installation(
        plan=[
            _planned(registry, choice, requested=choice.package.name in requested)
            for choice in chosen
        ]
    )


def _installed(choice: Choice, caller: Caller) -> Draft:
    name = choice.package.name
    return Draft(
        EventKind.PACKAGE_INSTALLED,
        caller.name,
        {"name": str(name), "version": str(choice.release.version)},
        namespace=name.namespace,
        package=name.name,
        private=choice.package.private,
    )


def _planned(registry: Registry, choice: Choice, *, requested: bool) -> Planned:
    release = choice.release
    return Planned(
        ref=str(choice),
        kind=choice.package.kind,
        url=download_url(registry, choice.package, release),
        sha256=release.sha256,
        size=release.size,
        media_type=release.media_type,
        signer=release.signer,
        yanked=release.avoided,
        deprecated=choice.package.deprecated is not None,
        held=release.held,
        published_at=release.published_at.isoformat(),
        position=release.position,
        requested=requested,
        dependencies=[f"{d['name']} {d['requirement']}".strip() for d in release.dependencies],
    )
