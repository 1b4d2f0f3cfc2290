"""How much one asker may have: every limit of the web app, each a number or a row of data.

An asker is a token, the owner at this machine, or, where neither is known, a network address.
0 turns a limit off. The document is LeanCTX's: 100 calls a minute and 60 requests to the knowledge
store, 5 event streams at once, per token. The owner at this machine is one asker, and has no
windows: whoever holds the data folder needs no server to work with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

MINUTE = 60
HOUR = 3600

MOST_KNOWN, SHORT = 1024, 128
"""Texts of which something is remembered, and the characters of the longest."""

CALLS = "/v1/tools/call"
"""The path whose window is that of every tool call."""


class Whom(Enum):
    """Whose requests a window counts; a window of somebody else does not apply to a request."""

    TOKEN = auto()
    ACCOUNT = auto()
    """With all of its tokens; a token without an account is one for itself."""
    ADDRESS = auto()
    """Of a network, where no good token is sent."""


@dataclass(frozen=True, slots=True)
class Window:
    """At most `most` requests to `path` and below within `seconds`, by one asker.

    `methods` are those that count, none for all. `refusal` is what is said instead of `words`.
    """

    path: str
    most: int
    seconds: int
    words: str
    whom: Whom = Whom.TOKEN
    methods: frozenset[str] = frozenset()
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class Crowd:
    """At most `most` requests to `path` at the same time by one asker, `total` by all."""

    path: str
    most: int
    total: int
    words: str
    exact: bool = False
    """Whether what is below the path does not count."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Every limit, with its default."""

    requests_per_second: float = 50.0
    burst: int = 100
    """Requests that may come at once after a pause."""
    calls_per_minute: int = 100
    knowledge_per_minute: int = 60
    agentx_per_minute: int = 60
    agentx_account_per_minute: int = 120
    agentx_publishes_per_hour: int = 10
    links_per_hour: int = 20
    """Links for signing in that one address, or one account, has sent by mail."""
    links_per_mail_per_hour: int = 5
    """Of them, those to one mailbox, whoever asks."""
    patchcat_runs_per_day: int = 10
    """Runs of one contributor's tools that count, of one address; more are taken and forgotten."""
    in_flight: int = 32
    in_flight_total: int = 512
    streams: int = 5
    streams_total: int = 1000
    timeout: float = 30.0
    """Seconds until an answer has begun."""
    body_seconds: float = 20.0
    """Seconds that a client may be waited for while its body comes, besides `SLOWEST`."""
    head_seconds: float = 10.0
    """Seconds in which the head of a request has to be complete."""
    stall_seconds: float = 60.0
    """Seconds in which a client that is sent something has to take a part of it."""

    @property
    def windows(self) -> tuple[Window, ...]:
        """The windows of the document."""
        return (
            Window(CALLS, self.calls_per_minute, MINUTE, "tool calls a minute"),
            Window(
                "/v1/knowledge", self.knowledge_per_minute, MINUTE, "knowledge requests a minute"
            ),
        )

    @property
    def crowds(self) -> tuple[Crowd, ...]:
        """Who may be busy here at once; the first row of a path counts.

        A stream lasts, so streams have places of their own and take none from requests.
        """
        return (
            Crowd("/v1/events", self.streams, self.streams_total, "event streams", exact=True),
            Crowd("/mcp", self.in_flight, self.streams_total, "MCP requests"),
            Crowd("", self.in_flight, self.in_flight_total, "requests"),
        )


def remembered(look: Callable[[str], T]) -> Callable[[str], T]:
    """Remember what is found for a path or host: few come often. Long ones are looked up anew."""
    known = lru_cache(maxsize=MOST_KNOWN)(look)
    return lambda text: (known if len(text) <= SHORT else look)(text)


class Below:
    """Some paths and all that is below them; everything is below nothing.

    `path in Below("/v1")` is asked several times for each request.
    """

    def __init__(self, *paths: str) -> None:
        self._paths = frozenset(paths)
        self._inside = tuple(f"{path}/" if path else "" for path in paths)

    def __contains__(self, path: Any) -> bool:
        return path.startswith(self._inside) or path in self._paths
