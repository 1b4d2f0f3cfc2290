"""Trust and verify hold a registry's own word against its log and its status note."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bench import BASE, Liar, Machine, honest

from ctxmcp import wiring
from ctxmcp.desk import Desk
from registry_core.callers import OWNER
from registry_core.errors import NotFound, Tampered, Unavailable
from registry_core.events.kinds import EventKind
from registry_core.names import PackageName, Version
from registry_core.operation import Model
from registry_core.operations.install import Installation
from registry_core.operations.trust import Trusted
from registry_core.packages.advisories import Warned

REVIEW = PackageName("acme", "review")
ONE = Version.parse("1.0.0")


class Registry(Liar):
    """A registry that changes what it answers, whatever it was asked."""

    change: Callable[[Model], Model]

    async def invoke(self, name: str, arguments: Mapping[str, Any]) -> Model:
        return self.change(await super().invoke(name, arguments))


def facing(here: Machine, change: Callable[[Model], Model] = lambda answer: answer) -> Machine:
    registry = Registry(here.registry, BASE, honest, {})
    registry.change = change
    settings = replace(here.settings, registry=BASE)
    return replace(here, desk=Desk(registry, settings, here.project))


async def trust(there: Machine, ref: str) -> Trusted:
    found = await there.desk.invoke("trust", {"ref": ref})
    assert isinstance(found, Trusted)
    return found


def silent_about_yanks(before: Trusted) -> Callable[[Model], Model]:
    """Answer as before the yank."""

    def change(answer: Model) -> Model:
        if isinstance(answer, Trusted):
            return before
        if isinstance(answer, Installation):
            plan = [one.model_copy(update={"yanked": False}) for one in answer.plan]
            return answer.model_copy(update={"plan": plan})
        return answer

    return change


async def test_a_verdict_is_held_against_the_log_and_says_so(here: Machine) -> None:
    await here.publish("@acme/review")
    judged = await trust(facing(here), "@acme/review")
    assert judged.verdict == "trusted"
    assert judged.reasons[-1].startswith("proven: in the log ctxmcp.invalid/")
    assert "what was taken back is known as of 20" in judged.reasons[-1]
    events = await here.registry.journal.log.since(0, limit=100)
    kinds = {event.kind for event in events}
    assert EventKind.PACKAGE_INSTALLED not in kinds, "who asks for a proof installs nothing"


async def test_what_depends_on_something_that_is_not_there_is_judged_all_the_same(
    here: Machine,
) -> None:
    await here.publish("@acme/review", needs={"@acme/missing": ">=1"})
    assert "proven: " in (await trust(facing(here), "@acme/review")).reasons[-1]


async def test_a_yank_that_a_registry_hides_makes_its_verdict_refuse(here: Machine) -> None:
    await here.publish("@acme/review")
    before = await trust(facing(here), "@acme/review")
    await here.registry.packages.yank(REVIEW, ONE, "It leaks.", OWNER)
    honestly = await trust(facing(here), "@acme/review@1.0.0")
    assert (honestly.verdict, honestly.reasons[0]) == (
        "refuse",
        "yanked by its publisher: It leaks.",
    )
    judged = await trust(facing(here, silent_about_yanks(before)), "@acme/review@1.0.0")
    assert judged.verdict == "refuse"
    assert judged.reasons[0] == (
        "the registry's status note takes it back: '@acme/review yanked 1.0.0'"
    )
    # Also where the plan tells of it, and the verdict alone does not.
    told = await trust(
        facing(here, lambda a: before if isinstance(a, Trusted) else a), "@acme/review@1.0.0"
    )
    assert told.verdict == "refuse"


async def test_an_advisory_that_a_registry_hides_is_a_problem_of_verify(here: Machine) -> None:
    await here.publish("@acme/review")
    fine = await facing(here).verify("@acme/review@1.0.0")
    assert (fine.ok, fine.not_checked) == (True, [])
    await here.registry.advisories.publish(Warned("Steals.", package=REVIEW), OWNER)
    told = await facing(here).verify("@acme/review@1.0.0")
    assert told.ok, "whole it is; `trust` says what is known of it"
    hiding = facing(here, silent_about_yanks(await trust(here, "@acme/review@1.0.0")))
    found = await hiding.verify("@acme/review@1.0.0")
    assert not found.ok
    assert (
        "status note takes it back: '@acme/review advisory CTXMCP-" in found.checked[0].problems[0]
    )


async def test_other_bytes_than_those_that_were_judged_are_refused(here: Machine) -> None:
    await here.publish("@acme/review")
    judged = await trust(here, "@acme/review")
    other = judged.model_copy(update={"sha256": "0" * 64})
    found = await trust(facing(here, lambda a: other if isinstance(a, Trusted) else a), judged.ref)
    assert found.verdict == "refuse"
    assert "the bytes of @acme/review@1.0.0" in found.reasons[0]


async def test_an_answer_about_something_else_is_none(here: Machine) -> None:
    await here.publish("@acme/review")
    await here.publish("@acme/other")
    await here.publish("@acme/other", "2.0.0")
    other = await trust(here, "@acme/other@1.0.0")
    checked = await here.desk.invoke("verify", {"target": "@acme/other@1.0.0"})
    many = checked.model_copy(update={"checked": []})

    def change(answer: Model) -> Model:
        return other if isinstance(answer, Trusted) else answer

    for asked in ("@acme/review", "@acme/other@2.0.0"):
        with pytest.raises(Tampered, match="what the registry speaks of"):
            await trust(facing(here, change), asked)
    for lie in (checked, many):
        with pytest.raises(Tampered):
            await facing(here, lambda _, lie=lie: lie).verify("@acme/review@1.0.0")


async def test_a_forked_log_makes_the_verdict_refuse_and_keeps_the_evidence(
    here: Machine, tmp_path: Path
) -> None:
    await here.publish("@acme/review")
    other = await here.fork(tmp_path / "fork")
    await here.publish("@acme/mine")
    await trust(facing(here), "@acme/review")
    async with wiring.open_registry(other) as registry:
        judged = await trust(facing(replace(here, registry=registry)), "@acme/review")
    assert judged.verdict == "refuse"
    assert "has lost leaves" in judged.reasons[0]
    path = judged.reasons[0].partition("The evidence is in ")[2].partition(": show")[0]
    assert "ctxmcp.invalid/" in await asyncio.to_thread(Path(path).read_text)


@pytest.mark.parametrize("error", [Unavailable("it is away"), NotFound("no such thing")])
async def test_it_says_when_the_log_was_not_asked(
    here: Machine, error: NotFound | Unavailable
) -> None:
    await here.publish("@acme/review")

    def change(answer: Model) -> Model:
        if isinstance(answer, Installation):
            raise error
        return answer

    judged = await trust(facing(here, change), "@acme/review")
    assert judged.verdict == "trusted"
    assert judged.reasons[-1] == f"not checked: what was taken back since: {error.message}"
    found = await facing(here, change).verify("@acme/review@1.0.0")
    assert (found.ok, found.not_checked) == (
        True,
        [f"what was taken back since: {error.message}"],
    )


async def test_a_registry_without_a_log_proves_nothing_and_the_answer_says_so(
    here: Machine,
) -> None:
    await here.publish("@acme/review")

    def logless(answer: Model) -> Model:
        return (
            answer.model_copy(update={"log": None}) if isinstance(answer, Installation) else answer
        )

    judged = await trust(facing(here, logless), "@acme/review")
    assert judged.reasons[-1].endswith("the registry shows no log")
    await trust(facing(here), "@acme/review")
    judged = await trust(facing(here, logless), "@acme/review")
    assert judged.verdict == "refuse", "it has shown one before"


async def test_what_is_installed_is_verified_offline_which_is_said(here: Machine) -> None:
    await here.publish("@acme/review")
    await here.install("@acme/review")
    for target in ("", "@acme/review"):
        found = await here.verify(target)
        assert found.not_checked == ["what was taken back since: `audit` asks the registry"]
