"""A held release through the ctxpkg API: its publisher is told, nobody else is shown it."""

from __future__ import annotations

import hashlib

import pytest

from registry_core.callers import OWNER
from registry_core.names import PackageName, Version
from served import Served, at, bearing
from world import SUSPECT, package

NAME = PackageName("acme", "review")
HELD = at("@acme/review", "1.0.1")


def suspect(version: str = "1.0.1") -> bytes:
    return package("@acme/review", version, files={"SKILL.md": SUSPECT})


@pytest.fixture
async def token(served: Served) -> str:
    """Of the publisher, who published a good 1.0.0."""
    token = await served.token()
    assert (await served.put(token)).status_code == 201
    return token


async def publish_suspect(served: Served, token: str) -> None:
    done = await served.http.put(HELD, content=suspect(), headers=bearing(token))
    assert done.status_code == 201
    said = done.json()
    assert said["artifact_sha256"] == hashlib.sha256(suspect()).hexdigest()
    assert said["held"] is True
    assert {finding["severity"] for finding in said["held_because"]} == {"hold"}
    assert "A reviewer of the registry looks at it" in said["next"]


async def test_a_held_release_is_shown_to_its_publisher_alone(served: Served, token: str) -> None:
    await publish_suspect(served, token)
    index = (await served.get(at("@acme/review", "index.json"))).json()
    assert index["latest"] == "1.0.0"
    assert [entry["version"] for entry in index["versions"]] == ["1.0.0"]
    assert index == (await served.get(at("@acme/review", "index.json"), token)).json()
    (item,) = (await served.get("/api/v1/index.json")).json()["packages"]
    assert (item["latest_version"], item["versions"]) == ("1.0.0", 1)
    for what in ("download", "trust"):
        for reader in ("", await served.token("other")):
            refused = await served.get(f"{HELD}/{what}", reader)
            assert refused.status_code == 404
            assert refused.json()["code"] == "held"
            assert "held until a reviewer" in refused.json()["error"]
            assert "injection" not in refused.text
        seen = await served.get(f"{HELD}/{what}", token)
        assert seen.status_code == 200
        assert seen.headers["cache-control"] == "private, no-store"


async def test_of_a_package_that_is_held_whole_there_is_no_badge(served: Served) -> None:
    held = package("@acme/other", files={"SKILL.md": SUSPECT})
    sent = await served.put(await served.token(), "@acme/other", artifact=held)
    assert sent.json()["held"] is True
    for path in ("/api/v1/badge/acme/other", at("@acme/other", "index.json")):
        assert (await served.get(path)).status_code == 404


async def test_who_opts_in_downloads_what_is_held(served: Served, token: str) -> None:
    await publish_suspect(served, token)
    got = await served.get(f"{HELD}/download?include_held=true")
    assert got.content == suspect()
    assert got.headers["cache-control"] == "private, no-store"
    assert (await served.get(f"{HELD}/download")).status_code == 404


async def test_a_package_of_held_releases_alone_is_not_there(served: Served) -> None:
    token = await served.token()
    await publish_suspect(served, token)
    for path in (at("@acme/review", "index.json"), "/api/v1/publishers/acme/index.json"):
        assert (await served.get(path)).status_code == 404
    assert (await served.get("/api/v1/index.json")).json()["packages"] == []
    assert (await served.get("/api/v1/search?q=review")).json()["count"] == 0


async def test_what_a_reviewer_decides_is_seen_at_once(served: Served, token: str) -> None:
    await publish_suspect(served, token)
    version, packages = Version.parse("1.0.1"), served.world.registry.packages
    assert (await served.get(f"{HELD}/download")).status_code == 404
    await packages.release(NAME, version, "A demonstration.", OWNER)
    assert (await served.get(f"{HELD}/download")).content == suspect()
    index = (await served.get(at("@acme/review", "index.json"))).json()
    assert [entry["version"] for entry in index["versions"]] == ["1.0.1", "1.0.0"]
    await packages.revoke(NAME, version, "It was no demonstration.", OWNER)
    for reader in ("", token):
        gone = await served.get(f"{HELD}/download?include_held=true", reader)
        assert (gone.status_code, gone.json()["code"]) == (404, "revoked")
        assert "It was no demonstration" in gone.json()["error"]
    index = (await served.get(at("@acme/review", "index.json"))).json()
    assert [entry["version"] for entry in index["versions"]] == ["1.0.0"]
    again = await served.http.put(HELD, content=package(version="1.0.1"), headers=bearing(token))
    assert again.status_code == 409
