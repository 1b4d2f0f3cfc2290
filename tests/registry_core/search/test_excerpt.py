"""The window that is shown of a text."""

from __future__ import annotations

import pytest

from registry_core.names import Kind
from registry_core.search import Entry
from registry_core.search.excerpt import (
    READ,
    WINDOW,
    Shown,
    Sought,
    around,
    explained,
    plain,
    window,
)


@pytest.mark.parametrize("at", [0, 1, 100, 140, 500, 995])
def test_a_window_holds_its_place_and_is_about_as_long_as_said(at: int) -> None:
    text = " ".join(f"w{n:03}" for n in range(200))
    word = text[at:].split()[0]
    cut = window(text, at)
    assert word in cut
    assert WINDOW - 45 <= len(cut) <= WINDOW + 2
    assert cut.strip("…") in text


def test_a_text_without_blanks_is_cut_all_the_same() -> None:
    text = "数" * 500
    assert window(text, 0) == "数" * WINDOW + "…"
    assert window(text, 400) == "…" + "数" * WINDOW


def test_a_short_text_is_shown_whole() -> None:
    assert window("short", 0) == "short"
    assert window("", 0) == ""


def test_plain_text_has_no_control_or_direction_characters() -> None:
    assert plain("a\x00\tb\u202e\u2066c\n\n d\x7f") == "a b c d"


def test_the_snippet_is_the_passage_with_most_of_what_was_asked() -> None:
    filler = "Nothing to see in this sentence. " * 30
    body = f"Rotates things. {filler}Rotates the certificates of a cluster. {filler}Rotates."
    entry = Entry(key="k", name="n", kind=Kind.SKILL, namespace="a", description="Rota", body=body)
    sought = Sought.of({"rotat": 1.0, "certif": 2.0, "cluster": 2.0})
    matched, snippet, held = explained(Shown.of(entry), sought, "")
    assert matched == ("body",)
    assert held == {"rotat", "certif", "cluster"}
    assert "certificates of a cluster" in snippet


def test_a_passage_is_found_between_characters_of_several_bytes() -> None:
    body = "猫 " * 300 + "🚀 rotates the certificates ✅ " + "犬 " * 300
    entry = Entry(key="k", name="n", kind=Kind.SKILL, namespace="a", body=body)
    matched, snippet, _ = explained(Shown.of(entry), Sought.of({"certif": 1.0}), "")
    assert matched == ("body",)
    assert "🚀 rotates the certificates ✅" in snippet
    assert WINDOW - 45 <= len(snippet) <= WINDOW + 2


@pytest.mark.parametrize("at", range(6))
def test_a_cut_amid_a_character_leaves_it_out(at: int) -> None:
    assert around("a🚀b".encode(), at) == "a🚀b"[: 1 if 1 < at < 5 else None] + "b" * (1 < at < 5)


def test_a_body_is_kept_to_its_limit_in_bytes_and_in_whole_characters() -> None:
    entry = Entry(key="k", name="n", kind=Kind.SKILL, namespace="a", body="é" * READ)
    assert Shown.of(entry).body.decode() == "é" * (READ // 2)
