"""Installing: what is written, what is refused, what is kept."""

from __future__ import annotations

import asyncio
import contextlib
import stat
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from bench import Machine

from ctxmcp import lock as locking
from ctxmcp.check import read_artifact
from ctxmcp.staging import state_of
from registry_core import errors
from registry_core.callers import OWNER
from registry_core.formats import ctxpkg, tool
from registry_core.names import Kind, PackageName, Version
from registry_core.publish import publish
from registry_core.verification import Binding

SKILL = ".agents/skills/review/SKILL.md"
HEAD = "---\nname: review\ndescription: Reviews.\n---\n"
TOOL = """# ---
# name: word_count
# version: 1.0.0
# description: Count words.
# outputs: {type: integer}
# capabilities: {network: false}
# runtime: {language: python}
# ---
print("never run")
"""
AGENT = {
    "agent.yaml": "name: helper\nversion: 1.0.0\ndescription: Helps.\nauthor: '@acme'\n"
    "permissions: {network: true}\nallowed_tools: [Bash]\n",
    "system-prompt.md": 'You help.\nNever say """ or \\ lightly.\n',
    "prompts/more.md": "More.\n",
}


async def test_a_skill_is_installed_whole_and_linked_for_claude_code(here: Machine) -> None:
    (here.project / "CLAUDE.md").write_text("x")
    await here.publish("@acme/review", files={"SKILL.md": HEAD, "scripts/run.sh": "#!/bin/sh\n"})
    done = await here.install("@acme/review")
    assert here.text(SKILL) == HEAD
    link = here.project / ".claude/skills/review"
    assert str(link.readlink()) == "../../.agents/skills/review"
    assert (here.project / ".claude/skills/review/scripts/run.sh").is_file()
    assert {(w.path, w.what) for w in done.written} == {
        (".agents/skills/review/", "installed"),
        (".claude/skills/review", "linked"),
        (".ctxmcp/packages/@acme/review@1.0.0/", "installed"),
    }
    assert not (here.project / ".ctxmcp/staging").exists()
    assert (await here.verify()).ok


async def test_a_second_installation_changes_nothing(here: Machine) -> None:
    await here.publish("@acme/review")
    await here.install("@acme/review")
    before = here.tree()
    done = await here.install("@acme/review")
    assert here.tree() == before
    assert {w.what for w in done.written} == {"unchanged"}


async def test_documents_without_a_skill_md_get_one_that_lists_them(
    here: Machine, shared: Path
) -> None:
    artifact = (shared / "data/ctxpkg/acme-review-skills-0.2.0.ctxpkg").read_bytes()
    await publish(here.registry, OWNER, artifact)
    await here.install("@acme/review-skills")
    text = here.text(".agents/skills/review-skills/SKILL.md")
    assert "(<skills/commit.md>)" in text
    assert text.startswith("---\nname: review-skills\ndescription: Review skills\n---\n")
    assert "imperative" in here.text(".agents/skills/review-skills/skills/commit.md")
    assert (await here.verify("@acme/review-skills")).ok


async def test_a_context_becomes_readable_text_and_a_skill_that_points_to_it(
    here: Machine, shared: Path
) -> None:
    artifact = (shared / "data/ctxpkg/acme-auth-context-1.1.0.ctxpkg").read_bytes()
    await publish(here.registry, OWNER, artifact)
    done = await here.install("acme/auth-context@^1")
    folder = ".ctxmcp/packages/@acme/auth-context@1.1.0"
    assert (here.project / folder / "package.ctxpkg").read_bytes() == artifact
    assert "- **token-type**: Uses JWT tokens signed with RS256" in here.text(
        f"{folder}/CONTEXT.md"
    )
    pointer = here.text(".agents/skills/auth-context/SKILL.md")
    assert f"`{folder}/CONTEXT.md`" in pointer
    assert "data" in pointer
    assert (".agents/skills/auth-context/", "pointer") in {(w.path, w.what) for w in done.written}


