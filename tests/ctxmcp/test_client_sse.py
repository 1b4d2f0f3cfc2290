"""Reading event streams: every way to write one, cut anywhere, and bounded."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctxmcp import sse
from ctxmcp.sse import Frame, Frames
from registry_core.errors import TooLarge

STREAM = (
    ":\n\n"
    "id: 1\nevent: a\ndata: {}\n\n"
    ": keep-alive\n\n"
    "id:2\ndata: one\ndata:  two\n\n"
    "retry: 10\nunknown\ndata\n\n"
    "event: no data\n\n"
    "data: é\n\n"
    "id: 9\ndata: cut off\n"
)
FRAMES = [
    Frame("1", "a", "{}"),
    Frame("2", "message", "one\n two"),
    Frame("2", "message", ""),
    Frame("2", "message", "é"),
]


def read(*parts: bytes) -> list[Frame]:
    frames = Frames()
    return [frame for part in parts for frame in frames.feed(part)]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@given(cuts=st.sets(st.integers(0, 130)))
def test_a_stream_is_the_same_in_each_line_end_and_however_it_is_cut(
    end: str, cuts: set[int]
) -> None:
    data = STREAM.replace("\n", end).encode()
    places = [0, *sorted(cuts), len(data)]
    parts = [data[a:b] for a, b in itertools.pairwise(places)]
    assert read(*parts) == FRAMES


def test_a_byte_order_mark_is_none_of_the_first_line() -> None:
    assert read(b"\xef\xbb\xbfdata: x\n\n") == [Frame("", "message", "x")]


def test_an_id_with_a_null_character_is_ignored() -> None:
    assert read(b"id: 1\nid: 2\x003\ndata: x\n\n") == [Frame("1", "message", "x")]


def test_bytes_that_are_no_utf_8_are_replaced() -> None:
    assert read(b"data: \xff\n\n") == [Frame("", "message", "�")]


def test_a_line_that_never_ends_is_given_up() -> None:
    with pytest.raises(TooLarge, match="line"):
        read(*[b"data: " + b"x" * 65536] * 20)


def test_a_frame_of_ever_more_lines_is_given_up() -> None:
    with pytest.raises(TooLarge, match="frame"):
        read(*[b"data: x\n" * 8192] * (sse.MOST // 8192))


def test_a_long_stream_of_short_frames_is_not() -> None:
    assert len(read(*[b"data: x\n\n" * 8192] * 20)) == 20 * 8192
