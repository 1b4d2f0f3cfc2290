"""The `.ctxpkg` bundle: one JSON object with a `manifest` and a `content`, signed by its publisher.

    { "manifest": { "schema_version": 2, "kind": "skills", "name": "@acme/x", "version": "1.0.0",
                    "description": "..", "created_at": "..", "layers": [], "dependencies": [],
                    "tags": [], "visibility": "private", "provenance": {..}, "stats": {..},
                    "integrity": { "sha256": "..", "content_hash": "..", "byte_size": 91 },
                    "signature": { "algorithm": "ed25519", "public_key": "..", "value": ".." } },
      "attestation": a DSSE envelope, see `formats.attestation`; written here, ignored elsewhere
      "content":  { "knowledge": {..},
                    "documents": { "files": [ BLOB, .. ] },
                    "addon": { "manifest_toml": "..", "modules": [ BLOB, .. ] } } }

    BLOB = { "path": "a/b.md", "sha256": hex of the plain bytes, "encoding": "zstd+base64",
             "body": ".." }

`kind` is absent (context), context, skills, addon or grammar. `agent` and `tool` are this
registry's extension of schema 2: their payload is `content.documents`, as it is for skills. Two
more manifest fields are this registry's as well, and unknown to other readers: `license`, and
`executables`, the paths whose files are executable.

Three texts are hashed and signed, and `canon` is where they start: the text of `content` as it
was written, without the white space outside its strings. Nothing is ever serialised again.

    content_hash = hex(sha256(canon))                   byte_size = bytes of canon
    sha256       = hex(sha256("NAME:VERSION:CONTENT_HASH"))
    signed       = hex(sha256("ctxpkg-sign-v1:NAME:VERSION:SHA256")), as 64 ASCII characters

So name, version and content are under the signature, and every other manifest field is not: it is
under that of the attestation, where there is one.

>>> canon = strict_json.compact('{ "documents": { "files": [ ] } }')
>>> canon
'{"documents":{"files":[]}}'
>>> hashed = content_hash(canon)
>>> hashed
'd194179c8e7b5b286248ca024d2779d0c1acda174d00bf557e42098961bb11bb'
>>> digest = package_digest("@acme/x", "1.0.0", hashed)
>>> digest
'15a7c247cca8dfe06586a06155a0709ca7cc1ac6899b804b43b64676012fd8ed'
>>> signed_message("@acme/x", "1.0.0", digest)
b'2d048b4e68a03bf588f52ff791f2991984a16e19a0455f28700f617ebdc82e07'

`read` refuses what has two readings, the wrong shape, or unpacks beyond its limits; whether the
values are right is for `verification`. `write` gives the same bytes for the same input.
"""

from __future__ import annotations

import base64
import hashlib
import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, TypeVar

import zstandard

from registry_core.archives import check_paths
from registry_core.errors import Invalid, InvalidPackage, TooLarge
from registry_core.formats import (
    MAX_ARTIFACT,
    MAX_CONTENT,
    MAX_FILE,
    MAX_FILES,
    Candidate,
    Dependency,
    Digest,
    File,
    Powers,
    Signature,
    Visibility,
    agent,
    attestation,
    skill,
    strict_json,
    tool,
)
from registry_core.names import Kind, PackageName, Version, shown
from registry_core.signing import SigningKey

FORMAT = "ctxpkg"
MEDIA_TYPE = "application/vnd.ctxpkg+json"
ADDON_MANIFEST = "lean-ctx-addon.toml"
"""The name under which an addon's `manifest_toml` appears among the files."""

LAYERS = ("knowledge", "graph", "session", "patterns", "gotchas", "checkpoint")
DOCUMENT_KINDS = frozenset({Kind.SKILL, Kind.AGENT, Kind.TOOL})
"""Kinds whose payload is `content.documents`."""

MAX_ADDON_MANIFEST = 64 * 1024
_MAX_DOTS = 256
_MAX_WINDOW = 8 * 1024 * 1024
_ENCODING = "zstd+base64"

_KINDS = {"skills" if kind is Kind.SKILL else str(kind): kind for kind in Kind}
_WORDS = {kind: word for word, kind in _KINDS.items()}
_JsonT = TypeVar("_JsonT", str, int, bool, dict[str, Any], list[Any])


