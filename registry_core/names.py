"""How things are called: kinds, namespaces, package names, versions, ranges, references.

    reference  := name [ "@" selector ]
    name       := "@"? namespace "/" package       @acme/auth-context, acme/auth-context
    selector   := version | range | channel        1.2.0, ^1.2, beta; none means `latest`
    namespace  := 2..32 of a-z 0-9 -, no dash at either end, not reserved
    package    := 1..64 of a-z 0-9 -, no dash at either end

Versions are SemVer 2. Their order is SemVer precedence, which ignores build metadata; therefore
one package never holds two versions that differ in build metadata alone (see `publish`).

A range is what Cargo reads (`1.2` means `^1.2`, a comma means and), with npm's `||`, blanks for
and, `1.x`, and `1.2 - 2.0` beside it. A pre-release matches only where the range itself names a
pre-release of the same major.minor.patch.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import total_ordering

from registry_core.errors import InvalidName, InvalidVersion

MAX_VERSION = 64
MAX_RANGE = 128

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")
_CHANNEL = re.compile(r"[a-z][a-z0-9._-]{0,63}")

RESERVED_NAMESPACES = frozenset(
    {"leanctx", "lean-ctx", "ctxpkg", "official", "verified", "registry", "api", "www", "admin"}
    | {"internal", "system", "root", "staff", "support"}
)


class Kind(StrEnum):
    """What a package is to the agent that loads it."""

    CONTEXT = "context"
    SKILL = "skill"
    AGENT = "agent"
    TOOL = "tool"
    ADDON = "addon"
    GRAMMAR = "grammar"

    @classmethod
    def parse(cls, text: str) -> Kind:
        """Read a kind; ctxpkg's own word `skills` is one too."""
        try:
            return cls("skill" if text == "skills" else text)
        except ValueError:
            raise InvalidName(
                f"unknown kind {shown(text)}", hint=f"Kinds are {', '.join(cls)}."
            ) from None


def shown(text: str, limit: int = 64) -> str:
    """Quote a stranger's text for a message: escaped, and never longer than `limit`."""
    cut = text if len(text) <= limit else text[: limit - 1] + "…"
    return ascii(cut) if not cut.isprintable() else repr(cut)


def parse_namespace(text: str) -> str:
    """Read a namespace without its `@`."""
    if not (2 <= len(text) <= 32 and _NAME.fullmatch(text)):
        raise InvalidName(
            f"{shown(text)} is no namespace",
            hint="A namespace is 2 to 32 of a-z, 0-9 and -, with no dash at either end.",
        )
    return text


@dataclass(frozen=True, slots=True, order=True)
class PackageName:
    """`@namespace/name`, the one spelling under which a package is known."""

    namespace: str
    name: str

    @classmethod
    def parse(cls, text: str) -> PackageName:
        """Read `@ns/name` or `ns/name`."""
        namespace, slash, name = text.removeprefix("@").partition("/")
        if not slash:
            raise InvalidName(f"{shown(text)} is no package", hint="Write @namespace/name.")
        parse_namespace(namespace)
        if not (1 <= len(name) <= 64 and _NAME.fullmatch(name)):
            raise InvalidName(
                f"{shown(name)} is no package name",
                hint="A name is 1 to 64 of a-z, 0-9 and -, with no dash at either end.",
            )
        return cls(namespace, name)

    def __str__(self) -> str:
        return f"@{self.namespace}/{self.name}"


_VERSION = re.compile(
    r"(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)"
    r"(?:-((?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
    r"(?:\.(?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*))*))?"
    r"(?:\+([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?"
)


@total_ordering
@dataclass(frozen=True, slots=True, eq=False)
class Version:
    """A SemVer 2 version: compares and hashes by precedence, prints as it was written."""

    triple: tuple[int, int, int]
    prerelease: str = ""
    build: str = ""

    @classmethod
    def parse(cls, text: str) -> Version:
        """Read exactly `MAJOR.MINOR.PATCH[-pre][+build]`, at most 64 characters."""
        found = _VERSION.fullmatch(text) if len(text) <= MAX_VERSION else None
        if not found:
            raise InvalidVersion(
                f"{shown(text)} is no semantic version", hint="Write it like 1.2.0 or 1.2.0-rc.1."
            )
        triple = (int(found[1]), int(found[2]), int(found[3]))
        return cls(triple, found[4] or "", found[5] or "")

    @property
    def precedence(self) -> str:
        """The version without build metadata: what makes two versions the same."""
        return str(self).partition("+")[0]

    def __str__(self) -> str:
        pre = f"-{self.prerelease}" if self.prerelease else ""
        build = f"+{self.build}" if self.build else ""
        return f"{self.triple[0]}.{self.triple[1]}.{self.triple[2]}{pre}{build}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Version) and self._order == other._order

    def __lt__(self, other: Version) -> bool:
        return self._order < other._order

    def __hash__(self) -> int:
        return hash((self.triple, self.prerelease))

    @property
    def _order(self) -> tuple[tuple[int, int, int], bool, list[tuple[bool, int, str]]]:
        """SemVer 11: a pre-release comes first, its numbers before its words, fewer before more."""
        parts = self.prerelease.split(".") if self.prerelease else []
        return (
            self.triple,
            not self.prerelease,
            [(not p.isdigit(), int(p) if p.isdigit() else 0, p) for p in parts],
        )


def newest_first(versions: list[Version]) -> list[Version]:
    """Sort as indexes list them: stable versions, newest first, then pre-releases, newest first.

    Clients of the ctxpkg protocol install the first entry, so this order is what makes them
    prefer a stable version.
    """
    pre: list[Version] = []
    stable: list[Version] = []
    for version in sorted(versions, reverse=True):
        (pre if version.prerelease else stable).append(version)
    return stable + pre


