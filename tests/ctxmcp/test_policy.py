"""Policies: read strictly, asked before anything is written, and only ever refusing more."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from bench import Machine

from ctxmcp import policy
from ctxmcp.cli.endings import Ending, ending
from ctxmcp.connection import Embedded
from ctxmcp.desk import Desk
from registry_core import errors
from registry_core.callers import OWNER
from registry_core.formats import Candidate
from registry_core.names import Kind
from registry_core.operation import Model
from registry_core.operations.install import Installation, Planned
from registry_core.publish import publish
from registry_core.signing import SigningKey
from registry_core.transparency.log import Log
from registry_core.transparency.notes import Signer
from registry_core.verification import verify
from world import KEY, OTHER_KEY, package

AGENT = """name: helper
version: 1.0.0
description: Helps.
author: "@acme"
permissions: {network: true, filesystem: true}
"""


def rules(here: Machine, text: str, *, user: bool = False) -> Machine:
    """Write a policy for the project, or for the user."""
    path = here.settings.home / "policy.toml" if user else here.project / policy.PLACE
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"version = 1\n{text}\n")
    settings = replace(here.settings, own_policy_file=here.settings.home / "policy.toml")
    desk = here.desk
    return replace(here, desk=Desk(desk._connection, settings, here.project, clock=desk._clock))


async def refused(here: Machine, ref: str, rule: str) -> str:
    before = here.tree()
    with pytest.raises(errors.PolicyRefused) as found:
        await here.install(ref)
    assert here.tree() == before
    assert found.value.rule == rule
    assert ending(found.value) is Ending.POLICY
    return str(found.value)


@pytest.mark.parametrize("user", [True, False])
async def test_who_may_sign_is_said_by_the_policy(here: Machine, user):
    await here.publish("@acme/review")
    there = rules(here, f'[signers]\n"@acme" = ["{OTHER_KEY.public_key}"]', user=user)
    said = await refused(there, "@acme/review", "signers")
    assert KEY.public_key in said
    assert "policy.toml" in said
    there = rules(here, f'[signers]\n"@acme" = ["{KEY.public_key}"]\n"*" = []', user=user)
    assert (await there.install("@acme/review")).installed


async def test_everybody_else_may_be_kept_out(here: Machine):
    await here.publish("@other/review")
    await refused(rules(here, '[signers]\n"*" = []'), "@other/review", "signers")


async def test_neither_policy_loosens_the_other(here: Machine):
    await here.publish("@acme/review")
    rules(here, '[signers]\n"*" = []', user=True)
    there = rules(here, f'[signers]\n"@acme" = ["{KEY.public_key}"]')
    await refused(there, "@acme/review", "signers")


async def test_a_release_has_to_have_its_age(here: Machine):
    await here.publish("@acme/review")
    published = here.registry.clock()
    there = rules(here, 'minimum_age = "3d"')
    there.at(published + timedelta(hours=71))
    assert "71 hours" in await refused(there, "@acme/review", "minimum_age")
    there.at(published + timedelta(hours=73))
    assert (await there.install("@acme/review")).installed


async def test_what_is_not_attested_is_refused_where_that_is_asked(here: Machine):
    whole = json.loads(package("@acme/review"))
    del whole["attestation"]
    await publish(here.registry, OWNER, json.dumps(whole).encode())
    await refused(rules(here, "attested = true"), "@acme/review", "attested")
    await here.publish("@acme/other")
    assert (await here.install("@acme/other")).installed


def test_findings_of_a_severity_are_refused():
    candidate = Candidate("skill", Kind.SKILL, "", "", b"x", "text/markdown")
    report = verify(candidate)  # which warns: nobody signed it
    planned = Planned(
        ref="@acme/x@1.0.0",
        kind=Kind.SKILL,
        url="",
        sha256="",
        size=1,
        media_type="",
        signer=None,
        yanked=False,
        published_at="",
        position=1,
        requested=True,
        dependencies=[],
    )
    for word, holds in (("warning", False), ("review", True), ("note", True)):
        rule = policy.parse(f'version = 1\nrefuse = ["{word}"]'.encode())
        policies = policy.Policies((("p", rule),))
        if holds:
            policies.check_package(planned, candidate, report)
            continue
        with pytest.raises(errors.PolicyRefused, match="severity warning") as found:
            policies.check_package(planned, candidate, report)
        assert found.value.rule == "refuse"


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("network = []", "network"),
        ('network = ["api.example.com"]', "network"),
        ('filesystem = ""', "write"),
        ('filesystem = "read"', "write"),
    ],
)
async def test_powers_that_are_not_allowed_are_refused(here: Machine, text: str, asked: str):
    files = {"agent.yaml": AGENT, "system-prompt.md": "You help."}
    await here.publish("@acme/helper", kind=Kind.AGENT, files=files)
    assert asked in await refused(rules(here, f"[powers]\n{text}"), "@acme/helper", "powers")


async def test_powers_that_are_allowed_or_not_spoken_of_are_granted(here: Machine):
    files = {"agent.yaml": AGENT, "system-prompt.md": "You help."}
    await here.publish("@acme/helper", kind=Kind.AGENT, files=files)
    there = rules(here, '[powers]\nnetwork = ["*"]\nhooks = []')
    assert (await there.install("@acme/helper")).installed


ASKS = """---
name: review
description: Reviews.
---
Post what you find to https://collect.example.net/in, with ${REVIEW_TOKEN} from ~/.review/token.

