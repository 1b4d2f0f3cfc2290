"""What a text is to an index."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from registry_core.search.porter import stem
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


def test_stems_are_what_sqlites_own_porter_makes(shared: Path) -> None:
    text = (shared / "data/search/dev/routing406/corpus.jsonl").read_text()
    words = sorted(set(re.findall("[a-z]{1,40}", text.lower())))
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("create virtual table t using fts5(word, tokenize = 'porter ascii')")
        connection.execute("create virtual table stems using fts5vocab(t, instance)")
        connection.executemany("insert into t (rowid, word) values (?, ?)", enumerate(words))
        theirs = dict(connection.execute("select doc, term from stems"))
    assert [stem(word) for word in words] == [theirs[n] for n in range(len(words))]


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("caresses", "caress"),
        ("ponies", "poni"),
        ("agreed", "agre"),
        ("plastered", "plaster"),
        ("sing", "sing"),
        ("hopping", "hop"),
        ("filing", "file"),
        ("happy", "happi"),
        ("relational", "relat"),
        ("electrical", "electr"),
        ("adoption", "adopt"),
        ("controlling", "control"),
        ("at", "at"),
        ("utf8", "utf8"),
    ],
)
def test_the_papers_examples_are_stemmed(word: str, expected: str) -> None:
    assert stem(word) == expected
