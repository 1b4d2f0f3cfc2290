"""The desk: operations as the user's own machine does them.

`Desk.invoke` takes an operation's local arguments. It does the local part of `install`, `verify`,
`trust`, `audit`, `publish` and `download`, and signs changes of keys; every other operation goes to
the registry as it is. The command line, the MCP server on stdio and the Python client all work
through it. Relative paths are relative to the project.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ctxmcp import auditing, check, consulting, keyfiles, pack, policy, staging
from ctxmcp import lock as locking
from ctxmcp.hosts.layout import extension
from ctxmcp.install import Removal, Site, Wish, install, remove
from ctxmcp.keyfiles import Keyfiles
from ctxmcp.keyholder import Keyholder
from ctxmcp.logs import Memory
from ctxmcp.planning import Source
from ctxmcp.staging import Places
from registry_core.errors import Conflict, Invalid, NotFound, RegistryError
from registry_core.names import Reference, Version
from registry_core.operations import find
from registry_core.operations.audit import Audit
from registry_core.operations.download import Download, Located
from registry_core.operations.install import Install
from registry_core.operations.keys import AddKey, Recover, RevokeKey, Rotate
from registry_core.operations.publish import Publish
from registry_core.operations.trust import Trust, Trusted
from registry_core.operations.verify import Verified, Verify
from registry_core.operations.versions import VersionList

if TYPE_CHECKING:
    from ctxmcp.connection import Connection, Progress
    from ctxmcp.lock import Lock
    from ctxmcp.settings import Settings
    from registry_core.names import PackageName
    from registry_core.operation import Model


ModelT = TypeVar("ModelT", Trusted, Verified)

_KEY_PATHS = {"added", "next_key", "signed_by", "recovery_key"}
"""Fields of operations on keys that name a file."""


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
            done = await self._here(given, progress)
        return await self._connection.invoke(name, arguments) if done is None else done

    async def _here(self, given: Model, progress: Progress | None) -> Model | None:
        """Do what this machine has a part in; None for every other operation."""
        done: Model | None
        match given:
            case Install():
                done = await self._install(given, progress)
            case Verify():
                done = await self._verify(given)
            case Trust():
                done = await self._trust(given)
            case Audit():
                places = Places(self._path(given.project), self._settings.tools_dir)
                done = await auditing.audit(self._connection, places, offline=given.offline)
            case Publish():
                done = await self._publish(given)
            case Download():
                done = await self._download(given)
            case _:
                done = await self._change_keys(given)
        return done

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
        project = self._path(given.project)
        policies = await asyncio.to_thread(policy.read, project, self._settings.own_policy_file)
        wish = Wish(
            given.refs,
            self._clock(),
            policies,
            frozen=given.frozen,
            dry_run=given.dry_run,
            include_held=given.include_held,
        )
        # Agents call tools side by side; one project takes one installation at a time.
        async with self._writing:
            site = self._site(project)
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
        said = await self._connection.invoke("verify", {"target": given.target})
        assert isinstance(said, Verified)  # noqa: S101 - the operation's own output
        return await self._consulted(consulting.verified, given.target, said)

    async def _trust(self, given: Trust) -> Model:
        asked = given.model_dump(exclude_defaults=True)
        said = await self._connection.invoke("trust", asked)
        assert isinstance(said, Trusted)  # noqa: S101 - the operation's own output
        return await self._consulted(consulting.judged, given.ref, said)

    async def _consulted(
        self,
        hold: Callable[[Source, Lock, str, ModelT], Awaitable[ModelT]],
        asked: str,
        said: ModelT,
    ) -> ModelT:
        """Hold what a registry says of a release against its log; one's own says what it knows."""
        if not self._settings.registry:
            return said
        lock = await asyncio.to_thread(locking.read, self._project)
        source = Source(self._connection, self._memory(), self._clock(), "believed")
        return await hold(source, lock, asked, said)

    async def _publish(self, given: Publish) -> Model:
        if not given.path:
            raise Invalid("publish: path is missing", hint="Name a file or folder.")
        label = pack.Label(given.name, given.version, given.private)
        source = await asyncio.to_thread(pack.read, self._path(given.path), label)
        files = Keyfiles(self._settings.key_file)
        prev = "" if source.is_packed else await self._before(source.name, source.version)
        artifact = await asyncio.to_thread(
            pack.pack,
            source,
            key=lambda: keyfiles.load(files.current),
            created_at=self._settings.source_date or self._clock(),
            pledge=replace(files.commits(), prev=prev),
        )
        return await self._connection.publish(artifact, dry_run=given.dry_run)

    async def _before(self, name: PackageName, version: Version) -> str:
        """Return the digest of the version before, "" where there is none to be seen."""
        try:
            found = await self._connection.invoke("versions", {"name": str(name)})
        except NotFound:
            return ""
        assert isinstance(found, VersionList)  # noqa: S101 - the operation's own output
        lower = {Version.parse(entry.version): entry.sha256 for entry in found.versions}
        return lower[before] if (before := max(filter(version.__gt__, lower), default=None)) else ""

    async def _change_keys(self, given: Model) -> Model | None:
        files = Keyfiles(self._settings.key_file)
        holder = Keyholder(self._connection, files, self._clock())
        said = given.model_dump(include=_KEY_PATHS)
        given = given.model_copy(
            update={n: str(self._path(path)) for n, path in said.items() if path}
        )
        match given:
            case Rotate():
                return await holder.rotate(given)
            case AddKey():
                return await holder.add(given)
            case RevokeKey():
                return await holder.revoke(given)
            case Recover():
                return await holder.recover(given)
        return None

    async def _download(self, given: Download) -> Model:
        asked = given.model_dump(include={"ref", "include_held"}, exclude_defaults=True)
        located = await self._connection.invoke("download", asked)
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
