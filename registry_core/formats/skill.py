"""Skills of the Agent Skills specification: a folder with SKILL.md and what it refers to.

    ---
    name: pdf-forms             the folder's name; 1 to 64 of a-z, 0-9 and -
    description: Fill forms.    when to use it, at most 1024 characters
    license: MIT                and compatibility, metadata (string to string), allowed-tools
    ---
    # What the agent reads

Reading is lenient, as the specification asks of clients: what is tolerated becomes a note, keys
it does not know are passed on, and SKILL.md is kept byte for byte. Only a missing description and
YAML beyond repair are refused. `lint` is strict and says what the specification would not allow.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from registry_core import archives
from registry_core.archives import Entry, Limits
from registry_core.errors import InvalidPackage, TooLarge
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
from registry_core.names import Kind, shown

SKILL = "SKILL.md"
MAX_NAME = 64
MAX_DESCRIPTION = 1024
MAX_COMPATIBILITY = 500
KEYS = frozenset({"name", "description", "license", "compatibility", "metadata", "allowed-tools"})
_LIMITS = Limits(packed=MAX_ARTIFACT, unpacked=MAX_CONTENT, file=MAX_FILE, files=MAX_FILES)

_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_FENCE = re.compile(r"---[ \t]*\r?\n(?P<head>(?:.*\n)*?)---[ \t]*(?:\r?\n|\Z)")
_TOOL = re.compile(r"(?:[^\s,()]|\([^()]*\))+")


@dataclass(frozen=True, slots=True)
class Document:
    """A SKILL.md, read; `head` is its frontmatter, `repaired` tells that YAML refused it first."""

    head: Mapping[str, Any]
    body: str
    repaired: bool


def parse(text: str) -> Document:
    """Read a SKILL.md leniently."""
    head, body = _split(text)
    found, repaired = yaml.lenient(head, place=SKILL, line=2)
    return Document(_mapping(found), body, repaired)


def frontmatter(text: str) -> Mapping[str, Any] | None:
    """Return the frontmatter as JSON has it; None where no host could load the skill by it.

    Numbers and booleans are what YAML says they are, so that a host which reads the file itself
    finds the same.
    """
    try:
        head = _mapping(yaml.typed(_split(text)[0], place=SKILL, line=2))
    except (InvalidPackage, TooLarge):
        return None
    name, description = head.get("name"), head.get("description")
    named = isinstance(name, str) and _is_name(name)
    return head if named and isinstance(description, str) and description.strip() else None


def conforms(head: Mapping[str, Any]) -> bool:
    """Tell whether every field of the specification is as it says; others may be there."""
    empty = any(head.get(key, "") is None for key in KEYS)
    return not empty and next(_field_faults(head, None), None) is None


def _split(text: str) -> tuple[str, str]:
    text = text.removeprefix("\ufeff")
    fence = _FENCE.match(text)
    if not fence:
        raise InvalidPackage(
            "there is no frontmatter",
            place=SKILL,
            hint="Start it with a line `---`, name, description, and a line `---`.",
        )
    return fence["head"].replace("\r\n", "\n"), text[fence.end() :]


def _mapping(found: Any) -> Mapping[str, Any]:
    if not isinstance(found, dict):
        raise InvalidPackage("the frontmatter is no mapping", place=SKILL)
    return found


def read(data: bytes, *, folder_name: str | None = None) -> Candidate:
    """Read a skill from an archive; one wrapping top folder is taken off and gives the name."""
    entries = archives.read(data, _LIMITS)
    root = archives.root_folder(entries)
    stripped = archives.strip_root(entries)
    return _candidate(stripped, folder_name or root or None, data, archives.media_type(data))


def read_entries(entries: tuple[Entry, ...], *, folder_name: str | None) -> Candidate:
    """Read a skill from its files; the artifact is a tar.gz of them."""
    artifact = archives.write_tar_gz(entries)
    return _candidate(entries, folder_name, artifact, "application/gzip")


def powers(files: Sequence[File]) -> Powers:
    """Read what a skill of these files asks for; nothing where it has no SKILL.md to say so."""
    if not any(file.path == SKILL for file in files):
        return Powers()
    return _powers(parse(_skill_text(tuple(files))).head)


def _candidate(
    entries: tuple[Entry, ...], folder_name: str | None, artifact: bytes, media_type: str
) -> Candidate:
    files = tuple(File(entry.path, entry.data, entry.executable) for entry in entries)
    text = _skill_text(files)
    document = parse(text)
    head = document.head
    name = _name(head, folder_name)
    metadata = found if isinstance(found := head.get("metadata"), dict) else {}
    notes = ("the frontmatter is YAML only once values are quoted",) if document.repaired else ()
    return Candidate(
        format="skill",
        kind=Kind.SKILL,
        name=name,
        version=_text(metadata.get("version")),
        artifact=artifact,
        media_type=media_type,
        description=_description(head),
        author=_text(metadata.get("author")),
        license=_text(head.get("license")),
        tags=_words(metadata.get("tags")),
        files=files,
        readme=text,
        powers=_powers(head),
        manifest=head,
        notes=(*notes, *_faults(head, folder_name or name)),
    )


def _skill_text(files: tuple[File, ...]) -> str:
    skill = next((file for file in files if file.path == SKILL), None)
    if skill is None:
        raise InvalidPackage(f"there is no {SKILL} at the top", hint=f"Add {SKILL}.")
    if skill.size > MAX_FILE:
        raise TooLarge(f"{SKILL}: a file is at most {MAX_FILE} bytes, not {skill.size}")
    if (text := skill.text) is None:
        raise InvalidPackage("is not UTF-8", place=SKILL)
    return text


def _name(head: Mapping[str, Any], folder_name: str | None) -> str:
    """Return the name as written where it is one, else that of the folder, made into one."""
    written = _text(head.get("name"))
    if _is_name(written):
        return written
    for text in (folder_name or "", written):
        if slug := _slug(text):
            return slug
    raise InvalidPackage("the skill has no name", place=SKILL, hint="Add `name:` to it.")


def _is_name(text: str) -> bool:
    return len(text) <= MAX_NAME and _NAME.fullmatch(text) is not None


def _slug(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:MAX_NAME].rstrip("-")


def _description(head: Mapping[str, Any]) -> str:
    if description := _text(head.get("description")):
        return description
    raise InvalidPackage(
        "the skill has no description",
        place=SKILL,
        hint="Add `description:` with what the skill does and when to use it.",
    )


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""


def _words(value: Any) -> tuple[str, ...]:
    """Return a list, or text with commas, as the distinct words in it."""
    found = value if isinstance(value, list) else _text(value).strip("[]").split(",")
    words = (_text(word).strip("'\"") for word in found)
    return tuple(dict.fromkeys(word for word in words if word))


def _powers(head: Mapping[str, Any]) -> Powers:
    allowed, hooks = head.get("allowed-tools"), head.get("hooks")
    words = allowed if isinstance(allowed, list) else _TOOL.findall(_text(allowed))
    return Powers(
        commands=tuple(dict.fromkeys(filter(None, map(_text, words)))),
        hooks=tuple(hooks) if isinstance(hooks, dict) else (),
    )


def lint(skill: Candidate | str, folder_name: str | None = None) -> tuple[str, ...]:
    """Return what the specification does not allow in a skill, or in the text of a SKILL.md."""
    text = skill if isinstance(skill, str) else skill.readme
    try:
        head = _mapping(yaml.strings(_split(text)[0], place=SKILL, line=2))
    except (InvalidPackage, TooLarge) as error:
        return (error.message,)
    return tuple(_faults(head, folder_name))


def _faults(head: Mapping[str, Any], folder_name: str | None) -> Iterator[str]:
    yield from _field_faults(head, folder_name)
    for key in sorted(head.keys() - KEYS):
        yield f"{shown(key)}: is no key of the specification"


def _field_faults(head: Mapping[str, Any], folder_name: str | None) -> Iterator[str]:
    yield from _name_faults(head.get("name"), folder_name)
    yield from _length_faults(head, "description", MAX_DESCRIPTION)
    if "compatibility" in head:
        yield from _length_faults(head, "compatibility", MAX_COMPATIBILITY)
    for key in ("license", "allowed-tools"):
        if not isinstance(head.get(key), str | None):
            yield f"{key}: is no text"
    yield from _metadata_faults(head.get("metadata", {}))


def _name_faults(name: Any, folder_name: str | None) -> Iterator[str]:
    if not isinstance(name, str) or not name.strip():
        yield "name: is missing"
    elif not _is_name(name.strip()):
        yield f"name: {shown(name)} is not 1 to {MAX_NAME} of a-z, 0-9 and single inner dashes"
    elif folder_name is not None and name.strip() != folder_name:
        yield f"name: {shown(name)} is not the name of its folder, {shown(folder_name)}"


def _length_faults(head: Mapping[str, Any], key: str, most: int) -> Iterator[str]:
    text = head.get(key)
    if not isinstance(text, str) or not text.strip():
        yield f"{key}: is missing or no text"
    elif len(text) > most:
        yield f"{key}: is {len(text)} characters long, and may be {most}"


def _metadata_faults(metadata: Any) -> Iterator[str]:
    if not isinstance(metadata, dict):
        yield "metadata: is no mapping"
        return
    for key, value in metadata.items():
        if not isinstance(value, str):
            yield f"metadata.{key}: is no text"


def compose(
    name: str, description: str, body: str, *, extra: Mapping[str, Any] | None = None
) -> bytes:
    """Write a SKILL.md that `read` gives back; `extra` are further keys of the frontmatter."""
    head = {"name": name, "description": description, **(extra or {})}
    text = f"---\n{yaml.dump(head)}---\n\n{body}"
    try:
        return (text if text.endswith("\n") else f"{text}\n").encode("utf-8")
    except UnicodeEncodeError as error:
        raise InvalidPackage("the text holds half a character", place=SKILL) from error


def tarball(candidate: Candidate) -> bytes:
    """Return a skill as an archive: as it was uploaded, or the same tar.gz each time it is made."""
    if candidate.format == "skill":
        return candidate.artifact
    return archives.write_tar_gz(
        tuple(Entry(file.path, file.data, file.executable) for file in candidate.files)
    )
