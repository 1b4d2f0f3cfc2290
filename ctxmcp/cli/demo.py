"""The demonstration: all of the registry in a few seconds, offline, leaving nothing behind.

It takes the place of the user, in a temporary folder with a registry, a key, a home and a project
of its own: each step is printed as the command that a user would type, and is that command. What
has to be refused is refused for real; a step that ends otherwise than it must ends the play.
"""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import sys
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import click

from ctxmcp import __version__, cli, keyfiles, terminal
from ctxmcp.cli.agents import one_liners, program
from ctxmcp.cli.endings import EXIT_CODES, Ending
from ctxmcp.settings import Settings
from registry_core.errors import Internal
from registry_core.formats import ctxpkg
from registry_core.names import Kind, PackageName, Version

NAMESPACE = "@demo"
_NOT_EXAMPLES = shutil.ignore_patterns("__pycache__", "*.pyc")


@dataclass(frozen=True, slots=True)
class Step:
    """One command of the play, and how it has to end."""

    words: tuple[str, ...]
    why: str = ""
    ends: Ending = Ending.OK

    @property
    def typed(self) -> str:
        """The command as a user types it."""
        return " ".join(["ctxmcp", *(f'"{w}"' if " " in w else w for w in self.words)])


@dataclass(frozen=True, slots=True)
class Theatre:
    """The temporary folder and what is in it."""

    folder: Path
    as_json: bool
    played: list[dict[str, Any]] = field(default_factory=list)

    @property
    def project(self) -> Path:
        """The sample project."""
        return self.folder / "project"

    @property
    def settings(self) -> Settings:
        """Settings that know this folder alone."""
        return Settings(
            data_dir=self.folder / "registry",
            key_file=self.folder / "signing.key",
            tools_dir=self.folder / "tools",
            home=self.folder / "home",
        )

    def build(self) -> None:
        """Lay out the examples, and a project that is worked on with Claude Code."""
        with as_file(files("ctxmcp") / "examples") as examples:
            shutil.copytree(examples, self.folder / "examples", ignore=_NOT_EXAMPLES)
        (self.project / ".claude").mkdir(parents=True)

    def say(self, text: str) -> None:
        """Say something to who watches."""
        if not self.as_json:
            terminal.put(text)

    def run(self, step: Step) -> None:
        """Print a command, run it, and see that it ends as it has to."""
        if step.why:
            self.say(f"\n{step.why}")
        self.say(click.style(f"$ {step.typed}", bold=True))
        code = self._answered(step) if self.as_json else self._watched(step)
        if code == Ending.INTERRUPTED:
            raise KeyboardInterrupt
        if code != step.ends:
            raise Internal(f"the demo's `{step.typed}` ended with {code}, not {int(step.ends)}")

    def _watched(self, step: Step) -> int:
        # Talk goes where the data goes, so that both are read in their order.
        with contextlib.redirect_stderr(sys.stdout):
            code = cli.run(step.words, self._said())
        if code != Ending.OK:
            terminal.put(f"(exit code {code}: {EXIT_CODES[code]})")
        return code

    def _answered(self, step: Step) -> int:
        heard = io.StringIO()
        with contextlib.redirect_stdout(heard), contextlib.redirect_stderr(io.StringIO()):
            code = cli.run([*step.words, "--json"], self._said())
        answer = json.loads(heard.getvalue())
        self.played.append({"command": step.typed, "exit_code": int(code), "answer": answer})
        return code

    def _said(self) -> dict[str, Any]:
        paper = terminal.Paper(terminal.look().columns, cuts=True)
        return {"settings": self.settings, "project": self.project, "quiet": True, "paper": paper}


def play(*, as_json: bool = False) -> int:
    """Play it all. Raises Internal where a step ends otherwise than it must."""
    with tempfile.TemporaryDirectory(prefix="ctxmcp-demo-") as folder:
        theatre = Theatre(Path(folder).resolve(), as_json)
        theatre.build()
        with contextlib.chdir(theatre.project):
            _acts(theatre)
    connecting = one_liners(program())
    if as_json:
        found = {"steps": theatre.played, "connect": dict(connecting)}
        terminal.put(json.dumps(found, ensure_ascii=False, indent=2))
    else:
        _farewell(connecting)
    return Ending.OK


def _acts(theatre: Theatre) -> None:
    theatre.say(f"A registry, a key and a project for this demo alone, in {theatre.folder}.")
    for act in (_publish, _choose, _install, _tamper):
        act(theatre)


