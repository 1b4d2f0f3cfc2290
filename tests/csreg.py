"""Skills made to order, and what a client of csreg sends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx

from registry_core import archives
from registry_core.archives import Entry
from served import Served, bearing

API = "/csreg/api/v1"
TYPES = "https://csreg.nexus/errors/"


def skill_md(name: str = "code-reviewer", version: str = "1.0.0", text: str = "# Review\n") -> str:
    return (
        f"---\nname: {name}\ndescription: Reviews code for common mistakes.\n"
        f'version: "{version}"\ntags: [review, quality]\nlicense: MIT\n---\n{text}'
    )


def archive(
    name: str = "code-reviewer", version: str = "1.0.0", text: str = "# Review\n", folder: str = ""
) -> bytes:
    """The tar.gz of a skill."""
    return archives.write_tar_gz(
        (Entry(f"{folder}SKILL.md", skill_md(name, version, text).encode()),)
    )


@dataclass(frozen=True)
class Csreg:
    """A client with a token, as the document has it."""

    served: Served
    token: str = ""

    def having(self, token: str) -> Csreg:
        return Csreg(self.served, token)

    async def ask(self, method: str, path: str, **sent: Any) -> httpx.Response:
        headers = bearing(self.token) | sent.pop("headers", {})
        return await self.served.http.request(method, f"{API}{path}", headers=headers, **sent)

    async def get(self, path: str, **query: Any) -> httpx.Response:
        return await self.ask("GET", path, params=query)

    async def create(self, path: str = "backend/code-reviewer", **more: Any) -> httpx.Response:
        scope, _, slug = path.partition("/")
        return await self.ask("POST", "/skills", json={"scope": scope, "slug": slug, **more})

    async def push(
        self,
        path: str = "backend/code-reviewer",
        version: str = "1.0.0",
        data: bytes | None = None,
    ) -> httpx.Response:
        made = archive(path.partition("/")[2], version) if data is None else data
        files = {"archive": ("skill.tar.gz", made, "application/gzip")}
        return await self.ask("POST", f"/skills/{path}/versions", files=files)

    async def team(self, slug: str = "backend", **members: str) -> None:
        done = await self.ask("POST", "/teams", json={"slug": slug})
        assert done.status_code == 201, done.text
        for name, role in members.items():
            await self.served.world.account(name)
            sent = {"username": name, "role": role}
            done = await self.ask("POST", f"/teams/{slug}/members", json=sent)
            assert done.status_code == 201, done.text


def is_a_problem(response: httpx.Response, status: int, end: str = "") -> bool:
    said = response.json()
    kinds = {400: "validation-error", 401: "authentication-required"}
    kinds |= {403: "insufficient-permissions", 404: "not-found", 409: "version-conflict"}
    kinds |= {413: "archive-too-large", 422: "manifest-invalid", 429: "rate-limit-exceeded"}
    kinds |= {500: "internal-error"}
    kind = TYPES + kinds[status] if status in kinds else "about:blank"
    path = response.request.url.raw_path.decode().partition("?")[0]
    return (
        response.status_code == said["status"] == status
        and response.headers["content-type"] == "application/problem+json"
        and response.headers["cache-control"] == "no-store"
        and said["type"] == kind
        and bool(said["title"])
        and bool(said["detail"])
        and said["instance"] == path
        and set(said) <= {"type", "title", "status", "detail", "instance", "hint", "errors"}
    )
