"""The status note's format: written in one way, read strictly, cut so that one part is enough."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_core.errors import Invalid, Tampered
from registry_core.signing import SigningKey
from registry_core.transparency import checkpoints, notes, status
from registry_core.transparency.checkpoints import Checkpoint
from registry_core.transparency.notes import COSIGNATURE, Note, Signer, Verifier
from registry_core.transparency.status import Entry, Status

LOG = Signer("registry.example/log", SigningKey(b"the seed of a log, 32 bytes long"))
STRANGER = Signer("registry.example/log", SigningKey(b"the seed of a stranger, 32 bytes"))
ISSUED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
EMPTY = hashlib.sha256(b"").hexdigest()
SAID = Status(Checkpoint(LOG.name, 7, bytes(32)), ISSUED, ISSUED + timedelta(hours=24), (EMPTY,))
TEXT = """ctxmcp status 1
registry.example/log
7
AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=
2026-01-02T03:04:05.000000Z
2026-01-03T03:04:05.000000Z
47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=
"""
LINES = TEXT.splitlines(keepends=True)


def signed(text: str, signer: Signer = LOG) -> bytes:
    return str(Note(text, (signer.sign(text),))).encode()


def about(parts: list[bytes]) -> Status:
    return replace(SAID, parts=status.digests_of(parts))


def test_a_note_is_written_in_the_one_way_and_read_again():
    assert SAID.text == TEXT
    assert status.read(str(SAID.sign(LOG)).encode(), LOG.verifier) == SAID


def test_a_note_is_no_checkpoint_and_a_checkpoint_no_note():
    with pytest.raises(Invalid):
        checkpoints.read(signed(TEXT), LOG.verifier)
    with pytest.raises(Invalid):
        status.read(signed(SAID.tree.text), LOG.verifier)
    extended = replace(SAID.tree, extensions=tuple(TEXT.split("\n")[:-1]))
    with pytest.raises(Invalid):
        status.read(signed(extended.text), LOG.verifier)


@pytest.mark.parametrize(
    "lines",
    [
        *(LINES[:n] for n in range(1, len(LINES))),
        *([*LINES[:n], *LINES[n + 1 :]] for n in range(len(LINES))),
        *([*LINES[:n], LINES[n + 1], LINES[n], *LINES[n + 2 :]] for n in range(6)),
        [*LINES, LINES[-1], LINES[-1]],
        [*LINES, "\n"],
        [*LINES[:-1], *LINES[-1:] * 512],
        [*LINES[:4], "2026-01-02T03:04:05Z\n", *LINES[5:]],
        [*LINES[:4], "2026-01-02T03:04:05.0Z\n", *LINES[5:]],
        [*LINES[:4], LINES[5], *LINES[5:]],
        [*LINES[:6], "47DEQpj8HBSa\n"],
        [*LINES[:6], "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFV=\n"],
        [*LINES[:2], "07\n", *LINES[3:]],
        ["ctxmcp status 2\n", *LINES[1:]],
    ],
)
def test_a_note_that_is_cut_off_longer_reordered_or_oddly_written_is_refused(lines: list[str]):
    with pytest.raises(Invalid):
        status.read(signed("".join(lines)), LOG.verifier)


def test_a_note_of_somebody_else_is_refused():
    other = Signer("another.example/log", LOG.key)
    for note, key in (
        (signed(TEXT, STRANGER), LOG.verifier),
        (signed(TEXT, other), other.verifier),
        (str(Note(TEXT, (replace(LOG.sign(TEXT), value=bytes(64)),))).encode(), LOG.verifier),
        (str(Note(TEXT, (LOG.cosign(TEXT, 1),))).encode(), LOG.verifier),
    ):
        with pytest.raises(Tampered):
            status.read(note, key)
    witness = Verifier(LOG.name, LOG.key.public_key, COSIGNATURE)
    assert witness.id != LOG.verifier.id


def test_a_note_that_is_too_long_is_not_read():
    with pytest.raises(Invalid, match="longer than"):
        status.read(signed(TEXT) + b"x" * notes.MOST_BYTES, LOG.verifier)
    longest = about([b"%d" % n for n in range(status.MOST_PARTS)])
    assert len(str(longest.sign(LOG))) < notes.MOST_BYTES


@given(st.binary(max_size=400))
def test_whatever_a_stranger_sends_is_read_or_refused(data: bytes):
    for read in (
        lambda: status.read(data, LOG.verifier),
        lambda: Status.parse(data.decode("latin-1")),
        lambda: about([data]).read_part(hashlib.sha256(data).hexdigest(), data),
    ):
        try:
            read()
        except (Invalid, Tampered):
            continue


def test_an_empty_list_is_one_empty_part():
    assert status.cut([]) == [b""]
    assert about([b""]).read_part(EMPTY, b"") == frozenset()


def test_one_change_in_a_long_list_changes_one_part_and_each_line_is_found_in_its_own():
    entries = [Entry(f"@ns{n % 99}/p{n}", "yanked", ("1.0.0",)) for n in range(9000)]
    before, after = (
        status.cut(entries),
        status.cut([*entries, Entry("@new/one", "revoked", ("1",))]),
    )
    assert len(before) == len(after) == 32
    assert sum(old != new for old, new in zip(before, after, strict=True)) == 1
    said = about(after)
    read = [said.read_part(digest, part) for digest, part in zip(said.parts, after, strict=True)]
    assert frozenset().union(*read) == {*entries, Entry("@new/one", "revoked", ("1",))}
    digest = said.part_of("@new/one")
    assert Entry("@new/one", "revoked", ("1",)) in read[said.parts.index(digest)]


@pytest.mark.parametrize(
    "part",
    [
        b"@b/b yanked 1\n@a/a yanked 1\n",
        b"@a/a yanked 1\n@a/a yanked 1\n",
        b"@a/a yanked 1",
        b"@a/a  yanked 1\n",
        b"@a/a\n",
        b"\n",
        "@ä/a yanked 1\n".encode(),
        b"@a/a yanked 1\r\n",
    ],
)
def test_a_part_that_is_no_sorted_list_is_refused(part: bytes):
    with pytest.raises(Invalid):
        about([part]).read_part(hashlib.sha256(part).hexdigest(), part)


def test_a_part_that_is_another_one_is_refused():
    parts = status.cut(Entry(f"@a/{n}", "yanked", ("1",)) for n in range(600))
    said = about(parts)
    with pytest.raises(Tampered):
        said.read_part(said.parts[0], parts[1])
    swapped = about(parts[::-1])
    with pytest.raises(Invalid, match="belongs into another"):
        swapped.read_part(swapped.parts[0], parts[1])


def test_a_part_that_is_too_long_is_refused():
    part = b"@a/a yanked %b\n" % (b"1" * status.MOST_PART)
    with pytest.raises(Invalid, match="too long"):
        about([part]).read_part(hashlib.sha256(part).hexdigest(), part)


def test_a_seal_needs_a_salt():
    assert status.seal("0" * 64, "@a/a@1.0.0") != status.seal("1" * 64, "@a/a@1.0.0")
    with pytest.raises(Invalid):
        status.seal("", "@a/a@1.0.0")
