"""Canonical JSON: the vectors of RFC 8785, and what has no canonical form."""

from __future__ import annotations

import doctest
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_core import canonical
from registry_core.errors import Invalid

SORTED = (
    '{"\\r":"Carriage Return","1":"One","\x80":"Control\x7f","ö":"Latin Small Letter O With '
    'Diaeresis","€":"Euro Sign","😀":"Emoji: Grinning Face",'
    '"\ufb33":"Hebrew Letter Dalet With Dagesh"}'
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-canonical.MAX_INTEGER, canonical.MAX_INTEGER)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def test_the_worked_example_of_the_module_is_true():
    assert doctest.testmod(canonical).failed == 0


def test_members_stand_in_the_order_of_section_3_2_3():
    value = {
        "€": "Euro Sign",
        "\r": "Carriage Return",
        "\ufb33": "Hebrew Letter Dalet With Dagesh",
        "1": "One",
        "😀": "Emoji: Grinning Face",
        "\x80": "Control\x7f",
        "ö": "Latin Small Letter O With Diaeresis",
    }
    assert canonical.encode(value).decode() == SORTED


def test_strings_are_written_as_section_3_2_2_has_them():
    value = {"string": '€$\x0f\nA\'B"\\\\"/', "literals": [None, True, False]}
    expected = '{"literals":[null,true,false],"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    assert canonical.encode(value).decode() == expected
    assert canonical.encode("\b\t\f\r\x1f\x7f\u2028") == '"\\b\\t\\f\\r\\u001f\x7f\u2028"'.encode()


@pytest.mark.parametrize(
    "value",
    [
        0.0,
        1.5,
        float("nan"),
        2**53,
        -(2**53),
        10**4000,
        "\ud800",
        {"\udfff": 1},
        {1: "x"},
        {None: "x"},
        b"bytes",
        {"a", "b"},
        object(),
    ],
)
def test_what_has_no_canonical_form_is_refused(value):
    with pytest.raises(Invalid):
        canonical.encode({"in": [value]})


def test_depth_is_bounded_before_the_stack_is():
    value: object = 1
    for _ in range(5000):
        value = [value]
    with pytest.raises(Invalid, match="nested deeper"):
        canonical.encode(value)


@given(VALUES)
def test_the_form_is_read_back_as_the_value_and_is_its_own_form(value):
    try:
        data = canonical.encode(value)
    except Invalid:
        assert "\\ud" in json.dumps(value)  # a surrogate, or it is nested deeper than is allowed
        return
    assert json.loads(data) == value
    assert canonical.encode(json.loads(data)) == data
