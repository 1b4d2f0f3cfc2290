"""Proofs as files: made, read back, verified, and refused when anything about them is off."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_core.errors import Invalid, RegistryError, Tampered
from registry_core.signing import SigningKey
from registry_core.transparency import merkle, notes
from registry_core.transparency.checkpoints import Checkpoint
from registry_core.transparency.notes import Note, Signer
from registry_core.transparency.proofs import MOST_BYTES, Proof

SIGNER = Signer("registry.example/log", SigningKey(b"the seed of a log, 32 bytes long"))
OTHER = Signer("registry.example/log", SigningKey(b"another's seed, also of 32 bytes"))
WITNESS = Signer("witness.example/w1", SigningKey(b"the seed of a witness, 32 bytes."))
LEAVES = [b"leaf %d" % n for n in range(13)]
HASHES = [merkle.leaf_hash(leaf) for leaf in LEAVES]
INDEX = 9


def _signed(size: int = len(LEAVES), signer: Signer = SIGNER, origin: str = SIGNER.name) -> str:
    text = Checkpoint(origin, size, merkle.root(HASHES[:size])).text
    return str(Note(text, (signer.sign(text), WITNESS.cosign(text, 1_700_000_000))))


def _proof(index: int = INDEX, size: int = len(LEAVES)) -> Proof:
    hashes = [
        merkle.fold([merkle.root(HASHES[i << h : (i + 1) << h]) for h, i in merkle.subtrees(*span)])
        for span in merkle.inclusion(index, size)
    ]
    return Proof(index, tuple(hashes), _signed(size))


PROOF = _proof()


def test_a_proof_is_written_read_back_and_verified():
    read = Proof.parse(PROOF.text)
    assert read == PROOF
    signed = read.check(LEAVES[INDEX], SIGNER.verifier, [WITNESS.witness])
    assert signed.checkpoint.size == len(LEAVES)
    assert [one.name for one in signed.witnessed] == ["witness.example/w1"]


def test_what_nobody_signed_is_kept_and_proves_nothing():
    read = Proof.parse(replace(PROOF, extra=b"\x00anything").text)
    assert read.extra == b"\x00anything"
    read.check(LEAVES[INDEX], SIGNER.verifier)


def test_a_log_of_one_leaf_needs_no_hashes():
    proof = _proof(0, 1)
    assert proof.hashes == ()
    Proof.parse(proof.text).check(LEAVES[0], SIGNER.verifier)


@pytest.mark.parametrize(
    "changed",
    [
        replace(PROOF, index=INDEX - 1),
        replace(PROOF, index=len(LEAVES)),
        replace(PROOF, hashes=PROOF.hashes[:-1]),
        replace(PROOF, hashes=PROOF.hashes[1:]),
        replace(PROOF, hashes=()),
        replace(PROOF, hashes=(*PROOF.hashes, bytes(32))),
        replace(PROOF, hashes=PROOF.hashes[::-1]),
        replace(PROOF, checkpoint=_signed(12)),
        replace(PROOF, checkpoint=_signed(signer=OTHER)),
        replace(PROOF, checkpoint=_signed(origin="registry.example/other")),
    ],
)
def test_a_proof_that_was_cut_extended_reordered_or_signed_by_another_proves_nothing(changed):
    with pytest.raises(Tampered):
        Proof.parse(changed.text).check(LEAVES[INDEX], SIGNER.verifier)


def test_a_proof_of_one_leaf_is_none_of_another():
    with pytest.raises(Tampered):
        PROOF.check(LEAVES[INDEX] + b" ", SIGNER.verifier)


@pytest.mark.parametrize(
    "text",
    [
        "",
        PROOF.text.replace("@v1", "@v2"),
        PROOF.text.replace("index 9", "index 09"),
        PROOF.text.replace("index 9", "index -9"),
        PROOF.text.replace("index 9\n", ""),
        PROOF.text.replace("index 9", "extra AA=\nindex 9"),
        PROOF.text.replace("index 9\n", "index 9\nAAAA\n"),
        PROOF.text.replace("index 9\n", "index 9\n" + (notes.encode(bytes(32)) + "\n") * 64),
        PROOF.text.replace("\n\n", "\n", 1),
        PROOF.text.replace("\n", "\r\n"),
        "\n" + PROOF.text,
        PROOF.text + "x" * MOST_BYTES,
        PROOF.text.replace("witness.example", "witness\ud800example"),
    ],
)
def test_what_is_no_proof_is_refused(text):
    with pytest.raises((Invalid, Tampered)):
        Proof.parse(text).check(LEAVES[INDEX], SIGNER.verifier)


@given(st.integers(0, len(PROOF.text) - 1), st.characters())
def test_no_character_of_a_proof_can_be_another(place, character):
    changed = PROOF.text[:place] + character + PROOF.text[place + 1 :]
    try:
        Proof.parse(changed).check(LEAVES[INDEX], SIGNER.verifier)
    except RegistryError:
        return
    # A signature of nobody who is known may say anything.
    assert changed == PROOF.text or place >= PROOF.text.index("\u2014 witness")


@given(st.text(max_size=200))
def test_any_text_is_a_proof_or_refused(text):
    try:
        read = Proof.parse(text)
    except Invalid:
        return
    assert read.text == text
