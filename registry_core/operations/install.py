"""What to install, and from where: the plan that an installer carries out.

The registry resolves and says which bytes belong to which name; the installer, on the user's own
machine, downloads, verifies again, and writes. A registry never writes anybody's disk.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from registry_core.callers import Scope
from registry_core.errors import DependencyConflict, DependencyCycle, NotFound, PaymentRequired
from registry_core.events import Draft
from registry_core.events.kinds import EventKind
from registry_core.names import Kind, Reference
from registry_core.operation import Model, local, operation, remote
from registry_core.operations.naming import REFERENCE, download_url, held_too
from registry_core.operations.naming import resolve as find
from registry_core.resolution import Choice, resolve
from registry_core.transparency.notes import encode

if TYPE_CHECKING:
    from registry_core.callers import Caller
    from registry_core.registry import Registry
    from registry_core.transparency.log import Proven, View


MOST_REFERENCES = 1000
MOST_SEEN = 4


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
    alone: bool = Field(
        default=False,
        description="Only these, also held ones; for who asks for proofs: nothing is counted.",
        json_schema_extra=remote(),
    )
    seen: list[int] | None = Field(
        None,
        max_length=MOST_SEEN,
        description="Sizes of the log that are known: answers proofs.",
        json_schema_extra=remote(),
    )


class Logged(Model):
    """That the registry's log says of a release what the plan says."""

    leaf: str
    statement: str = Field("", description="What the leaf of a private package seals.")
    salt: str = Field("", description="With the statement it makes what stands in the leaf.")
    proof: str = Field(description="c2sp.org/tlog-proof@v1")


class Grown(Model):
    """That the log of a size is the beginning of the one that the proofs are about."""

    size: int
    hashes: list[str] = Field(description="RFC 6962 consistency proof, base64")


class Shown(Model):
    """The registry's transparency log, as it is now."""

    key: str = Field(description="What its checkpoints are verified with: name+id+base64")
    handovers: list[str] = Field(default=[], description="By which earlier keys led to this one.")
    checkpoint: str = Field(description="c2sp.org/tlog-checkpoint")
    consistency: list[Grown] = Field(description="From each size that was named as seen.")
    witnessed: str = Field("", description="The newest checkpoint that a witness has signed.")
    witnessed_consistency: list[str] = Field(default=[], description="From that one to this.")
    status: str = Field("", description="The status note: what was taken back, and until when.")
    status_consistency: list[str] = Field(default=[], description="From its tree to this.")


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
    log: Logged | None = Field(None, description="The proof of it, where one was asked for.")


class Written(Model):
    """One place on this machine that was written."""

    path: str
    what: str = Field(description="installed, linked, pointer, unchanged or kept (user edits)")


class Installation(Model):
    """The plan, dependencies first; and what was written where it was carried out."""

    plan: list[Planned]
    log: Shown | None = Field(None, description="What the proofs are about.")
    proven: str = Field("", description="What the registry's log has proven.")
    installed: bool = False
    project: str = ""
    written: list[Written] = Field(default=[])
    lock: str = ""
    notes: list[str] = Field(default=[])


@operation(
    scope=Scope.SEARCH,
    title="Install packages",
    writes=True,
    ends_in=(NotFound, DependencyConflict, DependencyCycle, PaymentRequired),
)
async def install(registry: Registry, caller: Caller, given: Install) -> Installation:
    """Resolve, verify and install packages into a project, for the agents it has."""
    references = [Reference.parse(text) for text in given.refs]
    requested = {reference.name for reference in references}
    if given.alone:
        chosen = [Choice(*await find(registry, caller, r, include_held=True)) for r in given.refs]
    else:
        held = given.include_held
        chosen = await resolve(registry.packages, caller, references, include_held=held)
        for choice in chosen:
            await registry.purchases.admit(choice.package, caller)
        await registry.journal.record(*(_installed(choice, caller) for choice in chosen))
    plan = [
        _planned(registry, choice, requested=choice.package.name in requested) for choice in chosen
    ]
    if given.seen is None:
        return Installation(plan=plan)
    view = await registry.transparency.view([p.ref for p in plan], seen=given.seen)
    proven = [p.model_copy(update={"log": _logged(view.proven.get(p.ref))}) for p in plan]
    return Installation(plan=proven, log=_shown(view))


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


def _logged(proven: Proven | None) -> Logged | None:
    if proven is None:
        return None
    return Logged(
        leaf=proven.leaf.data.decode(),
        statement=proven.leaf.statement.decode(),
        salt=proven.leaf.salt,
        proof=proven.proof.text,
    )


def _shown(view: View) -> Shown:
    return Shown(
        key=view.key,
        handovers=[*view.handovers],
        checkpoint=str(view.checkpoint),
        consistency=[
            Grown(size=size, hashes=[*map(encode, hashes)])
            for size, hashes in view.consistency.items()
        ],
        witnessed=str(view.witnessed or ""),
        witnessed_consistency=[*map(encode, view.witnessed_consistency)],
        status=view.status,
        status_consistency=[*map(encode, view.status_consistency)],
    )
