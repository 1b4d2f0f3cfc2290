"""A mail server: a real one, that keeps what it is sent, and knows some mailboxes to be none."""

from __future__ import annotations

import asyncio
import email
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage, Message
from email.policy import default
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

SENDER = "registry@registry.example"


@dataclass
class MailServer:
    """Takes mail for everybody but `nobody@`; `down` has it take none."""

    url: str = ""
    base_url: str = "http://localhost"
    down: bool = False
    taken: list[EmailMessage] = field(default_factory=list)
    users: list[tuple[bytes, bytes]] = field(default_factory=list)
    authority: bytes = b""
    """Who vouches for its certificate, in PEM."""

    @property
    def environment(self) -> dict[str, str]:
        return {
            "CTXMCP_SMTP_URL": self.url,
            "CTXMCP_MAIL_FROM": SENDER,
            "CTXMCP_BASE_URL": self.base_url,
        }

    @asynccontextmanager
    async def running(self, scheme: str = "smtp", **options: Any) -> AsyncIterator[MailServer]:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: SMTP(self, hostname="mail.example", loop=loop, **options), "127.0.0.1", 0
        )
        port = server.sockets[0].getsockname()[1]
        self.url = f"{scheme}://localhost:{port}"
        async with server:
            yield self

    async def handle_RCPT(  # noqa: N802 - as the library calls it
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address.startswith("nobody@"):
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802 - as above
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        if self.down:
            return "451 come back later"
        taken: Message = email.message_from_bytes(envelope.content or b"", policy=default)
        assert isinstance(taken, EmailMessage)
        self.taken.append(taken)
        return "250 OK"

    def authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any
    ) -> AuthResult:
        self.users.append((data.login, data.password))
        return AuthResult(success=data.password == b"p:ss")

    def link(self) -> str:
        """The link in the last mail."""
        return link_in(self.taken[-1].get_content())


def link_in(text: str) -> str:
    """Return the link for signing in that a text has."""
    found = re.search(r"https?://\S+/api/v1/auth/verify\?token=\S+", text)
    assert found, text
    return found[0]
