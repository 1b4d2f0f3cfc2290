"""Strict JSON: what `json.loads` would let through, exact source texts, and bounds."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry_core.errors import InvalidPackage, RegistryError, TooLarge
from registry_core.formats import strict_json

MiB = 1024 * 1024


def read(data: str | bytes) -> strict_json.Document:
    raw = data if isinstance(data, bytes) else data.encode()
    return strict_json.read(raw, max_bytes=8 * MiB)


@pytest.mark.parametrize(
    ("data", "place"),
    [
        (b'\xef\xbb\xbf{"a":1}', "byte 0"),
        ('{"a":1}'.encode("utf-16"), "byte 0"),
        ('{"a":1}'.encode("utf-16-le"), "line 1 column 2"),
        (b'{"a":"\xff"}', "byte 6"),
        (b'{"a":"\xed\xa0\x80"}', "byte 6"),
        ('{"a":1,"a":2}', "line 1 column 8"),
        (r'{"a":1,"\u0061":2}', "line 1 column 8"),
        ('{"a":{"b":1,"c":0,"b":2}}', "'a'"),
        ('{"a":[{"b":{"c":1,"c":1}}]}', "'a'"),
        ('{"a":NaN}', "'a'"),
        ('{"a":[Infinity]}', "'a'"),
        ('{"a":-Infinity}', "'a'"),
        ('{"a":1e999}', "'a'"),
        ('{"a":-1e999}', "'a'"),
        ('{"a":' + "9" * 5000 + "}", "'a'"),
        (r'{"a":"\ud800"}', "'a'"),
        (r'{"a":["\udc00\ud800"]}', "'a'"),
        (r'{"a":{"\ud800":1}}', "'a'"),
        (r'{"\ud800":1}', "line 1 column 2"),
        ('{"a":1} x', "line 1 column 9"),
        ('{"a":1}{}', "line 1 column 8"),
        ('{"a":1,}', "line 1 column 8"),
        ('{"a":1\n "b":2}', "line 2 column 2"),
        ('{"a" 1}', "line 1 column 6"),
        ("{'a':1}", "line 1 column 2"),
        ('{"a":+1}', "line 1 column 6"),
        ('{"a":01}', "line 1 column 7"),
        ('{"a":"\n"}', "line 1 column 7"),
        ('{"a":"x', "line 1 column 6"),
        ('{"a":"\\', "line 1 column 6"),
        ('{"a":1', "line 1 column 7"),
        ("{", "line 1 column 2"),
        ("", "line 1 column 1"),
        ("[]", "line 1 column 1"),
        ("null", "line 1 column 1"),
        ('{"a":\xa01}', "line 1 column 6"),
    ],
)
def test_what_two_readers_could_read_differently_is_refused_with_its_place(data, place):
    with pytest.raises(InvalidPackage) as refused:
        read(data)
    assert refused.value.place == place
    assert refused.value.message.startswith(place)


def test_a_member_is_given_exactly_as_it_was_written():
    document = read('\r\n{ "a" :\t1.0 , "content": { "x" : "\\u00e9 é" ,\n"y":[ ] }\n, "z":null}\n')
    assert document.source("a") == "1.0"
    assert document.source("content") == '{ "x" : "\\u00e9 é" ,\n"y":[ ] }'
    assert document.members == {"a": 1.0, "content": {"x": "é é", "y": []}, "z": None}


def test_an_empty_object_has_no_members():
    assert read(" { } ").members == {}


def test_compacting_touches_nothing_inside_strings():
    text = '{ "a b" : [ 1 , "c \\" , d\\\\" ,\r\n\t"  " ] }'
    assert strict_json.compact(text) == '{"a b":[1,"c \\" , d\\\\","  "]}'


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("18446744073709551615", 2**64 - 1),
        ("-9223372036854775808", -(2**63)),
        ("18446744073709551616", 2.0**64),
        ("1" + "0" * 300, 1e300),
        ("1e308", 1e308),
        ("1e-999", 0.0),
        ('"\\ud83d\\ude00"', "😀"),
        (r'"\\ud800"', r"\ud800"),
    ],
)
def test_numbers_and_escapes_at_the_edge_are_read_as_serde_reads_them(text, value):
    found = read(f'{{"a":{text}}}').members["a"]
    assert found == value
    assert type(found) is type(value)


def test_127_levels_are_read_and_128_are_not():
    assert read('{"a":' + "[" * 126 + "]" * 126 + "}")
    with pytest.raises(InvalidPackage, match="nested deeper than 127"):
        read('{"a":' + "[" * 127 + "]" * 127 + "}")
    assert read('{"a":"' + "[" * 500 + '"}')


@pytest.mark.parametrize(
    "data",
    [
        b"[" * (8 * MiB),
        b'{"a":' + b"[" * (8 * MiB - 5),
        b'{"a":' + b'{"a":' * (MiB + MiB // 2),
        b'{"a":[' + b"[]," * (2 * MiB),
        b'{"a":' + b"]" * (4 * MiB),
        b'{"a":' + b'"\\"' * (2 * MiB),
        b'{"a":"' + b'\\"' * (2 * MiB),
        b'{"a":' + b"9" * (4 * MiB) + b"}",
        b"{" + b" " * (4 * MiB),
    ],
    ids=[
        "arrays",
        "in-an-object",
        "objects",
        "commas",
        "closers",
        "quotes",
        "escapes",
        "int",
        "ws",
    ],
)
def test_hostile_megabytes_are_refused_before_anything_is_built_from_them(data):
    with pytest.raises(InvalidPackage):
        read(data)


def test_more_bytes_than_allowed_and_more_members_than_sensible_are_refused():
    with pytest.raises(TooLarge, match="at most 6"):
        strict_json.read(b'{"a":1}', max_bytes=6)
    many = ",".join(f'"{number}":1' for number in range(1001))
    with pytest.raises(InvalidPackage, match="more than 1000 members"):
        read(f"{{{many}}}")


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@settings(deadline=None)
@given(
    st.dictionaries(st.text(), JSON, max_size=5), st.booleans(), st.sampled_from([None, 1, "\t"])
)
def test_what_python_writes_is_read_back_and_compacts_to_its_compact_form(
    value, ascii_only, indent
):
    document = read(json.dumps(value, ensure_ascii=ascii_only, indent=indent))
    assert document.members == value
    for key, member in value.items():
        expected = json.dumps(member, ensure_ascii=ascii_only, separators=(",", ":"))
        assert strict_json.compact(document.source(key)) == expected


@settings(deadline=None)
@given(st.binary(max_size=60) | st.text('{}[]",:\\u0d8e19 .-', max_size=60).map(str.encode))
def test_whatever_is_read_python_reads_alike_and_the_rest_is_refused(data):
    try:
        document = read(data)
    except RegistryError:
        return
    assert document.members == json.loads(data.decode())
