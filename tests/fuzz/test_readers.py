"""Every reader of strangers' bytes gives a value or a refusal in our words, and nothing else."""

from __future__ import annotations

import gzip
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fuzz.seeds import TOKENS, seeds
from fuzz.targets import TARGETS, WEB, attempt

CASES = Path(__file__).parent / "cases"
FOUND = sorted(path for path in CASES.rglob("*") if path.is_file())
EXAMPLES = 40


@pytest.fixture(scope="module", autouse=True)
def _web() -> Iterator[None]:
    yield
    WEB.close()


@st.composite
def mutated(draw: st.DrawFn, whole: list[bytes]) -> bytes:
    """Bytes of the right kind, with some of them cut, doubled, replaced or put in between."""
    data = draw(st.sampled_from(whole))
    for _ in range(draw(st.integers(0, 6))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.integers(0, 40)))
        put = draw(
            st.one_of(st.sampled_from(TOKENS), st.binary(max_size=8), st.just(data[start:end]))
        )
        data = data[:start] + put + data[end if draw(st.booleans()) else start :]
    return data


@pytest.mark.parametrize("name", TARGETS)
def test_a_reader_gives_a_value_or_refuses(name: str) -> None:
    @settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
    @given(st.one_of(mutated(seeds()[name]), st.binary(max_size=300)))
    def feed(data: bytes) -> None:
        attempt(TARGETS[name], data)

    feed()


@pytest.mark.parametrize("name", TARGETS)
def test_what_it_is_made_for_is_read(name: str) -> None:
    for seed in seeds()[name]:
        attempt(TARGETS[name], seed)


@pytest.mark.parametrize("case", FOUND, ids=lambda path: f"{path.parent.name}-{path.name[:20]}")
def test_what_fuzzing_has_found_stays_mended(case: Path) -> None:
    attempt(TARGETS[case.parent.name], case.read_bytes())


MiB = 1024 * 1024
SIZE = MiB // 16
BOMBS = {
    "deep arrays": b"[" * SIZE,
    "deep objects": b'{"a":' * (SIZE // 5),
    "deep flow": b"a: " + b"[{x: " * (SIZE // 5),
    "deep blocks": b"".join(b" " * n + b"a:\n" for n in range(500)),
    "aliases": b"a0: &a0 [x, x]\n"
    + b"".join(
        b"a%d: &a%d [%b]\n" % (n, n, b",".join([b"*a%d" % (n - 1)] * 9)) for n in range(1, 30)
    ),
    "one long line": b"a" * SIZE,
    "one long word": b"data: " + b"a" * (2 * SIZE),
    "many lines": b"a\n" * (SIZE // 2),
    "many keys": b"".join(b"k%d: v\n" % n for n in range(4_000)),
    "many members": b"{" + b",".join(b'"k%d":0' % n for n in range(4_000)) + b"}",
    "dots": b"a" + b".a" * (SIZE // 2) + b" = 1",
    "digits": b"1" * SIZE,
    "brackets and quotes": b"[\"'`<{(" * (SIZE // 8),
    "marks": "a\u0301\u0327".encode() * (SIZE // 5),
    "base64": b"QUFB" * (SIZE // 4),
    "gzip of zeros": gzip.compress(bytes(64 * MiB)),
    "zstd of zeros": zstandard.ZstdCompressor().compress(bytes(64 * MiB)),
    "versions": b">=1.0.0 <2.0.0 || " * (SIZE // 18),
    "signatures": "\u2014 a AAAA\n".encode() * (SIZE // 12),
}
HEADROOM = 64 * MiB
"""Beyond the input: a tar of 8 MiB may be unpacked, cut into files and laid out."""


@pytest.mark.parametrize("bomb", BOMBS)
def test_what_is_made_to_be_too_much_takes_no_more_than_its_bound(bomb: str) -> None:
    for name, target in TARGETS.items():
        if name == "web":  # its guards bound a body before anybody reads it
            continue
        tracemalloc.start()
        try:
            attempt(target, BOMBS[bomb])
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < HEADROOM, (name, peak)