def content_hash(canon: str) -> str:
    """Hash the compacted text of `content`: the manifest's `integrity.content_hash`."""
    return hashlib.sha256(canon.encode()).hexdigest()


def package_digest(name: str, version: str, content_hash: str) -> str:
    """Bind the content to a name and version: the manifest's `integrity.sha256`."""
    return hashlib.sha256(f"{name}:{version}:{content_hash}".encode()).hexdigest()


def signed_message(name: str, version: str, package_digest: str) -> bytes:
    """Return what the signature is over: 64 hex characters, not the 32 bytes they stand for."""
    text = f"ctxpkg-sign-v1:{name}:{version}:{package_digest}"
    return hashlib.sha256(text.encode()).hexdigest().encode()


def read(data: bytes) -> Candidate:
    """Read an uploaded bundle; TooLarge beyond 8 MiB, InvalidPackage for everything unreadable."""
    document = strict_json.read(data, max_bytes=MAX_ARTIFACT)
    root = _Object(document.members)
    manifest, content = root.child("manifest"), root.child("content")
    name, version = manifest.text("name"), manifest.text("version")
    hashed = content_hash(canon := strict_json.compact(document.source("content")))
    digest = package_digest(name, version, hashed)
    manifest.whole("schema_version")
    files = _files(content, frozenset(manifest.texts("executables")))
    kind = _kind(manifest)
    powers, tolerated = _powers(kind, content, name, files)
    candidate = Candidate(
        format=FORMAT,
        kind=kind,
        name=name,
        version=version,
        artifact=data,
        media_type=MEDIA_TYPE,
        description=manifest.text("description", ""),
        author=manifest.nullable_text("author"),
        license=manifest.nullable_text("license"),
        tags=manifest.texts("tags"),
        category=agent.manifest_of(files).get("category", "") if kind is Kind.AGENT else "",
        dependencies=tuple(map(_dependency, manifest.children("dependencies"))),
        visibility=_visibility(manifest),
        files=files,
        readme=_readme(files),
        powers=powers,
        manifest=manifest.values,
        content=content.values,
        digests=_digests(manifest.child("integrity"), canon, hashed, digest),
        signature=_signature(manifest, signed_message(name, version, digest)),
        notes=(*_notes(document.members), *tolerated),
    )
    return _attested(candidate, document)


def _attested(candidate: Candidate, document: strict_json.Document) -> Candidate:
    """Add the attestation, where there is one of ours."""
    value = document.members.get(attestation.MEMBER)
    if value is None:
        return candidate
    compacted = strict_json.compact(document.source("manifest"))
    found = attestation.read(value, attestation.facts(candidate, compacted))
    if found is None:
        note = "ignored: the attestation is of another type than this registry's"
        return replace(candidate, notes=(*candidate.notes, note))
    return replace(candidate, attestation=found)


@dataclass(frozen=True, slots=True)
class _Object:
    """A JSON object and where it stands; gives members of one type, or refuses them."""

    values: Mapping[str, Any]
    place: str = ""

    def at(self, key: str) -> str:
        return f"{self.place}.{key}" if self.place else key

    def _get(self, key: str, wanted: type[_JsonT], words: str) -> _JsonT:
        if key not in self.values:
            raise InvalidPackage("is missing", place=self.at(key))
        value = self.values[key]
        if type(value) is not wanted:  # `is`, because True is an int to isinstance
            raise InvalidPackage(f"must be {words}", place=self.at(key))
        return value

    def text(self, key: str, default: str | None = None) -> str:
        if default is not None and key not in self.values:
            return default
        return self._get(key, str, "a string")

    def nullable_text(self, key: str) -> str:
        return "" if self.values.get(key) is None else self.text(key)

    def whole(self, key: str) -> int:
        return self._get(key, int, "an integer")

    def flag(self, key: str) -> bool:
        return key in self.values and self._get(key, bool, "true or false")

    def child(self, key: str) -> _Object:
        return _Object(self._get(key, dict, "an object"), self.at(key))

    def nullable_child(self, key: str) -> _Object | None:
        return None if self.values.get(key) is None else self.child(key)

    def _list(self, key: str, wanted: type[Any], words: str) -> list[Any]:
        found = self._get(key, list, words) if key in self.values else []
        for index, item in enumerate(found):
            if type(item) is not wanted:
                raise InvalidPackage(f"must be {words}", place=f"{self.at(key)}[{index}]")
        return found

    def texts(self, key: str) -> tuple[str, ...]:
        return tuple(self._list(key, str, "an array of strings"))

    def children(self, key: str) -> list[_Object]:
        found = self._list(key, dict, "an array of objects")
        return [_Object(item, f"{self.at(key)}[{index}]") for index, item in enumerate(found)]


