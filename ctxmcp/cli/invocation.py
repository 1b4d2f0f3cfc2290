"""What may be said with every command: which registry, which project, how to print.

These options stand before the command or behind it; what stands behind wins.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ctxmcp import settings as reading
from ctxmcp.terminal import Paper, look
from registry_core.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ctxmcp.settings import Settings

TOOLSETS = ("main", "more", "team")
"""What `Operation.toolset` can be; the first is always shown."""


@dataclass(frozen=True, slots=True)
class Invocation:
    """One run of a command: what was said, or stands in the environment."""

    settings: Settings
    project: Path
    toolsets: tuple[str, ...] = ()
    json: bool = False
    quiet: bool = False
    paper: Paper = Paper()  # noqa: RUF009 - frozen
    remote: bool = False
    """Whether `--registry` was said, other than in the environment."""

    @property
    def embedded(self) -> Settings:
        """The settings for what works on the embedded registry alone. Raises Invalid if remote."""
        if self.remote:
            raise Invalid(
                "this works on the machine that holds the registry, not over the network",
                hint="Leave --registry away, or run it there.",
            )
        return dataclasses.replace(self.settings, registry="")


def invocation() -> Invocation:
    """Put together what was said with the command that is running."""
    said: Mapping[str, Any] = click.get_current_context().find_root().ensure_object(dict)
    return Invocation(
        settings=said.get("settings") or _settings(said),
        project=Path(said.get("project") or Path.cwd()),
        toolsets=tuple(said.get("toolset", ())),
        json=said.get("json", False),
        quiet=said.get("quiet", False),
        paper=said.get("paper") or look(),
        remote="registry" in said,
    )


def _settings(said: Mapping[str, Any]) -> Settings:
    data_dir, registry = said.get("data_dir"), said.get("registry")
    settings = reading.read(data_dir=data_dir, registry=registry)
    # Whoever names a folder means that folder, whatever CTXPKG_REGISTRY says.
    return dataclasses.replace(settings, registry="") if data_dir and not registry else settings


def _remember(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    assert parameter.name is not None  # noqa: S101 - each of ours has one
    source = context.get_parameter_source(parameter.name)
    if source is click.core.ParameterSource.COMMANDLINE:
        context.find_root().ensure_object(dict)[parameter.name] = value


def _option(*names: str, **more: Any) -> click.Option:
    return click.Option(names, expose_value=False, callback=_remember, **more)


def _everywhere() -> list[click.Parameter]:
    folder = click.Path(file_okay=False, path_type=Path)
    return [
        _option("--data-dir", type=folder, help="Folder of the embedded registry."),
        _option("--registry", metavar="URL", help="A remote registry instead."),
        _option("--project", type=folder, help="Folder you work in; default: this one."),
        _option(
            "--toolset",
            multiple=True,
            type=click.Choice(TOOLSETS),
            help="Tools that agents are shown over MCP beside the main ones.",
        ),
        _option("--json", is_flag=True, help="Print one JSON document."),
        _option("-q", "--quiet", is_flag=True, help="No talk, only data and errors."),
    ]


class Command(click.Command):
    """A command whose help has sections for its arguments and for what goes with every command."""

    def __init__(self, *given: Any, arguments: Sequence[tuple[str, str]] = (), **more: Any) -> None:
        super().__init__(*given, **more)
        self.arguments = arguments
        self.everywhere = _everywhere()
        self.params = [*self.params, *self.everywhere]

    def format_options(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the sections; the options of every command come last."""
        own = [
            p
            for p in self.get_params(context)
            if isinstance(p, click.Option) and p not in self.everywhere
        ]
        sections = (
            ("Arguments", self.arguments),
            ("Options", _records(context, own)),
            ("With every command", _records(context, self.everywhere)),
        )
        for title, rows in sections:
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)


def _records(
    context: click.Context, parameters: Sequence[click.Parameter]
) -> list[tuple[str, str]]:
    return [record for p in parameters if (record := p.get_help_record(context))]


class Group(Command, click.Group):
    """A group of commands of ours."""

    command_class = Command

    def format_options(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands first."""
        self.format_commands(context, formatter)
        super().format_options(context, formatter)