_OPERATOR = r"(?P<operator>\^|~|>=|<=|>|<|=)?"
_PARTIAL = (
    r"(?P<major>\d{1,18}|[xX*])(?:\.(?P<minor>\d{1,18}|[xX*])(?:\.(?P<patch>\d{1,18}|[xX*])"
    r"(?:-(?P<pre>[0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?)?)?"
)
_TERM = re.compile(rf"{_OPERATOR}\s*v?{_PARTIAL}", re.ASCII)
_HYPHEN = re.compile(r"(\S+)\s+-\s+(\S+)")
_GAP = re.compile(r"\s*,\s*(?=\S)|\s+|$")
_COMPARE: dict[str, Callable[[Version, Version], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "=": operator.eq,
}
_Comparator = tuple[str, Version]


@dataclass(frozen=True, slots=True)
class Range:
    """A set of versions; `text` is what was written."""

    text: str
    alternatives: tuple[tuple[_Comparator, ...], ...]

    @classmethod
    def parse(cls, text: str) -> Range:
        """Read a range of at most 128 characters; empty and `*` are every stable version."""
        if len(text) > MAX_RANGE:
            raise InvalidVersion(f"a range is at most {MAX_RANGE} characters")
        return cls(text, tuple(tuple(_alternative(part, text)) for part in text.split("||")))

    def holds(self, version: Version) -> bool:
        """Tell whether `version` is in this range."""
        return any(_holds(comparators, version) for comparators in self.alternatives)

    def __str__(self) -> str:
        return self.text or "*"


def _alternative(part: str, whole: str) -> list[_Comparator]:
    part = part.strip()
    if hyphen := _HYPHEN.fullmatch(part):
        part = f">={hyphen[1]} <={hyphen[2]}"
    found: list[_Comparator] = []
    position = 0
    while position < len(part):
        term = _TERM.match(part, position)
        if not term:
            raise InvalidVersion(
                f"{shown(whole)} is no version range", hint="Write it like ^1.2, >=1.0 <2 or 1.x."
            )
        found += _comparators(term)
        position = term.end()
        gap = _GAP.match(part, position)
        if not gap:
            raise InvalidVersion(f"{shown(whole)} is no version range")
        position = gap.end()
    return found


def _comparators(term: re.Match[str]) -> list[_Comparator]:
    numbers = _numbers(term)
    if not numbers:
        return []
    low = _first(numbers)
    if term["pre"]:
        low = Version.parse(f"{low}-{term['pre']}")
    wildcard = any(term[part] in {"x", "X", "*"} for part in ("minor", "patch"))
    match term["operator"] or ("=" if wildcard else "^"):
        case "^":
            return [(">=", low), ("<", _after(numbers[: _caret_width(numbers)]))]
        case "~":
            return [(">=", low), ("<", _after(numbers[:2]))]
        case sign:
            return _ordered(sign, low, numbers)


def _ordered(sign: str, low: Version, numbers: list[int]) -> list[_Comparator]:
    """Read `=`, `<`, `>` and their kin, where a partial version stands for all that start so."""
    if len(numbers) == 3 or sign in {">=", "<"}:
        return [(sign, low)]
    beyond = _after(numbers)
    return {
        "=": [(">=", low), ("<", beyond)],
        ">": [(">=", beyond)],
        "<=": [("<", beyond)],
    }[sign]


def _numbers(term: re.Match[str]) -> list[int]:
    numbers = []
    for part in ("major", "minor", "patch"):
        if term[part] is None or term[part] in {"x", "X", "*"}:
            break
        numbers.append(int(term[part]))
    return numbers


def _caret_width(numbers: list[int]) -> int:
    """Count the leading numbers that may not change: up to the first that is not zero."""
    for index, number in enumerate(numbers):
        if number:
            return index + 1
    return len(numbers)


def _after(numbers: list[int]) -> Version:
    """Return the first version beyond every one that starts with `numbers`."""
    return _first([*numbers[:-1], numbers[-1] + 1])


def _first(numbers: list[int]) -> Version:
    """Return the first stable version that starts with `numbers`."""
    major, minor, patch = (*numbers, 0, 0)[:3]
    return Version((major, minor, patch))


def _holds(comparators: tuple[_Comparator, ...], version: Version) -> bool:
    if not all(_COMPARE[sign](version, bound) for sign, bound in comparators):
        return False
    return not version.prerelease or any(
        bound.prerelease and bound.triple == version.triple for _, bound in comparators
    )


@dataclass(frozen=True, slots=True)
class Reference:
    """A package and which of its versions: exact, a range, a channel, or the latest."""

    name: PackageName
    selector: Version | Range | str | None = None

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Read `@ns/name`, `ns/name`, and either with `@selector`."""
        at = text.find("@", 1)
        if at < 0:
            return cls(PackageName.parse(text))
        return cls(PackageName.parse(text[:at]), parse_selector(text[at + 1 :]))

    def __str__(self) -> str:
        return str(self.name) if self.selector is None else f"{self.name}@{self.selector}"


def is_channel(text: str) -> bool:
    """Tell whether a text is the name of a channel: a word that can be no range."""
    return bool(_CHANNEL.fullmatch(text)) and text != "x" and not re.match(r"v\d", text)


def parse_selector(text: str) -> Version | Range | str | None:
    """Read what stands behind the `@` of a reference."""
    if text in {"", "latest"}:
        return None
    if is_channel(text):
        return text
    try:
        return Version.parse(text)
    except InvalidVersion:
        return Range.parse(text)
