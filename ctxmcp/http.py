"""HTTP to one registry: answers with a bound, refusals as the errors they stand for.

- Nothing in this protocol redirects, and a token must not follow where a redirect would lead; so
  none is followed. A token goes to the registry's own addresses and nowhere else.
- Certificates are verified, and the environment's proxies used.
- Answers come uncompressed: a bound on what is read is a bound on what it becomes.
- A question that changes nothing is asked once more where the registry says 429 or 503, after the
  time that it names, if that is short. A write never is.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urljoin

import httpx

from registry_core import errors

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

TIMEOUT = 60.0
"""Seconds for a connection, and between two parts of an answer."""

MOST_ANSWER = 32 * 1024 * 1024
"""Bytes of one JSON answer, at most."""

MOST_REFUSAL = 64 * 1024

MOST_WAIT = 10.0
"""Seconds that a call waits to ask again; a longer time is the caller's to decide on."""

USUAL_WAIT = 1.0
"""Seconds, where a registry says to come back later and not when."""

_LATER = frozenset({429, 503})


class Http:
    """A client of the registry at `root`, which ends in a slash."""

    def __init__(self, root: str, token: str) -> None:
        self.root = _address(root)
        self._client = httpx.AsyncClient(
            timeout=TIMEOUT, follow_redirects=False, headers={"accept-encoding": "identity"}
        )
        self._headers = _bearing(token)

    async def close(self) -> None:
        await self._client.aclose()

    async def get(self, path: str, **query: str | int) -> dict[str, Any]:
        """Return the JSON object at a path. Raises RegistryError."""
        return _json(await self.read(path, **query))

    async def read(self, path: str, **query: str | int) -> bytes:
        """Return what is at a path."""
        request = self._client.build_request(
            "GET", urljoin(self.root, path), params=query or None, headers=self._headers
        )
        return await self._ask(request, repeat=True)

    async def post(self, path: str, body: Mapping[str, Any], *, repeat: bool) -> dict[str, Any]:
        """Return the JSON object that answers `body`; `repeat` says that it changes nothing."""
        headers = self._headers | {"accept": "application/json"}
        request = self._client.build_request(
            "POST", urljoin(self.root, path), json=body, headers=headers
        )
        return _json(await self._ask(request, repeat=repeat))

    async def send(self, path: str, body: str) -> dict[str, Any]:
        """Return the JSON object that answers a text; sending it again changes nothing."""
        headers = self._headers | {"content-type": "text/plain; charset=utf-8"}
        address = urljoin(self.root, path)
        request = self._client.build_request(
            "POST", address, content=body.encode(), headers=headers
        )
        return _json(await self._ask(request, repeat=True))

    async def submit(self, path: str, body: str) -> tuple[int, bytes]:
        """Send a text; return the status and the answer, whatever they are."""
        address = urljoin(self.root, path)
        request = self._client.build_request("POST", address, content=body.encode())
        async with self._answered(request) as response:
            return response.status_code, await _bounded(response, MOST_REFUSAL)

    async def bytes_at(self, url: str, most: int) -> bytes:
        """Return the bytes at an address that the registry named, at most so many."""
        try:
            address = urljoin(self.root, url)
            headers = self._headers if address.startswith(self.root) else {}
            request = self._client.build_request("GET", address, headers=headers)
        except (ValueError, httpx.InvalidURL):
            raise errors.Unavailable(f"{self.root} names an address that is none") from None
        async with self.opened(request) as response:
            return await _bounded(response, most)

    def stream(self, path: str, query: Mapping[str, str | int], quiet: float) -> httpx.Request:
        """Make the request of an event stream, which is dead after `quiet` seconds of silence."""
        return self._client.build_request(
            "GET",
            urljoin(self.root, path),
            params=dict(query),
            headers=self._headers | {"accept": "text/event-stream", "cache-control": "no-store"},
            timeout=httpx.Timeout(TIMEOUT, read=quiet),
        )

    @asynccontextmanager
    async def opened(self, request: httpx.Request) -> AsyncIterator[httpx.Response]:
        """Open the answer to a request that is let in; what the network does is Unavailable."""
        async with self._answered(request) as response:
            if response.status_code != httpx.codes.OK:
                raise _refusal(response, await _bounded(response, MOST_REFUSAL))
            yield response

    async def _ask(self, request: httpx.Request, *, repeat: bool) -> bytes:
        async with self._answered(request) as response:
            data = await _bounded(response, MOST_ANSWER)
        if response.status_code == httpx.codes.OK:
            return data
        wait = _wait(response)
        if repeat and response.status_code in _LATER and wait <= MOST_WAIT:
            await asyncio.sleep(wait)
            return await self._ask(request, repeat=False)
        raise _refusal(response, data)

    @asynccontextmanager
    async def _answered(self, request: httpx.Request) -> AsyncIterator[httpx.Response]:
        if self._client.is_closed:
            raise errors.Invalid("the client is closed", hint="Use it within its `with` block.")
        try:
            response = await self._client.send(request, stream=True)
            try:
                yield response
            finally:
                await response.aclose()
        except httpx.HTTPError as error:
            raise errors.Unavailable(
                f"no answer from {self.root} ({type(error).__name__})",
                hint="Is the address right, and is it up?",
            ) from error

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()


