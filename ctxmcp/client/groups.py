"""The groups of methods of a client: its tools, sessions, knowledge and events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ctxmcp.answers import Watch

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping, Sequence

    from ctxmcp.answers import Event, Tool, ToolResult
    from ctxmcp.connection import Connection
    from registry_core.operations import team

    Opened = Callable[[], Connection]
    """Gives the connection. Raises Invalid where the client is not open."""


class Tools:
    """What the registry itself can be called for, by name; nothing touches this machine's files."""

    def __init__(self, opened: Opened) -> None:
        self._opened = opened

    async def call(self, name: str, arguments: Mapping[str, Any] | None = None) -> ToolResult:
        """Call a tool. Raises the error that the tool ends in."""
        return await self._opened().call(name, arguments or {})

    async def list(self) -> Sequence[Tool]:
        """Return every tool with the schema of its arguments."""
        return await self._opened().tools()


class Session:
    """The state that the agents of a channel share. An empty channel is the client's own."""

    def __init__(self, opened: Opened) -> None:
        self._opened = opened

    async def get(self, channel: str = "", *, seen: int | None = None) -> team.Session:
        """Read the session; `seen`, the `as_of` of an earlier answer, asks for what was missed."""
        return await self._at(channel, "session_get", seen=seen)

    async def list(self, *, limit: int = 50, cursor: str = "") -> team.SessionList:
        """List the sessions of the workspace, the last changed first."""
        given = {"limit": limit, "cursor": cursor}
        found: team.SessionList = await _output(self._opened(), "session_list", given)
        return found

    async def save(
        self,
        state: Mapping[str, Any],
        channel: str = "",
        *,
        expected_version: int | None = None,
        reasoning: str = "",
    ) -> team.Session:
        """Merge a patch into the state (RFC 7396: null removes a member).

        Raises Conflict where the session is not at the version that is expected.
        """
        return await self._at(
            channel,
            "session_mutate",
            state=dict(state),
            expected_version=expected_version,
            reasoning=reasoning,
        )

    async def _at(self, channel: str, name: str, **given: Any) -> team.Session:
        session: team.Session = await _output(self._opened().at("", channel), name, given)
        return session


class Knowledge:
    """What the agents of a workspace remember."""

    def __init__(self, opened: Opened) -> None:
        self._opened = opened

    async def search(
        self, query: str = "", *, channel: str = "", limit: int = 10, seen: int | None = None
    ) -> team.KnowledgeFound:
        """Find facts, in every channel of the workspace unless one is named."""
        given = {"query": query, "channel": channel, "limit": limit, "seen": seen}
        found: team.KnowledgeFound = await _output(self._opened(), "knowledge_search", given)
        return found

    async def remember(
        self,
        key: str,
        value: str,
        *,
        category: str = "general",
        confidence: float = 0.8,
        reasoning: str = "",
    ) -> team.Remembered:
        """Remember a fact; another value for a category and key takes the old one's place."""
        given = {
            "key": key,
            "value": value,
            "category": category,
            "confidence": confidence,
            "reasoning": reasoning,
        }
        done: team.Remembered = await _output(self._opened(), "knowledge_remember", given)
        return done


async def _output(connection: Connection, name: str, given: Mapping[str, Any]) -> Any:
    return await connection.invoke(name, {k: v for k, v in given.items() if v is not None})


class Events:
    """What happens in the registry."""

    def __init__(self, opened: Opened) -> None:
        self._opened = opened

    def subscribe(
        self,
        since: int | None = None,
        *,
        kinds: Sequence[str] = (),
        detail: str = "summary",
        workspace: str = "",
        channel: str = "",
    ) -> AsyncGenerator[Event, None]:
        """Yield the events after the one with the id `since`, then each as it happens, for ever.

        None starts at the beginning of the log. `detail` says how much of a payload is told:
        refs_only, summary, or full, which needs the scope audit.

        A connection that drops is made again and goes on after the last event, so that each comes
        once and in order. Raises the error that no other connection would mend, and any that the
        first one ends in.
        """
        return self._opened().at(workspace, channel).events(since or 0, Watch(kinds, detail))
