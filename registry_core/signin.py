"""Signing in, at a provider or by mail: an attempt is begun, comes back once, ends in a token.

    begin     a state (the client's own or a new one), kept as a digest with where the provider is
              to send the code; PKCE's verifier is an HMAC of the state, so it is stored nowhere
    finish    the state is used up, whoever brought it; the provider is asked whose code it is; the
              account is found or made, and a token is minted for it

By mail there is no provider: `begin_by_mail` makes the secret of a link, which is kept as a digest
as well, and whoever brings it back to `finish_by_mail` reads the mail of that address.

A state that is unknown, used, older than `LIFETIME`, or of another API is refused in the same
words. Only where the provider did not answer may the same state be tried again.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from registry_core.accounts import Identity
from registry_core.callers import Caller, Scope
from registry_core.errors import Expired, Invalid, NotFound, Unavailable
from registry_core.names import shown
from registry_core.schema import sign_ins
from registry_core.tokens import Grant

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from registry_core.accounts import Account, Accounts
    from registry_core.events.journal import Journal
    from registry_core.tokens import Tokens

LIFETIME = timedelta(minutes=10)
"""How long somebody may take to sign in at the provider."""

LINK_LIFETIME = timedelta(minutes=30)
"""How long a link in a mail is good, which may be long on its way."""

_STATE = re.compile(r"[A-Za-z0-9_-]{16,128}")
_LOOPBACK = frozenset({"127.0.0.1", "localhost"})
_MOST_ADDRESS = 500

MAILBOX = (
    r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
    r"(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$"
)
"""What the address of a mailbox looks like: as HTML's <input type=email> has it."""
MOST_EMAIL = 254


class Provider(Protocol):
    """Where somebody proves who he is, such as GitHub."""

    name: str
    secret: bytes
    """What only it and this registry know."""

    def address(self, *, redirect_uri: str, state: str, challenge: str) -> str:
        """Return the page where it asks him."""

    async def identify(self, code: str, *, redirect_uri: str, verifier: str) -> Identity:
        """Say whose code it is. Raises Unauthenticated, Unavailable."""


class Post(Protocol):
    """What takes mail."""

    async def send(self, to: str, subject: str, text: str) -> None:
        """Send a mail, or note that nobody has this address. Raises Unavailable."""


