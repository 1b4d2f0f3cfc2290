"""Bringing a release into the registry."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

from pydantic import Field

from registry_core.callers import Scope
from registry_core.errors import Conflict, Forbidden, Invalid, InvalidPackage, Rejected
from registry_core.formats import MAX_ARTIFACT, Visibility
from registry_core.names import Kind
from registry_core.operation import Model, local, operation, remote
from registry_core.verification import DOUBTS

if TYPE_CHECKING:
    from registry_core.callers import Caller
    from registry_core.registry import Registry


class Publish(Model):
    """What is published, and how."""

    path: str = Field(
        "",
        max_length=4096,
        description=".ctxpkg, or a skill, agent or tool to pack and sign.",
        json_schema_extra=local(),
    )
    name: str = Field(
        "",
        max_length=100,
        description="@ns/name, if the source lacks it.",
        json_schema_extra=local(),
    )
    version: str = Field(
        "",
        max_length=64,
        description="If the source lacks it.",
        json_schema_extra=local(),
    )
    private: bool = Field(
        default=False, description="Only for the namespace.", json_schema_extra=local()
    )
    artifact: str = Field(
        "",
        max_length=MAX_ARTIFACT * 4 // 3 + 4,
        description="The signed .ctxpkg, in base64.",
        json_schema_extra=remote(),
    )
    dry_run: bool = Field(default=False, description="Only check.")


class PublishedRelease(Model):
    """What was published, or would be."""

    published: str = Field(description="@ns/name@version")
    kind: Kind
    sha256: str
    size: int
    signer: str | None
    visibility: Visibility
    warnings: list[str]
    held: bool = False
    next: str = ""
    dry_run: bool


@operation(
    title="Publish a package",
    scope=Scope.PUSH,
    writes=True,
    ends_in=(InvalidPackage, Rejected, Forbidden, Conflict),
)
async def publish(registry: Registry, caller: Caller, given: Publish) -> PublishedRelease:
    """Publish a release after every check; a published version never changes."""
    try:
        artifact = base64.b64decode(given.artifact, validate=True)
    except binascii.Error:
        raise Invalid("publish: artifact is not base64") from None
    return await publish_bytes(registry, caller, artifact, dry_run=given.dry_run)


def what_now(ref: str) -> str:
    """Tell a publisher what becomes of a held release."""
    return (
        "It is recorded and does not resolve. A reviewer of the registry looks at it and releases"
        f" or rejects it; `ctxmcp trust {ref}` tells you. Its number is used up: what you change,"
        " publish under a new one."
    )


async def publish_bytes(
    registry: Registry, caller: Caller, artifact: bytes, *, dry_run: bool
) -> PublishedRelease:
    """Publish the bytes of a .ctxpkg, or with `dry_run` check and authorise them only."""
    from registry_core import publish as publishing  # noqa: PLC0415 - listing publishes nothing

    act = publishing.rehearse if dry_run else publishing.publish
    done = await act(registry, caller, artifact)
    return PublishedRelease(
        published=f"{done.name}@{done.version}",
        kind=done.candidate.kind,
        sha256=done.candidate.sha256,
        size=len(artifact),
        signer=done.report.signer,
        visibility=done.visibility,
        warnings=[
            f"{finding.place}: {finding.message}" if finding.place else finding.message
            for finding in done.report.findings
            if finding.severity in DOUBTS
        ],
        held=done.held,
        next=what_now(f"{done.name}@{done.version}") if done.held else "",
        dry_run=dry_run,
    )
