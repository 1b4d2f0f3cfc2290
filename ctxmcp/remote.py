"""A registry over HTTP: the operations by `/v1/tools/call`, the artifacts by their URLs."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urljoin

import httpx
from pydantic import ValidationError

from registry_core import errors
from registry_core.operations import find
from registry_core.operations.publish import PublishedRelease

if TYPE_CHECKING:
    from collections.abc import Mapping

    from registry_core.operation import Model

TIMEOUT = 60.0
MOST_ANSWER = 32 * 1024 * 1024
"""Bytes of one JSON answer, at most."""


class Remote:
    """A registry over HTTP. `url` is its address, with or without the `/api` of ctxpkg clients."""

    def __init__(self, url: str, token: str) -> None:
        self._root = url.rstrip("/").removesuffix("/api") + "/"
        # Nothing redirects in this protocol, and a token must not follow where one would lead.
        self._client = httpx.AsyncClient(timeout=TIMEOUT, follow_redirects=False)
        self._headers = {"authorization": f"Bearer {token}"} if token else {}
        self.base = f"{self._root}api"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._client.aclose()

    async def invoke(self, name: str, arguments: Mapping[str, Any]) -> Model:
        operation = find(name)
        answer = await self._call(name, arguments)
        try:
            output: Model = operation.output.model_validate(answer)
        except ValidationError as error:
            raise errors.Unavailable(
                f"{self._root} answers {name} in a shape of its own",
                hint="Is it a ctxmcp registry, and of this version?",
            ) from error
        return output

    async def artifact(self, url: str, sha256: str, size: int) -> bytes:
        address = urljoin(self._root, url)
        # A token goes to the registry it belongs to and nowhere else.
        headers = self._headers if address.startswith(self._root) else {}
        try:
            async with self._client.stream("GET", address, headers=headers) as response:
                if response.status_code != httpx.codes.OK:
                    raise _error(response.status_code, await _bounded(response, 65536))
                return await _bounded(response, size)
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error

    async def publish(self, artifact: bytes, *, dry_run: bool) -> PublishedRelease:
        given = {"artifact": base64.b64encode(artifact).decode(), "dry_run": dry_run}
        published = await self.invoke("publish", given)
        assert isinstance(published, PublishedRelease)  # noqa: S101 - the operation's own output
        return published

    async def _call(self, name: str, arguments: Mapping[str, Any]) -> Any:
        body = {"name": name, "arguments": dict(arguments)}
        try:
            async with self._client.stream(
                "POST", urljoin(self._root, "v1/tools/call"), json=body, headers=self._headers
            ) as response:
                data = await _bounded(response, MOST_ANSWER)
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error
        if response.status_code != httpx.codes.OK:
            raise _error(response.status_code, data)
        answer = _json(data)
        if answer.get("isError"):
            raise _error(response.status_code, data)
        return answer.get("structuredContent")

    def _unreachable(self, error: httpx.HTTPError) -> errors.Unavailable:
        return errors.Unavailable(
            f"no answer from {self._root} ({type(error).__name__})",
            hint="Is the address right, and is it up?",
        )


async def _bounded(response: httpx.Response, limit: int) -> bytes:
    parts, length = [], 0
    async for part in response.aiter_bytes():
        length += len(part)
        if length > limit:
            raise errors.TooLarge(f"the answer is longer than the {limit:,} bytes it may have")
        parts.append(part)
    return b"".join(parts)


def _json(data: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(data)
    except (ValueError, RecursionError):
        answer = None
    return answer if isinstance(answer, dict) else {}


def _error(status: int, data: bytes) -> errors.RegistryError:
    """Make the error that the registry meant, in its own words."""
    answer = _json(data)
    message = str(answer.get("error") or f"the registry answered HTTP {status}")[:2000]
    code = str(answer.get("code") or _CODES.get(status) or ("invalid" if status < 500 else ""))
    hint = str(answer.get("hint") or "")[:500]
    return errors.revive(code, message, hint) or errors.Unavailable(message, hint=hint)


_CODES = {401: "unauthenticated", 403: "forbidden", 404: "not_found", 409: "conflict"}
