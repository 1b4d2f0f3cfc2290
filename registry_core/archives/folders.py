"""Folders on disk, read as an archive of them would be."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from registry_core.archives.contents import Contents, Entry, Limits
from registry_core.archives.paths import place
from registry_core.errors import InvalidPackage

_DEFAULT = Limits()
_SKIPPED = frozenset({"node_modules", "target", "__pycache__"})


def read_folder(folder: Path, limits: Limits = _DEFAULT) -> tuple[Entry, ...]:
    """Return the files below a folder on disk as an archive of it would.

    Hidden files, `node_modules`, `target` and `__pycache__` are left out. No link is followed:
    one to elsewhere in the folder is left out, for what it points to is read where it stands;
    one that leaves the folder is refused.
    """
    if not folder.is_dir():
        raise InvalidPackage("is no folder", place=place(str(folder)))
    contents = Contents(limits)
    for path in _walk(folder, folder.resolve(), contents):
        name = path.relative_to(folder).as_posix()
        data, executable = _read_file(path, name, contents)
        contents.file(name, data, executable=executable)
    return contents.entries()


def _walk(folder: Path, root: Path, contents: Contents) -> Iterator[Path]:
    """Yield the regular files below `folder`."""
    with os.scandir(folder) as found:
        for item in found:
            if item.name.startswith(".") or item.name in _SKIPPED:
                continue
            contents.count()
            path = folder / item.name
            if item.is_symlink():
                _check_link(path, root)
            elif item.is_dir():
                yield from _walk(path, root, contents)
            else:
                yield path


def _check_link(path: Path, root: Path) -> None:
    try:
        inside = path.resolve().is_relative_to(root)
    except (OSError, RuntimeError):
        inside = False
    if not inside:
        raise InvalidPackage(
            "is a link that leaves the folder",
            place=place(path.name),
            hint="Put the file itself there.",
        )


def _read_file(path: Path, name: str, contents: Contents) -> tuple[bytes, bool]:
    """Return the bytes of a file that is none of a link, pipe or device, and its x bit."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        descriptor = os.open(path, flags | getattr(os, "O_BINARY", 0))
        with open(descriptor, "rb") as file:  # noqa: PTH123  a Path cannot refuse links
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise InvalidPackage("is a pipe or a device", place=place(name))
            contents.make_room(name, status.st_size)
            data = file.read(status.st_size)
    except OSError as error:
        fault = error.strerror or "cannot be read"
        raise InvalidPackage(fault, place=place(name)) from error
    return data, bool(status.st_mode & stat.S_IXUSR)
