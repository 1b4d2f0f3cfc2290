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
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import islice

from Stemmer import Stemmer

MAX_TERM = 64
"""Longer words are encoded data, not language; they are no terms."""

MAX_LOOKS = 12
"""A text is searched for so many words that begin as a term does."""

_BEGUN = 6
_SLOWLY = 2048

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
_SPELLED_APART = re.compile(rf"[^\W\x00-\x7f{_UNSPACED}]")
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


def first_places(text: str, lower: str, wanted: Mapping[str, str]) -> dict[str, int]:
    """Return where the first word of each term of `wanted` that a text has begins in it.

    `wanted` has the `beginning` of each; `lower` is the text `folded` for them.
    """
    near = [(term, begun) for term, begun in wanted.items() if begun in lower]
    found = {term: at for term, begun in near for at in islice(places(lower, term, begun), 1)}
    if not found and len(text) <= _SLOWLY and _SPELLED_APART.search(text):
        # Accents hide the beginning of a word from the quick search.
        kept = frozenset(wanted)
        for word in _WORD.finditer(text):
            for term in kept.intersection(_terms(word[0][: MAX_TERM + 1])):
                found.setdefault(term, word.start())
    return found


def folded(text: str, wanted: Iterable[str]) -> str:
    """Return a text as `places` reads it for these terms: of the same length, in lower case.

    What has no lower case of the same length stays as it is.
    """
    if text.isascii():
        return text.lower()
    if all(map(str.isascii, wanted)):
        # A fifth of the time, and the text of a package is seldom all ASCII.
        return text.encode(errors="surrogatepass").lower().decode(errors="surrogatepass")
    lower = text.lower()
    return lower if len(lower) == len(text) else text


def places(lower: str, term: str, begun: str) -> Iterator[int]:
    """Say where words begin that have a term, in a text that is `folded`."""
    plain = term.isascii()
    anywhere = unspaced(term)
    word_at = (_ASCII_WORD if plain else _WORD).match
    at, length = lower.find(begun), len(begun)
    for _ in range(MAX_LOOKS):
        if at < 0:
            return
        if anywhere:
            yield at
        elif not at or not lower[at - 1].isalnum():
            word = word_at(lower, at)
            if word and term in _terms(word[0][: MAX_TERM + 1]):
                yield at
        at = lower.find(begun, at + length)


def beginning(term: str) -> str:
    """Return how the words of a term begin: a stem keeps that, but for a last i (y) or e."""
    return (term[:-1] if len(term) > 1 and term[-1] in "ie" else term)[:_BEGUN]


def unspaced(term: str) -> bool:
    """Say whether a term is a pair of a script that is written without blanks."""
    return not term.isascii() and _PAIRED.match(term) is not None


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
