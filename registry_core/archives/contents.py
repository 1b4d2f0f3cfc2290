"""What a reader found in an archive or folder, counted against limits before it is kept."""

from __future__ import annotations

from dataclasses import dataclass

from registry_core.archives.paths import check_paths, check_portable, place
from registry_core.errors import InvalidPackage, TooLarge
from registry_core.names import shown

_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """What one archive or folder may hold; bytes, unless the name counts something."""

    packed: int = 8 * _MIB
    unpacked: int = 8 * _MIB
    file: int = _MIB
    files: int = 256
    entries: int = 2000
    """Files, folders and extended headers together."""
    ratio: int = 200
    """Unpacked over packed, judged only beyond one MiB: small text may well compress better."""
    path: int = 240
    depth: int = 16
    pax: int = 64 * 1024

    @property
    def tar(self) -> int:
        """How long a tar may be: the content, and four blocks of header and padding per entry."""
        return self.unpacked + 4 * 512 * self.entries + 2 * self.pax


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of an archive or folder."""

    path: str
    data: bytes
    executable: bool = False


class Contents:
    """What a reader has found so far, counted against the limits before it is kept."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._files: list[Entry] = []
        self._folders: list[str] = []
        self._seen = 0
        self._bytes = 0

    def count(self) -> None:
        """Count one more entry of any kind."""
        self._seen += 1
        if self._seen > self.limits.entries:
            raise TooLarge(f"an archive holds at most {self.limits.entries} entries")

    def folder(self, path: str) -> None:
        """Keep the path of a folder."""
        check_portable(path, longest=self.limits.path, deepest=self.limits.depth)
        self._folders.append(path)

    def make_room(self, path: str, size: int) -> None:
        """Admit a file of `size` bytes; to be called before its data is unpacked."""
        check_portable(path, longest=self.limits.path, deepest=self.limits.depth)
        self._bytes += size
        if size > self.limits.file:
            raise TooLarge(f"{place(path)}: a file is at most {self.limits.file} bytes")
        if self._bytes > self.limits.unpacked:
            raise TooLarge(f"{place(path)}: all files together pass {self.limits.unpacked} bytes")
        if len(self._files) >= self.limits.files:
            raise TooLarge(f"{place(path)}: a package has at most {self.limits.files} files")

    def file(self, path: str, data: bytes, *, executable: bool) -> None:
        """Keep a file that was admitted."""
        self._files.append(Entry(path, data, executable))

    def entries(self) -> tuple[Entry, ...]:
        """Return all files, sorted by path, once they are known to fit together."""
        if not self._files:
            raise InvalidPackage("there is no file in it")
        check_paths((entry.path for entry in self._files), folders=self._folders)
        return tuple(sorted(self._files, key=lambda entry: entry.path))


def check_ratio(packed: int, unpacked: int, limits: Limits, name: str = "") -> None:
    """Refuse what unpacks to so much more than its size that it can only be a bomb."""
    if unpacked > _MIB and unpacked > packed * limits.ratio:
        where = f"{place(name)}: " if name else ""
        raise TooLarge(f"{where}unpacks to more than {limits.ratio} times its size")


def exactly(data: bytes, offset: int, size: int, name: str = "") -> memoryview:
    """Return the `size` bytes at `offset`, not yet copied."""
    if offset + size > len(data):
        raise InvalidPackage("the archive is cut short", place=place(name) if name else "")
    return memoryview(data)[offset : offset + size]


def utf8(name: bytes) -> str:
    """Decode a path."""
    try:
        return name.decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidPackage("the path is not UTF-8", place=shown(repr(name)[2:-1], 256)) from None