async def test_an_agent_is_written_for_each_host_without_its_permissions(here: Machine) -> None:
    for mark in (".claude", ".codex", ".opencode"):
        (here.project / mark).mkdir()
    await here.publish("@acme/helper", kind=Kind.AGENT, description="Helps.", files=AGENT)
    done = await here.install("@acme/helper")
    claude = here.text(".claude/agents/helper.md")
    assert claude.startswith("---\nname: helper\ndescription: Helps.\n---\n\nYou help.")
    assert "Bash" not in claude
    assert "mode: subagent" in here.text(".opencode/agents/helper.md")
    codex = tomllib.loads(here.text(".codex/agents/helper.toml"))
    assert codex["developer_instructions"] == AGENT["system-prompt.md"]
    assert any("permissions, allowed_tools" in note for note in done.notes)
    assert (here.project / ".ctxmcp/packages/@acme/helper@1.0.0/files/prompts/more.md").exists()


async def test_an_agent_without_any_host_goes_to_claude_code(here: Machine) -> None:
    await here.publish("@acme/helper", kind=Kind.AGENT, description="Helps.", files=AGENT)
    await here.install("@acme/helper")
    assert (here.project / ".claude/agents/helper.md").is_file()


async def test_a_tool_lies_in_the_users_folder_and_is_not_executable(here: Machine) -> None:
    await here.publish("@acme/words", kind=Kind.TOOL, files={"word_count.py": TOOL})
    await here.install("@acme/words")
    path = here.settings.tools_dir / "acme/words/1.0.0/word_count.py"
    assert path.read_text() == TOOL
    assert not stat.S_IMODE(path.stat().st_mode) & 0o111
    assert not (here.settings.tools_dir / ".staging").exists()
    assert (await here.verify()).ok


async def test_a_tool_that_was_published_as_its_source_is_installed_with_a_note(
    here: Machine,
) -> None:
    under = Binding(PackageName("acme", "words"), Version.parse("1.0.0"))
    await publish(here.registry, OWNER, TOOL.encode(), under=under, read=tool.read)
    done = await here.install("@acme/words")
    assert (here.settings.tools_dir / "acme/words/1.0.0/word_count.py").read_text() == TOOL
    assert any("not signed" in note for note in done.notes)
    assert (await here.verify()).ok


async def test_an_addon_is_stored_with_a_note(here: Machine, shared: Path) -> None:
    await publish(
        here.registry, OWNER, (shared / "data/ctxpkg/acme__my-addon-0.2.0.ctxpkg").read_bytes()
    )
    done = await here.install("@acme/my-addon")
    assert any("lean-ctx addon add" in note for note in done.notes)
    assert {w.path for w in done.written} == {".ctxmcp/packages/@acme/my-addon@0.2.0/"}


async def test_dependencies_come_first_and_are_not_requested(here: Machine) -> None:
    await here.publish("@acme/base")
    await here.publish("@acme/top", needs={"@acme/base": "^1"})
    done = await here.install("@acme/top")
    assert [p.ref for p in done.plan] == ["@acme/base@1.0.0", "@acme/top@1.0.0"]
    lock = locking.read(here.project)
    assert not lock.packages["@acme/base"].requested
    assert lock.packages["@acme/top"].dependencies == ["@acme/base ^1"]


async def test_a_dry_run_writes_nothing(here: Machine) -> None:
    await here.publish("@acme/review")
    done = await here.install("@acme/review", dry_run=True)
    assert [p.ref for p in done.plan] == ["@acme/review@1.0.0"]
    assert not done.installed
    assert here.tree() == {}


async def test_progress_is_told_for_each_package(here: Machine) -> None:
    await here.publish("@acme/base")
    await here.publish("@acme/top", needs={"@acme/base": "^1"})
    told: list[tuple[int, int]] = []
    await here.desk.invoke(
        "install",
        {"refs": ["@acme/top"]},
        progress=lambda done, total, _: told.append((done, total)),
    )
    assert told == [(1, 2), (2, 2)]


async def test_an_upgrade_replaces_what_changed_and_removes_what_is_gone(here: Machine) -> None:
    await here.publish("@acme/review", files={"SKILL.md": HEAD, "old/a.md": "a", "b.md": "b"})
    await here.install("@acme/review")
    await here.publish("@acme/review", "1.1.0", files={"SKILL.md": HEAD + "2", "b.md": "b"})
    await here.install("@acme/review")
    assert here.text(SKILL) == HEAD + "2"
    assert not (here.project / ".agents/skills/review/old").exists()
    assert not (here.project / ".ctxmcp/packages/@acme/review@1.0.0").exists()
    assert (await here.verify()).ok


