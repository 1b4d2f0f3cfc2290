"""A log's key hands over to the next: a chain that is followed, and everything that is none."""

from __future__ import annotations

from itertools import pairwise

import pytest

from registry_core.errors import Invalid, RegistryError, Tampered
from registry_core.signing import SigningKey
from registry_core.transparency import handover, notes
from registry_core.transparency.handover import Handover
from registry_core.transparency.notes import Note, Signer

NAME = "registry.example/log"
KEYS = [Signer(NAME, SigningKey(bytes([n]) * 32)) for n in range(4)]
CHAIN = tuple(handover.make(old, new) for old, new in pairwise(KEYS))
FIRST, SECOND, THIRD, LAST = (signer.verifier for signer in KEYS)


def test_the_text_is_what_the_module_says():
    text = f"ctxmcp log key 1\n{NAME}\n{FIRST.text}\n{SECOND.text}\n"
    assert notes.parse(CHAIN[0].encode()).text == text


@pytest.mark.parametrize("count", range(len(CHAIN) + 1))
def test_notes_are_joined_and_split_again_and_lead_to_the_last_key(count: int):
    some = CHAIN[:count]
    assert handover.split(handover.join(some)) == some
    assert handover.leading_to(KEYS[count].verifier, some) == tuple(
        signer.verifier for signer in KEYS[:count]
    )
    with pytest.raises(Tampered, match="last handover") if count else pytest.raises(AssertionError):
        assert handover.leading_to(Signer(NAME, SigningKey(b"x" * 32)).verifier, some)


def by(text: str, *signers: Signer) -> str:
    return str(Note(text, tuple(signer.sign(text) for signer in signers)))


TEXT = Handover(FIRST, SECOND).text
OTHER = Signer("another.example/log", KEYS[1].key)


@pytest.mark.parametrize(
    "chain",
    [
        pytest.param((CHAIN[1], CHAIN[0]), id="reordered"),
        pytest.param((CHAIN[0], CHAIN[2]), id="one left out"),
        pytest.param((CHAIN[0], CHAIN[0]), id="twice"),
        pytest.param((CHAIN[0], handover.make(KEYS[1], KEYS[0])), id="back again"),
        pytest.param((handover.make(KEYS[0], KEYS[0]),), id="to itself"),
        pytest.param((by(TEXT, KEYS[0]),), id="not signed by the new key"),
        pytest.param((by(TEXT, KEYS[1]),), id="not signed by the old key"),
        pytest.param((by(TEXT, KEYS[2], KEYS[3]),), id="signed by others"),
        pytest.param((CHAIN[0].replace(NAME, "another.example/log"),), id="of another log"),
        pytest.param((handover.make(KEYS[0], OTHER),), id="to the key of another log"),
        pytest.param((by(f"{TEXT}more\n", *KEYS[:2]),), id="extended"),
        pytest.param((by(TEXT.rpartition(SECOND.text)[0], *KEYS[:2]),), id="truncated"),
        pytest.param((by("ctxmcp log key 1\n", *KEYS[:2]),), id="a head alone"),
        pytest.param((by(TEXT.replace("key 1", "key 2"), *KEYS[:2]),), id="another head"),
        pytest.param((CHAIN[0][:-9] + "\n",), id="a signature cut off"),
        pytest.param((str(notes.parse(CHAIN[0].encode()).text),), id="no signature"),
        pytest.param(
            (by(TEXT.replace(SECOND.text, KEYS[1].witness.text), *KEYS[:2]),), id="to a witness"
        ),
        pytest.param((CHAIN[0],) * (handover.MOST + 1), id="too many"),
    ],
)
def test_what_is_no_chain_of_two_signatures_each_is_refused(chain: tuple[str, ...]):
    with pytest.raises((Invalid, Tampered)):
        handover.line(chain)


@pytest.mark.parametrize("text", ["x", "a\n\nb\n\nc", "x" * (handover.MOST_BYTES + 1), "\ud800"])
def test_what_holds_no_notes_is_refused(text: str):
    with pytest.raises(RegistryError):
        handover.line(handover.split(text))
