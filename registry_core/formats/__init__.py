"""Upload bytes become one thing, a `Candidate`, whatever format they came in.

A reader (`ctxpkg.read`, `skill.read`, `agent.read`, `tool.read`) is pure: bytes in, `Candidate`
out, or `InvalidPackage` with the place where reading stopped. It bounds every size before it
allocates, executes nothing and touches no disk. It refuses what cannot be read one way only
(duplicate keys, ambiguous archives); whether a readable candidate may enter is for `verification`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any

from registry_core import canonical
from registry_core.formats import texts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from registry_core.dsse import Envelope
    from registry_core.formats.texts import Text
    from registry_core.names import Kind

MAX_ARTIFACT = 8 * 1024 * 1024
"""Bytes of one artifact, at most; the cap the ctxpkg registry contract names."""

MAX_FILES = 256
MAX_FILE = 1024 * 1024
MAX_CONTENT = 8 * 1024 * 1024
"""Files in one package, bytes of one file, bytes of all files together."""


class Visibility(StrEnum):
    """Who may see a package."""

    PUBLIC = "public"
    PRIVATE = "private"


@dataclass(frozen=True)
class File:
    """One file inside a package: decoded, never executed."""

    path: str
    data: bytes
    executable: bool = False

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self.data)

    @cached_property
    def sha256(self) -> str:
        """Lowercase hex."""
        return hashlib.sha256(self.data).hexdigest()

    @property
    def row(self) -> dict[str, Any]:
        """What is recorded and attested of it."""
        return {
            "path": self.path,
            "size": self.size,
            "sha256": self.sha256,
            "executable": self.executable,
        }

    @property
    def text(self) -> str | None:
        """The data as UTF-8 text, or None where it is not."""
        try:
            return self.data.decode("utf-8")
        except UnicodeDecodeError:
            return None


@dataclass(frozen=True, slots=True)
class Dependency:
    """What a package needs: `name` as written, `requirement` a range as written."""

    name: str
    requirement: str
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Signature:
    """An ed25519 signature as a package carries it; hex, lowercase."""

    public_key: str
    value: str
    message: bytes
    """What the signature has to be over, recomputed from the bytes, not copied from a claim."""


@dataclass(frozen=True, slots=True)
class Attestation:
    """What a publisher states of the whole release, beside what its bytes really give."""

    envelope: Envelope
    stated: Mapping[str, Any]
    """The payload of the envelope as parsed."""
    found: Mapping[str, Any]
    """The members that can be recomputed, recomputed."""
    is_canonical: bool
    """Whether the payload is the canonical form of what it says."""

    @property
    def key(self) -> str:
        """The public key it says it is signed by; "" where it says none."""
        return self.text("key")

    def text(self, member: str) -> str:
        """Return a member that is a string, "" for every other."""
        value = self.stated.get(member)
        return value if isinstance(value, str) else ""


@dataclass(frozen=True, slots=True)
class Digest:
    """One claim of the manifest beside what the bytes really give."""

    claim: str
    expected: str
    found: str


@dataclass(frozen=True, slots=True)
class Powers:
    """What a package asks for, in the words of its own manifest. Empty means it asks for nothing.

    `filesystem` is "", "read" or "write".
    """

    network: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    filesystem: str = ""
    environment: tuple[str, ...] = ()
    hooks: tuple[str, ...] = ()
    mcp_servers: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return any(
            (
                self.network,
                self.commands,
                self.filesystem,
                self.environment,
                self.hooks,
                self.mcp_servers,
            )
        )


@dataclass(frozen=True)
class Candidate:
    """A package as read from bytes: what the checks judge and what publishing stores.

    `name` and `version` are what the bytes say: `@ns/name` for a ctxpkg, a bare name for the
    other formats, "" where the format has no word for it. `artifact` is the upload, byte for byte.
    """

    format: str
    kind: Kind
    name: str
    version: str
    artifact: bytes
    media_type: str
    description: str = ""
    author: str = ""
    license: str = ""
    tags: tuple[str, ...] = ()
    category: str = ""
    """The shelf it stands on, of those that its format knows; "" where it knows none."""
    dependencies: tuple[Dependency, ...] = ()
    visibility: Visibility = Visibility.PUBLIC
    files: tuple[File, ...] = ()
    readme: str = ""
    """Markdown that introduces the package: README.md, else SKILL.md, else the prompt, else ""."""
    powers: Powers = field(default_factory=Powers)
    manifest: Mapping[str, Any] = field(default_factory=dict)
    """The manifest (frontmatter, agent.yaml, ctxpkg manifest) as parsed."""
    content: Mapping[str, Any] = field(default_factory=dict)
    """A ctxpkg's `content` as parsed; empty for the other formats."""
    digests: tuple[Digest, ...] = ()
    signature: Signature | None = None
    attestation: Attestation | None = None
    notes: tuple[str, ...] = ()
    """What the reader tolerated and a publisher should know."""

    @cached_property
    def sha256(self) -> str:
        """The artifact's identity: SHA-256 of the uploaded bytes, lowercase hex."""
        return hashlib.sha256(self.artifact).hexdigest()

    @cached_property
    def contents(self) -> str:
        """What its files are, whatever they are packed in and how; "" where there are none."""
        return digest_of_files([file.row for file in self.files])

    @property
    def known_by(self) -> frozenset[str]:
        """Every digest that something bad in it may be known by."""
        mine = (self.sha256, self.contents, *(file.sha256 for file in self.files))
        return frozenset(filter(None, mine))

    @cached_property
    def texts(self) -> tuple[Text, ...]:
        """The files that are text."""
        return tuple(texts.in_files(self.files))

    @cached_property
    def strings(self) -> tuple[Text, ...]:
        """File names, and what stands in manifest and content beside the files."""
        return tuple(texts.strings(self))

    def file(self, path: str) -> File | None:
        """Return the file at `path`, if there is one."""
        return next((file for file in self.files if file.path == path), None)


def digest_of_files(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return the SHA-256 of the canonical list of files (`File.row`) by path; "" for none."""
    ordered = sorted(rows, key=lambda row: str(row["path"]))
    return canonical.digest(ordered) if ordered else ""
