"""One command for each operation of the catalog, made from its input model.

The first field and every other one that is required stand without a name, in the order of the
model; a list takes what is left, and so does a sentence, whose words need no quotes. All other
fields are options, and the description of a field is its help.
"""

from __future__ import annotations

import asyncio
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Any, get_args

import click

from ctxmcp.cli.endings import Ending
from ctxmcp.cli.invocation import Command, Invocation, invocation
from ctxmcp.cli.printing import answer, working
from registry_core.operations import CATALOG
from registry_core.operations.trust import Trusted
from registry_core.operations.verify import Verified
from registry_core.trust import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic.fields import FieldInfo

    from registry_core.operation import Model, Operation

_SHORT = {"output": "-o", "kind": "-k", "tags": "-t", "limit": "-n"}
_SENTENCES = frozenset({"query", "reason"})
_SAID_EVERYWHERE = frozenset({"project"})
"""Fields that an option of every command gives."""


def command(name: str) -> click.Command | None:
    """Return the command for an operation; None where there is no such operation."""
    operation = CATALOG.get(name)
    if operation is None:
        return None
    fields = _fields(operation)
    plain = _plain(fields)
    return Command(
        operation.name,
        params=[_parameter(name, field, plain=name in plain) for name, field in fields.items()],
        callback=partial(_run, operation),
        help=operation.doc,
        short_help=operation.doc.split(";")[0].rstrip("."),
        arguments=[(_shown(name), fields[name].description or "") for name in plain],
    )


def _fields(operation: Operation[Any, Any]) -> Mapping[str, FieldInfo]:
    hidden = operation.hidden_from("local") | _SAID_EVERYWHERE
    return {n: field for n, field in operation.given.model_fields.items() if n not in hidden}


def _plain(fields: Mapping[str, FieldInfo]) -> list[str]:
    """Return the names of the fields that stand without a name."""
    first = next(iter(fields), None)
    return [name for name, field in fields.items() if name == first or field.is_required()]


def _shown(name: str) -> str:
    return name.removesuffix("s").upper() if name == "refs" else name.upper()


def _parameter(name: str, field: FieldInfo, *, plain: bool) -> click.Parameter:
    choices = _choices(field.annotation)
    kind = click.Choice(choices) if choices else int if field.annotation is int else str
    many = field.annotation == list[str]
    if plain:
        left = many or name in _SENTENCES
        return click.Argument(
            [name], type=kind, nargs=-1 if left else 1, required=field.is_required()
        )
    words = [f"--{name.removesuffix('s') if many else name}".replace("_", "-"), name]
    if name in _SHORT:
        words.append(_SHORT[name])
    if field.annotation is bool:
        return click.Option(words, is_flag=True, help=field.description)
    return click.Option(words, type=kind, multiple=many, help=_help(field))


def _choices(annotation: Any) -> list[str]:
    """Return the words of an enum or a literal, also of an optional one."""
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        return list(annotation)
    parts = get_args(annotation)
    if parts and all(isinstance(part, str) for part in parts):
        return list(parts)
    return [word for part in parts if part is not annotation for word in _choices(part)]


def _help(field: FieldInfo) -> str:
    default = f"default: {field.default}" if field.default not in (None, "", []) else ""
    return "; ".join(filter(None, [(field.description or "").rstrip("."), default]))


def _run(operation: Operation[Any, Any], /, **said: Any) -> int:
    what = invocation()
    arguments = {name: _value(name, value) for name, value in said.items() if _is_said(value)}
    with working(what, operation.title):
        output = asyncio.run(_perform(what, operation.name, arguments))
    answer(what, output)
    return _ending(output)


def _is_said(value: Any) -> bool:
    return value is not None and value is not False and value != ()


def _value(name: str, value: Any) -> Any:
    if isinstance(value, tuple):
        return " ".join(value) if name in _SENTENCES else list(value)
    return value


async def _perform(what: Invocation, name: str, arguments: Mapping[str, Any]) -> Model:
    from ctxmcp.connection import connect  # noqa: PLC0415 - `--help` needs no HTTP client
    from ctxmcp.desk import Desk  # noqa: PLC0415 - as above

    async with connect(what.settings) as connection:
        return await Desk(connection, what.settings, what.project).invoke(name, arguments)


def _ending(output: Model) -> Ending:
    """An answer can be a refusal too: what is altered, or judged not to be used."""
    if isinstance(output, Verified) and not output.ok:
        return Ending.VERIFICATION
    if isinstance(output, Trusted) and output.verdict is Verdict.REFUSE:
        return Ending.POLICY
    return Ending.OK
