"""Nothing in the package looks like a credential: a maintained scanner, and detectors of our own.

Looked at are the decoded strings of manifest and content with their keys, the text of every file (a
compressed document too, which the exporting client does not see; of a binary one the bytes) and
file names. A match is refused, unless its value is plainly a placeholder or a published
demonstration, or its rule knows no provider; then it is a warning. Findings name rule, place, line
and the first four characters, never the value.

`kingfisher` is the scanner; where it is not installed the twelve `detectors` look alone, and the
rule-set version of the section says so.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate

from registry_core.errors import Unavailable
from registry_core.formats import Candidate
from registry_core.formats.texts import Text, text_of
from registry_core.verification import detectors, kingfisher
from registry_core.verification.detectors import Judgement
from registry_core.verification.report import Binding, Finding, Severity

NAME = "secrets"

MAX_FINDINGS = 20
"""Findings of one severity that one rule reports of one package, at most."""

_SEPARATOR = "\0\n"
_FIX = "Remove it, revoke it where it was issued, and publish again; it may be known already."


def rules() -> str:
    """Name the rule set, as a report does."""
    engine = kingfisher.engine()
    return f"detectors {detectors.VERSION}" + (f", {engine.version}" if engine else " only")


def is_ready() -> bool:
    """Whether the rules are compiled."""
    return kingfisher.is_compiled()


def check(candidate: Candidate, binding: Binding | None) -> Iterable[Finding]:
    """Scan everything a reader of the package would see."""
    corpus = _Corpus.of(list(_texts(candidate)))
    try:
        found = sorted(leaks(corpus.text), key=lambda leak: leak.start)
    except Unavailable as error:
        return [_unfinished(error.message)]
    return list(_findings(found, corpus))


def _unfinished(message: str) -> Finding:
    """Refuse what could not be looked at whole: nobody gets past this gate by being slow."""
    fix = "Publish again, or split the package."
    return Finding(f"{NAME}/unfinished", Severity.BLOCK, message, fix=fix)


@dataclass(frozen=True, slots=True)
class Leak:
    """What looks like a secret; `severity` says how much it does."""

    rule: str
    secret: str
    start: int
    end: int
    severity: Severity

    @property
    def preview(self) -> str:
        """The first characters, and nothing that tells how many follow."""
        return f"{self.secret[:4]}***"


def leaks(text: str) -> Iterator[Leak]:
    """Give what either engine finds; of one place what the detectors say: they know it best."""
    own = sorted(detectors.find(text), key=lambda match: match.start)
    for match in own:
        if match.judgement is not Judgement.NOBODYS:
            severity = (
                Severity.BLOCK if match.judgement is Judgement.CREDENTIAL else Severity.WARNING
            )
            yield Leak(match.rule, match.secret, match.start, match.end, severity)
    engine = kingfisher.engine()
    if engine:
        taken = _Spans.of((match.start, match.end) for match in own)
        yield from _foreign(engine, text, taken)


def redacted(text: str) -> str:
    """Replace what a detector finds in `text` by its preview."""
    for found in sorted(detectors.find(text), key=lambda match: match.start, reverse=True):
        text = f"{text[: found.start]}{found.secret[:4]}***{text[found.end :]}"
    return text


def _foreign(engine: kingfisher.Engine, text: str, taken: _Spans) -> Iterator[Leak]:
    for match in engine.find(text):
        if not taken.touches(match.start, match.end):
            doubted = match.generic or detectors.is_placeholder(match.secret)
            severity = Severity.WARNING if doubted else Severity.BLOCK
            yield Leak(match.rule, match.secret, match.start, match.end, severity)


@dataclass(frozen=True, slots=True)
class _Spans:
    """Places in a text, in order; `ends` is the furthest end up to each."""

    starts: tuple[int, ...]
    ends: tuple[int, ...]

    @classmethod
    def of(cls, spans: Iterable[tuple[int, int]]) -> _Spans:
        ordered = sorted(spans)
        ends = accumulate((end for _, end in ordered), max)
        return cls(tuple(start for start, _ in ordered), tuple(ends))

    def touches(self, start: int, end: int) -> bool:
        """Whether one of them has a character in common with this one."""
        before = bisect_right(self.starts, end - 1)
        return before > 0 and self.ends[before - 1] > start


@dataclass(frozen=True, slots=True)
class _Corpus:
    """Many strings as one text, so that a keyword is looked for once; knows whose a position is."""

    text: str
    starts: tuple[int, ...]
    texts: tuple[Text, ...]

    @classmethod
    def of(cls, texts: list[Text]) -> _Corpus:
        """Join texts, each string behind its key: what a value is, its key often says."""
        parts = [_labelled(text) for text in texts]
        lengths = (len(part) + len(_SEPARATOR) for part in parts[:-1])
        starts = tuple(accumulate(lengths, initial=0))
        return cls(_SEPARATOR.join(parts), starts, tuple(texts))

    def place(self, position: int) -> str:
        """Name the string at `position`, with the line where it is not the first."""
        index = bisect_right(self.starts, position) - 1
        text = self.texts[index]
        label = len(_labelled(text)) - len(text.text)
        return redacted(text.place(max(0, position - self.starts[index] - label)))


def _labelled(text: Text) -> str:
    key = next((key for key in reversed(text.keys) if isinstance(key, str)), "")
    return f"{key}: {text.text}" if key and not text.path else text.text


def _texts(candidate: Candidate) -> Iterator[Text]:
    for file in candidate.files:
        yield Text(text_of(file) or file.data.decode("latin-1"), path=file.path)
    yield from candidate.strings


def _findings(found: Iterable[Leak], corpus: _Corpus) -> Iterator[Finding]:
    """Report each different value once, and the first of each rule and severity.

    Where a value stands is looked up for what is reported only, so that a thousand of them in
    one file take no more than one pass over it.
    """
    seen: set[tuple[str, Severity]] = set()
    counts: dict[tuple[str, Severity], int] = {}
    for leak in found:
        kind = leak.rule, leak.severity
        if (leak.secret, leak.severity) in seen or counts.get(kind, 0) >= MAX_FINDINGS:
            continue
        seen.add((leak.secret, leak.severity))
        counts[kind] = counts.get(kind, 0) + 1
        yield _finding(leak, corpus)


def _finding(leak: Leak, corpus: _Corpus) -> Finding:
    place = corpus.place(leak.start)
    doubted = leak.severity is Severity.WARNING
    return Finding(
        rule=f"{NAME}/{leak.rule}",
        severity=leak.severity,
        message=f"{leak.rule} in {place}: {leak.preview}"
        + (" (looks like a placeholder)" if doubted else ""),
        place=place,
        fix="" if doubted else _FIX,
    )
