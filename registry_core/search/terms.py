"""What a text is to an index: its terms, lowercase, without accents, stemmed, in order.

    Verifies the user's tokens   -> verifi user s token       stop words are dropped
    getWeather   as a name       -> getweath get weather      whole, and split on case
    auth-context, auth_context   -> auth context
    数据库                        -> 数据 据库                  scripts without blanks: pairs

Index and query have to agree on every rule here; a change of one is a new schema of the index.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from itertools import chain

from Stemmer import Stemmer

MAX_TERM = 64
"""Longer words are encoded data, not language; they are no terms."""

STOP_WORDS = frozenset(
    "a an and any are as at be but by can could do does for from had"  # noqa: SIM905
    " has have how i if in into is it its me my of on or our please so some such than that the"
    " their them then there these they this to was we were what when where which who why will"
    " with would you your".split()
)

# Han, kana and hangul; Thai, Lao, Myanmar and Khmer are written without blanks as well.
_UNSPACED = (
    "\u3005-\u3007\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uac00-\ud7a3\uf900-\ufaff\U00020000-\U0003ffff"
    "\u0e01-\u0e3a\u0e40-\u0e4e\u0e80-\u0ecd\u1000-\u103f\u1780-\u17d3"
)
_MARKS = "".join(
    mark for mark in map(chr, range(0x300, 0x1E00)) if unicodedata.category(mark)[0] == "M"
)
_LETTERS = rf"[^\W_{_UNSPACED}]"
_WORD = re.compile(rf"[{_UNSPACED}]{{1,{MAX_TERM}}}|{_LETTERS}+(?:[{_MARKS}]+{_LETTERS}*)*")
# The same for plain text, in a fifth of the time.
_ASCII_WORD = re.compile("[0-9A-Za-z]+")
_PAIRED = re.compile(f"[{_UNSPACED}]")
# Without its cache a stemmer keeps nothing between calls, so threads may share it.
_stem = Stemmer("porter", maxCacheSize=0).stemWord
_HUMP = re.compile("(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def text_terms(text: str) -> list[str]:
    """Return the terms of running text, repetitions included."""
    return [term for word in _words(text).findall(text) for term in _terms(word[: MAX_TERM + 1])]


def name_terms(text: str) -> list[str]:
    """Return the terms of a text that may hold identifiers: these count whole and in parts."""
    words = (part for word in _words(text).findall(text) for part in _parts(word))
    return [term for word in words for term in _terms(word[: MAX_TERM + 1])]


def spot(text: str, wanted: frozenset[str]) -> int | None:
    """Return where a word begins that has one of the terms `wanted`, the first as a rule."""
    if not wanted:
        return None
    lower = text.lower()
    words: Iterable[re.Match[str]] = ()
    if len(lower) == len(text):
        words = _beginnings(wanted).finditer(lower)
    if not text.isascii():
        # Accents and scripts without blanks hide the beginning of a word from the quick pattern.
        words = chain(words, _WORD.finditer(text))
    return next((word.start() for word in words if _holds(word[0], wanted)), None)


def _holds(word: str, wanted: frozenset[str]) -> bool:
    return not wanted.isdisjoint(_terms(word[: MAX_TERM + 1]))


@lru_cache(maxsize=16)
def _beginnings(wanted: frozenset[str]) -> re.Pattern[str]:
    """Match the words that may have one of the terms: a stem keeps how its word begins."""
    begun = sorted({re.escape(term[: max(1, min(3, len(term) - 1))]) for term in wanted})
    return re.compile(rf"(?<![^\W_])(?:{'|'.join(begun)})[^\W_]*")


def _words(text: str) -> re.Pattern[str]:
    return _ASCII_WORD if text.isascii() else _WORD


# Texts repeat their words: nine in ten were seen before.
@lru_cache(maxsize=1 << 16)
def _terms(word: str) -> tuple[str, ...]:
    if word.isascii():
        return _stemmed(word.lower())
    parts = _WORD.findall(_folded(word))
    return tuple(term for part in parts for term in (_pairs(part) or _stemmed(part)))


def _stemmed(word: str) -> tuple[str, ...]:
    return () if len(word) > MAX_TERM or word in STOP_WORDS else (_stem(word) or word,)


def _pairs(run: str) -> tuple[str, ...]:
    if not _PAIRED.match(run):
        return ()
    return tuple(run[index : index + 2] for index in range(len(run) - 1)) or (run,)


def _parts(word: str) -> list[str]:
    parts = _HUMP.split(word)
    return parts if len(parts) == 1 else [word, *parts]


def _folded(word: str) -> str:
    """Fold case, width and accents; marks that spell a sound (Indic vowels, kana) stay."""
    apart = unicodedata.normalize("NFKD", word.casefold())
    kept = "".join(mark for mark in apart if unicodedata.combining(mark) < 10)
    return unicodedata.normalize("NFC", kept)
