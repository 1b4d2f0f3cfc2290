"""Text that hides from a reader what it says to a machine: found, decoded, and taken out.

`sanitize` takes out what no reader sees and says what that was; doing it twice changes nothing
more. What is published must be sanitised already, so that a signature is over what agents read.
`scan_copy` is what rules read: sanitised and in NFKC. `confusable_words` are words of Latin
letters with look-alikes of another script among them; they are reported, and never rewritten.

    class                          taken out               kept
    tag                            U+E0000-E007F           the flags of England, Scotland, Wales
    variation_selector_supplement  U+E0100-E01EF           one after a CJK ideograph
    variation_selector             U+FE00-FE0F             FE0E, FE0F after a pictograph, 0-9 # *
    mongolian_selector             U+180B-180D, 180F       after a Mongolian letter
    bidi_control                   U+202A-202E, 2066-2069
    bidi_mark                      U+200E, 200F, 061C      within 40 of a Hebrew or Arabic letter
    zwj                            U+200D                  between pictographs, or joining letters
    zwnj                           U+200C                  between joining letters
    zero_width                     U+200B, 2060, 180E, FEFF
    bom                            U+FEFF as the first
    control                        C0 without TAB LF CR, DEL, C1
    line_sep                       U+2028, 2029
    and those of `_CLASSES` that need no words

A run of tags spells ASCII (code point less E0000), one of variation selectors bytes (FE00 is 0,
E0100 is 16); what they spell is the `payload`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

MOST_PAYLOAD = 4096
"""Characters of a payload that are decoded, at most."""


@dataclass(frozen=True, slots=True)
class Hidden:
    """What of one class was taken out of a text."""

    kind: str
    weight: str
    """How bad that is: "info", "low", "medium" or "high"."""
    count: int
    offset: int
    """Where the first stood."""
    payload: str = ""
    """What tags or variation selectors spelled: somebody's words, never to be followed."""


@dataclass(frozen=True, slots=True)
class Sanitized:
    """A text without what was hidden in it, and what that was."""

    text: str
    hidden: tuple[Hidden, ...] = ()


def is_plain(text: str) -> bool:
    """Tell a text that can hide nothing: ASCII without controls."""
    return text.isascii() and not text.encode("ascii").translate(None, _PLAIN)


def sanitize(text: str) -> Sanitized:
    """Take out what no reader sees."""
    suspects = _suspects(text)
    if not suspects:
        return Sanitized(text)
    kept: list[str] = []
    taken: dict[str, list[tuple[int, str]]] = {}
    end, left = 0, ""
    for found in suspects.finditer(text):
        start = found.start()
        if start > end:
            kept.append(text[end:start])
            left = text[start - 1]
        end = found.end()
        kind = _kind(found, text)
        if not kind or (kind in _KEPT and _KEPT[kind](text, start, left)):
            kept.append(found[0])
            left = found[0][-1]
        else:
            taken.setdefault(kind, []).append((start, found[0]))
    kept.append(text[end:])
    return Sanitized("".join(kept), tuple(_hidden(kind, out) for kind, out in taken.items()))


def scan_copy(text: str) -> str:
    """Return the text as rules read it: without what hides in it, look-alike forms made plain."""
    plain = sanitize(text).text
    return plain if plain.isascii() else unicodedata.normalize("NFKC", plain)


def confusable_words(text: str) -> Iterator[str]:
    """Give the words that mix Latin letters with look-alikes of them."""
    if text.isascii() or not _LOOKALIKE.search(text):
        return
    for found in _WORD.finditer(text):
        word = found[0]
        if not word.isascii() and _LOOKALIKE.search(word) and _LATIN.search(word):
            yield word


def strict_flags(text: str) -> tuple[str, tuple[str, ...]]:
    """Clean a text by the stricter rules for contributed tools, and name what was found.

    The text comes back in NFKC. `homoglyph` marks a text of two scripts and refuses nothing; any
    other flag does, keycaps and Persian included: those rules are not ours to soften.
    """
    plain = unicodedata.normalize("NFKC", text)
    kept: list[str] = []
    flags: dict[str, None] = {}
    for at, char in enumerate(plain):
        flag = _strict_flag(plain, at, char)
        if flag:
            flags[flag] = None
        else:
            kept.append(char)
    if sum(bool(script.search(plain)) for script in _SCRIPTS) > 1:
        flags["homoglyph"] = None
    return "".join(kept), tuple(flags)


