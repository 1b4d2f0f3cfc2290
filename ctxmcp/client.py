"""The Python client: the operations of a registry as coroutine functions.

    async with Client(registry="https://ctx.example.com/api") as client:
        found = await client.search(query="review a pull request", limit=5)
        await client.install(refs=[found.hits[0].ref])

Without `registry` it works on the embedded one. Each operation of the catalog is a method that
takes its input by keyword and returns its output model; errors are those of
`registry_core.errors`. `Client.methods()` lists them with their documentation.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from ctxmcp import settings
from ctxmcp.connection import connect
from ctxmcp.desk import Desk
from registry_core.errors import Internal
from registry_core.operations import CATALOG

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from types import TracebackType

    from registry_core.operation import Model


class Client:
    """A registry to program against; use it as an async context manager."""

    def __init__(
        self,
        *,
        registry: str | None = None,
        token: str | None = None,
        data_dir: Path | None = None,
        project: Path | None = None,
    ) -> None:
        self._settings = settings.read(registry=registry, token=token, data_dir=data_dir)
        self._project = project or Path.cwd()
        self._stack = AsyncExitStack()
        self._desk: Desk | None = None

    @staticmethod
    def methods() -> Mapping[str, str]:
        """Return every operation with what it does."""
        return {operation.name: operation.doc for operation in CATALOG.values()}

    async def call(self, name: str, **arguments: Any) -> Model:
        """Run the operation called `name`."""
        if self._desk is None:
            raise Internal("the client is not open", hint="Write `async with Client() as client:`.")
        return await self._desk.invoke(name, arguments)

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
        self._desk = Desk(connection, self._settings, self._project)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._desk = None
        await self._stack.aclose()