def _kind(manifest: _Object) -> Kind:
    word = manifest.text("kind", "context")
    if word not in _KINDS:
        raise InvalidPackage(
            f"{shown(word)} is no kind",
            place=manifest.at("kind"),
            hint=f"Kinds are {', '.join(_KINDS)}.",
        )
    return _KINDS[word]


def _visibility(manifest: _Object) -> Visibility:
    word = manifest.text("visibility", Visibility.PUBLIC)
    try:
        return Visibility(word)
    except ValueError:
        raise InvalidPackage(
            f"{shown(word)} is no visibility",
            place=manifest.at("visibility"),
            hint="Visibility is public or private.",
        ) from None


def _dependency(item: _Object) -> Dependency:
    return Dependency(item.text("name"), item.text("version_req"), item.flag("optional"))


def _digests(claims: _Object, canon: str, hashed: str, digest: str) -> tuple[Digest, ...]:
    return (
        Digest("content_hash", expected=claims.text("content_hash"), found=hashed),
        Digest(
            "byte_size", expected=str(claims.whole("byte_size")), found=str(len(canon.encode()))
        ),
        Digest("sha256", expected=claims.text("sha256"), found=digest),
    )


def _signature(manifest: _Object, message: bytes) -> Signature | None:
    found = manifest.nullable_child("signature")
    if found is None:
        return None
    algorithm = found.text("algorithm")
    if algorithm != "ed25519":
        raise InvalidPackage(f"{shown(algorithm)} is not ed25519", place=found.at("algorithm"))
    return Signature(found.text("public_key").lower(), found.text("value").lower(), message)


def _notes(members: Mapping[str, Any]) -> tuple[str, ...]:
    strange = sorted(members.keys() - {"manifest", "content", attestation.MEMBER})
    if not strange:
        return ()
    first = shown(strange[0])
    return (f"ignored, and not signed: {len(strange)} more top-level member(s), such as {first}",)


def _files(content: _Object, executables: frozenset[str]) -> tuple[File, ...]:
    """Unpack documents and modules; together they keep the limits of one package."""
    documents, addon = content.nullable_child("documents"), content.nullable_child("addon")
    blobs = documents.children("files") if documents else []
    blobs += addon.children("modules") if addon else []
    if len(blobs) > MAX_FILES:
        raise InvalidPackage(f"more than {MAX_FILES} files", place=content.place)
    files = list(_unpacked(blobs, executables))
    if addon:
        files.append(File(ADDON_MANIFEST, _addon_manifest(addon).encode()))
    check_paths(file.path for file in files)
    return tuple(files)


def _unpacked(blobs: Sequence[_Object], executables: frozenset[str]) -> Iterator[File]:
    total = 0
    for blob in blobs:
        path = blob.text("path")
        data = _plain(blob, f"{blob.place} ({shown(path, 256)})")
        total += len(data)
        if total > MAX_CONTENT:
            raise InvalidPackage(f"files of more than {MAX_CONTENT} bytes", place=blob.place)
        yield File(path, data, path in executables)


def _plain(blob: _Object, place: str) -> bytes:
    if (encoding := blob.text("encoding")) != _ENCODING:
        raise InvalidPackage(f"{shown(encoding)} is not {_ENCODING}", place=blob.at("encoding"))
    try:
        data = _decompressed(_base64(blob.text("body").strip()))
    except (ValueError, zstandard.ZstdError) as error:
        raise InvalidPackage(f"cannot be unpacked: {error}", place=place) from None
    claimed, found = blob.text("sha256").lower(), hashlib.sha256(data).hexdigest()
    if claimed != found:
        raise InvalidPackage(
            f"its sha256 is said to be {shown(claimed)}, the bytes give {found}", place=place
        )
    return data


def _base64(body: str) -> bytes:
    data = base64.b64decode(body, validate=True)
    # Python accepts stray bits behind the last byte; other readers do not.
    if base64.b64encode(data) != body.encode():
        raise ValueError("not the canonical base64")
    return data


