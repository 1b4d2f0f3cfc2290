"""What a witness signs, and what it never does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_core.errors import Invalid, Tampered, Unproven
from registry_core.signing import SigningKey
from registry_core.transparency import merkle
from registry_core.transparency.checkpoints import Checkpoint
from registry_core.transparency.notes import Note, Signer
from registry_core.transparency.witness import MOST_BYTES, Stale, Submission, judge

LOG = Signer("registry.example/log", SigningKey(b"the seed of a log, 32 bytes long"))
HASHES = [merkle.leaf_hash(b"%d" % n) for n in range(20)]
FORK = [merkle.leaf_hash(b"%d'" % n) for n in range(20)]


def _tree(size: int, hashes: list[bytes] = HASHES) -> Checkpoint:
    return Checkpoint(LOG.name, size, merkle.root(hashes[:size]))


def _note(tree: Checkpoint, signer: Signer = LOG) -> str:
    return str(Note(tree.text, (signer.sign(tree.text),)))


def _submission(old: int, new: int, hashes: list[bytes] = HASHES) -> Submission:
    spans = merkle.consistency(old, new) if 0 < old < new else []
    proof = [
        merkle.fold([merkle.root(hashes[i << h : (i + 1) << h]) for h, i in merkle.subtrees(*span)])
        for span in spans
    ]
    return Submission(old, tuple(proof), _note(_tree(new, hashes)))


@pytest.mark.parametrize(("old", "new"), [(0, 0), (0, 7), (3, 7), (7, 7), (8, 20)])
def test_a_log_that_has_only_grown_is_cosigned(old, new):
    read = Submission.parse(_submission(old, new).text)
    assert read == _submission(old, new)
    assert judge(read, LOG.verifier, _tree(old)) == _tree(new)


def test_a_log_that_was_never_seen_is_believed_once():
    assert judge(_submission(0, 7), LOG.verifier, None) == _tree(7)
    with pytest.raises(Invalid):
        judge(Submission(0, (bytes(32),), _note(_tree(7))), LOG.verifier, None)


def test_who_begins_elsewhere_is_told_where_the_witness_is():
    for old in (0, 3, 6, 8):
        with pytest.raises(Stale) as caught:
            judge(_submission(old, 9), LOG.verifier, _tree(7))
        assert caught.value.size == 7


@pytest.mark.parametrize(
    "submission",
    [
        _submission(7, 9, FORK),
        _submission(7, 7, FORK),
        Submission(7, (), _note(_tree(9))),
        Submission(7, _submission(7, 9).proof[::-1], _note(_tree(9))),
        Submission(7, (), _note(_tree(6))),
    ],
)
def test_another_history_is_never_cosigned(submission):
    with pytest.raises(Unproven) as caught:
        judge(submission, LOG.verifier, _tree(7))
    assert submission.note in caught.value.evidence


def test_what_the_log_did_not_sign_is_never_cosigned():
    stranger = Signer(LOG.name, SigningKey(bytes(32)))
    with pytest.raises(Tampered):
        judge(Submission(0, (), _note(_tree(7), stranger)), LOG.verifier, None)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "old 1\n",
        "old 01\n\nx",
        "old -1\n\nx",
        "new 1\n\nx",
        "old 1\nAAAA\n\nx",
        "old 1\n" + "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n" * 64 + "\nx",
        "old 1\n\n" + "x" * MOST_BYTES,
    ],
)
def test_what_is_no_submission_is_refused(text):
    with pytest.raises(Invalid):
        Submission.parse(text)


@given(st.text(max_size=200))
def test_any_text_is_a_submission_or_refused(text):
    try:
        read = Submission.parse(text)
    except Invalid:
        return
    assert read.text == text
