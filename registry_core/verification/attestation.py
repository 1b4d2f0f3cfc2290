"""What its publisher states of a release in an attestation is true, and signed by the same key.

Every member is recomputed from the bytes: name, version, kind, description, visibility, files,
dependencies, powers and the digest of the manifest. A difference refuses the package, and so does
a member that is missing or that nobody here can check. A release without an attestation is not
refused: its report says what its signature does not cover.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from registry_core.formats import Attestation, Candidate
from registry_core.names import shown
from registry_core.verification.report import Binding, Finding, Severity

NAME = "attestation"

_OWN = frozenset({"key"})
_OPTIONAL = frozenset({"prev", "next", "recovery"})
_DIGEST = re.compile(r"[0-9a-f]{64}")


def check(candidate: Candidate, binding: Binding | None) -> Iterable[Finding] | None:
    """Compare what is stated with what is found; does not apply where nothing is stated."""
    if candidate.attestation is None:
        return None
    key = candidate.signature.public_key if candidate.signature else ""
    return [*_signed(candidate.attestation, key), *_true(candidate.attestation)]


def _signed(attestation: Attestation, key: str) -> Iterator[Finding]:
    envelope = attestation.envelope
    if attestation.key not in envelope.signers:
        yield _finding("signature", "it is not signed by the key that it names")
    elif envelope.unproven:
        yield _finding("signature", f"the signature of {shown(envelope.unproven[0])} does not hold")
    if attestation.key != key:
        yield _finding("key", f"it names {shown(attestation.key)}, the package {shown(key)}", "key")
    if not attestation.is_canonical:
        yield _finding("canonical", "its payload is not canonical JSON", "payload")


def _true(attestation: Attestation) -> Iterator[Finding]:
    stated, found = attestation.stated, attestation.found
    for member in sorted((found.keys() | _OWN) - stated.keys()):
        yield _finding("missing", "it says nothing of this", member)
    for member in sorted(stated.keys() - found.keys() - _OWN - _OPTIONAL):
        yield _finding("unknown", "no check here knows this member", shown(member))
    for member in sorted(stated.keys() & found.keys()):
        if not _same(stated[member], found[member]):
            said, real = _difference(stated[member], found[member])
            yield _finding(member, f"it says {said}, the bytes give {real}", member)
    for member in sorted(stated.keys() & _OPTIONAL):
        if not _DIGEST.fullmatch(attestation.text(member)):
            yield _finding(member, "is no SHA-256 in lowercase hex", member)


def _same(stated: Any, found: Any) -> bool:
    """Compare as JSON does: to Python, true is 1 and 1 is 1.0."""
    if type(stated) is not type(found):
        return False
    if isinstance(found, dict):
        return stated.keys() == found.keys() and all(_same(stated[k], found[k]) for k in found)
    if isinstance(found, list):
        return len(stated) == len(found) and all(map(_same, stated, found))
    return bool(stated == found)


def _difference(stated: Any, found: Any) -> tuple[str, str]:
    """Show the first place where two values differ."""
    if isinstance(stated, list) and isinstance(found, list):
        pairs = zip(stated, found, strict=False)
        stated, found = next((p for p in pairs if not _same(*p)), (len(stated), len(found)))
    return shown(str(stated), 80), shown(str(found), 80)


def _finding(rule: str, message: str, member: str = "") -> Finding:
    return Finding(
        rule=f"{NAME}/{rule}",
        severity=Severity.BLOCK,
        message=message,
        place=f"attestation.{member}" if member else "attestation",
        fix="Pack it again from its source; it was changed after its publisher attested it.",
    )
