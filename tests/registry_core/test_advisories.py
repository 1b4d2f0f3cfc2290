"""Advisories: on what is there, at the door for what comes, and in the format others read."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from registry_core import operations
from registry_core import publish as publishing
from registry_core.callers import ANONYMOUS, OWNER, Caller, Scope, with_included
from registry_core.errors import (
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    NothingMatches,
    Rejected,
    Unauthenticated,
)
from registry_core.events.kinds import EventKind
from registry_core.formats import File, ctxpkg, digest_of_files
from registry_core.names import PackageName
from registry_core.packages.advisories import Warned
from served import Served
from world import OTHER_KEY, World, package

NAME = PackageName("acme", "review")
REVIEWER = Caller("reviewer", with_included({Scope.REVIEW}), token_id="r1")
BAD = "---\nname: x\ndescription: X.\n---\nThe very same words.\n"
DIGEST = hashlib.sha256(BAD.encode()).hexdigest()


async def call(world: World, caller: Caller, operation: str, **arguments: object) -> Any:
    return await operations.invoke(world.registry, caller, operation, arguments)


async def told(world: World) -> list[tuple[str, str, str]]:
    return [
        (
            event.payload["name"] + "@" + event.payload["version"],
            event.payload["was"],
            event.payload["verdict"],
        )
        for event in await world.registry.journal.log.since(0)
        if event.kind is EventKind.TRUST_CHANGED
    ]


async def test_an_advisory_speaks_against_the_versions_it_names(world: World):
    for version in ("1.0.0", "1.1.0", "1.2.0"):
        await world.publish("@acme/review", version)
    made = await call(
        world,
        REVIEWER,
        "advise",
        summary="Sends mail in copy to its author.",
        package="@acme/review",
        introduced="1.1.0",
        fixed="1.3.0",
    )
    assert made.id.startswith("CTXMCP-")
    assert made.affected == ["@acme/review@1.2.0", "@acme/review@1.1.0"]
    found = await world.registry.packages.find(NAME, ANONYMOUS)
    assert str(found.latest.version) == "1.0.0"
    plan = await call(world, ANONYMOUS, "install", refs=["@acme/review@^1"])
    assert [planned.ref for planned in plan.plan] == ["@acme/review@1.0.0"]
    judged = await call(world, ANONYMOUS, "trust", ref="@acme/review@1.2.0")
    assert judged.verdict == "refuse"
    assert judged.reasons[0] == f"advisory {made.id}: Sends mail in copy to its author."
    looked = await call(world, ANONYMOUS, "inspect", ref="@acme/review@1.2.0")
    assert made.id in looked.against
    exact = await call(world, ANONYMOUS, "install", refs=["@acme/review@1.2.0"])
    assert exact.plan[0].yanked
    assert sorted(await told(world)) == [
        ("@acme/review@1.1.0", "trusted", "refuse"),
        ("@acme/review@1.2.0", "trusted", "refuse"),
    ]


async def test_a_version_that_an_advisory_names_is_held_and_the_fixed_one_is_not(world: World):
    warned = Warned("Bad.", package=NAME, introduced="1.1.0", fixed="1.3.0")
    made = await world.registry.advisories.publish(warned, OWNER)
    held = await world.publish("@acme/review", "1.2.0")
    assert [finding.rule for finding in held.report.held] == ["advisories/affected"]
    assert not (await world.publish("@acme/review", "1.0.0")).held
    assert not (await world.publish("@acme/review", "1.3.0")).held
    await world.registry.packages.release(NAME, held.version, "Not meant.", OWNER)
    found = await world.registry.packages.find(NAME, OWNER)
    assert str(found.latest.version) == "1.3.0"
    assert [known["id"] for known in found.exactly(held.version).advisories] == [made.id]


async def test_known_bytes_are_refused_whoever_publishes_them_under_whatever_name(world: World):
    first = await world.publish("@acme/review", files={"SKILL.md": BAD})
    made = await call(
        world,
        REVIEWER,
        "advise",
        summary="Steals wallets.",
        sha256=[DIGEST, first.candidate.sha256],
    )
    assert made.affected == ["@acme/review@1.0.0"]
    with pytest.raises(NothingMatches, match="has an advisory"):
        await call(world, OWNER, "install", refs=["@acme/review"])
    files = {"SKILL.md": "---\nname: y\ndescription: Y.\n---\n", "references/a.md": BAD}
    for copy in (
        package("@other/innocent", "3.2.1", files=files, key=OTHER_KEY),
        package("@acme/review", "1.0.1", files={"SKILL.md": BAD}),
    ):
        with pytest.raises(Rejected, match=f"known to be bad, {made.id}: Steals wallets"):
            await publishing.publish(world.registry, OWNER, copy)
    for name in ("other", "innocent"):
        assert all(e.package != name for e in await world.registry.journal.log.since(0))


async def test_the_same_files_are_known_however_they_are_packed(world: World):
    files = {"SKILL.md": "---\nname: x\ndescription: X.\n---\n", "references/a.md": "Words.\n"}
    there = await world.publish("@acme/review", files=files)
    contents = there.candidate.contents
    assert contents == digest_of_files(reversed([file.row for file in there.candidate.files]))
    assert contents == there.report.facts("paths")["contents"]
    looked = await call(world, ANONYMOUS, "inspect", ref="@acme/review")
    assert looked.contents == contents
    made = await call(world, REVIEWER, "advise", summary="Steals.", sha256=[contents])
    assert made.affected == ["@acme/review@1.0.0"]
    with pytest.raises(Rejected) as caught:
        await world.publish("@other/innocent", files=files, key=OTHER_KEY, description="Other.")
    assert [one.rule for one in caught.value.report.blocking] == ["advisories/known-bad"]
    # Some of the files, or more of them, are other contents.
    few = {"SKILL.md": files["SKILL.md"]}
    for name, some in (("few", few), ("more", files | {"b.md": "More.\n"})):
        await world.publish(f"@other/{name}", files=some, key=OTHER_KEY)


def test_contents_are_the_same_in_every_archive_and_another_with_another_bit():
    folder = {"SKILL.md": b"---\nname: x\ndescription: X.\n---\n", "run.sh": b"echo"}
    entries = [File(path, data, executable=path == "run.sh") for path, data in folder.items()]
    digests = {digest_of_files(file.row for file in some) for some in (entries, entries[::-1])}
    assert len(digests) == 1
    flat = [File(path, data) for path, data in folder.items()]
    assert digest_of_files(file.row for file in flat) not in digests
    assert digest_of_files([]) == ""


async def test_an_advisory_that_is_withdrawn_speaks_against_nothing(world: World):
    await world.publish("@acme/review", files={"SKILL.md": BAD})
    made = await call(world, REVIEWER, "advise", summary="Bad.", sha256=[DIGEST])
    again = await call(world, REVIEWER, "advise", summary="Bad, too.", package="@acme/review")
    assert again.id > made.id
    await call(world, REVIEWER, "advise", withdraw=made.id)
    judged = await call(world, OWNER, "trust", ref="@acme/review@1.0.0")
    assert [r for r in judged.reasons if "advisory" in r] == [f"advisory {again.id}: Bad, too."]
    await call(world, REVIEWER, "advise", withdraw=again.id)
    assert (await call(world, OWNER, "trust", ref="@acme/review")).verdict == "trusted"
    with pytest.raises(Conflict, match="withdrawn already"):
        await call(world, REVIEWER, "advise", withdraw=made.id)
    with pytest.raises(NotFound):
        await call(world, REVIEWER, "advise", withdraw="CTXMCP-1999-0001")
    listed = (await call(world, ANONYMOUS, "advisories")).advisories
    assert [(one.id, one.withdrawn) for one in listed] == [(made.id, True), (again.id, True)]
    assert not (await world.publish("@acme/review", "1.0.1", files={"SKILL.md": BAD})).held
    assert [said[1:] for said in await told(world)] == [
        ("trusted", "refuse"),
        ("refuse", "trusted"),
    ]


async def test_only_reviewers_write_advisories_and_everybody_reads_them(sqlite_world: World):
    publisher = await sqlite_world.caller("acme")
    for caller, error in ((ANONYMOUS, Unauthenticated), (publisher, Forbidden)):
        with pytest.raises(error):
            await call(sqlite_world, caller, "advise", summary="x", package="@acme/review")
    await call(sqlite_world, REVIEWER, "advise", summary="x", package="@acme/review")
    for caller in (ANONYMOUS, publisher):
        assert len((await call(sqlite_world, caller, "advisories")).advisories) == 1
        given = {"package": "@acme/other"}
        assert (await call(sqlite_world, caller, "advisories", **given)).advisories == []


async def test_an_advisory_has_to_say_something_that_can_be_checked(sqlite_world: World):
    await sqlite_world.publish("@acme/hidden", private=True)
    for wrong in (
        {"summary": "x"},
        {"package": "@acme/review"},
        {"summary": "x", "sha256": ["abc"]},
        {"summary": "x", "sha256": [hashlib.sha256(b"").hexdigest()]},
        {"summary": "x", "package": "@acme/review", "introduced": "one"},
        {"summary": "x", "package": "review"},
        {"summary": "x", "package": "@acme/hidden"},
    ):
        with pytest.raises(Invalid):
            await call(sqlite_world, REVIEWER, "advise", **wrong)


async def test_advisories_are_served_as_osv(sqlite_world: World):
    await sqlite_world.publish("@acme/review")
    async with Served.inside(sqlite_world) as served:
        assert (await served.get("/api/v1/osv/index.json")).json() == {"advisories": []}
        warned = Warned("Bad.", "At length.", NAME, "0", "1.2.0", (DIGEST,))
        made = await sqlite_world.registry.advisories.publish(warned, OWNER)
        (listed,) = (await served.get("/api/v1/osv/index.json")).json()["advisories"]
        assert listed["id"] == made.id
        response = await served.get(f"/api/v1/osv/{made.id}.json")
        said = response.json()
        assert said.pop("published") == said.pop("modified") == listed["modified"]
        assert said == {
            "schema_version": "1.7.0",
            "id": made.id,
            "summary": "Bad.",
            "details": "At length.",
            "affected": [
                {
                    "package": {"ecosystem": "ctxpkg", "name": "@acme/review"},
                    "ranges": [
                        {"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": "1.2.0"}]}
                    ],
                }
            ],
            "database_specific": {"sha256": [DIGEST]},
        }
        index = (await served.get("/api/v1/packages/acme/review/index.json")).json()
        assert index["latest"] is None
        assert index["versions"][0]["yanked"] is True
        assert made.id in index["versions"][0]["yank_reason"]
        await sqlite_world.registry.advisories.withdraw(made.id, OWNER)
        assert "withdrawn" in (await served.get(f"/api/v1/osv/{made.id}.json")).json()
        gone = await served.get("/api/v1/osv/CTXMCP-1999-0001.json")
        assert (gone.status_code, gone.json()["code"]) == (404, "not_found")


async def test_a_deprecated_package_goes_on_resolving_and_says_what_to_use(world: World):
    await world.publish("@acme/review")
    given = {"name": "@acme/review", "reason": "Old.", "replacement": "@acme/review2"}
    await call(world, OWNER, "deprecate", **given)
    plan = await call(world, OWNER, "install", refs=["@acme/review"])
    assert plan.plan[0].deprecated
    judged = await call(world, OWNER, "trust", ref="@acme/review")
    assert judged.verdict == "caution"
    assert "deprecated by its publisher: Old.; use @acme/review2" in judged.reasons
    lift = {"name": "@acme/review", "lift": True}
    assert not (await call(world, OWNER, "deprecate", **lift)).deprecated
    assert (await call(world, OWNER, "trust", ref="@acme/review")).verdict == "trusted"
    with pytest.raises(Invalid, match="reason is missing"):
        await call(world, OWNER, "deprecate", name="@acme/review")
    assert await told(world) == [
        ("@acme/review@1.0.0", "trusted", "caution"),
        ("@acme/review@1.0.0", "caution", "trusted"),
    ]


def test_the_digest_of_a_file_is_the_one_that_inspect_shows():
    made = ctxpkg.read(package(files={"SKILL.md": BAD}))
    assert made.files[0].sha256 == DIGEST
    assert json.loads(made.artifact)
