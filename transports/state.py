"""What the app opens when it starts, and every request works with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import Scope

    from registry_core.registry import Registry
    from transports.answers import Answers


@dataclass(frozen=True, slots=True)
class Opened:
    """An open registry, and the answers that are kept ready."""

    registry: Registry
    answers: Answers


def opened(scope: Scope) -> Opened:
    """Return what the lifespan of this request's app has opened."""
    found: Opened = scope["state"]["opened"]
    return found
