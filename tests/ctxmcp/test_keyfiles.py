"""Key files: made for their owner alone, and never written over."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from ctxmcp import keyfiles
from ctxmcp.keyfiles import Keyfiles
from registry_core.errors import Conflict, Invalid
from registry_core.formats.attestation import NOTHING, Pledge, commitment
from registry_core.signing import SigningKey


def test_three_keys_are_made_for_their_owner_alone(tmp_path: Path) -> None:
    files = Keyfiles(tmp_path / "keys" / "signing.key")
    assert files.commits() == NOTHING
    made = files.generate()
    for path in (files.current, files.next, files.recovery):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert keyfiles.load(files.current).public_key == made["current"].public_key
    assert len({key.public_key for key in made.values()}) == 3
    committed = Pledge(
        next=commitment(made["next"].public_key), recovery=commitment(made["recovery"].public_key)
    )
    assert files.commits() == committed
    files.next.unlink()
    files.recovery.unlink()
    assert files.commits() == committed  # the public halves stay when the keys are moved away


@pytest.mark.parametrize("name", ["current", "next", "recovery"])
def test_no_key_is_ever_written_over(tmp_path: Path, name: str) -> None:
    files = Keyfiles(tmp_path / "k")
    path: Path = getattr(files, name)
    path.write_text("mine")
    with pytest.raises(Conflict):
        files.generate()
    assert [found.read_text() for found in tmp_path.iterdir()] == ["mine"]
    with pytest.raises(Conflict):
        keyfiles.create(path)


def test_what_is_no_key_or_can_be_read_by_others_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "signing.key"
    with pytest.raises(Invalid, match="ctxmcp keygen"):
        keyfiles.load(path)
    keyfiles.create(path)
    path.chmod(0o644)
    with pytest.raises(Invalid, match="chmod 600"):
        keyfiles.load(path)
    path.chmod(0o600)
    path.write_text("no key")
    with pytest.raises(Invalid, match="64 hex"):
        keyfiles.load(path)
    Keyfiles(path).next.with_suffix(".pub").write_text("A" * 64)
    with pytest.raises(Invalid, match="no public key"):
        Keyfiles(path).commits()


def test_advancing_moves_each_key_one_place_on_and_keeps_the_old_one(tmp_path: Path) -> None:
    files = Keyfiles(tmp_path / "signing.key")
    made = files.generate()
    fresh = keyfiles.create(files.fresh)
    for _ in range(2):  # the second time finds it done
        files.advance(made["next"], fresh)
        assert keyfiles.load(files.current).public_key == made["next"].public_key
        assert keyfiles.load(files.next).public_key == fresh.public_key
        assert files.commits().next == commitment(fresh.public_key)
        old = tmp_path / f"signing.{made['current'].public_key[:8]}.key"
        assert keyfiles.load(old).public_key == made["current"].public_key
        assert not files.fresh.exists()


@pytest.mark.parametrize("moves", [0, 1])
def test_an_interrupted_advance_is_finished(tmp_path: Path, moves: int) -> None:
    files = Keyfiles(tmp_path / "signing.key")
    made = files.generate()
    fresh = keyfiles.create(files.fresh)
    if moves:  # the old key is kept and the next one stands in its place, and no more
        files.current.rename(tmp_path / f"signing.{made['current'].public_key[:8]}.key")
        files.current.write_text(files.next.read_text())
        files.current.chmod(0o600)
    files.advance(made["next"], fresh)
    assert keyfiles.load(files.current).public_key == made["next"].public_key
    assert keyfiles.load(files.next).public_key == fresh.public_key


def test_the_seed_is_in_no_repr() -> None:
    key = SigningKey(bytes(32))
    assert key.to_hex() not in repr(key)
