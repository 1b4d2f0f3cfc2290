"""What can be told of a stranger's text to somebody who must not read it: signs, and no word of it.

The rules are those of the door (`scoring`), by their wide weights; the flags are the five that
clients of `/v1/quarantine/summarize` know. The summary is made of counts and of our own words, so
nothing in the text can reach whoever reads it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import re2  # type: ignore[import-untyped]

from registry_core.formats.texts import Surface
from registry_core.unicode import sanitize
from registry_core.verification.scoring import Score, score

FLAGS = {
    "imperative_instruction": "orders to whoever reads it",
    "instruction_override_attempt": "an attempt to replace the reader's instructions",
    "encoded_payload": "something encoded or hidden that says more than what is seen",
    "tool_directive": "directions to run programs, fetch files or touch credentials",
    "agent_manipulation": "words meant to steer an agent behind its user's back",
}

_LEAST = 1.0
"""The weight from which one sign alone is a flag."""

_KNOWN_AS = {"malware_delivery": "tool_directive", "credential_access": "tool_directive"}
_SENTENCE = re2.compile(r"[^.!?\n]*[\w][^.!?\n]*")
_ORDER = re2.compile(
    r"(?i)^\W*(?:(?:please|now|first|then|next|also|always|never|immediately)\W+)*"
    r"(?:you (?:must|should|will|have to|need to|are to)|do not|don't|make sure|ensure|ignore"
    r"|forget|disregard|reply|respond|answer|send|forward|call|run|execute|invoke|fetch|download"
    r"|open|read|write|delete|email|post|upload|install|reveal|print|output|repeat|tell|say|pretend"
    r"|act as)\b"
)
_ORDERS = 0.3
"""The part of the sentences from which they are orders, where there are two at least."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What is told of a text."""

    summary: str
    flags: tuple[str, ...]


def summarize(text: str) -> Summary:
    """Look into a text, and tell of it without a word of its own."""
    weighed = score(text, Surface.DESCRIPTION)
    sentences = [found.group() for found in _SENTENCE.finditer(weighed.copy)]
    seen = {*_signs(weighed), *_hidden(text)}
    if _orders(sentences):
        seen.add("imperative_instruction")
    flags = tuple(flag for flag in FLAGS if flag in seen)
    return Summary(_words(text, len(sentences), flags), flags)


def _signs(weighed: Score) -> Iterator[str]:
    for hit in weighed.hits:
        if hit.weight >= _LEAST and not hit.quoted:
            yield _KNOWN_AS.get(hit.rule.flag, hit.rule.flag)


def _hidden(text: str) -> Iterator[str]:
    if any(hidden.weight == "high" for hidden in sanitize(text).hidden):
        yield "encoded_payload"


def _orders(sentences: list[str]) -> bool:
    orders = sum(bool(_ORDER.search(sentence)) for sentence in sentences)
    return orders >= 2 and orders >= _ORDERS * len(sentences)


def _words(text: str, sentences: int, flags: tuple[str, ...]) -> str:
    size = f"A text of {len(text):,} characters in about {sentences:,} sentence(s)."
    if not flags:
        return f"{size} No rule found a sign of instructions to an agent in it; none can be sure."
    return f"{size} It shows signs of {'; of '.join(FLAGS[flag] for flag in flags)}."
