"""agentx's registry API: each rule that the server decides, through HTTP."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from agents import MINIMAL, README, form, manifest, publish, publish_folder, tarball
from dialects.requirements import claims
from github import GitHub, codes
from registry_core import archives
from registry_core.archives import Entry
from registry_core.callers import OWNER, Scope
from registry_core.formats import Visibility, agent
from registry_core.formats.agent import CATEGORIES
from registry_core.names import Kind, PackageName
from registry_core.packages import State
from served import EVERYBODY, FAST, Served, bearing, hosted
from transports.limits import Limits
from world import SUSPECT, World, package

API = "/agentx/api/v1"
AGENT = f"{API}/agents/@knid/gmail-agent"
ONCE = Limits(requests_per_second=0.001, burst=1)
FREE = Limits(
    requests_per_second=10_000,
    burst=10_000,
    agentx_per_minute=0,
    agentx_account_per_minute=0,
    agentx_publishes_per_hour=0,
)
"""Limits that leave tests as many requests as they need."""


@pytest.fixture
async def served(sqlite_world: World) -> AsyncIterator[Served]:
    async with Served.inside(sqlite_world, limits=FREE) as inside:
        yield inside


@pytest.fixture
async def token(served: Served) -> str:
    return (await served.world.account("knid"))[0]


def is_a_refusal(response: httpx.Response, status: int) -> bool:
    said = response.json()
    return (
        response.status_code == status
        and response.headers["content-type"] == "application/json"
        and response.headers["cache-control"] == "no-store"
        and isinstance(said["error"], str)
        and bool(said["message"])
        and set(said) <= {"error", "message", "details"}
    )


async def put(served: Served, token: str, said: Any, data: bytes | None = None, **fields: Any):
    sent = form(said, data, **fields)
    return await served.http.put(f"{API}/agents", headers=bearing(token), **sent)


# --- publishing


@claims(
    "agentx.publish.form",
    "agentx.publish.tarball",
    "agentx.publish.agent_yaml",
    "agentx.publish.readme",
    "agentx.publish.token",
)
async def test_what_is_published_is_found_shown_and_given_byte_for_byte(
    served: Served, token: str
) -> None:
    data = tarball(MINIMAL)
    digest = hashlib.sha256(data).hexdigest()
    done = await put(served, token, MINIMAL, data, sha256=digest)
    assert done.status_code == 200, done.text
    shown = (await served.get(AGENT)).json()
    assert (shown["scope"], shown["name"], shown["readme"]) == ("@knid", "gmail-agent", README)
    where = (await served.get(f"{AGENT}/download/1.2.0")).json()
    assert (where["sha256"], where["tarball_sha256"]) == (digest, digest)
    assert (where["size"], where["tarball_size"]) == (len(data), len(data))
    assert where["tarball_url"].startswith("http://localhost/agentx/")
    given = await served.http.get(where["tarball_url"])
    assert given.content == data
    assert given.headers["content-type"] == "application/gzip"
    assert "immutable" in given.headers["cache-control"]


@pytest.mark.parametrize("missing", ["agent_yaml", "readme"])
async def test_a_form_has_all_of_its_fields(served: Served, token: str, missing: str) -> None:
    response = await put(served, token, MINIMAL, **{missing: None})
    assert is_a_refusal(response, 400)
    assert missing in response.json()["error"]
    assert is_a_refusal(await served.http.put(f"{API}/agents", headers=bearing(token)), 400)


async def test_a_readme_may_be_empty_and_one_that_is_only_in_the_form_is_shown(
    served: Served, token: str
) -> None:
    bare = tarball(MINIMAL, readme=None)
    assert (await put(served, token, MINIMAL, bare, readme="")).status_code == 200
    newer = manifest(version="1.3.0")
    data = tarball(newer, readme=None)
    assert (await put(served, token, newer, data, readme="# Hi\r\nthere")).status_code == 200
    assert (await served.get(AGENT)).json()["readme"] == "# Hi\nthere"


async def test_a_readme_that_is_only_in_the_form_is_checked_like_the_rest(
    served: Served, token: str
) -> None:
    said = manifest()
    secret = "AKIA" + "QWERTYUIOPASDFGH"
    response = await put(served, token, said, tarball(said, readme=None), readme=f"key {secret}")
    assert is_a_refusal(response, 400)
    assert secret not in response.text
    assert (await served.get(AGENT)).status_code == 404


def linking() -> bytes:
    """A tar.gz whose README is a link out of it."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as tar:
        text = json.dumps(MINIMAL).encode()
        info = tarfile.TarInfo("agent.yaml")
        info.size = len(text)
        tar.addfile(info, io.BytesIO(text))
        link = tarfile.TarInfo("README.md")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    return made.getvalue()


