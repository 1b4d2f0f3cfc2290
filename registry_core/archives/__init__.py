"""Bounded reading and deterministic writing of tar, tar.gz and zip, and of folders on disk.

No archive is ever extracted. It is read into memory by rules so narrow that two readers cannot
disagree about what is in it; what has two readings is refused, not guessed. Links and devices are
refused, owners and times dropped, and of a mode only the executable bit is kept. Every path passes
`check_portable`, and all of them together `check_paths`. What is too large raises TooLarge, every
other refusal is InvalidPackage with the entry as place.
"""

from __future__ import annotations

from registry_core.archives.contents import Contents, Entry, Limits
from registry_core.archives.folders import read_folder
from registry_core.archives.paths import check_path, check_paths, check_portable
from registry_core.archives.pkzip import read_zip
from registry_core.archives.ustar import gunzip, read_tar, write_tar_gz
from registry_core.errors import InvalidPackage, TooLarge

__all__ = [
    "Entry",
    "Limits",
    "check_path",
    "check_paths",
    "check_portable",
    "media_type",
    "read",
    "read_folder",
    "root_folder",
    "strip_root",
    "write_tar_gz",
]

_DEFAULT = Limits()


def read(data: bytes, limits: Limits = _DEFAULT) -> tuple[Entry, ...]:
    """Return the files of a tar, tar.gz or zip, sorted by path."""
    if len(data) > limits.packed:
        raise TooLarge(f"an archive is at most {limits.packed} bytes, not {len(data)}")
    contents = Contents(limits)
    match media_type(data):
        case "application/gzip":
            read_tar(gunzip(data, limits), contents)
        case "application/zip":
            read_zip(data, contents)
        case "application/x-tar":
            read_tar(data, contents)
        case _:
            raise InvalidPackage("this is no zip, tar or tar.gz", hint="Send a tar.gz.")
    return contents.entries()


def media_type(data: bytes) -> str:
    """Name the archive format that the first bytes say; "" for none that `read` knows."""
    if data[:2] == b"\x1f\x8b":
        return "application/gzip"
    if data[:4] in {b"PK\x03\x04", b"PK\x05\x06"}:
        return "application/zip"
    return "application/x-tar" if data[257:262] == b"ustar" else ""


def strip_root(entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
    """Drop the one top folder that wraps every entry; without such a folder change nothing."""
    root = root_folder(entries)
    if not root:
        return entries
    return tuple(Entry(e.path[len(root) + 1 :], e.data, e.executable) for e in entries)


def root_folder(entries: tuple[Entry, ...]) -> str:
    """Return the name of the one top folder that wraps every entry, or ""."""
    roots = {entry.path.partition("/")[0] for entry in entries if "/" in entry.path}
    wrapped = len(roots) == 1 and all("/" in entry.path for entry in entries)
    return roots.pop() if wrapped else ""
