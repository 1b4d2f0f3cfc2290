"""Weighing a text by the rules: what each rule found, and what all of it comes to.

Rules read the sanitised NFKC copy of a text, and what is encoded in it, decoded (`encodings`). A
rule counts once, by its weight; less where every match stands as an example: in quotes or code,
with words like "detect" or "attack" around it. The sum decides: `HOLD` and more is held until
somebody has looked at it, `REVIEW` and more is marked.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache

import re2  # type: ignore[import-untyped]

from registry_core.formats.texts import Surface
from registry_core.unicode import scan_copy
from registry_core.verification.encodings import decoded
from registry_core.verification.rules import RULES, Rule

HOLD = 4.0
REVIEW = 3.0

QUOTED = 0.3
"""What part of its weight a rule keeps where it is only spoken about."""

_MOST_MATCHES = 20
_AROUND = 160


@dataclass(frozen=True, slots=True)
class Hit:
    """One rule that matched; `offset` is in the scan copy, whose lines are those of the text."""

    rule: Rule
    weight: float
    offset: int
    quoted: bool = False
    inside: str = ""
    """The encoding it was found inside, if any."""


@dataclass(frozen=True, slots=True)
class Score:
    """What a text comes to, and why; `copy` is what the rules read."""

    total: float
    hits: tuple[Hit, ...]
    copy: str

    def line(self, hit: Hit) -> int:
        """Return the line a rule first matched on."""
        return self.copy.count("\n", 0, hit.offset) + 1


def score(text: str, surface: Surface) -> Score:
    """Weigh a text."""
    copy = scan_copy(text)
    data = copy.encode("utf-8", "replace")
    hits = list(_search_all(surface, data))
    hits += _encoded(data, surface, {hit.rule.id for hit in hits})
    placed = tuple(_in_characters(hit, data) for hit in hits)
    return Score(round(sum(hit.weight for hit in placed), 2), placed, copy)


@dataclass(frozen=True, slots=True)
class _Compiled:
    rule: Rule
    weight: float
    pattern: re2._Regexp[bytes]
    unless: re2._Regexp[bytes] | None


@dataclass(frozen=True, slots=True)
class _Rules:
    """Rules, and what tells at once which of them a text matches."""

    compiled: tuple[_Compiled, ...]
    matching: re2.Filter

    def search(self, data: bytes) -> Iterator[Hit]:
        for index in sorted(self.matching.Match(data) or ()):
            if hit := _search(self.compiled[index], data):
                yield hit


def _search_all(surface: Surface, data: bytes) -> Iterator[Hit]:
    for rules in _rules(surface):
        yield from rules.search(data)


@cache
def _rules(surface: Surface) -> tuple[_Rules, ...]:
    """Return the rules of a surface, in two parts: a filter of all has more states than RE2 keeps.

    Which part a rule is in says nothing; together they took three times as long.
    """
    found = [compiled for rule in RULES if (compiled := _weighed(rule, surface)).weight]
    delivery = tuple(c for c in found if c.rule.flag == "malware_delivery")
    return _filtered(delivery), _filtered(tuple(c for c in found if c not in delivery))


def _weighed(rule: Rule, surface: Surface) -> _Compiled:
    weight = rule.document if surface is Surface.DOCUMENT else rule.description
    unless = _compiled(rule.unless) if rule.unless else None
    return _Compiled(rule, weight, _compiled(rule.pattern), unless)


def _filtered(compiled: tuple[_Compiled, ...]) -> _Rules:
    matching = re2.Filter()
    for one in compiled:
        matching.Add(one.rule.pattern.encode(), _options())
    matching.Compile()
    return _Rules(compiled, matching)


def _options() -> re2.Options:
    options = re2.Options()
    options.case_sensitive = False
    options.one_line = False
    return options


@cache
def _compiled(pattern: str) -> re2._Regexp[bytes]:
    return re2.compile(pattern.encode(), _options())


def _search(compiled: _Compiled, data: bytes) -> Hit | None:
    """Return the first match that is meant, or else the first that is quoted."""
    first: Hit | None = None
    for count, found in enumerate(compiled.pattern.finditer(data)):
        if count == _MOST_MATCHES:
            break
        if compiled.unless and compiled.unless.search(found.group()):
            continue
        if not _is_example(data, found.start(), found.end()):
            return Hit(compiled.rule, compiled.weight, found.start())
        if not first:
            first = Hit(compiled.rule, compiled.weight * QUOTED, found.start(), quoted=True)
    return first


_QUOTING = re2.compile(r"[`\"'|>(\[\x{201c}\x{2018}\x{ab}]|^\s*(?:[-*]|\d+\.)\s".encode())  # noqa: UP012 - RE2 takes code points as escapes
_SPEAKING = re2.compile(
    rb"(?i)\b(?:examples?|e\.g\.|such as|detect\w*|attack\w*|inject\w*|never|owasp|malicious"
    rb"|vulnerab\w*|exploit\w*|jailbreak\w*|suspicious|phishing|threat\w*|flag(?:s|ged)?"
    rb"|block(?:s|ed)?|refuse\w*|reject\w*|red flags?|dangerous|unsafe|anti-?patterns?|payloads?"
    rb"|adversar\w*|sanitiz\w*|patterns?|looks? for|avoid|test(?:s|ing)? (?:case|prompt|for)s?"
    rb"|indicators?|warning signs?|treat .{0,30} as data)\b"
)


def _is_example(data: bytes, start: int, end: int) -> bool:
    """Tell a match that somebody speaks about: quoted, near words of warning."""
    line = data.rfind(b"\n", 0, start) + 1
    before = data[max(line, start - _AROUND) : start]
    if not _QUOTING.search(before):
        return False
    around = data[max(0, start - 3 * _AROUND) : end + _AROUND]
    return bool(_SPEAKING.search(around.replace(data[start:end], b"")))


def _encoded(data: bytes, surface: Surface, known: set[str]) -> Iterator[Hit]:
    """Give what rules find inside what is encoded, and a hit for the encoding itself."""
    for piece in decoded(data):
        hits = list(_search_all(surface, piece.data))
        if hits or piece.is_command:
            hits.append(Hit(ENCODED, ENCODED.document, 0))
        for hit in hits:
            if hit.rule.id not in known:
                known.add(hit.rule.id)
                yield replace(hit, offset=piece.offset, inside=piece.encoding)


ENCODED = Rule(
    "encoded-command",
    "encoded_payload",
    2,
    2,
    "hides a command or an instruction in an encoding",
    "",
)


def _in_characters(hit: Hit, data: bytes) -> Hit:
    if data.isascii():
        return hit
    return replace(hit, offset=len(data[: hit.offset].decode("utf-8", "ignore")))
