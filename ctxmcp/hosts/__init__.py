"""Agent hosts: which ones a project has, and where each keeps skills and agents.

The table is `hosts.toml`; to add a host, add a table there. What a package becomes on disk is
`hosts.layout`, in which words is `hosts.rendering`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path

SHARED_SKILLS = ".agents/skills"
"""Where every host but a few reads skills."""

PACKAGES = ".ctxmcp/packages"
"""Where the artifacts themselves are kept, on no host's path."""

DEFAULT_AGENT_HOST = "claude-code"
"""Whose agents are written where no host is found."""


@dataclass(frozen=True, slots=True)
class Host:
    """One row of the table; `agents` has a `{name}` in it, and both may be ""."""

    id: str
    title: str
    marks: tuple[str, ...]
    home: tuple[str, ...]
    skills: str = ""
    agents: str = ""
    form: str = "markdown"
    extra: Mapping[str, str] = field(default_factory=dict)

    def agent_file(self, name: str) -> str:
        """Return where this host looks for an agent, relative to the project."""
        return self.agents.format(name=name)


@dataclass(frozen=True, slots=True)
class Audience:
    """The hosts to install for."""

    skill_folders: tuple[str, ...]
    """Folders beside `.agents/skills` that need the skill too."""
    agent_hosts: tuple[Host, ...]


@cache
def table() -> tuple[Host, ...]:
    """Read every host."""
    rows = tomllib.loads((files(__name__) / "hosts.toml").read_text("utf-8"))["host"]
    return tuple(
        Host(**{**row, "marks": tuple(row["marks"]), "home": tuple(row["home"])}) for row in rows
    )


def audience(project: Path, home: Path) -> Audience:
    """Find the hosts of a project and of its user; Claude Code's agents where there is none."""
    found = [host for host in table() if _is_here(host, project, home)]
    fallback = [host for host in table() if host.id == DEFAULT_AGENT_HOST]
    shared = (project / SHARED_SKILLS).resolve()
    return Audience(
        # Some projects make `.claude/skills` a link to the shared folder: nothing to add there.
        skill_folders=tuple(
            host.skills for host in found if host.skills and _differs(project, host, shared)
        ),
        agent_hosts=tuple(host for host in found if host.agents) or tuple(fallback),
    )


def managed_folders() -> Mapping[str, int]:
    """Return the folders that ctxmcp may write in, with how many levels one package takes."""
    folders = {PACKAGES: 2, SHARED_SKILLS: 1}
    for host in table():
        if host.skills:
            folders[host.skills] = 1
        if host.agents:
            folders[host.agents.rpartition("/")[0]] = 1
    return folders


def _is_here(host: Host, project: Path, home: Path) -> bool:
    return any((project / mark).exists() for mark in host.marks) or any(
        (home / mark).exists() for mark in host.home
    )


def _differs(project: Path, host: Host, shared: Path) -> bool:
    return (project / host.skills).resolve() != shared
