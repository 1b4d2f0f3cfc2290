"""YAML as packages may use it: bounded, without aliases, and read one way only.

Built over the parser's events, so nothing is ever constructed by a tag and nothing grows. Two
readings of plain scalars:

    strings   every scalar is the text as written (`1.10`, `on`, `2026-01-01`, `null`); an empty
              value is None. For frontmatter that is written for people.
    typed     the JSON schema of YAML as JavaScript reads it: null, booleans and numbers are what
              they say (`012` is 12, `0x1F` is 31, `1_000` is 1000), all else is text (dates,
              `yes`, `12:30`). For manifests that a program checks.

Both refuse aliases, tags other than `!!str`, duplicate keys, keys that are no scalars, a second
document, and more bytes, nodes or levels than `MAX_*`. `strings` refuses anchors and merge keys as
well; to `typed` a lone anchor means nothing and `<<` is a key like any other, as in JavaScript.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from registry_core.errors import InvalidPackage, TooLarge
from registry_core.names import shown

MAX_FRONTMATTER = 64 * 1024
MAX_MANIFEST = 256 * 1024
MAX_NODES = 10_000
MAX_DEPTH = 32

_PARSER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_EMITTER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_NEVER_FOLD = 2**31 - 1
_STR_TAGS = {None, "!", "tag:yaml.org,2002:str"}


def strings(text: str, *, place: str = "", line: int = 1) -> Any:
    """Read YAML whose scalars are all strings; `line` is where in `place` the text starts."""
    return _read(text, MAX_FRONTMATTER, _Composer(_as_written, place, line, plain=True))


def typed(text: str, *, place: str = "", line: int = 1) -> Any:
    """Read YAML whose scalars are null, booleans, numbers and strings."""
    return _read(text, MAX_MANIFEST, _Composer(_as_javascript, place, line, plain=False))


def lenient(text: str, *, place: str = "", line: int = 1) -> tuple[Any, bool]:
    """Read `strings`, quoting what YAML refuses; tell whether that was needed.

    Frontmatter in the wild holds `description: Use this when: ...`, which YAML cannot read.
    """
    try:
        return strings(text, place=place, line=line), False
    except InvalidPackage as refusal:
        try:
            return strings(_quoted(text), place=place, line=line), True
        except (InvalidPackage, TooLarge):
            raise refusal from None


def dump(mapping: dict[str, Any]) -> str:
    """Write a mapping of strings (and lists and mappings of them) that `strings` reads back."""
    written: str = yaml.dump(
        mapping, Dumper=_EMITTER, allow_unicode=True, sort_keys=False, width=_NEVER_FOLD
    )
    return written


@dataclass(slots=True)
class _Composer:
    """Turns events into values; `scalar` reads a plain scalar."""

    scalar: Callable[[str], Any]
    place: str
    line: int
    plain: bool
    """Refuse anchors and merge keys too."""
    nodes: int = 0

    def refusal(self, message: str, mark: Any, hint: str = "") -> InvalidPackage:
        where = f"{self.place or 'line'}:{mark.line + self.line}" if mark else self.place
        return InvalidPackage(message, place=where, hint=hint)

    def value(self, event: Any, events: Iterator[Any], depth: int) -> Any:
        self.check(event, depth)
        if isinstance(event, yaml.ScalarEvent):
            is_plain = event.implicit[0]
            return self.scalar(event.value) if is_plain else event.value
        if isinstance(event, yaml.SequenceStartEvent):
            return list(self.items(events, depth))
        return self.mapping(events, depth)

    def check(self, event: Any, depth: int) -> None:
        self.nodes += 1
        if self.nodes > MAX_NODES or depth > MAX_DEPTH:
            raise TooLarge(f"YAML holds at most {MAX_NODES} values, {MAX_DEPTH} levels deep")
        if isinstance(event, yaml.AliasEvent):
            raise self.refusal("aliases are refused", event.start_mark, "Write the value out.")
        if event.anchor is not None and self.plain:
            raise self.refusal("anchors are refused", event.start_mark, "Quote the value.")
        if event.tag is not None and event.tag not in _STR_TAGS:
            raise self.refusal(f"the tag {shown(event.tag)} is refused", event.start_mark)

    def items(self, events: Iterator[Any], depth: int) -> Iterator[Any]:
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            yield self.value(event, events, depth + 1)

    def mapping(self, events: Iterator[Any], depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            self.check(event, depth + 1)
            key = self.key(event)
            if key in found:
                raise self.refusal(f"the key {shown(key)} stands there twice", event.start_mark)
            found[key] = self.value(next(events), events, depth + 1)
        return found

    def key(self, event: Any) -> str:
        if not isinstance(event, yaml.ScalarEvent):
            raise self.refusal("a key is a list or a mapping", event.start_mark)
        if event.value == "<<" and self.plain:
            raise self.refusal("merge keys are refused", event.start_mark)
        return str(event.value)


def _read(text: str, limit: int, composer: _Composer) -> Any:
    if len(text) > limit or len(text.encode("utf-8", "replace")) > limit:
        raise TooLarge(f"{composer.place or 'YAML'}: the YAML is at most {limit} bytes")
    try:
        return _document(yaml.parse(text, Loader=_PARSER), composer)
    except yaml.MarkedYAMLError as error:
        message = f"the YAML cannot be read: {error.problem or error.context}"
        raise composer.refusal(message, error.problem_mark or error.context_mark) from error
    except (yaml.YAMLError, UnicodeError) as error:
        raise composer.refusal("the YAML holds a character that it may not", None) from error


def _document(events: Iterator[Any], composer: _Composer) -> Any:
    """Return the one document; None where there is none."""
    next(events)
    if isinstance(next(events), yaml.StreamEndEvent):
        return None
    value = composer.value(next(events), events, 1)
    next(events)
    if not isinstance(another := next(events), yaml.StreamEndEvent):
        raise composer.refusal("a second document is refused", another.start_mark)
    return value


def _as_written(text: str) -> str | None:
    return text or None


# JSON schema

_CONSTANTS = {"": None, "~": None} | {
    spelling: value
    for word, value in (("null", None), ("true", True), ("false", False))
    for spelling in (word, word.capitalize(), word.upper())
}
_INTEGER = re.compile(r"([-+]?)(?:0b([01_]+)|0x([0-9a-fA-F_]+)|0o([0-7_]+)|([0-9][0-9_]*))")
_FLOAT = re.compile(r"[-+]?(?:[0-9][0-9_]*(?:\.[0-9_]*)?|\.[0-9_]+)(?:[eE][-+]?[0-9]+)?")
_NO_JSON = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_LONGEST_NUMBER = 64
_EXACT = 2**53


def _as_javascript(text: str) -> Any:
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if len(text) > _LONGEST_NUMBER or text.endswith("_"):
        return text
    if integer := _INTEGER.fullmatch(text):
        return _integer(integer)
    if _FLOAT.fullmatch(text):
        return _float(float(text.replace("_", "")))
    # Infinity and NaN are numbers that JSON has no word for; JavaScript writes null.
    return None if _NO_JSON.fullmatch(text) else text


def _integer(match: re.Match[str]) -> int:
    """Read digits of one of four bases; a leading zero means nothing, unlike in YAML 1.1."""
    bases = zip(match.groups()[1:], (2, 16, 8, 10), strict=True)
    digits, base = next((digits, base) for digits, base in bases if digits)
    return int(match[1] + digits.replace("_", ""), base)


def _float(number: float) -> int | float | None:
    if not math.isfinite(number):
        return None
    return int(number) if number.is_integer() and abs(number) < _EXACT else number


# Repair

_TOP_KEY = re.compile(r"^(?=[^\s#-])", re.MULTILINE)
_ENTRY = re.compile(r"(\s*[^\s:#'\"][^:\n]*):[ \t]+([^\s|>][\s\S]*)")


def _quoted(text: str) -> str:
    """Quote the value of each top-level entry that YAML cannot read by itself."""
    return "".join(_quoted_entry(entry) for entry in _TOP_KEY.split(text))


def _quoted_entry(entry: str) -> str:
    if _reads(entry):
        return entry
    if written := _ENTRY.fullmatch(entry):
        folded = re.sub(r"\s*\n\s*", " ", re.sub(r"\n#[^\n]*", "", written[2]))
        value = folded.strip().replace("'", "''")
        return f"{written[1]}: '{value}'\n"
    return "\n".join(map(_quoted_line, entry.split("\n")))


def _quoted_line(line: str) -> str:
    """Quote one line of a nested mapping."""
    written = _ENTRY.fullmatch(line)
    if not written or _reads(line.strip()):
        return line
    value = written[2].strip().replace("'", "''")
    return f"{written[1]}: '{value}'"


def _reads(text: str) -> bool:
    try:
        strings(text)
    except InvalidPackage:
        return False
    return True
