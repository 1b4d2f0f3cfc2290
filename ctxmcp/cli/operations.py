"""One command for each operation of the catalog, made from its input model."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ctxmcp.cli.endings import Ending
from ctxmcp.cli.invocation import Command, Invocation, invocation
from ctxmcp.cli.parameters import Word, words
from ctxmcp.cli.printing import answer, working
from registry_core.operations import CATALOG
from registry_core.operations.trust import Trusted
from registry_core.operations.verify import Verified
from registry_core.trust import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from registry_core.operation import Model, Operation

_SAID_EVERYWHERE = frozenset({"project"})
"""Fields that an option of every command gives."""

_PATHS = {
    "publish": frozenset({"path"}),
    "verify": frozenset({"target"}),
    "download": frozenset({"output"}),
    "rotate": frozenset({"next_key"}),
    "add_key": frozenset({"added", "next_key"}),
    "revoke_key": frozenset({"signed_by"}),
    "recover": frozenset({"recovery_key"}),
}
"""Fields that are, or may be, paths on this machine."""


def command(name: str) -> click.Command | None:
    """Return the command for an operation; None where there is no such operation."""
    operation = CATALOG.get(name.replace("-", "_"))
    if operation is None:
        return None
    hidden = operation.hidden_from("local") | _SAID_EVERYWHERE
    fields = {n: field for n, field in operation.given.model_fields.items() if n not in hidden}
    said = words(fields)
    return Command(
        said_as(operation.name),
        params=[word.parameter() for word in said],
        callback=partial(_run, operation, said),
        help=operation.doc,
        short_help=operation.doc.split(";")[0].rstrip("."),
        arguments=[(w.shown, w.field.description or "") for w in said if not w.named],
    )


def said_as(name: str) -> str:
    """Return what an operation is called on the command line."""
    return name.replace("_", "-")


def _run(operation: Operation[Any, Any], said: Sequence[Word], /, **values: Any) -> int:
    what = invocation()
    given = {word.name: word.value(values[word.name]) for word in said}
    arguments = {name: value for name, value in given.items() if value is not None}
    for field in _PATHS.get(operation.name, frozenset()) & arguments.keys():
        arguments[field] = _from_here(what, arguments[field])
    output = asyncio.run(_perform(what, operation.name, arguments))
    answer(what, output)
    return _ending(output)


def _from_here(what: Invocation, text: str) -> str:
    """Keep a path what it is to the user, where the project is another folder than this one."""
    path = Path(text).expanduser().absolute()
    is_path = what.project.absolute() != Path.cwd() and path.parent.is_dir()
    return str(path) if is_path and not text.startswith("@") else text


async def _perform(what: Invocation, name: str, arguments: Mapping[str, Any]) -> Model:
    from ctxmcp.connection import connect  # noqa: PLC0415 - `--help` needs no HTTP client
    from ctxmcp.desk import Desk  # noqa: PLC0415 - as above

    async with connect(what.settings) as connection:
        desk = Desk(connection, what.settings, what.project)
        with working(what) as bar:
            return await desk.invoke(name, arguments, progress=bar.at)


def _ending(output: Model) -> Ending:
    """Let an answer be a refusal too: what is altered, or judged not to be used."""
    if isinstance(output, Verified) and not output.ok:
        return Ending.VERIFICATION
    if isinstance(output, Trusted) and output.verdict is Verdict.REFUSE:
        return Ending.POLICY
    return Ending.OK
