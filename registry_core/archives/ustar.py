r"""Tar and tar.gz, read by narrow rules and written so that equal files give equal bytes.

Read are POSIX ustar, and GNU's magic where no GNU extension is used:

    blocks   of 512 bytes; a header, then the data padded with zeros
    types    `0` file, `5` folder, `x` pax header of the next entry, `g` global pax header
    pax      `<length> <key>=<value>\n`; `x` may give path, times and owners, `g` a comment
    end      two blocks of zeros, and nothing but zeros after them
    gzip     one member around all of it, and no byte after it

Every other type (links, devices, GNU long names, sparse files) is refused.
"""

from __future__ import annotations

import re
import stat
import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from registry_core.archives.contents import Contents, Entry, Limits, check_ratio, exactly, utf8
from registry_core.archives.paths import check_paths, place
from registry_core.errors import InvalidPackage, TooLarge

_BLOCK = 512
_ZEROS = bytes(_BLOCK)
_OCTAL = re.compile(rb" *([0-7]+)[ \0]*")
_PAX_LENGTH = re.compile(rb"([1-9][0-9]{0,7}) ")
_PAX_KEYS = frozenset(
    b"path size mtime atime ctime uid gid uname gname comment SCHILY.dev SCHILY.ino SCHILY.nlink"
    b" SCHILY.fflags LIBARCHIVE.creationtime".split()
)
_PAX_ATTRIBUTES = (b"SCHILY.xattr.", b"LIBARCHIVE.xattr.")
_REFUSED_TYPES = {
    b"\0": "has the type of tars before POSIX",
    b"1": "is a hard link",
    b"2": "is a symbolic link",
    b"3": "is a character device",
    b"4": "is a block device",
    b"6": "is a named pipe",
    b"K": "needs GNU's long names",
    b"L": "needs GNU's long names",
    b"S": "is a GNU sparse file",
}


@dataclass(frozen=True, slots=True)
class _Header:
    name: str
    type: bytes
    size: int
    mode: int


def gunzip(data: bytes, limits: Limits) -> bytes:
    """Unpack a gzip stream of one member, never further than a tar may be long."""
    inflater = zlib.decompressobj(wbits=31)
    try:
        tar = inflater.decompress(data, limits.tar + 1)
    except zlib.error as error:
        raise InvalidPackage(f"the gzip stream is broken ({error})") from error
    if len(tar) > limits.tar:
        raise TooLarge(f"the archive unpacks to more than {limits.tar} bytes")
    if not inflater.eof:
        raise InvalidPackage("the gzip stream is cut short")
    if inflater.unused_data:
        raise InvalidPackage("there are bytes after the gzip stream")
    check_ratio(len(data), len(tar), limits)
    return tar