def _address(root: str) -> str:
    try:
        url = httpx.URL(root)
    except httpx.InvalidURL:
        url = httpx.URL("")
    if url.scheme not in {"http", "https"} or not url.host:
        raise errors.Invalid(
            "the registry's address is none", hint="It starts with http:// or https:// and a host."
        )
    return root


def _bearing(token: str) -> dict[str, str]:
    if not (token.isascii() and token.isprintable()):
        raise errors.Invalid("the token is none", hint="Copy it again, without quotation marks.")
    return {"authorization": f"Bearer {token}"} if token else {}


async def parts(response: httpx.Response) -> AsyncIterator[bytes]:
    """Yield what comes, as it comes. Raises Unavailable where it is compressed unasked."""
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding != "identity":
        raise errors.Unavailable(
            f"the answer is encoded as {encoding[:40]}, which was not asked for",
            hint="Does a proxy in between compress? It should heed Accept-Encoding.",
        )
    async for part in response.aiter_raw():
        yield part


async def _bounded(response: httpx.Response, limit: int) -> bytes:
    read = bytearray()
    async for part in parts(response):
        read += part
        if len(read) > limit:
            raise errors.TooLarge(f"the answer is longer than the {limit:,} bytes it may have")
    return bytes(read)


def _json(data: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(data)
    except (ValueError, RecursionError):
        answer = None
    return answer if isinstance(answer, dict) else {}


_CODES = {
    401: "unauthenticated",
    403: "forbidden",
    404: "not_found",
    409: "conflict",
    413: "too_large",
    429: "rate_limited",
    504: "request_timeout",
}
"""What a status means where the answer has no code that is ours."""


def _refusal(response: httpx.Response, data: bytes) -> errors.RegistryError:
    """Make the error that the registry meant, in its own words."""
    status = response.status_code
    if 300 <= status < 400:
        return errors.Invalid(
            f"the registry answers with a redirect to {response.headers.get('location', '')[:200]}",
            hint="No redirect is followed. If you trust that address, give it as the registry.",
        )
    answer = _json(data)
    message = str(answer.get("error") or f"the registry answered HTTP {status}")[:2000]
    hint = str(answer.get("hint") or "")[:500]
    error = _revived(status, answer, message, hint)
    if isinstance(error, errors.RateLimited):
        error.retry_after = _wait(response)
    return error


def _revived(
    status: int, answer: Mapping[str, Any], message: str, hint: str
) -> errors.RegistryError:
    words = [str(answer[key])[:64] for key in ("code", "error_code") if answer.get(key)]
    for code in (*words, _CODES.get(status, "")):
        error = errors.revive(code, message, hint)
        if error is not None:
            return error
    kind = errors.Invalid if status < 500 else errors.Unavailable
    error = kind(message, hint=hint)
    if words:
        vars(error)["code"] = words[0]  # finer than any class that is known here
    return error


def _wait(response: httpx.Response) -> float:
    """Return in how many seconds the registry wants to be asked again."""
    said = response.headers.get("retry-after", "").strip()
    # A date is legal as well, and would make the wait depend on two clocks that differ.
    return float(said) if said.isascii() and said.isdecimal() and len(said) < 9 else USUAL_WAIT
