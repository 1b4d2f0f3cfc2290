"""The desk: operations as the user's own machine does them.

`Desk.invoke` takes an operation's local arguments. It does the local part of `install`, `verify`,
`publish` and `download`; every other operation goes to the registry as it is. The command line,
the MCP server on stdio and the Python client all work through it. Relative paths are relative to
the project.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ctxmcp import check, pack, staging
from ctxmcp.hosts.layout import extension
from ctxmcp.install import Removal, Site, Wish, install, remove
from ctxmcp.logs import Memory
from ctxmcp.staging import Places
from registry_core.errors import Conflict, Invalid, NotFound, RegistryError
from registry_core.names import Reference
from registry_core.operations import find
from registry_core.operations.download import Download, Located
from registry_core.operations.install import Install
from registry_core.operations.publish import Publish
from registry_core.operations.verify import Verify

if TYPE_CHECKING:
    from ctxmcp.connection import Connection, Progress
    from ctxmcp.settings import Settings
    from registry_core.operation import Model


class Desk:
    """A registry, and a project to work in."""

    def __init__(
        self,
        connection: Connection,
        settings: Settings,
        project: Path,
        *,
        clock: Callable[[], datetime] | None = None,
    ) -> None:
        self._connection = connection
        self._settings = settings
        self._project = project.absolute()
        self._clock = clock or _now
        self._writing = asyncio.Lock()

    async def invoke(
        self, name: str, arguments: Mapping[str, Any], *, progress: Progress | None = None
    ) -> Model:
        """Run an operation with its local arguments; `progress` is told how far it is."""
        given = find(name).read(arguments, "local")
        with _faults_named():
            match given:
                case Install():
                    return await self._install(given, progress)
                case Verify():
                    return await self._verify(given)
                case Publish():
                    return await self._publish(given)
                case Download():
                    return await self._download(given)
        return await self._connection.invoke(name, arguments)

    async def remove(self, refs: Sequence[str]) -> Removal:
        """Remove installed packages from the project."""
        async with self._writing:
            with _faults_named():
                return await asyncio.to_thread(remove, self._site(self._project), refs)

    def _site(self, project: Path) -> Site:
        return Site(Places(project, self._settings.tools_dir), self._settings.home)

    def _memory(self) -> Memory:
        if self._settings.registry:
            base = self._connection.base
            return Memory(self._settings.state, base, base)
        return Memory(self._settings.state, f"the registry in {self._settings.data_dir}")

    def _path(self, text: str) -> Path:
        return self._project / Path(text).expanduser()

    async def _install(self, given: Install, progress: Progress | None) -> Model:
        wish = Wish(given.refs, frozen=given.frozen, dry_run=given.dry_run)
        # Agents call tools side by side; one project takes one installation at a time.
        async with self._writing:
            site = self._site(self._path(given.project))
            return await install(self._connection, self._memory(), site, wish, progress)

    async def _verify(self, given: Verify) -> Model:
        places = Places(self._project, self._settings.tools_dir)
        if not given.target:
            return await asyncio.to_thread(check.everything, places)
        found = await asyncio.to_thread(check.installed, places, given.target)
        if found:
            return found
        path = self._path(given.target)
        if not given.target.startswith("@") and path.exists():
            return await asyncio.to_thread(check.on_disk, path, given.target)
        if not _is_reference(given.target):
            raise NotFound(
                f"there is no file {given.target}",
                hint="Name a file, a folder or @ns/name@version.",
            )
        return await self._connection.invoke("verify", {"target": given.target})

    async def _publish(self, given: Publish) -> Model:
        if not given.path:
            raise Invalid("publish: path is missing", hint="Name a file or folder.")
        artifact = await asyncio.to_thread(
            pack.pack,
            self._path(given.path),
            key=lambda: pack.load_key(self._settings),
            created_at=self._settings.source_date or self._clock(),
            label=pack.Label(given.name, given.version, given.private),
        )
        return await self._connection.publish(artifact, dry_run=given.dry_run)

    async def _download(self, given: Download) -> Model:
        located = await self._connection.invoke("download", {"ref": given.ref})
        assert isinstance(located, Located)  # noqa: S101 - the operation's own output
        data = await self._connection.artifact(located.url, located.sha256, located.size)
        check.check_digest(f"download of {located.ref}", data, located.sha256)
        path = self._path(given.output or _file_name(located))
        await asyncio.to_thread(_write, path, data, located.sha256)
        return located.model_copy(update={"written": str(path)})


def _is_reference(text: str) -> bool:
    try:
        Reference.parse(text)
    except Invalid:
        return False
    return True


def _file_name(located: Located) -> str:
    reference = Reference.parse(located.ref)
    name = reference.name
    ending = extension(located.media_type)
    return f"{name.namespace}-{name.name}-{reference.selector}{ending}"


def _write(path: Path, data: bytes, sha256: str) -> None:
    there = staging.state_of(path)
    if there not in {None, sha256}:
        raise Conflict(f"{path} exists and is another file", hint="Name another output.")
    staging.write_file(path, data)


@contextmanager
def _faults_named() -> Iterator[None]:
    """Turn a fault of the disk into an error with words."""
    try:
        yield
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise RegistryError(
            f"{where}{error.strerror or error}",
            hint="Once that is mended, the same call goes on from here.",
        ) from error


def _now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 - the clock of the user's machine
