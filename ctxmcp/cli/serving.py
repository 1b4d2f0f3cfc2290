"""The commands `serve` and `mcp`: the registry for others, over HTTP or over stdio."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from ctxmcp.cli.endings import Ending
from ctxmcp.cli.invocation import TOOLSETS, Command, invocation
from ctxmcp.settings import limits
from transports.access import Access

if TYPE_CHECKING:
    from ctxmcp.cli.invocation import Invocation


@click.command(cls=Command)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8080,
    show_default=True,
    help="Port to listen on; 0: a free one.",
)
@click.option(
    "--allowed-host",
    "allowed",
    metavar="NAME",
    multiple=True,
    help="Also answer requests for this name, or NAME:PORT; several are allowed.",
)
@click.option("--require-token", is_flag=True, help="Ask callers on this machine for a token, too.")
def serve(host: str, port: int, allowed: tuple[str, ...], *, require_token: bool) -> None:
    """Serve the registry over HTTP until you stop it.

    On a loopback address whoever is at this machine is the owner. On any other address callers
    need tokens, and it does not start before there is one.
    """
    from ctxmcp.serving import serve as serving  # noqa: PLC0415 - brings the HTTP server

    what = invocation()
    settings, toolsets = what.embedded, frozenset({TOOLSETS[0], *what.toolsets})
    access = Access.of_server(
        host, base_url=settings.base_url, allowed=allowed, require_token=require_token
    )
    asyncio.run(serving(settings, host, port, access, limits(), toolsets))


@click.command(cls=Command)
def mcp() -> int:
    """Speak MCP over stdio; `ctxmcp` with piped input does the same."""
    return speak(invocation())


def speak(what: Invocation) -> int:
    """Be an MCP server on standard input and output until the input ends."""
    from ctxmcp import stdio  # noqa: PLC0415 - brings the MCP SDK

    stdio.main(what.settings, frozenset({TOOLSETS[0], *what.toolsets}), what.project)
    return Ending.OK
