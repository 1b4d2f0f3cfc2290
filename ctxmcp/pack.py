"""Packing a skill, agent or tool into a signed and attested .ctxpkg.

The same input gives the same bytes: the time is passed in. `read` says what is packed, under which
name and version; `pack` makes the bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from ctxmcp import __version__, check
from registry_core.errors import Invalid, InvalidName
from registry_core.formats import Candidate, File, Visibility, ctxpkg
from registry_core.formats.attestation import NOTHING, Pledge
from registry_core.formats.texts import text_of
from registry_core.names import Kind, PackageName, Version, shown
from registry_core.unicode import sanitize

if TYPE_CHECKING:
    from pathlib import Path

    from registry_core.signing import SigningKey


@dataclass(frozen=True, slots=True)
class Label:
    """What a package is published as, where its source does not say it."""

    name: str = ""
    version: str = ""
    private: bool = False


@dataclass(frozen=True, slots=True)
class Source:
    """What is packed, and what it is published as."""

    candidate: Candidate
    label: Label

    @property
    def name(self) -> PackageName:
        """Its name. Raises InvalidName where neither source nor label say one."""
        return _name(self.candidate, self.label)

    @property
    def version(self) -> Version:
        """Its version. Raises Invalid where neither source nor label say one."""
        return _version(self.candidate, self.label)

    @property
    def is_packed(self) -> bool:
        """Whether it is a .ctxpkg already, which stays as it is."""
        return self.candidate.format == ctxpkg.FORMAT


def read(path: Path, label: Label = Label()) -> Source:
    """Read a file or folder. Raises Invalid, InvalidPackage, TooLarge."""
    if not path.exists():
        raise Invalid(f"there is no {path}", hint="Name a .ctxpkg, a skill, an agent or a tool.")
    candidate = check.read_path(path)
    if candidate.format == ctxpkg.FORMAT:
        _check_unlabelled(label)
    return Source(candidate, label)


def pack(
    source: Source,
    *,
    key: Callable[[], SigningKey],
    created_at: datetime,
    pledge: Pledge = NOTHING,
) -> bytes:
    """Pack, sign and attest what was read; a .ctxpkg is returned as it is.

    What hides in a text from its reader is taken out first: a registry refuses it.

    `key` is asked only where something has to be signed.
    """
    candidate = source.candidate
    if source.is_packed:
        return candidate.artifact
    return ctxpkg.write(
        kind=candidate.kind,
        name=source.name,
        version=source.version,
        description=sanitize(candidate.description).text,
        files=[_without_hidden(file) for file in candidate.files],
        created_at=created_at,
        key=key(),
        tool_version=__version__,
        author=sanitize(candidate.author).text,
        license=sanitize(candidate.license).text,
        tags=tuple(sanitize(tag).text for tag in candidate.tags),
        dependencies=candidate.dependencies,
        visibility=Visibility.PRIVATE if source.label.private else candidate.visibility,
        pledge=pledge,
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
