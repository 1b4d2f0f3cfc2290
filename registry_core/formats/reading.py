"""Reading a package of any format.

read(data, "ctxpkg")         bytes whose format is known
recognise(data, filename)    bytes of a stranger: the format is told by what they are
read_folder(path)            a folder with a SKILL.md or an agent.yaml
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from registry_core import archives
from registry_core.errors import InvalidPackage
from registry_core.formats import Candidate, agent, ctxpkg, skill, tool

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

READERS: Mapping[str, Callable[[bytes], Candidate]] = {
    "ctxpkg": ctxpkg.read,
    "skill": skill.read,
    "agent": agent.read,
    "tool": tool.read,
}


def read(data: bytes, format_: str) -> Candidate:
    """Read bytes of a known format, as they were read when they were published."""
    return READERS[format_](data)


def recognise(data: bytes, filename: str = "") -> Candidate:
    """Read bytes of an unknown format."""
    if data.lstrip()[:1] == b"{":
        return ctxpkg.read(data)
    if filename.endswith(".py") or not archives.media_type(data):
        return tool.read(data, filename)
    entries = archives.strip_root(archives.read(data))
    return agent.read(data) if _is_agent(entries) else skill.read(data)


def read_folder(path: Path) -> Candidate:
    """Read a folder from disk: an agent where there is an agent.yaml, else a skill."""
    entries = archives.read_folder(path)
    if _is_agent(entries):
        return agent.read_entries(entries)
    if any(entry.path == "SKILL.md" for entry in entries):
        return skill.read_entries(entries, folder_name=path.resolve().name)
    raise InvalidPackage("the folder has neither a SKILL.md nor an agent.yaml", place=str(path))


def _is_agent(entries: tuple[archives.Entry, ...]) -> bool:
    return any(entry.path == "agent.yaml" for entry in entries)
