"""Writing below a project so that nobody ever sees half of it.

Files are written and synced in `.ctxmcp/staging/<random>/`, which no agent host watches and which
is on the same disk, and then renamed to where they belong: a package's whole folder in one rename
where it is new, else each file over the old one. What stands at a target is named by its state:
None for nothing, a SHA-256 for a file, `link:..` for a link, `folder` for a folder.

No link is followed out of the project: before anything is read, written or removed, every folder
on the way is looked at.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from ctxmcp.hosts import PACKAGES, managed_folders
from ctxmcp.hosts.layout import TOOLS, unit
from ctxmcp.lock import LINK
from registry_core.errors import Conflict, Invalid

STAGING = ".ctxmcp/staging"
FOLDER = "folder"
_CHUNK = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Places:
    """What targets are below: the project, and for `tools:` the user's folder of tools."""

    project: Path
    tools: Path

    def at(self, target: str) -> Path:
        """Return where a target is. Raises Conflict where a link on the way leads elsewhere."""
        base = self.tools if target.startswith(TOOLS) else self.project
        path = base / target.removeprefix(TOOLS)
        _check_way(base, path)
        return path

    def state(self, target: str) -> str | None:
        """Say what stands at a target now."""
        return state_of(self.at(target))


def _check_way(base: Path, path: Path) -> None:
    inside = base.resolve()
    for folder in reversed(path.relative_to(base).parents):
        way = base / folder
        if way.is_symlink() and not way.resolve().is_relative_to(inside):
            raise Conflict(
                f"{way} is a link that leaves {base}",
                hint="Nothing is written through it: replace it by a folder.",
            )
        if way.exists() and not way.is_dir():
            raise Conflict(f"{way} is in the way: it is no folder", hint="Move it away.")


def state_of(path: Path) -> str | None:
    """Say what stands at a path: None, a digest, `link:..` or `folder`."""
    try:
        status = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    if stat.S_ISLNK(status.st_mode):
        return f"{LINK}{path.readlink().as_posix()}"
    if not stat.S_ISREG(status.st_mode):
        return FOLDER
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(_CHUNK):
            digest.update(part)
    return digest.hexdigest()


@contextlib.contextmanager
def alone(project: Path) -> Iterator[None]:
    """Hold a project for oneself. Raises Conflict while another installation runs in it."""
    if not project.is_dir():
        raise Invalid(f"{project} is no folder", hint="Name the folder of a project.")
    try:
        import fcntl  # noqa: PLC0415 - POSIX only; Windows goes without
    except ImportError:
        yield
        return
    descriptor = os.open(project, os.O_RDONLY)
    try:
        if not _locked(fcntl, descriptor):
            raise Conflict(
                f"another installation is running in {project}", hint="Try again when it is done."
            )
        yield
    finally:
        os.close(descriptor)


def _locked(fcntl: Any, descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def sweep(project: Path) -> None:
    """Throw away what a crash left in staging. Only for who holds the project alone."""
    folder = project / STAGING
    _check_way(project, folder / "x")
    shutil.rmtree(folder, ignore_errors=True)


class Stage:
    """A folder of files that are ready to be moved, gone when it is left."""

    def __init__(self, places: Places) -> None:
        self.places = places
        self._roots: dict[bool, Path] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for root in self._roots.values():
            shutil.rmtree(root, ignore_errors=True)
            for folder in (root.parent, root.parent.parent):
                with contextlib.suppress(OSError):  # others stage there too, or it holds packages
                    folder.rmdir()

    def put(self, target: str, data: bytes, *, executable: bool = False) -> str:
        """Write a file for a target, to the disk itself; return its digest."""
        path = self._path(target)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            file.write(data)
            _sync(file.fileno())
        path.chmod(0o755 if executable else 0o644)
        return hashlib.sha256(data).hexdigest()

    def link(self, target: str, text: str) -> str:
        """Make a link for a target; return its state."""
        path = self._path(target)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(text, target_is_directory=True)
        return f"{LINK}{text}"

    def links_work(self) -> bool:
        """Try whether this disk and user can have links."""
        probe = self._root(tools=False) / "probe"
        try:
            probe.symlink_to("nowhere")
        except (OSError, NotImplementedError):
            return False
        probe.unlink()
        return True

    def move_unit(self, folder: str, targets: list[str]) -> None:
        """Move what is staged for one package's folder: at once where there is none yet."""
        destination = self.places.at(folder)
        destination.parent.mkdir(parents=True, exist_ok=True)
        if folder not in targets and state_of(destination) is None:
            self._path(folder).rename(destination)
            return
        # An agent host reads SKILL.md first: what it refers to has to be there by then.
        for target in sorted(targets, key=lambda target: target.endswith("/SKILL.md")):
            self.move(target, target)

    def move(self, staged: str, target: str) -> None:
        """Rename one staged file or link over what stands at a target."""
        destination = self.places.at(target)
        destination.parent.mkdir(parents=True, exist_ok=True)
        self._path(staged).replace(destination)

    def _path(self, target: str) -> Path:
        tools = target.startswith(TOOLS)
        return self._root(tools=tools) / "tree" / target.removeprefix(TOOLS)

    def _root(self, *, tools: bool) -> Path:
        if tools not in self._roots:
            base = self.places.tools if tools else self.places.project
            parent = base / (".staging/ctxmcp" if tools else STAGING)
            _check_way(base, parent / "x")
            parent.mkdir(parents=True, exist_ok=True)
            self._roots[tools] = Path(tempfile.mkdtemp(dir=parent))
        return self._roots[tools]


def remove(places: Places, target: str) -> None:
    """Remove a file or link, and the folders of its package that are empty then."""
    path = places.at(target)
    path.unlink(missing_ok=True)
    _prune(places, target, path)


def _prune(places: Places, target: str, path: Path) -> None:
    stop = places.tools if target.startswith(TOOLS) else places.project / _kept(target)
    folder = path.parent
    while folder.is_relative_to(stop) and folder != stop:
        try:
            folder.rmdir()
        except OSError as error:
            if error.errno in {errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT}:
                return
            raise
        folder = folder.parent


def _kept(target: str) -> str:
    """Return the folder that stays when it is empty: a host's own, but none of ours."""
    if target.startswith(f"{PACKAGES}/"):
        return ""
    return next(f for f in managed_folders() if unit(target).startswith(f"{f}/"))


def write_file(path: Path, data: bytes) -> None:
    """Write a file so that it is the old one or the new one, whenever the power goes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    temporary = Path(name)
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123 - mkstemp gives a descriptor
            file.write(data)
            _sync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync(descriptor: int) -> None:
    os.fsync(descriptor)


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