@dataclass(frozen=True, slots=True)
class Begun:
    """An attempt to sign in: the page to open, and its state."""

    address: str
    state: str


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Who signed in, the text of his token, and where to go on."""

    account: Account
    identity: Identity
    token: str
    then_to: str


@dataclass(frozen=True, slots=True)
class Pass:
    """What an API gives to who has signed in: `purpose` keeps the attempts of two APIs apart."""

    purpose: str
    brand: str
    lifetime: timedelta


class SignIn:
    """The attempts of one registry, at one provider; without a provider nobody can sign in."""

    def __init__(
        self, journal: Journal, accounts: Accounts, tokens: Tokens, provider: Provider | None
    ) -> None:
        self._journal = journal
        self._accounts = accounts
        self._tokens = tokens
        self._provider = provider

    async def begin(
        self, what: Pass, *, redirect_uri: str, state: str = "", then_to: str = ""
    ) -> Begun:
        """Begin an attempt. Raises Invalid for a state that is none, or was used before."""
        provider = self._configured()
        state = state or secrets.token_hex(16)
        if not _STATE.fullmatch(state):
            raise Invalid("state has to be 16 to 128 of A-Z a-z 0-9 _ -")
        try:
            await self._keep(what, state, LIFETIME, redirect_uri=redirect_uri, then_to=then_to)
        except IntegrityError:
            raise Invalid("this state was used before", hint="Begin again with another.") from None
        challenge = _base64(hashlib.sha256(_verifier(provider, state).encode()).digest())
        return Begun(
            provider.address(redirect_uri=redirect_uri, state=state, challenge=challenge), state
        )

    async def finish(self, what: Pass, *, state: str, code: str) -> SignedIn:
        """End an attempt.

        Raises Expired, Unauthenticated where the provider does not take the code, and Unavailable
        where it is silent.
        """
        provider = self._configured()
        attempt = await self._used(what, state)
        try:
            identity = await provider.identify(
                code, redirect_uri=attempt.redirect_uri, verifier=_verifier(provider, state)
            )
        except Unavailable:
            await self._mark(state, None)
            raise
        return await self._let_in(what, identity, attempt.then_to)

    async def begin_by_mail(self, what: Pass, email: str) -> str:
        """Begin an attempt of whoever reads the mail of an address; return the link's secret."""
        secret = secrets.token_urlsafe(32)
        await self._keep(what, secret, LINK_LIFETIME, email=email)
        return secret

    async def finish_by_mail(self, what: Pass, secret: str) -> SignedIn:
        """End such an attempt. Raises Expired, and Unauthenticated for a disabled account."""
        email: str = (await self._used(what, secret)).email
        identity = Identity("email", email, email.partition("@")[0], email=email)
        return await self._let_in(what, identity)

    async def _let_in(self, what: Pass, identity: Identity, then_to: str = "") -> SignedIn:
        account = await self._accounts.known(identity)
        grant = Grant(
            label=f"{what.purpose} sign-in",
            scopes=frozenset({Scope.PUBLISH}),
            account=account.id,
            brand=what.brand,
            expires_at=self._journal.now() + what.lifetime,
        )
        by = Caller(name=f"account:{account.handle}", account=account.id)
        text, _ = await self._tokens.mint(grant, by)
        return SignedIn(account, identity, text, then_to)

    def _configured(self) -> Provider:
        if self._provider is None:
            raise NotFound(
                "nobody can sign in here: no GitHub application is set",
                hint="Whoever runs the registry sets CTXMCP_GITHUB_CLIENT_ID and its secret.",
            )
        return self._provider

    async def _keep(
        self, what: Pass, secret: str, lifetime: timedelta, **about: str | None
    ) -> None:
        now = self._journal.now()
        row = {"digest": _digest(secret), "purpose": what.purpose, "expires_at": now + lifetime}

        async def work(connection: AsyncConnection) -> None:
            old = sign_ins.c.expires_at < now - LIFETIME
            await connection.execute(delete(sign_ins).where(old))
            await connection.execute(insert(sign_ins).values(row | about))

        await self._journal.database.write(work)

    async def _used(self, what: Pass, state: str) -> Any:
        now = self._journal.now()

        async def work(connection: AsyncConnection) -> Any:
            mine = sign_ins.c.digest == _digest(state)
            used = await connection.execute(
                update(sign_ins)
                .where(mine, sign_ins.c.purpose == what.purpose)
                .where(sign_ins.c.used_at.is_(None), sign_ins.c.expires_at > now)
                .values(used_at=now)
            )
            if not used.rowcount:
                return None
            return (await connection.execute(select(sign_ins).where(mine))).one()

        attempt = await self._journal.database.write(work)
        if attempt is None:
            raise Expired(
                "this sign-in is unknown, over or too old", hint="Sign in again from the start."
            )
        return attempt

    async def _mark(self, state: str, used_at: datetime | None) -> None:
        async def work(connection: AsyncConnection) -> None:
            mine = sign_ins.c.digest == _digest(state)
            await connection.execute(update(sign_ins).where(mine).values(used_at=used_at))

        await self._journal.database.write(work)


def parse_email(text: str) -> str:
    """Read the address of a mailbox, in lower case. Raises Invalid."""
    email = text.strip().lower()
    if len(email) > MOST_EMAIL or not re.fullmatch(MAILBOX, email):
        raise Invalid(f"{shown(text)} is no mail address", hint="Write it as name@example.com.")
    return email


def is_loopback(address: str) -> bool:
    """Whether an address is a listener on the very machine that a browser runs on.

    `http://127.0.0.1:PORT/..` or `http://localhost:PORT/..`, read so that no browser could read
    another host out of it.
    """
    if len(address) > _MOST_ADDRESS or not address.isascii() or not address.isprintable():
        return False
    if any(character in address for character in '\\@ "<>#'):
        return False
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return False
    named = parts.hostname or ""
    expected = f"{named}:{port}" if port is not None else named
    return (
        parts.scheme in {"http", "https"}
        and named in _LOOPBACK
        and parts.netloc == expected
        and parts.path.startswith("/")
    )


def _verifier(provider: Provider, state: str) -> str:
    """Return PKCE's verifier: whoever has seen the state and not the secret cannot make it."""
    text = f"ctxmcp pkce 1\n{state}".encode()
    return _base64(hmac.new(provider.secret, text, hashlib.sha256).digest())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _digest(state: str) -> str:
    return hashlib.sha256(state.encode(errors="replace")).hexdigest()
