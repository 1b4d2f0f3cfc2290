"""The commands about accounts and proposals, settings of signing in, and what is done nightly."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ctxmcp import cli, nightly, settings
from registry_core.callers import Scope
from registry_core.errors import Invalid, Unauthenticated
from registry_core.names import PackageName
from registry_core.proposals import LEAST_SUCCESSES
from served import Served
from tools import contribute
from transports.apis import read_hosts
from transports.http import APIS
from world import World


def test_the_owner_gives_namespaces_away_and_disables_accounts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'registry.sqlite3'}"

    async def begun() -> str:
        async with World.open(url, tmp_path) as world:
            await world.publish("@acme/review")
            return (await world.account("knid"))[0]

    async def may(text: str) -> bool:
        async with World.open(url, tmp_path) as world:
            return (await world.registry.tokens.authenticate(text)).may(Scope.PUBLISH, "acme")

    def run(*words: str) -> object:
        assert cli.run([*words, "--data-dir", str(tmp_path), "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    text = asyncio.run(begun())
    assert run("account", "give", "@acme", "knid") == {"namespace": "acme", "owner": "knid"}
    assert asyncio.run(may(text))
    assert run("account", "disable", "knid") == {"handle": "knid", "disabled": True}
    with pytest.raises(Unauthenticated):
        asyncio.run(may(text))
    assert run("account", "enable", "knid") == {"handle": "knid", "disabled": False}
    assert asyncio.run(may(text))
    assert run("propose") == {"proposed": 0}
    assert cli.run(["account", "give", "acme", "nobody", "--data-dir", str(tmp_path)]) == 3


def test_half_an_application_is_none() -> None:
    for environment in (
        {"CTXMCP_GITHUB_CLIENT_ID": "x"},
        {"CTXMCP_GITHUB_CLIENT_SECRET": "x"},
        {
            "CTXMCP_GITHUB_CLIENT_ID": "x",
            "CTXMCP_GITHUB_CLIENT_SECRET": "y",
            "CTXMCP_GITHUB_URL": "ftp://x",
        },
    ):
        with pytest.raises(Invalid):
            settings.read(environment=environment)
    whole = {"CTXMCP_GITHUB_CLIENT_ID": "x", "CTXMCP_GITHUB_CLIENT_SECRET": "hush"}
    told = settings.read(environment=whole)
    assert told.github is not None
    assert told.github.url == "https://github.com"
    assert "hush" not in repr(told.github)
    assert settings.read(environment={}).github is None


def test_a_host_is_mapped_to_an_api_that_there_is() -> None:
    known = [api.name for api in APIS]
    text = "agents.example=agentx [::1]:80=patchcat"
    assert read_hosts(text, known) == {"agents.example": "agentx", "[::1]:80": "patchcat"}
    assert read_hosts("", known) == {}
    for wrong in ("agents.example", "agents.example=nothing", "a b=agentx", "=agentx"):
        with pytest.raises(Invalid, match="CTXMCP_HOSTS"):
            read_hosts(wrong, known)


@pytest.mark.parametrize(
    ("now", "wait"),
    [
        (datetime(2026, 1, 2, 3, 16, tzinfo=UTC), timedelta(minutes=1)),
        (datetime(2026, 1, 2, 3, 17, tzinfo=UTC), timedelta(days=1)),
        (datetime(2026, 1, 31, 23, 17, tzinfo=UTC), timedelta(hours=4)),
    ],
)
def test_the_next_night_is_never_now(now: datetime, wait: timedelta) -> None:
    assert nightly.until(now) == wait


async def test_at_night_tools_that_do_the_same_are_proposed(served: Served) -> None:
    world = served.world
    token, _ = await world.account("ada")
    for name in ("fetch_url", "get_url"):
        await contribute(served, token, name=name)
        package = await world.registry.packages.find(
            PackageName("ada", name.replace("_", "-")), await world.caller("acme")
        )
        await world.registry.uses.count_runs({(package.id, True): LEAST_SUCCESSES})
    await nightly.once(world.registry)
    assert len(await world.registry.proposals.list()) == 1
