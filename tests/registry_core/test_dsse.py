"""DSSE envelopes: the protocol's own vectors, and what strangers may send instead."""

from __future__ import annotations

import base64
import doctest
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_core import dsse
from registry_core.errors import InvalidPackage, TooLarge
from registry_core.signing import SigningKey

# The two keys of RFC 8032, section 7.1, with which secure-systems-lab/dsse signs its vectors.
A = SigningKey.from_hex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
B = SigningKey.from_hex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
IN_TOTO = "application/vnd.in-toto+json"
STATEMENT = b'{"_type":"https://in-toto.io/Statement/v1"}'
BY_A = "2WAfaHm5jluo0w+0rk8uVkluELJYWjSmU9x7EUzx+AyteDGJ4/nqyJXfmAUVFIAoQafWm7AxBZNw5M9ixNHiCA=="
BY_B = "c1+67/aT0yqEpwx8PsVY3MLHsj9D0CZ014/Fv/QlG59P+9CobUZ7xECJ/V3USG0Ob9CiE5LjReEZUzNF2l7eBw=="
SAFE = "P-_KHICeR7tI6S_YyejJTRtrXhcQyQ2LYPaL8h90KjC9qN8HU_svOQ6TuDOT1HIrsGW886DbWNWcCmX5twLrAw=="
UMLAUT = "xmSk/ug66ysT7ayhkCIjhAq42zgZXSsEWuzUaNL7w2eGAdF/NU6/fRXPtmfN+5DNSAs5/i2lUnHjbbjPsu0tAw=="
EMPTY = "gSggCAaTLTYyRH6FIDBem6meyIynsYy8RTHVzwx9tnTb7Bg/1jMWnuVgI/gffqmbsC2VX5/jHfkkDqsj7CDbDg=="
BOTH = frozenset({A.public_key, B.public_key})


def envelope(payload: str | bytes = STATEMENT, kind: str = IN_TOTO, **by: str) -> dict[str, object]:
    text = base64.b64encode(payload).decode() if isinstance(payload, bytes) else payload
    signatures = [{"sig": sig} | ({"keyid": k} if k != "_" else {}) for k, sig in by.items()]
    return {"payload": text, "payloadType": kind, "signatures": signatures}


def test_the_worked_example_of_the_module_is_true():
    assert doctest.testmod(dsse).failed == 0


@pytest.mark.parametrize(
    ("given_", "signers"),
    [
        (envelope(A=BY_A), {A.public_key}),
        (envelope("-_-_Pj8=", A=SAFE), {A.public_key}),
        (envelope(kind="application/vnd.example.other+json", A=BY_A), set()),
        (envelope(kind="application/vnd.exämple+json", A=UMLAUT), {A.public_key}),
        (envelope(b"", A=EMPTY), {A.public_key}),
        (envelope(A=BY_A, B=BY_B), BOTH),
        (envelope(A=BY_B, B=BY_A), BOTH),
    ],
)
def test_the_vectors_of_the_protocol_are_decided_as_published(given_, signers):
    assert dsse.read(given_).signers_among(BOTH) == signers


def test_key_ids_are_optional_and_one_key_twice_is_one_key():
    unnamed = envelope()
    unnamed["signatures"] = [{"sig": BY_A}, {"sig": BY_B}]
    assert dsse.read(unnamed).signers_among(BOTH) == BOTH
    unnamed["signatures"] = [{"sig": BY_A}, {"sig": BY_A}]
    assert dsse.read(unnamed).signers_among(BOTH) == {A.public_key}
    assert dsse.read(unnamed).signers == frozenset()


