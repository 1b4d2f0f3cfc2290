"""Who somebody is on GitHub: its OAuth web flow with PKCE, and one question to its API.

GET  {site}/login/oauth/authorize       client_id, redirect_uri, state, scope, code_challenge
POST {site}/login/oauth/access_token    .., code, code_verifier -> access_token
GET  {api}/user                         -> id, login, name, avatar_url, bio, blog

What GitHub gives to ask with is used for that one question and kept nowhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from ctxmcp.http import Http
from registry_core.accounts import Identity
from registry_core.errors import RegistryError, Unauthenticated, Unavailable

if TYPE_CHECKING:
    from ctxmcp.settings import GitHub

_SCOPE = "read:user"


class GitHubAccounts:
    """One OAuth application on one GitHub."""

    name = "github"

    def __init__(self, told: GitHub) -> None:
        self.secret = told.client_secret.encode()
        self._told = told
        self._site = Http(told.url.rstrip("/") + "/", "")

    async def close(self) -> None:
        await self._site.close()

    def address(self, *, redirect_uri: str, state: str, challenge: str) -> str:
        query = {
            "client_id": self._told.client_id,
            "redirect_uri": redirect_uri,
            "state": state,
            "scope": _SCOPE,
            "allow_signup": "true",
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        return f"{self._told.url.rstrip('/')}/login/oauth/authorize?{urlencode(query)}"

    async def identify(self, code: str, *, redirect_uri: str, verifier: str) -> Identity:
        body = {
            "client_id": self._told.client_id,
            "client_secret": self._told.client_secret,
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
        }
        try:
            said = await self._site.post("login/oauth/access_token", body, repeat=False)
        except Unavailable:
            raise
        except RegistryError as error:
            raise Unauthenticated(f"GitHub does not take this code: {error.message}") from None
        given = said.get("access_token")
        if not isinstance(given, str) or not given:
            raise Unauthenticated("GitHub does not take this code", hint="Sign in again.")
        return await self._whose(given)

    async def _whose(self, given: str) -> Identity:
        api = Http(self._told.api_url.rstrip("/") + "/", given)
        try:
            user = await api.get("user")
        except Unavailable:
            raise
        except RegistryError as error:
            raise Unauthenticated(f"GitHub does not say whose it is: {error.message}") from None
        finally:
            await api.close()
        number, login = user.get("id"), user.get("login")
        if not isinstance(number, int) or isinstance(number, bool) or not isinstance(login, str):
            raise Unavailable("GitHub answers in a shape of its own")
        return Identity(
            self.name,
            str(number),
            login,
            display_name=_text(user, "name") or login,
            avatar_url=_text(user, "avatar_url"),
            bio=_text(user, "bio"),
            website=_text(user, "blog"),
        )


def _text(user: dict[str, Any], member: str) -> str:
    value = user.get(member)
    return value if isinstance(value, str) else ""
