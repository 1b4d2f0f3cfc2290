"""What the app opens when it starts, and every request works with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from transports.limits import Limits

if TYPE_CHECKING:
    from starlette.types import Scope

    from registry_core.events.tally import Tally
    from registry_core.registry import Registry
    from transports.answers import Answers
    from transports.meter import Meter
    from transports.sse import Streams


@dataclass(frozen=True, slots=True)
class Opened:
    """An open registry, the answers that are kept ready, the streams, and what is counted."""

    registry: Registry
    answers: Answers
    streams: Streams
    meter: Meter
    tally: Tally
    toolsets: frozenset[str] = frozenset({"main"})
    """The toolsets that are shown to who asks what tools there are."""
    limits: Limits = Limits()  # noqa: RUF009 - frozen


def opened(scope: Scope) -> Opened:
    """Return what the lifespan of this request's app has opened."""
    found: Opened = scope["state"]["opened"]
    return found
