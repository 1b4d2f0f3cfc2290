"""Which paths a package may hold: one rule for all readers, whatever they read."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator

from registry_core.errors import InvalidPackage
from registry_core.names import shown

_Rules = tuple[tuple[str, Callable[[str], bool]], ...]

_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_DEVICES = frozenset(
    ["aux", "con", "nul", "prn", "conin$", "conout$"]
    + [f"{port}{digit}" for port in ("com", "lpt") for digit in "123456789¹²³"]
)

_PATH_RULES: _Rules = (
    ("is empty", lambda path: not path),
    ("holds control or invisible characters", lambda path: any(map(_hidden, path))),
    ("is longer than 512 bytes", lambda path: len(path.encode()) > 512),
    ("starts with a slash", lambda path: path.startswith("/")),
    ("holds a backslash or a colon", lambda path: "\\" in path or ":" in path),
    ("has an empty or dot component", lambda path: any(p in {"", "."} for p in path.split("/"))),
    ("has a component that starts with two dots", lambda path: "/.." in f"/{path}"),
    (
        "has a component longer than 255 bytes",
        lambda path: any(len(part.encode()) > 255 for part in path.split("/")),
    ),
)

_PORTABLE_RULES: _Rules = (
    ("is not in Unicode form NFC", lambda path: not unicodedata.is_normalized("NFC", path)),
    ('holds one of < > " | ? *', lambda path: re.search(r'[<>"|?*]', path) is not None),
    (
        "has a component that ends with a dot or a blank",
        lambda path: any(part[-1:] in {".", " "} for part in path.split("/")),
    ),
    (
        "has a component that is the name of a Windows device",
        lambda path: any(
            part.partition(".")[0].rstrip().lower() in _DEVICES for part in path.split("/")
        ),
    ),
)


def check_path(path: str) -> None:
    """Refuse a path that is not plainly relative, in the words of the ctxpkg file rules."""
    _apply(_PATH_RULES, path)


def check_portable(path: str, *, longest: int = 240, deepest: int = 16) -> None:
    """Refuse, beyond `check_path`, what some file system cannot hold under exactly this name."""
    check_path(path)
    _apply(_PORTABLE_RULES, path)
    if len(path.encode()) > longest:
        raise InvalidPackage(f"the path is longer than {longest} bytes", place=place(path))
    if path.count("/") >= deepest:
        raise InvalidPackage(f"the path is deeper than {deepest} folders", place=place(path))


def check_paths(paths: Iterable[str], *, folders: Iterable[str] = ()) -> None:
    """Refuse files that one folder cannot hold together.

    Two that differ in case or Unicode form only are one file on some disks, and a path below a
    file asks it to be a folder as well. `folders` are those an archive names by themselves.
    """
    files: dict[str, str] = {}
    for path in paths:
        check_path(path)
        key = _folded(path)
        if key in files:
            raise InvalidPackage(f"is the same file as {shown(files[key], 256)}", place=place(path))
        files[key] = path
    for path in (*files.values(), *(f"{folder}/" for folder in folders)):
        if any(above in files for above in _above(_folded(path))):
            raise InvalidPackage("a path that is a file is a folder too", place=place(path))


def place(path: str) -> str:
    """Show a stranger's path as the place of an error: escaped where it must be, and cut."""
    return path if path.isprintable() and 0 < len(path) <= 256 else shown(path, 256)


def _folded(path: str) -> str:
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", path).casefold())


def _above(path: str) -> Iterator[str]:
    return (path[:index] for index, character in enumerate(path) if character == "/")


def _hidden(character: str) -> bool:
    return unicodedata.category(character) in _HIDDEN


def _apply(rules: _Rules, path: str) -> None:
    for fault, broken in rules:
        if broken(path):
            raise InvalidPackage(f"the path {fault}", place=place(path))
