"""The command line.

    ctxmcp [OPTIONS] COMMAND [OPTIONS] [ARGUMENTS]

Commands are loaded when they are named, so that `ctxmcp --version` imports none of what makes a
registry heavy. Operations of the registry become commands by themselves (`cli.operations`).
`run` is all of it but the process: words in, exit code out. Exit codes: `cli.endings`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import click

import ctxmcp
from ctxmcp import terminal
from ctxmcp.cli import printing
from ctxmcp.cli.endings import Ending, ending
from ctxmcp.cli.invocation import Group, invocation
from ctxmcp.settings import manners
from registry_core.errors import RegistryError

if TYPE_CHECKING:
    from collections.abc import Sequence

ALIASES = {"add": "install", "rm": "remove", "find": "search", "info": "inspect", "view": "inspect"}

_PROGRAM = {
    "remove": "files",
    "pack": "files",
    "keygen": "files",
    "accept-key": "files",
    "audit": "auditing",
    "token": "tokens",
    "rescan": "scanning",
    "reindex": "scanning",
    "account": "accounts",
    "propose": "accounts",
    "serve": "serving",
    "mcp": "serving",
    "witness": "log",
    "monitor": "log",
    "rotate-log-key": "log",
    "demo": "first",
}
"""Commands that are no operation of the registry, or more than one, and the module each is in."""


class Root(Group):
    """The command `ctxmcp` and what it loads."""

    def list_commands(self, context: click.Context) -> list[str]:
        """List the operations, then the rest."""
        from registry_core.operations import CATALOG  # noqa: PLC0415 - brings pydantic

        return [*dict.fromkeys([*(name.replace("_", "-") for name in CATALOG), *_PROGRAM])]

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """Load one command."""
        name = ALIASES.get(name, name)
        if name in _PROGRAM:
            found: click.Command = getattr(
                import_module(f"ctxmcp.cli.{_PROGRAM[name]}"), name.replace("-", "_")
            )
            return found
        return import_module("ctxmcp.cli.operations").command(name)  # type: ignore[no-any-return]

    def resolve_command(
        self, context: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, and for a wrong one suggest from all there are."""
        try:
            return super().resolve_command(context, args)
        except click.NoSuchCommand as error:
            names = [*self.list_commands(context), *ALIASES]
            raise click.NoSuchCommand(args[0], possibilities=names, ctx=error.ctx) from None


def _version(context: click.Context, option: click.Parameter, value: Any) -> None:
    if value:
        terminal.put(f"ctxmcp {ctxmcp.__version__}")  # read only now: it takes a while to find
        context.exit()


@click.group(
    cls=Root,
    invoke_without_command=True,
    epilog=f"Other names: {', '.join(f'{new} = {old}' for new, old in ALIASES.items())}.",
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_version,
    help="Show the version and exit.",
)
@click.pass_context
def cli(context: click.Context) -> int | None:
    """Publish, find, check and install context for coding agents.

    Without a command: on a terminal one screen about what to do next, and with piped input the
    registry as an MCP server.
    """
    if context.invoked_subcommand is not None:
        return None
    if sys.stdin is None or sys.stdin.isatty():
        return int(import_module("ctxmcp.cli.first").welcome())
    return int(import_module("ctxmcp.cli.serving").speak(invocation()))


def run(words: Sequence[str], said: Mapping[str, Any] = MappingProxyType({})) -> int:
    """Run one command and return its exit code; `said` stands for options of every command."""
    try:
        return _attempt(words, said)
    except (KeyboardInterrupt, click.Abort):
        terminal.say("interrupted")
        return Ending.INTERRUPTED
    except terminal.Unread:
        return _unread()


def _attempt(words: Sequence[str], said: Mapping[str, Any]) -> int:
    as_json = "--json" in words
    try:
        result = cli.main(list(words), prog_name="ctxmcp", standalone_mode=False, obj=dict(said))
    except RegistryError as error:
        printing.tell(error.message, code=error.code, hint=error.hint, as_json=as_json)
        return ending(error)
    except click.ClickException as error:
        return _misused(error, as_json=as_json)
    except (click.Abort, terminal.Unread):
        raise
    except Exception as error:  # noqa: BLE001 - the last stop: said in a line, or shown below
        return _unexpected(error, as_json=as_json)
    return int(result or 0)


def _misused(error: click.ClickException, *, as_json: bool) -> int:
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "ctxmcp"
    hint = f"`{path} --help` says how."
    printing.tell(error.format_message(), code="usage", hint=hint, as_json=as_json)
    return Ending.USAGE


def _unread() -> int:
    """Nobody reads on, as behind `| head`: be silent, now and when Python flushes at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return Ending.OK


def _unexpected(error: Exception, *, as_json: bool) -> int:
    if manners().debug:
        raise error
    printing.tell(
        f"{type(error).__name__}: {error}",
        code="internal",
        hint="This should not happen; CTXMCP_DEBUG=1 shows where it did.",
        as_json=as_json,
    )
    return Ending.FAILED