async def test_an_edited_file_is_kept_and_the_new_one_written_beside(here: Machine) -> None:
    await here.publish("@acme/review", files={"SKILL.md": HEAD})
    await here.install("@acme/review")
    (here.project / SKILL).write_text("mine")
    await here.publish("@acme/review", "1.1.0", files={"SKILL.md": HEAD + "2"})
    done = await here.install("@acme/review")
    assert here.text(SKILL) == "mine"
    assert here.text(f"{SKILL}.new") == HEAD + "2"
    assert any(f"{SKILL}.new" in note for note in done.notes)
    (here.project / SKILL).write_text(HEAD + "2")
    await here.install("@acme/review")
    assert not (here.project / f"{SKILL}.new").exists()
    assert (await here.verify()).ok


async def test_an_edited_file_that_the_package_did_not_change_is_just_kept(here: Machine) -> None:
    await here.publish("@acme/review", files={"SKILL.md": HEAD, "a.md": "a"})
    await here.install("@acme/review")
    (here.project / SKILL).write_text("mine")
    await here.publish("@acme/review", "1.1.0", files={"SKILL.md": HEAD, "a.md": "b"})
    done = await here.install("@acme/review")
    assert here.text(SKILL) == "mine"
    assert not (here.project / f"{SKILL}.new").exists()
    assert (SKILL, "kept (user edits)") in {(w.path, w.what) for w in done.written}


async def test_a_file_of_the_user_beside_an_edited_one_is_kept_too(here: Machine) -> None:
    await here.publish("@acme/review", files={"SKILL.md": HEAD})
    await here.install("@acme/review")
    (here.project / SKILL).write_text("mine")
    (here.project / f"{SKILL}.new").write_text("mine too")
    await here.publish("@acme/review", "1.1.0", files={"SKILL.md": HEAD + "2"})
    await here.install("@acme/review")
    assert here.text(SKILL) == "mine"
    assert here.text(f"{SKILL}.new") == "mine too"


async def test_a_deleted_file_comes_back(here: Machine) -> None:
    await here.publish("@acme/review")
    await here.install("@acme/review")
    (here.project / SKILL).unlink()
    await here.install()
    assert (here.project / SKILL).exists()


async def test_a_strangers_file_in_the_way_is_a_conflict_and_nothing_is_written(
    here: Machine,
) -> None:
    (here.project / SKILL).parent.mkdir(parents=True)
    (here.project / SKILL).write_text("mine")
    await here.publish("@acme/review", files={"SKILL.md": HEAD, "a.md": "a"})
    with pytest.raises(errors.Conflict, match="in the way"):
        await here.install("@acme/review")
    assert here.tree() == {SKILL: b"mine"}


async def test_two_packages_that_want_one_folder_are_a_conflict_naming_both(here: Machine) -> None:
    await here.publish("@acme/review")
    await here.publish("@other/review")
    with pytest.raises(errors.Conflict, match="@acme/review and @other/review"):
        await here.install("@acme/review", "@other/review")
    assert here.tree() == {}
    await here.install("@acme/review")
    before = here.tree()
    with pytest.raises(errors.Conflict, match="@acme/review and @other/review"):
        await here.install("@other/review")
    assert here.tree() == before


async def test_altered_bytes_are_refused_and_nothing_is_written(here: Machine) -> None:
    artifact = await here.publish("@acme/review")
    blob = next(p for p in (here.settings.data_dir / "blobs").rglob("*") if p.is_file())
    blob.write_bytes(artifact[:-1] + b" ")
    with pytest.raises(errors.Tampered):
        await here.install("@acme/review")
    assert here.tree() == {}


async def test_a_yanked_release_installs_only_when_named_exactly(here: Machine) -> None:
    await here.publish("@acme/review")
    await here.registry.packages.yank(
        PackageName("acme", "review"), Version.parse("1.0.0"), "broken", OWNER
    )
    with pytest.raises(errors.NothingMatches):
        await here.install("@acme/review")
    done = await here.install("@acme/review@1.0.0")
    assert any("yanked" in note for note in done.notes)


