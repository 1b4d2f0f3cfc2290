"""Zip, read by narrow rules.

    entry      local header, name, extra field, data; the first at byte 0, the next one at once
    directory  one record per entry in the same order, with equal claims
    end        at the very end; a comment may follow it

Data is stored or deflated. Refused are zip64, encryption, data descriptors (streamed zips), names
that are neither ASCII nor marked as UTF-8, and extra fields other than times and owners.
"""

from __future__ import annotations

import stat
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from registry_core.archives.contents import Contents, Limits, check_ratio, exactly, utf8
from registry_core.archives.paths import place
from registry_core.errors import InvalidPackage

_END = struct.Struct("<4x4H2LH")
_CENTRAL = struct.Struct("<8x2H4x3L4H2x2L")
_LOCAL = struct.Struct("<6x2H4x3L2H")
_EXTRA = struct.Struct("<2H")
_UTF8_FLAG = 1 << 11
_HARMLESS_FLAGS = _UTF8_FLAG | 1 << 1 | 1 << 2
_HARMLESS_EXTRAS = frozenset({0x000A, 0x5455, 0x5855, 0x7855, 0x7875, 0xCAFE})
"""Times and owners; every other one may name, size or encrypt an entry anew."""
_DOS_FOLDER = 0x10


@dataclass(frozen=True, slots=True)
class _Claims:
    """What a zip says of an entry twice: in the local header and in the directory."""

    name: bytes
    flags: int
    method: int
    crc: int
    packed: int
    size: int


@dataclass(frozen=True, slots=True)
class _Listed:
    path: str
    claims: _Claims
    attributes: int
    offset: int


def read_zip(data: bytes, contents: Contents) -> None:
    """Put every file of a zip into `contents`."""
    start, end, total = _find_directory(data)
    position = 0
    for listed in _listed(data[start:end]):
        contents.count()
        total -= 1
        if listed.offset != position:
            raise InvalidPackage("entries overlap or leave a gap", place=place(listed.path))
        position = _read_zipped(data[:start], listed, contents)
    if position != start or total:
        raise InvalidPackage("the zip directory does not list what is in the zip")


def _find_directory(data: bytes) -> tuple[int, int, int]:
    """Return where the directory starts and ends, and how many entries it claims."""
    end = data.rfind(b"PK\x05\x06")
    if end < 0 or end + _END.size > len(data):
        raise InvalidPackage("the end of the zip is missing")
    disk, first_disk, here, total, size, start, comment = _END.unpack_from(data, end)
    if end + _END.size + comment != len(data):
        raise InvalidPackage("there are bytes after the end of the zip")
    if disk or first_disk or here != total or start + size != end:
        raise InvalidPackage("the end of the zip does not fit its directory")
    return start, end, total


def _listed(directory: bytes) -> Iterator[_Listed]:
    position = 0
    while position < len(directory):
        fields = _zip_header(_CENTRAL, directory, position, b"PK\x01\x02")
        flags, method, crc, packed, size, name, extra, comment, disk, attributes, offset = fields
        position += _CENTRAL.size
        raw = bytes(exactly(directory, position, name + extra + comment))
        position += name + extra + comment
        claims = _Claims(raw[:name], flags, method, crc, packed, size)
        path = _zip_path(claims)
        _check_extras(raw[name : name + extra], path)
        if disk:
            raise InvalidPackage("the zip has several parts", place=place(path))
        yield _Listed(path, claims, attributes, offset)


def _zip_header(layout: struct.Struct, data: bytes, offset: int, mark: bytes) -> tuple[int, ...]:
    block = exactly(data, offset, layout.size)
    if block[:4] != mark:
        raise InvalidPackage("a header of the zip is missing where one has to be")
    return layout.unpack(block)


def _zip_path(claims: _Claims) -> str:
    path = utf8(claims.name)
    if not path.isascii() and not claims.flags & _UTF8_FLAG:
        raise InvalidPackage("the path is not marked as UTF-8", place=place(path))
    if claims.flags & 1 << 3:
        raise InvalidPackage("is streamed", place=place(path), hint="Send a tar.gz.")
    if claims.flags & ~_HARMLESS_FLAGS:
        raise InvalidPackage("is encrypted or patched", place=place(path))
    if claims.method not in {0, 8}:
        raise InvalidPackage("is neither stored nor deflated", place=place(path))
    return path


def _check_extras(extras: bytes, path: str) -> None:
    position = 0
    while position < len(extras):
        mark, size = _EXTRA.unpack(exactly(extras, position, _EXTRA.size, path))
        exactly(extras, position := position + _EXTRA.size, size, path)
        position += size
        if mark not in _HARMLESS_EXTRAS:
            raise InvalidPackage(f"the zip extra field 0x{mark:04x} is refused", place=place(path))


def _read_zipped(data: bytes, listed: _Listed, contents: Contents) -> int:
    """Read one entry and return where it ends."""
    flags, method, crc, packed, size, name, extra = _zip_header(
        _LOCAL, data, listed.offset, b"PK\x03\x04"
    )
    start = listed.offset + _LOCAL.size + name + extra
    raw_name = bytes(exactly(data, listed.offset + _LOCAL.size, name, listed.path))
    if _Claims(raw_name, flags, method, crc, packed, size) != listed.claims:
        raise InvalidPackage("two headers claim different things", place=place(listed.path))
    _check_extras(bytes(exactly(data, start - extra, extra, listed.path)), listed.path)
    _keep_zipped(exactly(data, start, packed, listed.path), listed, contents)
    return start + packed


def _keep_zipped(raw: memoryview, listed: _Listed, contents: Contents) -> None:
    mode, path = listed.attributes >> 16, listed.path
    is_folder = path.endswith("/")
    if stat.S_IFMT(mode) not in {0, stat.S_IFDIR if is_folder else stat.S_IFREG}:
        raise InvalidPackage("is a link, a device or misnamed", place=place(path))
    if listed.attributes & _DOS_FOLDER and not is_folder:
        raise InvalidPackage("is a folder and a file at once", place=place(path))
    if is_folder:
        contents.folder(path.removesuffix("/"))
        if listed.claims.size:
            raise InvalidPackage("a folder has content", place=place(path))
    else:
        contents.make_room(path, listed.claims.size)
        data = _unzip(raw, listed, contents.limits)
        contents.file(path, data, executable=bool(mode & stat.S_IXUSR))


def _unzip(raw: memoryview, listed: _Listed, limits: Limits) -> bytes:
    size, where = listed.claims.size, place(listed.path)
    check_ratio(len(raw), size, limits, listed.path)
    data = bytes(raw) if listed.claims.method == 0 else _inflate(raw, size, where)
    if len(data) != size or zlib.crc32(data) != listed.claims.crc:
        raise InvalidPackage("the data does not fit its size and checksum", place=where)
    return data


def _inflate(raw: memoryview, size: int, where: str) -> bytes:
    inflater = zlib.decompressobj(wbits=-15)
    try:
        data = inflater.decompress(raw, size + 1)
    except zlib.error as error:
        raise InvalidPackage(f"the data is broken ({error})", place=where) from error
    if not inflater.eof or inflater.unused_data:
        raise InvalidPackage("the data does not fit its size", place=where)
    return data
