"""Every text of a package that an agent may read, with where it stands and what it is.

Looked at are the files (a compressed document is one too), file names, and the decoded strings and
keys of manifest and content, except what is looked at as a file. A file is text unless it holds a
NUL byte and its name does not promise text; what is not UTF-8 in it is read with marks of doubt.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from registry_core.names import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from registry_core.formats import Candidate, File


class Surface(StrEnum):
    """What a text is to an agent: that decides which rules hold for it."""

    DOCUMENT = "document"
    """A skill or a page: instructions are what it is made of."""
    DESCRIPTION = "description"
    """Says what something is or does, a tool above all; has no business instructing anybody."""


@dataclass(frozen=True, slots=True)
class Text:
    """One text: `keys` lead to it inside a manifest or content, `path` is that of a file."""

    text: str
    path: str = ""
    keys: tuple[str | int, ...] = ()
    surface: Surface = Surface.DOCUMENT

    def place(self, offset: int = 0) -> str:
        """Name where the character at `offset` stands."""
        return self.at_line(self.text.count("\n", 0, offset) + 1)

    def at_line(self, line: int) -> str:
        """Name a line: `path:line`, or `content.facts[0].value` for the only line of a string."""
        if self.path:
            return f"{self.path}:{line}"
        written = "".join(f"[{k}]" if isinstance(k, int) else f".{k}" for k in self.keys)
        place = written.removeprefix(".")[:512]
        return f"{place}:{line}" if line > 1 else place


def in_files(files: Iterable[File]) -> Iterator[Text]:
    """Give the text of every file that is text."""
    for file in files:
        text = text_of(file)
        if text is not None:
            yield Text(text, path=file.path)


def strings(candidate: Candidate) -> Iterator[Text]:
    """Give file names, and the strings and keys of manifest and content, each key once.

    Before them, a readme that was sent beside the package and is no file of it.
    """
    if candidate.readme and all(file.text != candidate.readme for file in candidate.files):
        yield Text(candidate.readme, path="README.md")
    for file in candidate.files:
        yield Text(file.path, keys=("file name",))
    yield Text(candidate.description, keys=("description",), surface=_described(candidate))
    yield from _below(candidate.manifest, ("manifest",), _described(candidate))
    yield from _below(candidate.content, ("content",), Surface.DESCRIPTION)


def text_of(file: File) -> str | None:
    """Return a file's text, or None for what is binary."""
    if b"\0" in file.data and not file.path.lower().endswith(_TEXTUAL):
        return None
    return file.data.decode(_encoding(file.data), "replace")


def _encoding(data: bytes) -> str:
    return "utf-16" if data[:2] in {b"\xff\xfe", b"\xfe\xff"} else "utf-8"


_TEXTUAL = tuple(
    f".{ending}"
    for group in (
        "md markdown mdx txt rst adoc html htm csv sql env",
        "json jsonl yaml yml toml ini cfg xml",
        "py js mjs cjs ts tsx jsx rb pl php go rs java kt swift lua r",
        "sh bash zsh fish ps1 psm1 bat cmd",
    )
    for ending in group.split()
)


def _described(candidate: Candidate) -> Surface:
    tool = candidate.kind in {Kind.TOOL, Kind.ADDON}
    return Surface.DESCRIPTION if tool else Surface.DOCUMENT


def _below(
    root: Mapping[str, Any], place: tuple[str | int, ...], surface: Surface
) -> Iterator[Text]:
    seen: set[str] = set()
    left: list[tuple[tuple[str | int, ...], Any]] = [(place, root)]
    while left:
        keys, value = left.pop()
        if isinstance(value, Mapping):
            yield from (Text(str(key), keys=(*keys, "key")) for key in value.keys() - seen)
            seen.update(value)
        for key, item in _members(value):
            if isinstance(item, str):
                yield Text(item, keys=(*keys, key), surface=surface)
            elif isinstance(item, dict | list):
                left.append(((*keys, key), item))


def _members(value: Any) -> list[tuple[Any, Any]]:
    """List what is below a value, without the copies of files."""
    if isinstance(value, list):
        return list(enumerate(value))
    left_out = {"manifest_toml"} if value.get("encoding") != "zstd+base64" else {"body"}
    return [(key, item) for key, item in value.items() if key not in left_out]
