"""The command line, run as a user runs it, on an embedded registry."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import ctxmcp
from ctxmcp import cli
from ctxmcp.cli.endings import EXIT_CODES, Ending, ending
from registry_core import errors
from registry_core.operations import CATALOG

EXAMPLES = Path(ctxmcp.__file__).parent / "examples"


@dataclass(frozen=True)
class Said:
    """What a command said, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output, which has to be one JSON document and nothing else."""
        return json.loads(self.out)


@dataclass(frozen=True)
class Shell:
    """A user at a prompt in a project folder."""

    folder: Path
    capture: pytest.CaptureFixture[str]

    def __call__(self, *words: str) -> Said:
        self.capture.readouterr()
        code = cli.run(words)
        out, err = self.capture.readouterr()
        return Said(code, out, err)

    def ok(self, *words: str) -> Said:
        said = self(*words)
        assert said.code == 0, said
        return said

    def publish(self, example: str, *more: str) -> Said:
        name = f"@demo/{Path(example).stem.replace('_', '-')}"
        return self.ok("publish", str(EXAMPLES / example), "--name", name, *more)


@pytest.fixture
def shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Shell:
    for name, value in surroundings(tmp_path).items():
        monkeypatch.setenv(name, value)
    for name in ("CTXPKG_REGISTRY", "CTXPKG_TOKEN", "CTXMCP_DEBUG", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    return Shell(tmp_path, capsys)


def surroundings(folder: Path) -> Mapping[str, str]:
    return {
        "HOME": str(folder / "home"),
        "XDG_DATA_HOME": str(folder / "data"),
        "XDG_CONFIG_HOME": str(folder / "config"),
        "CTXMCP_DATA_DIR": str(folder / "registry"),
        "CTXMCP_KEY": str(folder / "signing.key"),
        "NO_COLOR": "1",
    }


def process(folder: Path, *command: str, **more: Any) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **surroundings(folder), "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(
        [sys.executable, *command],
        env=environment,
        cwd=folder,
        text=True,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        **more,
    )


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
    listed = {line.split()[0] for line in said.out.splitlines() if line.startswith("  ")}
    assert {*CATALOG, "remove", "pack", "keygen", "token", "serve", "mcp", "demo"} <= listed


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
        environment = {**os.environ, **surroundings(tmp_path)}
        done = subprocess.run(
            [sys.executable, "-m", "ctxmcp", "token", "list"],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=gone,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert (done.returncode, done.stderr) == (0, b"")


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
    assert (made["namespace"], made["scope"], made["name"]) == ("acme", "publish", "laptop")
    revoked = shell.ok("token", "revoke", made["id"], "--json").json
    assert revoked["revoked_at"]
    listed = shell.ok("token", "list", "--namespace", "acme", "--json").json["tokens"]
    assert listed == [revoked]
    assert "token" not in revoked


def test_an_unknown_token_cannot_be_revoked(shell: Shell) -> None:
    assert shell("token", "revoke", "nothing").code == 3
