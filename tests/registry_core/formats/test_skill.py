"""Skills: lenient reading, strict linting against the reference validator, real and random text."""

from __future__ import annotations

import gzip
import json
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry_core import archives
from registry_core.archives import Entry
from registry_core.errors import InvalidPackage, TooLarge
from registry_core.formats import Candidate, skill
from registry_core.names import Kind

HEAD = "name: demo\ndescription: Does it."


def a_skill(head: str = HEAD, folder_name: str | None = "demo") -> Candidate:
    data = f"---\n{head}\n---\n# Demo\n".encode()
    return skill.read_entries((Entry("SKILL.md", data),), folder_name=folder_name)


def test_a_skill_that_follows_the_specification_is_read_without_a_note() -> None:
    candidate = a_skill(
        f"{HEAD}\nlicense: MIT\nallowed-tools: Read Bash(git commit:*) Bash(jq:*)\n"
        "metadata:\n  version: 1.10\n  author: me\n  tags: a, b"
    )
    assert (candidate.kind, candidate.name, candidate.version) == (Kind.SKILL, "demo", "1.10")
    assert (candidate.description, candidate.license, candidate.author) == ("Does it.", "MIT", "me")
    assert candidate.tags == ("a", "b")
    assert candidate.powers.commands == ("Read", "Bash(git commit:*)", "Bash(jq:*)")
    assert candidate.notes == ()
    assert skill.lint(candidate, "demo") == ()


def test_the_text_is_kept_byte_for_byte() -> None:
    data = "\ufeff---\r\nname:   demo # yes\r\ndescription: 'x'\r\n---\r\n\r\n# Dé\r\n".encode()
    candidate = skill.read_entries((Entry("SKILL.md", data),), folder_name="demo")
    assert candidate.files[0].data == data
    assert candidate.readme == data.decode()
    assert candidate.description == "x"
    assert skill.parse(data.decode()).body == "\r\n# Dé\r\n"


def test_unknown_keys_are_passed_on_and_noted() -> None:
    candidate = a_skill(f"{HEAD}\nmodel: opus\nhooks:\n  PreToolUse: []\nwhen_to_use: on 1.10")
    assert candidate.manifest["when_to_use"] == "on 1.10"
    assert candidate.powers.hooks == ("PreToolUse",)
    assert "'model': is no key of the specification" in candidate.notes


@pytest.mark.parametrize(
    ("head", "folder_name", "name"),
    [
        ("name: demo", "other", "demo"),
        ("name: My Skill", "Wörk Folder!", "work-folder"),
        ("name: My Skill", None, "my-skill"),
        ("license: MIT", "a--b", "a-b"),
        ("name: [x]", "x" * 80, "x" * 64),
        ("name: " + "y" * 65, "日本", "y" * 64),
    ],
)
def test_a_missing_or_wrong_name_is_taken_from_the_folder(
    head: str, folder_name: str | None, name: str
) -> None:
    candidate = a_skill(f"{head}\ndescription: d", folder_name)
    assert candidate.name == name
    assert any(note.startswith("name: ") for note in candidate.notes)


def test_a_value_with_a_colon_is_read_as_if_it_were_quoted_and_noted() -> None:
    candidate = a_skill("name: demo\ndescription: Use this when: asked")
    assert candidate.description == "Use this when: asked"
    assert candidate.notes == ("the frontmatter is YAML only once values are quoted",)
    assert "mapping values" in skill.lint(candidate)[0]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("# Demo", "no frontmatter"),
        ("---\nname: demo\n", "no frontmatter"),
        ("---\n---\n", "the frontmatter is no mapping"),
        ("---\n- a\n---\n", "the frontmatter is no mapping"),
        ("---\nname: demo\n---\n", "no description"),
        ("---\nname: demo\ndescription: ' '\n---\n", "no description"),
        ("---\nname: demo\ndescription: [a]\n---\n", "no description"),
        ("---\ndescription: a\n---\n", "no name"),
        ("---\nname: a\nname: b\ndescription: c\n---\n", r"SKILL\.md:3: the key 'name'"),
    ],
)
def test_what_cannot_be_used_as_a_skill_is_refused(text: str, fault: str) -> None:
    with pytest.raises(InvalidPackage, match=fault):
        skill.read_entries((Entry("SKILL.md", text.encode()),), folder_name=None)


def test_frontmatter_is_bounded() -> None:
    with pytest.raises(TooLarge):
        a_skill(f"{HEAD}\nlicense: {'x' * 70_000}")


def test_a_skill_file_is_needed_at_the_top_and_as_text() -> None:
    with pytest.raises(InvalidPackage, match=r"no SKILL\.md at the top"):
        skill.read_entries((Entry("a/SKILL.md", b""), Entry("b", b"")), folder_name="demo")
    with pytest.raises(InvalidPackage, match="is not UTF-8"):
        skill.read_entries((Entry("SKILL.md", b"\xff"),), folder_name="demo")


def test_an_archive_is_read_with_its_wrapping_folder_as_the_name() -> None:
    data = skill.compose("wrong name", "Does it.", "# Demo")
    entries = [Entry("My_Skill/SKILL.md", data), Entry("My_Skill/run.sh", b"x", executable=True)]
    archive = archives.write_tar_gz(entries)
    candidate = skill.read(archive)
    assert candidate.name == "my-skill"
    assert [(file.path, file.executable) for file in candidate.files] == [
        ("SKILL.md", False),
        ("run.sh", True),
    ]
    assert (candidate.artifact, candidate.media_type) == (archive, "application/gzip")
    assert skill.read(archive, folder_name="given").name == "given"


