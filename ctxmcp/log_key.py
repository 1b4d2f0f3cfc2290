"""The private key of the registry's transparency log, and with it the log's name, its origin.

One line in a file with mode 0600, made when a registry is opened for the first time:

    PRIVATE+KEY+<origin>+<id>+<base64>

Whoever has it can sign another history; whoever loses it has to begin another log. Every process
that serves one registry needs the same.
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


def load(settings: Settings) -> Signer:
    """Read the key; make it where there is none. Raises Invalid, Unavailable."""
    path = settings.log_key_file
    signer = _read(path)
    if signer is None:
        _make(path, Signer(settings.log_origin or _origin(settings), SigningKey.generate()))
        signer = _read(path)
    if signer is None:
        raise Unavailable(f"the key of the log vanished from {path}")
    if settings.log_origin not in {"", signer.name}:
        raise Invalid(
            f"CTXMCP_LOG_ORIGIN is {settings.log_origin}, the key in {path} is of {signer.name}",
            hint="A log keeps its name; another name is another log, with a key of its own.",
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
            f"{path} does not hold the private key of a log",
            hint="Restore it: without it the log of this registry cannot go on.",
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
