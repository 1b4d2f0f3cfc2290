"""Key files: the key that signs, the one that follows it, and the one that recovers.

    signing.key               signs what is published; 64 hex characters, as in every key file
    signing.next.key          takes its place when it is rotated: keep it apart from the first
    signing.recovery.key      replaces all others when they are lost: keep it on no computer at all
    signing.next.pub          public keys, which stay here when their key files are moved away:
    signing.recovery.pub      what is packed commits to them
    signing.1a2b3c4d.key      a key that was replaced, by the beginning of its public key

The names follow that of the first file. Every key file is readable by its owner alone; a file that
is there is never written over, except by the rotation that moves the next key to the first's place.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from registry_core.errors import Conflict, Invalid
from registry_core.formats.attestation import Pledge, commitment
from registry_core.signing import SigningKey

MOST_KEY = 1024


@dataclass(frozen=True, slots=True)
class Keyfiles:
    """The files beside one signing key."""

    current: Path

    @property
    def next(self) -> Path:
        """The key that follows."""
        return self._named("next")

    @property
    def recovery(self) -> Path:
        """The key that recovers."""
        return self._named("recovery")

    @property
    def fresh(self) -> Path:
        """The key after the next one, while a rotation is under way."""
        return self._named("new")

    def public(self, path: Path) -> Path:
        """Where the public half of a key is."""
        return path.with_suffix(".pub")

    def _named(self, word: str) -> Path:
        return self.current.with_name(f"{self.current.stem}.{word}{self.current.suffix or '.key'}")

    def commits(self) -> Pledge:
        """Return the commitments to the next and the recovery key, where there are some."""
        return Pledge(next=self._committed(self.next), recovery=self._committed(self.recovery))

    def _committed(self, path: Path) -> str:
        try:
            text = _read(self.public(path)).strip()
        except FileNotFoundError:
            return ""
        if len(text) != 64 or not set(text) <= set("0123456789abcdef"):
            raise Invalid(f"{self.public(path)} holds no public key", hint="Delete the file.")
        return commitment(text)

    def generate(self) -> dict[str, SigningKey]:
        """Make all three. Raises Conflict where one of the files is there already."""
        for path in (self.current, self.next, self.recovery):
            if path.exists():
                raise _exists(path)
        made = {"current": create(self.current)}
        for name, path in (("next", self.next), ("recovery", self.recovery)):
            made[name] = create(path)
            self.publish(path, made[name])
        return made

    def publish(self, path: Path, key: SigningKey) -> None:
        """Write the public half of a key beside it."""
        self.public(path).write_text(f"{key.public_key}\n", encoding="ascii")

    def advance(self, successor: SigningKey, fresh: SigningKey) -> None:
        """Move each key one place on, after a rotation; a second call finishes a first."""
        if self.current.exists() and load(self.current).public_key != successor.public_key:
            gone = load(self.current)
            kept = self._named(gone.public_key[:8])
            if not kept.exists():
                _write(kept, gone)
            beside = self.current.with_name(f"{self.current.name}.tmp")
            beside.unlink(missing_ok=True)
            _write(beside, successor)
            beside.replace(self.current)
        if self.fresh.exists():
            self.fresh.replace(self.next)
        self.publish(self.next, fresh)


def load(path: Path) -> SigningKey:
    """Read a key file. Raises Invalid where there is none, or others can read it."""
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


def create(path: Path) -> SigningKey:
    """Make a key and keep it at `path`. Raises Conflict where there is a file."""
    key = SigningKey.generate()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    _write(path, key)
    return key


def _write(path: Path, key: SigningKey) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    try:
        descriptor = os.open(path, flags, 0o600)
    except FileExistsError:
        raise _exists(path) from None
    with open(descriptor, "w", encoding="ascii") as file:  # noqa: PTH123 - opened with a mode
        file.write(f"{key.to_hex()}\n")
        file.flush()
        os.fsync(file.fileno())


def _exists(path: Path) -> Conflict:
    return Conflict(
        f"there is a key at {path} already",
        hint="What it signed can be updated with it alone: keep it, or move it away first.",
    )


def _read(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(MOST_KEY).decode("ascii", "replace")
