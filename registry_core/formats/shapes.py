"""What a manifest has to look like: shapes that read a value, fill defaults and name every fault.

    secret = Record({"name": Field(Text(), REQUIRED), "required": Field(Flag(), default=True)})
    checked(secret, {"name": 1, "x": 0})
        -> ({"required": True}, ("name: Expected string, received number",))

The agent and tool manifests were first checked by zod schemas in JavaScript; shapes keep their
semantics (unknown keys are dropped, null is no string, lengths count UTF-16 units) and the words
of their messages, `path: message`, because publishers of both know them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

REQUIRED: Any = object()
"""Default of a field that must be given."""
ABSENT: Any = object()
"""Default of a field that is left out where it is not given; also what is wrong reads as this."""


class Shape(Protocol):
    """Reads one value; faults go to `faults`, and the value is then ABSENT."""

    def read(self, value: Any, path: str, faults: list[str]) -> Any: ...


def checked(shape: Shape, value: Any) -> tuple[Any, tuple[str, ...]]:
    """Return `value` as `shape` reads it, and its faults."""
    faults: list[str] = []
    read = shape.read(value, "", faults)
    return read, tuple(faults)


@dataclass(frozen=True, slots=True)
class Text:
    """A string of `least` to `most` UTF-16 units that every pattern matches whole."""

    least: int = 0
    most: int | None = None
    patterns: tuple[tuple[re.Pattern[str], str], ...] = ()

    def read(self, value: Any, path: str, faults: list[str]) -> Any:
        if not isinstance(value, str):
            return _unexpected("string", value, path, faults)
        before, size = len(faults), len(value.encode("utf-16-le", "surrogatepass")) // 2
        if size < self.least:
            _fault(path, f"String must contain at least {self.least} character(s)", faults)
        if self.most is not None and size > self.most:
            _fault(path, f"String must contain at most {self.most} character(s)", faults)
        for pattern, message in self.patterns:
            if not pattern.fullmatch(value):
                _fault(path, message, faults)
        return value if len(faults) == before else ABSENT


@dataclass(frozen=True, slots=True)
class Flag:
    """A boolean."""

    def read(self, value: Any, path: str, faults: list[str]) -> Any:
        return value if isinstance(value, bool) else _unexpected("boolean", value, path, faults)


@dataclass(frozen=True, slots=True)
class Anything:
    """Any value, null included."""

    def read(self, value: Any, path: str, faults: list[str]) -> Any:
        return value


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few strings."""

    words: tuple[str, ...]

    def read(self, value: Any, path: str, faults: list[str]) -> Any:
        if isinstance(value, str) and value in self.words:
            return value
        expected = " | ".join(f"'{word}'" for word in self.words)
        if not isinstance(value, str):
            return _unexpected(expected, value, path, faults)
        message = f"Invalid enum value. Expected {expected}, received '{value[:64]}'"
        return _fault(path, message, faults)


@dataclass(frozen=True, slots=True)
class Only:
    """One string and no other."""

    word: str

    def read(self, value: Any, path: str, faults: list[str]) -> Any:
        if value == self.word:
            return value
        return _fault(path, f'Invalid literal value, expected "{self.word}"', faults)


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    item: Shape
    most: int | None = None

    def read(self, value: Any, path: str, faults: list[str]) -> Any:
        if not isinstance(value, list):
            return _unexpected("array", value, path, faults)
        if self.most is not None and len(value) > self.most:
            _fault(path, f"Array must contain at most {self.most} element(s)", faults)
        return [
            self.item.read(item, _below(path, index), faults) for index, item in enumerate(value)
        ]


@dataclass(frozen=True, slots=True)
class Table:
    """A mapping from any keys to values of one shape."""

    item: Shape

    def read(self, value: Any, path: str, faults: list[str]) -> Any:
        if not isinstance(value, dict):
            return _unexpected("object", value, path, faults)
        return {key: self.item.read(item, _below(path, key), faults) for key, item in value.items()}


@dataclass(frozen=True, slots=True)
class Field:
    """One key of a record. The default stands where the key is missing, and is not checked."""

    shape: Shape
    default: Any = ABSENT


@dataclass(frozen=True, slots=True)
class Record:
    """A mapping with known keys; others are dropped. `rule` judges a record whose fields fit."""

    fields: Mapping[str, Field] = field(default_factory=dict)
    rule: Callable[[Mapping[str, Any]], str] | None = None

    def read(self, value: Any, path: str, faults: list[str]) -> Any:
        if not isinstance(value, dict):
            return _unexpected("object", value, path, faults)
        before = len(faults)
        found = {key: _given(key, value, known, path, faults) for key, known in self.fields.items()}
        if self.rule and len(faults) == before and (broken := self.rule(found)):
            faults.append(broken)
        return {key: item for key, item in found.items() if item is not ABSENT}


def _given(key: str, record: dict[str, Any], known: Field, path: str, faults: list[str]) -> Any:
    if key in record:
        return known.shape.read(record[key], _below(path, key), faults)
    if known.default is REQUIRED:
        return _fault(_below(path, key), "Required", faults)
    return list(known.default) if isinstance(known.default, list) else known.default


def _below(path: str, key: str | int) -> str:
    return f"{path}.{key}" if path else str(key)


def _unexpected(expected: str, value: Any, path: str, faults: list[str]) -> Any:
    return _fault(path, f"Expected {expected}, received {_type(value)}", faults)


def _fault(path: str, message: str, faults: list[str]) -> Any:
    faults.append(f"{path}: {message}" if path else message)
    return ABSENT


def _type(value: Any) -> str:
    names = {bool: "boolean", int: "number", float: "number", str: "string", list: "array"}
    return "null" if value is None else names.get(type(value), "object")
