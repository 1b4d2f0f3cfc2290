"""Server-sent events as a client reads them: frames, out of the bytes of a stream.

    id: 42
    event: tool_call_recorded
    data: {"id":42,"kind":"tool_call_recorded"}

An empty line ends a frame. Lines end in LF, CRLF or CR; one that starts with a colon is a comment,
which keeps the connection alive; several `data` lines are joined by LF; a frame that the end of the
stream cuts off is none. The rules are those of the HTML standard, section 9.2.6, and bounds beside
them: a line and a frame have at most `MOST` bytes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from registry_core.errors import TooLarge

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MOST = 1024 * 1024

_END = re.compile(rb"\r\n|\r|\n")
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Frame:
    """One event of the stream; `id` is the last one sent, which a frame may leave out."""

    id: str
    event: str
    data: str


class Frames:
    """Makes frames of the parts of one stream as they come."""

    def __init__(self) -> None:
        self._lines = _Lines()
        self._id = ""
        self._event = ""
        self._data: list[str] = []
        self._size = 0

    def feed(self, part: bytes) -> Iterator[Frame]:
        """Yield the frames that this part completes. Raises TooLarge."""
        for line in self._lines.feed(part):
            if line:
                self._take(line)
                continue
            if self._data:
                yield Frame(self._id, self._event or "message", "\n".join(self._data))
            self._event, self._data, self._size = "", [], 0

    def _take(self, line: bytes) -> None:
        self._size += len(line)
        if self._size > MOST:
            raise _too_large("frame")
        name, _, value = line.decode(errors="replace").partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._event = value
        elif name == "id" and "\0" not in value:
            self._id = value


class _Lines:
    """Cuts lines out of parts, wherever the parts were cut."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._after_cr = False
        self._first = True

    def feed(self, part: bytes) -> Sequence[bytes]:
        if self._after_cr:
            part = part.removeprefix(b"\n")  # the second half of a line end that is counted
        self._after_cr = part.endswith(b"\r")
        *whole, rest = _END.split(part)
        if whole:
            whole[0] = bytes(self._rest) + whole[0]
            self._rest = bytearray(rest)
        else:
            self._rest += rest
        if len(self._rest) > MOST:
            raise _too_large("line")
        return self._without_mark(whole)

    def _without_mark(self, whole: list[bytes]) -> list[bytes]:
        if self._first and whole:
            self._first = False
            whole[0] = whole[0].removeprefix(_BOM)
        return whole


def _too_large(what: str) -> TooLarge:
    return TooLarge(f"a {what} of the event stream is longer than the {MOST:,} bytes it may have")
