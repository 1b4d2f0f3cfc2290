"""Blobs and files in an object store: a local folder, memory, S3, Google Cloud or Azure.

All through obstore. A blob's key is `sha256/ab/abcdef...`: two characters of the digest make the
folder. A file's key is its path.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import LocalStore, MemoryStore, from_url

from registry_core.errors import NotFound, Tampered, Unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from obstore.store import ObjectStore

_DIGEST = re.compile(r"[0-9a-f]{64}")


class ObjectBlobs:
    """`Blobs` over one obstore store."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    @classmethod
    def in_folder(cls, path: Path) -> ObjectBlobs:
        """Keep blobs in a local folder, making it where there is none."""
        return cls(LocalStore(path, mkdir=True))

    @classmethod
    def in_memory(cls) -> ObjectBlobs:
        """Keep blobs as long as this process lives."""
        return cls(MemoryStore())

    @classmethod
    def at_url(cls, url: str) -> ObjectBlobs:
        """Keep blobs at `s3://`, `gs://` or `az://`; credentials come as their tools have them."""
        return cls(from_url(url))

    async def put(self, data: bytes) -> str:
        digest = hashlib.sha256(data).hexdigest()
        try:
            await obstore.put_async(self._store, _key(digest), data, mode="create")
        except AlreadyExistsError:
            pass  # the same digest: the same bytes
        except (BaseError, OSError) as error:
            raise Unavailable("the blob store does not take a blob") from error
        return digest

    async def get(self, digest: str) -> bytes:
        try:
            data = bytes(await (await obstore.get_async(self._store, _key(digest))).bytes_async())
        except FileNotFoundError:
            raise NotFound(f"no blob {digest}") from None
        except (BaseError, OSError) as error:
            raise Unavailable("the blob store does not give a blob") from error
        found = hashlib.sha256(data).hexdigest()
        if found != digest:
            raise Tampered("a stored blob was changed", expected=digest, found=found)
        return data

    async def has(self, digest: str) -> bool:
        try:
            await obstore.head_async(self._store, _key(digest))
        except FileNotFoundError:
            return False
        except (BaseError, OSError) as error:
            raise Unavailable("the blob store does not answer") from error
        return True

    async def digests(self) -> AsyncIterator[Sequence[str]]:
        try:
            async for found in obstore.list(self._store, prefix="sha256"):
                names = [each["path"].rpartition("/")[2] for each in found]
                yield [name for name in names if _DIGEST.fullmatch(name)]
        except FileNotFoundError:
            return
        except (BaseError, OSError) as error:
            raise Unavailable("the blob store does not answer") from error


class ObjectFiles:
    """`Files` over one obstore store."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    @classmethod
    def in_folder(cls, path: Path) -> ObjectFiles:
        """Keep files in a local folder, making it where there is none."""
        return cls(LocalStore(path, mkdir=True))

    @classmethod
    def in_memory(cls) -> ObjectFiles:
        """Keep files as long as this process lives."""
        return cls(MemoryStore())

    @classmethod
    def at_url(cls, url: str) -> ObjectFiles:
        """Keep files at `s3://`, `gs://` or `az://`."""
        return cls(from_url(url))

    async def create(self, path: str, data: bytes) -> bool:
        try:
            await obstore.put_async(self._store, path, data, mode="create")
        except AlreadyExistsError:
            return False
        except (BaseError, OSError) as error:
            raise Unavailable("the object store does not take a file") from error
        return True

    async def replace(self, path: str, data: bytes) -> None:
        try:
            await obstore.put_async(self._store, path, data)
        except (BaseError, OSError) as error:
            raise Unavailable("the object store does not take a file") from error

    async def read(self, path: str) -> bytes | None:
        try:
            return bytes(await (await obstore.get_async(self._store, path)).bytes_async())
        except FileNotFoundError:
            return None
        except (BaseError, OSError) as error:
            raise Unavailable("the object store does not give a file") from error

    async def remove_below(self, folder: str) -> None:
        try:
            async for found in obstore.list(self._store, prefix=folder):
                await obstore.delete_async(self._store, [each["path"] for each in found])
        except FileNotFoundError:
            return
        except (BaseError, OSError) as error:
            raise Unavailable("the object store does not remove a file") from error


def _key(digest: str) -> str:
    return f"sha256/{digest[:2]}/{digest}"