def read_tar(tar: bytes, contents: Contents) -> None:
    """Put every file of a tar into `contents`."""
    offset = 0
    pax: dict[bytes, bytes] = {}
    while (block := exactly(tar, offset, _BLOCK)) != _ZEROS:
        contents.count()
        header = _tar_header(block)
        body = exactly(tar, offset + _BLOCK, header.size, header.name)
        offset += _BLOCK + -(-header.size // _BLOCK) * _BLOCK
        if header.type not in {b"x", b"g"}:
            _read_member(header, pax, body, contents)
            pax = {}
        elif pax:
            raise InvalidPackage("two extended headers in a row", place=place(header.name))
        else:
            pax = _read_pax(header, body, contents.limits.pax)
    if pax:
        raise InvalidPackage("the last extended header belongs to no entry")
    if len(tar) < offset + 2 * _BLOCK or tar[offset:].strip(b"\0"):
        raise InvalidPackage("the end of the archive is missing, or more than zeros follow it")


def _tar_header(view: memoryview) -> _Header:
    block = bytes(view)
    _check_tar_block(block)
    prefix = block[345:500].partition(b"\0")[0]
    name = utf8((prefix + b"/" if prefix else b"") + block[:100].partition(b"\0")[0])
    kind = block[156:157]
    if kind not in {b"0", b"5", b"x", b"g"}:
        fault = _REFUSED_TYPES.get(kind, f"has the unknown type {kind!r}")
        raise InvalidPackage(
            fault, place=place(name), hint="Pack plain files only, with `tar --format=pax`."
        )
    return _Header(name, kind, _octal(block[124:136], name), _octal(block[100:108], name))


def _check_tar_block(block: bytes) -> None:
    magic = block[257:265]
    if magic not in {b"ustar\x0000", b"ustar  \0"}:
        raise InvalidPackage("a header is not that of a tar")
    if magic == b"ustar  \0" and block[345:500].strip(b"\0"):
        raise InvalidPackage("a header uses GNU extensions", hint="Use `tar --format=pax`.")
    if _octal(block[148:156], "") != sum(block) - sum(block[148:156]) + 8 * ord(" "):
        raise InvalidPackage("the checksum of a header is wrong")


def _octal(field: bytes, name: str) -> int:
    number = _OCTAL.fullmatch(field)
    if not number:
        raise InvalidPackage("a header field is no octal number", place=place(name))
    return int(number[1], 8)


def _read_pax(header: _Header, view: memoryview, limit: int) -> dict[bytes, bytes]:
    """Return the records of an extended header; a global one may only comment."""
    if header.size > limit:
        raise TooLarge(f"an extended header is at most {limit} bytes, not {header.size}")
    records: dict[bytes, bytes] = {}
    for key, value in _pax_records(bytes(view), header.name):
        if key in records:
            raise InvalidPackage(f"{key!r} stands there twice", place=place(header.name))
        if key not in _PAX_KEYS and not key.startswith(_PAX_ATTRIBUTES):
            raise InvalidPackage(f"the pax key {key[:64]!r} is refused", place=place(header.name))
        records[key] = value
    if header.type == b"x":
        return records
    if records.keys() - {b"comment"}:
        raise InvalidPackage("a global pax header changes entries", place=place(header.name))
    return {}


def _pax_records(body: bytes, name: str) -> Iterator[tuple[bytes, bytes]]:
    position = 0
    while position < len(body):
        length = _PAX_LENGTH.match(body, position)
        end = position + int(length[1]) if length else 0
        if not length or not length.end() < end <= len(body) or body[end - 1] != ord("\n"):
            raise InvalidPackage("the extended header is broken", place=place(name))
        key, equals, value = body[length.end() : end - 1].partition(b"=")
        if not equals:
            raise InvalidPackage("the extended header is broken", place=place(name))
        yield key, value
        position = end


def _read_member(
    header: _Header, pax: dict[bytes, bytes], body: memoryview, contents: Contents
) -> None:
    name = utf8(pax[b"path"]) if b"path" in pax else header.name
    if pax.get(b"size", b"%d" % header.size) != b"%d" % header.size:
        raise InvalidPackage("two headers claim different sizes", place=place(name))
    if header.type == b"0":
        path = name.removeprefix("./")
        contents.make_room(path, header.size)
        contents.file(path, bytes(body), executable=bool(header.mode & stat.S_IXUSR))
    elif header.size:
        raise InvalidPackage("a folder has content", place=place(name))
    elif name not in {".", "./"}:
        contents.folder(name.removeprefix("./").removesuffix("/"))


def write_tar_gz(entries: Iterable[Entry]) -> bytes:
    """Pack files so that the same files always give the same bytes.

    Sorted by path; no folders, owners or times; mode 0644, or 0755 where executable; a pax header
    only where a path does not fit ustar.
    """
    files = sorted(entries, key=lambda entry: entry.path)
    check_paths(entry.path for entry in files)
    tar = b"".join(block for entry in files for block in _tar_blocks(entry)) + 2 * _ZEROS
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
    # Written by hand: what `gzip` puts into its header differs between Python versions.
    head = b"\x1f\x8b\x08\0" + bytes(4) + b"\x02\xff"
    tail = struct.pack("<2L", zlib.crc32(tar), len(tar) & 0xFFFFFFFF)
    return head + deflater.compress(tar) + deflater.flush() + tail


def _tar_blocks(entry: Entry) -> Iterator[bytes]:
    split = _split_name(entry.path)
    if split is None:
        record = _pax_record(b"path", entry.path.encode())
        yield _ustar(b"", b"pax", b"x", len(record), 0o644)
        yield _padded(record)
        split = b"", entry.path.encode("ascii", "replace")[:100]
    yield _ustar(*split, b"0", len(entry.data), 0o755 if entry.executable else 0o644)
    yield _padded(entry.data)


def _split_name(path: str) -> tuple[bytes, bytes] | None:
    """Split an ASCII path into ustar's prefix and name; None where they cannot hold it."""
    if not path.isascii():
        return None
    raw = path.encode()
    if len(raw) <= 100:
        return b"", raw
    cut = raw.rfind(b"/", 0, 156)
    return (raw[:cut], raw[cut + 1 :]) if cut > 0 and len(raw) - cut - 1 <= 100 else None


def _pax_record(key: bytes, value: bytes) -> bytes:
    bare = len(key) + len(value) + 3
    length = bare + len(str(bare))
    return b"%d %b=%b\n" % (bare + len(str(length)), key, value)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % _BLOCK)


def _ustar(prefix: bytes, name: bytes, kind: bytes, size: int, mode: int) -> bytes:
    head = struct.pack(
        "100s8s8s8s12s12s8s1s100s8s32s32s8s8s155s12x",
        name,
        b"%07o" % mode,
        b"%07o" % 0,
        b"%07o" % 0,
        b"%011o" % size,
        b"%011o" % 0,
        b" " * 8,
        kind,
        b"",
        b"ustar\x0000",
        b"",
        b"",
        b"%07o" % 0,
        b"%07o" % 0,
        prefix,
    )
    return head[:148] + b"%06o\0 " % sum(head) + head[156:]
