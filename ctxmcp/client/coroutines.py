"""The client whose methods are coroutine functions; all there is to a client is here."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from ctxmcp import settings
from ctxmcp.client.groups import Events, Knowledge, Session, Tools
from ctxmcp.connection import connect
from ctxmcp.desk import Desk
from registry_core.errors import Invalid
from registry_core.operations import CATALOG

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from types import TracebackType

    from ctxmcp.answers import Status
    from ctxmcp.connection import Connection
    from registry_core.operation import Model


class Client:
    """A registry to program against; use it as an async context manager.

    Each operation of the catalog is a method as well, which takes its input by keyword and returns
    its output model; `Client.methods()` lists them. `install`, `verify`, `publish` and `download`
    work on the files of this machine, in `project`; what `tools.call` calls does not.

    What is not given comes from the environment, as for the command line: the registry from
    `CTXPKG_REGISTRY`, its token from `CTXPKG_TOKEN`. `workspace` and `channel` are where sessions,
    knowledge and calls belong; the registry's default unless given.
    """

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
        self._settings = settings.read(registry=registry, token=token, data_dir=data_dir)
        self._place = (workspace, channel)
        self._project = project or Path.cwd()
        self._stack = AsyncExitStack()
        self._connection: Connection | None = None
        self._desk: Desk | None = None
        self.tools = Tools(self._opened)
        self.session = Session(self._opened)
        self.knowledge = Knowledge(self._opened)
        self.events = Events(self._opened)

    @staticmethod
    def methods() -> Mapping[str, str]:
        """Return every operation with what it does."""
        return {operation.name: operation.doc for operation in CATALOG.values()}

    async def call(self, name: str, /, **arguments: Any) -> Model:
        """Run the operation called `name`, with what it does on this machine."""
        if self._desk is None:
            raise _not_open()
        return await self._desk.invoke(name, arguments)

    async def status(self) -> Status:
        """Say that the registry answers, and what it is."""
        return await self._opened().status()

    def _opened(self) -> Connection:
        if self._connection is None:
            raise _not_open()
        return self._connection

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        """Give an operation as a method."""
        if name not in CATALOG:
            raise AttributeError(name)

        async def method(**arguments: Any) -> Any:
            return await self.call(name, **arguments)

        method.__name__ = name
        method.__doc__ = CATALOG[name].doc
        return method

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *CATALOG]

    async def __aenter__(self) -> Self:
        connection = await self._stack.enter_async_context(connect(self._settings))
        self._connection = connection.at(*self._place)
        self._desk = Desk(self._connection, self._settings, self._project)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._desk = self._connection = None
        await self._stack.aclose()


def _not_open() -> Invalid:
    return Invalid("the client is not open", hint="Write `async with Client() as client:`.")
