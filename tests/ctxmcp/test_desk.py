"""The desk: verify, publish and download on the user's machine."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest
from bench import Machine

from ctxmcp import keyfiles
from ctxmcp import lock as locking
from registry_core import errors
from registry_core.operations.download import Located
from registry_core.operations.publish import PublishedRelease
from registry_core.operations.search import SearchResult
from world import MOMENT

HEAD = "---\nname: review\ndescription: Reviews.\n---\n# Review\n"
FILES = {"SKILL.md": HEAD, "docs/a.md": "a"}


async def test_every_other_operation_goes_to_the_registry(here: Machine) -> None:
    await here.publish("@acme/review")
    found = await here.desk.invoke("search", {"query": "review"})
    assert isinstance(found, SearchResult)
    assert [hit.ref for hit in found.hits] == ["@acme/review@1.0.0"]
    with pytest.raises(errors.NotFound):
        await here.desk.invoke("dance", {})
    with pytest.raises(errors.Invalid, match="artifact"):
        await here.desk.invoke("publish", {"artifact": "x"})


async def test_one_flipped_byte_of_any_installed_file_is_named_with_both_digests(
    here: Machine,
) -> None:
    (here.project / ".claude").mkdir()
    await here.publish("@acme/review", files=FILES)
    await here.install("@acme/review")
    lock = locking.read(here.project)
    for target, digest in lock.packages["@acme/review"].targets.items():
        path = here.project / target
        if path.is_symlink():
            continue
        whole = path.read_bytes()
        path.write_bytes(bytes([whole[0] ^ 1]) + whole[1:])
        found = await here.verify()
        assert not found.ok
        assert any(p.startswith(f"{target}: expected {digest}") for p in found.checked[0].problems)
        path.write_bytes(whole)
    assert (await here.verify("acme/review@1.0.0")).ok


async def test_a_file_and_the_lock_altered_together_are_told_by_the_kept_artifact(
    here: Machine,
) -> None:
    await here.publish("@acme/review", files=FILES)
    await here.install("@acme/review")
    path = here.project / ".agents/skills/review/docs/a.md"
    lock = here.project / "ctxmcp.lock"
    from ctxmcp.check import digest_of

    lock.write_text(lock.read_text().replace(digest_of(b"a"), digest_of(b"b")))
    path.write_text("b")
    found = await here.verify()
    assert any("the artifact has" in problem for problem in found.checked[0].problems)


async def test_missing_files_and_links_that_lead_elsewhere_are_named(here: Machine) -> None:
    (here.project / ".claude").mkdir()
    await here.publish("@acme/review", files=FILES)
    await here.install("@acme/review")
    (here.project / ".agents/skills/review/docs/a.md").unlink()
    link = here.project / ".claude/skills/review"
    link.unlink()
    link.symlink_to("/tmp")
    problems = (await here.verify()).checked[0].problems
    assert ".agents/skills/review/docs/a.md: is missing" in problems
    assert any(p.startswith(".claude/skills/review: expected link:") for p in problems)


async def test_a_file_is_verified_and_a_flipped_byte_refused(here: Machine) -> None:
    artifact = await here.publish("@acme/review", files=FILES)
    path = here.project / "x.ctxpkg"
    path.write_bytes(artifact)
    assert (await here.verify("x.ctxpkg")).ok
    at = artifact.index(b'"body"') + 12
    path.write_bytes(artifact[:at] + bytes([artifact[at] ^ 1]) + artifact[at + 1 :])
    found = await here.verify("x.ctxpkg")
    assert not found.ok
    assert found.checked[0].problems


async def test_a_folder_is_said_to_be_unsigned_and_what_was_checked(here: Machine) -> None:
    folder = here.project / "review"
    folder.mkdir()
    (folder / "SKILL.md").write_text(HEAD)
    found = await here.verify("review")
    assert found.ok
    assert "not signed; checked:" in found.checked[0].what
    (folder / "SKILL.md").write_text("nothing")
    assert not (await here.verify("review")).ok


async def test_a_reference_that_is_not_installed_is_verified_by_the_registry(
    here: Machine,
) -> None:
    await here.publish("@acme/review")
    found = await here.verify("@acme/review")
    assert [one.what for one in found.checked] == ["@acme/review@1.0.0"]
    with pytest.raises(errors.NotFound, match="no file"):
        await here.verify("no/such/file.ctxpkg")
    with pytest.raises(errors.NotFound, match="nothing is installed"):
        await here.verify()


async def test_a_folder_is_packed_signed_and_published(here: Machine) -> None:
    folder = here.project / "review"
    folder.mkdir()
    (folder / "SKILL.md").write_text(HEAD)
    given = {"path": "review", "name": "@acme/review", "version": "1.0.0"}
    with pytest.raises(errors.Invalid, match="keygen"):
        await here.desk.invoke("publish", given)
    key = keyfiles.create(here.settings.key_file)
    here.desk._clock = lambda: MOMENT
    rehearsed = await here.desk.invoke("publish", {**given, "dry_run": True})
    assert isinstance(rehearsed, PublishedRelease)
    published = await here.desk.invoke("publish", given)
    assert isinstance(published, PublishedRelease)
    assert published.signer == key.public_key
    assert rehearsed.sha256 == published.sha256
    with pytest.raises(errors.Conflict):
        await here.desk.invoke("publish", given)
    with pytest.raises(errors.Invalid, match="path is missing"):
        await here.desk.invoke("publish", {})


async def test_a_download_is_the_published_bytes_and_replaces_no_other_file(
    here: Machine,
) -> None:
    artifact = await here.publish("@acme/review")
    found = await here.desk.invoke("download", {"ref": "@acme/review"})
    assert isinstance(found, Located)
    path = here.project / "acme-review-1.0.0.ctxpkg"
    assert Path(found.written) == path
    assert path.read_bytes() == artifact
    await here.desk.invoke("download", {"ref": "@acme/review"})
    path.write_text("mine")
    with pytest.raises(errors.Conflict):
        await here.desk.invoke("download", {"ref": "@acme/review"})
    await here.desk.invoke("download", {"ref": "@acme/review", "output": "sub/x.ctxpkg"})
    assert (here.project / "sub/x.ctxpkg").read_bytes() == artifact


async def test_another_project_can_be_named(here: Machine, tmp_path: Path) -> None:
    await here.publish("@acme/review")
    (tmp_path / "second").mkdir()
    await here.install("@acme/review", project=str(tmp_path / "second"))
    assert (tmp_path / "second/ctxmcp.lock").exists()
    assert here.tree() == {}
    with pytest.raises(errors.Invalid, match="is no folder"):
        await here.install("@acme/review", project="absent")


_KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from ctxmcp import wiring
from ctxmcp.connection import Embedded
from ctxmcp.desk import Desk
from ctxmcp.settings import Settings

folder, left = Path(sys.argv[1]), iter(range(int(sys.argv[2])))
real = Path.replace
def replace(path, to):
    if next(left, None) is None:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(path, to)
Path.replace = replace

async def main():
    settings = Settings(folder / "data", folder / "key", folder / "tools", folder / "home")
    async with wiring.open_registry(settings) as registry:
        desk = Desk(Embedded(registry, "file:///registry"), settings, folder / "project")
        await desk.invoke("install", {"refs": ["@acme/review"]})
asyncio.run(main())
"""


@pytest.mark.skipif(os.name != "posix", reason="a process is killed by a signal")
async def test_after_a_kill_in_the_middle_the_next_installation_finishes(
    here: Machine, tmp_path: Path
) -> None:
    await here.publish("@acme/review", files=FILES)
    await here.install("@acme/review")
    await here.publish("@acme/review", "1.1.0", files={"SKILL.md": HEAD + "2", "docs/a.md": "new"})
    # Meanwhile the registry here goes on: the other waits for the transaction it may be amid.
    killed = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _KILLED, str(tmp_path), "2", cwd=Path(__file__).parents[2]
    )
    assert await killed.wait() == -signal.SIGKILL
    assert (here.project / ".ctxmcp/staging").exists()
    interrupted = await here.verify()
    assert any("interrupted" in problem for problem in interrupted.checked[0].problems)
    await here.install("@acme/review")
    assert (await here.verify()).ok
    assert here.text(".agents/skills/review/SKILL.md") == HEAD + "2"
    assert not (here.project / ".ctxmcp/staging").exists()
