"""What a text is to an index."""

from __future__ import annotations

import re

import pytest

from registry_core.search.terms import name_terms, spot, text_terms


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


def test_the_place_of_a_wanted_term_is_where_its_word_begins() -> None:
    assert spot("They were Deploying", frozenset({"deploi"})) == 10
    assert spot("nothing", frozenset({"deploi"})) is None
    assert spot("nothing", frozenset()) is None
