"""Document blobs: every way in which a compressed body can be wrong, and how much it may cost."""

from __future__ import annotations

import base64
import hashlib
import json
import tracemalloc

import pytest
import zstandard

from registry_core.errors import InvalidPackage
from registry_core.formats import MAX_CONTENT, MAX_FILE, Candidate, ctxpkg

MiB = 1024 * 1024


def frame(data: bytes, **options: object) -> bytes:
    return zstandard.ZstdCompressor(**options).compress(data)


def wide(data: bytes, window_log: int) -> bytes:
    """Compress as a stream: the frame announces its window and not its size."""
    parameters = zstandard.ZstdCompressionParameters(window_log=window_log)
    packer = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    return packer.compress(data) + packer.flush()


def blob(packed: bytes, plain: bytes, path: str = "a") -> dict[str, object]:
    return {
        "path": path,
        "sha256": hashlib.sha256(plain).hexdigest(),
        "encoding": "zstd+base64",
        "body": base64.b64encode(packed).decode(),
    }


def read(*blobs: dict[str, object]) -> Candidate:
    manifest = {
        "schema_version": 2,
        "kind": "skills",
        "name": "@acme/x",
        "version": "1.0.0",
        "integrity": {"sha256": "", "content_hash": "", "byte_size": 1},
    }
    whole = {"manifest": manifest, "content": {"documents": {"files": blobs}}}
    return ctxpkg.read(json.dumps(whole).encode())


@pytest.mark.parametrize(
    "packed",
    [
        frame(b"plain"),
        frame(b"plain", write_content_size=False),
        frame(b"plain", write_checksum=True),
        frame(b"plain", level=22),
        frame(b"pl") + frame(b"") + frame(b"ain"),
        wide(b"plain", 21),
        wide(b"plain", 23),
    ],
)
def test_every_frame_a_client_may_write_is_unpacked(packed):
    assert read(blob(packed, b"plain")).files[0].data == b"plain"


def test_a_file_of_exactly_one_mebibyte_is_read_and_one_byte_more_is_not():
    most = b"x" * MAX_FILE
    assert read(blob(frame(most), most)).files[0].data == most
    with pytest.raises(InvalidPackage, match=r"files\[0\] \('a'\).*more than 1048576 bytes"):
        read(blob(frame(most + b"x"), most + b"x"))


def test_256_files_of_8_mib_together_are_read_and_no_more():
    small = [blob(frame(b""), b"", f"f{number}") for number in range(257)]
    assert len(read(*small[:256]).files) == 256
    with pytest.raises(InvalidPackage, match="more than 256 files"):
        read(*small)
    most = b"x" * MAX_FILE
    large = [blob(frame(most), most, f"f{number}") for number in range(9)]
    assert sum(file.size for file in read(*large[:8]).files) == MAX_CONTENT
    with pytest.raises(InvalidPackage, match=f"more than {MAX_CONTENT} bytes"):
        read(*large)


@pytest.mark.parametrize("known_size", [True, False])
@pytest.mark.parametrize("level", [1, 19])
def test_a_bomb_is_stopped_after_a_few_megabytes(level, known_size):
    packed = frame(bytes(64 * MiB), level=level, write_content_size=known_size)
    tracemalloc.start()
    try:
        with pytest.raises(InvalidPackage, match="more than 1048576 bytes"):
            read(blob(packed, b""))
        assert tracemalloc.get_traced_memory()[1] < 32 * MiB
    finally:
        tracemalloc.stop()


def test_a_bomb_of_many_frames_is_stopped_too():
    with pytest.raises(InvalidPackage, match="more than 1048576 bytes"):
        read(blob(frame(bytes(MiB)) * 64, b""))


@pytest.mark.parametrize(
    ("packed", "words"),
    [
        (frame(b"plain") + b"x", "cannot be unpacked"),
        (frame(b"plain") + b"\x28\xb5", "incomplete"),
        (frame(b"plain")[:-1], "incomplete"),
        (frame(b"plain", write_checksum=True)[:-1], "incomplete"),
        (frame(b"plain", write_checksum=True)[:-4] + b"0000", "cannot be unpacked"),
        (b"plain", "cannot be unpacked"),
        (b"", "incomplete"),
        (wide(b"plain", 24), "too much memory"),
        (wide(b"plain", 27), "too much memory"),
    ],
)
def test_a_frame_that_is_broken_cut_or_too_wide_is_refused(packed, words):
    with pytest.raises(InvalidPackage, match=words):
        read(blob(packed, b"plain"))


BODY = base64.b64encode(frame(b"plains")).decode()


def test_white_space_around_a_body_is_trimmed():
    assert read({**blob(b"", b"plains"), "body": f"\n {BODY}\t\r\n"}).files[0].data == b"plains"


@pytest.mark.parametrize(
    "body",
    [
        BODY.rstrip("=") if BODY.endswith("=") else BODY[:-1],
        BODY + "=",
        BODY[:4] + "\n" + BODY[4:],
        BODY.replace(BODY[3], "-"),
        BODY[:-4],
        "é" + BODY,
        "=" + BODY,
    ],
)
def test_base64_is_read_by_the_letter(body):
    with pytest.raises(InvalidPackage, match=r"files\[0\] \('a'\)"):
        read({**blob(b"", b"plains"), "body": body})


def test_stray_bits_behind_the_last_byte_are_refused():
    packed = next(
        packed for packed in (frame(b"x" * length) for length in range(9)) if len(packed) % 3 == 1
    )
    body = base64.b64encode(packed).decode()
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    stray = body[:-3] + letters[letters.index(body[-3]) + 1] + "=="
    assert base64.b64decode(stray, validate=True) == packed
    with pytest.raises(InvalidPackage, match="canonical"):
        read({**blob(b"", b""), "body": stray})


@pytest.mark.parametrize("encoding", ["", "zstd", "ZSTD+base64", "gzip+base64"])
def test_another_encoding_is_refused(encoding):
    with pytest.raises(InvalidPackage, match="is not zstd"):
        read({**blob(frame(b""), b""), "encoding": encoding})


def test_the_digest_is_of_the_plain_bytes_and_its_case_does_not_matter():
    good = blob(frame(b"plain"), b"plain", "docs/a.md")
    assert read({**good, "sha256": str(good["sha256"]).upper()}).files[0].data == b"plain"
    other = hashlib.sha256(b"other").hexdigest()
    with pytest.raises(InvalidPackage, match=f"docs/a.md.*{other}.*{good['sha256']}"):
        read({**good, "sha256": other})