@pytest.mark.parametrize(
    ("kind", "payload", "expected"),
    [
        ("http://example.com/HelloWorld", b"hello world", None),
        ("", b"", b"DSSEv1 0  0 "),
        ("ä", b"\0 1 x", b"DSSEv1 2 \xc3\xa4 5 \0 1 x"),
        ("a 1 b", b"", b"DSSEv1 5 a 1 b 0 "),
    ],
)
def test_lengths_are_of_bytes_and_keep_type_and_payload_apart(kind, payload, expected):
    assert dsse.pae(kind, payload) == (
        expected or b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


def test_what_is_signed_names_its_keys_and_is_read_back_whole():
    made = dsse.sign("application/x", b"\x00\xff payload", [A, B])
    found = dsse.read(json.loads(json.dumps(made.as_json())))
    assert found == made
    assert found.signers == BOTH
    assert found.unproven == ()


def test_a_changed_payload_type_or_signature_is_nobodys():
    made = dsse.sign("application/x", b"payload", [A])
    for change in (
        {"payload": base64.b64encode(b"payloae").decode()},
        {"payloadType": "application/y"},
        {"signatures": [{"keyid": B.public_key, "sig": made.as_json()["signatures"][0]["sig"]}]},
        {"signatures": [{"keyid": A.public_key.upper(), "sig": BY_A}]},
        {"signatures": [{"keyid": A.public_key, "sig": ""}]},
    ):
        found = dsse.read({**made.as_json(), **change})
        assert found.signers == frozenset()
        assert len(found.unproven) == 1


GOOD = dsse.sign("application/x", b"any", [A]).as_json()
[SIGNED] = GOOD["signatures"]


@pytest.mark.parametrize(
    ("value", "place"),
    [
        (None, "envelope"),
        ([], "envelope"),
        ({}, "envelope.payloadType"),
        ({**GOOD, "payloadType": ""}, "envelope.payloadType"),
        ({**GOOD, "payloadType": 1}, "envelope.payloadType"),
        ({**GOOD, "payloadType": "a\nb"}, "envelope.payloadType"),
        ({**GOOD, "payloadType": "a" * 257}, "envelope.payloadType"),
        ({**GOOD, "payload": None}, "envelope.payload"),
        ({**GOOD, "payload": "YW55 "}, "envelope.payload"),
        ({**GOOD, "payload": "YW5"}, "envelope.payload"),
        ({**GOOD, "payload": "YW55\n"}, "envelope.payload"),
        ({**GOOD, "payload": "YW4="}, None),
        ({**GOOD, "payload": "YW5="}, "envelope.payload"),
        ({**GOOD, "payload": "YQ="}, "envelope.payload"),
        ({**GOOD, "payload": "YW=5"}, "envelope.payload"),
        ({**GOOD, "payload": "+_+_"}, "envelope.payload"),
        ({**GOOD, "payload": "YW55é"}, "envelope.payload"),
        ({**GOOD, "signatures": None}, "envelope.signatures"),
        ({**GOOD, "signatures": []}, "envelope.signatures"),
        ({**GOOD, "signatures": [SIGNED] * 9}, "envelope.signatures"),
        ({**GOOD, "signatures": [SIGNED] * 2}, "envelope.signatures"),
        ({**GOOD, "signatures": ["x"]}, "envelope.signatures[0]"),
        ({**GOOD, "signatures": [{"keyid": "x"}]}, "envelope.signatures[0].sig"),
        ({**GOOD, "signatures": [{"keyid": None, "sig": ""}]}, "envelope.signatures[0].keyid"),
        ({**GOOD, "signatures": [{"keyid": "k" * 257, "sig": ""}]}, "envelope.signatures[0].keyid"),
    ],
)
def test_an_envelope_of_the_wrong_shape_is_refused_at_its_place(value, place):
    if place is None:
        assert dsse.read(value).signers == frozenset()
        return
    with pytest.raises(InvalidPackage) as refused:
        dsse.read(value)
    assert refused.value.place == place


def test_sizes_are_bounded_before_anything_is_decoded():
    with pytest.raises(TooLarge):
        dsse.read({**GOOD, "payload": "A" * (dsse.MAX_PAYLOAD // 3 * 4 + 8)})
    with pytest.raises(TooLarge):
        dsse.read({**GOOD, "signatures": [{**SIGNED, "sig": "A" * 4096}]})
    with pytest.raises(TooLarge):
        dsse.sign("application/x", b"x" * (dsse.MAX_PAYLOAD + 1), [A])


def test_members_that_nobody_knows_are_ignored():
    assert dsse.read({**GOOD, "extra": 1}) == dsse.read(GOOD)


@given(
    st.recursive(
        st.none() | st.text() | st.integers() | st.sampled_from(["YQ==", "YW55"]),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["payload", "payloadType", "signatures", "sig", "keyid"]), inner
            )
        ),
        max_leaves=12,
    )
)
def test_whatever_is_sent_it_is_an_envelope_or_refused(value):
    try:
        found = dsse.read(value)
    except (InvalidPackage, TooLarge):
        return
    assert found.signers == frozenset()
