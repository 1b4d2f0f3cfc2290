r"""Canonical JSON: one value, one sequence of bytes. RFC 8785 (JCS) without its floating point.

    objects    members sorted by the UTF-16 code units of their names, no white space
    strings    UTF-8; escaped are only `"`, `\` and what is below U+0020, as ECMAScript does it
    integers   from -(2**53 - 1) to 2**53 - 1, which every reader of JSON keeps exactly
    also       true, false, null and arrays in their order

Numbers with a fraction have no place in what is signed here, and two implementations of their
shortest form are one too many: they are refused, and so are lone surrogates and deep nesting.

>>> encode({"b": [1, True, None], "a": "é\n"}).decode()
'{"a":"é\\n","b":[1,true,null]}'
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from registry_core.errors import Invalid

MAX_INTEGER = 2**53 - 1
MAX_DEPTH = 32


def encode(value: Any) -> bytes:
    """Write a value. Raises Invalid for what has no canonical form here."""
    ordered = _ordered(value, 0)
    try:
        return json.dumps(ordered, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        raise Invalid("a text with a lone surrogate has no canonical form") from None


def digest(value: Any) -> str:
    """Return the SHA-256 of a value's canonical form, lowercase hex."""
    return hashlib.sha256(encode(value)).hexdigest()


def _ordered(value: Any, depth: int) -> Any:
    """Check a value and put the members of its objects in order."""
    if depth > MAX_DEPTH:
        raise Invalid(f"what is nested deeper than {MAX_DEPTH} has no canonical form")
    if type(value) is str:  # most are
        return value
    if isinstance(value, Mapping):
        return {name: _ordered(value[name], depth + 1) for name in sorted(value, key=_units)}
    if isinstance(value, list | tuple):
        return [_ordered(item, depth + 1) for item in value]
    return _checked(value)


def _units(name: Any) -> bytes:
    if not isinstance(name, str):
        raise Invalid(f"a member is named by a string, not by {type(name).__name__}")
    # Big-endian code units compare as bytes; a lone surrogate is refused when it is encoded.
    return name.encode("utf-16-be", "surrogatepass")


def _checked(value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int):
        if abs(value) > MAX_INTEGER:
            raise Invalid("an integer is beyond those that every reader of JSON keeps exactly")
        return int(value)
    raise Invalid(f"{type(value).__name__} has no canonical form")
