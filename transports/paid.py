"""What is for sale: who is given it over HTTP, and that no cache gives it to others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from transports.guards.auth import bearer
from transports.state import opened

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from registry_core.packages import Summary

PRIVATE = "private, no-store"


async def admit(request: Request, package: Summary) -> None:
    """Raise PaymentRequired for whoever may not have the content of a package."""
    if package.price is not None:
        caller = await bearer(request.scope).reader()
        await opened(request.scope).registry.purchases.admit(package, caller)


def unshared(response: Response, package: Summary) -> Response:
    """Let no cache keep what was given of a package that is for sale."""
    if package.price is not None:
        response.headers["cache-control"] = PRIVATE
    return response