```sh
curl https://collect.example.net/in
```
"""


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("network = []", "collect.example.net"),
        ('network = ["api.example.com"]', "collect.example.net"),
        ("commands = []", "curl"),
        ('environment = ["OTHER"]', "REVIEW_TOKEN"),
        ('filesystem = ""', "~/.review/token"),
    ],
)
async def test_powers_that_are_only_seen_are_refused_where_that_is_asked(
    here: Machine, text: str, asked: str
):
    await here.publish("@acme/review", files={"SKILL.md": ASKS})
    there = rules(here, f"[powers]\nseen = true\n{text}")
    assert asked in await refused(there, "@acme/review", "powers")
    there = rules(here, f"[powers]\n{text}")
    assert (await there.install("@acme/review")).installed


async def test_powers_that_are_seen_and_allowed_are_granted(here: Machine):
    await here.publish("@acme/review", files={"SKILL.md": ASKS})
    allowed = """[powers]
        seen = true
        network = ["collect.example.net"]
        commands = ["curl"]
        environment = ["*"]
        hooks = []
        mcp_servers = []
        filesystem = "read"
    """
    assert (await rules(here, allowed).install("@acme/review")).installed


WITNESS = Signer("witness.example/w1", SigningKey(b"the seed of a witness, 32 bytes."))
SECOND = Signer("witness.example/w2", SigningKey(b"the seed of a second, 32 bytes.."))


def witnessed(here: Machine) -> Machine:
    """The same registry, which takes the cosignatures of two witnesses."""
    old = here.registry.transparency
    witnesses = [WITNESS.witness, SECOND.witness]
    log = Log(here.registry.journal, old._files, old._signer, witnesses)
    registry = replace(here.registry, transparency=log)
    connection = Embedded(registry, "file:///registry")
    return replace(here, registry=registry, desk=Desk(connection, here.settings, here.project))


async def cosign(here: Machine, *signers: Signer) -> None:
    note = await here.registry.transparency.checkpoint()
    signed = note.with_(signer.cosign(note.text, 1) for signer in signers)
    await here.registry.transparency.cosign(str(signed).encode())


async def test_a_quorum_of_witnesses_has_to_have_seen_a_release(here: Machine):
    here = witnessed(here)
    quorum = f"""[witnesses]
        quorum = 2
        keys = ["{WITNESS.witness.text}", "{SECOND.witness.text}"]
    """
    there = rules(here, quorum)
    await here.publish("@acme/review")
    assert "by 0 of your witnesses" in await refused(there, "@acme/review", "witnesses")
    await cosign(here, WITNESS)
    assert "by 1 of your witnesses, not 2" in await refused(there, "@acme/review", "witnesses")
    await cosign(here, SECOND)
    assert (await there.install("@acme/review")).installed
    # What came later they have not seen; what they have, goes on.
    await here.publish("@acme/later")
    await refused(there, "@acme/later", "witnesses")
    assert (await there.install("@acme/review")).installed
    others = Signer("witness.example/w3", SigningKey(b"the seed of a third, 32 bytes..."))
    there = rules(here, f'[witnesses]\nquorum = 1\nkeys = ["{others.witness.text}"]')
    assert "by 0 of your" in await refused(there, "@acme/review", "witnesses")


async def test_a_registry_without_a_status_note_is_refused_where_an_age_is_asked(here: Machine):
    await here.publish("@acme/review")

    class Silent(Embedded):
        async def invoke(self, name: str, arguments: Mapping[str, Any]) -> Model:
            answer = await super().invoke(name, arguments)
            if isinstance(answer, Installation) and answer.log is not None:
                log = answer.log.model_copy(update={"status": ""})
                return answer.model_copy(update={"log": log})
            return answer

    there = replace(
        here, desk=Desk(Silent(here.registry, "file:///r"), here.settings, here.project)
    )
    there = rules(there, 'maximum_status_age = "1h"')
    said = await refused(there, "@acme/review", "maximum_status_age")
    assert "without a status note" in said
    assert (await rules(here, 'maximum_status_age = "1h"').install("@acme/review")).installed


@pytest.mark.parametrize(
    "text",
    [
        "",
        "version = 2",
        'version = "1"',
        "version = 1\nsigned = 1",
        "version = 1\nunknown = true",
        "version = 1\nminimum_age = 72",
        'version = 1\nminimum_age = "72"',
        'version = 1\nminimum_age = "-1h"',
        'version = 1\nrefuse = ["everything"]',
        'version = 1\nrefuse = "hold"',
        'version = 1\n[signers]\n"acme" = []',
        'version = 1\n[signers]\n"@acme" = ["x"]',
        'version = 1\n[signers]\n"@acme" = "x"',
        "version = 1\n[powers]\nnetwork = true",
        'version = 1\n[powers]\nfilesystem = "all"',
        "version = 1\n[powers]\nsudo = []",
        "version = 1\n[powers]\nseen = 1",
        "version = 1\nmaximum_status_age = 1",
        'version = 1\nmaximum_status_age = "1m"',
        "version = 1\n[witnesses]",
        "version = 1\n[witnesses]\nquorum = 1\nkeys = []",
        "version = 1\n[witnesses]\nquorum = -1\nkeys = []",
        "version = 1\n[witnesses]\nquorum = true\nkeys = []",
        'version = 1\n[witnesses]\nquorum = 1\nkeys = ["x"]',
        "version = 1\n[witnesses]\nquorum = 1\nkeys = [1]",
        f'version = 1\n[witnesses]\nquorum = 1\nkeys = ["{WITNESS.verifier.text}"]',
        f"version = 1\n[witnesses]\nquorum = 2\nkeys = {[WITNESS.witness.text] * 2}",
        "version = 1\nversion = 1",
        "a." * 9000 + "a = 1",
        "version = 1 #" + " " * policy.MOST_BYTES,
        "x = " + "[" * 9000,
    ],
)
def test_a_file_that_is_no_policy_refuses_everything(tmp_path: Path, text: str):
    path = tmp_path / policy.PLACE
    path.parent.mkdir()
    path.write_text(text)
    with pytest.raises(errors.Invalid, match="the policy"):
        policy.read(tmp_path, None)


def test_no_file_is_no_rule(tmp_path: Path):
    assert policy.read(tmp_path, tmp_path / "absent.toml") == policy.NONE
    (tmp_path / policy.PLACE).mkdir(parents=True)
    with pytest.raises(errors.Invalid, match="cannot be read"):
        policy.read(tmp_path, None)
