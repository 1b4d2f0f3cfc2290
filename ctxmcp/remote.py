"""A registry over HTTP: the operations by `/v1/tools/call`, the artifacts by their URLs."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, Self

from pydantic import ValidationError

from ctxmcp.answers import Status, Tool, ToolFailed, ToolResult
from ctxmcp.following import QUIET, follow
from ctxmcp.http import Http
from registry_core import errors
from registry_core.operations import CATALOG, find
from registry_core.operations.publish import PublishedRelease

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping, Sequence

    from ctxmcp.answers import Event, Watch
    from registry_core.operation import Model

MOST_TOOLS = 10_000
"""Tools that are listed, at most, however many a registry says it has."""

_PAGE = 200


class Remote:
    """A registry over HTTP. `url` is its address, with or without the `/api` of ctxpkg clients.

    Empty, `workspace` and `channel` are what the registry takes for its default.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        workspace: str = "",
        channel: str = "",
        http: Http | None = None,
    ) -> None:
        self._http = http or Http(url.rstrip("/").removesuffix("/api") + "/", token)
        self._workspace, self._channel = workspace, channel
        self._place = _place(workspace, channel)
        self.base = f"{self._http.root}api"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._http.close()

    def at(self, workspace: str, channel: str) -> Remote:
        return Remote(
            self.base,
            "",
            workspace=workspace or self._workspace,
            channel=channel or self._channel,
            http=self._http,
        )

    async def invoke(self, name: str, arguments: Mapping[str, Any]) -> Model:
        operation = find(name)
        result = await self.call(name, arguments)
        try:
            output: Model = operation.output.model_validate(result.structured)
        except ValidationError as error:
            raise errors.Unavailable(
                f"{self._http.root} answers {name} in a shape of its own",
                hint="Is it a ctxmcp registry, and of this version?",
            ) from error
        return output

    async def call(self, name: str, arguments: Mapping[str, Any]) -> ToolResult:
        operation = CATALOG.get(name)
        answer = await self._http.post(
            "v1/tools/call",
            {"name": name, "arguments": dict(arguments), **self._place},
            repeat=operation is not None and not operation.writes,
        )
        return _result(answer)

    async def tools(self) -> Sequence[Tool]:
        found: list[Tool] = []
        while len(found) < MOST_TOOLS:
            page = await self._http.get("v1/tools", offset=len(found), limit=_PAGE)
            listed = [_tool(entry) for entry in _objects(page.get("tools"))]
            found += listed
            if not listed or len(found) >= _number(page.get("total")):
                break
        return found

    async def status(self) -> Status:
        said = await self._http.get("v1/status")
        server = _object(said.get("server"))
        return Status(
            address=self._http.root.rstrip("/"),
            server=str(server.get("name", "")),
            version=str(server.get("version", "")),
            tools=_number(said.get("tools")),
            latest_event_id=_number(said.get("latestEventId")),
        )

    def events(
        self, since: int, watch: Watch, *, quiet: float = QUIET
    ) -> AsyncGenerator[Event, None]:
        query = {**self._place, "detail": watch.detail}
        if watch.kinds:
            query["kind"] = ",".join(watch.kinds)
        return follow(self._http, since, query, quiet)

    async def artifact(self, url: str, sha256: str, size: int) -> bytes:
        return await self._http.bytes_at(url, size)

    async def standing(self, day: str, digest: str) -> bytes:
        return await self._http.read(f"log/standing/{day}/{digest}")

    async def publish(self, artifact: bytes, *, dry_run: bool) -> PublishedRelease:
        given = {"artifact": base64.b64encode(artifact).decode(), "dry_run": dry_run}
        published = await self.invoke("publish", given)
        assert isinstance(published, PublishedRelease)  # noqa: S101 - the operation's own output
        return published


def _place(workspace: str, channel: str) -> dict[str, str]:
    named = {"workspaceId": workspace, "channelId": channel}
    return {key: name for key, name in named.items() if name}


def _result(answer: Mapping[str, Any]) -> ToolResult:
    """Read an answer of either shape: its members at the top, or in `result`."""
    said = answer if "content" in answer else _object(answer.get("result"))
    result = ToolResult(
        content=_objects(said.get("content")),
        structured=said.get("structuredContent"),
        meta=_object(said.get("meta") or said.get("_meta")),
    )
    if said.get("isError"):
        raise ToolFailed(result.text[:2000] or "the tool failed and does not say why")
    return result


def _tool(entry: Mapping[str, Any]) -> Tool:
    return Tool(
        name=str(entry.get("name", "")),
        description=str(entry.get("description", "")),
        input_schema=_object(entry.get("input_schema")),
    )


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _objects(value: Any) -> list[dict[str, Any]]:
    return [_object(entry) for entry in value] if isinstance(value, list) else []


def _number(value: Any) -> int:
    return value if isinstance(value, int) else 0
