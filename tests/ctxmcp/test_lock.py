"""The lock: written one way, read strictly."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctxmcp import lock as locking
from ctxmcp.lock import Lock, Locked
from registry_core.errors import Invalid
from registry_core.names import Kind

SHA = "a" * 64
OTHER = "b" * 64


def entry(name: str = "@acme/review", **changes: object) -> Locked:
    return Locked(
        **{  # type: ignore[arg-type]
            "name": name,
            "version": "1.0.0",
            "artifact_sha256": SHA,
            "registry": "https://packages.example/api",
            "kind": Kind.SKILL,
            "signer": OTHER,
            "requested": True,
            "dependencies": ["@acme/base ^1.0"],
            "targets": {f".agents/skills/{name.rpartition('/')[2]}/SKILL.md": SHA},
            **changes,
        }
    )


def lock(*entries: Locked) -> Lock:
    return Lock({}).with_(entries)


def test_a_lock_reads_as_it_was_written() -> None:
    written = lock(
        entry(
            targets={
                '.agents/skills/review/a "b" 日本.md': SHA,
                ".claude/skills/review": "link:../../.agents/skills/review",
                "tools:acme/review/1.0.0/x.py": OTHER,
            }.copy()
            | {},
        ).model_copy(update={"pending": {".agents/skills/review/SKILL.md": [SHA, OTHER]}})
    ).text()
    with pytest.raises(Invalid):
        locking.parse(written.encode())  # a quote is no character of a portable path
    fine = written.replace('a \\"b\\" ', "a b ")
    assert locking.parse(fine.encode()).text() == fine


def test_packages_are_sorted_and_begin_with_the_four_fields_of_lean_ctx() -> None:
    text = lock(entry("@b/two"), entry("@a/one")).text()
    rows = tomllib.loads(text)["package"]
    assert [row["name"] for row in rows] == ["@a/one", "@b/two"]
    assert list(rows[0])[:4] == ["name", "version", "artifact_sha256", "registry"]
    assert text.startswith("# ctxmcp.lock")


@given(st.text(max_size=50), st.text(max_size=50))
def test_any_text_survives_in_a_lock(registry: str, dependency: str) -> None:
    made = entry(registry=registry, dependencies=[dependency])
    assert locking.parse(lock(made).text().encode()).packages[made.name] == made


def test_no_lock_is_an_empty_lock(tmp_path: Path) -> None:
    assert locking.read(tmp_path).packages == {}


@pytest.mark.parametrize(
    "target",
    [
        "../outside",
        "/etc/passwd",
        ".agents/skills/../../x",
        ".git/hooks/pre-commit",
        "src/main.py",
        ".agents/skills",
        "C:/x",
        ".agents/skills/x\\y",
        "tools:../x/y/z",
        "tools:other/review/1.0.0/x.py",
        "tools:acme/review/x.py",
        ".claude/settings.json",
    ],
)
def test_a_target_outside_the_folders_of_packages_is_refused(target: str) -> None:
    with pytest.raises(Invalid):
        locking.parse(lock(entry(targets={target: SHA})).text().encode())


@pytest.mark.parametrize(
    "changes",
    [
        {"targets": {".agents/skills/review/x": "link:/etc"}},
        {"targets": {".claude/skills/review": "link:../../../.."}},
        {"targets": {".agents/skills/review/x": "abc"}},
        {"name": "acme/review"},
        {"name": "@acme/../x"},
        {"version": "1"},
        {"pending": {"../x": [SHA]}},
    ],
)
def test_wrong_values_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(Invalid):
        locking.parse(lock(entry().model_copy(update=changes)).text().encode())


@pytest.mark.parametrize(
    "data",
    [
        b"\xff",
        b"[[package]]\nname = 1\n",
        b"package = 3\n",
        b"package = [1]\n",
        b"a" + b".a" * 5000 + b" = 1\n",
        b"x = " + b"[" * 5000,
        b"[[package]]\nname = '@a/bb'\nsurprise = 1\n",
        b" " * (locking.MOST_BYTES + 1),
    ],
)
def test_hostile_bytes_are_refused_in_words(data: bytes) -> None:
    with pytest.raises(Invalid, match="ctxmcp.lock"):
        locking.parse(data)


def test_two_packages_cannot_claim_one_file() -> None:
    shared = {".agents/skills/review/SKILL.md": SHA}
    text = lock(entry(targets=shared), entry("@other/review", targets=shared)).text()
    with pytest.raises(Invalid, match="two packages"):
        locking.parse(text.encode())


def test_one_package_cannot_stand_there_twice() -> None:
    text = lock(entry(targets={})).text()
    with pytest.raises(Invalid, match="twice"):
        locking.parse((text + text).encode())
