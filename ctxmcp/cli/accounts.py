"""The commands `account` and `propose`: who may publish where, and which tools are alike.

They work on the embedded registry, on the machine that holds it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import click

from ctxmcp.cli.invocation import Command, Group, invocation
from ctxmcp.cli.printing import document
from registry_core.callers import OWNER

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ctxmcp.cli.invocation import Invocation
    from registry_core.registry import Registry


@click.group(cls=Group)
def account() -> None:
    """Say what the people who sign in to your registry own, and whether they may act."""


@account.command()
@click.argument("namespace")
@click.argument("handle")
def give(namespace: str, handle: str) -> None:
    """Make an account, or a team, the owner of a namespace."""
    what, name = invocation(), namespace.removeprefix("@")
    _with(what, lambda registry: registry.accounts.give(name, handle, OWNER))
    document(what, {"namespace": name, "owner": handle}, lambda: [f"@{name} is {handle}'s"])


@account.command()
@click.argument("handle")
def disable(handle: str) -> None:
    """Let an account do nothing any more; what it published stays."""
    _set_disabled(handle, disabled=True)


@account.command()
@click.argument("handle")
def enable(handle: str) -> None:
    """Let a disabled account act again."""
    _set_disabled(handle, disabled=False)


@click.command(cls=Command)
def propose() -> None:
    """Look for pairs of proven tools that do the same, and propose to make them one."""
    what = invocation()
    made = _with(what, lambda registry: registry.proposals.find_candidates())
    document(what, {"proposed": made}, lambda: [f"{made} new proposals"])


def _set_disabled(handle: str, *, disabled: bool) -> None:
    what = invocation()
    found = _with(
        what, lambda registry: registry.accounts.set_disabled(handle, OWNER, disabled=disabled)
    )
    word = "may do nothing any more" if disabled else "may act again"
    document(
        what,
        {"handle": found.handle, "disabled": disabled},
        lambda: [f"{found.handle} {word}"],
    )


def _with(what: Invocation, work: Callable[[Registry], Awaitable[Any]]) -> Any:
    async def opened() -> Any:
        from ctxmcp.wiring import open_registry  # noqa: PLC0415 - brings SQLAlchemy

        async with open_registry(what.embedded) as registry:
            return await work(registry)

    return asyncio.run(opened())
