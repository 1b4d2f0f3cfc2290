"""Signed notes: Go's own examples, real witnesses' cosignatures, and every trap on the way."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_core.errors import Invalid, RegistryError, Tampered
from registry_core.signing import SigningKey
from registry_core.transparency import checkpoints, merkle, notes
from registry_core.transparency.checkpoints import Checkpoint
from registry_core.transparency.notes import Note, Signature, Signer, Verifier

PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PETERS_OWN = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
TEXT = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
)
LINE = (
    "\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngo"
    "tpRZb6KE6RyyBwJnAM=\n"
)
"""The example of golang.org/x/mod/sumdb/note."""

ARCHE = (
    "arche2025h1.staging.ct.transparency.dev+ba2f06c0+AU0vHmlGCS/PdN8b2OaGmKprLI8HKM+dJ472xgFYh15f"
)
WITNESSES = [
    "transparency.dev/DEV:witness-little-garden+d8042a87+BCtusOxINQNUTN5Oj8HObRkh2yHf/MwYaGX4CPdiVEPM",
    "witness1.smartit.nu/witness1+a48c820f+BPSFWg9G6KPiO7QPryYO5Xq4oYJJ+kAvLKLSimDhoxMO",
    "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2",
    "witness.stagemole.eu+67f7aea0+BEqSG3yu9YrmcM3BHvQYTxwFj3uSWakQepafafpUqklv",
]
REAL = Path(__file__).with_name("real-checkpoint.txt").read_text("utf-8")
"""A checkpoint of a public log of 2026, with four witnesses of the public network."""

SIGNER = Signer("registry.example/log", SigningKey(b"the seed of a log, 32 bytes long"))
OTHER = Signer("registry.example/log", SigningKey(b"another's seed, also of 32 bytes"))
WITNESS = Signer("witness.example/w1", SigningKey(b"the seed of a witness, 32 bytes."))
CHECKPOINT = Checkpoint("registry.example/log", 7, bytes(range(32)))


def _note(*signatures: Signature, text: str = CHECKPOINT.text) -> bytes:
    return str(Note(text, signatures)).encode()


SIGNED = _note(SIGNER.sign(CHECKPOINT.text))


def test_the_example_of_the_go_library_is_read_verified_and_made_again():
    peter = Verifier.parse(PETER)
    note = notes.parse(f"{TEXT}\n{LINE}".encode())
    assert note.text == TEXT
    assert note.signed_by([peter]) == note.signatures
    signer = Signer.parse(PETERS_OWN)
    assert signer.sign(TEXT).line == LINE
    assert (signer.verifier.text, signer.private_text()) == (PETER, PETERS_OWN)
    assert peter.text == PETER


def test_the_example_of_c2sp_is_verified():
    key = Verifier.parse("example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k")
    line = (
        "\u2014 example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH"
        "3mFXmRKuwHjG1Yu72IneyaQM=\n"
    )
    note = notes.parse(f"This is an example message.\n\n{line}".encode())
    assert len(note.signed_by([key])) == 1


def test_a_real_checkpoint_and_its_witnesses_are_verified_and_written_back():
    log, witnesses = Verifier.parse(ARCHE), [Verifier.parse(text) for text in WITNESSES]
    signed = checkpoints.read(REAL.encode(), log, witnesses)
    assert (signed.checkpoint.size, len(signed.witnessed)) == (1432088532, 4)
    assert {notes.time_of(one.value) for one in signed.witnessed} == {0x6A122120}
    assert str(signed.note) == REAL
    with pytest.raises(Tampered):
        checkpoints.read(REAL.replace("1432088532", "1432088533").encode(), log)


def test_a_checkpoint_is_read_as_it_was_signed():
    signed = checkpoints.read(SIGNED, SIGNER.verifier)
    assert signed.checkpoint == CHECKPOINT
    assert signed.witnessed == ()


def test_signatures_of_unknown_keys_are_ignored_whatever_they_say():
    mine = SIGNER.sign(CHECKPOINT.text)
    strangers = (
        OTHER.sign(CHECKPOINT.text),  # our name, another key
        Signature("somebody.example", mine.id, mine.value),  # our id, another name
        Signature("nobody.example", b"\0\0\0\0", b"nothing"),
    )
    assert checkpoints.read(_note(*strangers, mine), SIGNER.verifier).checkpoint == CHECKPOINT
    with pytest.raises(Tampered):
        checkpoints.read(_note(*strangers), SIGNER.verifier)


def test_one_false_signature_of_a_known_key_refuses_the_whole_note():
    mine = SIGNER.sign(CHECKPOINT.text)
    false = Signature(mine.name, mine.id, bytes(64))
    for signatures in ((mine, false), (false, mine), (false,)):
        with pytest.raises(Tampered):
            checkpoints.read(_note(*signatures), SIGNER.verifier)
    witnessed = WITNESS.cosign(CHECKPOINT.text, 5)
    older = Signature(witnessed.name, witnessed.id, (4).to_bytes(8, "big") + witnessed.value[8:])
    with pytest.raises(Tampered):
        checkpoints.read(_note(mine, older), SIGNER.verifier, [WITNESS.witness])


def test_the_same_signature_twice_counts_once_and_of_cosignatures_the_newest():
    mine = SIGNER.sign(CHECKPOINT.text)
    times = (7, 9, 8)
    lines = [WITNESS.cosign(CHECKPOINT.text, seconds) for seconds in times]
    signed = checkpoints.read(_note(mine, mine, *lines), SIGNER.verifier, [WITNESS.witness])
    assert [notes.time_of(one.value) for one in signed.witnessed] == [9]


def test_a_signature_and_a_cosignature_of_one_key_do_not_stand_for_each_other():
    one = Signer(SIGNER.name, SIGNER.key)
    plain, timed = one.sign(CHECKPOINT.text), one.cosign(CHECKPOINT.text, 1)
    swapped = _note(Signature(plain.name, plain.id, timed.value))
    with pytest.raises(Tampered):
        checkpoints.read(swapped, SIGNER.verifier)
    with pytest.raises(Tampered):  # the log's own key, and only as a witness
        checkpoints.read(_note(timed), SIGNER.verifier)
    wrong = Signature(timed.name, timed.id, bytes(8) + plain.value)
    with pytest.raises(Tampered):
        checkpoints.read(_note(plain, wrong), SIGNER.verifier, [one.witness])


def test_a_signature_over_one_note_does_not_stand_under_another():
    larger = Checkpoint(CHECKPOINT.origin, 8, CHECKPOINT.root)
    with pytest.raises(Tampered):
        checkpoints.read(_note(SIGNER.sign(CHECKPOINT.text), text=larger.text), SIGNER.verifier)


def test_a_checkpoint_of_another_origin_is_refused_though_the_key_signed_it():
    foreign = Checkpoint("registry.example/other", 7, CHECKPOINT.root)
    with pytest.raises(Tampered) as caught:
        checkpoints.read(_note(SIGNER.sign(foreign.text), text=foreign.text), SIGNER.verifier)
    assert caught.value.found == "registry.example/other"


def test_two_known_keys_that_cannot_be_told_apart_are_refused():
    class Twin(Verifier):  # ids are four bytes: finding a collision takes minutes
        @property
        def id(self) -> bytes:
            return SIGNER.verifier.id

    colliding = Twin(SIGNER.name, OTHER.key.public_key)
    with pytest.raises(Invalid, match="two known keys"):
        notes.parse(SIGNED).signed_by([SIGNER.verifier, colliding])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"\n\n",
        b"text\n",
        b"text\n\n",
        SIGNED[:-1],
        SIGNED + b"\n",
        SIGNED + b"more\n",
        SIGNED.replace(b"\n\n", b"\n"),
        SIGNED.replace(b"\n", b"\r\n"),
        SIGNED.replace(b"7\n", b"7\t\n"),
        SIGNED.replace(b"7\n", b"7\x00\n"),
        SIGNED.replace("\u2014".encode(), b"-"),
        SIGNED.replace("\u2014 ".encode(), "\u2014".encode()),
        SIGNED.replace(b"\xe2\x80\x94", b"\xe2\x80"),
        SIGNED.replace(b"=\n", b"\n"),
        SIGNED + "\u2014 a b\n".encode(),
        SIGNED + "\u2014 a AAAA\n".encode(),
        SIGNED + "\u2014 a+b AAAAAAAA\n".encode(),
        SIGNED + "\u2014  AAAAAAAA\n".encode(),
        SIGNED + "\u2014 a\u00a0b AAAAAAAA\n".encode(),
        SIGNED + "\u2014 a AAAA AAAA\n".encode(),
        SIGNED + "\u2014 a AAAAAAB=\n".encode(),  # bits that no byte has
        SIGNED + "\u2014 a AAAAAAAA\n".encode() * notes.MOST_SIGNATURES,
        SIGNED * 400,
    ],
)
def test_what_is_no_signed_note_is_refused(data):
    with pytest.raises(Invalid):
        notes.parse(data)


def test_sixteen_signatures_and_more_are_read():
    many = [
        Signer(f"w{n}.example", SigningKey(bytes([n]) * 32)).cosign(CHECKPOINT.text, n)
        for n in range(40)
    ]
    note = notes.parse(_note(SIGNER.sign(CHECKPOINT.text), *many))
    assert len(note.signatures) == 41


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "a\n1\n",
        "\n1\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
        "a\n01\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
        "a\n-1\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
        "a\n+1\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
        "a\n1_0\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
        "a\n٣\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
        "a\n9223372036854775808\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
        "a\n" + "9" * 5000 + "\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
        "a\n0\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
        "a\n1\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg==\n",
        "a\n1\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\n",
        "a\n1\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n\n",
        "a\n1\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n\nx\n",
        "a" * 257 + "\n1\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
    ],
)
def test_what_is_no_checkpoint_is_refused(text):
    with pytest.raises(Invalid):
        Checkpoint.parse(text)


def test_further_lines_of_a_checkpoint_are_kept_and_covered_by_the_signature():
    text = f"{CHECKPOINT.text}more\n"
    found = checkpoints.read(_note(SIGNER.sign(text), text=text), SIGNER.verifier)
    assert found.checkpoint.extensions == ("more",)
    assert found.checkpoint.text == text
    with pytest.raises(Tampered):
        checkpoints.read(_note(SIGNER.sign(CHECKPOINT.text), text=text), SIGNER.verifier)


def test_the_checkpoint_of_an_empty_log_says_the_empty_root():
    empty = Checkpoint("a", 0, merkle.EMPTY_ROOT)
    assert Checkpoint.parse(empty.text) == empty


@pytest.mark.parametrize(
    "text",
    [
        "",
        "PeterNeumann",
        "PeterNeumann+c74f20a3",
        PETER.replace("c74f20a3", "c74f20a4"),
        PETER.replace("c74f20a3", "C74F20A3"),
        PETER.replace("PeterNeumann", "Peter Neumann"),
        PETER.replace("PeterNeumann", "PeterNeumanm"),
        PETER.replace("PeterNeumann", ""),
        "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==",
        "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",  # unknown type
        f"{PETER}\n",
        PETERS_OWN,
    ],
)
def test_what_is_no_key_is_refused(text):
    with pytest.raises(Invalid):
        Verifier.parse(text)


@pytest.mark.parametrize(
    "text", ["", PETER, PETERS_OWN[:-4], PETERS_OWN.replace("c74f20a3", "c74f20a4")]
)
def test_what_is_no_private_key_is_refused_without_showing_it(text):
    with pytest.raises(Invalid) as caught:
        Signer.parse(text)
    assert "AYEKFALVFGyN" not in str(caught.value)


def test_a_text_that_no_note_can_have_is_not_signed():
    for text in ("", "no end", "a\tb\n", "a\r\n"):
        with pytest.raises(Invalid):
            SIGNER.sign(text)
    for name in ("", "a b", "a+b", "a\nb", "x" * 300):
        with pytest.raises(Invalid):
            Signer(name, SIGNER.key)


@given(st.binary(max_size=400))
def test_any_bytes_are_a_note_or_refused(data):
    try:
        note = notes.parse(data)
    except Invalid:
        return
    assert str(note).encode() == data


@given(st.integers(0, len(SIGNED) - 1), st.integers(0, 255))
def test_no_byte_of_a_checkpoint_can_be_another(place, byte):
    changed = SIGNED[:place] + bytes([byte]) + SIGNED[place + 1 :]
    try:
        read = checkpoints.read(changed, SIGNER.verifier)
    except RegistryError:
        return
    assert changed == SIGNED
    assert read.checkpoint == CHECKPOINT
