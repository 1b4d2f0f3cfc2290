"""The ctxpkg registry API through HTTP: each rule of the protocol that the server decides."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import re
from collections.abc import Callable
from xml.dom import minidom

import httpx
import pytest

from dialects.requirements import claims
from registry_core.callers import OWNER, Scope
from registry_core.formats import Visibility
from registry_core.names import Kind, PackageName
from served import EVERYBODY, Served, at, bearing
from transports.dialects.ctxpkg import svg
from transports.limits import Limits
from world import World, package

SECRET = "AKIA" + "QWERTYUIOPASDFGH"


def is_a_refusal(response: httpx.Response, status: int) -> bool:
    body = response.json()
    return (
        response.status_code == status
        and response.headers["content-type"] == "application/json"
        and response.headers["cache-control"] == "no-store"
        and isinstance(body["error"], str)
        and bool(body["error"])
    )


# --- publish


@claims("ctxpkg.publish", "ctxpkg.publish.body", "ctxpkg.token.publish")
async def test_a_publish_is_answered_201_with_what_was_published(served: Served) -> None:
    artifact = package()
    response = await served.put(await served.token(), artifact=artifact)
    assert response.status_code == 201
    said = response.json()
    assert list(said) == ["published", "artifact_sha256", "size_bytes", "trust_report"]
    assert said["published"] == "@acme/review@1.0.0"
    assert said["artifact_sha256"] == hashlib.sha256(artifact).hexdigest()
    assert said["size_bytes"] == len(artifact)
    assert said["trust_report"]["signature"] == "verified"


@claims("ctxpkg.409", "ctxpkg.publish.immutable")
async def test_a_version_is_published_once(served: Served) -> None:
    token = await served.token()
    first = await served.put(token)
    again = await served.put(token)
    other = await served.put(token, description="Other bytes.")
    assert (first.status_code, again.status_code, other.status_code) == (201, 409, 409)
    assert is_a_refusal(again, 409)
    listed = (await served.get(at("@acme/review", "index.json"))).json()["versions"]
    assert [v["artifact_sha256"] for v in listed] == [first.json()["artifact_sha256"]]


async def test_versions_that_differ_in_build_metadata_alone_are_one(served: Served) -> None:
    token = await served.token()
    assert (await served.put(token, version="1.0.0+a")).status_code == 201
    assert (await served.put(token, version="1.0.0+b")).status_code == 409


async def test_of_two_publishers_of_one_version_one_wins(served: Served) -> None:
    token = await served.token()
    both = await asyncio.gather(
        *(served.put(token, description=f"Publisher {number}.") for number in range(2))
    )
    assert sorted(response.status_code for response in both) == [201, 409]
    [winner] = [response for response in both if response.status_code == 201]
    [listed] = (await served.get(at("@acme/review", "index.json"))).json()["versions"]
    assert listed["artifact_sha256"] == winner.json()["artifact_sha256"]
    bytes_ = (await served.get(at("@acme/review", "1.0.0", "download"))).content
    assert hashlib.sha256(bytes_).hexdigest() == listed["artifact_sha256"]


@claims("ctxpkg.401")
@pytest.mark.parametrize(
    "token", ["", "ctxp_" + "x" * 43, "ctxr_" + "x" * 43, "nonsense", "ctxp_\xe9" + "x" * 42]
)
async def test_writing_without_a_good_token_is_401(served: Served, token: str) -> None:
    await served.put(await served.token())
    address = at("@acme/review", "1.0.0")
    headers = {"authorization": f"Bearer {token}".encode("latin-1")} if token else {}
    for method, path in (("PUT", address), ("DELETE", address), ("POST", f"{address}/unyank")):
        response = await served.http.request(method, path, content=b"", headers=headers)
        assert is_a_refusal(response, 401)
        assert response.headers["www-authenticate"].startswith("Bearer")


async def test_a_revoked_token_writes_nothing_from_then_on(served: Served) -> None:
    token = await served.token()
    assert (await served.put(token)).status_code == 201
    [minted] = await served.world.registry.tokens.list("acme")
    await served.world.registry.tokens.revoke(minted.id, OWNER)
    assert is_a_refusal(await served.put(token, version="1.1.0"), 401)


async def test_a_read_token_writes_nothing(served: Served) -> None:
    await served.put(await served.token())
    reading = await served.token(scope=Scope.READ)
    assert is_a_refusal(await served.put(reading, version="1.1.0"), 403)
    yank = await served.http.delete(at("@acme/review", "1.0.0"), headers=bearing(reading))
    assert is_a_refusal(yank, 403)


async def test_a_token_writes_in_its_own_namespace_alone(served: Served) -> None:
    await served.put(await served.token())
    foreign = await served.token("other")
    assert is_a_refusal(await served.put(foreign, version="1.1.0"), 403)
    yank = await served.http.delete(at("@acme/review", "1.0.0"), headers=bearing(foreign))
    assert is_a_refusal(yank, 403)


def without_signature(artifact: bytes) -> bytes:
    document = json.loads(artifact)
    del document["manifest"]["signature"]
    return json.dumps(document).encode()


@claims("ctxpkg.422", "ctxpkg.publish.checks", "ctxpkg.publish.secrets")
@pytest.mark.parametrize(
    "spoil",
    [
        without_signature,
        lambda artifact: artifact.replace(b"zstd+base64", b"none"),
        lambda artifact: artifact.rstrip()[:-1] + b',"content":{}}',
        lambda artifact: b"\xef\xbb\xbf" + artifact,
        lambda artifact: artifact[:-20],
        lambda _: b"not json",
        lambda _: b"",
        lambda _: package("@acme/other"),
        lambda _: package("@acme/review", "1.0.1"),
        lambda _: package("@other/review"),
        lambda _: package(files={"SKILL.md": f"---\nname: x\n---\nkey {SECRET}\n"}),
    ],
)
async def test_what_does_not_verify_is_422_and_leaves_nothing(
    served: Served, spoil: Callable[[bytes], bytes]
) -> None:
    response = await served.put(await served.token(), artifact=spoil(package()))
    assert is_a_refusal(response, 422)
    assert SECRET not in response.text
    assert (await served.get(at("@acme/review", "index.json"))).status_code == 404


async def test_a_refused_publish_lists_its_findings(served: Served) -> None:
    response = await served.put(await served.token(), artifact=without_signature(package()))
    finding, *_ = response.json()["findings"]
    assert finding["rule"] == "signature/missing"
    assert finding["severity"] == "block"
    assert finding["fix"]


@pytest.mark.parametrize("path", ["Acme/x/1.0.0", "acme/X/1.0.0", "acme/x/1..0", "a/x/1.0.0"])
async def test_an_address_that_names_nothing_takes_no_package(served: Served, path: str) -> None:
    response = await served.http.put(
        f"/api/v1/packages/{path}", content=package(), headers=bearing(await served.token())
    )
    assert is_a_refusal(response, 400)


async def test_a_plus_in_the_path_is_a_plus(served: Served) -> None:
    version = "0.9.0-rc.1+build.5"
    assert (await served.put(await served.token(), version=version)).status_code == 201
    for written in (version, version.replace("+", "%2B")):
        assert (await served.get(at("@acme/review", written, "download"))).status_code == 200
    assert (await served.get(at("@acme/review", "0.9.0-rc.1", "download"))).status_code == 404


# --- the package index


@claims(
    "ctxpkg.package", "ctxpkg.package.versions", "ctxpkg.package.quality", "ctxpkg.package.example"
)
async def test_the_index_has_the_fields_of_the_document(served: Served) -> None:
    artifact = package(tags=["review"])
    await served.put(await served.token(), artifact=artifact)
    response = await served.get(at("@acme/review", "index.json"))
    assert response.headers["cache-control"] == "public, max-age=60"
    said = response.json()
    assert said["schema"] == "ctxpkg-registry-package-v1"
    assert said["latest"] == "1.0.0"
    assert said["visibility"] == "public"
    assert said["kind"] == "skills"
    assert said["readme"].startswith("---\nname: review")
    [item] = (await served.get("/api/v1/index.json")).json()["packages"]
    assert [said[name] for name in ("quality", "roi", "price")] == [
        item["quality"],
        item["roi"],
        None,
    ]
    assert sum(said["quality_breakdown"].values()) == said["quality"]
    [version] = said["versions"]
    signer = json.loads(artifact)["manifest"]["signature"]["public_key"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", version.pop("published_at"))
    assert version == {
        "version": "1.0.0",
        "artifact_sha256": hashlib.sha256(artifact).hexdigest(),
        "size_bytes": len(artifact),
        "signer_public_key": signer,
        "yanked": False,
        "downloads": 0,
    }


async def test_versions_are_listed_stable_and_newest_first(served: Served) -> None:
    token = await served.token()
    for version in ("1.9.0", "2.0.0-rc.1", "1.10.0", "1.0.1"):
        assert (await served.put(token, version=version)).status_code == 201
    said = (await served.get(at("@acme/review", "index.json"))).json()
    assert [v["version"] for v in said["versions"]] == ["1.10.0", "1.9.0", "1.0.1", "2.0.0-rc.1"]
    assert said["latest"] == "1.10.0"


@claims("ctxpkg.404")
@pytest.mark.parametrize(
    "path",
    [
        at("@acme/nothing", "index.json"),
        at("@acme/review", "9.9.9", "download"),
        at("@acme/review", "9.9.9", "trust"),
        at("@acme/review", "v1", "download"),
        at("@ACME/review", "index.json"),
        at("@acme/review", "more", "index.json"),
        at("@acme/review", "1.0.0", "download", "more"),
        at("@acme/review", "index.json", ""),
        at("@%40acme/review", "index.json"),
        "/api/v1/badge/acme/nothing",
        "/api/v1/badge/acme/.svg",
        "/api/v1/publishers/nobody/index.json",
        "/api/v1/publishers/NO/index.json",
        "/api/v1/nothing",
        "/api/v2/index.json",
        "/api/",
    ],
)
async def test_what_is_not_there_is_404_in_json_and_never_a_redirect(
    served: Served, path: str
) -> None:
    await served.put(await served.token())
    for token in ("", "ctxp_" + "x" * 43):
        assert is_a_refusal(await served.get(path, token), 404)


# --- download


@claims(
    "ctxpkg.download", "ctxpkg.download.free", "ctxpkg.download.sha256", "ctxpkg.download.example"
)
async def test_a_download_is_the_uploaded_bytes_with_their_digest(served: Served) -> None:
    document = json.loads(package())
    artifact = json.dumps(document, indent=1).replace("\n", "\r\n").encode()  # not as we write it
    await served.put(await served.token(), artifact=artifact)
    response = await served.get(at("@acme/review", "1.0.0", "download"))
    assert response.content == artifact
    assert response.headers["content-type"] == "application/octet-stream"
    assert response.headers["x-ctxpkg-sha256"] == hashlib.sha256(artifact).hexdigest()
    assert "x-ctxpkg-yanked" not in response.headers
    assert response.headers["cache-control"] == "public, max-age=60"


async def test_a_large_artifact_is_served_as_well(served: Served) -> None:
    noise = base64.b64encode(hashlib.shake_256(b"noise").digest(400_000))
    artifact = package(files={"SKILL.md": "---\nname: x\ndescription: y\n---\n", "noise": noise})
    assert (await served.put(await served.token(), artifact=artifact)).status_code == 201
    for _ in range(2):
        response = await served.get(at("@acme/review", "1.0.0", "download"))
        assert response.content == artifact


async def test_downloads_are_counted_and_looking_is_not(served: Served) -> None:
    await served.put(await served.token())
    address = at("@acme/review", "1.0.0", "download")
    first = await served.get(address)
    await served.get(address)
    await served.http.head(address)
    await served.get(address, if_none_match=first.headers["etag"])
    await served.world.registry.usage.close()
    package_ = await served.world.registry.packages.find(PackageName("acme", "review"), OWNER)
    assert package_.downloads == package_.releases[0].downloads == 2


# --- yank


async def yank(served: Served, token: str, version: str, **query: str) -> httpx.Response:
    return await served.http.delete(
        at("@acme/review", version), headers=bearing(token), params=query
    )


async def test_a_yanked_version_is_skipped_listed_and_downloadable(served: Served) -> None:
    token = await served.token()
    for version in ("1.0.0", "1.1.0"):
        await served.put(token, version=version)
    before = await served.get(at("@acme/review", "1.1.0", "download"))
    response = await yank(served, token, "1.1.0", reason="leaks memory")
    assert response.status_code == 200
    assert response.json()["yanked"] == "@acme/review@1.1.0"
    said = (await served.get(at("@acme/review", "index.json"))).json()
    assert said["latest"] == "1.0.0"
    assert [(v["version"], v["yanked"]) for v in said["versions"]] == [
        ("1.1.0", True),
        ("1.0.0", False),
    ]
    after = await served.get(at("@acme/review", "1.1.0", "download"))
    assert after.content == before.content
    assert after.headers["x-ctxpkg-yanked"] == "true"
    # Who kept the bytes and asks whether they are current learns of the yank.
    asked = await served.get(
        at("@acme/review", "1.1.0", "download"), if_none_match=before.headers["etag"]
    )
    assert asked.status_code == 200
    assert (await served.put(token, version="1.1.0")).status_code == 409


async def test_a_yank_can_be_taken_back(served: Served) -> None:
    token = await served.token()
    await served.put(token)
    await yank(served, token, "1.0.0")
    assert (await served.get("/api/v1/index.json")).json()["packages"] == []
    assert (await served.get(at("@acme/review", "index.json"))).json()["latest"] is None
    back = await served.http.post(at("@acme/review", "1.0.0", "unyank"), headers=bearing(token))
    assert (back.status_code, back.json()) == (200, {"unyanked": "@acme/review@1.0.0"})
    assert (await served.get(at("@acme/review", "index.json"))).json()["latest"] == "1.0.0"
    assert len((await served.get("/api/v1/index.json")).json()["packages"]) == 1


async def test_yanking_twice_is_one_yank_and_yanking_nothing_is_404(served: Served) -> None:
    token = await served.token()
    await served.put(token)
    assert (await yank(served, token, "1.0.0", reason="first")).json()["reason"] == "first"
    assert (await yank(served, token, "1.0.0", reason="second")).json()["reason"] == "first"
    assert is_a_refusal(await yank(served, token, "9.9.9"), 404)
    assert is_a_refusal(await yank(served, token, "1..0"), 404)
    nothing = await served.http.delete(at("@acme/no", "1.0.0"), headers=bearing(token))
    assert is_a_refusal(nothing, 404)


# --- trust


@claims("ctxpkg.trust", "ctxpkg.trust.report", "ctxpkg.trust.public", "ctxpkg.trust.example")
async def test_the_trust_report_says_what_was_checked_and_what_was_not(served: Served) -> None:
    await served.put(await served.token())
    response = await served.get(at("@acme/review", "1.0.0", "trust"))
    report = response.json()["trust_report"]
    assert report["schema"] == "ok"
    assert report["integrity"] == report["signature"] == "verified"
    assert report["name_version_match"] is True
    assert report["size_within_limit"] is True
    assert report["secret_scan"] == "clean"
    assert {"wasm_capability_audit", "meaning_of_text"} <= set(report["skipped"])
    assert "description" in report["covered"]
    assert report["not_covered"] == []
    assert response.headers["cache-control"] == "public, max-age=60"


async def test_the_trust_report_of_a_foreign_release_says_what_it_does_not_cover(
    served: Served,
) -> None:
    whole = json.loads(package())
    del whole["attestation"]
    response = await served.put(await served.token(), artifact=json.dumps(whole).encode())
    report = response.json()["trust_report"]
    assert report["covered"] == ["name", "version", "content"]
    assert {"description", "dependencies", "visibility"} <= set(report["not_covered"])


# --- catalog, search, publisher, badge


@claims(
    "ctxpkg.catalog",
    "ctxpkg.catalog.scoped_name",
    "ctxpkg.catalog.tags",
    "ctxpkg.catalog.roi",
    "ctxpkg.catalog.example",
)
async def test_the_catalog_lists_every_public_package(served: Served) -> None:
    token = await served.token()
    await served.put(token, tags=["review", "git"])
    await served.put(token, "@acme/notes", kind=Kind.CONTEXT, files={})
    response = await served.get("/api/v1/index.json")
    assert response.headers["cache-control"] == "public, max-age=300"
    said = response.json()
    assert said["schema"] == "ctxpkg-registry-index-v1"
    assert [item["scoped_name"] for item in said["packages"]] == ["@acme/notes", "@acme/review"]
    item = said["packages"][1]
    assert item.pop("updated_at").endswith("Z")
    assert item == {
        "namespace": "acme",
        "name": "review",
        "scoped_name": "@acme/review",
        "kind": "skills",
        "description": "Reviews pull requests.",
        "latest_version": "1.0.0",
        "versions": 1,
        "downloads": 0,
        "tags": ["review", "git"],
        "verified": False,
        "visibility": "public",
        "quality": 25 + 35 + 15 * 22 // 60 + 10 * 2 // 3 + 5,
        "roi": {"source_tokens": 17, "distilled_tokens": 17, "saved_tokens": 0},
        "price": None,
    }


@pytest.mark.parametrize(
    "path", ["/api/v1/index.json", "/api/v1/search", "/api/v1/publishers/acme/index.json"]
)
async def test_lists_are_filtered_by_kind(served: Served, path: str) -> None:
    token = await served.token()
    await served.put(token)
    await served.put(token, "@acme/notes", kind=Kind.CONTEXT, files={})

    async def names(kind: str) -> list[str]:
        said = (await served.get(f"{path}?kind={kind}")).json()
        return [item["name"] for item in said.get("packages", said.get("results"))]

    assert await names("skills") == await names("skill") == ["review"]
    assert await names("context") == ["notes"]
    assert await names("addon") == []
    assert sorted(await names("")) == ["notes", "review"]
    assert is_a_refusal(await served.get(f"{path}?kind=nonsense"), 400)


@claims("ctxpkg.search", "ctxpkg.search.answer", "ctxpkg.search.example")
async def test_search_finds_by_words_and_has_the_items_of_the_catalog(served: Served) -> None:
    token = await served.token()
    await served.put(token)
    await served.put(
        token, "@acme/notes", description="Minutes of meetings.", files={"SKILL.md": ""}
    )
    said = (await served.get("/api/v1/search?q=pull+requests")).json()
    assert (said["count"], said["query"]) == (1, "pull requests")
    catalog = (await served.get("/api/v1/index.json")).json()["packages"]
    assert said["results"] == [item for item in catalog if item["name"] == "review"]
    assert (await served.get("/api/v1/search?q=zebra")).json()["count"] == 0
    for strange in ("%22", "*", "a+AND+(", "%00", "%ff", "x" * 5000):
        assert (await served.get(f"/api/v1/search?q={strange}")).status_code == 200


@claims("ctxpkg.publisher", "ctxpkg.publisher.profile", "ctxpkg.publisher.example")
async def test_a_publisher_has_a_profile(served: Served) -> None:
    await served.put(await served.token())
    said = (await served.get("/api/v1/publishers/acme/index.json")).json()
    assert said["namespace"] == "acme"
    assert said["verified_domains"] == []
    assert [item["name"] for item in said["packages"]] == ["review"]


@claims("ctxpkg.badge", "ctxpkg.badge.version", "ctxpkg.badge.example")
async def test_the_badge_is_well_formed_and_shows_the_current_version(served: Served) -> None:
    token = await served.token()
    await served.put(token)
    response = await served.get("/api/v1/badge/acme/review")
    assert response.headers["content-type"].startswith("image/svg+xml")
    assert "etag" in response.headers
    minidom.parseString(response.text)
    assert "v1.0.0" in response.text
    await served.put(token, version="1.1.0")
    assert "v1.1.0" in (await served.get("/api/v1/badge/acme/review")).text
    assert response.headers["cache-control"] == "public, max-age=300"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["content-security-policy"] == "default-src 'none'; sandbox"


async def test_a_badge_shows_a_strange_version_as_text(served: Served) -> None:
    token, version = await served.token(), "1.0.0-rc.1+b-2"
    assert (await served.put(token, version=version)).status_code == 201
    response = await served.get("/api/v1/badge/acme/review")
    [*_, shown] = minidom.parseString(response.text).getElementsByTagName("text")
    assert shown.firstChild.data == f"v{version}"
    assert not minidom.parseString(svg("a<b>&", '"<script/>')).getElementsByTagName("script")
    assert (
        await served.http.delete(at("@acme/review", version), headers=bearing(token))
    ).is_success
    assert "yanked" in (await served.get("/api/v1/badge/acme/review")).text


# --- caching, as clients see it

DOCUMENTS = [
    "/api/v1/index.json",
    "/api/v1/search?q=review",
    at("@acme/review", "index.json"),
    at("@acme/review", "1.0.0", "trust"),
    at("@acme/review", "1.0.0", "download"),
    "/api/v1/badge/acme/review",
    "/api/v1/publishers/acme/index.json",
]


@pytest.mark.parametrize("path", DOCUMENTS)
async def test_every_document_has_an_etag_answers_304_and_head(served: Served, path: str) -> None:
    await served.put(await served.token())
    whole = await served.get(path)
    etag = whole.headers["etag"]
    for known in (etag, f'"other", W/{etag}', "*"):
        same = await served.get(path, if_none_match=known)
        assert (same.status_code, same.content) == (304, b"")
        assert same.headers["etag"] == etag
        assert same.headers["cache-control"] == whole.headers["cache-control"]
    assert (await served.get(path, if_none_match='"other"')).content == whole.content
    head = await served.http.head(path)
    assert head.status_code == 200
    assert head.headers["content-length"] == str(len(whole.content))
    assert (await served.http.post(path)).status_code == 405


async def test_a_stale_token_locks_nobody_out_of_what_is_public(served: Served) -> None:
    await served.put(await served.token())
    for path in DOCUMENTS:
        for stale in ("ctxp_" + "x" * 43, "nonsense", ""):
            headers = {"authorization": f"Bearer {stale}"}
            assert (await served.http.get(path, headers=headers)).status_code == 200
    basic = {"authorization": "Basic eDp5"}
    assert (await served.http.get(DOCUMENTS[2], headers=basic)).status_code == 200


# --- private


async def test_a_private_package_does_not_exist_for_outsiders(served: Served) -> None:
    token = await served.token()
    assert (await served.put(token, private=True)).status_code == 201
    foreign = await served.token("other")
    for outsider in ("", "ctxr_" + "x" * 43, foreign):
        for path in DOCUMENTS:
            response = await served.get(path, outsider)
            if response.status_code == 200:
                said = response.json()
                assert said.get("packages", said.get("results")) == []
            else:
                assert is_a_refusal(response, 404)
        absent = await served.get(at("@acme/absent", "index.json"), outsider)
        hidden = await served.get(at("@acme/review", "index.json"), outsider)
        assert absent.text.replace("absent", "review") == hidden.text
    address = at("@acme/review", "1.0.0")
    assert is_a_refusal(await served.http.delete(address, headers=bearing(foreign)), 404)


@claims("ctxpkg.token.read", "ctxpkg.token.installs")
@pytest.mark.parametrize("scope", [Scope.PUBLISH, Scope.READ])
async def test_a_token_of_its_namespace_opens_a_private_package(
    served: Served, scope: Scope
) -> None:
    await served.put(await served.token(), private=True)
    token = await served.token(scope=scope)
    for path in (
        at("@acme/review", "index.json"),
        at("@acme/review", "1.0.0", "download"),
        at("@acme/review", "1.0.0", "trust"),
    ):
        response = await served.get(path, token)
        assert response.status_code == 200
        assert response.headers["cache-control"] == "private, no-store"
        assert (await served.get(path)).status_code == 404  # nothing of it was kept


async def test_lists_and_badge_hide_private_packages_from_their_owner_too(served: Served) -> None:
    token = await served.token()
    await served.put(token, private=True)
    assert (await served.get("/api/v1/index.json", token)).json()["packages"] == []
    assert (await served.get("/api/v1/search?q=review", token)).json()["count"] == 0
    assert is_a_refusal(await served.get("/api/v1/badge/acme/review", token), 404)
    assert is_a_refusal(await served.get("/api/v1/publishers/acme/index.json", token), 404)


async def test_a_package_that_becomes_private_is_gone_at_once(served: Served) -> None:
    await served.put(await served.token())
    for path in DOCUMENTS:
        assert (await served.get(path)).status_code == 200
    packages = served.world.registry.packages
    await packages.set_visibility(PackageName("acme", "review"), Visibility.PRIVATE, OWNER)
    for path in DOCUMENTS:
        response = await served.get(path)
        assert response.status_code == 404 or "@acme/review" not in response.text
    await packages.set_visibility(PackageName("acme", "review"), Visibility.PUBLIC, OWNER)
    for path in DOCUMENTS:
        assert (await served.get(path)).status_code == 200


# --- limits


@claims("ctxpkg.anonymous", "ctxpkg.429")
async def test_who_has_no_token_downloads_so_much_from_one_address(sqlite_world: World) -> None:
    await sqlite_world.publish("@acme/review")
    limits, path = (
        Limits(requests_per_second=0.01, burst=2),
        at("@acme/review", "1.0.0", "download"),
    )
    async with Served.inside(sqlite_world, EVERYBODY, limits, peer="192.0.2.1") as served:
        assert [(await served.get(path)).status_code for _ in range(2)] == [200, 200]
        refused = await served.get(path)
        assert is_a_refusal(refused, 429)
        assert int(refused.headers["retry-after"]) > 0


# --- freshness


async def versions(served: Served) -> list[str]:
    response = await served.get(at("@acme/review", "index.json"))
    return [v["version"] for v in response.json()["versions"]]


async def test_who_published_sees_it_however_many_read_meanwhile(online: Served) -> None:
    served = online
    token = await served.token()
    await served.put(token)
    done = asyncio.Event()

    async def keep_reading() -> None:
        seen = 0
        while not done.is_set():
            now = len(await versions(served))
            assert now >= seen  # never back in time
            seen = now

    async with asyncio.TaskGroup() as group:
        for _ in range(4):
            group.create_task(keep_reading())
        for minor in range(1, 8):
            version = f"1.{minor}.0"
            assert (await served.put(token, version=version)).status_code == 201
            assert (await versions(served))[0] == version
            [item] = (await served.get("/api/v1/index.json")).json()["packages"]
            assert item["latest_version"] == version
            found = (await served.get("/api/v1/search?q=review")).json()["results"]
            assert found[0]["latest_version"] == version
        done.set()


async def test_what_another_process_publishes_is_seen(online: Served) -> None:
    served = online
    await served.put(await served.token())
    assert await versions(served) == ["1.0.0"]
    database = f"sqlite+aiosqlite:///{served.world.folder / 'registry.sqlite3'}"
    async with World.open(database, served.world.folder) as other:
        await other.publish("@acme/review", "2.0.0")
        async with asyncio.timeout(150):
            while "2.0.0" not in await versions(served):
                pass
