"""The command line itself: starting, options, exit codes, output; and the tokens."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from shell import Shell, process

import ctxmcp
from ctxmcp.cli.endings import EXIT_CODES, Ending, ending
from registry_core import errors
from registry_core.operations import CATALOG


@pytest.fixture
def shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Shell:
    return Shell.at(tmp_path, monkeypatch, capsys)


# -- starting ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "unwanted"),
    [
        (["--version"], {"mcp", "sqlalchemy", "pydantic", "httpx", "rich", "asyncio"}),
        (["--help"], {"mcp", "sqlalchemy", "httpx", "rich", "alembic"}),
        (["search", "--help"], {"mcp", "sqlalchemy", "httpx", "rich", "alembic"}),
        (["token", "create", "--help"], {"mcp", "sqlalchemy", "pydantic", "httpx", "rich"}),
    ],
)
def test_what_is_heavy_is_not_imported_before_it_is_needed(
    tmp_path: Path, words: list[str], unwanted: set[str]
) -> None:
    script = (
        "import sys; from ctxmcp.cli import run; code = run(sys.argv[1:]);"
        "print(*sys.modules, file=sys.stderr); sys.exit(code)"
    )
    done = process(tmp_path, "-c", script, *words)
    assert done.returncode == 0, done.stderr
    assert unwanted & set(done.stderr.split()) == set()


def test_the_version_is_that_of_the_installed_distribution(tmp_path: Path) -> None:
    done = process(tmp_path, "-m", "ctxmcp", "--version")
    assert (done.returncode, done.stdout) == (0, f"ctxmcp {ctxmcp.__version__}\n")


def test_help_lists_every_operation_and_every_command_of_the_program(shell: Shell) -> None:
    said = shell.ok("--help")
    listed = set(re.findall(r"^  ([a-z-]+)  ", said.out, re.MULTILINE))
    operations = {name.replace("_", "-") for name in CATALOG}
    assert operations | {"remove", "pack", "keygen", "token", "serve", "mcp", "demo"} <= listed


def test_every_option_of_an_operation_has_the_words_of_its_field(shell: Shell) -> None:
    for operation in CATALOG.values():
        said = " ".join(shell.ok(operation.name, "--help").out.split())
        for name in operation.input_schema("local")["properties"].keys() - {"project"}:
            field = operation.given.model_fields[name]
            assert (field.description or "").rstrip(".") in said, (operation.name, name)


def test_on_a_terminal_bare_ctxmcp_says_what_to_do_next(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    said = shell.ok()
    assert str(shell.folder / "registry") in said.out
    assert "ctxmcp demo" in said.out
    assert "claude mcp add ctxmcp -- /" in said.out
    assert len(said.out.splitlines()) <= 24
    assert "\x1b" not in said.out


# -- exit codes ----------------------------------------------------------------------------------


def test_every_error_of_the_core_has_a_documented_exit_code() -> None:
    kinds: list[type[errors.RegistryError]] = [errors.RegistryError]
    for kind in kinds:
        kinds.extend(kind.__subclasses__())
        error = kind.__new__(kind)
        assert ending(error) in EXIT_CODES
        assert ending(error) is not Ending.OK


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.Internal("x"), 1),
        (errors.InvalidName("x"), 2),
        (errors.NothingMatches("x"), 3),
        (errors.Forbidden("x"), 4),
        (errors.Unauthenticated("x"), 4),
        (errors.Unavailable("x"), 5),
        (errors.InvalidPackage("x"), 6),
        (errors.Tampered("x", expected="a", found="b"), 6),
        (errors.Untrusted("x"), 7),
        (errors.LockOutOfDate("x"), 8),
    ],
)
def test_an_error_ends_in_the_code_of_its_nearest_class(
    error: errors.RegistryError, code: int
) -> None:
    assert ending(error) == code


@pytest.mark.parametrize(
    "words",
    [
        ("serch", "pdf"),
        ("search", "--frobnicate"),
        ("search", "--kind", "song"),
        ("search", "--limit", "many"),
        ("search", "--limit", "0"),
        ("inspect",),
        ("inspect", "@Not A Name/x"),
        ("yank", "@demo/x", "no version"),
        ("token", "create", "--scope", "root", "--namespace", "a", "--name", "x"),
    ],
)
def test_a_command_that_makes_no_sense_ends_with_2_and_says_why_on_stderr(
    shell: Shell, words: tuple[str, ...]
) -> None:
    said = shell(*words)
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("error: ")
    assert "Traceback" not in said.err


def test_a_mistyped_command_is_answered_with_the_one_that_was_meant(shell: Shell) -> None:
    assert "install" in shell("instal").err


def test_with_json_a_failure_is_one_json_document_too(shell: Shell) -> None:
    for words in (("inspect", "@demo/none"), ("search", "--frobnicate"), ("serch",)):
        said = shell(*words, "--json")
        assert said.json.keys() == {"error", "code", "hint"}
        assert said.code == (3 if said.json["code"] == "not_found" else 2)
        assert said.err.startswith(f"error: {said.json['error']}")


def test_an_unreachable_registry_ends_with_5(shell: Shell) -> None:
    said = shell("search", "x", "--registry", "http://127.0.0.1:9")
    assert said.code == 5
    assert "hint: " in said.err


def test_what_should_not_happen_is_a_line_and_with_debug_a_traceback(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CTXMCP_DATA_DIR", "/dev/null/registry")
    said = shell("search", "x")
    assert said.code == 1
    assert said.err.startswith("error: NotADirectoryError")
    assert "Traceback" not in said.err
    monkeypatch.setenv("CTXMCP_DEBUG", "1")
    with pytest.raises(NotADirectoryError):
        shell("search", "x")


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as gone:
        done = process(tmp_path, "-m", "ctxmcp", "token", "list", stdout=gone)
    assert (done.returncode, done.stderr) == (0, "")


# -- options of every command --------------------------------------------------------------------


def test_options_of_every_command_stand_before_it_or_behind_it(shell: Shell) -> None:
    before = shell.ok("--json", "--data-dir", str(shell.folder / "a"), "token", "list")
    behind = shell.ok("token", "list", "--json", "--data-dir", str(shell.folder / "b"))
    between = shell.ok("token", "--json", "list", "--data-dir", str(shell.folder / "c"))
    assert before.json == behind.json == between.json == {"tokens": []}
    assert all((shell.folder / name).is_dir() for name in "abc")


def test_what_stands_behind_the_command_wins(shell: Shell) -> None:
    shell.ok("--data-dir", str(shell.folder / "a"), "token", "list", "--data-dir", "b")
    assert Path("b").is_dir()
    assert not (shell.folder / "a").exists()


def test_the_environment_names_the_registry_where_no_option_does(shell: Shell) -> None:
    shell.ok("token", "list")
    assert (shell.folder / "registry").is_dir()


def test_a_named_folder_is_meant_even_where_the_environment_names_a_remote_registry(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CTXPKG_REGISTRY", "http://127.0.0.1:9")
    assert shell("search", "x").code == 5
    assert shell.ok("search", "x", "--data-dir", "here", "--json").json["hits"] == []


# -- tokens --------------------------------------------------------------------------------------


def test_a_token_is_printed_alone_and_kept_as_a_digest(shell: Shell) -> None:
    made = shell.ok("token", "create", "--namespace", "@acme", "--scope", "read", "--name", "ci")
    text = made.out.strip()
    assert text.startswith("ctxr_")
    assert len(made.out.splitlines()) == 1
    assert "once" in made.err
    listed = shell.ok("token", "list")
    assert "@acme" in listed.out
    assert text not in listed.out
    stored = b"".join(p.read_bytes() for p in (shell.folder / "registry").iterdir() if p.is_file())
    assert text.encode() not in stored


def test_a_token_can_be_made_listed_and_revoked_in_json(shell: Shell) -> None:
    made = shell.ok("token", "create", "--namespace", "acme", "--name", "laptop", "--json").json
    assert made["token"].startswith("ctxp_")
    assert (made["namespace"], made["scopes"], made["name"]) == ("acme", ["publish"], "laptop")
    revoked = shell.ok("token", "revoke", made["id"], "--json").json
    assert revoked["revoked_at"]
    listed = shell.ok("token", "list", "--namespace", "acme", "--json").json["tokens"]
    assert listed == [revoked]
    assert "token" not in revoked


def test_a_token_of_the_team_server_has_scopes_and_a_role(shell: Shell) -> None:
    made = shell.ok("token", "create", "--scope", "read,write", "--name", "ci-bot", "--json").json
    assert made["token"].startswith("lctx_t_")
    assert made["namespace"] is None
    assert {"search", "events", "sessionMutations", "knowledge"} <= set(made["scopes"])
    assert "audit" not in made["scopes"]
    admin = shell.ok("token", "create", "--role", "admin", "--name", "ops", "--json").json
    assert "audit" in admin["scopes"]
    for words in (["--scope", "publish"], [], ["--scope", "audit", "--namespace", "acme"]):
        assert shell("token", "create", *words, "--name", "x").code == 2


def test_a_token_of_an_account_is_for_whoever_the_owner_says(shell: Shell) -> None:
    made = shell.ok("token", "create", "--account", "@ada", "--name", "laptop", "--json").json
    assert made["token"].startswith("sk_")
    assert made["scopes"] == ["publish"]
    words = ("--account", "ada", "--scope", "push", "--name", "ci", "--json")
    assert shell.ok("token", "create", *words).json["scopes"] == ["push"]
    for wrong in (["--account", "no name"], ["--account", "ada", "--scope", "audit"]):
        assert shell("token", "create", *wrong, "--name", "x").code == 2


def test_an_unknown_token_cannot_be_revoked(shell: Shell) -> None:
    assert shell("token", "revoke", "nothing").code == 3


def test_tokens_are_made_on_the_machine_of_the_registry_alone(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = shell("token", "list", "--registry", "https://ctx.example")
    assert said.code == 2
    assert "Leave --registry away" in said.err
    monkeypatch.setenv("CTXPKG_REGISTRY", "https://ctx.example")
    assert shell.ok("token", "list").out == "there are no tokens\n"


# -- speaking MCP --------------------------------------------------------------------------------

INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}


@pytest.mark.parametrize("words", [(), ("mcp",), ("--toolset", "more", "mcp")])
def test_with_piped_input_nothing_but_protocol_is_on_standard_output(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    asked = json.dumps(INITIALIZE) + "\n"
    done = process(tmp_path, "-m", "ctxmcp", *words, stdin=None, input=asked)
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer["id"] for answer in answers] == [1]
    assert answers[0]["result"]["serverInfo"]["name"] == "ctxmcp"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT to send")
def test_an_interrupted_command_ends_with_130(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "ctxmcp", "mcp", "--data-dir", str(tmp_path / "registry")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdin.write(json.dumps(INITIALIZE) + "\n")
        running.stdin.flush()
        running.stdout.readline()
        running.send_signal(signal.SIGINT)
        said = running.stderr.read()
    assert running.returncode == 130
    assert said.strip().endswith("interrupted")
    assert "Traceback" not in said
