"""The operations that give hosts skills to load, on each kind of database."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import pytest

from registry_core.callers import ANONYMOUS, OWNER, Scope
from registry_core.errors import InvalidName, NotFound
from registry_core.formats.skill import frontmatter
from registry_core.names import Kind
from registry_core.operations.skills import FileRead, ReadFile, SkillPage, Skills, file, skills
from world import World

TOOL = (Path(__file__).parents[2] / "ctxmcp/examples/json_outline.py").read_text()


def skill_md(name: str = "review", head: str = "") -> str:
    return f"---\nname: {name}\ndescription: Reviews.\n{head}---\n# {name}\n"


async def listed(world: World, caller: object = OWNER, **given: object) -> SkillPage:
    return await skills(world.registry, caller, Skills(**given))  # type: ignore[arg-type]


async def refs(world: World, caller: object = OWNER, **given: object) -> list[str]:
    return [skill.ref for skill in (await listed(world, caller, **given)).skills]


async def test_skills_are_listed_by_name_in_pages(world: World) -> None:
    names = ["@acme/b", "@acme/a", "@zeta/a", "@beta-co/x"]
    for name in names:
        await world.publish(name)
    await world.publish("@acme/a", "2.0.0")
    await world.publish("@acme/notes", kind=Kind.TOOL, files={"outline.py": TOOL})
    page, found = await listed(world, limit=3), []
    while True:
        found += [skill.ref for skill in page.skills]
        if not page.next:
            break
        page = await listed(world, limit=3, cursor=page.next)
    assert found == ["@acme/a@2.0.0", "@acme/b@1.0.0", "@beta-co/x@1.0.0", "@zeta/a@1.0.0"]
    with pytest.raises(InvalidName):
        await listed(world, cursor="no cursor")


async def test_a_skill_has_its_frontmatter_and_every_file(sqlite_world: World) -> None:
    head = "license: MIT\nmetadata:\n  version: '1.10'\nuser-invocable: true\nlevel: 3\n"
    data = {"SKILL.md": skill_md(head=head), "README.md": "# Read\n", "a/b.bin": b"\xff\x00"}
    await sqlite_world.publish("@acme/review", files=data)
    [skill] = (await listed(sqlite_world, ref="acme/review")).skills
    assert skill.frontmatter == {
        "name": "review",
        "description": "Reviews.",
        "license": "MIT",
        "metadata": {"version": "1.10"},
        "user-invocable": True,
        "level": 3,
    }
    digests = {entry.path: (entry.sha256, entry.size) for entry in skill.files}
    for path, content in data.items():
        raw = content.encode() if isinstance(content, str) else content
        assert digests.pop(path) == (hashlib.sha256(raw).hexdigest(), len(raw))
    assert not digests


@pytest.mark.parametrize(
    "text",
    [
        "no frontmatter",
        "---\nname: review\n---\n",
        "---\ndescription: d\n---\n",
        "---\nname: Review Kit\ndescription: d\n---\n",
        "---\nname: 7\ndescription: d\n---\n",
        "---\nname: review\ndescription: ''\n---\n",
        "---\nname: review\ndescription: [a]\n---\n",
        "---\nname: review\ndescription: use this: when\n---\n",
        "---\n- a\n---\n",
        f"---\nname: {'a' * 65}\ndescription: d\n---\n",
    ],
)
def test_no_host_could_load_it(text: str) -> None:
    assert frontmatter(text) is None


async def test_what_no_host_would_load_is_not_listed(sqlite_world: World) -> None:
    await sqlite_world.publish("@acme/good")
    for name, files in (
        ("@acme/bare", {"notes.md": "# Notes\n"}),
        ("@acme/odd", {"SKILL.md": "---\nname: Odd Name\ndescription: d\n---\n"}),
    ):
        await sqlite_world.publish(name, files=files)
    assert await refs(sqlite_world) == ["@acme/good@1.0.0"]
    assert await refs(sqlite_world, ref="@acme/odd") == []


@pytest.mark.parametrize(
    "head",
    [
        "metadata:\n  version: 1.0\n",
        "license:\n",
        "allowed-tools: [Bash]\n",
        f"compatibility: {'c' * 501}\n",
    ],
)
async def test_what_a_strict_host_refuses_is_not_listed_but_given_by_name(
    sqlite_world: World, head: str
) -> None:
    await sqlite_world.publish("@acme/lax", files={"SKILL.md": skill_md("lax", head)})
    assert await refs(sqlite_world) == []
    assert await refs(sqlite_world, ref="@acme/lax") == ["@acme/lax@1.0.0"]


async def test_a_yanked_skill_gives_way_to_the_one_before(sqlite_world: World) -> None:
    await sqlite_world.publish("@acme/review")
    two = await sqlite_world.publish("@acme/review", "2.0.0")
    packages = sqlite_world.registry.packages
    await packages.yank(two.name, two.version, "broken", OWNER)
    assert await refs(sqlite_world) == ["@acme/review@1.0.0"]
    assert await refs(sqlite_world, ref="@acme/review@2.0.0") == ["@acme/review@2.0.0"]


async def test_a_private_skill_is_for_its_namespace_alone(world: World) -> None:
    await world.publish("@acme/secret", private=True)
    await world.publish("@acme/open")
    mine, other = await world.caller("acme", Scope.READ), await world.caller("other")
    for caller in (ANONYMOUS, other):
        assert await refs(world, caller) == ["@acme/open@1.0.0"]
        with pytest.raises(NotFound):
            await listed(world, caller, ref="@acme/secret")
        with pytest.raises(NotFound):
            await read(world, caller, "@acme/secret", "SKILL.md")
    assert len(await refs(world, mine)) == 2


async def read(world: World, caller: object, ref: str, path: str) -> FileRead:
    return await file(world.registry, caller, ReadFile(ref=ref, path=path))  # type: ignore[arg-type]


async def test_a_file_is_read_byte_for_byte(sqlite_world: World) -> None:
    texts = {"crlf.txt": "a\r\nb", "empty.txt": "", "odd name ü.md": "ü\n"}
    data: dict[str, str | bytes] = {"SKILL.md": skill_md(), "x.bin": bytes(range(256)), **texts}
    await sqlite_world.publish("@acme/review", files=data)
    for path, text in texts.items():
        found = await read(sqlite_world, OWNER, "@acme/review", path)
        assert (found.text, found.base64, found.path) == (text, "", path)
    found = await read(sqlite_world, OWNER, "@acme/review", "x.bin")
    assert (base64.b64decode(found.base64), found.text) == (data["x.bin"], "")
    assert found.ref == "@acme/review@1.0.0"
    with pytest.raises(NotFound, match="no file"):
        await read(sqlite_world, OWNER, "@acme/review", "../SKILL.md")
