"""What a package asks for, declared and seen in its texts, and what is new of it in an update."""

from __future__ import annotations

from typing import Any

import pytest

from registry_core import operations
from registry_core.callers import OWNER
from registry_core.formats import Candidate, File, ctxpkg
from registry_core.names import Kind
from registry_core.verification import Severity, powers, verify
from world import OTHER_KEY, World, package

HEAD = "---\nname: review\ndescription: Reviews.\n---\n"


def seen(text: str, path: str = "SKILL.md") -> dict[str, list[str]]:
    made = Candidate(
        "ctxpkg", Kind.SKILL, "", "", b"", "", files=(File(path, text.encode("utf-8", "replace")),)
    )
    return powers.seen(made)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("See https://API.Example.com/v1.", {"network": ["api.example.com"]}),
        ("wss://user:pw@h.example.io:8080/x", {"network": ["h.example.io"]}),
        ("http://91.92.242.30/x", {"network": ["91.92.242.30"]}),
        ("not a host: https:// or example.com", {}),
        ("read ~/.ssh/config and /etc/passwd", {"files": ["/etc/passwd", "~/.ssh/config"]}),
        ("and/or, n/a, src/etc/file, ./home/x", {}),
        (
            "os.environ['API_KEY'], $HOME_DIR, ${TOKEN}",
            {"environment": ["API_KEY", "HOME_DIR", "TOKEN"]},
        ),
        (
            'process.env.NPM_TOKEN; os.getenv("GH_TOKEN")',
            {"environment": ["GH_TOKEN", "NPM_TOKEN"]},
        ),
        ("a `PreToolUse` hook", {"hooks": ["PreToolUse"]}),
        ('{"mcpServers": {"files": {"command": "x"}}}', {"mcp_servers": ["files"]}),
        ("claude mcp add --scope user notes -- npx x", {"mcp_servers": ["notes"]}),
        (
            "```bash\n$ curl -s x | jq .\n# a comment\nsudo apt install y\n```",
            {"commands": ["apt", "curl", "jq"]},
        ),
        ("```sh\nif true; then\n  FOO=1 ./run.sh\nfi\n```", {"commands": ["./run.sh"]}),
        ("```python\nimport os\n```\ncurl in prose", {}),
    ],
)
def test_what_a_text_shows_to_be_used_is_listed(text: str, found: dict[str, list[str]]):
    assert seen(text) == found


def test_a_script_is_read_for_its_commands():
    assert seen("#!/bin/sh\nset -e\ngit push && make deploy\n", "run.sh")["commands"] == [
        "git",
        "make",
    ]


def test_the_list_has_an_end_whatever_a_text_is():
    many = " ".join(f"https://h{n}.example.com" for n in range(1000))
    assert len(seen(many)["network"]) == powers.MOST
    for text in ("https://" + "a." * 50_000, "```sh\n" * 20_000, "$A" * 100_000, "~/" * 100_000):
        assert all(len(name) <= 120 for names in seen(text).values() for name in names)


def test_the_report_says_what_is_declared_and_what_is_seen_and_finds_nothing_wrong():
    head = "---\nname: x\ndescription: X.\nallowed-tools: Bash(git:*) Read\n---\n"
    made = ctxpkg.read(package(files={"SKILL.md": head + "https://example.com\n"}))
    report = verify(made)
    assert report.facts("powers") == {
        "declared": {"commands": ["Bash(git:*)", "Read"]},
        "seen": {"network": ["example.com"]},
    }
    assert not [finding for finding in report.findings if finding.rule.startswith("powers/")]


async def publish(world: World, version: str, text: str, **options: Any) -> dict[str, Any]:
    done = await world.publish("@acme/review", version, files={"SKILL.md": HEAD + text}, **options)
    marked = [f for f in done.report.findings if f.rule.startswith("change/")]
    assert all(finding.severity is Severity.REVIEW for finding in marked)
    return {finding.rule: finding.message for finding in marked}


async def test_new_powers_of_an_update_are_marked_for_review(world: World):
    assert await publish(world, "1.0.0", "https://a.example\n") == {}
    assert await publish(world, "1.0.1", "https://a.example, better\n") == {}
    marked = await publish(
        world, "1.0.2", "Send it to https://b.example.\n```sh\ncurl x\n```\n", key=OTHER_KEY
    )
    assert marked == {
        "change/new-network": "asks for network hosts that 1.0.1 did not, seen in text: b.example",
        "change/new-commands": "asks for commands that 1.0.1 did not, seen in text: curl",
    }
    call = operations.invoke
    judged: Any = await call(world.registry, OWNER, "trust", {"ref": "@acme/review@1.0.2"})
    assert any("change/new-network" in reason for reason in judged.reasons)
    looked: Any = await call(world.registry, OWNER, "inspect", {"ref": "@acme/review@1.0.2"})
    assert looked.seen == {"network": ["b.example"], "commands": ["curl"]}
    assert looked.change["since"] == "1.0.1"
    assert looked.change["files"] == {"changed": ["SKILL.md"]}
    assert set(looked.change["signer"]) == {"was", "now"}
    assert "dependencies" not in looked.change
    first: Any = await call(world.registry, OWNER, "inspect", {"ref": "@acme/review@1.0.0"})
    assert first.change == {}


async def test_an_update_is_held_against_the_version_before_it_not_the_newest(sqlite_world: World):
    world = sqlite_world
    await publish(world, "1.0.0", "https://a.example\n")
    await publish(world, "2.0.0", "https://a.example https://b.example\n")
    assert "change/new-network" in await publish(world, "1.0.1", "https://b.example\n")
    assert await publish(world, "2.0.1", "https://b.example\n", needs={"@acme/x": "^1"}) == {}
    looked: Any = await operations.invoke(
        world.registry, OWNER, "inspect", {"ref": "@acme/review@2.0.1"}
    )
    assert looked.change["since"] == "2.0.0"
    assert looked.change["dependencies"] == {"added": ["@acme/x"]}


async def test_what_a_star_allowed_already_is_not_new(sqlite_world: World):
    from registry_core.verification import change, known

    before = known.Before("1.0.0", "", None, {}, {}, {"network": ["*"], "filesystem": "write"}, {})
    made = ctxpkg.read(package())
    asked = {
        "declared": {},
        "seen": {"network": ["x.example"], "files": ["~/x"], "hooks": ["Stop"]},
    }
    section = change.section(made, None, asked, before)
    assert [finding.rule for finding in section.findings] == ["change/new-hooks"]
