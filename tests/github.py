"""A GitHub to sign in at: a real server that knows people, gives codes, and checks PKCE."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from ctxmcp.serving import running
from served import FAST

CLIENT, SECRET = "Iv1.0123456789", "a secret of the application"


@dataclass
class GitHub:
    """Whoever is `user` says yes to everything."""

    user: dict[str, Any] = field(
        default_factory=lambda: {
            "id": 12345,
            "login": "sinan",
            "name": "Sinan",
            "avatar_url": "https://avatars.githubusercontent.com/u/12345",
            "bio": "Building agentx",
            "blog": "https://sinan.dev",
        }
    )
    down: bool = False
    asked: list[Mapping[str, str]] = field(default_factory=list)
    url: str = ""
    _codes: dict[str, Mapping[str, str]] = field(default_factory=dict)
    _given: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        return {
            "CTXMCP_GITHUB_CLIENT_ID": CLIENT,
            "CTXMCP_GITHUB_CLIENT_SECRET": SECRET,
            "CTXMCP_GITHUB_URL": self.url,
            "CTXMCP_GITHUB_API_URL": f"{self.url}/api",
        }

    @asynccontextmanager
    async def running(self) -> AsyncIterator[GitHub]:
        app = Starlette(
            routes=[
                Route("/login/oauth/authorize", self._authorize),
                Route("/login/oauth/access_token", self._exchange, methods=["POST"]),
                Route("/api/user", self._whose),
            ]
        )
        app.state.streams = None
        async with running(app, "127.0.0.1", 0, FAST) as self.url:
            yield self

    def agree(self, address: str) -> str:
        """Say yes on the page at an address; return where the browser is sent."""
        parts = urlsplit(address)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        assert parts.path == "/login/oauth/authorize"
        assert query["client_id"] == CLIENT
        assert query["code_challenge_method"] == "S256"
        self.asked.append(query)
        code = secrets.token_hex(10)
        self._codes[code] = query
        back = urlencode({"code": code, "state": query["state"]})
        return f"{query['redirect_uri']}?{back}"

    async def _authorize(self, request: Request) -> Response:
        return RedirectResponse(self.agree(str(request.url)), 302)

    async def _exchange(self, request: Request) -> Response:
        if self.down:
            return Response("upstream", 502)
        body = await request.json()
        assert request.headers["accept"] == "application/json"
        asked = self._codes.pop(body["code"], None)
        if asked is None or (body["client_id"], body["client_secret"]) != (CLIENT, SECRET):
            return JSONResponse({"error": "bad_verification_code"})
        digest = hashlib.sha256(body["code_verifier"].encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if (challenge, body["redirect_uri"]) != (asked["code_challenge"], asked["redirect_uri"]):
            return JSONResponse({"error": "bad_verification_code"})
        given = f"gho_{secrets.token_hex(8)}"
        self._given[f"Bearer {given}"] = dict(self.user)
        return JSONResponse({"access_token": given, "token_type": "bearer"})

    async def _whose(self, request: Request) -> Response:
        user = self._given.get(request.headers.get("authorization", ""))
        return JSONResponse(user) if user else JSONResponse({"message": "Bad credentials"}, 401)


def codes(address: str) -> dict[str, str]:
    """Return code and state of where a browser was sent."""
    return {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
