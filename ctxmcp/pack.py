"""Packing a skill, agent or tool into a signed .ctxpkg, and the key it is signed with.

The same input gives the same bytes: the time is passed in. A key file holds 64 hex characters and
is readable by its owner alone.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from ctxmcp import __version__, check
from registry_core.errors import Conflict, Invalid, InvalidName
from registry_core.formats import Candidate, File, Visibility, ctxpkg
from registry_core.names import Kind, PackageName, Version, shown
from registry_core.signing import SigningKey
from registry_core.unicode import sanitize
from registry_core.verification.texts import text_of

if TYPE_CHECKING:
    from pathlib import Path

    from ctxmcp.settings import Settings

MOST_KEY = 1024


@dataclass(frozen=True, slots=True)
class Label:
    """What a package is published as, where its source does not say it."""

    name: str = ""
    version: str = ""
    private: bool = False


def pack(
    path: Path,
    *,
    key: Callable[[], SigningKey],
    created_at: datetime,
    label: Label = Label(),
) -> bytes:
    """Pack and sign a file or folder; a .ctxpkg is returned as it is.

    What hides in a text from its reader is taken out first: a registry refuses it.

    `key` is asked only where something has to be signed. Raises Invalid, InvalidPackage, TooLarge.
    """
    if not path.exists():
        raise Invalid(f"there is no {path}", hint="Name a .ctxpkg, a skill, an agent or a tool.")
    candidate = check.read_path(path)
    if candidate.format == ctxpkg.FORMAT:
        _check_unlabelled(label)
        return candidate.artifact
    return ctxpkg.write(
        kind=candidate.kind,
        name=_name(candidate, label),
        version=_version(candidate, label),
        description=sanitize(candidate.description).text,
        files=[_without_hidden(file) for file in candidate.files],
        created_at=created_at,
        key=key(),
        tool_version=__version__,
        author=sanitize(candidate.author).text,
        license=sanitize(candidate.license).text,
        tags=tuple(sanitize(tag).text for tag in candidate.tags),
        dependencies=candidate.dependencies,
        visibility=Visibility.PRIVATE if label.private else candidate.visibility,
    )


def _without_hidden(file: File) -> File:
    """Sanitise a file that is text; another is kept as it is."""
    text = text_of(file)
    if text is None or file.text is None:
        return file
    return replace(file, data=sanitize(text).text.encode())


def _check_unlabelled(label: Label) -> None:
    if label != Label():
        raise Invalid(
            "a .ctxpkg says its name, version and visibility itself, under its signature",
            hint="Pack its source again instead.",
        )


def _name(candidate: Candidate, label: Label) -> PackageName:
    if label.name:
        return PackageName.parse(label.name)
    if "/" in candidate.name:
        return PackageName.parse(candidate.name)
    if candidate.kind is Kind.AGENT and candidate.author.startswith("@"):
        return PackageName.parse(f"{candidate.author}/{candidate.name}")
    raise InvalidName(
        f"{shown(candidate.name)} has no namespace",
        hint=f"Give its full name: --name @namespace/{_slug(candidate.name)}.",
    )


def _slug(name: str) -> str:
    return name.replace("_", "-")


def _version(candidate: Candidate, label: Label) -> Version:
    text = label.version or candidate.version
    if not text:
        raise Invalid("the source says no version", hint="Give one: --version 1.0.0.")
    return Version.parse(text)


def load_key(settings: Settings) -> SigningKey:
    """Read the signing key. Raises Invalid where there is none, or others can read it."""
    path = settings.key_file
    try:
        with path.open("rb") as file:
            status, data = os.fstat(file.fileno()), file.read(MOST_KEY)
    except FileNotFoundError:
        raise Invalid(
            f"there is no signing key at {path}", hint="Make one: ctxmcp keygen"
        ) from None
    except OSError as error:
        raise Invalid(f"the signing key {path} cannot be read: {error.strerror}") from error
    if os.name == "posix" and status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise Invalid(f"others can read the signing key {path}", hint=f"chmod 600 {path}")
    return SigningKey.from_hex(data.decode("ascii", "replace"))


def generate_key(path: Path) -> SigningKey:
    """Make a signing key and keep it at `path`. Raises Conflict where there is a file."""
    key = SigningKey.generate()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    try:
        descriptor = os.open(path, flags, 0o600)
    except FileExistsError:
        raise Conflict(
            f"there is a key at {path} already",
            hint="What it signed can be updated with it alone: keep it, or move it away first.",
        ) from None
    with open(descriptor, "w", encoding="ascii") as file:  # noqa: PTH123 - opened with a mode
        file.write(f"{key.to_hex()}\n")
    return key