def _publish(theatre: Theatre) -> None:
    theatre.run(Step(("keygen",), "Everything published is signed with a key of yours."))
    facts = theatre.folder / "examples/sqlite-facts"
    facts.with_suffix(".ctxpkg").write_bytes(_context(facts.with_suffix(".json"), theatre.settings))
    named = "--name"
    for words in (
        ("../examples/commit-messages", named, f"{NAMESPACE}/commit-messages"),
        ("../examples/flaky-tests", named, f"{NAMESPACE}/flaky-tests"),
        ("../examples/changelog-writer",),
        ("../examples/json_outline.py", named, f"{NAMESPACE}/json-outline"),
        ("../examples/sqlite-facts.ctxpkg",),
    ):
        first = words[0].endswith("commit-messages")
        why = "Publish two skills, an agent, a tool and a package of knowledge." if first else ""
        theatre.run(Step(("publish", *words), why))


def _choose(theatre: Theatre) -> None:
    package = f"{NAMESPACE}/flaky-tests"
    theatre.run(Step(("search", "why does this test fail only sometimes"), "Search by the task."))
    skill = theatre.folder / "examples/flaky-tests/SKILL.md"
    opening = len(skill.read_text("utf-8").partition("\n## ")[0])
    words = ("inspect", package, "--limit", str(opening))
    theatre.run(Step(words, "Look inside before anything is installed."))
    theatre.run(Step(("trust", package), "Ask for a verdict, and its reasons."))


def _install(theatre: Theatre) -> None:
    names = ("flaky-tests", "changelog-writer", "json-outline", "sqlite-facts")
    refs = tuple(f"{NAMESPACE}/{name}" for name in names)
    why = "Install one of each kind into a project: downloaded, verified, put in place, locked."
    theatre.run(Step(("install", *refs), why))
    theatre.run(Step(("verify",), "Verify what is installed: offline, every file, any time."))


def _tamper(theatre: Theatre) -> None:
    skill = ".agents/skills/flaky-tests/SKILL.md"
    _flip(theatre.project / skill, b"# Flaky tests")
    why = f"Now somebody changes one byte of {skill}."
    theatre.run(Step(("verify",), why, ends=Ending.VERIFICATION))
    source, altered = "../examples/commit-messages", "next.ctxpkg"
    named = ("--name", f"{NAMESPACE}/commit-messages", "--version", "1.0.1")
    why = "And one byte of a signed package on its way to the registry."
    theatre.run(Step(("pack", source, *named, "-o", altered), why))
    _flip(theatre.project / altered, b'"path": "')
    theatre.run(Step(("publish", altered), ends=Ending.VERIFICATION))


def _flip(file: Path, behind: bytes) -> None:
    """Change one bit of a file, right behind some bytes of it."""
    data = bytearray(file.read_bytes())
    data[data.index(behind) + len(behind)] ^= 1
    file.write_bytes(data)


def _context(source: Path, settings: Settings) -> bytes:
    """Make a package of knowledge, in the shape lean-ctx exports, of a file of facts."""
    facts = json.loads(source.read_text("utf-8"))
    moment = datetime.now(UTC).replace(microsecond=0)  # noqa: TID251 - the user's clock
    written = moment.isoformat().replace("+00:00", "Z")
    knowledge = {
        "facts": [_fact(fact, written) for fact in facts["facts"]],
        "patterns": [],
        "insights": [],
        "exported_at": written,
    }
    return ctxpkg.write(
        kind=Kind.CONTEXT,
        name=PackageName.parse(facts["name"]),
        version=Version.parse(facts["version"]),
        description=facts["description"],
        files=(),
        created_at=moment,
        key=keyfiles.load(settings.key_file),
        tool_version=__version__,
        author=facts["author"],
        license=facts["license"],
        tags=facts["tags"],
        content_extra={"knowledge": knowledge},
    )


def _fact(fact: dict[str, str], moment: str) -> dict[str, Any]:
    # lean-ctx writes all of these, in this order, and hashes what it would write.
    return {
        "origin": {"kind": "local"},
        **fact,
        "source_session": "demo",
        "confidence": 0.9,
        "created_at": moment,
        "last_confirmed": moment,
        "retrieval_count": 0,
        "last_retrieved": None,
        "valid_from": moment,
        "valid_until": None,
        "supersedes": None,
        "confirmation_count": 1,
        "feedback_up": 0,
        "feedback_down": 0,
        "last_feedback": None,
        "privacy": "project_only",
        "sensitivity": "public",
        "imported_from": None,
        "archetype": "fact",
        "fidelity": None,
        "revision_count": 1,
    }


def _farewell(connecting: list[tuple[str, str]]) -> None:
    terminal.put("\nThat was all of it; the folder is gone. To let your agent use the registry:\n")
    for host, line in connecting:
        terminal.put(f"  {host}\n    {line}")
    terminal.put("\nAnd for yourself: ctxmcp --help")
