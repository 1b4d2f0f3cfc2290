"""Mail, by SMTP: each in a connection of its own, encrypted as the server's address says."""

from __future__ import annotations

import logging
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import TYPE_CHECKING

import aiosmtplib

from registry_core.errors import Unavailable

if TYPE_CHECKING:
    from ctxmcp.settings import Smtp

TIMEOUT = 15.0
"""Seconds for each step of sending."""

_log = logging.getLogger(__name__)


class Mailbox:
    """What mail is put into."""

    def __init__(self, told: Smtp) -> None:
        self._told = told

    async def send(self, to: str, subject: str, text: str) -> None:
        """Send a mail; that a server knows no such mailbox is for the log alone."""
        told, message = self._told, EmailMessage()
        message["From"], message["To"], message["Subject"] = told.sender, to, subject
        message["Date"], message["Message-ID"] = formatdate(), make_msgid(domain=told.host)
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(text)
        try:
            await aiosmtplib.send(
                message,
                hostname=told.host,
                port=told.port,
                username=told.user or None,
                password=told.password or None,
                use_tls=told.tls,
                start_tls=told.starttls,
                timeout=TIMEOUT,
            )
        except aiosmtplib.SMTPRecipientsRefused as error:
            _log.warning("no mail for %s: %s", to, error)
        except (aiosmtplib.SMTPException, OSError) as error:
            _log.error("the mail server %s takes no mail: %s", told.host, error)
            raise Unavailable(
                "the mail server takes no mail now", hint="Try again in a minute."
            ) from error
