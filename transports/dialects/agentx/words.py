"""What agentx's answers have in common: the refusal, JSON, moments, numbers of a query.

    { "error": "Agent not found", "message": "Agent not found", "details": ["..."] }

`error` and `details` are the document's; `message` is what the command line prints, so all that a
person needs is in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from registry_core.errors import Forbidden, Invalid, InvalidPackage, NotFound, Rejected
from registry_core.formats import strict_json
from transports import refusals

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from starlette.requests import Request
    from starlette.types import Scope

    from registry_core.errors import RegistryError

MOST_JSON = 64 * 1024
"""Bytes of a JSON body."""

MOST_LIMIT, USUAL_LIMIT = 100, 20
MOST_PAGE = 1000

STATUSES: Mapping[type[RegistryError], int] = {**refusals.STATUSES, Rejected: 400}
"""The document knows 400 for what is not published, whatever speaks against it."""


class ValidationFailed(Invalid):
    """What was sent is not what it has to be; `details` say where."""

    code = "validation_failed"

    def __init__(self, details: Sequence[str], error: str = "Validation failed") -> None:
        super().__init__(error)
        self.details = tuple(details)


class NotYours(Forbidden):
    """The document's words for a scope that is not the publisher's."""

    def __init__(self, scopes: Sequence[str]) -> None:
        super().__init__("You can only publish under @your-username scope")
        self.scopes = tuple(scopes)


def agent_not_found() -> NotFound:
    """Make the document's words for an agent that is not there."""
    return NotFound("Agent not found")


def version_not_found() -> NotFound:
    """Make the document's words for a version that is not there."""
    return NotFound("Version not found")


def refuse(_: Scope, error: RegistryError) -> Response:
    """Refuse a request as the document does."""
    said, details, message = error.message, list[str](), f"{error.message}. {error.hint}"
    if isinstance(error, Rejected) and error.report is not None:
        said = "Refused by the checks of this registry"
        details = [
            f"{f.place}: {f.message}" if f.place else f.message for f in error.report.blocking
        ]
    elif isinstance(error, ValidationFailed):
        details = list(error.details)
    elif isinstance(error, InvalidPackage):
        said, details = "Validation failed", [error.message]
    if details:
        message = f"{said}: {'; '.join(details)}"
    elif isinstance(error, NotYours):
        message = f"You can only publish under {' or '.join(error.scopes) or 'your own'} scope"
    body: dict[str, Any] = {"error": said}
    body |= {"details": details} if details else {}
    body["message"] = message if details or error.hint or isinstance(error, NotYours) else said
    return refusals.response(error, refusals.status(error, STATUSES), body)


def answer(document: Mapping[str, Any], cache: str = "no-cache") -> Response:
    """Answer with a JSON document."""
    headers = {"cache-control": cache, "x-content-type-options": "nosniff"}
    return Response(refusals.encode(document), 200, headers, media_type="application/json")


async def body(request: Request) -> Mapping[str, Any]:
    """Read a JSON object. Raises Invalid."""
    try:
        return strict_json.read(await request.body(), max_bytes=MOST_JSON).members
    except InvalidPackage as error:
        raise ValidationFailed([f"body: {error.message}"], "Invalid JSON") from None


def moment(at: datetime) -> str:
    """Write a moment as the document does."""
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


def paging(request: Request) -> tuple[int, int]:
    """Read page and limit; what is none is as good as absent, and what is too much is cut."""
    page = _number(request.query_params.get("page"), 1, MOST_PAGE)
    return page, _number(request.query_params.get("limit"), USUAL_LIMIT, MOST_LIMIT)


def _number(text: str | None, usual: int, most: int) -> int:
    if text is None or not (text.isascii() and text.isdecimal() and len(text) < 10):
        return usual
    return min(max(int(text), 1), most)