_CLASSES: tuple[tuple[str, str, str], ...] = (
    ("tag", "high", "\U000e0000-\U000e007f"),
    ("variation_selector_supplement", "high", "\U000e0100-\U000e01ef"),
    ("variation_selector", "medium", "\ufe00-\ufe0f"),
    ("mongolian_selector", "low", "\u180b-\u180d\u180f"),
    ("bidi_control", "high", "\u202a-\u202e\u2066-\u2069"),
    ("bidi_mark", "low", "\u200e\u200f\u061c"),
    ("zwj", "medium", "\u200d"),
    ("zwnj", "medium", "\u200c"),
    ("zero_width", "medium", "\u200b\u2060\u180e\ufeff"),
    ("invisible_math", "medium", "\u2061-\u2065"),
    ("soft_hyphen", "low", "\u00ad"),
    ("cgj", "medium", "\u034f"),
    ("hangul_filler", "medium", "\u115f\u1160\u3164\uffa0"),
    ("khmer_filler", "medium", "\u17b4\u17b5"),
    ("braille_blank", "low", "\u2800"),
    ("deprecated_format", "high", "\u206a-\u206f"),
    ("interlinear", "high", "\ufff9-\ufffb"),
    ("shorthand_format", "high", "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"),
    ("control", "high", "\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"),
    ("line_sep", "high", "\u2028\u2029"),
    ("surrogate", "high", "\ud800-\udfff"),
    (
        "noncharacter",
        "high",
        "\ufdd0-\ufdef"
        + "".join(chr(plane * 0x10000 + low) for plane in range(17) for low in (0xFFFE, 0xFFFF)),
    ),
    ("private_use", "low", "\ue000-\uf8ff\U000f0000-\U000ffffd\U00100000-\U0010fffd"),
)
_WEIGHTS = {name: weight for name, weight, _ in _CLASSES} | {"bom": "info"}


def _tags(spelled: str) -> str:
    return "".join(chr(0xE0000 + ord(char)) for char in spelled)


_FLAG = "\U0001f3f4(?:{})\U000e007f".format("|".join(map(_tags, ("gbeng", "gbsct", "gbwls"))))
_SUSPECT = re.compile(f"{_FLAG}|[{''.join(points for _, _, points in _CLASSES)}]")


def _kinds() -> dict[str, str]:
    """Return the class of every code point in `_CLASSES`, planes 15 and 16 left out."""
    found: dict[str, str] = {}
    for name, _, points in _CLASSES:
        for first, last in re.findall(r"(.)(?:-(.))?", points, re.DOTALL):
            end = min(ord(last or first), 0xEFFFF)
            found.update((chr(point), name) for point in range(ord(first), end + 1))
    return found


_KINDS = _kinds()
_PLAIN = bytes({*range(0x20, 0x7F), *b"\t\n\r"})


def _suspects(text: str) -> re.Pattern[str] | None:
    """Return a pattern of what a text may hide, one of its own where that is little: it is fast."""
    if text.isascii():
        return None if is_plain(text) else _SUSPECT
    points = set(text)
    if max(points) >= "\U000e0000":
        return _SUSPECT
    present = points & _KINDS.keys()
    return re.compile(f"[{''.join(sorted(present))}]") if present else None


def _kind(found: re.Match[str], text: str) -> str:
    """Name the class of a match; empty for a flag."""
    if len(found[0]) > 1:
        return ""
    if found[0] == "\ufeff" and found.start() == 0:
        return "bom"
    return _KINDS.get(found[0], "private_use")


_PICTOGRAPH = re.compile(
    "[\u00a9\u00ae\u203c\u2049\u2122\u2139\u2190-\u21ff\u2300-\u23ff\u24c2\u25a0-\u27bf"
    "\u2934\u2935\u2b00-\u2bff\u3030\u303d\u3297\u3299\U0001f000-\U0001faff]"
)
_KEYCAP = frozenset("0123456789#*")
_IDEOGRAPH = re.compile(
    "[\u2e80-\u2fdf\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af]"
)
_JOINING = re.compile(
    "[\u0620-\u065f\u066e-\u06d3\u06d5\u06ee-\u06ff\u0700-\u074f\u0750-\u07ff\u0840-\u08ff"
    "\u0900-\u0dff\u1820-\u18aa]"
)
_RIGHT_TO_LEFT = re.compile(
    "[\u05d0-\u05f2\u0620-\u064a\u066e-\u06d3\u06ee-\u06ff\u0710-\u074f\u0750-\u07ff"
    "\u0840-\u08c7\ufb1d-\ufb4f\ufb50-\ufdcf\ufdf0-\ufdff\ufe70-\ufefc]"
)
_NEAR = 40


