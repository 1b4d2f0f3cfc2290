"""What a text is to an index."""

from __future__ import annotations

import re

import pytest

from registry_core.search.terms import (
    beginning,
    first_places,
    folded,
    name_terms,
    places,
    text_terms,
)


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("Verifies the user's tokens", ["verifi", "user", "s", "token"]),
        ("auth-context, auth_context", ["auth", "context", "auth", "context"]),
        ("GitHub", ["github"]),
        ("数据库", ["数据", "据库"]),
        ("用 Python 写", ["用", "python", "写"]),
        ("Ｆｕｌｌ　ｗｉｄｔｈ", ["full", "width"]),
        ("naïve NAI\u0308VE", ["naiv", "naiv"]),
        ("Straße", ["strass"]),
        ("x" * 65, []),
        ("the of and", []),
        ("\x00 \ud800 👩‍👧 !?", []),
    ],
)
def test_running_text_becomes_stems(text: str, terms: list[str]) -> None:
    assert text_terms(text) == terms


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("getWeather", ["getweath", "get", "weather"]),
        ("parseHTTPResponse", ["parsehttprespons", "pars", "http", "respons"]),
        ("@acme/auth-context", ["acm", "auth", "context"]),
        ("game_rewards.get", ["game", "reward", "get"]),
        ("oauth2", ["oauth2"]),
    ],
)
def test_names_count_whole_and_in_parts(text: str, terms: list[str]) -> None:
    assert name_terms(text) == terms


def test_terms_hold_no_syntax_of_a_query() -> None:
    every = "".join(map(chr, range(0x30000)))
    assert not [term for term in name_terms(every) if re.search(r'[\s"*^:(){}+-]', term)]


def looked_for(text: str, *terms: str) -> dict[str, int]:
    said = text.encode()
    begun = {term: beginning(term) for term in terms}
    return first_places(said, folded(said, terms), begun)


def test_wanted_terms_are_found_where_their_words_begin() -> None:
    text = "They were Deploying; redeploy, deployed"
    assert looked_for(text, "deploi", "depot") == {"deploi": 10}
    assert list(places(text.lower().encode(), "deploi", b"deploi"[:5], 10)) == [10, 31]


def test_a_letter_that_grows_in_lower_case_hides_no_other_word() -> None:
    text = "İstanbul: DEPLOYING"
    assert looked_for(text, "deploi") == {"deploi": 11}


def test_a_word_goes_on_behind_letters_of_several_bytes() -> None:
    assert looked_for("prédeploy ünldeploy", "deploi") == {}
    assert looked_for("“deploy”", "deploi") == {"deploi": 3}


def test_wanted_terms_are_found_under_accents_and_in_scripts_without_blanks() -> None:
    text = "Très éprouvée"
    assert looked_for(text, *text_terms("éprouvée")) == {"eprouve": 6}
    assert looked_for("支持数据库", "数据", "据库") == {"数据": 6, "据库": 9}
