"""Packing."""

from __future__ import annotations

from pathlib import Path

import pytest

from ctxmcp import pack, settings
from ctxmcp.pack import Label
from registry_core.errors import Invalid, InvalidName, InvalidPackage
from registry_core.formats import Visibility, ctxpkg
from registry_core.names import Kind
from registry_core.signing import SigningKey
from registry_core.verification import verify
from world import KEY, MOMENT, package

HEAD = "---\nname: review\ndescription: Reviews.\nmetadata:\n  version: 1.2.0\n---\n# Review\n"


def made(path: Path, **label: object) -> bytes:
    source = pack.read(path, Label(**label))  # type: ignore[arg-type]
    return pack.pack(source, key=lambda: KEY, created_at=MOMENT)


@pytest.fixture
def skill_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "review"
    folder.mkdir()
    (folder / "SKILL.md").write_text(HEAD)
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o755)
    return folder


def test_a_skill_folder_is_packed_and_signed_the_same_way_every_time(skill_folder: Path) -> None:
    artifact = made(skill_folder, name="@acme/review", private=True)
    read = ctxpkg.read(artifact)
    assert (read.name, read.version, read.kind) == ("@acme/review", "1.2.0", Kind.SKILL)
    assert read.visibility is Visibility.PRIVATE
    assert [file.path for file in read.files if file.executable] == ["run.sh"]
    assert read.signature is not None
    assert read.signature.public_key == KEY.public_key
    assert made(skill_folder, name="@acme/review", private=True) == artifact


def test_what_hides_in_a_text_is_taken_out_before_it_is_signed(skill_folder: Path) -> None:
    (skill_folder / "SKILL.md").write_text(f"{HEAD}ig\u200bnore \u2764\ufe0f\n", encoding="utf-8")
    (skill_folder / "logo.bin").write_bytes(b"\0\x1b\xe2\x80\x8b")
    read = ctxpkg.read(made(skill_folder, name="@acme/review"))
    assert {file.path: file.data for file in read.files if file.path != "run.sh"} == {
        "SKILL.md": f"{HEAD}ignore \u2764\ufe0f\n".encode(),
        "logo.bin": b"\0\x1b\xe2\x80\x8b",
    }
    assert not verify(read).blocking


def test_a_name_without_namespace_and_a_missing_version_say_what_to_give(
    skill_folder: Path,
) -> None:
    with pytest.raises(InvalidName, match="--name @namespace/review"):
        made(skill_folder)
    (skill_folder / "SKILL.md").write_text("---\nname: review\ndescription: d\n---\n")
    with pytest.raises(Invalid, match="--version"):
        made(skill_folder, name="@acme/review")


def test_the_author_of_an_agent_is_its_namespace(tmp_path: Path) -> None:
    (tmp_path / "agent.yaml").write_text(
        "name: helper\nversion: 1.0.0\ndescription: d\nauthor: '@knid'\n"
    )
    (tmp_path / "system-prompt.md").write_text("You help.")
    assert ctxpkg.read(made(tmp_path)).name == "@knid/helper"


def test_a_ctxpkg_is_published_as_it_is_and_takes_no_other_name(tmp_path: Path) -> None:
    path = tmp_path / "x.ctxpkg"
    path.write_bytes(package())

    def no_key() -> SigningKey:
        raise AssertionError

    assert pack.pack(pack.read(path), key=no_key, created_at=MOMENT) == package()
    with pytest.raises(Invalid, match="itself"):
        made(path, name="@acme/other")


def test_what_is_no_package_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="there is no"):
        made(tmp_path / "absent")
    with pytest.raises(InvalidPackage):
        made(tmp_path)


def test_the_time_of_packing_can_be_set_from_outside() -> None:
    read = settings.read(environment={"SOURCE_DATE_EPOCH": "1767323045"})
    assert read.source_date == MOMENT
    assert settings.read(environment={"SOURCE_DATE_EPOCH": "soon"}).source_date is None
