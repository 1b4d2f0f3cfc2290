"""The native mirror, in the shapes of LeanCTX's HTTP contract; one module a group of routes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from transports.dialects.leanctx import about, events, metrics, team, tools
from transports.dialects.leanctx.envelope import refuse
from transports.routes import ByPath

if TYPE_CHECKING:
    from starlette.routing import BaseRoute

__all__ = ["MOST_BODY", "refuse", "routes"]

MOST_BODY = (*tools.MOST_BODY, *team.MOST_BODY)


def routes() -> list[BaseRoute]:
    """Return what this dialect answers."""
    modules = (tools, about, team, events, metrics)
    return [ByPath([route for module in modules for route in module.routes()])]
