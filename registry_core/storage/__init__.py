"""Blobs: bytes kept under their own SHA-256, written once, never changed.

A `put` that returned is durable as far as the store is: a local folder writes to a temporary name
and moves it, so a crash leaves a stray temporary file and never half a blob. A blob that no row
names is garbage, not damage; that is why publishing stores before it records.
"""

from __future__ import annotations

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
