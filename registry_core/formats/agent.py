"""Agents of agentx: an archive with agent.yaml, a system prompt and what belongs to them.

    agent.yaml          the manifest: name, version, description, author, permissions ...
    system-prompt.md    what the agent is told
    README.md, LICENSE, prompts/, tools/

`validate` decides as the original registry does; what only the original command line checks
(allowed_tools, schedule, pre_run) becomes a note, and its value is left out where it is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from registry_core import archives
from registry_core.archives import Entry, Limits
from registry_core.errors import InvalidPackage
from registry_core.formats import (
    MAX_ARTIFACT,
    MAX_CONTENT,
    MAX_FILE,
    MAX_FILES,
    Candidate,
    File,
    Powers,
    yaml,
)
from registry_core.formats.shapes import (
    REQUIRED,
    Choice,
    Field,
    Flag,
    Items,
    Record,
    Table,
    Text,
    checked,
)
from registry_core.names import Kind, shown

MANIFEST = "agent.yaml"
PROMPT = "system-prompt.md"
_LIMITS = Limits(packed=MAX_ARTIFACT, unpacked=MAX_CONTENT, file=MAX_FILE, files=MAX_FILES)

_NAME = re.compile(r"[a-z0-9-]+")
_VERSION = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+(-[A-Za-z0-9.]+)?(\+[A-Za-z0-9.]+)?")
_AUTHOR = re.compile(r"@.*", re.DOTALL)
_CRON = re.compile(r"\s*(?:[0-9A-Za-z*/,?#-]+\s+){4,5}[0-9A-Za-z*/,?#-]+\s*")
_NAME_WORDS = "Name must contain only lowercase letters, numbers, and hyphens"

CATEGORIES = (
    *("productivity", "devtools", "communication", "data", "writing"),
    *("research", "automation", "security", "monitoring", "other"),
)
_NAMED = {"name": Field(Text(), REQUIRED), "description": Field(Text())}
_MCP_SERVER = Record(
    {
        "command": Field(Text(), REQUIRED),
        "args": Field(Items(Text())),
        "env": Field(Table(Text())),
    }
)
_AGENT = Record(
    {
        "name": Field(Text(1, 100, ((_NAME, _NAME_WORDS),)), REQUIRED),
        "version": Field(
            Text(patterns=((_VERSION, "Version must be valid semver (e.g. 1.0.0)"),)), REQUIRED
        ),
        "description": Field(Text(1, 500), REQUIRED),
        "author": Field(Text(patterns=((_AUTHOR, "Author must start with @"),)), REQUIRED),
        "license": Field(Text(), "MIT"),
        "tags": Field(Items(Text(), 10)),
        "category": Field(Choice(CATEGORIES)),
        "requires": Field(
            Record({"claude_cli": Field(Text()), "node": Field(Text()), "os": Field(Items(Text()))})
        ),
        "mcp_servers": Field(Table(_MCP_SERVER)),
        "secrets": Field(Items(Record(_NAMED | {"required": Field(Flag(), default=True)}))),
        "permissions": Field(
            Record(
                {
                    "filesystem": Field(Flag()),
                    "network": Field(Flag()),
                    "execute_commands": Field(Flag()),
                }
            )
        ),
        "config": Field(
            Items(
                Record(
                    {
                        "key": Field(Text(), REQUIRED),
                        "description": Field(Text()),
                        "default": Field(Text()),
                    }
                )
            )
        ),
        "examples": Field(
            Items(Record({"prompt": Field(Text(), REQUIRED), "description": Field(Text())}))
        ),
    }
)
_COMMAND_LINE = {
    "allowed_tools": Items(Text()),
    "schedule": Items(
        Record(
            {
                "name": Field(Text()),
                "cron": Field(Text(patterns=((_CRON, "Invalid cron expression"),)), REQUIRED),
                "prompt": Field(Text(1, 2000), REQUIRED),
            }
        ),
        10,
    ),
    "pre_run": Items(Record({"command": Field(Text(), REQUIRED)}), 5),
}


def validate(manifest: Any) -> tuple[str, ...]:
    """Return what is wrong with a manifest as `path: message`; nothing where it may enter."""
    return checked(_AGENT, manifest)[1]


def lint(manifest: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what the agentx command line would refuse beyond `validate`."""
    return tuple(
        f"{key}{'.' if fault[0].isdigit() else ': '}{fault}"
        for key, shape in _COMMAND_LINE.items()
        if key in manifest
        for fault in checked(shape, manifest[key])[1]
    )