def _decompressed(packed: bytes) -> bytes:
    """Decompress frames that follow each other, to the last byte.

    Input goes in by 256 bytes, so that a bomb is noticed after a few megabytes at most.
    """
    context = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW)
    frame, plain = context.decompressobj(), bytearray()
    for start in range(0, len(packed), 256):
        piece = packed[start : start + 256]
        while piece:
            frame = context.decompressobj() if frame.eof else frame
            plain += frame.decompress(piece)
            piece = frame.unused_data
        if len(plain) > MAX_FILE:
            raise ValueError(f"more than {MAX_FILE} bytes")
    if not frame.eof:
        raise ValueError("the zstd frame is incomplete")
    return bytes(plain)


def _readme(files: Sequence[File]) -> str:
    """Pick README.md in any case at the root, else SKILL.md, else the first Markdown file."""
    found = (
        next((file for file in files if file.path.lower() == "readme.md"), None)
        or next((file for file in files if file.path.lower() == "skill.md"), None)
        or next((file for file in files if file.path.lower().endswith(".md")), None)
    )
    return (found.text or "") if found else ""


def _addon_manifest(addon: _Object) -> str:
    text = addon.text("manifest_toml")
    if len(text) > MAX_ADDON_MANIFEST:
        raise InvalidPackage(
            f"longer than {MAX_ADDON_MANIFEST} characters", place=addon.at("manifest_toml")
        )
    return text


def _powers(
    kind: Kind, content: _Object, name: str, files: Sequence[File]
) -> tuple[Powers, tuple[str, ...]]:
    """Read what the package asks for in its own words, and note where they cannot be read.

    Other clients' skills are documents of any make, so an unreadable SKILL.md is tolerated;
    agents and tools are this registry's own kinds and have to be what they say.
    """
    if kind is Kind.AGENT:
        return agent.powers(agent.manifest_of(files)), ()
    if kind is Kind.TOOL:
        return tool.powers(files), ()
    if kind is not Kind.SKILL:
        return _addon_powers(content, name), ()
    try:
        return skill.powers(files), ()
    except (InvalidPackage, TooLarge) as error:
        return Powers(), (f"SKILL.md cannot be read: {error.message}",)


def _addon_powers(content: _Object, name: str) -> Powers:
    """Read what an addon's `[mcp]` table asks for."""
    addon = content.nullable_child("addon")
    if addon is None:
        return Powers()
    place = addon.at("manifest_toml")
    manifest = _Object(_toml(_addon_manifest(addon), place), place)
    mcp = manifest.child("mcp") if "mcp" in manifest.values else None
    if mcp is None:
        return Powers()
    return Powers(
        commands=tuple(filter(None, [mcp.text("command", "")])),
        network=tuple(filter(None, [mcp.text("url", "")])),
        environment=tuple(mcp.child("env").values) if "env" in mcp.values else (),
        mcp_servers=(name,),
    )


def _toml(text: str, place: str) -> dict[str, Any]:
    # tomllib takes quadratic time and memory for one dotted key, and recurses into arrays.
    if max(line.count(".") for line in text.split("\n")) > _MAX_DOTS:
        raise InvalidPackage(f"a line with more than {_MAX_DOTS} dots", place=place)
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidPackage(f"not TOML: {shown(str(error), 200)}", place=place) from None


