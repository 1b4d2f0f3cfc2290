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
_LONGEST = 4  # bytes of a character in UTF-8

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
_ASCII_BYTES = re.compile(b"[0-9A-Za-z]+")
_SPELLED_APART = re.compile(rf"[^\W\x00-\x7f{_UNSPACED}]")
_PAIRED = re.compile(f"[{_UNSPACED}]")
# Without its cache a stemmer keeps nothing between calls, so threads may share it.
_stem = Stemmer("porter", maxCacheSize=0).stemWord
_HUMP = re.compile("(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def storable(text: str) -> str:
    """Replace lone surrogates, which JSON can spell and UTF-8 cannot."""
    return text.encode(errors="replace").decode()


def text_terms(text: str) -> list[str]:
    """Return the terms of running text, repetitions included."""
    return [term for word in _words(text).findall(text) for term in _terms(word[: MAX_TERM + 1])]


def name_terms(text: str) -> list[str]:
    """Return the terms of a text that may hold identifiers: these count whole and in parts."""
    words = (part for word in _words(text).findall(text) for part in _parts(word))
    return [term for word in words for term in _terms(word[: MAX_TERM + 1])]


def first_places(text: bytes, lower: bytes, wanted: Mapping[str, bytes]) -> dict[str, int]:
    """Return where the first word of each term of `wanted` that a text has begins in it.

    `wanted` has the `beginning` of each; `lower` is the text `folded` for them. Texts are UTF-8:
    that is how they are kept, and most would be several times as large as strings.
    """
    found: dict[str, int] = {}
    for term, begun in wanted.items():
        at = lower.find(begun)
        if at >= 0:
            found.update((term, place) for place in islice(places(lower, term, begun, at), 1))
    if found or len(text) > _SLOWLY or text.isascii():
        return found
    return _by_words(text.decode(), frozenset(wanted))


def _by_words(text: str, wanted: frozenset[str]) -> dict[str, int]:
    """Do the same by every word, where accents may hide beginnings from the quick search."""
    found: dict[str, int] = {}
    for word in _WORD.finditer(text) if _SPELLED_APART.search(text) else ():
        for term in wanted.intersection(_terms(word[0][: MAX_TERM + 1])):
            found.setdefault(term, len(text[: word.start()].encode()))
    return found


def folded(text: bytes, wanted: Iterable[str]) -> bytes:
    """Return a text as `places` reads it for these terms: of the same length, in lower case.

    What has no lower case of the same length stays as it is.
    """
    lower = text.lower()
    if text.isascii() or all(term.isascii() or unspaced(term) for term in wanted):
        return lower
    whole = text.decode().lower().encode()
    return whole if len(whole) == len(text) else lower


def places(lower: bytes, term: str, begun: bytes, at: int) -> Iterator[int]:
    """Say where words begin that have a term, in a text that is `folded` and has `begun` at `at`.

    Less than 0 is nowhere.
    """
    plain = term.isascii()
    anywhere = not plain and unspaced(term)
    length = len(begun)
    for _ in range(MAX_LOOKS):
        if at < 0:
            return
        if anywhere:
            yield at
        elif not at or not _in_a_word(lower, at):
            quick = _ASCII_BYTES.match(lower, at) if plain else None
            word = quick[0].decode() if quick else _word_at(lower, at)
            if term in _terms(word[: MAX_TERM + 1]):
                yield at
        at = lower.find(begun, at + length)


def beginning(term: str) -> bytes:
    """Return how the words of a term begin: a stem keeps that, but for a last i (y) or e."""
    return (term[:-1] if len(term) > 1 and term[-1] in "ie" else term)[:_BEGUN].encode()


def _in_a_word(lower: bytes, at: int) -> bool:
    before = lower[at - 1 : at]
    if before < b"\x80":
        return before.isalnum()
    return lower[max(0, at - _LONGEST) : at].decode(errors="ignore")[-1:].isalnum()


def _word_at(lower: bytes, at: int) -> str:
    found = _WORD.match(lower[at : at + _LONGEST * MAX_TERM].decode(errors="ignore"))
    return found[0] if found else ""


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