def complete(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return a valid manifest with its defaults filled in and unknown keys dropped."""
    found, faults = checked(_AGENT, manifest)
    if faults:
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        raise InvalidPackage(faults[0] + more, place=MANIFEST)
    whole: dict[str, Any] = dict(found)
    for key, shape in _COMMAND_LINE.items():
        if key in manifest and not (given := checked(shape, manifest[key]))[1]:
            whole[key] = given[0]
    return whole


def read(data: bytes) -> Candidate:
    """Read an agent from its archive; one wrapping top folder is taken off."""
    entries = archives.strip_root(archives.read(data, _LIMITS))
    return _candidate(entries, data, archives.media_type(data))


def read_entries(entries: tuple[Entry, ...]) -> Candidate:
    """Read an agent from its files; the artifact is a tar.gz of them."""
    return _candidate(entries, archives.write_tar_gz(entries), "application/gzip")


def tarball(candidate: Candidate) -> bytes:
    """Return an agent as a tar.gz: as it was uploaded, or the same one each time it is made."""
    if candidate.media_type == "application/gzip":
        return candidate.artifact
    return archives.write_tar_gz(
        tuple(Entry(file.path, file.data, file.executable) for file in candidate.files)
    )


def manifest_of(files: Sequence[File]) -> dict[str, Any]:
    """Return the manifest of an agent of these files, complete. Raises InvalidPackage."""
    return complete(_manifest({file.path: file.text for file in files}))


def powers(manifest: Mapping[str, Any]) -> Powers:
    """Read what an agent of this complete manifest asks for."""
    permissions = manifest.get("permissions", {})
    servers: Mapping[str, Any] = manifest.get("mcp_servers", {})
    commands = ["*"] if permissions.get("execute_commands") else []
    commands += manifest.get("allowed_tools", [])
    commands += [" ".join([it["command"], *it.get("args", [])]) for it in servers.values()]
    return Powers(
        network=("*",) if permissions.get("network") else (),
        commands=tuple(dict.fromkeys(commands)),
        filesystem="write" if permissions.get("filesystem") else "",
        environment=tuple(dict.fromkeys(secret["name"] for secret in manifest.get("secrets", ()))),
        hooks=tuple(step["command"] for step in manifest.get("pre_run", ())),
        mcp_servers=tuple(servers),
    )


def _candidate(entries: tuple[Entry, ...], artifact: bytes, media_type: str) -> Candidate:
    files = tuple(File(entry.path, entry.data, entry.executable) for entry in entries)
    texts = {file.path: file.text for file in files}
    raw = _manifest(texts)
    manifest = complete(raw)
    return Candidate(
        format="agent",
        kind=Kind.AGENT,
        name=manifest["name"],
        version=manifest["version"],
        artifact=artifact,
        media_type=media_type,
        description=manifest["description"],
        author=manifest["author"],
        license=manifest["license"],
        tags=tuple(dict.fromkeys(filter(None, manifest.get("tags", ())))),
        category=manifest.get("category", ""),
        files=files,
        readme=texts.get("README.md") or texts.get(PROMPT) or "",
        powers=powers(manifest),
        manifest=manifest,
        notes=tuple(_notes(raw, texts)),
    )


def _manifest(texts: Mapping[str, str | None]) -> dict[str, Any]:
    if MANIFEST not in texts:
        raise InvalidPackage(f"there is no {MANIFEST} at the top", hint=f"Add {MANIFEST}.")
    text = texts[MANIFEST]
    if text is None:
        raise InvalidPackage("is not UTF-8", place=MANIFEST)
    manifest = yaml.typed(text.removeprefix("\ufeff"), place=MANIFEST)
    if not isinstance(manifest, dict):
        raise InvalidPackage("is no mapping", place=MANIFEST)
    return manifest


def _notes(manifest: Mapping[str, Any], texts: Mapping[str, str | None]) -> Iterator[str]:
    yield from (f"{MANIFEST}: {fault}" for fault in lint(manifest))
    known = _AGENT.fields.keys() | _COMMAND_LINE.keys()
    yield from (
        f"{MANIFEST}: the key {shown(key)} is unknown" for key in sorted(manifest.keys() - known)
    )
    if not texts.get(PROMPT):
        yield f"there is no {PROMPT}"
