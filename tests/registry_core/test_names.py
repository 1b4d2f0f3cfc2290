"""Names, versions, ranges and references: what is read, printed and refused."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nodesemver import satisfies

from registry_core.errors import InvalidName, InvalidVersion
from registry_core.names import (
    Kind,
    PackageName,
    Range,
    Reference,
    Version,
    newest_first,
    parse_selector,
)

VERSIONS = [
    Version.parse(text)
    for text in (
        "0.0.3 0.0.4 0.1.0 0.2.5 1.0.0-rc.1 1.0.0 1.2.0 1.2.3 1.2.4-beta.2 1.3.0 2.0.0-alpha"
        " 2.0.0 10.1.1"
    ).split()
]


def test_versions_are_ordered_as_semver_says():
    ordered = (
        "1.0.0-alpha 1.0.0-alpha.1 1.0.0-alpha.beta 1.0.0-beta 1.0.0-beta.2 1.0.0-beta.11"
        " 1.0.0-rc.1 1.0.0 1.0.1 1.2.0 1.10.0 2.0.0"
    ).split()
    shuffled = [Version.parse(text) for text in ordered]
    random.Random(7).shuffle(shuffled)
    assert [str(version) for version in sorted(shuffled)] == ordered


def test_build_metadata_is_printed_and_does_not_count():
    one, other = Version.parse("1.0.0+a"), Version.parse("1.0.0+b")
    assert one == other
    assert hash(one) == hash(other)
    assert str(one) == "1.0.0+a"
    assert one.precedence == "1.0.0"


@pytest.mark.parametrize(
    "text",
    ["", "1", "1.2", "v1.2.3", "1.2.3.4", "01.2.3", "1.2.3-", "1.2.3-01", "1.2.3+", "1..0", "1.2.x"]
    + ["١.٢.٣", "1.2.3\n", " 1.2.3", "1.2.3-é", "1" * 70 + ".0.0"],
)
def test_what_is_no_version_is_refused(text):
    with pytest.raises(InvalidVersion):
        Version.parse(text)


def test_an_index_lists_stable_versions_before_pre_releases():
    mixed = [Version.parse(text) for text in "1.0.0 2.0.0-rc.1 1.10.0 1.9.0 0.1.0-a".split()]
    assert [str(v) for v in newest_first(mixed)] == "1.10.0 1.9.0 1.0.0 2.0.0-rc.1 0.1.0-a".split()


def _partial(draw):
    parts = [str(draw(st.integers(0, 3))) for _ in range(draw(st.integers(1, 3)))]
    return ".".join(parts)


partials = st.composite(_partial)()
terms = st.builds(
    lambda sign, partial: sign + partial,
    st.sampled_from(["^", "~", ">", ">=", "<", "<=", "="]),
    partials,
)
ranges = st.lists(st.lists(terms, min_size=1, max_size=2), min_size=1, max_size=2)


@given(ranges)
def test_ranges_agree_with_npm_where_both_have_the_syntax(parts):
    text = " || ".join(" ".join(part) for part in parts)
    mine = [str(v) for v in VERSIONS if Range.parse(text).holds(v)]
    assert mine == [str(v) for v in VERSIONS if satisfies(str(v), text, loose=False)]


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("1.2.3", "1.2.3 1.3.0"),  # Cargo: a bare version is a caret
        ("1", "1.0.0 1.2.0 1.2.3 1.3.0"),
        ("0.1", "0.1.0"),
        (">=1.2, <2", "1.2.0 1.2.3 1.3.0"),
        ("1.2.*", "1.2.0 1.2.3"),
        ("1.x", "1.0.0 1.2.0 1.2.3 1.3.0"),
        ("1.2 - 1.3.0", "1.2.0 1.2.3 1.3.0"),
        ("*", "0.0.3 0.0.4 0.1.0 0.2.5 1.0.0 1.2.0 1.2.3 1.3.0 2.0.0 10.1.1"),
        ("", "0.0.3 0.0.4 0.1.0 0.2.5 1.0.0 1.2.0 1.2.3 1.3.0 2.0.0 10.1.1"),
        ("^1.2.4-beta.1", "1.2.4-beta.2 1.3.0"),
        ("=1.0.0-rc.1", "1.0.0-rc.1"),
        ("v1.3", "1.3.0"),
    ],
)
def test_a_range_holds_what_it_should(text, held):
    assert [str(v) for v in VERSIONS if Range.parse(text).holds(v)] == held.split()


@pytest.mark.parametrize(
    "text", ["latest!", "1.2.3.4", ">", "^", "1 , , 2", "1,", "||y", "a.b", "1" * 129, "^1.2.3-01"]
)
def test_what_is_no_range_is_refused(text):
    with pytest.raises(InvalidVersion):
        Range.parse(text)


@given(st.text(max_size=140))
def test_any_text_is_a_selector_or_a_plain_refusal(text):
    try:
        parse_selector(text)
    except InvalidVersion as error:
        assert str(error).isprintable()


@pytest.mark.parametrize(
    ("text", "printed", "selector"),
    [
        ("@acme/x", "@acme/x", type(None)),
        ("acme/x", "@acme/x", type(None)),
        ("acme/x@latest", "@acme/x", type(None)),
        ("@acme/x@1.2.0", "@acme/x@1.2.0", Version),
        ("@acme/x@1.2.0-rc.1+b.5", "@acme/x@1.2.0-rc.1+b.5", Version),
        ("@acme/x@^1.2", "@acme/x@^1.2", Range),
        ("@acme/x@1.x", "@acme/x@1.x", Range),
        ("@acme/x@beta", "@acme/x@beta", str),
    ],
)
def test_references_are_read_and_printed(text, printed, selector):
    reference = Reference.parse(text)
    assert str(reference) == printed
    assert isinstance(reference.selector, selector)


@pytest.mark.parametrize(
    "text",
    ["", "x", "@acme", "@acme/", "acme//x", "@Acme/x", "@a/x", "@-a/x", "@acme/x-", "@acme/a_b"]
    + ["@acme/x/y", "@acme/" + "x" * 65, "@" + "a" * 33 + "/x", "@acme/x\n", "@аcme/x"],
)
def test_what_is_no_reference_is_refused(text):
    with pytest.raises(InvalidName):
        Reference.parse(text)


def test_ctxpkg_says_skills_where_we_say_skill():
    assert Kind.parse("skills") is Kind.parse("skill") is Kind.SKILL
    with pytest.raises(InvalidName, match="Kinds are"):
        Kind.parse("plugin")


def test_package_names_sort_and_print():
    assert str(PackageName.parse("acme/x")) == "@acme/x"
    assert PackageName.parse("a1/b") < PackageName.parse("a1/c")
