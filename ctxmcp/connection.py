"""A registry as the user's machine sees it: embedded in this process, or remote over HTTP.

Both answer the same three calls with the same models and the same errors, so nothing above knows
which one it has.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Protocol

from registry_core.callers import OWNER
from registry_core.operations import invoke
from registry_core.operations.publish import PublishedRelease, publish_bytes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from ctxmcp.settings import Settings
    from registry_core.operation import Model
    from registry_core.registry import Registry


Progress = Callable[[int, int, str], Awaitable[None] | None]
"""Is told done, total and a message; may be a coroutine function."""


class Connection(Protocol):
    """A registry to work with."""

    base: str
    """What a lock records as the place a package came from."""

    async def invoke(self, name: str, arguments: Mapping[str, Any]) -> Model:
        """Run an operation with its `remote` arguments and return its output model."""

    async def artifact(self, url: str, sha256: str, size: int) -> bytes:
        """Return the bytes behind the URL of a plan, at most `size` of them, not yet verified."""

    async def publish(self, artifact: bytes, *, dry_run: bool) -> PublishedRelease:
        """Publish the bytes of a signed .ctxpkg."""


class Invoker(Protocol):
    """Where operations are carried out with the arguments of the user's own machine: a desk."""

    async def invoke(
        self, name: str, arguments: Mapping[str, Any], *, progress: Progress | None = None
    ) -> Model:
        """Run an operation. Raises RegistryError."""


class Embedded:
    """The registry in this process, used by its owner."""

    def __init__(self, registry: Registry, base: str) -> None:
        self._registry = registry
        self.base = base

    async def invoke(self, name: str, arguments: Mapping[str, Any]) -> Model:
        return await invoke(self._registry, OWNER, name, arguments)

    async def artifact(self, url: str, sha256: str, size: int) -> bytes:
        return await self._registry.blobs.get(sha256)

    async def publish(self, artifact: bytes, *, dry_run: bool) -> PublishedRelease:
        return await publish_bytes(self._registry, OWNER, artifact, dry_run=dry_run)


@asynccontextmanager
async def connect(settings: Settings) -> AsyncIterator[Connection]:
    """Open the registry that the settings name: the remote one if there is one, else embedded."""
    if settings.registry:
        from ctxmcp.remote import Remote  # noqa: PLC0415 - the embedded one needs no HTTP client

        async with Remote(settings.registry, settings.token) as remote:
            yield remote
        return
    from ctxmcp.wiring import open_registry  # noqa: PLC0415 - a remote registry needs no database

    async with open_registry(settings) as registry:
        yield Embedded(registry, "embedded")
