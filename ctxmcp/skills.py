"""The Skills extension of MCP (SEP-2640): published skills, used with nothing installed.

    skill://acme/review/SKILL.md               of @acme/review, whose SKILL.md is named `review`
    skill://acme/review/scripts/run.py         another file of it
    skill://acme/review/scripts                a folder of it
    skill://acme/review-kit/review/SKILL.md    of @acme/review-kit, which holds a skill `review`

The last folder before SKILL.md has the skill's own name, so where the package is called otherwise
its name stands before. A URI means the latest version; an entry has the digest of every file, so a
host sees when there is a newer one. What is read is the author's bytes, exactly: marks would break
the digests, and a host of this extension treats skills as untrusted by itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote, unquote

from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    BlobResourceContents,
    PaginatedRequestParams,
    ReadResourceResult,
    RequestParams,
    Resource,
    ResourceTemplate,
    TextResourceContents,
)

from ctxmcp import rendering
from registry_core.errors import Invalid, NotFound
from registry_core.names import Reference
from registry_core.operations.skills import SKILL, FileRead, Skill, SkillPage

if TYPE_CHECKING:
    from ctxmcp.connection import Invoker
    from registry_core.operations.inspect import FileEntry

EXTENSION = "io.modelcontextprotocol/skills"
SETTINGS: dict[str, Any] = {"directoryRead": True}
SCHEME = "skill://"
FILE = "skill://{ns}/{name}/{+path}"
FOLDER = "inode/directory"
PAGE = 50
"""Skills in one answer."""

FRESH_MS = 60_000
"""How long a host may take an entry, or a file, for the latest."""

_FRESHNESS = {"ttlMs": FRESH_MS, "cacheScope": "private"}
_URI = re.compile(r"skill://(?P<ns>[^/?#@]+)/(?P<name>[^/?#@]+)(?:/[^?#]*)?")
_KEPT = "/-._~!$&'()*+,;=:@"

TEMPLATE = ResourceTemplate(
    name="skill-file",
    title="File of a skill",
    uri_template=FILE,
    description="A file of a published skill, byte for byte; SKILL.md is what to read first.",
)

_TYPES = {
    ".md": "text/markdown",
    ".txt": "text/plain",
    ".py": "text/x-python",
    ".sh": "text/x-shellscript",
    ".js": "text/javascript",
    ".ts": "text/x-typescript",
    ".json": "application/json",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
    ".toml": "application/toml",
    ".csv": "text/csv",
    ".html": "text/html",
    ".css": "text/css",
    ".xml": "application/xml",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".pdf": "application/pdf",
}


class ListSkills(PaginatedRequestParams):
    """Parameters of skills/list."""


class GetSkill(RequestParams):
    """Parameters of skills/get."""

    uri: str


class ReadDirectory(PaginatedRequestParams):
    """Parameters of resources/directory/read."""

    uri: str


@dataclass(frozen=True, slots=True)
class Served:
    """A skill at its address."""

    skill: Skill
    root: str
    files: Mapping[str, FileEntry]
    """By URI."""

    @classmethod
    def of(cls, skill: Skill) -> Served:
        """Give a skill its address."""
        package, name = Reference.parse(skill.ref).name, skill.frontmatter["name"]
        root = f"{SCHEME}{package.namespace}/{package.name}"
        if name != package.name:
            root = f"{root}/{name}"
        files = {f"{root}/{quote(file.path, safe=_KEPT)}": file for file in skill.files}
        return cls(skill, root, files)

    @property
    def uri(self) -> str:
        """Where its SKILL.md is."""
        return f"{self.root}/{SKILL}"

    @property
    def entry(self) -> dict[str, Any]:
        """Return the `Skill` of the extension."""
        manifest = [
            {"uri": uri, "digest": f"sha256:{file.sha256}", "size": file.size}
            for uri, file in self.files.items()
        ]
        return {"uri": self.uri, "frontmatter": self.skill.frontmatter, "resources": manifest}

    def children(self, folder: str) -> list[Resource]:
        """Return what lies directly in a folder, given as its URI; nothing where there is none."""
        found: dict[str, Resource] = {}
        for uri, file in self.files.items():
            if not uri.startswith(f"{folder}/"):
                continue
            name, _, below = uri.removeprefix(f"{folder}/").partition("/")
            child = f"{folder}/{name}"
            found[child] = (
                Resource(uri=child, name=unquote(name), mime_type=FOLDER)
                if below
                else self._file(uri, file)
            )
        return list(found.values())

    def _file(self, uri: str, file: FileEntry) -> Resource:
        about = self.skill.frontmatter if uri == self.uri else {}
        return Resource(
            uri=uri,
            name=about.get("name", PurePosixPath(file.path).name),
            description=about.get("description"),
            mime_type=media_type(file.path),
            size=file.size,
        )


def media_type(path: str) -> str:
    """Say what a file is by the end of its name."""
    return _TYPES.get(PurePosixPath(path).suffix.lower(), "text/plain")


async def listed(desk: Invoker, cursor: str | None) -> dict[str, Any]:
    """Answer skills/list."""
    arguments = {"limit": PAGE, "cursor": cursor or ""}
    try:
        page = cast("SkillPage", await desk.invoke("skills", arguments))
    except (Invalid, NotFound) as error:
        raise MCPError(INVALID_PARAMS, rendering.refusal(error)) from None
    more = {"nextCursor": page.next} if page.next else {}
    return {"skills": [Served.of(skill).entry for skill in page.skills], **more, **_FRESHNESS}


async def got(desk: Invoker, uri: str) -> dict[str, Any]:
    """Answer skills/get. Raises MCPError where no skill has this SKILL.md."""
    served = await _served(desk, uri)
    if served is None or served.uri != uri:
        raise _nothing(uri, "no skill")
    return {"skill": served.entry, **_FRESHNESS}


async def directory(desk: Invoker, uri: str) -> dict[str, Any]:
    """Answer resources/directory/read. Raises MCPError for what is no folder of a skill."""
    served = await _served(desk, uri)
    inside = served is not None and f"{uri}/".startswith(f"{served.root}/")
    children = served.children(uri) if served and inside else []
    if not children:
        raise _nothing(uri, "no folder of a skill")
    shown = [child.model_dump(by_alias=True, exclude_none=True, mode="json") for child in children]
    return {"resources": shown, **_FRESHNESS}


async def read(desk: Invoker, uri: str) -> ReadResourceResult:
    """Answer resources/read of a skill's file. Raises MCPError where there is none."""
    served = await _served(desk, uri)
    entry = served.files.get(uri) if served else None
    if served is None or entry is None:
        raise _nothing(uri, "no file of a skill")
    arguments = {"ref": served.skill.ref, "path": entry.path}
    file = cast("FileRead", await desk.invoke("file", arguments))
    return ReadResourceResult(
        contents=[_contents(uri, file)], ttl_ms=FRESH_MS, cache_scope="private"
    )


def _contents(uri: str, file: FileRead) -> TextResourceContents | BlobResourceContents:
    if file.base64:
        kind = _TYPES.get(PurePosixPath(file.path).suffix.lower(), "application/octet-stream")
        return BlobResourceContents(uri=uri, blob=file.base64, mime_type=kind)
    return TextResourceContents(uri=uri, text=file.text, mime_type=media_type(file.path))


async def _served(desk: Invoker, uri: str) -> Served | None:
    """Find the skill that a URI lies in; None where there is none for this caller."""
    named = _URI.fullmatch(uri)
    if named is None:
        return None
    try:
        page = await desk.invoke("skills", {"ref": f"@{named['ns']}/{named['name']}"})
    except (Invalid, NotFound):
        return None
    return next((Served.of(skill) for skill in cast("SkillPage", page).skills), None)


def _nothing(uri: str, what: str) -> MCPError:
    words = f"{what} is served at {rendering.line(uri)[:200]}; skills/list names the skills"
    return MCPError(INVALID_PARAMS, words, {"uri": uri})
