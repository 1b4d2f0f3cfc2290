"""What a verified package becomes on disk, by kind: targets and their bytes, nothing written yet.

A target is a path below the project in POSIX form, or, with `tools:` before it, one below the
user's folder of tools.

    every kind      .ctxmcp/packages/@ns/name@version/package.ctxpkg, the artifact itself
    context         beside it CONTEXT.md; and .agents/skills/<name>/SKILL.md, which points to it
    skill           .agents/skills/<name>/..., with a SKILL.md that lists the files if it has none
    agent           one file for each host; its other documents beside the artifact
    tool            tools:ns/name/version/<file>, never executable
    addon, grammar  beside the artifact only: lean-ctx runs them, ctxmcp does not

`links` are the folders of hosts that do not read `.agents/skills`; each becomes a relative link to
the shared one, or a copy where links do not work.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ctxmcp.hosts import PACKAGES, SHARED_SKILLS, Audience, managed_folders, rendering
from registry_core import archives
from registry_core.errors import InvalidPackage
from registry_core.formats import agent, skill, yaml
from registry_core.names import Kind, PackageName, Version, shown

if TYPE_CHECKING:
    from registry_core.formats import Candidate

TOOLS = "tools:"
MOST_PATH = 500
MOST_DEPTH = 32

_EXTENSIONS = {
    "application/vnd.ctxpkg+json": ".ctxpkg",
    "application/gzip": ".tar.gz",
    "application/zip": ".zip",
    "application/x-tar": ".tar",
    "text/x-python": ".py",
}
_GRANTS = ("permissions", "allowed_tools", "mcp_servers", "pre_run", "schedule", "secrets")
"""What an agent's manifest may ask for and no host is told."""


@dataclass(frozen=True, slots=True)
class Placed:
    """One file to write. `verbatim`: its bytes are the package's own, not rendered by us."""

    target: str
    data: bytes
    what: str = "installed"
    executable: bool = False
    verbatim: bool = True


@dataclass(frozen=True, slots=True)
class Layout:
    """All that one package becomes."""

    files: tuple[Placed, ...]
    links: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Named:
    """A package as it was read, under the name and version it was checked against."""

    name: PackageName
    version: Version
    candidate: Candidate

    @property
    def ref(self) -> str:
        """`@ns/name@version`."""
        return f"{self.name}@{self.version}"

    @property
    def folder(self) -> str:
        """Where the artifact is kept."""
        return f"{PACKAGES}/{self.ref}"


def artifact_name(media_type: str) -> str:
    """Return how the artifact is called where it is kept."""
    return f"package{extension(media_type)}"


def extension(media_type: str) -> str:
    """Return what the name of an artifact's file ends in."""
    return _EXTENSIONS.get(media_type, ".bin")


def lay_out(package: Named, audience: Audience, *, linking: bool) -> Layout:
    """Say what is to be written for a package. Raises InvalidPackage for unusable paths."""
    layout = _LAYOUTS[package.candidate.kind](package, audience)
    if not linking:
        layout = replace(layout, files=(*layout.files, *_copies(layout)), links=())
    candidate = package.candidate
    artifact = Placed(f"{package.folder}/{artifact_name(candidate.media_type)}", candidate.artifact)
    whole = replace(layout, files=(artifact, *layout.files))
    for target in (*(file.target for file in whole.files), *whole.links):
        check_target(target)
    return whole


def _context(package: Named, audience: Audience) -> Layout:
    candidate = package.candidate
    text = rendering.knowledge(package.ref, candidate.description, candidate.content)
    readable = f"{package.folder}/CONTEXT.md"
    to_it = rendering.pointer(package.ref, package.name, candidate.description, readable)
    return Layout(
        files=(
            Placed(readable, text.encode("utf-8", "replace"), verbatim=False),
            Placed(f"{_shared(package)}/SKILL.md", to_it, "pointer", verbatim=False),
            *_documents(package),
        ),
        links=_links(package, audience),
    )


def _skill(package: Named, audience: Audience) -> Layout:
    candidate, folder = package.candidate, _shared(package)
    files = [
        Placed(f"{folder}/{file.path}", file.data, executable=file.executable)
        for file in candidate.files
    ]
    if candidate.file(skill.SKILL) is None:
        text = rendering.listing(package.ref, package.name, candidate.description, candidate.files)
        files.append(Placed(f"{folder}/{skill.SKILL}", text, verbatim=False))
    return Layout(tuple(files), _links(package, audience), tuple(_skill_notes(package)))


