"""The client without `await`: the other one, on an event loop in a thread of its own.

Ctrl-C ends the call that is waited for as well as the waiting.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar

from ctxmcp.client.coroutines import Client
from registry_core.errors import Invalid
from registry_core.operations import CATALOG

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterator, Mapping
    from pathlib import Path
    from types import TracebackType

    from anyio.from_thread import BlockingPortal

    from ctxmcp.client.groups import Events, Knowledge, Session, Tools

P = ParamSpec("P")
T = TypeVar("T")


class SyncClient:
    """A registry to program against; use it as a context manager. See `Client`."""

    def __init__(
        self,
        *,
        registry: str | None = None,
        token: str | None = None,
        workspace: str = "",
        channel: str = "",
        data_dir: Path | None = None,
        project: Path | None = None,
    ) -> None:
        self._client = Client(
            registry=registry,
            token=token,
            workspace=workspace,
            channel=channel,
            data_dir=data_dir,
            project=project,
        )
        self._loop = _Loop()
        self._stack = ExitStack()
        self.tools = SyncTools(self._client.tools, self._loop)
        self.session = SyncSession(self._client.session, self._loop)
        self.knowledge = SyncKnowledge(self._client.knowledge, self._loop)
        self.events = SyncEvents(self._client.events, self._loop)
        self.call = self._loop.blocking(self._client.call)
        self.status = self._loop.blocking(self._client.status)

    @staticmethod
    def methods() -> Mapping[str, str]:
        """Return every operation with what it does."""
        return Client.methods()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """Give an operation as a method."""
        if name not in CATALOG:
            raise AttributeError(name)
        return self._loop.blocking(getattr(self._client, name))

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *CATALOG]

    def __enter__(self) -> Self:
        from anyio.from_thread import (  # noqa: PLC0415 - who imports the client may use the other
            start_blocking_portal,
        )

        with ExitStack() as stack:
            portal = stack.enter_context(start_blocking_portal())
            stack.enter_context(self._loop.on(portal))
            stack.enter_context(portal.wrap_async_context_manager(self._client))
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, trace)


class SyncTools:
    """`Tools` without `await`."""

    def __init__(self, tools: Tools, loop: _Loop) -> None:
        self.call = loop.blocking(tools.call)
        self.list = loop.blocking(tools.list)


class SyncSession:
    """`Session` without `await`."""

    def __init__(self, session: Session, loop: _Loop) -> None:
        self.get = loop.blocking(session.get)
        self.list = loop.blocking(session.list)
        self.save = loop.blocking(session.save)


class SyncKnowledge:
    """`Knowledge` without `await`."""

    def __init__(self, knowledge: Knowledge, loop: _Loop) -> None:
        self.search = loop.blocking(knowledge.search)
        self.remember = loop.blocking(knowledge.remember)


class SyncEvents:
    """`Events` as iterators."""

    def __init__(self, events: Events, loop: _Loop) -> None:
        self.subscribe = loop.iterating(events.subscribe)


class _Loop:
    """The event loop of a client, once it is open."""

    def __init__(self) -> None:
        self._portal: BlockingPortal | None = None

    @contextmanager
    def on(self, portal: BlockingPortal) -> Iterator[None]:
        self._portal = portal
        try:
            yield
        finally:
            self._portal = None

    def blocking(self, function: Callable[P, Awaitable[T]]) -> Callable[P, T]:
        """Make a function that waits for what a coroutine function comes to."""

        @wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> T:
            return self._run(partial(function, *args, **kwargs))

        return call

    def iterating(
        self, function: Callable[P, AsyncGenerator[T, None]]
    ) -> Callable[P, Generator[T, None, None]]:
        """Make a generator function that yields what an asynchronous one does."""

        @wraps(function)
        def walk(*args: P.args, **kwargs: P.kwargs) -> Generator[T, None, None]:
            stream = function(*args, **kwargs)
            while (item := self._run(partial(anext, stream, None))) is not None:
                try:
                    yield item
                except BaseException:  # the walk ends here: closed, or something thrown into it
                    self._close(stream)
                    raise

        return walk

    def _close(self, stream: AsyncGenerator[Any, None]) -> None:
        if self._portal is not None:
            self._run(stream.aclose)

    def _run(self, work: Callable[[], Awaitable[T]]) -> T:
        if self._portal is None:
            raise Invalid("the client is not open", hint="Write `with SyncClient() as client:`.")
        future = self._portal.start_task_soon(work)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise
