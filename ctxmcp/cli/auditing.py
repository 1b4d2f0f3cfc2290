"""The command `audit`: a project and what is said of it today, or a whole registry."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ctxmcp import terminal
from ctxmcp.cli.endings import Ending
from ctxmcp.cli.invocation import Command, Invocation, invocation
from ctxmcp.cli.printing import answer, document, working
from registry_core.errors import Invalid, NotFound

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ctxmcp.remote_audit import Surveyed
    from registry_core.audit import Audited as AuditedRegistry
    from registry_core.audit import Problem
    from registry_core.operations.audit import Audited


@click.command(
    cls=Command,
    arguments=[("[WHAT]", "`project` or `registry`; default: the project, where it has a lock.")],
)
@click.argument("what", type=click.Choice(["project", "registry"]), required=False)
@click.option("--offline", is_flag=True, help="Ask no registry; of a project.")
@click.option("--log-key", default="", help="Of a remote registry: its log's key, if you know it.")
def audit(what: str | None, log_key: str, *, offline: bool) -> int:
    """Say what is wrong with what is installed, or with a registry.

    Of a project: what is on disk against its lock, and what the registry says of that today. Of a
    registry: its log, its releases and its blobs against each other, nothing written; of a remote
    one as far as anybody can see it.
    """
    said = invocation()
    if (what or _usual(said)) == "project":
        return _ending(asyncio.run(_project(said, offline=offline)))
    if offline:
        raise Invalid("a registry is audited where it is", hint="--offline goes with a project.")
    if said.settings.registry:
        return _tell(said, asyncio.run(_remote(said, log_key)))
    return _tell(said, asyncio.run(_registry(said)))


def _usual(said: Invocation) -> str:
    from ctxmcp.lock import LOCK  # noqa: PLC0415 - knows the agent hosts, which takes a while

    named = said.project.absolute() != Path.cwd()
    return "project" if named or (said.project / LOCK).exists() else "registry"


async def _project(said: Invocation, *, offline: bool) -> Audited:
    from ctxmcp.connection import connect  # noqa: PLC0415 - `--help` needs no HTTP client
    from ctxmcp.desk import Desk  # noqa: PLC0415 - as above
    from registry_core.operations.audit import Audited  # noqa: PLC0415 - brings pydantic

    async with connect(said.settings) as connection:
        desk = Desk(connection, said.settings, said.project)
        found = await desk.invoke("audit", {"offline": offline})
    assert isinstance(found, Audited)  # noqa: S101 - the operation's own output
    answer(said, found)
    return found


def _ending(found: Audited) -> Ending:
    if any(one.problems for one in found.releases):
        return Ending.VERIFICATION
    if found.ok:
        return Ending.OK
    refused = any(one.refused for one in found.releases)
    bad = any(one.advisories for one in found.unlocked)
    return Ending.POLICY if refused or bad else Ending.UNREACHABLE


async def _registry(said: Invocation) -> AuditedRegistry:
    from ctxmcp.wiring import open_registry  # noqa: PLC0415 - brings SQLAlchemy
    from registry_core.audit import audit as auditing  # noqa: PLC0415 - as above

    settings = said.embedded
    if not settings.database_url and not settings.data_dir.is_dir():
        raise NotFound(  # opening would make an empty one, in which nothing is wrong
            f"there is no registry in {settings.data_dir}",
            hint="Name its folder, `--data-dir`, or a remote one, `--registry`.",
        )
    async with open_registry(settings) as registry:
        with working(said) as bar:
            return await auditing(registry, bar.at)


async def _remote(said: Invocation, key: str) -> Surveyed:
    from ctxmcp import remote_audit  # noqa: PLC0415 - brings the HTTP client

    with working(said) as bar:
        return await remote_audit.survey(said.settings.registry, said.settings.state, key, bar.at)


def _tell(said: Invocation, found: AuditedRegistry | Surveyed) -> Ending:
    document(said, {"ok": found.ok, **asdict(found)}, lambda: [*_written(found)])
    return Ending.OK if found.ok else Ending.VERIFICATION


def _written(found: AuditedRegistry | Surveyed) -> Iterator[str]:
    counted: dict[str, Any] = {
        name: value for name, value in asdict(found).items() if type(value) is int and value
    }
    if found.log:
        yield f"log: {found.log.leaves:,} leaves, {found.log.signed:,} of them signed"
        yield f"root: {found.log.root}"
    yield ", ".join(f"{count:,} {name}" for name, count in counted.items() if name != "unlisted")
    for what in getattr(found, "not_checked", ()):
        yield f"not checked: {terminal.one_line(what)}"
    yield from _problems(found.problems)
    if found.unlisted:
        yield f"and {found.unlisted:,} more"
    if found.ok:
        yield "nothing is wrong"


def _problems(problems: Sequence[Problem]) -> Iterator[str]:
    for one in problems:
        yield f"BAD {terminal.one_line(one.where)}: {terminal.one_line(one.what)}"
