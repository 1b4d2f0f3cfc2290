"""The commands on packages, one after the other as a user gives them, on an embedded registry."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from shell import EXAMPLES, Shell, process

from world import package

HEAD = "---\nname: evil\ndescription: Red.\n---\n"
SKILL = ".agents/skills/flaky-tests/SKILL.md"


@pytest.fixture
def shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Shell:
    return Shell.at(tmp_path, monkeypatch, capsys)


@pytest.fixture
def stocked(shell: Shell) -> Shell:
    shell.publish_all()
    return shell


def flip(file: Path, behind: bytes) -> None:
    data = bytearray(file.read_bytes())
    data[data.index(behind) + len(behind)] ^= 1
    file.write_bytes(data)


# -- keys and packing ----------------------------------------------------------------------------


def test_a_key_is_made_once_and_never_shown(shell: Shell) -> None:
    made = shell.ok("keygen", "--json")
    kept = (shell.folder / "signing.key").read_text().strip()
    assert kept not in made.out + made.err
    assert len(made.json["public_key"]) == 64
    assert shell("keygen").code == 8


def test_a_key_can_be_kept_elsewhere(shell: Shell) -> None:
    made = shell.ok("keygen", "-o", "ci.key", "--json").json
    assert made["path"] == "ci.key"
    assert Path("ci.key").stat().st_mode & 0o077 == 0


def test_packing_writes_a_signed_file_that_publishes_as_it_is(shell: Shell) -> None:
    shell.ok("keygen")
    source = str(EXAMPLES / "flaky-tests")
    made = shell.ok("pack", source, "--name", "@demo/flaky-tests", "--version", "2.0.0", "--json")
    assert made.json["path"] == "demo-flaky-tests-2.0.0.ctxpkg"
    assert shell.ok("verify", made.json["path"], "--json").json["ok"]
    done = shell.ok("publish", made.json["path"], "--json").json
    assert done["published"] == made.json["ref"] == "@demo/flaky-tests@2.0.0"
    assert done["sha256"] == made.json["sha256"]


def test_packing_writes_over_no_other_file(shell: Shell) -> None:
    shell.ok("keygen")
    Path("mine.txt").write_text("mine")
    words = ("pack", str(EXAMPLES / "flaky-tests"), "--name", "@demo/x", "-o", "mine.txt")
    assert shell(*words).code == 8
    assert Path("mine.txt").read_text() == "mine"


def test_without_a_key_publishing_says_how_to_make_one(shell: Shell) -> None:
    said = shell("publish", str(EXAMPLES / "flaky-tests"), "--name", "@demo/x")
    assert said.code == 2
    assert "ctxmcp keygen" in said.err


# -- publishing and finding ----------------------------------------------------------------------


def test_a_version_is_published_once(stocked: Shell) -> None:
    said = stocked("publish", str(EXAMPLES / "flaky-tests"), "--name", "@demo/flaky-tests")
    assert said.code == 8


def test_a_dry_run_publishes_nothing(shell: Shell) -> None:
    shell.ok("keygen")
    said = shell.publish("flaky-tests", "--dry-run")
    assert said.out.startswith("would publish @demo/flaky-tests@1.1.0")
    assert shell.ok("search", "flaky", "--json").json["hits"] == []


def test_a_search_prints_aligned_lines_and_the_same_in_json(stocked: Shell) -> None:
    found = stocked.ok("search", "why", "does", "a", "test", "fail", "only", "sometimes", "--json")
    assert found.json["hits"][0]["ref"] == "@demo/flaky-tests@1.1.0"
    lines = stocked.ok("search", "--limit", "3").out.splitlines()
    assert len({line.index("signed") for line in lines[:3]}) == 1
    assert lines[3].startswith("1 more: --cursor ")


def test_a_search_is_narrowed_by_kind_and_tags(stocked: Shell) -> None:
    kinds = stocked.ok("find", "-k", "agent", "--json").json["hits"]
    assert [hit["kind"] for hit in kinds] == ["agent"]
    tagged = stocked.ok("search", "-t", "testing", "--tag", "ci", "--json").json["hits"]
    assert [hit["ref"] for hit in tagged] == ["@demo/flaky-tests@1.1.0"]
    assert stocked.ok("search", "-t", "nothing-like-it").out == "nothing found\n"


@pytest.mark.parametrize("name", ["inspect", "info", "view"])
def test_inspect_shows_what_is_in_a_package(stocked: Shell, name: str) -> None:
    said = stocked.ok(name, "demo/changelog-writer").out
    assert "@demo/changelog-writer@1.0.0  agent, signed" in said
    assert "system-prompt.md" in said
    assert "  # Changelog writer" in said


def test_inspecting_one_file_prints_that_file_and_nothing_else(stocked: Shell) -> None:
    path = "references/causes.md"
    said = stocked.ok("inspect", "@demo/flaky-tests", "--path", path)
    assert said.out == (EXAMPLES / "flaky-tests" / path).read_text()


def test_versions_name_the_latest_the_channels_and_the_yanked(stocked: Shell) -> None:
    stocked.publish("flaky-tests", "--version", "1.2.0")
    stocked.ok("channel", "@demo/flaky-tests@1.1.0", "beta")
    stocked.ok("yank", "@demo/flaky-tests@1.1.0", "has", "a", "typo")
    newest, oldest = stocked.ok("versions", "@demo/flaky-tests").out.splitlines()[1:]
    assert newest.endswith("latest")
    assert oldest.endswith("beta, yanked: has a typo")


# -- installing ----------------------------------------------------------------------------------


def test_what_was_installed_verifies_and_one_flipped_byte_ends_with_6(stocked: Shell) -> None:
    said = stocked.ok("install", "@demo/flaky-tests", "demo/changelog-writer", "-q")
    assert said.out.startswith(f"installed into {stocked.project}\n")
    assert stocked.ok("verify").out.count("ok  @demo/") == 2
    flip(stocked.project / SKILL, b"# Flaky ")
    said = stocked("verify")
    assert said.code == 6
    assert "BAD @demo/flaky-tests@1.1.0" in said.out
    assert SKILL in said.out
    answer = stocked("verify", "--json")
    assert (answer.code, answer.json["ok"]) == (6, False)


def test_adding_and_removing_leave_the_project_as_it_was(stocked: Shell) -> None:
    stocked.ok("add", "@demo/flaky-tests@^1.0", "--json")
    assert (stocked.project / SKILL).is_file()
    gone = stocked.ok("rm", "@demo/flaky-tests", "--json").json
    assert gone["removed"] == ["@demo/flaky-tests@1.1.0"]
    assert not (stocked.project / SKILL).exists()
    assert stocked("remove", "@demo/flaky-tests").code == 3


def test_a_dry_run_of_an_installation_shows_the_plan_and_writes_nothing(stocked: Shell) -> None:
    said = stocked.ok("install", "@demo/flaky-tests", "--dry-run")
    assert said.out.startswith("would install\n  @demo/flaky-tests@1.1.0  skill  ")
    assert list(stocked.project.iterdir()) == []


def test_frozen_without_a_lock_ends_with_8(stocked: Shell) -> None:
    assert stocked("install", "@demo/flaky-tests", "--frozen").code == 8


def test_nothing_that_matches_ends_with_3(stocked: Shell) -> None:
    assert stocked("install", "@demo/flaky-tests@^9").code == 3
    assert stocked("install", "@demo/unheard-of").code == 3


def test_another_project_is_installed_into_and_paths_stay_the_users_own(stocked: Shell) -> None:
    other = stocked.folder / "other"
    other.mkdir()
    stocked.ok("--project", str(other), "install", "@demo/flaky-tests")
    assert (other / SKILL).is_file()
    stocked.ok("download", "@demo/flaky-tests", "-o", "here.ctxpkg", "--project", str(other))
    assert (stocked.project / "here.ctxpkg").is_file()
    assert stocked.ok("verify", "here.ctxpkg", "--project", str(other)).out.startswith("ok  ")
    assert "@demo/flaky-tests@1.1.0" in stocked.ok("verify", "--project", str(other)).out


def test_an_altered_file_is_refused_by_verify_and_by_publish(stocked: Shell) -> None:
    stocked.ok("pack", str(EXAMPLES / "flaky-tests"), "--name", "@demo/new", "-o", "new.ctxpkg")
    flip(Path("new.ctxpkg"), b'"path": "')
    assert stocked("verify", "new.ctxpkg").code == 6
    said = stocked("publish", "new.ctxpkg", "--json")
    assert (said.code, said.json["code"]) == (6, "rejected")


def test_bytes_that_are_no_package_end_with_6(shell: Shell) -> None:
    Path("broken.ctxpkg").write_text('{"manifest": 1}')
    said = shell("publish", "broken.ctxpkg", "--json")
    assert (said.code, said.json["code"]) == (6, "invalid_package")


# -- trust and what an owner changes -------------------------------------------------------------


def test_the_verdict_is_given_with_reasons_and_a_refusal_ends_with_7(stocked: Shell) -> None:
    said = stocked.ok("trust", "@demo/flaky-tests")
    assert said.out.startswith("trusted  @demo/flaky-tests@1.1.0\n  - signed by ")
    stocked.ok("yank", "@demo/flaky-tests@1.1.0", "it lies")
    said = stocked("trust", "@demo/flaky-tests@1.1.0")
    assert said.code == 7
    assert "it lies" in said.out
    stocked.ok("unyank", "@demo/flaky-tests@1.1.0")
    assert stocked.ok("trust", "@demo/flaky-tests", "--detail", "full", "--json").json["report"]


def test_a_package_can_be_made_private_and_public_again(stocked: Shell) -> None:
    said = stocked.ok("visibility", "@demo/flaky-tests", "private")
    assert said.out == "@demo/flaky-tests is private\n"
    seen = stocked.ok("inspect", "@demo/flaky-tests", "--json").json
    assert seen["visibility"] == "private"
    stocked.ok("visibility", "@demo/flaky-tests", "public")


def test_a_channel_is_a_name_for_a_version(stocked: Shell) -> None:
    stocked.publish("flaky-tests", "--version", "2.0.0-rc.1")
    stocked.ok("channel", "@demo/flaky-tests@2.0.0-rc.1", "next")
    assert stocked.ok("trust", "@demo/flaky-tests@next", "--json").json["ref"].endswith("-rc.1")


def test_every_command_prints_one_json_document_and_nothing_else(stocked: Shell) -> None:
    package = "@demo/flaky-tests"
    for words in (
        ("search", "tests"),
        ("inspect", package),
        ("trust", package),
        ("versions", package),
        ("download", package),
        ("install", package),
        ("verify",),
        ("verify", f"{package}@1.1.0"),
        ("yank", f"{package}@1.1.0", "why not"),
        ("unyank", f"{package}@1.1.0"),
        ("visibility", package, "public"),
        ("channel", f"{package}@1.1.0", "beta"),
        ("remove", package),
    ):
        said = stocked.ok(*words, "--json")
        assert isinstance(said.json, dict), words
        assert said.err == "", words


# -- what is printed -----------------------------------------------------------------------------


def test_what_would_drive_a_terminal_does_not_enter(shell: Shell) -> None:
    text = "red \x1b[31mtext\x1b]0;title\x07, \u202eleft\u2066, \U000e0041tag, \x9b2Jclear"
    made = package("@demo/evil", description=text, files={"SKILL.md": f"{HEAD}\x1b[2J# Body\r\n"})
    Path("evil.ctxpkg").write_bytes(made)
    refused = shell("publish", "evil.ctxpkg")
    assert refused.code == 6
    assert not {"\x1b", "\u202e", "\u2066", "\U000e0041", "\x9b", "\x07"} & set(refused.err)


def test_a_command_whose_output_is_no_terminal_prints_no_colours_and_no_bars(
    stocked: Shell,
) -> None:
    environment = {"NO_COLOR": ""}
    words = ("-m", "ctxmcp", "install", "@demo/flaky-tests", "--project", str(stocked.project))
    done = process(stocked.folder, *words, environment=environment)
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout + done.stderr
    assert done.stderr == ""


# -- serving -------------------------------------------------------------------------------------


def test_a_served_registry_is_used_like_the_embedded_one(
    stocked: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading = ("--namespace", "demo", "--scope", "read")
    made = stocked.ok("token", "create", *reading, "--name", "t", "--json").json
    words = ["serve", "--port", "0", "--data-dir", str(stocked.folder / "registry")]
    with subprocess.Popen(
        [sys.executable, "-m", "ctxmcp", *words], stderr=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stderr is not None
            url = next(w for w in server.stderr.readline().split() if w.startswith("http://"))
            remote = ("--registry", url)
            assert stocked.ok("install", "@demo/flaky-tests", *remote).code == 0
            monkeypatch.setenv("CTXPKG_TOKEN", made["token"])
            assert stocked("yank", "@demo/flaky-tests@1.1.0", "x", *remote).code == 4
            monkeypatch.setenv("CTXPKG_TOKEN", "")  # at this machine that is the owner
            assert stocked("yank", "@demo/flaky-tests@1.1.0", "x", *remote).code == 0
        finally:
            server.terminate()
    assert server.returncode == 0
