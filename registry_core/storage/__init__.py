"""Blobs: bytes kept under their own SHA-256, written once, never changed.

A `put` that returned is durable as far as the store is: a local folder writes to a temporary name
and moves it, so a crash leaves a stray temporary file and never half a blob. A blob that no row
names is garbage, not damage; that is why publishing stores before it records.

Files, beside them: bytes under paths, for what is served as static files (the transparency log).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Protocol


class Blobs(Protocol):
    """A store of blobs by digest, which is SHA-256 in lowercase hex."""

    async def put(self, data: bytes) -> str:
        """Keep `data` and return its digest; keeping it twice is keeping it once.

        Raises Unavailable where the store does not answer.
        """

    async def get(self, digest: str) -> bytes:
        """Return the blob, checked against its digest.

        Raises NotFound where there is none, Tampered where the bytes are others, Unavailable.
        """

    async def has(self, digest: str) -> bool:
        """Tell whether the blob is there. Raises Unavailable."""

    def digests(self) -> AsyncIterator[Sequence[str]]:
        """Yield the digests of all there are, some at a time. Raises Unavailable."""


class Files(Protocol):
    """A store of files by path, such as `tile/0/000`. Each raises Unavailable."""

    async def create(self, path: str, data: bytes) -> bool:
        """Write a file where there is none; False where there is one, which stays as it is."""

    async def replace(self, path: str, data: bytes) -> None:
        """Write a file, whatever is there. Readers see the old one or the new one."""

    async def read(self, path: str) -> bytes | None:
        """Return a file, None where there is none."""

    async def remove_below(self, folder: str) -> None:
        """Remove every file in a folder."""
