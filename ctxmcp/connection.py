"""A registry as the user's machine sees it: embedded in this process, or remote over HTTP.

Both answer the same calls with the same models and the same errors, so nothing above knows which
one it has.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

import ctxmcp
from ctxmcp.answers import Event, Status, Tool, ToolResult, Watch
from registry_core.callers import OWNER, Caller
from registry_core.errors import Invalid
from registry_core.events.kinds import EventKind
from registry_core.events.redaction import Detail, redacted
from registry_core.operations import CATALOG, invoke
from registry_core.operations.publish import PublishedRelease, publish_bytes

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence

    from ctxmcp.settings import Settings
    from registry_core import events
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

    async def standing(self, day: str, digest: str) -> bytes:
        """Return a part of the list that the registry's status note is about, not verified."""

    async def publish(self, artifact: bytes, *, dry_run: bool) -> PublishedRelease:
        """Publish the bytes of a signed .ctxpkg."""

    def at(self, workspace: str, channel: str) -> Connection:
        """Return the same registry in another workspace or channel; an empty name changes none."""

    async def tools(self) -> Sequence[Tool]:
        """Return everything that `call` can call."""

    async def call(self, name: str, arguments: Mapping[str, Any]) -> ToolResult:
        """Call a tool of the registry by name, whether or not this program knows it."""

    def events(self, since: int, watch: Watch) -> AsyncGenerator[Event, None]:
        """Yield the events after `since` for ever."""

    async def status(self) -> Status:
        """Say that it answers, and what it is."""


class Invoker(Protocol):
    """Where operations are carried out with the arguments of the user's own machine: a desk."""

    async def invoke(
        self, name: str, arguments: Mapping[str, Any], *, progress: Progress | None = None
    ) -> Model:
        """Run an operation. Raises RegistryError."""


class Embedded:
    """The registry in this process, used by its owner."""

    def __init__(self, registry: Registry, base: str, caller: Caller = OWNER) -> None:
        self._registry = registry
        self._caller = caller
        self.base = base

    async def invoke(self, name: str, arguments: Mapping[str, Any]) -> Model:
        return await invoke(self._registry, self._caller, name, arguments)

    async def artifact(self, url: str, sha256: str, size: int) -> bytes:
        return await self._registry.blobs.get(sha256)

    async def standing(self, day: str, digest: str) -> bytes:
        return await self._registry.transparency.standing(day, digest)

    async def publish(self, artifact: bytes, *, dry_run: bool) -> PublishedRelease:
        return await publish_bytes(self._registry, self._caller, artifact, dry_run=dry_run)

    def at(self, workspace: str, channel: str) -> Embedded:
        caller = replace(
            self._caller,
            workspace=workspace or self._caller.workspace,
            channel=channel or self._caller.channel,
        )
        return Embedded(self._registry, self.base, caller)

    async def tools(self) -> Sequence[Tool]:
        return [
            Tool(operation.name, operation.doc, operation.input_schema("remote"))
            for operation in CATALOG.values()
        ]

    async def call(self, name: str, arguments: Mapping[str, Any]) -> ToolResult:
        output = await self.invoke(name, arguments)
        content = [{"type": "text", "text": output.model_dump_json()}]
        return ToolResult(content, output.model_dump(mode="json"))

    async def events(self, since: int, watch: Watch) -> AsyncGenerator[Event, None]:
        place = (self._caller.workspace, self._caller.channel)
        detail, kinds = _read(watch)
        async for batch in self._registry.journal.feed.follow(since):
            for event in batch:
                if (event.workspace, event.channel) == place and event.kind in kinds:
                    yield _event(event, redacted(event, detail))

    async def status(self) -> Status:
        head = await self._registry.journal.log.head()
        return Status(self.base, "ctxmcp", ctxmcp.__version__, len(CATALOG), head)


def _read(watch: Watch) -> tuple[Detail, frozenset[EventKind]]:
    try:
        return Detail(watch.detail), frozenset(map(EventKind, watch.kinds or EventKind))
    except ValueError as error:
        raise Invalid(f"events: {error}", hint=f"Kinds are {', '.join(EventKind)}.") from None


def _event(event: events.Event, payload: Mapping[str, Any]) -> Event:
    return Event(
        id=event.id,
        kind=event.kind.value,
        actor=event.actor,
        at=event.at,
        workspace=event.workspace,
        channel=event.channel,
        version=event.version,
        parent_id=event.parent_id,
        consistency=event.kind.consistency,
        payload=payload,
    )


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
