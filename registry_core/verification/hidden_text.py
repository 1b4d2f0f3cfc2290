"""Nothing hides in the texts of the package that a reader does not see (`registry_core.unicode`).

What sanitising would take out is refused, since nobody may change signed bytes; `ctxmcp` takes it
out before it signs. A mark of byte order at the start of a text is only noted. Words of Latin
letters with look-alikes of another script among them are marked: they may be honest.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice

from registry_core.formats import Candidate
from registry_core.formats.texts import Text
from registry_core.names import shown
from registry_core.unicode import Hidden, confusable_words, is_plain, sanitize
from registry_core.verification.report import Binding, Finding, Severity

NAME = "hidden_text"
VERSION = "2026.11.1"

MAX_FINDINGS = 40
"""Findings that one package reports, at most."""

_FIX = "Pack it with `ctxmcp pack`, which takes them out before it signs, or delete them."


def rules() -> str:
    """Name the rule set, as a report does."""
    return VERSION


def check(candidate: Candidate, binding: Binding | None) -> Iterator[Finding]:
    """Look into every text of the package; where all are plain, at all of them at once."""
    texts = [*candidate.texts, *candidate.strings]
    if is_plain("\n".join(text.text for text in texts)):
        return iter(())
    return islice(chain.from_iterable(map(_in_text, texts)), MAX_FINDINGS)


def _in_text(text: Text) -> Iterator[Finding]:
    for hidden in sanitize(text.text).hidden:
        yield _finding(hidden, text)
    words = list(islice(confusable_words(text.text), 4))
    if words:
        yield Finding(
            rule=f"{NAME}/confusable-word",
            severity=Severity.WARNING,
            message=f"mixes look-alike letters of two scripts: {', '.join(map(shown, words))}",
            place=text.place(),
            fix="Write the word in one script.",
        )


def _finding(hidden: Hidden, text: Text) -> Finding:
    kind = hidden.kind.replace("_", " ")
    spelled = f", which spell {shown(hidden.payload, 200)}" if hidden.payload else ""
    return Finding(
        rule=f"{NAME}/{hidden.kind.replace('_', '-')}",
        severity=Severity.NOTE if hidden.weight == "info" else Severity.BLOCK,
        message=f"{hidden.count} hidden character(s), {kind} ({hidden.weight}){spelled}",
        place=text.place(hidden.offset),
        fix=_FIX,
    )
