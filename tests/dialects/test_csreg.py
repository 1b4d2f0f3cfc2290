"""csreg's API: each rule that the server decides, through HTTP."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import tarfile
import zipfile
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from csreg import API, TYPES, Csreg, archive, is_a_problem, skill_md

from agents import MINIMAL
from dialects.requirements import claims
from registry_core import archives
from registry_core.archives import Entry
from registry_core.callers import ANONYMOUS, OWNER, Scope
from registry_core.formats import Visibility, skill
from registry_core.names import Kind, PackageName
from registry_core.operations.install import Install, install
from registry_core.operations.search import Search, search
from registry_core.packages import State
from registry_core.packages.cards import Begun, Card
from served import EVERYBODY, FAST, Served, bearing, hosted
from transports.limits import Limits
from world import SUSPECT, World

SKILL = "/skills/backend/code-reviewer"
ONCE = Limits(requests_per_second=0.001, burst=1)
LOOSE = Limits(requests_per_second=10_000, burst=10_000)


@pytest.fixture
async def served(sqlite_world: World) -> AsyncIterator[Served]:
    async with Served.inside(sqlite_world, EVERYBODY, LOOSE) as inside:
        yield inside


@pytest.fixture
async def ada(served: Served) -> Csreg:
    """An admin of the team backend, with a token for everything."""
    client = Csreg(served, (await served.world.account("ada"))[0])
    await client.team()
    return client


@pytest.fixture
def anybody(served: Served) -> Csreg:
    return Csreg(served)


async def holding(served: Served, handle: str, scope: Scope = Scope.PUBLISH) -> Csreg:
    return Csreg(served, (await served.world.account(handle, scope))[0])


# --- skills


@claims("csreg.skills", "csreg.json", "csreg.auth.header")
async def test_a_skill_is_created_shown_listed_changed_and_deleted(
    ada: Csreg, anybody: Csreg
) -> None:
    made = await ada.create(
        displayName="Code Reviewer", description="Reviews.", tags=["review"], visibility="public"
    )
    assert made.status_code == 201
    said = made.json()
    assert said["latestVersion"] is None
    assert made.headers["location"] == f"{API}{SKILL}"
    assert made.headers["content-type"] == "application/json"
    shown = (await anybody.get(SKILL)).json()
    assert said.items() <= shown.items()
    assert (shown["versions"], shown["channels"]) == ([], {})
    assert (await anybody.get("/skills")).json() == {"data": [said]}
    changed = await ada.ask("PATCH", SKILL, json={"description": "Reads.", "tags": []})
    assert changed.status_code == 200
    assert (changed.json()["description"], changed.json()["tags"]) == ("Reads.", [])
    assert changed.json()["displayName"] == "Code Reviewer"
    assert (await ada.ask("DELETE", SKILL)).status_code == 204
    assert is_a_problem(await ada.get(SKILL), 404)
    assert (await anybody.get("/skills")).json() == {"data": []}


async def test_a_skill_is_created_once_until_it_is_deleted(ada: Csreg) -> None:
    both = await asyncio.gather(ada.create(), ada.create())
    assert sorted(response.status_code for response in both) == [201, 409]
    await ada.push()
    await ada.ask("DELETE", SKILL)
    assert (await ada.create(visibility="private")).status_code == 201
    assert is_a_problem(await ada.push(), 409)  # the number is used up
    assert (await ada.push(version="1.0.1")).status_code == 201
    assert (await ada.get(SKILL)).json()["visibility"] == "private"


async def test_what_was_deleted_is_served_nowhere_any_more(ada: Csreg, served: Served) -> None:
    await ada.push()
    digest = (await ada.get(f"{SKILL}/versions/1.0.0")).json()["sha256"]
    assert (await ada.ask("DELETE", SKILL)).status_code == 204
    for path in (f"{SKILL}/versions/1.0.0/download", f"{SKILL}/versions", f"{SKILL}/channels"):
        assert is_a_problem(await ada.get(path), 404)
    native = "/api/v1/packages/backend/code-reviewer/1.0.0/download"
    assert (await served.get(native, ada.token)).status_code == 404
    package = await served.world.registry.packages.find(
        PackageName("backend", "code-reviewer"), OWNER
    )
    assert [one.state for one in package.withheld] == [State.REVOKED]
    assert package.withheld[0].sha256 == digest


@pytest.mark.parametrize(
    "wrong",
    [
        {"slug": "No Slug"},
        {"slug": ""},
        {"slug": "x" * 65},
        {"slug": None},
        {"scope": "a"},
        {"scope": "../x"},
        {"visibility": "secret"},
        {"tags": "review"},
        {"tags": [""]},
        {"tags": ["x"] * 21},
        {"description": "x" * 1025},
        {"displayName": "a\nb"},
        {"unknown": 1},
    ],
)
@claims("csreg.400")
async def test_a_skill_that_makes_no_sense_is_refused(ada: Csreg, wrong: dict[str, Any]) -> None:
    sent = {"scope": "backend", "slug": "code-reviewer"} | wrong
    assert is_a_problem(await ada.ask("POST", "/skills", json=sent), 400)
    assert (await ada.get("/skills")).json() == {"data": []}


@pytest.mark.parametrize("content", [b"[]", b"{", b"null", b"\xff", b'{"slug":"a","slug":"b"}'])
async def test_a_body_that_is_no_object_is_refused(ada: Csreg, content: bytes) -> None:
    await ada.push()
    for method, path in (
        ("POST", "/skills"),
        ("POST", "/teams"),
        ("POST", "/tokens"),
        ("PATCH", SKILL),
        ("POST", f"{SKILL}/channels"),
        ("POST", f"{SKILL}/versions/1.0.0/yank"),
        ("POST", "/teams/backend/members"),
    ):
        assert is_a_problem(await ada.ask(method, path, content=content), 400)


# --- versions


async def test_what_is_pushed_is_pulled_byte_for_byte_and_counted(
    ada: Csreg, anybody: Csreg
) -> None:
    data = archive()
    pushed = await ada.push(data=data)
    assert pushed.status_code == 201, pushed.text
    said = pushed.json()
    assert (said["version"], said["tags"], said["license"]) == (
        "1.0.0",
        ["review", "quality"],
        "MIT",
    )
    assert said["size"] == len(data)
    assert said["status"] == "released"
    assert pushed.headers["location"] == f"{API}{SKILL}/versions/1.0.0"
    shown = (await anybody.get(f"{SKILL}/versions/1.0.0")).json()
    assert shown == said
    given = await anybody.served.http.get(said["downloadUrl"])
    assert given.content == data
    assert given.headers["content-type"] == "application/gzip"
    assert given.headers["x-csreg-version"] == "1.0.0"
    assert "immutable" in given.headers["cache-control"]
    again = await anybody.ask(
        "GET",
        f"{SKILL}/versions/1.0.0/download",
        headers={"if-none-match": given.headers["etag"]},
    )
    assert (again.status_code, again.content) == (304, b"")
    await ada.served.world.registry.usage.flush()
    assert (await anybody.get(SKILL)).json()["downloads"] == 2


async def test_a_push_begins_a_skill_and_is_found_over_mcp_and_installable(
    ada: Csreg, served: Served
) -> None:
    assert (await ada.push()).status_code == 201
    registry = served.world.registry
    found = await search(registry, ANONYMOUS, Search(query="review code mistakes"))
    assert [hit.ref for hit in found.hits] == ["@backend/code-reviewer@1.0.0"]
    plan = await install(registry, ANONYMOUS, Install(refs=["@backend/code-reviewer"]))
    assert [step.ref for step in plan.plan] == ["@backend/code-reviewer@1.0.0"]


async def test_a_skill_that_was_published_natively_is_one_here_too(
    ada: Csreg, anybody: Csreg, served: Served
) -> None:
    await served.world.publish("@backend/review", tags=["mail"])
    [listed] = (await anybody.get("/skills")).json()["data"]
    assert (listed["name"], listed["tags"]) == ("@backend/review", ["mail"])
    [version] = (await anybody.get("/skills/backend/review/versions")).json()["data"]
    given = await anybody.get("/skills/backend/review/versions/1.0.0/download")
    assert given.headers["content-type"] == "application/gzip"
    assert len(given.content) == version["size"]
    assert skill.read(given.content).name == "review"
    named = await ada.ask("PATCH", "/skills/backend/review", json={"displayName": "The review"})
    assert named.json()["displayName"] == "The review"
    said = MINIMAL | {"author": "@backend"}
    files = {"agent.yaml": json.dumps(said), "system-prompt.md": "Help."}
    await served.world.publish("@backend/agents", kind=Kind.AGENT, files=files)
    assert is_a_problem(await anybody.get("/skills/backend/agents"), 404)


@pytest.mark.parametrize("kind", ["form", "gzip", "zip", "octets", "file", "folder"])
async def test_an_archive_comes_as_a_part_or_as_the_body(ada: Csreg, kind: str) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as made:
        made.writestr("SKILL.md", skill_md())
    gz, path = archive(), f"{SKILL}/versions"
    tell = {"content-type": "application/octet-stream"}
    done = {
        "form": lambda: ada.ask(
            "POST", path, files={"archive": ("x.tgz", gz)}, data={"version": "1.0.0"}
        ),
        "gzip": lambda: ada.ask(
            "POST", path, content=gz, headers={"content-type": "application/gzip"}
        ),
        "zip": lambda: ada.ask(
            "POST", path, content=packed.getvalue(), headers={"content-type": "application/zip"}
        ),
        "octets": lambda: ada.ask("POST", f"{path}?version=1.0.0", content=gz, headers=tell),
        "file": lambda: ada.ask("POST", path, files={"file": ("x.tgz", gz)}),
        "folder": lambda: ada.push(data=archive(folder="package/")),
    }
    response = await done[kind]()
    assert response.status_code == 201, response.text
    assert response.json()["version"] == "1.0.0"


async def test_the_version_is_told_by_the_form_or_by_the_manifest_and_both_agree(
    ada: Csreg,
) -> None:
    bare = "---\nname: code-reviewer\ndescription: Reviews.\n---\n# Hi\n"
    data = archives.write_tar_gz((Entry("SKILL.md", bare.encode()),))
    assert is_a_problem(await ada.push(data=data), 422)

    async def push(data: bytes, version: str) -> httpx.Response:
        files = {"archive": ("skill.tar.gz", data)}
        return await ada.ask("POST", f"{SKILL}/versions", files=files, data={"version": version})

    assert (await push(data, "2.0.0")).json()["version"] == "2.0.0"
    assert is_a_problem(await push(archive(), "3.0.0"), 422)
    assert is_a_problem(await push(archive(), "one"), 400)


@claims(
    "csreg.problem.type",
    "csreg.problem.title",
    "csreg.problem.status",
    "csreg.problem.detail",
    "csreg.problem.instance",
    "csreg.409",
)
async def test_of_two_that_push_one_version_one_does_and_the_other_reads_the_documents_words(
    ada: Csreg, served: Served
) -> None:
    pushes = [ada.push(data=archive(version="1.2.0", text=text)) for text in ("# A\n", "# B\n")]
    both = await asyncio.gather(*pushes)
    assert sorted(response.status_code for response in both) == [201, 409]
    [lost] = [response for response in both if response.status_code == 409]
    said = lost.json()
    assert said.pop("hint")
    assert said == {
        "type": "https://csreg.nexus/errors/version-conflict",
        "title": "Conflict",
        "status": 409,
        "detail": "Version 1.2.0 of @backend/code-reviewer already exists.",
        "instance": "/csreg/api/v1/skills/backend/code-reviewer/versions",
    }
    assert len((await ada.get(f"{SKILL}/versions")).json()["data"]) == 1
    at_root = await served.http.post(
        "/api/v1/skills/backend/code-reviewer/versions",
        headers=bearing(ada.token),
        files={"archive": ("skill.tar.gz", archive(version="1.2.0"))},
    )
    assert at_root.json()["instance"] == "/api/v1/skills/backend/code-reviewer/versions"


def tarred(*entries: tuple[tarfile.TarInfo, bytes]) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as tar:
        text = skill_md().encode()
        first = tarfile.TarInfo("SKILL.md")
        first.size = len(text)
        tar.addfile(first, io.BytesIO(text))
        for info, data in entries:
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return made.getvalue()


def link() -> bytes:
    info = tarfile.TarInfo("passwd")
    info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
    return tarred((info, b""))


def twice() -> bytes:
    return tarred((tarfile.TarInfo("SKILL.md"), skill_md(text="# Another\n").encode()))


SPOILT: dict[str, Callable[[], bytes]] = {
    "no archive": lambda: b"hello",
    "a bare gzip": lambda: gzip.compress(b"hello"),
    "cut off": lambda: archive()[:-20],
    "a link": link,
    "a path that climbs": lambda: tarred((tarfile.TarInfo("../../evil.sh"), b"x")),
    "an absolute path": lambda: tarred((tarfile.TarInfo("/evil.sh"), b"x")),
    "a name twice": twice,
    "no SKILL.md": lambda: archives.write_tar_gz((Entry("README.md", b"# x"),)),
    "no frontmatter": lambda: archives.write_tar_gz((Entry("SKILL.md", b"# x"),)),
    "no description": lambda: archives.write_tar_gz(
        (Entry("SKILL.md", b"---\nname: code-reviewer\nversion: 1.0.0\n---\n# x"),)
    ),
    "another name": lambda: archive("something-else"),
    "a version that is none": lambda: archive(version="one"),
}


@claims("csreg.422")
@pytest.mark.parametrize("how", SPOILT)
async def test_an_archive_that_is_no_skill_is_refused_and_leaves_nothing(
    ada: Csreg, how: str
) -> None:
    response = await ada.push(data=SPOILT[how]())
    status = 400 if how == "a version that is none" else 422
    assert is_a_problem(response, status), response.text
    assert is_a_problem(await ada.get(SKILL), 404)
    assert (await ada.push()).status_code == 201


@claims("csreg.413")
async def test_an_archive_that_is_too_large_is_refused(ada: Csreg) -> None:
    assert is_a_problem(await ada.push(data=gzip.compress(b"\0" * (32 * 1024 * 1024))), 413)
    too_long = {"content-length": str(64 * 1024 * 1024), "content-type": "application/gzip"}
    response = await ada.ask("POST", f"{SKILL}/versions", content=b"x", headers=too_long)
    assert is_a_problem(response, 413)


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"content": b"x", "headers": {"content-type": "text/plain"}},
        {"content": b"", "headers": {"content-type": "application/gzip"}},
        {"content": b"x", "headers": {"content-type": "multipart/form-data"}},
        {"files": {"other": ("x", b"x")}},
        {"data": {"archive": "text"}, "files": {"other": ("x", b"x")}},
        {"files": {"archive": ("x", b"")}},
    ],
    ids=str,
)
async def test_a_push_without_an_archive_is_refused(ada: Csreg, sent: dict[str, Any]) -> None:
    assert is_a_problem(await ada.ask("POST", f"{SKILL}/versions", **sent), 400)


async def test_a_push_goes_through_every_check(ada: Csreg, anybody: Csreg) -> None:
    secret = "AKIA" + "QWERTYUIOPASDFGH"
    refused = await ada.push(data=archive(text=f"key {secret}\n"))
    assert is_a_problem(refused, 422)
    assert secret not in refused.text
    assert refused.json()["errors"][0]["path"].startswith("SKILL.md")
    held = archives.write_tar_gz((Entry("SKILL.md", SUSPECT.encode()),))
    done = await ada.ask(
        "POST",
        "/skills/backend/review/versions?version=1.0.0",
        content=held,
        headers={"content-type": "application/gzip"},
    )
    assert (done.status_code, done.json()["status"]) == (201, "held")
    assert "reviewer" in done.json()["message"]
    assert (await ada.get("/skills/backend/review/versions/1.0.0")).json()["status"] == "held"
    for path in ("", "/versions/1.0.0", "/versions/1.0.0/download"):
        assert is_a_problem(await anybody.get(f"/skills/backend/review{path}"), 404)
    assert (await anybody.get("/skills")).json() == {"data": []}


async def test_a_version_is_pulled_by_number_range_channel_or_as_the_latest(ada: Csreg) -> None:
    for version in ("1.0.0", "1.1.0", "2.0.0-rc.1"):
        assert (await ada.push(version=version)).status_code == 201
    await ada.ask("POST", f"{SKILL}/channels", json={"name": "next", "version": "2.0.0-rc.1"})
    for selector, version in (
        ("latest", "1.1.0"),
        ("1.0.0", "1.0.0"),
        ("^1", "1.1.0"),
        ("next", "2.0.0-rc.1"),
    ):
        said = (await ada.get(f"{SKILL}/versions/{selector}")).json()
        assert said["version"] == version
        given = await ada.get(f"{SKILL}/versions/{selector}/download")
        assert given.headers["x-csreg-version"] == version
    assert "immutable" not in given.headers["cache-control"]
    for selector in ("9.9.9", "beta", "^9", "1..2"):
        assert is_a_problem(await ada.get(f"{SKILL}/versions/{selector}/download"), 404)
    listed = (await ada.get(f"{SKILL}/versions")).json()["data"]
    assert [one["version"] for one in listed] == ["1.1.0", "1.0.0", "2.0.0-rc.1"]


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/yank"), ("PUT", "/yank"), ("DELETE", "/yank"), ("DELETE", "")]
)
async def test_a_yanked_version_is_resolved_to_by_its_number_alone(
    ada: Csreg, method: str, path: str
) -> None:
    for version in ("1.0.0", "1.1.0"):
        await ada.push(version=version)
    at = f"{SKILL}/versions/1.1.0"
    yanked = await ada.ask(method, f"{at}{path}", json={"reason": "It deletes files."})
    assert yanked.status_code == 200, yanked.text
    assert (yanked.json()["yanked"], yanked.json()["yankReason"]) == (True, "It deletes files.")
    assert (await ada.get(SKILL)).json()["latestVersion"] == "1.0.0"
    given = await ada.get(f"{at}/download")
    assert (given.status_code, given.headers["x-csreg-yanked"]) == (200, "true")
    back = await ada.ask("POST", f"{at}/unyank")
    assert (back.status_code, back.json()["yanked"]) == (200, False)
    assert (await ada.get(SKILL)).json()["latestVersion"] == "1.1.0"
    assert is_a_problem(await ada.ask("POST", f"{SKILL}/versions/9.9.9/yank"), 404)


# --- channels


async def test_a_channel_is_made_moved_pulled_by_and_deleted(ada: Csreg) -> None:
    for version in ("1.0.0", "1.1.0"):
        await ada.push(version=version)
    channels, beta = f"{SKILL}/channels", f"{SKILL}/channels/beta"
    for missing in (ada.get(beta), ada.ask("DELETE", beta)):
        assert is_a_problem(await missing, 404)
    assert is_a_problem(await ada.ask("PATCH", beta, json={"version": "1.0.0"}), 404)
    made = await ada.ask("POST", channels, json={"name": "beta", "version": "1.0.0"})
    assert (made.status_code, made.headers["location"]) == (201, f"{API}{beta}")
    again = await ada.ask("POST", channels, json={"channel": "beta", "version": "1.1.0"})
    assert is_a_problem(again, 409)
    moved = await ada.ask("PATCH", beta, json={"version": "1.1.0"})
    assert moved.json() == made.json() | {"version": "1.1.0"}
    assert (await ada.get(beta)).json() == moved.json()
    given = await ada.get(f"{beta}/download")
    assert given.headers["x-csreg-version"] == "1.1.0"
    put = await ada.ask("PUT", f"{SKILL}/channels/canary", json={"version": "1.0.0"})
    assert put.status_code == 200
    listed = (await ada.get(channels)).json()["data"]
    assert [(one["name"], one["version"]) for one in listed] == [
        ("beta", "1.1.0"),
        ("canary", "1.0.0"),
        ("latest", "1.1.0"),
    ]
    assert (await ada.get(SKILL)).json()["channels"] == {"beta": "1.1.0", "canary": "1.0.0"}
    assert (await ada.ask("DELETE", beta)).status_code == 204
    assert is_a_problem(await ada.get(beta), 404)


@pytest.mark.parametrize("name", ["latest", "Beta", "1.0.0", "v1", "x", "", "a" * 65, "b c"])
async def test_what_could_be_a_version_is_no_channel(ada: Csreg, name: str) -> None:
    await ada.push()
    sent = {"name": name, "version": "1.0.0"}
    assert is_a_problem(await ada.ask("POST", f"{SKILL}/channels", json=sent), 400)
    sent = {"name": "beta", "version": "^1"}
    assert is_a_problem(await ada.ask("POST", f"{SKILL}/channels", json=sent), 400)
    sent = {"name": "beta", "version": "9.9.9"}
    assert is_a_problem(await ada.ask("POST", f"{SKILL}/channels", json=sent), 404)


async def test_of_two_that_make_one_channel_one_does(ada: Csreg) -> None:
    await ada.push()
    sent = {"name": "beta", "version": "1.0.0"}
    both = [ada.ask("POST", f"{SKILL}/channels", json=sent) for _ in range(2)]
    done = await asyncio.gather(*both)
    assert sorted(response.status_code for response in done) == [201, 409]


# --- teams


async def test_a_team_is_made_described_and_known_to_its_members_alone(
    ada: Csreg, served: Served
) -> None:
    bob, cy = await holding(served, "bob"), await holding(served, "cy")
    sent = {"username": "bob", "role": "viewer"}
    added = await ada.ask("POST", "/teams/backend/members", json=sent)
    assert added.json()["role"] == "read"
    changed = await ada.ask("PATCH", "/teams/backend", json={"displayName": "Backend Team"})
    assert changed.json()["displayName"] == "Backend Team"
    said = (await bob.get("/teams/backend")).json()
    assert (said["role"], said["memberCount"], said["skillCount"]) == ("read", 2, 0)
    assert (await bob.get("/teams")).json()["data"] == [said]
    assert (await cy.get("/teams")).json() == {"data": []}
    for path in ("/teams/backend", "/teams/backend/members", "/teams/nothing"):
        assert is_a_problem(await cy.get(path), 404)
    assert is_a_problem(await bob.ask("PATCH", "/teams/backend", json={"description": "x"}), 403)
    for slug, status in (("backend", 409), ("bob", 409), ("admin", 400), ("No", 400)):
        assert is_a_problem(await cy.ask("POST", "/teams", json={"slug": slug}), status)


async def test_a_role_is_given_changed_and_taken_and_the_last_admin_stays(
    ada: Csreg, served: Served
) -> None:
    bob = await holding(served, "bob")
    members = "/teams/backend/members"
    sent = {"username": "@Bob", "role": "write"}
    added = await ada.ask("POST", members, json=sent)
    assert added.status_code == 201
    assert is_a_problem(await ada.ask("POST", members, json=sent), 409)
    assert is_a_problem(await ada.ask("POST", members, json=sent | {"username": "zed"}), 404)
    assert is_a_problem(await ada.ask("POST", members, json=sent | {"role": "king"}), 400)
    assert (await bob.push()).status_code == 201
    listed = (await bob.get(members)).json()["data"]
    assert [(one["username"], one["role"]) for one in listed] == [
        ("ada", "admin"),
        ("bob", "write"),
    ]
    by_id = f"{members}/{added.json()['userId']}"
    assert (await ada.ask("PATCH", by_id, json={"role": "read"})).json()["role"] == "read"
    assert is_a_problem(await bob.push(version="1.1.0"), 403)
    assert is_a_problem(await bob.ask("PATCH", f"{members}/bob", json={"role": "admin"}), 403)
    assert is_a_problem(await ada.ask("DELETE", f"{members}/ada"), 409)
    assert (await ada.ask("DELETE", f"{members}/bob")).status_code == 204
    assert is_a_problem(await ada.ask("DELETE", f"{members}/bob"), 404)
    assert is_a_problem(await bob.get("/teams/backend"), 404)


async def test_what_is_private_exists_for_its_team_alone(ada: Csreg, served: Served) -> None:
    await ada.create(visibility="private")
    await ada.push()
    bob = await holding(served, "bob")
    await ada.ask("POST", "/teams/backend/members", json={"username": "bob"})
    assert (await bob.get(f"{SKILL}/versions/latest/download")).status_code == 200
    assert [one["slug"] for one in (await bob.get("/skills")).json()["data"]] == ["code-reviewer"]
    assert (await bob.get("/skills", q="mistakes")).json()["data"]
    for outsider in (Csreg(served), await holding(served, "cy"), Csreg(served, "sk_" + "0" * 43)):
        for path in ("", "/versions", "/versions/1.0.0", "/versions/1.0.0/download", "/channels"):
            assert is_a_problem(await outsider.get(f"{SKILL}{path}"), 404)
        for query in ({}, {"q": "mistakes"}, {"scope": "backend"}, {"tag": "review"}):
            assert (await outsider.get("/skills", **query)).json() == {"data": []}
    shown = await ada.ask("PATCH", SKILL, json={"visibility": "public"})
    assert shown.json()["visibility"] == "public"
    assert (await Csreg(served).get(SKILL)).status_code == 200


# --- users and tokens


@claims("csreg.auth.token", "csreg.auth.tokens")
@pytest.mark.parametrize("path", ["/users/me/tokens", "/tokens"])
async def test_a_token_is_made_listed_used_and_revoked(
    ada: Csreg, served: Served, path: str
) -> None:
    made = await ada.ask("POST", path, json={"name": "CI", "scopes": ["read", "write"]})
    assert made.status_code == 201
    said = made.json()
    assert said["token"].startswith("sk_")
    assert (said["scopes"], said["expiresAt"]) == (["read", "write"], None)
    mine = ada.having(said["token"])
    assert (await mine.get("/users/me")).json()["scopes"] == ["read", "write"]
    assert (await mine.push()).status_code == 201
    listed = await ada.get(path)
    assert said["token"] not in listed.text
    assert [one["name"] for one in listed.json()["data"]] == ["test", "CI"]
    assert (await ada.ask("DELETE", f"{path}/{said['id']}")).status_code == 204
    assert is_a_problem(await mine.get("/users/me"), 401)
    assert is_a_problem(await ada.ask("DELETE", f"{path}/{said['id']}"), 404)
    assert [one["name"] for one in (await ada.get(path)).json()["data"]] == ["test"]


async def test_a_token_makes_none_that_is_stronger_or_for_more(ada: Csreg, served: Served) -> None:
    writing = await holding(served, "ada", Scope.PUSH)
    refused = await writing.ask("POST", "/tokens", json={"name": "x", "scope": "admin"})
    assert is_a_problem(refused, 403)
    made = await writing.ask("POST", "/tokens", json={"name": "x", "scope": "write"})
    assert made.status_code == 201
    text, _ = await served.world.account("ada", namespace="ada")
    for_one = Csreg(served, text)
    child = (await for_one.ask("POST", "/tokens", json={"name": "x", "scope": "admin"})).json()
    assert (await for_one.having(child["token"]).push("ada/code-reviewer")).status_code == 201
    assert is_a_problem(await for_one.having(child["token"]).push(), 403)
    reading = await holding(served, "ada", Scope.READ)
    assert is_a_problem(await reading.ask("POST", "/tokens", json={"name": "x"}), 403)
    assert is_a_problem(await reading.ask("DELETE", f"/tokens/{child['id']}"), 403)
    own = [
        one for one in (await reading.get("/tokens")).json()["data"] if one["scopes"] == ["read"]
    ]
    assert (await reading.ask("DELETE", f"/tokens/{own[0]['id']}")).status_code == 204


async def test_nobody_revokes_or_sees_a_token_of_somebody_else(ada: Csreg, served: Served) -> None:
    bob = await holding(served, "bob")
    [mine] = (await ada.get("/tokens")).json()["data"]
    assert is_a_problem(await bob.ask("DELETE", f"/tokens/{mine['id']}"), 404)
    assert is_a_problem(await bob.ask("DELETE", "/tokens/nonsense"), 404)
    assert mine not in (await bob.get("/tokens")).json()["data"]
    assert (await ada.get("/users/me")).status_code == 200


async def test_a_token_ends_when_it_says_so(ada: Csreg, served: Served) -> None:
    now = served.world.registry.clock()
    for moment in (now - timedelta(seconds=1), now.replace(tzinfo=None)):
        sent = {"name": "x", "expiresAt": moment.isoformat()}
        assert is_a_problem(await ada.ask("POST", "/tokens", json=sent), 400)
    later = {"name": "x", "expiresAt": (now + timedelta(days=1)).isoformat()}
    assert (await ada.ask("POST", "/tokens", json=later)).json()["expiresAt"]
    ended, _ = await served.world.account("ada", expires_at=now - timedelta(seconds=1))
    assert is_a_problem(await ada.having(ended).get("/users/me"), 401)


async def test_a_user_is_shown_to_himself_and_his_stars_with_him(
    ada: Csreg, served: Served
) -> None:
    said = (await ada.get("/users/me")).json()
    assert (said["username"], said["displayName"], said["email"]) == ("ada", "Ada", None)
    await ada.push()
    await ada.push("backend/other")
    assert (await ada.ask("PUT", f"{SKILL}/star")).json() == {"starred": True, "stars": 1}
    assert (await ada.ask("POST", f"{SKILL}/star")).json() == {"starred": True, "stars": 1}
    [starred] = (await ada.get("/users/me/stars")).json()["data"]
    assert (starred["slug"], starred["stars"]) == ("code-reviewer", 1)
    assert (await ada.ask("DELETE", f"{SKILL}/star")).json() == {"starred": False, "stars": 0}
    assert (await ada.get("/users/me/stars")).json() == {"data": []}


# --- pages


async def make(served: Served, number: int, **more: Any) -> None:
    begun = Begun(PackageName("backend", f"skill-{number:03}"), Kind.SKILL, Visibility.PUBLIC)
    await served.world.registry.cards.make(begun, Card(**more), OWNER)


async def walk(client: Csreg, path: str, **query: Any) -> AsyncIterator[list[dict[str, Any]]]:
    while True:
        said = (await client.get(path, **query)).json()
        yield said["data"]
        if "cursor" not in said:
            return
        assert said["cursor"] == said["data"][-1]["id"]
        query["cursor"] = said["cursor"]


@claims(
    "csreg.page", "csreg.page.limits", "csreg.page.data", "csreg.page.cursor", "csreg.page.more"
)
async def test_pages_have_twenty_items_or_up_to_a_hundred(ada: Csreg, served: Served) -> None:
    for number in range(105):
        await make(served, number)
    first = (await ada.get("/skills")).json()
    assert len(first["data"]) == 20
    assert first["cursor"] == first["data"][-1]["id"]
    assert len((await ada.get("/skills", limit=100)).json()["data"]) == 100
    last = (await ada.get("/skills", limit=100, cursor=first["cursor"])).json()
    assert (len(last["data"]), set(last)) == (85, {"data"})
    for wrong in ("0", "101", "-1", "x", "1.5", "9" * 30, ""):
        assert is_a_problem(await ada.get("/skills", limit=wrong), 400)


@pytest.mark.parametrize("sort", ["", "name", "updated", "downloads", "stars"])
async def test_nothing_comes_twice_or_is_left_out_while_others_are_added(
    ada: Csreg, served: Served, sort: str
) -> None:
    for number in range(9):
        await make(served, number)
    seen: list[str] = []
    added = 9
    async for page in walk(ada, "/skills", limit="2", **({"sort": sort} if sort else {})):
        seen += [one["slug"] for one in page]
        if added < 12:
            await make(served, added)
            added += 1
    assert len(seen) == len(set(seen))
    assert set(seen) >= {f"skill-{number:03}" for number in range(9)}
    if sort == "name":
        assert seen == sorted(seen)


async def test_hits_of_a_search_come_in_pages_too(ada: Csreg) -> None:
    slugs = [f"skill-{number}" for number in range(7)]
    for slug in slugs:
        assert (await ada.push(f"backend/{slug}")).status_code == 201
    for query in ({"q": "mistakes"}, {"q": "mistakes", "sort": "name"}, {"tag": "review"}):
        pages = [page async for page in walk(ada, "/skills", limit="3", **query)]
        assert [len(page) for page in pages] == [3, 3, 1]
        assert sorted(one["slug"] for page in pages for one in page) == slugs
    assert (await ada.get("/skills", q="mistakes", scope="ada")).json() == {"data": []}
    assert (await ada.get("/skills", q="zzzz qqqq")).json() == {"data": []}


async def test_every_list_comes_in_pages(ada: Csreg, served: Served) -> None:
    for version in ("1.0.0", "1.1.0", "1.2.0"):
        await ada.push(version=version)
    for name in ("alpha", "beta"):
        sent = {"name": name, "version": "1.0.0"}
        await ada.ask("POST", f"{SKILL}/channels", json=sent)
    for name in ("bob", "cy"):
        await served.world.account(name)
        await ada.ask("POST", "/teams/backend/members", json={"username": name})
        await ada.team(f"team-{name}")
        await ada.ask("POST", "/tokens", json={"name": name})
    for path in (
        f"{SKILL}/versions",
        f"{SKILL}/channels",
        "/teams",
        "/teams/backend/members",
        "/tokens",
    ):
        pages = [page async for page in walk(ada, path, limit="2")]
        assert [len(page) for page in pages] == [2, 1]
        assert len({one["id"] for page in pages for one in page}) == 3
        for cursor in ("nonsense", "00000000-0000-8000-8000-000000000000", ""):
            assert is_a_problem(await ada.get(path, cursor=cursor), 400)


async def test_a_cursor_of_something_else_is_refused(ada: Csreg) -> None:
    await ada.push()
    [team] = (await ada.get("/teams")).json()["data"]
    for cursor in ("nonsense", team["id"]):
        assert is_a_problem(await ada.get("/skills", cursor=cursor), 400)
        assert is_a_problem(await ada.get("/skills", cursor=cursor, q="mistakes"), 400)


@pytest.mark.parametrize("query", [{"sort": "x"}, {"scope": "No!"}, {"q": "x" * 501}])
async def test_a_query_that_makes_no_sense_is_refused(
    anybody: Csreg, query: dict[str, str]
) -> None:
    assert is_a_problem(await anybody.get("/skills", **query), 400)


# --- who may write


WRITES: dict[str, tuple[str, str, dict[str, Any], str]] = {
    "create": ("POST", "/skills", {"json": {"scope": "backend", "slug": "x"}}, "write"),
    "change": ("PATCH", SKILL, {"json": {"description": "x"}}, "write"),
    "publish": ("PATCH", SKILL, {"json": {"visibility": "private"}}, "admin"),
    "delete": ("DELETE", SKILL, {}, "admin"),
    "push": (
        "POST",
        f"{SKILL}/versions",
        {"files": {"archive": ("x", archive(version="9.0.0"))}},
        "write",
    ),
    "yank": ("POST", f"{SKILL}/versions/1.0.0/yank", {}, "admin"),
    "unpublish": ("DELETE", f"{SKILL}/versions/1.0.0", {}, "admin"),
    "unyank": ("POST", f"{SKILL}/versions/1.0.0/unyank", {}, "admin"),
    "channel": (
        "POST",
        f"{SKILL}/channels",
        {"json": {"name": "beta", "version": "1.0.0"}},
        "write",
    ),
    "put": ("PUT", f"{SKILL}/channels/beta", {"json": {"version": "1.0.0"}}, "write"),
    "move": ("PATCH", f"{SKILL}/channels/stable", {"json": {"version": "1.0.0"}}, "write"),
    "drop": ("DELETE", f"{SKILL}/channels/stable", {}, "write"),
    "describe": ("PATCH", "/teams/backend", {"json": {"description": "x"}}, "admin"),
    "add": ("POST", "/teams/backend/members", {"json": {"username": "eve"}}, "admin"),
    "promote": ("PATCH", "/teams/backend/members/bob", {"json": {"role": "admin"}}, "admin"),
    "remove": ("DELETE", "/teams/backend/members/bob", {}, "admin"),
    "star": ("PUT", f"{SKILL}/star", {}, "read"),
    "unstar": ("DELETE", f"{SKILL}/star", {}, "read"),
    "team": ("POST", "/teams", {"json": {"slug": "frontend"}}, "admin"),
    "token": ("POST", "/tokens", {"json": {"name": "x"}}, "write"),
}
LEVELS = {"read": Scope.READ, "write": Scope.PUSH, "admin": Scope.PUBLISH}


async def write(client: Csreg, what: str) -> httpx.Response:
    method, path, sent, _ = WRITES[what]
    return await client.ask(method, path, **sent)


async def scene(ada: Csreg) -> None:
    """A skill with a version and a channel, and a member who may push."""
    await ada.push()
    await ada.ask("PUT", f"{SKILL}/channels/stable", json={"version": "1.0.0"})
    for name in ("bob", "eve"):
        await ada.served.world.account(name)
    await ada.ask("POST", "/teams/backend/members", json={"username": "bob", "role": "write"})


@claims("csreg.401")
@pytest.mark.parametrize("what", WRITES)
async def test_nobody_writes_without_a_token_that_is_good(
    ada: Csreg, served: Served, what: str
) -> None:
    await scene(ada)
    world, registry = served.world, served.world.registry
    ended, _ = await world.account("ada", expires_at=registry.clock() - timedelta(seconds=1))
    off, _ = await world.account("off")
    await registry.accounts.set_disabled("off", OWNER, disabled=True)
    gone, _ = await world.account("ada")
    caller = await registry.tokens.authenticate(gone)
    await registry.tokens.revoke(caller.token_id or "", OWNER)
    before = (await ada.get(SKILL)).json()
    for bad in ("", ended, off, gone, "sk_" + "0" * 43, "nonsense"):
        response = await write(ada.having(bad), what)
        assert is_a_problem(response, 401), response.text
        assert response.headers["www-authenticate"].startswith("Bearer")
    assert (await ada.get(SKILL)).json() == before


@claims(
    "csreg.scope.read", "csreg.scope.write", "csreg.scope.admin", "csreg.scope.higher", "csreg.403"
)
@pytest.mark.parametrize("what", WRITES)
async def test_a_scope_opens_what_it_says_and_what_is_below_it(
    ada: Csreg, served: Served, what: str
) -> None:
    await scene(ada)
    needed = list(LEVELS).index(WRITES[what][3])
    for level, scope in enumerate(LEVELS.values()):
        response = await write(await holding(served, "ada", scope), what)
        if level < needed:
            assert is_a_problem(response, 403), (scope, response.text)
        else:
            assert response.status_code < 300 or response.status_code in {404, 409}, response.text
        if level == needed:
            assert response.status_code < 300, response.text


OWN = {"star", "unstar", "team", "token"}
"""What everybody may do for himself."""


@pytest.mark.parametrize("what", [name for name in WRITES if name not in OWN])
async def test_a_role_opens_no_more_than_it_says_whatever_the_token(
    ada: Csreg, served: Served, what: str
) -> None:
    await scene(ada)
    writer = await holding(served, "bob")
    response = await write(writer, what)
    allowed = WRITES[what][3] == "write"
    assert (response.status_code < 300) is allowed, response.text
    assert allowed or is_a_problem(response, 403)


@claims("csreg.404")
@pytest.mark.parametrize("what", [name for name in WRITES if name not in {"team", "token"}])
async def test_another_team_changes_nothing_and_of_what_is_private_hears_nothing(
    ada: Csreg, served: Served, what: str
) -> None:
    await scene(ada)
    eve = await holding(served, "eve")
    await eve.team("frontend")
    acme = Csreg(served, await served.token("acme"))
    before = (await ada.get(SKILL)).json()
    if what not in {"star", "unstar"}:
        for outsider in (eve, acme):
            response = await write(outsider, what)
            assert response.status_code in {403, 404}, response.text
            assert is_a_problem(response, response.status_code)
    await ada.ask("PATCH", SKILL, json={"visibility": "private"})
    response = await write(eve, what)
    told = 403 if what in {"create", "push"} else 404  # whatever there is in that scope
    assert is_a_problem(response, told), response.text
    after = (await ada.get(SKILL)).json()
    same = before.keys() - {"visibility", "updatedAt"}
    assert {name: after[name] for name in same} == {name: before[name] for name in same}


async def test_a_token_of_a_namespace_publishes_there_and_is_no_user(
    ada: Csreg, served: Served
) -> None:
    acme = Csreg(served, await served.token("acme"))
    assert (await acme.push("acme/code-reviewer")).status_code == 201
    for path in ("/users/me", "/teams", "/tokens", "/users/me/stars"):
        assert is_a_problem(await acme.get(path), 403)
    assert is_a_problem(await acme.ask("POST", "/teams", json={"slug": "x-team"}), 403)


async def test_a_token_for_pushing_yanks_nothing_through_another_api_either(
    ada: Csreg, served: Served
) -> None:
    await scene(ada)
    native = "/api/v1/packages/backend/code-reviewer/1.0.0"
    pushing = await holding(served, "ada", Scope.PUSH)
    writer = await holding(served, "bob")
    for weak in (pushing, writer):
        refused = await served.http.delete(native, headers=bearing(weak.token))
        assert refused.status_code == 403
    done = await served.http.delete(native, headers=bearing(ada.token))
    assert done.status_code == 200


async def test_who_only_reads_is_never_told_what_a_publisher_was_told_before(
    ada: Csreg, served: Served
) -> None:
    held = archives.write_tar_gz((Entry("SKILL.md", SUSPECT.encode()),))
    kind, path = {"content-type": "application/gzip"}, "/skills/backend/review/versions"
    done = await ada.ask("POST", f"{path}?version=1.0.0", content=held, headers=kind)
    assert done.json()["status"] == "held"
    await served.world.account("bob")
    await ada.ask("POST", "/teams/backend/members", json={"username": "bob"})
    call = {"name": "inspect", "arguments": {"ref": "@backend/review@1.0.0"}}
    told = []
    for name in ("ada", "bob"):  # who both see the private packages of one namespace
        token, _ = await served.world.account(name, namespace="backend")
        said = await served.http.post("/v1/tools/call", json=call, headers=bearing(token))
        told.append(said.is_success)
    assert told == [True, False]


async def test_the_owner_at_this_machine_needs_a_token_here_too(sqlite_world: World) -> None:
    async with Served.inside(sqlite_world) as served:
        response = await Csreg(served).ask("POST", "/skills", json={"scope": "acme", "slug": "x"})
        assert is_a_problem(response, 401)


# --- where it lives, and the words of guards


@claims("csreg.base")
async def test_it_is_found_under_its_prefix_at_the_root_and_by_host_name(
    ada: Csreg, served: Served, sqlite_world: World
) -> None:
    await ada.push()
    for path in ("/csreg/api/v1/skills", "/api/v1/skills", "//api/v1/skills"):
        said = await served.http.get(f"http://localhost{path}")
        assert [one["slug"] for one in said.json()["data"]] == ["code-reviewer"]
    async with hosted(sqlite_world, {"skills.example": "csreg"}) as http:
        said = (await http.get("http://skills.example/api/v1/skills/backend/code-reviewer")).json()
        assert said["latestVersion"] == "1.0.0"
        [one] = (
            await http.get("http://skills.example/api/v1/skills/backend/code-reviewer/versions")
        ).json()["data"]
        assert one["downloadUrl"].startswith("http://skills.example/api/v1/skills/")
        assert (await http.get(one["downloadUrl"])).status_code == 200
        assert is_a_problem(await http.get("http://skills.example/health"), 404)
        me = await http.get("http://skills.example/api/v1/users/me", headers=bearing(ada.token))
        assert me.json()["username"] == "ada"


async def test_a_path_that_two_documents_claim_is_neithers_at_the_root(
    ada: Csreg, served: Served
) -> None:
    """Also agentx has users, and `me` could be one."""
    assert (await served.get("/api/v1/users/me", ada.token)).status_code == 404
    assert (await served.get("/api/v1/users/me/tokens", ada.token)).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/skills/backend", 404),
        ("PUT", "/skills", 405),
        ("GET", "/skills/UPPER/case", 404),
        ("DELETE", "/users/me", 405),
    ],
)
async def test_the_framework_refuses_in_its_words_too(
    anybody: Csreg, method: str, path: str, status: int
) -> None:
    response = await anybody.ask(method, path)
    assert is_a_problem(response, status)
    assert status != 405 or response.headers["allow"]


@claims("csreg.429")
async def test_every_guard_refuses_in_its_words(sqlite_world: World) -> None:
    async with Served.inside(sqlite_world, limits=ONCE) as served:
        client = Csreg(served)
        assert (await client.get("/skills")).status_code == 200
        refused = await client.get("/skills")
        assert is_a_problem(refused, 429)
        assert int(refused.headers["retry-after"]) > 0
    async with Served.inside(sqlite_world, limits=FAST) as served:
        rebound = await Csreg(served).ask("GET", "/skills", headers={"host": "evil.example"})
        assert is_a_problem(rebound, 400)


@claims("csreg.500")
async def test_what_is_broken_is_said_in_its_words(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr(type(sqlite_world.registry.cards), "page", broken)
    async with Served.inside(sqlite_world, limits=FAST) as served:
        transport = served.http._transport
        assert isinstance(transport, httpx.ASGITransport)
        transport.raise_app_exceptions = False
        refused = await Csreg(served).get("/skills")
        assert is_a_problem(refused, 500)
        assert refused.json()["type"] == f"{TYPES}internal-error"
        assert "defect" not in refused.text
