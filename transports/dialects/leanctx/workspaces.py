"""Where a request takes place: a workspace, and a channel of it.

    body workspaceId  >  header x-leanctx-workspace  >  query workspaceId            >  "default"
    body channelId    >                                 query channelId, or channel  >  "default"

A name is 1 to 64 of `A-Z a-z 0-9 . _ - /`, so that a branch (`feat/auth`) is one as it is written.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from registry_core.callers import DEFAULT_CHANNEL, DEFAULT_WORKSPACE, PLACE, PLACE_HINT
from registry_core.names import shown
from transports.dialects.leanctx.envelope import InvalidArguments, UnknownWorkspace
from transports.guards.auth import note_denied
from transports.headers import words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from registry_core.callers import Caller

HEADER = b"x-leanctx-workspace"


def place(request: Request, body: Mapping[str, Any] | None, caller: Caller) -> Caller:
    """Return the caller as it stands in the workspace and channel that the request names.

    Raises InvalidArguments for what is no name, UnknownWorkspace for a workspace that the
    caller's token does not open; that is written down.
    """
    body = body or {}
    query: Mapping[str, str] = request.query_params if request.scope["query_string"] else {}
    named = next(iter(words(request.scope, HEADER)), None)
    workspaces = (body.get("workspaceId"), named, query.get("workspaceId"))
    channels = (body.get("channelId"), query.get("channelId"), query.get("channel"))
    workspace = _first(workspaces, "workspaceId", DEFAULT_WORKSPACE)
    channel = _first(channels, "channelId", DEFAULT_CHANNEL)
    placed = caller
    if (workspace, channel) != (caller.workspace, caller.channel):
        placed = replace(caller, workspace=workspace, channel=channel)
    if caller.workspaces is not None and workspace not in caller.workspaces:
        error = UnknownWorkspace(
            f"this token opens no workspace {shown(workspace)}",
            hint=f"It opens {', '.join(sorted(caller.workspaces))}.",
        )
        note_denied(request.scope, placed, error)
        raise error
    return placed


def _first(given: tuple[Any, ...], field: str, default: str) -> str:
    """Return the first name that was given at all; null is none."""
    name = next((value for value in given if value is not None), None)
    if name is None:
        return default
    if not isinstance(name, str) or not PLACE.fullmatch(name):
        what = shown(name) if isinstance(name, str) else "no string"
        raise InvalidArguments(f"{field} is {what}", hint=PLACE_HINT)
    return name
