"""Where the bytes of a release are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from registry_core.callers import Scope
from registry_core.errors import InvalidName, NotFound, PaymentRequired
from registry_core.operation import Model, local, operation
from registry_core.operations.naming import (
    MOST_REFERENCE,
    REFERENCE,
    download_url,
    held_too,
    resolve,
)
from registry_core.packages import State

if TYPE_CHECKING:
    from registry_core.callers import Caller
    from registry_core.registry import Registry


class Download(Model):
    """The release wanted."""

    ref: str = Field(max_length=MOST_REFERENCE, description=REFERENCE)
    include_held: bool = held_too()
    output: str = Field(
        "", max_length=4096, description="File to write.", json_schema_extra=local()
    )


class Located(Model):
    """Where to fetch an artifact, and what it has to be."""

    ref: str
    url: str
    sha256: str
    size: int
    media_type: str
    yanked: bool
    state: State = State.RELEASED
    written: str = Field("", description="The file it was written to, on this machine.")


@operation(
    scope=Scope.ARTIFACTS,
    title="Download an artifact",
    ends_in=(NotFound, InvalidName, PaymentRequired),
    toolset="more",
    cacheable=True,
)
async def download(registry: Registry, caller: Caller, given: Download) -> Located:
    """Give the URL, digest and size of a release's artifact, or write it to a file."""
    package, release = await resolve(registry, caller, given.ref, include_held=given.include_held)
    if release.state not in {State.RELEASED, State.HELD}:
        raise package.refusal_of(release)
    await registry.purchases.admit(package, caller)
    return Located(
        ref=f"{package.name}@{release.version}",
        url=download_url(registry, package, release),
        sha256=release.sha256,
        size=release.size,
        media_type=release.media_type,
        yanked=release.yanked,
        state=release.state,
    )
