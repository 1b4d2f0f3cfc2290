"""Proposals that two tools be made one: the list, one of them, and what a runner says of it."""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING, Any

from starlette.routing import Route

from registry_core.callers import Scope
from registry_core.errors import Conflict, Forbidden, NotFound
from registry_core.formats import MAX_FILE
from registry_core.proposals import Status
from transports.dialects.patchcat.people import contributor
from transports.dialects.patchcat.tools import tool_name
from transports.dialects.patchcat.words import Refused, answer, body, moment
from transports.state import opened

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from registry_core.proposals import Proposal

MOST_RESULT = 2 * MAX_FILE
_DIGEST = re.compile(r"[0-9a-f]{64}")
_TOLD = {
    "proposed_manifest_yaml": "manifest_yaml",
    "proposed_source_sha256": "source_sha256",
    "equivalence_failure_reason": "failure_reason",
    "runner_log_sha256": "runner_log_sha256",
}
"""Members of a result, and what the core calls them."""

_PROPOSAL = "/v1/refactor/proposals/{id}"


def routes() -> list[Route]:
    """Return what is answered here."""
    return [
        Route("/v1/refactor/proposals", proposals, methods=["GET"]),
        Route(_PROPOSAL, proposal, methods=["GET"]),
        Route(f"{_PROPOSAL}/result", result, methods=["POST"]),
    ]


async def proposals(request: Request) -> Response:
    """List proposals, of one status or of any."""
    word = request.query_params.get("status")
    status = _status(word) if word is not None else None
    found = await opened(request.scope).registry.proposals.list(status)
    return answer({"proposals": [_shown(each) for each in found]})


async def proposal(request: Request) -> Response:
    """Show one proposal with the manifest that was made for it."""
    number = _id(request)
    try:
        return answer(_shown(await opened(request.scope).registry.proposals.get(number)))
    except NotFound:
        raise _no_proposal() from None


async def result(request: Request) -> Response:
    """Say how far a proposal has come."""
    caller, number = await contributor(request), _id(request)
    if not caller.has(Scope.PUBLISH):
        raise Refused(403, "forbidden", "this token may only read")
    sent = await body(request, MOST_RESULT)
    status, told = _status(sent.get("status")), _told(sent)
    try:
        after = await opened(request.scope).registry.proposals.step(number, status, told, caller)
    except NotFound:
        raise _no_proposal() from None
    except Forbidden as error:
        raise Refused(403, "forbidden", str(error)) from None
    except Conflict as error:
        raise Refused(409, "invalid_transition", str(error)) from None
    return answer(_shown(after))


def _status(word: Any) -> Status:
    if not isinstance(word, str) or word not in set(Status):
        raise Refused(400, "invalid_status", f"status has to be one of {', '.join(Status)}")
    return Status(word)


def _id(request: Request) -> str:
    try:
        return str(uuid.UUID(request.path_params["id"]))
    except ValueError:
        raise Refused(400, "invalid_id", "a proposal's id is a UUID") from None


def _no_proposal() -> Refused:
    return Refused(404, "proposal_not_found", "there is no such proposal")


def _told(sent: Mapping[str, Any]) -> dict[str, str]:
    told = {}
    for name, ours in _TOLD.items():
        value = sent.get(name)
        if value is None:
            continue
        if not isinstance(value, str) or len(value) > MAX_FILE:
            raise Refused(400, "invalid_body", f"{name} has to be a string")
        if name.endswith("_sha256") and not _DIGEST.fullmatch(value):
            raise Refused(400, "invalid_body", f"{name} has to be 64 hex characters")
        told[ours] = value
    return told


def _shown(one: Proposal) -> dict[str, Any]:
    return {
        "id": one.id,
        "tool_a": {"name": tool_name(one.tool_a), "version": one.version_a},
        "tool_b": {"name": tool_name(one.tool_b), "version": one.version_b},
        "similarity": round(one.similarity, 3),
        "status": str(one.status),
        "proposed_manifest_yaml": one.manifest_yaml,
        "proposed_source_sha256": one.source_sha256,
        "equivalence_failure_reason": one.failure_reason,
        "runner_log_sha256": one.runner_log_sha256,
        "created_at": moment(one.created_at),
        "updated_at": moment(one.updated_at),
    }