async def test_an_upgrade_that_breaks_what_stays_installed_is_refused(here: Machine) -> None:
    await here.publish("@acme/base")
    await here.publish("@acme/top", needs={"@acme/base": "^1"})
    await here.install("@acme/top")
    await here.publish("@acme/base", "2.0.0")
    with pytest.raises(errors.DependencyConflict, match=r"@acme/top@1\.0\.0"):
        await here.install("@acme/base@2.0.0")


async def test_without_references_the_lock_is_installed_exactly(here: Machine) -> None:
    await here.publish("@acme/base")
    await here.publish("@acme/top", needs={"@acme/base": "^1"})
    await here.install("@acme/top")
    text = here.text("ctxmcp.lock")
    await here.publish("@acme/base", "1.5.0")
    (here.project / ".agents/skills/base/SKILL.md").unlink()
    await here.install()
    assert here.text("ctxmcp.lock") == text
    await here.install(frozen=True)
    assert here.text("ctxmcp.lock") == text


async def test_frozen_takes_only_what_the_lock_has(here: Machine) -> None:
    await here.publish("@acme/review")
    await here.publish("@acme/extra")
    with pytest.raises(errors.LockOutOfDate):
        await here.install("@acme/review", frozen=True)
    await here.install("@acme/review")
    await here.install("@acme/review@^1", frozen=True)
    for ref in ("@acme/extra", "@acme/review@2.0.0"):
        with pytest.raises(errors.LockOutOfDate):
            await here.install(ref, frozen=True)
    path = here.project / "ctxmcp.lock"
    digest = locking.read(here.project).packages["@acme/review"].artifact_sha256
    path.write_text(
        path.read_text().replace(f'artifact_sha256 = "{digest}"', f'artifact_sha256 = "{"0" * 64}"')
    )
    with pytest.raises(errors.LockOutOfDate):
        await here.install(frozen=True)
    with pytest.raises(errors.Tampered):
        await here.install()


async def test_nothing_to_install_is_said(here: Machine) -> None:
    with pytest.raises(errors.Invalid, match="nothing to install"):
        await here.install()


async def test_removing_takes_away_what_nothing_needs_and_nothing_else(here: Machine) -> None:
    (here.project / ".claude").mkdir()
    await here.publish("@acme/base")
    await here.publish("@acme/top", needs={"@acme/base": "^1"})
    await here.publish("@acme/other")
    await here.install("@acme/other")
    before = here.tree()
    await here.install("@acme/top")
    gone = await here.desk.remove(["@acme/top"])
    assert sorted(gone.removed) == ["@acme/base@1.0.0", "@acme/top@1.0.0"]
    assert here.tree() == before
    assert (await here.verify()).ok


async def test_removing_keeps_edited_files_and_what_others_need(here: Machine) -> None:
    await here.publish("@acme/base")
    await here.publish("@acme/top", needs={"@acme/base": "^1"})
    await here.install("@acme/base", "@acme/top")
    kept = await here.desk.remove(["@acme/base"])
    assert kept.removed == []
    assert kept.notes
    (here.project / ".agents/skills/top/SKILL.md").write_text("mine")
    gone = await here.desk.remove(["@acme/top"])
    assert sorted(gone.removed) == ["@acme/base@1.0.0", "@acme/top@1.0.0"]
    assert set(here.tree()) == {".agents/skills/top/SKILL.md", "ctxmcp.lock"}
    with pytest.raises(errors.NotFound):
        await here.desk.remove(["@acme/top"])


