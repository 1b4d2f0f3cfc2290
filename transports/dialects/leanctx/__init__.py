"""The native mirror, in the shapes of LeanCTX's HTTP contract; one module a group of routes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from transports.dialects.leanctx import tools
from transports.dialects.leanctx.envelope import refuse

if TYPE_CHECKING:
    from starlette.routing import Route

__all__ = ["MOST_BODY", "refuse", "routes"]

MOST_BODY = (*tools.MOST_BODY,)


def routes() -> list[Route]:
    """Return what this dialect answers."""
    return [*tools.routes()]
