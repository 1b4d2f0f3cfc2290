"""Text for terminals: nothing that they would obey, in columns, cut where they end."""

from __future__ import annotations

import json
import os
import pty
import re
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shell import Shell, process

from ctxmcp import terminal
from ctxmcp.settings import manners
from ctxmcp.terminal import Paper, aligned, cut, harmless, json_text, one_line, width


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]8;;https://evil.example\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x9b31mred", "red"),
        ("a\rb\x08c\x00", "abc"),
        ("\u202egnp.exe\u202c", "gnp.exe"),
        ("tag\U000e0041\U000e007f", "tag"),
        ("two\r\nlines\tand a tab", "two\nlines\tand a tab"),
        ("caf\u00e9, \u4e2d\u6587, \U0001f469\u200d\U0001f52c", "café, 中文, 👩\u200d🔬"),
        ("an end \x1b", "an end "),
    ],
)
def test_what_a_terminal_would_obey_is_removed_and_all_else_stays(text: str, left: str) -> None:
    assert harmless(text) == left


@given(st.text())
def test_no_text_keeps_a_control_character_but_newline_and_tab(text: str) -> None:
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", harmless(text))


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_escaping_for_a_terminal_changes_the_text_of_json_and_not_its_meaning(text: str) -> None:
    written = json_text(json.dumps({"text": text}, ensure_ascii=False))
    assert json.loads(written) == {"text": text}
    assert harmless(written) == written


def test_one_line_is_one_line() -> None:
    assert one_line("  a\n\n b\tc ") == "a b c"


def test_columns_are_aligned_by_what_characters_take() -> None:
    rows = [("中文", "x"), ("abcdef", "y")]
    assert aligned(rows, Paper()) == ["中文    x", "abcdef  y"]


def test_a_line_is_cut_where_the_terminal_ends_and_nowhere_else() -> None:
    rows = [("name", "word " * 40)]
    assert width(aligned(rows, Paper(40, cuts=True))[0]) <= 40
    assert aligned(rows, Paper(40))[0].endswith("word")
    assert cut("abcdef", 4) == "abc…"
    assert cut("中文中文", 5) == "中文…"


@pytest.mark.parametrize(
    ("environment", "colour", "still"),
    [
        ({}, None, False),
        ({"NO_COLOR": "1"}, False, False),
        ({"NO_COLOR": ""}, None, False),
        ({"FORCE_COLOR": "1"}, True, False),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False, False),
        ({"TERM": "dumb"}, False, True),
        ({"CI": "true"}, None, True),
    ],
)
def test_the_environment_says_how_to_behave(
    *, environment: dict[str, str], colour: bool | None, still: bool
) -> None:
    wanted = manners(environment)
    assert (wanted.colour, wanted.still) == (colour, still)


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
@pytest.mark.parametrize(
    ("environment", "bar"),
    [({"TERM": "xterm"}, True), ({"TERM": "dumb"}, False), ({"CI": "1"}, False)],
)
def test_a_bar_moves_on_a_terminal_alone(
    *,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    environment: dict[str, str],
    bar: bool,
) -> None:
    shell = Shell.at(tmp_path, monkeypatch, capsys)
    shell.ok("keygen")
    shell.publish("flaky-tests")
    ours, theirs = pty.openpty()
    words = ("-m", "ctxmcp", "install", "@demo/flaky-tests", "--project", str(shell.project))
    done = process(tmp_path, *words, stderr=theirs, environment=environment)
    os.close(theirs)
    assert done.returncode == 0
    assert "\x1b" not in done.stdout
    assert (b"\x1b" in _rest(ours)) is bar


def _rest(descriptor: int) -> bytes:
    read = b""
    try:
        while part := os.read(descriptor, 4096):
            read += part
    except OSError:  # how Linux says that the other end is closed
        pass
    finally:
        os.close(descriptor)
    return read


def test_paper_that_is_no_terminal_is_eighty_columns_and_cuts_nothing() -> None:
    assert terminal.look() == Paper(80, cuts=False)
