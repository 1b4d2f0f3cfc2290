"""Writing for people: text made harmless for a terminal, columns, and a bar that moves.

Data goes to standard output and talk (errors, hints, progress) to standard error. Text from
packages and registries is a stranger's: what a terminal would obey (escape sequences, control
characters, changes of writing direction, invisible tags) is removed before it is shown.
"""

from __future__ import annotations

import re
import shutil
import sys
import unicodedata
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from ctxmcp.settings import Manners, manners

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_SEQUENCE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"  # titles, links
    r"|\x1b[ -/]*[0-~]?"
)
_OBEYED = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff"
    "\U000e0000-\U000e007f]"
)
_WIDEST = 100
_NARROWEST = 40


def harmless(text: str) -> str:
    """Return `text` without anything a terminal would obey; lines and tabs stay."""
    return _OBEYED.sub("", _SEQUENCE.sub("", text.replace("\r\n", "\n")))


def one_line(text: str) -> str:
    """Return `text` harmless and on one line."""
    return " ".join(harmless(text).split())


def json_text(text: str) -> str:
    """Escape in a JSON text what a terminal would obey: it can only stand inside strings."""
    return _OBEYED.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))


@dataclass(frozen=True, slots=True)
class Paper:
    """What is written on: its width, and whether lines may be cut to it."""

    columns: int = 80
    cuts: bool = False
    """False where no person looks: a file gets whole lines."""


def look() -> Paper:
    """Look at standard output."""
    if not _is_terminal(sys.stdout):
        return Paper()
    columns = shutil.get_terminal_size().columns
    return Paper(min(max(columns, _NARROWEST), _WIDEST), cuts=True)


def aligned(rows: Sequence[Sequence[str]], on: Paper, *, indent: str = "") -> list[str]:
    """Align rows into columns; the last column ends where the paper does."""
    widths = [max(map(width, column)) for column in zip(*rows, strict=True)][:-1]
    lines = []
    for row in rows:
        cells = [cell + " " * (w - width(cell)) for cell, w in zip(row, widths, strict=False)]
        line = indent + "  ".join([*cells, row[-1]]).rstrip()
        lines.append(cut(line, on.columns) if on.cuts else line)
    return lines


def cut(text: str, columns: int) -> str:
    """Shorten `text` to the columns it may take, with an ellipsis where something is missing."""
    if width(text) <= columns:
        return text
    while width(text) >= columns:
        text = text[:-1]
    return f"{text.rstrip()}…"


def width(text: str) -> int:
    """Count the columns of a terminal that `text` takes."""
    return sum(_columns(character) for character in text)


def _columns(character: str) -> int:
    if character.isascii():
        return 1
    if unicodedata.combining(character) or unicodedata.category(character) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if unicodedata.east_asian_width(character) in {"W", "F"} else 1


class Unread(Exception):
    """Nobody reads standard output any more, as behind `| head`."""


def put(text: str) -> None:
    """Print data to standard output; Unread where nobody takes it."""
    try:
        click.echo(text, color=manners().colour)
    except BrokenPipeError as error:
        raise Unread from error


def say(text: str) -> None:
    """Print talk to standard error."""
    click.echo(text, err=True, color=manners().colour)


class Bar:
    """A bar on standard error, drawn from the first time that there is something to show."""

    def __init__(self, *, drawn: bool) -> None:
        self._drawn = drawn
        self._shown: Any = None
        self._task: Any = None

    def at(self, done: int, total: int, words: str) -> None:
        """Show how much is done, and what was done last."""
        if not self._drawn:
            return
        if self._shown is None:
            self._start()
        self._shown.update(self._task, completed=done, total=total, description=one_line(words))

    def _start(self) -> None:
        from rich.console import Console  # noqa: PLC0415 - only where a bar is really drawn
        from rich.progress import Progress  # noqa: PLC0415 - as above

        self._shown = Progress(console=Console(stderr=True), transient=True)
        self._task = self._shown.add_task("")
        self._shown.start()

    def end(self) -> None:
        """Take the bar away."""
        if self._shown is not None:
            self._shown.stop()


@contextmanager
def progress(*, quiet: bool = False) -> Iterator[Bar]:
    """Give a bar for what takes time; it is drawn where somebody looks at standard error."""
    bar = Bar(drawn=not quiet and moves(manners()))
    try:
        yield bar
    finally:
        bar.end()


def moves(wanted: Manners) -> bool:
    """Tell whether a bar may move on standard error."""
    return not wanted.still and _is_terminal(sys.stderr)


def _is_terminal(stream: Any) -> bool:
    return stream is not None and stream.isatty()
