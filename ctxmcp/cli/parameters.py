"""Arguments and options made from the fields of an input model.

The first field and every other one that is required stand without a name, in the order of the
model; a list takes what is left, and so does a sentence, whose words need no quotes. All other
fields are options, and the description of a field is its help.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, get_args, get_origin

import click

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic.fields import FieldInfo

_SHORT = {"output": "-o", "kind": "-k", "tags": "-t", "limit": "-n"}
_SENTENCES = frozenset({"query", "reason"})


@dataclass(frozen=True, slots=True)
class Word:
    """A field as it is said on the command line."""

    name: str
    field: FieldInfo
    named: bool

    @property
    def many(self) -> bool:
        """Whether it is a list."""
        return self.field.annotation == list[str]

    @property
    def singular(self) -> str:
        """The name of one of many."""
        return self.name.removesuffix("s") if self.many else self.name

    @property
    def shown(self) -> str:
        """The argument in a usage line."""
        shown = "|".join(_choices(self.field.annotation)) or self.singular.upper()
        shown += "..." if self.many else ""
        return shown if self.field.is_required() else f"[{shown}]"

    def parameter(self) -> click.Parameter:
        """Make the argument or option."""
        return self._option() if self.named else self._argument()

    def _argument(self) -> click.Argument:
        return click.Argument(
            [self.name],
            type=self._type(),
            nargs=-1 if self.many or self.name in _SENTENCES else 1,
            required=self.field.is_required(),
            metavar=self.shown,
        )

    def _option(self) -> click.Option:
        names = [f"--{self.singular}".replace("_", "-"), self.name]
        names += [_SHORT[self.name]] if self.name in _SHORT else []
        if self.field.annotation is bool:
            if self.field.default:
                names[0] += f"/{names[0].replace('--', '--no-', 1)}"
            default = bool(self.field.default)
            return click.Option(names, is_flag=True, default=default, help=self.field.description)
        return click.Option(names, type=self._type(), multiple=self.many, help=self._help())

    def _type(self) -> click.ParamType[Any] | type[float | str]:
        choices = _choices(self.field.annotation)
        if choices:
            return click.Choice(choices)
        return next((said for kind, said in _TYPES if _holds(self.field.annotation, kind)), str)

    def _help(self) -> str:
        default = self.field.default
        words = [self.field.description.rstrip(".")] if self.field.description else []
        words += [f"default: {default}"] if default not in (None, "", []) else []
        return "; ".join(words)

    def value(self, said: Any) -> Any:
        """Return what the operation is given for what was said; None for nothing."""
        if said is None or said == () or (said is False and not self.field.default):
            return None
        if isinstance(said, tuple):
            return list(said) if self.many else " ".join(said)
        return said


def words(fields: Mapping[str, FieldInfo]) -> list[Word]:
    """Decide how each field is said."""
    first = next(iter(fields), None)
    return [
        Word(name, field, named=name != first and not field.is_required())
        for name, field in fields.items()
    ]


class _Json(click.ParamType[Any]):
    """A JSON text."""

    name = "json"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return json.loads(value) if isinstance(value, str) else value
        except (ValueError, RecursionError):
            self.fail("this is no JSON", param, ctx)


_TYPES: tuple[tuple[type, click.ParamType[Any] | type[float | str]], ...] = (
    (int, int),
    (float, float),
    (dict, _Json()),
)


def _holds(annotation: Any, kind: type) -> bool:
    """Tell whether a field is of a kind, also an optional one."""
    return annotation is kind or get_origin(annotation) is kind or kind in get_args(annotation)


def _choices(annotation: Any) -> list[str]:
    """Return the words of an enum or a literal, also of an optional one."""
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        return [member.value for member in annotation]
    parts = get_args(annotation)
    if parts and all(isinstance(part, str) for part in parts):
        return list(parts)
    return [word for part in parts for word in _choices(part)]
