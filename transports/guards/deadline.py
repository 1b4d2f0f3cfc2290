"""How long an answer may be waited for: 504, and the work behind it is cancelled.

The time is the server's own. It stands still while a body is on its way, which has its own bound
(`transports.guards.patience`), and ends when an answer begins, so a stream may last.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from registry_core.errors import TimedOut
from transports.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Container, Coroutine

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from transports.refusals import Refuse
    from transports.watch import Wait


class Deadline:
    """Gives up requests that are not answered in time. `seconds` 0 for no limit."""

    def __init__(
        self, app: ASGIApp, *, seconds: float, exempt: Container[str], refuse: Refuse
    ) -> None:
        self._app = app
        self._seconds = seconds
        self._exempt = exempt
        self._watch = Watch()
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._applies(scope):
            await self._app(scope, receive, send)
            return
        wait = self._watch.wait(self._seconds)
        clock = _Clock(wait, receive, send)
        try:
            answering = self._app(scope, clock.receive, clock.send)
            await wait.over(cast("Coroutine[Any, Any, None]", answering))
        except TimeoutError:
            if not wait.expired:
                raise
            await self._refuse(scope, self._refusal())(scope, receive, send)

    def _applies(self, scope: Scope) -> bool:
        return scope["type"] == "http" and self._seconds > 0 and scope["path"] not in self._exempt

    def _refusal(self) -> TimedOut:
        return TimedOut(
            f"there was no answer within {self._seconds:g} s, and the work was given up",
            hint="Ask for less at once, or try again later.",
        )


class _Clock:
    """Stops the time while the client's bytes are waited for, and for good at the answer."""

    def __init__(self, wait: Wait, receive: Receive, send: Send) -> None:
        self._wait = wait
        self._receive = receive
        self._send = send
        self._reading = True
        self._begun = False

    async def receive(self) -> Message:
        if not self._reading or self._begun:
            return await self._receive()
        self._wait.pause()
        try:
            message = await self._receive()
        finally:
            if not self._begun:
                self._wait.resume()
        self._reading = message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        if not self._begun:
            self._begun = True
            self._wait.stop()
        await self._send(message)
