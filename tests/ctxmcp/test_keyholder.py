"""Changing keys from the machine that has them, against a real registry."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from bench import Machine

from ctxmcp import keyfiles
from ctxmcp.keyfiles import Keyfiles
from registry_core.errors import Conflict, Forbidden, Invalid, NotFound
from registry_core.formats import ctxpkg
from registry_core.formats.attestation import commitment
from registry_core.operations.download import Located
from registry_core.operations.keys import KeyChains, KeyChange
from registry_core.operations.publish import PublishedRelease
from registry_core.operations.trust import Trusted
from registry_core.trust import Verdict

HEAD = "---\nname: review\ndescription: Reviews.\n---\n# Review\n"


async def publish(here: Machine, version: str) -> PublishedRelease:
    folder = here.project / "review"
    folder.mkdir(exist_ok=True)
    (folder / "SKILL.md").write_text(HEAD)
    given = {"path": "review", "name": "@acme/review", "version": version}
    done = await here.desk.invoke("publish", given)
    assert isinstance(done, PublishedRelease)
    return done


async def change(here: Machine, name: str, **given: object) -> KeyChange:
    done = await here.desk.invoke(name, {"namespace": "@acme", **given})
    assert isinstance(done, KeyChange)
    return done


async def trust(here: Machine, version: str) -> Trusted:
    found = await here.desk.invoke("trust", {"ref": f"@acme/review@{version}"})
    assert isinstance(found, Trusted)
    return found


async def standings(here: Machine) -> dict[str, str]:
    found = await here.desk.invoke("keys", {"namespaces": ["acme"]})
    assert isinstance(found, KeyChains)
    return {entry.key: entry.standing for entry in found.chains[0].keys}


@pytest.fixture
def files(here: Machine) -> Keyfiles:
    files = Keyfiles(here.settings.key_file)
    files.generate()
    return files


async def test_a_key_is_rotated_and_what_it_signs_next_is_trusted(here: Machine, files: Keyfiles):
    first = await publish(here, "1.0.0")
    change_ = await change(here, "rotate")
    second = await publish(here, "1.1.0")
    assert change_.in_use == [second.signer]
    assert await standings(here) == {first.signer: "retired", second.signer: "current"}
    assert second.warnings == []
    judged = await trust(here, "1.1.0")
    assert (judged.verdict, judged.continuity) == (Verdict.TRUSTED, "rotated")
    assert (await trust(here, "1.0.0")).continuity == "first"
    await change(here, "rotate")
    assert len(await standings(here)) == 3


async def test_an_interrupted_rotation_is_finished_by_running_it_again(
    here: Machine, files: Keyfiles, monkeypatch: pytest.MonkeyPatch
):
    await publish(here, "1.0.0")

    def power_goes(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Keyfiles, "advance", power_goes)
        with pytest.raises(KeyboardInterrupt):
            await change(here, "rotate")
    done = await change(here, "rotate")
    assert "interrupted" in done.notes[0]
    assert keyfiles.load(files.current).public_key == done.key
    assert (await publish(here, "1.1.0")).warnings == []


async def test_without_a_next_key_here_a_committed_rotation_says_where_it_is_needed(
    here: Machine, files: Keyfiles, tmp_path: Path
):
    await publish(here, "1.0.0")
    away = tmp_path / "usb.key"
    files.next.rename(away)
    with pytest.raises(Invalid, match="no signing key at"):
        await change(here, "rotate")
    assert (await change(here, "rotate", next_key=str(away))).in_use == [
        keyfiles.load(away).public_key
    ]


async def test_a_namespace_that_committed_to_nothing_does_so_by_its_first_rotation(here: Machine):
    keyfiles.create(here.settings.key_file)
    await publish(here, "1.0.0")
    await change(here, "rotate")
    found = await here.desk.invoke("keys", {"namespaces": ["acme"]})
    assert isinstance(found, KeyChains)
    assert found.chains[0].next


async def test_a_key_is_added_with_the_next_keys_word(here: Machine, files: Keyfiles, tmp_path):
    await publish(here, "1.0.0")
    added = keyfiles.create(tmp_path / "ci.key")
    with pytest.raises(Invalid, match="which key"):
        await change(here, "add_key")
    done = await change(here, "add_key", added=str(tmp_path / "ci.key"))
    assert set(done.in_use) == {keyfiles.load(files.current).public_key, added.public_key}


async def test_a_revoked_key_takes_back_what_it_signed_and_stays_withdrawn(
    here: Machine, files: Keyfiles
):
    signed = await publish(here, "1.0.0")
    done = await change(here, "revoke_key", key=signed.signer, since=0, reason="stolen")
    assert done.in_use == []
    judged = await trust(here, "1.0.0")
    assert (judged.verdict, judged.continuity) == (Verdict.REFUSE, "revoked")
    with pytest.raises(Forbidden, match="compromised"):
        await here.desk.invoke("unyank", {"ref": "@acme/review@1.0.0"})
    rotated = await change(here, "rotate")
    assert rotated.in_use == [(await publish(here, "1.0.1")).signer]


async def test_a_key_revoked_from_now_on_keeps_what_it_signed(here: Machine, files: Keyfiles):
    signed = await publish(here, "1.0.0")
    await change(here, "revoke_key", key=signed.signer)
    assert (await trust(here, "1.0.0")).verdict is Verdict.TRUSTED


async def test_lost_keys_are_recovered_with_the_recovery_key(
    here: Machine, files: Keyfiles, tmp_path: Path
):
    await publish(here, "1.0.0")
    away = tmp_path / "paper.key"
    files.recovery.rename(away)
    shutil.rmtree(files.current.parent)
    Keyfiles(here.settings.key_file).generate()
    done = await change(here, "recover", recovery_key=str(away))
    assert done.in_use == [(await publish(here, "1.1.0")).signer]
    assert (await trust(here, "1.1.0")).continuity == "recovered"


async def test_the_owner_of_the_registry_recovers_with_a_delay(here: Machine, files: Keyfiles):
    await publish(here, "1.0.0")
    new = commitment("00" * 32)  # any 64 hex characters that nobody has
    done = await change(here, "recover", key=new)
    assert new not in done.in_use
    assert (await standings(here))[new] == "pending"
    with pytest.raises(Conflict):
        await change(here, "recover", key=keyfiles.load(files.current).public_key)


async def test_what_has_no_keys_yet_cannot_change_them(here: Machine, files: Keyfiles):
    with pytest.raises(NotFound):
        await change(here, "rotate")
    with pytest.raises(Invalid, match="which namespace"):
        await here.desk.invoke("rotate", {})


async def test_each_release_says_which_it_follows(here: Machine, files: Keyfiles):
    first = await publish(here, "1.0.0")
    await publish(here, "2.0.0")
    await publish(here, "1.0.1")
    for version, before in (("1.0.0", None), ("1.0.1", first.sha256), ("2.0.0", first.sha256)):
        located = await here.desk.invoke("download", {"ref": f"@acme/review@{version}"})
        assert isinstance(located, Located)
        found = ctxpkg.read(await here.registry.blobs.get(located.sha256))
        assert found.attestation is not None
        assert found.attestation.stated.get("prev") == before
