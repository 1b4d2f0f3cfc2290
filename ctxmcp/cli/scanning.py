"""The commands that go over everything that is stored, on the registry's machine."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from ctxmcp import terminal
from ctxmcp.cli.endings import Ending
from ctxmcp.cli.invocation import Command, Invocation, invocation
from ctxmcp.cli.printing import document, working
from registry_core.callers import OWNER

if TYPE_CHECKING:
    from registry_core.rescan import Rescanned


@click.command(cls=Command)
def rescan() -> int:
    """Scan what is stored with today's rules; stopped, it goes on the next time.

    What would be refused or held today is held until you have looked at it (`review`).
    """
    what = invocation()
    done = asyncio.run(_scan(what))
    document(what, asdict(done), lambda: _written(done))
    return Ending.VERIFICATION if done.unreadable else Ending.OK


async def _scan(what: Invocation) -> Rescanned:
    from ctxmcp.wiring import open_registry  # noqa: PLC0415 - brings SQLAlchemy
    from registry_core.rescan import rescan as scanning  # noqa: PLC0415 - as above

    async with open_registry(what.embedded) as registry:
        with working(what) as bar:
            return await scanning(registry, OWNER, bar.at)


@click.command(cls=Command)
def reindex() -> int:
    """Make the search index anew from the event log; the registry may be in use meanwhile."""
    what = invocation()
    position = asyncio.run(_index(what))
    document(what, {"position": position}, lambda: ["the search index is made anew"])
    return Ending.OK


async def _index(what: Invocation) -> int:
    from ctxmcp.wiring import open_registry  # noqa: PLC0415 - brings SQLAlchemy

    async with open_registry(what.embedded) as registry:
        with working(what) as bar:
            return await registry.indexer.rebuild(bar.at)


def _written(done: Rescanned) -> list[str]:
    if not done.total:
        return ["today's rules have looked at everything"]
    return [
        f"scanned {done.scanned:,} of {done.total:,}",
        f"found anew in {len(done.changed):,}, held {len(done.held):,}",
        *(f"held: {ref}" for ref in done.held),
        *(f"verdict: {terminal.one_line(line)}" for line in done.verdicts),
        *(f"unreadable: {terminal.one_line(line)}" for line in done.unreadable),
    ]