async def test_no_link_is_followed_out_of_the_project(here: Machine, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (here.project / ".agents").symlink_to(outside)
    await here.publish("@acme/review")
    with pytest.raises(errors.Conflict, match="leaves"):
        await here.install("@acme/review")
    assert list(outside.iterdir()) == []
    (here.project / ".agents").unlink()
    (here.project / ".ctxmcp").symlink_to(outside)
    with pytest.raises(errors.Conflict, match="leaves"):
        await here.install("@acme/review")
    assert list(outside.iterdir()) == []


async def test_a_skills_folder_that_is_a_link_to_the_shared_one_needs_no_links(
    here: Machine,
) -> None:
    (here.project / ".agents/skills").mkdir(parents=True)
    (here.project / ".claude").mkdir()
    (here.project / ".claude/skills").symlink_to("../.agents/skills")
    await here.publish("@acme/review")
    await here.install("@acme/review")
    assert (here.project / ".claude/skills/review/SKILL.md").is_file()
    assert (await here.verify()).ok


async def test_a_package_without_room_on_disk_is_an_error_in_words_and_leaves_no_trace(
    here: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    await here.publish("@acme/review")
    (here.project / "ctxmcp.lock").mkdir()
    with pytest.raises(errors.RegistryError):
        await here.install("@acme/review")
    assert here.tree() == {}


def _run_out_of_luck(count: int) -> Callable[[Path], None]:
    """Let the process get no further than `count` renames, as a kill would."""
    left = iter(range(count))

    def check() -> None:
        if next(left, None) is None:
            raise KeyboardInterrupt

    return lambda _: check()


@pytest.mark.parametrize("renames", range(9))
async def test_a_crash_at_any_rename_leaves_old_or_new_and_a_lock_that_is_true(
    here: Machine, monkeypatch: pytest.MonkeyPatch, renames: int
) -> None:
    (here.project / ".claude").mkdir()
    old = {"SKILL.md": HEAD, "a.md": "old", "gone.md": "gone"}
    new = {"SKILL.md": HEAD + "2", "a.md": "new", "b.md": "b"}
    await here.publish("@acme/review", files=old)
    await here.publish("@acme/fresh", "1.1.0", files=old)
    await here.install("@acme/review")
    await here.publish("@acme/review", "1.1.0", files=new)

    check = _run_out_of_luck(renames)
    with monkeypatch.context() as patched:
        for name in ("rename", "replace"):
            real = getattr(Path, name)

            def limited(path: Path, to: Path, real: Callable[..., Path] = real) -> Path:
                check(path)
                return real(path, to)

            patched.setattr(Path, name, limited)
        with contextlib.suppress(KeyboardInterrupt):
            await here.install("@acme/review", "@acme/fresh")

    for entry in locking.read(here.project).packages.values():
        for target, digest in entry.targets.items():
            assert state_of(here.project / target) == digest
    folder = here.project / ".agents/skills/review"
    assert (folder / "a.md").read_text() in {"old", "new"}
    assert (folder / "SKILL.md").read_text() in {HEAD, HEAD + "2"}

    await here.install("@acme/review", "@acme/fresh")
    assert (await here.verify()).ok
    assert sorted(p.name for p in folder.iterdir()) == ["SKILL.md", "a.md", "b.md"]
    assert not (here.project / ".ctxmcp/staging").exists()


async def test_two_installations_through_one_desk_wait_for_each_other(here: Machine) -> None:
    await here.publish("@acme/base")
    await here.publish("@acme/top")
    await asyncio.gather(here.install("@acme/base"), here.install("@acme/top"))
    assert set(locking.read(here.project).packages) == {"@acme/base", "@acme/top"}


async def test_a_swapped_artifact_is_told_by_its_name(here: Machine) -> None:
    artifact = await here.publish("@acme/review")
    signer = ctxpkg.read(artifact).signature
    assert signer is not None
    for name, version in (("other", "1.0.0"), ("review", "2.0.0")):
        with pytest.raises(errors.Tampered, match="the package itself"):
            read_artifact(
                artifact,
                ctxpkg.MEDIA_TYPE,
                Binding(PackageName("acme", name), Version.parse(version)),
                kind=Kind.SKILL,
                signer=signer.public_key,
            )


async def test_a_release_that_was_held_for_a_while_is_proven_as_before(here: Machine) -> None:
    await here.publish("@acme/review")
    named = PackageName.parse("@acme/review"), Version.parse("1.0.0")
    await here.registry.packages.hold(*named, "a doubt", OWNER)
    await here.registry.packages.release(*named, "it is fine", OWNER)
    done = await here.install("@acme/review")
    assert done.proven