LINTED = {
    "plain": HEAD,
    "every key": f"{HEAD}\nlicense: MIT\ncompatibility: x\nmetadata:\n  a: b\nallowed-tools: Read",
    "other folder": "name: other\ndescription: d",
    "upper case": "name: Demo\ndescription: d",
    "underscore": "name: de_mo\ndescription: d",
    "blank": "name: de mo\ndescription: d",
    "leading dash": "name: -demo\ndescription: d",
    "trailing dash": "name: demo-\ndescription: d",
    "two dashes": "name: de--mo\ndescription: d",
    "64": f"name: {'d' * 64}\ndescription: d",
    "65": f"name: {'d' * 65}\ndescription: d",
    "no name": "description: d",
    "empty name": "name: ''\ndescription: d",
    "no description": "name: demo",
    "empty description": "name: demo\ndescription: ''",
    "1024": f"name: demo\ndescription: {'d' * 1024}",
    "1025": f"name: demo\ndescription: {'d' * 1025}",
    "compatibility 500": f"{HEAD}\ncompatibility: {'c' * 500}",
    "compatibility 501": f"{HEAD}\ncompatibility: {'c' * 501}",
    "compatibility map": f"{HEAD}\ncompatibility:\n  a: b",
    "unknown key": f"{HEAD}\nversion: 1.0",
    "colon": "name: demo\ndescription: a: b",
    "twice": f"{HEAD}\nname: demo",
    "alias": "name: &a demo\ndescription: *a",
    "block": "name: demo\ndescription: |\n  two\n  lines",
    "numbers": "name: demo\ndescription: 1.10",
    "list": "- a",
    "tag": "name: !x demo\ndescription: d",
}
STRICTER = {
    "unicode name": "name: démo\ndescription: d",
    "metadata list": f"{HEAD}\nmetadata:\n- a",
    "metadata depth": f"{HEAD}\nmetadata:\n  a:\n    b: c",
    "tools list": f"{HEAD}\nallowed-tools:\n- Read",
}


@pytest.mark.parametrize("case", LINTED)
def test_lint_agrees_with_the_reference_validator(case: str, tmp_path: Path) -> None:
    text, expected = judged(LINTED[case], case, tmp_path)
    assert bool(skill.lint(text, folder(case))) == expected, skill.lint(text, folder(case))


@pytest.mark.parametrize("case", STRICTER)
def test_lint_is_stricter_where_the_reference_does_not_look(case: str, tmp_path: Path) -> None:
    """The specification says a-z, string to string, and space-separated text."""
    text, refused = judged(STRICTER[case], case, tmp_path)
    assert not refused
    assert skill.lint(text, folder(case))


def folder(case: str) -> str:
    return {"64": "d" * 64, "65": "d" * 65, "unicode name": "démo"}.get(case, "demo")


def judged(head: str, case: str, tmp_path: Path) -> tuple[str, bool]:
    """Return the text, and whether the reference validator refuses it."""
    reference = pytest.importorskip("skills_ref", reason="the reference validator is not installed")
    text = f"---\n{head}\n---\n\n# Demo\n"
    path = tmp_path / folder(case) / "SKILL.md"
    path.parent.mkdir()
    path.write_text(text)
    return text, bool(reference.validate(path.parent))


def test_lint_names_the_place_of_broken_yaml() -> None:
    assert skill.lint("---\nname: a\nname: b\n---\n") == (
        "SKILL.md:3: the key 'name' stands there twice",
    )


def test_the_real_catalog_can_be_composed_and_read(shared: Path) -> None:
    with gzip.open(shared / "data/catalog/skills.jsonl.gz", "rt") as lines:
        for row in map(json.loads, islice(lines, 0, 20_000, 100)):
            tags = {"metadata": {"tags": ", ".join(row["tags"])}}
            data = skill.compose(row["name"], row["description"], row["body"], extra=tags)
            candidate = skill.read_entries((Entry("SKILL.md", data),), folder_name=row["name"])
            assert candidate.name in {row["name"], skill._slug(row["name"])}
            assert candidate.description == row["description"].strip()
            assert set(candidate.tags) == set(row["tags"])
            assert row["body"] in candidate.readme


@settings(deadline=None, max_examples=100)
@given(st.text(min_size=1), st.text())
def test_any_text_can_be_composed_and_read(description: str, body: str) -> None:
    document = skill.parse(skill.compose("demo", description, body).decode())
    assert document.head == {"name": "demo", "description": description}
    assert document.body.startswith("\n" + body)
    assert not document.repaired


def test_half_a_character_cannot_be_composed() -> None:
    with pytest.raises(InvalidPackage, match="half a character"):
        skill.compose("demo", "d", "\ud800")


@settings(deadline=None, max_examples=150)
@given(st.text(st.sampled_from(list("ab:-|>'\"[]{}&*! \n\r\t#"))) | st.text(), st.text())
def test_text_at_random_is_read_or_refused(head: str, folder_name: str) -> None:
    for text in (head, f"---\n{head}\n---\n", f"---\ndescription: d\n{head}\n---\n"):
        try:
            candidate = skill.read_entries(
                (Entry("SKILL.md", text.encode()),), folder_name=folder_name
            )
        except (InvalidPackage, TooLarge):
            continue
        skill.lint(candidate, folder_name)
        assert candidate.name


@settings(deadline=None, max_examples=60)
@given(st.binary())
def test_bytes_at_random_are_refused(data: bytes) -> None:
    with pytest.raises((InvalidPackage, TooLarge)):
        skill.read(data)
