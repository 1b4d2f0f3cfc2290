"""Sessions and knowledge on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from shell import Shell


@pytest.fixture
def shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Shell:
    return Shell.at(tmp_path, monkeypatch, capsys)


def test_a_session_is_changed_read_and_listed(shell: Shell) -> None:
    assert "nobody has changed it" in shell.ok("session-get", "feat/auth").out
    assert shell.ok("session-list").out == "no session in default\n"
    change = ("session-mutate", '{"todo": ["tests"], "n": 1}', "--channel", "feat/auth")
    said = shell.ok(*change, "--reasoning", "a checkpoint").out
    assert said.startswith("default:feat/auth  version 1, ")
    assert '"todo": [' in said
    merged = shell.ok("session-mutate", '{"n": null}', "--channel", "feat/auth", "--json")
    assert merged.json["state"] == {"todo": ["tests"]}
    assert shell.ok("session-get", "feat/auth", "--json").json["version"] == 2
    assert shell.ok("session-list").out.startswith("feat/auth  version 2  20")
    assert shell("session-mutate", '{"n": 2}', "--expected-version", "7").code == 8
    refused = shell("session-mutate", "{no json")
    assert refused.code == 2
    assert "this is no JSON" in refused.err


def test_a_workspace_can_be_named(shell: Shell) -> None:
    shell.ok("session-mutate", '{"a": 1}', "--workspace", "team")
    assert shell.ok("session-list", "team", "--json").json["total"] == 1
    assert shell.ok("session-list", "--json").json["total"] == 0


def test_a_fact_is_remembered_contradicted_and_found(shell: Shell) -> None:
    first = shell.ok("knowledge-remember", "token-format", "JWT", "--confidence", "0.9").out
    assert first.startswith("remembered  general/token-format  JWT  20")
    other = shell.ok("knowledge-remember", "token-format", "PASETO").out
    assert other.startswith("superseded  general/token-format  PASETO")
    assert "instead of" in other
    assert "[CONFLICT] owner wrote another value" in other
    assert "PASETO" in shell.ok("knowledge-search", "which", "format", "of", "tokens").out
    assert shell.ok("knowledge-search", "walrus").out == "nothing found\n"
    assert shell.ok("knowledge-search", "format", "--json").json["facts"][0]["confidence"] == 0.8
    assert shell("knowledge-remember", "k", "v", "--confidence", "much").code == 2


def test_an_operation_is_found_by_its_own_name_too(shell: Shell) -> None:
    assert shell.ok("session_get").out == shell.ok("session-get").out
