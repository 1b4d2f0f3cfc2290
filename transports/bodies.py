"""Bodies of requests: as they come, and a JSON object read as a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import ValidationError
from starlette.requests import ClientDisconnect

from registry_core.errors import Invalid, InvalidPackage
from registry_core.formats import strict_json

if TYPE_CHECKING:
    from starlette.requests import Request

    from registry_core.operation import Model

MOST_JSON = 64 * 1024
"""Bytes of a JSON body."""

_MOST_TOLD = 5

M = TypeVar("M", bound="Model")


async def whole(request: Request) -> bytes:
    """Read a body; one that is there in one piece, as most are, at a third of the cost."""
    message = await request.receive()
    if message["type"] == "http.request" and not message.get("more_body"):
        body: bytes = message.get("body", b"")
        return body
    parts = [message]
    while parts[-1].get("more_body"):
        parts.append(await request.receive())
    if parts[-1]["type"] == "http.disconnect":
        raise ClientDisconnect
    return b"".join(part.get("body", b"") for part in parts)


async def read(request: Request, model: type[M]) -> M:
    """Read a JSON object as a model; no body is an empty one. Raises Invalid."""
    try:
        sent = strict_json.read(await request.body() or b"{}", max_bytes=MOST_JSON).members
        return model.model_validate(sent)
    except InvalidPackage as error:
        raise Invalid(f"the body is no JSON object: {error.message}") from None
    except ValidationError as error:
        found = "; ".join(_problem(one) for one in error.errors()[:_MOST_TOLD])
        raise Invalid(f"the body is not as described: {found}") from None


def _problem(found: Any) -> str:
    place = ".".join(str(part) for part in found["loc"])
    return f"{place}: {found['msg']}" if place else str(found["msg"])
