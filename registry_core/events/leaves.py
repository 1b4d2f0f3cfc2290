"""Leaves of the transparency log: what a logged event says, in one line of JSON, for ever.

    {"at":"2026-01-02T03:04:05Z","event":"package_published","kind":"skill","name":"@acme/review",
     "namespace":"acme","report":"<hex>","sha256":"<hex>","signer":"<hex>","version":"1.0.0"}

It is canonical JSON (`registry_core.canonical`). Of a private package the log tells nobody more
than that something happened; the statement is sealed:

    {"at":"2026-01-02T03:04:05Z","event":"package_published","sealed":"<hex>"}

where `sealed` is SHA-256("ctxmcp sealed leaf 1", a line feed, salt, statement). Whoever may see the
package is shown the salt and the statement, and so can tell that this is the leaf of it.

A leaf stands in the transaction of its event and at the next position: positions have no gap and
are in the order of the commits.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from registry_core import canonical
from registry_core.errors import Invalid, Tampered

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from registry_core.events import Draft

MOST_STATEMENT = 32 * 1024
"""Bytes of a statement; of a longer one the leaf has a digest, since a leaf has 64 KiB at most."""

_DOMAIN = b"ctxmcp sealed leaf 1\n"
_SALT_BYTES = 32
_SALT = re.compile(r"[0-9a-f]{64}")
_OWN = frozenset({"package_id"})
"""Members of a payload that mean nothing outside this database."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """A leaf, and what opens it where it is sealed. `salt` is 64 hex characters."""

    data: bytes
    statement: bytes = b""
    salt: str = ""

    def says(self) -> Mapping[str, Any]:
        """Return what the leaf says. Raises Invalid for no leaf, Tampered for a false opening."""
        shown = _read(self.data)
        if not self.statement:
            return shown
        found = _sealed(self.salt, self.statement) if _SALT.fullmatch(self.salt) else "no salt"
        if shown.get("sealed") != found:
            raise Tampered(
                "what is said to stand in a sealed leaf",
                expected=str(shown.get("sealed"))[:100],
                found=found,
            )
        return _read(self.statement)


def leaf_of(draft: Draft, at: datetime) -> Leaf:
    """Make the leaf of an event."""
    head = {"at": f"{at:%Y-%m-%dT%H:%M:%SZ}", "event": draft.kind.value}
    said = {name: value for name, value in draft.payload.items() if name not in _OWN}
    statement = canonical.encode({"namespace": draft.namespace, **said, **head})
    if len(statement) > MOST_STATEMENT:
        few = {name: said[name] for name in ("name", "version", "sha256") if name in said}
        digest = hashlib.sha256(statement).hexdigest()
        statement = canonical.encode(
            {"namespace": draft.namespace, **few, "digest": digest, **head}
        )
    if not draft.private:
        return Leaf(statement)
    salt = secrets.token_hex(_SALT_BYTES)
    return Leaf(canonical.encode({**head, "sealed": _sealed(salt, statement)}), statement, salt)


def subject_of(draft: Draft) -> str:
    """Say what an event is about: `@ns/name@version`, or as much of it as there is."""
    name, version = draft.payload.get("name"), draft.payload.get("version")
    return f"{name}@{version}" if name and version else str(name or draft.namespace or "")


def _read(data: bytes) -> Mapping[str, Any]:
    try:
        said = json.loads(data)
        canonically = canonical.encode(said) == data  # else two readers might read two things
    except (ValueError, RecursionError, Invalid):
        said, canonically = None, False
    if not isinstance(said, dict) or not canonically:
        raise Invalid("a leaf of a log is no JSON object, or not written in the one way it can be")
    return said


def _sealed(salt: str, statement: bytes) -> str:
    return hashlib.sha256(_DOMAIN + bytes.fromhex(salt) + statement).hexdigest()
