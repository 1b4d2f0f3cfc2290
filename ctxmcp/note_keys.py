"""Private keys that sign notes, each in a file: the transparency log's own, and a witness's.

A line, with mode 0600, and behind that of a log, after an empty line, the notes by which earlier
keys led to it (`registry_core.transparency.handover`):

    PRIVATE+KEY+<name>+<id>+<base64>

Whoever has a log's key can sign another history; whoever loses it has to begin another log. Every
process that serves one registry needs the same. A witness's key says who saw what.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from registry_core.errors import Invalid, NotFound, Unavailable
from registry_core.signing import SigningKey
from registry_core.transparency import handover
from registry_core.transparency.notes import Signer, Verifier

if TYPE_CHECKING:
    from ctxmcp.settings import Settings

_MOST_BYTES = 4096 + handover.MOST_BYTES


def log_key(settings: Settings) -> tuple[Signer, tuple[str, ...]]:
    """Read the key of the registry's log, and how it came to it; make one where there is none."""
    path = settings.log_key_file
    signer = load(path, settings.log_origin, otherwise=_origin(settings))
    return signer, handover.split((_text(path) or "").partition("\n\n")[2])


def rotate(settings: Settings) -> tuple[Verifier, Path]:
    """Let the key of the registry's log hand over to a new one; return that, and the old file.

    Raises NotFound where there is no key yet.
    """
    path = settings.log_key_file
    if not path.exists():
        raise NotFound(f"there is no key in {path}", hint="`serve` makes one.")
    old, before = log_key(settings)
    new = Signer(old.name, SigningKey.generate())
    handovers = (*before, handover.make(old, new))
    handover.leading_to(new.verifier, handovers)
    kept = path.with_name(f"{path.name}.{old.verifier.id.hex()}")
    with suppress(FileExistsError):
        os.link(path, kept)
    with _written(path, f"{new.private_text()}\n\n{handover.join(handovers)}") as made:
        made.replace(path)
    return new.verifier, kept


def load(path: Path, name: str, *, otherwise: str = "") -> Signer:
    """Read a key, of this name if one is given; make it where there is none.

    Raises Invalid where there is another key or no name to make one with, Unavailable.
    """
    signer = _read(path)
    if signer is None:
        _make(path, Signer(name or otherwise, SigningKey.generate()))
        signer = _read(path)
    if signer is None:
        raise Unavailable(f"the key vanished from {path}")
    if name not in {"", signer.name}:
        raise Invalid(
            f"the key in {path} is called {signer.name}, not {name}",
            hint="A log or witness keeps its name; another name needs another key.",
        )
    return signer


def _read(path: Path) -> Signer | None:
    text = _text(path)
    try:
        return Signer.parse(text.partition("\n\n")[0]) if text is not None else None
    except Invalid:
        raise Invalid(
            f"{path} does not hold the private key of a log or a witness",
            hint="Restore it: what it signed cannot go on without it.",
        ) from None


def _text(path: Path) -> str | None:
    """Return what stands in a file, None where there is none."""
    try:
        with path.open("rb") as file:
            return file.read(_MOST_BYTES).decode("utf-8", "replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Unavailable(f"{path} cannot be read: {error.strerror}") from error


def _origin(settings: Settings) -> str:
    """Name a log after where it is served; one that is served nowhere, by chance."""
    served = settings.base_url.partition("://")[2]
    return f"{served}/log" if served else f"ctxmcp.invalid/{os.urandom(8).hex()}"


def _make(path: Path, signer: Signer) -> None:
    """Write the key whole, unless another process was first."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _written(path, f"{signer.private_text()}\n") as made, suppress(FileExistsError):
        os.link(made, path)


@contextmanager
def _written(path: Path, text: str) -> Iterator[Path]:
    """Write a file of mode 0600 beside a path, which takes its place or vanishes."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # mode 0600
    try:
        with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123 - a descriptor
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)
