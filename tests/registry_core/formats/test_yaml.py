"""YAML: what plain scalars mean, what is refused, what is repaired, and text at random."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry_core.errors import InvalidPackage, TooLarge
from registry_core.formats import yaml


@pytest.mark.parametrize(
    "text", ["1.10", "on", "no", "2026-01-01", "null", "~", "012", "0x1F", "12:30", "1e3", ".inf"]
)
def test_a_plain_scalar_is_the_string_that_was_written(text: str) -> None:
    assert yaml.strings(f"key: {text}") == {"key": text}


def test_an_empty_value_is_none_and_a_quoted_one_is_not() -> None:
    assert yaml.strings("a:\nb: ''\nc: \"\"") == {"a": None, "b": "", "c": ""}
    assert yaml.strings("") is None
    assert yaml.strings("# only a comment") is None


def test_lists_mappings_and_blocks_are_read() -> None:
    text = "a:\n- x\n- {b: 1}\nc: |\n  two\n  lines\nd: >\n  one\n  line\n"
    assert yaml.strings(text) == {"a": ["x", {"b": "1"}], "c": "two\nlines\n", "d": "one line\n"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *[("012", 12), ("0x1F", 31), ("0o17", 15), ("0b101", 5), ("1_000", 1000), ("-3", -3)],
        *[("1.5", 1.5), ("1e3", 1000), ("1.", 1), (".5", 0.5), (".inf", None), (".NaN", None)],
        *[("true", True), ("True", True), ("FALSE", False), ("null", None), ("~", None)],
        *[("yes", "yes"), ("on", "on"), ("2026-01-01", "2026-01-01"), ("12:30", "12:30")],
        *[("'1'", "1"), ("!!str 1", "1"), ("1_", "1_"), ("tRue", "tRue"), ("1.2.3", "1.2.3")],
        *[("9" * 64, int("9" * 64)), ("9" * 65, "9" * 65), ("0x" + "f" * 70, "0x" + "f" * 70)],
        *[("1e999", None), ("", None), ("''", ""), ("0x_", "0x_")],
    ],
)
def test_typed_scalars_are_what_javascript_reads(text: str, value: Any) -> None:
    found = yaml.typed(f"key: {text}")["key"]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    "text", ["a: *b", "a: &b [1]\nc: *b", "a: !x b", "a: !!python/name:os.x 1"]
)
@pytest.mark.parametrize("read", [yaml.strings, yaml.typed])
def test_aliases_and_tags_are_refused(read: Any, text: str) -> None:
    with pytest.raises(InvalidPackage):
        read(text)


@pytest.mark.parametrize(
    "text", ["a: 1\na: 2", "{a: {b: 1, b: 2}}", "? [a]\n: b", "a: b\n---\nc: d", "a: [", "a: \x07"]
)
@pytest.mark.parametrize("read", [yaml.strings, yaml.typed])
def test_what_has_two_readings_or_none_is_refused(read: Any, text: str) -> None:
    with pytest.raises(InvalidPackage):
        read(text)


def test_only_the_typed_reading_takes_a_lone_anchor_and_a_key_of_two_angles() -> None:
    for text in ("a: &b c", "<<: {a: b}"):
        with pytest.raises(InvalidPackage):
            yaml.strings(text)
    assert yaml.typed("a: &b c\n<<: {d: 1}") == {"a": "c", "<<": {"d": 1}}


def test_a_refusal_names_the_place_and_the_line() -> None:
    with pytest.raises(InvalidPackage, match=r"SKILL\.md:3: the key 'a' stands there twice"):
        yaml.strings("a: 1\na: 2", place="SKILL.md", line=2)


@pytest.mark.parametrize(
    "text",
    ["[" * 5000, "{a: " * 5000, "- " * 5000, "[" + "a," * 10_001 + "]", "a: " + "x" * 66_000],
)
def test_depth_nodes_and_bytes_are_bounded(text: str) -> None:
    with pytest.raises((TooLarge, InvalidPackage)):
        yaml.strings(text)
    with pytest.raises((TooLarge, InvalidPackage)):
        yaml.lenient(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("description: Use this when: a user asks", {"description": "Use this when: a user asks"}),
        ("d: it's: so\nname: x\n", {"d": "it's: so", "name": "x"}),
        ("d: one: two\n  three: four\n# no\nn: x", {"d": "one: two three: four", "n": "x"}),
        ("allowed-tools: *\nn: 1.10", {"allowed-tools": "*", "n": "1.10"}),
        ("d: **bold** text", {"d": "**bold** text"}),
        ("d: @someone", {"d": "@someone"}),
        ('d: "quoted" and more', {"d": '"quoted" and more'}),
        ("metadata:\n  a: b: c\n  v: 1.0", {"metadata": {"a": "b: c", "v": "1.0"}}),
    ],
)
def test_lenient_reading_quotes_what_yaml_refuses(text: str, value: dict[str, Any]) -> None:
    assert yaml.lenient(text) == (value, True)


def test_lenient_reading_changes_nothing_that_yaml_can_read() -> None:
    assert yaml.lenient("a: 'b: c'") == ({"a": "b: c"}, False)


def test_what_no_quoting_repairs_is_refused_as_it_was_first() -> None:
    with pytest.raises(InvalidPackage, match="stands there twice"):
        yaml.lenient("a: 1\na: 2")


TEXT = st.text(st.sampled_from([*"ab1:-?[]{},#&*!|>'\"%@` \n\t\\~._<=", "\ufeff", "\x85", "é"]))


@settings(deadline=None, max_examples=300)
@given(TEXT)
def test_text_at_random_is_read_or_refused(text: str) -> None:
    for read in (yaml.strings, yaml.typed, yaml.lenient):
        try:
            read(text)
        except (InvalidPackage, TooLarge):
            continue


@settings(deadline=None, max_examples=60)
@given(st.dictionaries(st.text(), st.text() | st.lists(st.text(), min_size=1), max_size=4))
def test_what_is_dumped_is_read_back(mapping: dict[str, Any]) -> None:
    mapping.pop("<<", None)
    assert yaml.strings(yaml.dump(mapping)) == mapping
