"""Auditing a project: what is on disk, what the registry says of it today, and what it cannot."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
from bench import Machine
from shell import Shell

from ctxmcp import auditing
from ctxmcp.auditing import today
from ctxmcp.connection import Embedded
from ctxmcp.desk import Desk
from registry_core.callers import OWNER
from registry_core.errors import Unavailable
from registry_core.names import PackageName, Version
from registry_core.operations.audit import Audited, Had, Standing
from registry_core.packages.advisories import Warned
from registry_core.trust import Verdict
from world import KEY, OTHER_KEY

NAME = PackageName.parse("@acme/review")
ONE = Version.parse("1.0.0")
SKILL = ".agents/skills/review/SKILL.md"
EVIL = b"# do as I say\n"


async def audited(here: Machine, **options: object) -> Audited:
    found = await here.desk.invoke("audit", options)
    assert isinstance(found, Audited)
    return found


async def only(here: Machine) -> Standing:
    [one] = (await audited(here)).releases
    return one


async def test_what_is_as_it_was_installed_is_well(here: Machine) -> None:
    await here.publish("@acme/base")
    await here.publish("@acme/review", needs={"@acme/base": "^1.0"})
    await here.install("@acme/review")
    found = await audited(here)
    assert found.ok
    assert found.reached
    assert [one.ref for one in found.releases] == ["@acme/base@1.0.0", "@acme/review@1.0.0"]
    assert not any(one.problems or one.refused or one.newest for one in found.releases)
    assert (found.unlocked, found.not_checked) == ([], [])


async def test_an_edited_file_and_a_lost_one_are_told(here: Machine) -> None:
    await here.publish("@acme/review")
    await here.install("@acme/review")
    (here.project / SKILL).write_text("edited")
    one = await only(here)
    assert any(SKILL in problem for problem in one.problems)
    (here.project / SKILL).unlink()
    assert f"{SKILL}: is missing" in (await only(here)).problems
    assert not (await audited(here)).ok


async def test_what_the_registry_says_today_is_told(here: Machine) -> None:
    await here.publish("@acme/review")
    await here.install("@acme/review")
    packages = here.registry.packages
    await here.publish("@acme/other", files={"SKILL.md": "---\nname: o\ndescription: x\n---\n"})
    await packages.deprecate(NAME, "old", "@acme/other", OWNER)
    one = await only(here)
    assert (one.deprecated, one.replacement, one.refused) == ("old", "@acme/other", False)
    await here.publish("@acme/review", "1.1.0")
    assert (await only(here)).newest == "1.1.0"
    await packages.yank(NAME, ONE, "it leaks", OWNER)
    one = await only(here)
    assert one.verdict is Verdict.REFUSE
    assert "yanked by its publisher: it leaks" in one.reasons
    await packages.revoke(NAME, ONE, "really", OWNER)
    assert any("revoked" in reason for reason in (await only(here)).reasons)


async def test_a_key_that_was_revoked_is_told(here: Machine) -> None:
    await here.publish("@acme/review")
    await here.install("@acme/review")
    await here.registry.keychains.revoke("acme", KEY.public_key, 0, "stolen", OWNER)
    one = await only(here)
    assert one.refused
    assert any("compromised when it signed this" in reason for reason in one.reasons)


async def test_an_advisory_is_found_by_name_and_by_bytes(here: Machine) -> None:
    await here.publish("@acme/review")
    await here.install("@acme/review")
    digest = hashlib.sha256((here.project / SKILL).read_bytes()).hexdigest()
    made = await here.registry.advisories.publish(Warned("it steals", sha256=(digest,)), OWNER)
    assert (await only(here)).advisories == [f"{made.id}: it steals"]
    await here.registry.advisories.withdraw(made.id, OWNER)
    assert (await audited(here)).ok
    await here.registry.advisories.publish(Warned("it lies", package=NAME), OWNER)
    assert (await only(here)).refused


async def test_what_no_lock_knows_is_listed_and_its_bytes_are_asked_about(here: Machine) -> None:
    await here.publish("@acme/review")
    await here.install("@acme/review")
    for path in ("stranger/SKILL.md", "stranger/deep/er.md", "review/added.md"):
        target = here.project / ".agents/skills" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(EVIL if path.startswith("review") else path.encode())
    found = await audited(here)
    assert found.ok, "people have skills of their own"
    assert [one.path for one in found.unlocked] == [
        ".agents/skills/review/added.md",
        ".agents/skills/stranger/",
    ]
    sha256 = hashlib.sha256(EVIL).hexdigest()
    await here.registry.advisories.publish(Warned("known", sha256=(sha256,)), OWNER)
    found = await audited(here)
    assert not found.ok
    assert [bool(one.advisories) for one in found.unlocked] == [True, False]


async def test_the_files_of_a_host_are_looked_at_once_and_never_outside(here: Machine) -> None:
    (here.project / ".agents/skills/mine").mkdir(parents=True)
    (here.project / ".agents/skills/mine/SKILL.md").write_text("x")
    (here.project / ".claude").mkdir()
    (here.project / ".claude/skills").symlink_to("../.agents/skills")
    found = await audited(here)
    assert [one.path for one in found.unlocked] == [".agents/skills/mine/"]
    (here.project / ".claude/skills").unlink()
    (here.project / ".claude/skills").symlink_to(here.project.parent)
    found = await audited(here)
    assert [one.path for one in found.unlocked] == [".agents/skills/mine/"]
    assert any(what.startswith(".claude/skills: ") for what in found.not_checked)


async def test_a_file_beside_an_edited_one_is_the_package_s_own(here: Machine) -> None:
    await here.publish("@acme/review")
    await here.install("@acme/review")
    (here.project / SKILL).write_text("edited")
    await here.publish("@acme/review", "1.1.0", description="Reviews them better.")
    await here.install("@acme/review@1.1.0")
    assert (here.project / f"{SKILL}.new").exists()
    assert (await audited(here)).unlocked == []


async def test_no_more_is_looked_at_than_is_said(
    here: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(4):
        (here.project / f".agents/skills/s{n}").mkdir(parents=True)
    monkeypatch.setattr(auditing, "MOST_UNLOCKED", 3)
    found = await audited(here)
    assert len(found.unlocked) == 3
    assert found.not_checked == ["more than 3 things in no lock"]


async def test_offline_says_what_was_not_checked(here: Machine) -> None:
    await here.publish("@acme/review")
    await here.install("@acme/review")
    await here.registry.packages.yank(NAME, ONE, "it leaks", OWNER)
    found = await audited(here, offline=True)
    assert found.ok
    assert [one.verdict for one in found.releases] == [None]
    assert found.not_checked == [f"{auditing._TODAY}: no registry was asked"]


class Silent(Embedded):
    """A registry that does not answer."""

    async def invoke(self, name, arguments):
        raise Unavailable("no answer from it")


async def test_a_registry_that_does_not_answer_is_not_one_that_finds_nothing(
    here: Machine,
) -> None:
    await here.publish("@acme/review")
    await here.install("@acme/review")
    desk = Desk(Silent(here.registry, "file:///registry"), here.settings, here.project)
    found = await audited(replace(here, desk=desk))
    assert (found.ok, found.reached) == (False, False)
    assert found.not_checked == [f"{auditing._TODAY}: no answer from it"]


async def test_what_another_registry_gave_is_asked_about_by_its_bytes_alone(
    here: Machine,
) -> None:
    made = await here.publish("@acme/review")
    await here.facing().install("@acme/review")
    asked = []

    class Listening(Embedded):
        async def invoke(self, name, arguments):
            asked.append(arguments)
            return await super().invoke(name, arguments)

    desk = Desk(Listening(here.registry, "file:///registry"), here.settings, here.project)
    await here.registry.advisories.publish(
        Warned("copied", sha256=(hashlib.sha256(made).hexdigest(),)), OWNER
    )
    found = await audited(replace(here, desk=desk))
    assert "acme" not in str(asked)
    assert not found.ok
    assert [one.ref for one in found.releases] == ["@acme/review@1.0.0"]
    assert any("@acme/review" in what for what in found.not_checked)


async def test_other_bytes_under_one_version_are_refused(here: Machine) -> None:
    await here.publish("@acme/review")
    [said] = await today(
        Embedded(here.registry, "x"), [Had(ref="@acme/review@1.0.0", artifact="ab" * 32)]
    )
    assert said.refused
    assert "other bytes" in said.reasons[0]


async def test_what_a_registry_does_not_know_is_said_so(here: Machine) -> None:
    await here.publish("@other/one", key=OTHER_KEY)
    asked = [Had(ref="@acme/none@1.0.0"), Had(ref="@other/one@2.0.0"), Had(ref="@other/one@1.0.0")]
    told = await today(Embedded(here.registry, "x"), asked)
    assert [one.verdict for one in told] == [None, None, Verdict.TRUSTED]
    assert told[0].reasons


async def test_many_releases_are_asked_about_in_parts(here: Machine) -> None:
    asked = []

    class Counting(Embedded):
        async def invoke(self, name, arguments):
            asked.append(len(arguments["had"]))
            return await super().invoke(name, arguments)

    had = [Had(sha256=[f"{n:064x}"]) for n in range(250)]
    had += [Had(sha256=[f"{n:064x}" for n in range(1000)])] * 7
    assert len(await today(Counting(here.registry, "x"), had)) == 257
    assert asked == [100, 100, 54, 3]


# From the command line


@pytest.fixture
def shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Shell:
    shell = Shell.at(tmp_path, monkeypatch, capsys)
    shell.ok("keygen")
    shell.publish("commit-messages")
    return shell


def test_a_project_ends_with_what_is_worst(shell: Shell) -> None:
    shell.ok("install", "@demo/commit-messages")
    assert shell.ok("audit").out.splitlines() == ["ok  @demo/commit-messages@1.0.0"]
    assert shell.ok("audit", "--json").json["ok"] is True
    shell.ok("deprecate", "@demo/commit-messages", "--reason", "old")
    assert "deprecated: old" in shell.ok("audit").out
    shell.ok("yank", "@demo/commit-messages@1.0.0", "bad")
    refused = shell("audit")
    assert refused.code == 7
    assert "yanked by its publisher: bad" in " ".join(refused.out.split())
    offline = shell.ok("audit", "--offline")
    assert "not checked:" in offline.out
    (shell.project / ".agents/skills/commit-messages/SKILL.md").write_text("edited")
    altered = shell("audit", "project")
    assert altered.code == 6
    assert "BAD @demo/commit-messages@1.0.0" in altered.out


def test_a_registry_that_is_down_is_no_good_news(shell: Shell) -> None:
    shell.ok("install", "@demo/commit-messages")
    down = shell("audit", "--registry", "http://127.0.0.1:9", "--json")
    assert down.code == 5
    assert down.json["reached"] is False


def test_outside_a_project_the_registry_is_audited(shell: Shell) -> None:
    said = shell.ok("audit").out
    assert "nothing is wrong" in said
    assert "1 releases" in said
    found = shell.ok("audit", "--json").json
    assert (found["ok"], found["releases"], found["blobs"]) == (True, 1, 1)
    [blob] = [p for p in (shell.folder / "registry/blobs").rglob("*") if p.is_file()]
    blob.chmod(0o644)
    blob.write_bytes(b"other bytes")
    broken = shell("audit", "registry")
    assert broken.code == 6
    assert "BAD @demo/commit-messages@1.0.0: its blob: a stored blob was changed" in broken.out
    assert shell("audit", "registry", "--json").json["problems"][0]["where"]
    assert shell("audit", "registry", "--offline").code == 2
    nowhere = shell("audit", "--data-dir", str(shell.folder / "nowhere"))
    assert nowhere.code == 3
    assert not (shell.folder / "nowhere").exists()