def _after_pictograph(text: str, at: int, left: str) -> bool:
    return text[at] in "\ufe0e\ufe0f" and bool(left in _KEYCAP or _PICTOGRAPH.match(left))


def _joined(text: str, at: int, left: str) -> bool:
    right = text[at + 1 : at + 2]
    return bool(_JOINING.match(left) and _JOINING.match(right))


def _zwj(text: str, at: int, left: str) -> bool:
    right = text[at + 1 : at + 2]
    drawn = (_PICTOGRAPH.match(left) or left == "\ufe0f") and _PICTOGRAPH.match(right)
    return bool(drawn) or _joined(text, at, left)


def _near_right_to_left(text: str, at: int, left: str) -> bool:
    return bool(_RIGHT_TO_LEFT.search(text, max(0, at - _NEAR), at + _NEAR + 1))


_KEPT: dict[str, Callable[[str, int, str], bool]] = {
    "variation_selector_supplement": lambda _text, _at, left: bool(_IDEOGRAPH.match(left)),
    "variation_selector": _after_pictograph,
    "mongolian_selector": lambda _text, _at, left: "\u1820" <= left <= "\u18aa",
    "bidi_mark": _near_right_to_left,
    "zwj": _zwj,
    "zwnj": _joined,
}


def _hidden(kind: str, taken: list[tuple[int, str]]) -> Hidden:
    decode = _PAYLOADS.get(kind)
    points = (ord(char) for _, char in taken[:MOST_PAYLOAD])
    payload = decode(points) if decode else ""
    return Hidden(kind, _WEIGHTS[kind], len(taken), taken[0][0], payload)


def _spelled_by_tags(points: Iterable[int]) -> str:
    return "".join(chr(point & 0x7F) for point in points if 0x20 <= point & 0x7F < 0x7F)


def _spelled_by_selectors(points: Iterable[int]) -> str:
    spelled = bytes(p - 0xFE00 if p < 0xFE10 else p - 0xE0100 + 16 for p in points)
    return spelled.decode("utf-8", "replace")


_PAYLOADS: dict[str, Callable[[Iterable[int]], str]] = {
    "tag": _spelled_by_tags,
    "variation_selector": _spelled_by_selectors,
    "variation_selector_supplement": _spelled_by_selectors,
}

_WORD = re.compile(r"\w+")
_LATIN = re.compile("[A-Za-z]")
_LOOKALIKE = re.compile(
    "[\u0391\u0392\u0395-\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a5\u03a7\u03b1\u03b9"
    "\u03bd\u03bf\u03c1\u03c5\u03f2\u03f3\u0405\u0406\u0408\u0410\u0412\u0415\u041a\u041c-\u041e"
    "\u0420-\u0423\u0425\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0455\u0456\u0458\u0475\u04ae"
    "\u04af\u04bb\u04c0\u04cf\u04d4\u04d5\u0501\u051b\u051d\u054d\u0555\u0561\u0566\u0570\u0578"
    "\u057d\u0581\u0585\u13a0\u13a1\u13a2\u13aa\u13ab\u13b3\u13b7\u13bb\u13c0\u13c3\u13cf\u13d2"
    "\u13d9\u13da\u13de\u13df\u13e2\u13e6\u13e7\u13f4]"
)

_STRICT = tuple(
    (flag, re.compile(f"[{points}]"))
    for flag, points in (
        ("tag_character", "\U000e0000-\U000e007f"),
        ("variation_selector", "\U000e0100-\U000e01ef\ufe0e\ufe0f"),
        ("bidi_override", "\u202a-\u202e\u2066-\u2069\u200e\u200f"),
        ("soft_hyphen", "\u00ad"),
        ("zero_width", "\u200b-\u200d\ufeff"),
    )
)
_EMOJI = re.compile("[\U0001f000-\U0001faff\u2600-\u27bf\u200d\ufe0e\ufe0f]")
_SCRIPTS = tuple(
    re.compile(f"[{letters}]")
    for letters in (
        "A-Za-z\u00c0-\u024f",
        "\u0400-\u052f",
        "\u0370-\u03ff",
        "\u0530-\u058f",
        "\u0590-\u05ff",
    )
)


def _strict_flag(text: str, at: int, char: str) -> str:
    if char.isascii():
        return ""
    flag = next((flag for flag, points in _STRICT if points.match(char)), "")
    drawn = at > 0 and _EMOJI.match(text[at - 1])
    if char in "\ufe0e\ufe0f" and drawn:
        return ""
    if char == "\u200d" and drawn and _EMOJI.match(text[at + 1 : at + 2]):
        return ""
    return flag