def write(  # noqa: PLR0913 - one keyword for each field of the manifest
    *,
    kind: Kind,
    name: PackageName,
    version: Version,
    description: str,
    files: Sequence[File],
    created_at: datetime,
    key: SigningKey,
    tool_version: str,
    author: str = "",
    license: str = "",  # noqa: A002 - the field's own name
    tags: Sequence[str] = (),
    dependencies: Sequence[Dependency] = (),
    visibility: Visibility = Visibility.PUBLIC,
    content_extra: Mapping[str, Any] | None = None,
    pledge: attestation.Pledge = attestation.NOTHING,
) -> bytes:
    """Write, sign and attest a bundle: what `read` accepts, the same bytes for the same input.

    `content_extra` are further members of `content`, of which those named in `LAYERS` are
    declared as layers: `{"knowledge": {"facts": [], "patterns": [], "insights": [],
    "exported_at": ".."}}` for a context package. An addon takes its manifest from the file
    `lean-ctx-addon.toml` and its modules from the others.
    """
    content = {**(content_extra or {}), **_payload(kind, files)}
    hashed = content_hash(canon := _json(content, indent=None))
    digest = package_digest(str(name), str(version), hashed)
    optional = {
        "kind": None if kind is Kind.CONTEXT else _WORDS[kind],
        "license": license or None,
        "visibility": None if visibility is Visibility.PUBLIC else str(visibility),
        "executables": sorted(file.path for file in files if file.executable) or None,
    }
    manifest = {
        "schema_version": 2,
        "name": str(name),
        "version": str(version),
        "description": description,
        "author": author or None,
        "scope": f"@{name.namespace}",
        "created_at": _rfc3339(created_at),
        "updated_at": None,
        "layers": [layer for layer in LAYERS if content.get(layer) is not None],
        "dependencies": [_written(dependency) for dependency in dependencies],
        "tags": list(tags),
        **{field: value for field, value in optional.items() if value is not None},
        "integrity": {
            "sha256": digest,
            "content_hash": hashed,
            "byte_size": len(canon.encode()),
        },
        "provenance": {"tool": "ctxmcp", "tool_version": tool_version},
        "stats": _stats(content),
        "signature": {
            "algorithm": "ed25519",
            "public_key": key.public_key,
            "value": key.sign(signed_message(str(name), str(version), digest)),
        },
    }
    whole = {"manifest": manifest, "content": content}
    candidate = read(_json(whole, indent=2).encode())
    facts = attestation.facts(candidate, _json(manifest, indent=None))
    envelope = attestation.sign(facts, pledge, key)
    data = _json({**whole, attestation.MEMBER: envelope.as_json()}, indent=2).encode()
    if len(data) > MAX_ARTIFACT:
        raise TooLarge(f"the package has {len(data):,} bytes, at most {MAX_ARTIFACT:,}")
    return data


def _payload(kind: Kind, files: Sequence[File]) -> dict[str, Any]:
    ordered = sorted(files, key=lambda file: file.path)
    if kind in DOCUMENT_KINDS:
        return {"documents": {"files": [_blob(file) for file in ordered]}}
    if kind is Kind.ADDON:
        return {"addon": _addon(ordered)}
    if ordered:
        raise Invalid(f"a package of kind {kind} holds no files")
    return {}


def _addon(files: Sequence[File]) -> dict[str, Any]:
    manifest = next((file.text for file in files if file.path == ADDON_MANIFEST), None)
    if manifest is None:
        raise Invalid(f"an addon needs {ADDON_MANIFEST}, in UTF-8")
    modules = [_blob(file) for file in files if file.path != ADDON_MANIFEST]
    return {"manifest_toml": manifest} | ({"modules": modules} if modules else {})


def _blob(file: File) -> dict[str, str]:
    packed = zstandard.ZstdCompressor(level=9).compress(file.data)
    return {
        "path": file.path,
        "sha256": file.sha256,
        "encoding": _ENCODING,
        "body": base64.b64encode(packed).decode(),
    }


def _written(dependency: Dependency) -> dict[str, Any]:
    written: dict[str, Any] = {"name": dependency.name, "version_req": dependency.requirement}
    return written | ({"optional": True} if dependency.optional else {})


def _stats(content: Mapping[str, Any]) -> dict[str, int | float]:
    knowledge = content.get("knowledge") or {}
    return {
        "knowledge_facts": len(knowledge.get("facts", ())),
        "graph_nodes": 0,
        "graph_edges": 0,
        "pattern_count": len(knowledge.get("patterns", ())),
        "gotcha_count": 0,
        "compression_ratio": 0.0,
    }


def _rfc3339(moment: datetime) -> str:
    if moment.tzinfo is None:
        raise Invalid("a time without its zone cannot be written", hint="Use datetime.now(UTC).")
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _json(value: Any, *, indent: int | None) -> str:
    # Between tokens the two forms differ in white space only, so that one is the other's canon.
    separators = (",", ": ") if indent else (",", ":")
    try:
        text = json.dumps(
            value, ensure_ascii=False, allow_nan=False, indent=indent, separators=separators
        )
        text.encode()
    except (ValueError, TypeError, RecursionError) as error:
        raise Invalid(f"cannot be written as JSON: {error}") from None
    return text