def climbing() -> bytes:
    """A tar.gz with a file outside of it."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as tar:
        for path in ("agent.yaml", "../../evil.sh"):
            text = json.dumps(MINIMAL).encode()
            info = tarfile.TarInfo(path)
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text))
    return made.getvalue()


SPOILT: dict[str, Callable[[], bytes]] = {
    "empty": lambda: b"",
    "no archive": lambda: b"hello",
    "a bare gzip": lambda: gzip.compress(b"hello"),
    "cut off": lambda: tarball(MINIMAL)[:-40],
    "a tar without gzip": lambda: gzip.decompress(tarball(MINIMAL)),
    "a link": linking,
    "a path that climbs": climbing,
    "no agent.yaml": lambda: archives.write_tar_gz((Entry("README.md", b"# x"),)),
    "another agent.yaml": lambda: tarball(manifest(description="Something else.")),
    "other powers": lambda: tarball(manifest(permissions={"network": True})),
    "another name": lambda: tarball(manifest(name="other")),
    "a bomb": lambda: gzip.compress(b"\0" * (32 * 1024 * 1024)),
}


@pytest.mark.parametrize("how", SPOILT)
async def test_a_tarball_that_is_not_what_the_form_says_is_refused_and_leaves_nothing(
    served: Served, token: str, how: str
) -> None:
    response = await put(served, token, MINIMAL, SPOILT[how]())
    assert response.status_code in {400, 413}, response.text
    assert is_a_refusal(response, response.status_code)
    assert (await served.get(AGENT)).status_code == 404
    assert (await publish(served, token)).status_code == 200


@pytest.mark.parametrize("told", ["0" * 64, "nonsense"])
async def test_a_digest_that_is_not_the_tarballs_is_refused(
    served: Served, token: str, told: str
) -> None:
    assert is_a_refusal(await put(served, token, MINIMAL, sha256=told), 400)


@pytest.mark.parametrize("text", ["{", "[" * 100_000, '{"a": NaN}', "null", "[]", '"x"', "\x00"])
async def test_an_agent_yaml_that_is_no_manifest_is_refused(
    served: Served, token: str, text: str
) -> None:
    response = await put(served, token, MINIMAL, agent_yaml=text)
    assert is_a_refusal(response, 400)
    assert response.json()["details"]


@pytest.mark.parametrize(
    ("headers", "content"),
    [
        ({"content-type": "multipart/form-data"}, b"x"),
        ({"content-type": "multipart/form-data; boundary=b"}, b"--b\r\nnonsense"),
        ({"content-type": "application/json"}, b"{}"),
        ({}, b"x"),
    ],
)
async def test_a_body_that_is_no_form_is_refused(
    served: Served, token: str, headers: dict[str, str], content: bytes
) -> None:
    response = await served.http.put(
        f"{API}/agents", content=content, headers=bearing(token) | headers
    )
    assert is_a_refusal(response, 400)


async def test_both_routes_publish_and_the_long_one_is_of_one_agent(
    served: Served, token: str
) -> None:
    for version, path in (("1.0.0", f"{API}/agents"), ("1.1.0", AGENT)):
        sent = form(manifest(version=version))
        assert (await served.http.put(path, headers=bearing(token), **sent)).status_code == 200
    other = f"{API}/agents/@knid/other"
    sent = form(manifest(version="1.2.0"))
    assert is_a_refusal(await served.http.put(other, headers=bearing(token), **sent), 400)


async def test_of_two_that_publish_one_version_one_does(served: Served, token: str) -> None:
    both = await asyncio.gather(
        *(publish(served, token, description=f"Number {number}.") for number in range(2))
    )
    assert sorted(response.status_code for response in both) == [200, 409]
    [won] = [response for response in both if response.status_code == 200]
    assert won.json()["version"] == "1.2.0"
    assert len((await served.get(f"{AGENT}/versions")).json()["versions"]) == 1


async def test_the_latest_version_is_the_highest_stable_one(served: Served, token: str) -> None:
    for version in ("1.10.0", "1.9.0", "2.0.0-rc.1"):
        assert (await publish(served, token, version=version)).status_code == 200
    assert (await served.get(AGENT)).json()["latest_version"] == "1.10.0"
    listed = (await served.get(f"{AGENT}/versions")).json()["versions"]
    assert [entry["version"] for entry in listed] == ["1.10.0", "1.9.0", "2.0.0-rc.1"]


async def test_a_suspect_release_is_held_and_its_publisher_is_told(
    served: Served, token: str
) -> None:
    text = SUSPECT.partition("---\n# ")[2]
    said = manifest(name="helper")
    data = tarball(said, readme=text)
    done = await put(served, token, said, data, readme=text)
    assert done.status_code == 200, done.text
    assert done.json()["held"] is True
    assert "reviewer" in done.json()["message"]
    assert (await served.get(f"{API}/agents/@knid/helper")).status_code == 404
    assert (await served.get(f"{API}/agents/@knid/helper/download/1.2.0")).status_code == 404


SAFER = {
    "name_100": "a name has 64 characters",
    "name_dash_only": "a name begins and ends with a letter or digit",
    "version_zero": "SemVer has no leading zeros",
    "author_at_only": "a scope is a namespace",
    "author_slash": "a scope is a namespace",
}
"""What the original takes and this registry does not, with the reason; the README has it too."""


async def test_every_vector_is_decided_as_by_the_original_or_is_a_safer_difference(
    served: Served, shared: Path
) -> None:
    token, _ = await served.world.account("me")
    vectors = json.loads((shared / "data/agentx/agent_yaml_vectors.json").read_text())
    assert len(vectors) == 68
    different = set()
    for number, vector in enumerate(vectors):
        said = vector["input"]
        if isinstance(said, dict) and said.get("name") == "foo-agent":
            said = said | {"name": f"foo-agent-{number}"}  # or its version would be there already
        response = await put(served, token, said)
        assert response.status_code in {200, 400}, (vector["name"], response.text)
        if (response.status_code == 200) != vector["server_ok"]:
            different.add(vector["name"])
        if not vector["server_ok"]:
            assert len(response.json()["details"]) == len(vector["server_details"])
    assert different == set(SAFER)


async def test_a_scope_is_the_same_in_any_case(served: Served, token: str) -> None:
    said = manifest(author="@Knid")
    assert (await put(served, token, said)).json()["full_name"] == "@knid/gmail-agent"
    for path in ("@KNID/gmail-agent", "%40knid/gmail-agent", "knid/gmail-agent"):
        assert (await served.get(f"{API}/agents/{path}")).status_code == 200


# --- the real agents, and the other APIs


async def test_the_real_agents_are_published_and_shelved(
    served: Served, token: str, shared: Path
) -> None:
    folders = sorted((shared / "data/agentx/agents").iterdir())
    assert len(folders) == 14
    for folder in folders:
        done = await publish_folder(served, token, folder)
        assert done.status_code == 200, done.text
        assert "held" not in done.json()
    listed = (await served.get(f"{API}/agents?limit=100")).json()
    assert listed["total"] == len(listed["agents"]) == 14
    counts = {
        shelf["slug"]: shelf["count"]
        for shelf in (await served.get(f"{API}/categories")).json()["categories"]
    }
    assert list(counts) == list(CATEGORIES)
    assert (counts["communication"], counts["devtools"], counts["other"]) == (3, 2, 0)
    trust = (await served.get("/api/v1/packages/knid/gmail-agent/1.0.2/trust")).json()
    assert trust["trust_report"]["signature"] == "unsigned"


async def test_an_agent_that_was_published_as_a_ctxpkg_is_one_here_too(served: Served) -> None:
    said = manifest(author="@acme", category="data", tags=["mail"])
    files = {"agent.yaml": json.dumps(said), "system-prompt.md": "Help.", "README.md": README}
    made = {"kind": Kind.AGENT, "description": "Mail.", "files": files, "tags": ["mail"]}
    artifact = package("@acme/gmail-agent", "1.2.0", **made)
    acme = await served.token()
    done = await served.put(acme, "@acme/gmail-agent", "1.2.0", artifact=artifact)
    assert done.status_code == 201
    at = f"{API}/agents/@acme/gmail-agent"
    shown = (await served.get(at)).json()
    assert (shown["category"], shown["tags"], shown["is_verified"]) == ("data", ["mail"], True)
    [listed] = (await served.get(f"{API}/agents?category=data")).json()["agents"]
    assert listed["full_name"] == "@acme/gmail-agent"
    where = (await served.get(f"{at}/download/1.2.0")).json()
    given = (await served.http.get(where["tarball_url"])).content
    assert hashlib.sha256(given).hexdigest() == where["tarball_sha256"]
    assert len(given) == where["tarball_size"]
    candidate = agent.read(given)
    assert (candidate.name, candidate.readme) == ("gmail-agent", README)
    [version] = (await served.get(f"{at}/versions")).json()["versions"]
    assert version["tarball_sha256"] == where["tarball_sha256"]


async def test_other_kinds_and_private_agents_are_not_here(served: Served, token: str) -> None:
    await served.put(await served.token())
    assert (await publish(served, token)).status_code == 200
    registry = served.world.registry
    name = PackageName("knid", "gmail-agent")
    await registry.packages.set_visibility(name, Visibility.PRIVATE, OWNER)
    for path in ("@acme/review", "@knid/gmail-agent"):
        assert (await served.get(f"{API}/agents/{path}")).status_code == 404
    for path in ("agents", "search?q=gmail", "trending", "users/knid/agents"):
        assert (await served.get(f"{API}/{path}")).json()["agents"] == []
    assert (await served.get(f"{API}/users/knid", token)).json()["agent_count"] == 0


# --- finding


@claims(
    "agentx.agents.q",
    "agentx.agents.category",
    "agentx.agents.sort",
    "agentx.agents.page",
    "agentx.agents.limit",
    "agentx.search.q",
    "agentx.search.limit",
)
async def test_lists_come_in_pages_orders_and_categories(served: Served, token: str) -> None:
    for number in range(25):
        shelf = "data" if number % 5 == 0 else "devtools"
        done = await publish(
            served, token, name=f"agent-{number:02}", category=shelf, description="Sorts mail."
        )
        assert done.status_code == 200
    first = (await served.get(f"{API}/agents")).json()
    assert (len(first["agents"]), first["total"], first["page"], first["limit"]) == (20, 25, 1, 20)
    rest = (await served.get(f"{API}/agents?page=2")).json()
    assert (len(rest["agents"]), rest["page"]) == (5, 2)
    names = [agent["name"] for agent in (*first["agents"], *rest["agents"])]
    assert sorted(names) == [f"agent-{number:02}" for number in range(25)]
    data = (await served.get(f"{API}/agents?category=data")).json()
    assert data["total"] == 5
    newest = (await served.get(f"{API}/agents?sort=newest&limit=1")).json()["agents"]
    assert [agent["name"] for agent in newest] == ["agent-24"]
    await served.get(f"{API}/agents/@knid/agent-07/download/1.2.0")
    await served.world.registry.usage.flush()
    await served.http.put(f"{API}/agents/@knid/agent-03/star", headers=bearing(token))
    most = (await served.get(f"{API}/agents?sort=downloads&limit=1")).json()["agents"]
    assert [(agent["name"], agent["download_count"]) for agent in most] == [("agent-07", 1)]
    liked = (await served.get(f"{API}/agents?sort=stars&limit=1")).json()["agents"]
    assert [(agent["name"], agent["star_count"]) for agent in liked] == [("agent-03", 1)]
    found = (await served.get(f"{API}/agents?q=mail&category=data")).json()
    assert {agent["category"] for agent in found["agents"]} == {"data"}
    assert (await served.get(f"{API}/search?q=mail&limit=100")).json()["total"] == 25
    assert len((await served.get(f"{API}/search?q=mail&limit=100")).json()["agents"]) == 25
    some = (await served.get(f"{API}/search?q=mail&limit=10&page=3")).json()
    assert (len(some["agents"]), some["total"]) == (5, 25)


@pytest.mark.parametrize("words", ["", "   ", "x" * 501])
async def test_a_search_needs_words(served: Served, words: str) -> None:
    assert is_a_refusal(await served.http.get(f"{API}/search", params={"q": words}), 400)


@pytest.mark.parametrize("junk", ["0", "-1", "x", "1e9", "9" * 20, "1000", ""])
async def test_junk_for_numbers_is_as_good_as_none_and_too_much_is_cut(
    served: Served, token: str, junk: str
) -> None:
    await publish(served, token)
    said = (await served.http.get(f"{API}/agents", params={"limit": junk, "page": "1"})).json()
    assert 1 <= said["limit"] <= 100
    assert said["total"] == 1
    assert (await served.http.get(f"{API}/agents", params={"page": junk})).status_code == 200


@claims("agentx.trending.period")
async def test_what_was_downloaded_lately_is_trending(served: Served, token: str) -> None:
    for name in ("first", "second", "third"):
        await publish(served, token, name=name)
    for _ in range(2):
        await served.get(f"{API}/agents/@knid/second/download/1.2.0")
    await served.get(f"{API}/agents/@knid/third/download/1.2.0")
    await served.world.registry.usage.flush()
    for period in ("day", "week", "month"):
        said = (await served.get(f"{API}/trending?period={period}")).json()
        assert [agent["name"] for agent in said["agents"]] == ["second", "third", "first"]
    deprecate = served.world.registry.packages.deprecate
    await deprecate(PackageName("knid", "second"), "Use third.", None, OWNER)
    said = (await served.get(f"{API}/trending")).json()
    assert [agent["name"] for agent in said["agents"]] == ["third", "first"]
    assert is_a_refusal(await served.get(f"{API}/trending?period=year"), 400)


# --- unpublishing, stars, users


async def test_an_unpublished_version_is_gone_and_its_number_used_up(
    served: Served, token: str
) -> None:
    for version in ("1.0.0", "1.2.0"):
        await publish(served, token, version=version)
    assert (await served.http.delete(f"{AGENT}/1.2.0", headers=bearing(token))).status_code == 200
    assert (await served.get(AGENT)).json()["latest_version"] == "1.0.0"
    assert (await served.get(f"{AGENT}/download/1.2.0")).status_code == 404
    again = await served.http.delete(f"{AGENT}/1.2.0", headers=bearing(token))
    assert is_a_refusal(again, 404)
    assert is_a_refusal(await publish(served, token), 409)
    await served.http.delete(f"{AGENT}/1.0.0", headers=bearing(token))
    assert is_a_refusal(await served.get(AGENT), 404)
    package_ = await served.world.registry.packages.find(PackageName("knid", "gmail-agent"), OWNER)
    assert {release.state for release in package_.withheld} == {State.REVOKED}


async def test_a_star_is_an_accounts_and_counts_once(served: Served, token: str) -> None:
    await publish(served, token)
    other, _ = await served.world.account("other")
    for bearer, count in ((token, 1), (token, 1), (other, 2)):
        said = await served.http.put(f"{AGENT}/star", headers=bearing(bearer))
        assert said.json() == {"starred": True, "star_count": count}
    gone = await served.http.delete(f"{AGENT}/star", headers=bearing(token))
    assert gone.json() == {"starred": False, "star_count": 1}
    assert (await served.get(AGENT)).json()["star_count"] == 1
    reading, _ = await served.world.account("knid", Scope.READ)
    assert is_a_refusal(await served.http.put(f"{AGENT}/star", headers=bearing(reading)), 403)
    assert is_a_refusal(
        await served.http.put(f"{AGENT}/star", headers=bearing(await served.token())), 403
    )


async def test_a_namespace_without_an_account_has_a_profile_once_it_has_agents(
    served: Served,
) -> None:
    assert is_a_refusal(await served.get(f"{API}/users/acme"), 404)
    assert is_a_refusal(await served.get(f"{API}/users/acme/agents"), 404)
    done = await publish(served, await served.token(), author="@acme")
    assert done.status_code == 200, done.text
    said = (await served.get(f"{API}/users/acme")).json()
    assert (said["username"], said["agent_count"]) == ("acme", 1)
    assert (await served.get(f"{API}/users/@ACME/agents")).json()["total"] == 1
    assert is_a_refusal(await served.get(f"{API}/users/no..body"), 404)


# --- telemetry


REAL = {"agent": "@knid/gmail-agent", "version": "1.2.0", "success": False, "duration_ms": 5}
DOCUMENTED = {
    "agent_name": "@knid/gmail-agent",
    "agent_version": "1.2.0",
    "success": True,
    "duration_ms": 3500,
    "os": "darwin",
    "cli_version": "0.1.0",
}


async def test_runs_are_counted_in_both_shapes_and_tell_nobody_what_there_is(
    served: Served, token: str
) -> None:
    await publish(served, token)
    for run in (REAL, DOCUMENTED, REAL | {"agent": "@knid/nothing"}, REAL | {"agent": "?"}):
        response = await served.http.post(f"{API}/telemetry", json=run)
        assert (response.status_code, response.json()) == (200, {"ok": True})
    await served.world.registry.usage.flush()
    found = await served.world.registry.packages.find(PackageName("knid", "gmail-agent"), OWNER)
    assert (found.runs, found.successes) == (2, 1)


@pytest.mark.parametrize(
    "wrong",
    [
        {"agent": ""},
        {"agent": "x" * 201},
        {"agent": 1},
        {"version": "1" * 51},
        {"version": None},
        {"success": "true"},
        {"duration_ms": -1},
        {"duration_ms": 3_600_001},
        {"duration_ms": 1.5},
        {"duration_ms": True},
        {"error_type": "x" * 101},
    ],
)
async def test_a_run_that_makes_no_sense_is_refused(served: Served, wrong: dict[str, Any]) -> None:
    response = await served.http.post(f"{API}/telemetry", json=REAL | wrong)
    assert is_a_refusal(response, 400)
    assert next(iter(wrong)) in response.json()["details"][0]


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"null", b"\xff", b'{"a":1,"a":2}'])
async def test_a_body_that_is_no_object_is_refused(served: Served, content: bytes) -> None:
    for path in ("telemetry", "auth/github"):
        response = await served.http.post(f"{API}/{path}", content=content)
        assert is_a_refusal(response, 400)


# --- who may write


WRITES = {
    "publish": ("PUT", f"{API}/agents"),
    "publish at": ("PUT", AGENT),
    "unpublish": ("DELETE", f"{AGENT}/1.2.0"),
    "star": ("PUT", f"{AGENT}/star"),
    "unstar": ("DELETE", f"{AGENT}/star"),
}


async def write(served: Served, what: str, token: str) -> httpx.Response:
    method, path = WRITES[what]
    sent = form(manifest(version="9.0.0")) if what.startswith("publish") else {}
    return await served.http.request(method, path, headers=bearing(token), **sent)


async def tokens(served: Served) -> dict[str, str]:
    world, registry = served.world, served.world.registry
    ended, _ = await world.account("knid", expires_at=registry.clock() - timedelta(seconds=1))
    disabled, _ = await world.account("disabled")
    await registry.accounts.set_disabled("disabled", OWNER, disabled=True)
    revoked, account = await world.account("revoked")
    for one in await registry.tokens.of_account(account.id):
        await registry.tokens.revoke(one.id, OWNER)
    invented = "agentx_" + "0" * 32
    return {
        "": "",
        "expired": ended,
        "disabled": disabled,
        "revoked": revoked,
        "invented": invented,
        "nonsense": "x",
    }


@claims("agentx.auth.bearer")
@pytest.mark.parametrize("what", WRITES)
async def test_nobody_writes_without_a_token_that_is_good(
    served: Served, token: str, what: str
) -> None:
    await publish(served, token)
    for bad in (await tokens(served)).values():
        response = await write(served, what, bad)
        assert is_a_refusal(response, 401)
        assert response.headers["www-authenticate"].startswith("Bearer")
        assert response.json()["error"] == "Authentication required"
    assert (await served.get(AGENT)).json()["latest_version"] == "1.2.0"


@pytest.mark.parametrize("what", ["publish", "publish at", "unpublish"])
async def test_nobody_writes_what_is_anothers_or_with_a_token_for_reading(
    served: Served, token: str, what: str
) -> None:
    await publish(served, token)
    reading, _ = await served.world.account("knid", Scope.READ)
    others, _ = await served.world.account("other")
    foreign = await served.token("acme")
    for bad in (reading, others, foreign):
        response = await write(served, what, bad)
        assert is_a_refusal(response, 403), response.text
        assert response.json()["error"] == "You can only publish under @your-username scope"
    assert (await served.get(AGENT)).json()["latest_version"] == "1.2.0"


async def test_the_owner_at_this_machine_needs_a_token_here_too(served: Served) -> None:
    assert is_a_refusal(await write(served, "publish", ""), 401)


# --- signing in


@pytest.fixture
async def signing(tmp_path: Path) -> AsyncIterator[tuple[Served, GitHub]]:
    url = f"sqlite+aiosqlite:///{tmp_path / 'registry.sqlite3'}"
    async with (
        GitHub().running() as github,
        World.open(url, tmp_path, github.environment) as world,
        Served.inside(world, EVERYBODY, FREE) as served,
    ):
        yield served, github


STATE = "0123456789abcdef0123456789abcdef"
BACK = "http://127.0.0.1:40123/callback"


async def begin(served: Served, **more: Any) -> httpx.Response:
    sent = {"redirect_uri": BACK, "state": STATE} | more
    return await served.http.post(f"{API}/auth/github", json=sent)


@claims("agentx.auth.callback.code", "agentx.auth.callback.state")
async def test_the_command_line_signs_in_and_publishes_under_its_own_scope(
    signing: tuple[Served, GitHub],
) -> None:
    served, github = signing
    begun = (await begin(served)).json()
    assert begun["state"] == STATE
    back = github.agree(begun["auth_url"])
    assert back.startswith(f"{BACK}?")
    assert codes(back)["state"] == STATE  # or the command line would not go on
    done = await served.http.get(f"{API}/auth/callback", params=codes(back))
    assert done.headers["cache-control"] == "no-store"
    said = done.json()
    assert said["user"]["username"] == "sinan"
    assert said["user"]["github_id"] == 12345
    assert said["token"].startswith("agentx_")
    assert (await publish(served, said["token"], author="@sinan")).status_code == 200
    assert (await publish(served, said["token"], author="@knid")).status_code == 403
    for missing in ({"code": "x"}, {"state": STATE}, {}):
        response = await served.http.get(f"{API}/auth/callback", params=missing)
        assert is_a_refusal(response, 400)


async def test_a_sign_in_that_is_played_again_opens_nothing(
    signing: tuple[Served, GitHub],
) -> None:
    served, github = signing
    back = codes(github.agree((await begin(served)).json()["auth_url"]))
    first = await served.http.get(f"{API}/auth/callback", params=back)
    again = await served.http.get(f"{API}/auth/callback", params=back)
    other = await served.http.get(f"{API}/auth/callback", params=back | {"state": "f" * 32})
    assert first.status_code == 200
    assert is_a_refusal(again, 401)
    assert again.json() == other.json()
    assert is_a_refusal(await begin(served), 400)  # that state, too, is used up


async def test_a_code_ends_no_attempt_but_its_own(signing: tuple[Served, GitHub]) -> None:
    served, github = signing
    mine = codes(github.agree((await begin(served)).json()["auth_url"]))
    his = codes(github.agree((await begin(served, state="e" * 32)).json()["auth_url"]))
    crossed = {"code": his["code"], "state": mine["state"]}
    assert is_a_refusal(await served.http.get(f"{API}/auth/callback", params=crossed), 401)


@pytest.mark.parametrize(
    "redirect",
    [
        None,
        "",
        "https://evil.example/",
        "http://127.0.0.1@evil.example/",
        "http://localhost.evil.example/callback",
        "//127.0.0.1/callback",
        "javascript:alert(1)",
    ],
)
async def test_github_is_never_told_to_send_anybody_elsewhere(
    signing: tuple[Served, GitHub], redirect: str | None
) -> None:
    assert is_a_refusal(await begin(signing[0], redirect_uri=redirect), 400)


async def test_a_github_that_is_silent_is_said_to_be(signing: tuple[Served, GitHub]) -> None:
    served, github = signing
    back = codes(github.agree((await begin(served)).json()["auth_url"]))
    github.down = True
    for _ in range(2):  # the command line asks twice
        assert is_a_refusal(await served.http.get(f"{API}/auth/callback", params=back), 503)
    github.down = False
    assert (await served.http.get(f"{API}/auth/callback", params=back)).status_code == 200


async def test_without_an_application_it_is_said_that_nobody_can_sign_in(served: Served) -> None:
    response = await begin(served)
    assert is_a_refusal(response, 404)
    assert "GitHub" in response.json()["error"]


# --- limits


@claims(
    "agentx.limit.anonymous",
    "agentx.limit.account",
    "agentx.limit.publish",
    "agentx.header.limit",
    "agentx.header.remaining",
    "agentx.header.reset",
)
async def test_the_limits_of_the_document_are_kept_and_told(sqlite_world: World) -> None:
    async with Served.inside(sqlite_world, limits=FAST) as served:
        mine, _ = await sqlite_world.account("knid")
        also_mine, _ = await sqlite_world.account("knid")
        for left in range(59, -1, -1):
            response = await served.get(f"{API}/categories")
            assert response.headers["x-ratelimit-limit"] == "60"
            assert response.headers["x-ratelimit-remaining"] == str(left)
            assert 0 <= int(response.headers["x-ratelimit-reset"]) <= 60
        for invented in ("", "agentx_" + "1" * 32):
            refused = await served.get(f"{API}/categories", invented)
            assert is_a_refusal(refused, 429)
            assert refused.json()["error"] == "Rate limit exceeded"
            assert int(refused.headers["retry-after"]) > 0
        for left in range(119, 0, -1):
            bearer = (mine, also_mine)[left % 2]  # one account, whatever its tokens
            response = await served.get(f"{API}/categories", bearer)
            assert response.headers["x-ratelimit-limit"] == "120"
            assert response.headers["x-ratelimit-remaining"] == str(left)
        for left in range(9, -1, -1):
            response = await publish(served, mine, version=f"1.0.{left}")
            assert response.status_code == 200
            assert response.headers["x-ratelimit-limit"] == "10"
            assert response.headers["x-ratelimit-remaining"] == str(left)
        refused = await publish(served, also_mine, version="2.0.0")
        assert is_a_refusal(refused, 429)
        words = "Publish rate limit exceeded. Maximum 10 publishes per hour."
        assert refused.json()["error"] == words
        other, _ = await sqlite_world.account("other")
        assert (await publish(served, other, author="@other")).status_code == 200


# --- where it lives


@claims("agentx.base")
@pytest.mark.parametrize(
    "path",
    [
        "/agentx/api/v1/categories",
        "/api/v1/categories",
        "//api/v1/categories",
        "/agentx//api/v1/categories",
    ],
)
async def test_it_is_found_under_its_prefix_and_where_nobody_else_claims_the_path(
    served: Served, path: str
) -> None:
    assert len((await served.http.get(f"http://localhost{path}")).json()["categories"]) == 10


async def test_a_path_that_another_document_claims_is_that_ones(served: Served) -> None:
    assert "results" in (await served.get("/api/v1/search?q=x")).json()
    assert "agents" in (await served.get("/agentx/api/v1/search?q=x")).json()


async def test_a_host_of_its_own_speaks_it_alone(sqlite_world: World) -> None:
    async with hosted(sqlite_world, {"agents.example": "agentx"}) as http:
        said = await http.get("http://agents.example/api/v1/search?q=x")
        assert "agents" in said.json()
        assert is_a_refusal(await http.get("http://agents.example/health"), 404)
        assert (await http.get("http://localhost/health")).status_code == 200
        token, _ = await sqlite_world.account("knid")
        sent = form(MINIMAL)
        await http.put("http://agents.example/api/v1/agents", headers=bearing(token), **sent)
        at = "http://agents.example/api/v1/agents/@knid/gmail-agent/download/1.2.0"
        where = (await http.get(at)).json()["tarball_url"]
        assert where.startswith("http://agents.example/api/v1/")
        assert (await http.get(where)).status_code == 200
        described = (await http.get("http://agents.example/openapi.json")).json()
        assert described["servers"] == [{"url": "/"}]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/agentx/nothing", 404),
        ("GET", "/agentx", 404),
        ("GET", f"{AGENT}/nothing", 405),
        ("POST", f"{API}/agents", 405),
        ("DELETE", f"{API}/agents", 405),
        ("GET", f"{API}/telemetry", 405),
    ],
)
async def test_the_framework_refuses_in_its_words_too(
    served: Served, method: str, path: str, status: int
) -> None:
    assert is_a_refusal(await served.http.request(method, path), status)


async def test_every_guard_refuses_in_its_words(sqlite_world: World) -> None:
    async with Served.inside(sqlite_world, limits=ONCE) as served:
        too_long = {"content-length": str(64 * 1024 * 1024)}
        assert is_a_refusal(
            await served.http.put(f"{API}/agents", content=b"x", headers=too_long), 413
        )
        assert is_a_refusal(await served.get(f"{API}/categories"), 429)
    async with Served.inside(sqlite_world) as served:
        rebound = await served.http.get(f"{API}/categories", headers={"host": "evil.example"})
        assert is_a_refusal(rebound, 400)


# --- OpenAPI


async def test_the_document_is_openapi_and_every_answer_is_as_it_says(
    served: Served, token: str
) -> None:
    document = (await served.get("/agentx/openapi.json")).json()
    validate(document)
    await publish(served, token, category="data", permissions={"network": True})
    seen = {
        ("get", "/api/v1/agents"): await served.get(f"{API}/agents"),
        ("get", "/api/v1/search"): await served.get(f"{API}/search?q=mail"),
        ("get", "/api/v1/trending"): await served.get(f"{API}/trending"),
        ("get", "/api/v1/categories"): await served.get(f"{API}/categories"),
        ("get", "/api/v1/agents/{scope}/{name}"): await served.get(AGENT),
        ("get", "/api/v1/agents/{scope}/{name}/versions"): await served.get(f"{AGENT}/versions"),
        ("get", "/api/v1/agents/{scope}/{name}/download/{version}"): await served.get(
            f"{AGENT}/download/1.2.0"
        ),
        ("get", "/api/v1/users/{username}"): await served.get(f"{API}/users/knid"),
        ("put", "/api/v1/agents"): await publish(served, token, version="1.3.0"),
        ("put", "/api/v1/agents/{scope}/{name}/star"): await served.http.put(
            f"{AGENT}/star", headers=bearing(token)
        ),
        ("post", "/api/v1/telemetry"): await served.http.post(f"{API}/telemetry", json=REAL),
    }
    for (method, path), response in seen.items():
        said = document["paths"][path][method]["responses"]["200"]["content"]
        schema = said["application/json"]["schema"] | {"components": document["components"]}
        Draft202012Validator(schema).validate(response.json())
    refusal = {"$ref": "#/components/schemas/Refusal", "components": document["components"]}
    for response in (await served.get(f"{API}/agents/@knid/x"), await put(served, token, {})):
        Draft202012Validator(refusal).validate(response.json())
    routes = {(path, method) for path, methods in document["paths"].items() for method in methods}
    assert len(routes) == 18
    for path, method in routes:
        assert document["paths"][path][method]["summary"]
