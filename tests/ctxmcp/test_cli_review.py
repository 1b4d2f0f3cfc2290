"""What is held, from the command line: told when published, installed on request, decided on."""

from __future__ import annotations

from pathlib import Path

import pytest
from shell import Shell

from world import SUSPECT, package

REF = "@acme/review@1.0.0"


@pytest.fixture
def shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Shell:
    shell = Shell.at(tmp_path, monkeypatch, capsys)
    Path("suspect.ctxpkg").write_bytes(package(files={"SKILL.md": SUSPECT}))
    return shell


def test_a_publisher_is_told_that_a_release_is_held(shell: Shell) -> None:
    said = shell.ok("publish", "suspect.ctxpkg").out
    assert "HELD" in said
    assert "malware_delivery" in said
    assert "A reviewer of the registry looks at it" in " ".join(said.split())
    assert shell.ok("search", "review").out.strip() == "nothing found"
    assert "HELD: injection/" in shell.ok("versions", "@acme/review").out
    judged = shell("trust", REF)
    assert judged.code == 7
    assert "held until a reviewer" in judged.out


def test_what_is_held_is_installed_only_on_request(shell: Shell) -> None:
    shell.ok("publish", "suspect.ctxpkg")
    refused = shell("install", REF)
    assert refused.code == 3
    assert "include_held" in refused.err
    assert not Path(".agents").exists()
    would = shell.ok("install", REF, "--include-held", "--dry-run")
    assert "HELD" in would.out
    done = shell.ok("install", REF, "--include-held")
    assert "nobody has looked yet" in done.out
    assert Path(".agents/skills/review/SKILL.md").read_text() == SUSPECT
    assert shell("download", "@acme/review").code == 3
    shell.ok("download", REF, "--include-held", "-o", "held.ctxpkg")
    assert Path("held.ctxpkg").read_bytes() == Path("suspect.ctxpkg").read_bytes()


def test_a_reviewer_lists_and_decides(shell: Shell) -> None:
    assert shell.ok("review").out.strip() == "nothing is held"
    shell.ok("publish", "suspect.ctxpkg")
    listed = shell.ok("review").out
    assert REF in listed
    assert "injection/" in listed
    assert shell("review", REF, "--decision", "release").code == 2
    done = shell.ok("review", REF, "--decision", "release", "--reason", "For a talk.")
    assert done.out.strip() == f"{REF} is released: For a talk."
    shell.ok("install", REF)
    shell.ok("revoke", REF, "Over.")
    assert "revoked, and not served any more: Over." in shell("trust", REF).out


def test_scanning_again_says_what_it_did(shell: Shell) -> None:
    shell.ok("publish", "suspect.ctxpkg")
    assert shell.ok("rescan").out.strip() == "today's rules have looked at everything"
    Path("policy.toml").write_text('[rules]\ninjection = "refuse"\n')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CTXMCP_POLICY", "policy.toml")
        done = shell.ok("rescan", "--json").json
        assert (done["total"], done["scanned"], done["changed"]) == (1, 1, [REF])
        assert "everything" in shell.ok("rescan").out
