"""The bound on request bodies, whether they say their length or come in chunks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from registry_core.errors import TooLarge
from transports.headers import announced

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from transports.refusals import Refuse


class BodyLimit:
    """Bounds bodies by path."""

    def __init__(self, app: ASGIApp, *, most: Callable[[str], int], refuse: Refuse) -> None:
        self._app = app
        self._most = most
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        declared = announced(scope) if scope["type"] == "http" else None
        if declared is None:
            await self._app(scope, receive, send)
            return
        most = self._most(scope["path"])
        if declared > most:
            await self._refuse(scope, _too_large(most))(scope, receive, send)
            return
        length = 0

        async def bounded() -> Message:
            nonlocal length
            message = await receive()
            length += len(message.get("body", b""))
            if length > most:
                raise _too_large(most)
            return message

        await self._app(scope, bounded, send)


def _too_large(most: int) -> TooLarge:
    return TooLarge(f"the body is longer than the {most:,} bytes it may have here")
