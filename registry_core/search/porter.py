"""The Porter stemmer: the common beginning of a word's English forms (`verifies` -> `verifi`).

M. F. Porter, "An algorithm for suffix stripping", 1980, in its five steps. A stem is read as
[C](VC){m}[V], runs of consonants and vowels; most rules ask for a measure m of what they leave.
"""

from __future__ import annotations

import re

_C = "[^aeiou][^aeiouy]*"
_V = "[aeiouy][aeiou]*"
_measure_1 = re.compile(f"(?:{_C})?{_V}{_C}").match
_measure_exactly_1 = re.compile(f"(?:{_C})?{_V}{_C}(?:{_V})?").fullmatch
_measure_2 = re.compile(f"(?:{_C})?{_V}{_C}{_V}{_C}").match
_has_vowel = re.compile(f"(?:{_C})?{_V}").match
_ends_cvc = re.compile(".*[^aeiou][aeiouy][^aeiouwxy]").fullmatch
_ends_double = re.compile(r".*([^aeioulsz])\1").fullmatch
_WORD = re.compile("[a-z]{3,40}")

_STEP_2 = {
    "ational": "ate", "tional": "tion", "enci": "ence", "anci": "ance", "izer": "ize",
    "bli": "ble", "alli": "al", "entli": "ent", "eli": "e", "ousli": "ous", "ization": "ize",
    "ation": "ate", "ator": "ate", "alism": "al", "iveness": "ive", "fulness": "ful",
    "ousness": "ous", "aliti": "al", "iviti": "ive", "biliti": "ble", "logi": "log",
}  # fmt: skip
_STEP_3 = {
    "icate": "ic", "ative": "", "alize": "al", "iciti": "ic", "ical": "ic", "ful": "", "ness": "",
}  # fmt: skip
_STEP_4 = (
    "al ance ence er ic able ible ant ement ment ent ion ou ism ate iti ous ive ize".split()  # noqa: SIM905
)


def _longest(suffixes: list[str]) -> re.Pattern[str]:
    # A lazy stem makes the suffix the longest one that fits.
    return re.compile(f"(.+?)({'|'.join(suffixes)})")


_suffix_2 = _longest(list(_STEP_2)).fullmatch
_suffix_3 = _longest(list(_STEP_3)).fullmatch
_suffix_4 = _longest(_STEP_4).fullmatch


def stem(word: str) -> str:
    """Stem a lowercase word; what is not 3 to 40 of a-z stays as it is."""
    if not _WORD.fullmatch(word):
        return word
    word = _past(_plural(word))
    if word[-1] == "y" and _has_vowel(word[:-1]):
        word = f"{word[:-1]}i"
    return _last_e(_ending(_derived(word)))


def _plural(word: str) -> str:
    if word.endswith(("sses", "ies")):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith("ss") else word


def _past(word: str) -> str:
    if word.endswith("eed"):
        return word[:-1] if _measure_1(word[:-3]) else word
    for suffix in ("ed", "ing"):
        rest = word.removesuffix(suffix)
        if rest != word:
            return _restored(rest) if _has_vowel(rest) else word
    return word


def _restored(word: str) -> str:
    """Mend what `-ed` or `-ing` had changed: hop(p)ing, fil(e)ing, siz(e)d."""
    if word.endswith(("at", "bl", "iz")):
        return f"{word}e"
    if _ends_double(word):
        return word[:-1]
    return f"{word}e" if _measure_exactly_1(word) and _ends_cvc(word) else word


def _derived(word: str) -> str:
    if (found := _suffix_2(word)) and _measure_1(found[1]):
        word = found[1] + _STEP_2[found[2]]
    if (found := _suffix_3(word)) and _measure_1(found[1]):
        word = found[1] + _STEP_3[found[2]]
    return word


def _ending(word: str) -> str:
    found = _suffix_4(word)
    if not found or not _measure_2(found[1]):
        return word
    kept = found[2] == "ion" and found[1][-1] not in "st"
    return word if kept else found[1]


def _last_e(word: str) -> str:
    if word.endswith("e"):
        rest = word[:-1]
        if _measure_2(rest) or (_measure_1(rest) and not _ends_cvc(rest)):
            word = rest
    return word[:-1] if word.endswith("ll") and _measure_2(word[:-1]) else word
