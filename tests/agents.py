"""Agents made to order, and what the agentx command line sends to publish one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx

from registry_core import archives
from registry_core.archives import Entry
from registry_core.formats import agent
from served import Served, bearing

MINIMAL = {
    "name": "gmail-agent",
    "version": "1.2.0",
    "description": "AI email assistant",
    "author": "@knid",
}
README = "# Gmail Agent\n\nReads mail.\n"


def manifest(**more: Any) -> dict[str, Any]:
    return MINIMAL | more


def tarball(said: Any, *, readme: str | None = README) -> bytes:
    """The tar.gz of an agent."""
    entries = [Entry("agent.yaml", json.dumps(said, ensure_ascii=False).encode())]
    entries += [Entry("system-prompt.md", b"You help with mail.")]
    entries += [Entry("README.md", readme.encode())] if readme is not None else []
    return archives.write_tar_gz(tuple(entries))


def form(said: Any, data: bytes | None = None, **fields: Any) -> dict[str, Any]:
    """The multipart form of a publish, as arguments of a client."""
    data = tarball(said) if data is None else data
    text = {"agent_yaml": json.dumps(said), "readme": README.replace("\n", "\r\n")} | fields
    name = "agent.tar.gz"
    return {
        "files": {"tarball": (name, data, "application/gzip")},
        "data": {key: value for key, value in text.items() if value is not None},
    }


async def publish(served: Served, token: str, **more: Any) -> httpx.Response:
    """Publish an agent made to order, by the route that the command line takes."""
    said = manifest(**more)
    return await served.http.put("/agentx/api/v1/agents", headers=bearing(token), **form(said))


async def publish_folder(served: Served, token: str, folder: Path) -> httpx.Response:
    """Publish a folder on disk."""
    read = agent.read_entries(archives.read_folder(folder))
    sent = form(dict(read.manifest), read.artifact, readme=read.readme)
    return await served.http.put("/agentx/api/v1/agents", headers=bearing(token), **sent)
