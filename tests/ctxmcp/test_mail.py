"""Mail by SMTP, to a real server: how it is spoken to, and what is said where it takes nothing."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trustme

from ctxmcp import settings
from ctxmcp.mail import Mailbox
from mail import SENDER, MailServer
from registry_core.errors import Invalid, Unavailable

ADA = "ada@example.com"


@pytest.fixture
async def server() -> AsyncIterator[MailServer]:
    """A server that takes mail after STARTTLS, from who has a password."""
    authority, context = trustme.CA(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    running = MailServer(authority=authority.cert_pem.bytes())
    async with running.running(
        "starttls",
        authenticator=running.authenticate,
        auth_required=True,
        require_starttls=True,
        tls_context=context,
    ):
        yield running


def mailbox(server: MailServer, password: str) -> Mailbox:
    url = server.url.replace("//", f"//ada%40x.org:{password}@")
    told = settings.read(environment=server.environment | {"CTXMCP_SMTP_URL": url}).smtp
    assert told is not None
    assert password not in repr(told)
    return Mailbox(told)


@pytest.fixture
def trusting(server: MailServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MailServer:
    """The same server, whose certificate is believed."""
    (tmp_path / "ca.pem").write_bytes(server.authority)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    return server


async def test_a_password_goes_to_the_server_that_was_named(trusting: MailServer) -> None:
    await mailbox(trusting, "p%3Ass").send(ADA, "Hello", "A text.\n")
    [taken] = trusting.taken
    assert (taken["From"], taken["To"], taken["Subject"]) == (SENDER, ADA, "Hello")
    assert taken.get_content().splitlines() == ["A text."]
    with pytest.raises(Unavailable):
        await mailbox(trusting, "wrong").send(ADA, "Hello", "A text.\n")
    assert trusting.users == [(b"ada@x.org", b"p:ss"), (b"ada@x.org", b"wrong")]


async def test_a_server_that_proves_nothing_is_told_nothing(server: MailServer) -> None:
    with pytest.raises(Unavailable):
        await mailbox(server, "p%3Ass").send(ADA, "Hello", "A text.\n")
    assert not server.users
    assert not server.taken


async def test_that_nobody_has_an_address_is_for_the_log_alone() -> None:
    async with MailServer().running() as server:
        told = settings.read(environment=server.environment).smtp
        assert told is not None
        await Mailbox(told).send("nobody@example.com", "Hello", "A text.\n")
        assert not server.taken


@pytest.mark.parametrize(
    ("url", "port", "tls", "starttls"),
    [
        ("smtp://mail.example", 25, False, False),
        ("starttls://mail.example", 587, False, True),
        ("smtps://u:p@mail.example:2465", 2465, True, False),
    ],
)
def test_an_address_says_how_mail_is_encrypted(
    url: str, port: int, *, tls: bool, starttls: bool
) -> None:
    told = settings.read(environment=MailServer(url).environment).smtp
    assert told is not None
    assert (told.host, told.port) == ("mail.example", port)
    assert (told.tls, told.starttls) == (tls, starttls)


@pytest.mark.parametrize(
    "wrong",
    [
        {"CTXMCP_SMTP_URL": "mail.example:25"},
        {"CTXMCP_SMTP_URL": "http://mail.example:25"},
        {"CTXMCP_SMTP_URL": "smtp://mail.example:port"},
        {"CTXMCP_SMTP_URL": "smtp://"},
        {"CTXMCP_MAIL_FROM": ""},
        {"CTXMCP_BASE_URL": ""},
    ],
)
def test_half_a_mail_server_is_none(wrong: dict[str, str]) -> None:
    with pytest.raises(Invalid):
        settings.read(environment=MailServer("smtp://mail.example").environment | wrong)
