"""Private keys that sign notes, each in a file: the transparency log's own, and a witness's.

One line with mode 0600:

    PRIVATE+KEY+<name>+<id>+<base64>

Whoever has a log's key can sign another history; whoever loses it has to begin another log. Every
process that serves one registry needs the same. A witness's key says who saw what.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from registry_core.errors import Invalid, Unavailable
from registry_core.signing import SigningKey
from registry_core.transparency.notes import Signer

if TYPE_CHECKING:
    from ctxmcp.settings import Settings

_MOST_BYTES = 4096


def log_key(settings: Settings) -> Signer:
    """Read the key of the registry's log; make it where there is none."""
    return load(settings.log_key_file, settings.log_origin, otherwise=_origin(settings))


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
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Unavailable(f"{path} cannot be read: {error.strerror}") from error
    try:
        return Signer.parse(data.decode("utf-8"))
    except (Invalid, UnicodeDecodeError):
        raise Invalid(
            f"{path} does not hold the private key of a log or a witness",
            hint="Restore it: what it signed cannot go on without it.",
        ) from None


def _origin(settings: Settings) -> str:
    """Name a log after where it is served; one that is served nowhere, by chance."""
    served = settings.base_url.partition("://")[2]
    return f"{served}/log" if served else f"ctxmcp.invalid/{os.urandom(8).hex()}"


def _make(path: Path, signer: Signer) -> None:
    """Write the key whole, unless another process was first."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # mode 0600
    try:
        with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123 - a descriptor
            file.write(f"{signer.private_text()}\n")
            file.flush()
            os.fsync(descriptor)
        with suppress(FileExistsError):
            os.link(name, path)
    finally:
        Path(name).unlink()