def _skill_notes(package: Named) -> Iterator[str]:
    file = package.candidate.file(skill.SKILL)
    if file is None or file.text is None:
        return
    try:
        head = skill.parse(file.text).head
    except InvalidPackage as error:
        yield f"{package.ref}: a host may not load its {skill.SKILL}: {error.message}"
        return
    asked = [key for key in ("allowed-tools", "hooks") if head.get(key)]
    if asked:
        yield f"{package.ref}: its {skill.SKILL} asks the host for {' and '.join(asked)}"


def _agent(package: Named, audience: Audience) -> Layout:
    candidate, name = package.candidate, package.name.name
    text = _texts(candidate).get(agent.PROMPT) or candidate.readme or candidate.description
    return Layout(
        files=(
            *(
                Placed(
                    host.agent_file(name),
                    rendering.agent(host, name, candidate.description, text),
                    verbatim=False,
                )
                for host in audience.agent_hosts
            ),
            *_documents(package),
        ),
        notes=tuple(_agent_notes(package)),
    )


def _agent_notes(package: Named) -> Iterator[str]:
    text = _texts(package.candidate).get(agent.MANIFEST)
    manifest: Any = yaml.typed(text, place=agent.MANIFEST) if text else {}
    asked = [key for key in _GRANTS if isinstance(manifest, dict) and manifest.get(key)]
    if asked:
        yield f"{package.ref} asks for {', '.join(asked)}: not granted, set them in your host"


def _tool(package: Named, audience: Audience) -> Layout:
    name, folder = package.name, f"{package.name.namespace}/{package.name.name}"
    return Layout(
        files=tuple(
            Placed(f"{TOOLS}{folder}/{package.version}/{file.path}", file.data)
            for file in package.candidate.files
        ),
        notes=(f"{name} is a program: it was stored, and is run by nobody but you",),
    )


def _stored(package: Named, audience: Audience) -> Layout:
    note = (
        f"{package.name} is a lean-ctx {package.candidate.kind}: it was stored; to run it, use"
        f" `lean-ctx addon add {package.name}`"
    )
    return Layout(tuple(_documents(package)), notes=(note,))


_LAYOUTS = {
    Kind.CONTEXT: _context,
    Kind.SKILL: _skill,
    Kind.AGENT: _agent,
    Kind.TOOL: _tool,
    Kind.ADDON: _stored,
    Kind.GRAMMAR: _stored,
}


def _shared(package: Named) -> str:
    return f"{SHARED_SKILLS}/{package.name.name}"


def _links(package: Named, audience: Audience) -> tuple[str, ...]:
    return tuple(f"{folder}/{package.name.name}" for folder in audience.skill_folders)


def _documents(package: Named) -> Iterator[Placed]:
    for file in package.candidate.files:
        yield Placed(f"{package.folder}/files/{file.path}", file.data)


def _texts(candidate: Candidate) -> Mapping[str, str]:
    return {file.path: file.text for file in candidate.files if file.text is not None}


def _copies(layout: Layout) -> Iterator[Placed]:
    """Write a skill once for each host, where links do not work."""
    for link in layout.links:
        shared = f"{SHARED_SKILLS}/{link.rpartition('/')[2]}/"
        for file in layout.files:
            if file.target.startswith(shared):
                yield replace(file, target=f"{link}/{file.target.removeprefix(shared)}")


def check_target(target: str) -> None:
    """Refuse a target that is not plainly below a folder that ctxmcp manages."""
    path = target.removeprefix(TOOLS)
    archives.check_portable(path, longest=MOST_PATH, deepest=MOST_DEPTH)
    allowed = path.count("/") >= 3 if target.startswith(TOOLS) else bool(_folder_of(path))
    if not allowed:
        raise InvalidPackage("is no place that ctxmcp writes", place=shown(target, 256))


def unit(target: str) -> str:
    """Return the folder that one package has for itself around a target, or the target."""
    if target.startswith(TOOLS):
        return _first(target, 3)
    folder = _folder_of(target)
    return _first(target, folder.count("/") + 1 + managed_folders()[folder])


def _folder_of(path: str) -> str:
    return next((f for f in managed_folders() if path.startswith(f"{f}/")), "")


def _first(target: str, count: int) -> str:
    return "/".join(target.split("/")[:count])


def units(targets: Sequence[str]) -> dict[str, list[str]]:
    """Sort targets by the folder of their package."""
    found: dict[str, list[str]] = {}
    for target in targets:
        found.setdefault(unit(target), []).append(target)
    return found
