"""What a newcomer meets: the screen of bare `ctxmcp`, and the command `demo`."""

from __future__ import annotations

import click

import ctxmcp
from ctxmcp import terminal
from ctxmcp.cli.agents import one_liners, program
from ctxmcp.cli.endings import Ending
from ctxmcp.cli.invocation import Command, Invocation, invocation

_WELCOME = """\
{name} {version}, a registry of signed, checked context for coding agents:
skills, agents, tools and context packages.

  registry  {registry}
  project   {project}

First steps
  ctxmcp demo                           all of it in a few seconds, leaving nothing
  ctxmcp publish ./my-skill --name @me/my-skill --version 1.0.0
  ctxmcp search "review a pull request"
  ctxmcp inspect @me/my-skill           before you install it
  ctxmcp install @me/my-skill           into this project, for the agents it has

For an agent
  {agent}

For others
  ctxmcp serve                          the registry over HTTP
  ctxmcp token create --namespace me --name laptop

All commands: ctxmcp --help"""


@click.command(cls=Command)
def demo() -> int:
    """See all of it in a few seconds: offline, in a temporary folder, leaving nothing behind."""
    from ctxmcp.cli.demo import play  # noqa: PLC0415 - what it plays imports everything

    return play(as_json=invocation().json)


def welcome() -> int:
    """Print one screen of what this is and what to do next."""
    what = invocation()
    terminal.put(
        _WELCOME.format(
            name=click.style("ctxmcp", bold=True),
            version=ctxmcp.__version__,
            registry=_registry(what),
            project=what.project,
            agent=one_liners(program())[0][1],
        )
    )
    return Ending.OK


def _registry(what: Invocation) -> str:
    if what.settings.registry:
        return f"{what.settings.registry} (remote)"
    folder = what.settings.data_dir
    return f"{folder} ({'yours' if folder.is_dir() else 'yours, made when you first use it'})"
