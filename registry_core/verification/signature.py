"""The publisher signed name, version and content of a ctxpkg, and with an attestation all of it.

A ctxpkg without a signature is refused. The other formats have no place for one, so there its
absence is a mark in the report.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from registry_core.formats import Candidate, Signature, ctxpkg
from registry_core.signing import is_valid
from registry_core.verification.report import Binding, Finding, Severity

NAME = "signature"

COVERED = ("name", "version", "content")
"""What the signed message of a ctxpkg is made from."""

_METADATA = (
    "description author license tags dependencies visibility kind layers stats scope"
    " executables schema_version provenance compatibility created_at updated_at"
)
NOT_COVERED = tuple(_METADATA.split())
"""Fields of a manifest that anybody can change without breaking its signature, unless there is an
attestation, which covers them all."""

_KEY = re.compile(r"[0-9a-f]{64}")
_VALUE = re.compile(r"[0-9a-f]{128}")


@dataclass(frozen=True, slots=True)
class Coverage:
    """Who signed, and what that does and does not vouch for."""

    signer: str | None
    covered: tuple[str, ...]
    not_covered: tuple[str, ...]


def coverage(candidate: Candidate, *, signed: bool, attested: bool) -> Coverage:
    """Say what the signature vouches for; nothing, unless `check` found it there and valid.

    `attested` says that there is an attestation, and that it is true.
    """
    signature = candidate.signature
    if signature is None or not signed:
        return Coverage(None, (), COVERED + NOT_COVERED)
    if attested:
        return Coverage(signature.public_key, COVERED + NOT_COVERED, ())
    return Coverage(signature.public_key, COVERED, NOT_COVERED)


def check(candidate: Candidate, binding: Binding | None) -> Iterable[Finding] | None:
    """Verify the signature over the message recomputed from the bytes."""
    signature = candidate.signature
    if signature is None:
        return [_missing(candidate)]
    if not _well_formed(signature):
        return [_invalid("malformed", "the key must be 64 and the value 128 hex characters")]
    if not is_valid(signature.value, signature.message, signature.public_key):
        return [_invalid("invalid", "it is not this key's over this name, version and content")]
    return []


def _well_formed(signature: Signature) -> bool:
    return bool(_KEY.fullmatch(signature.public_key) and _VALUE.fullmatch(signature.value))


def _missing(candidate: Candidate) -> Finding:
    refused = candidate.format == ctxpkg.FORMAT
    return Finding(
        rule=f"{NAME}/missing",
        severity=Severity.BLOCK if refused else Severity.WARNING,
        message="the package is not signed",
        place="manifest.signature" if refused else "",
        fix="Sign it: `lean-ctx pack export --sign`, or publish it with `ctxmcp`.",
    )


def _invalid(rule: str, message: str) -> Finding:
    return Finding(
        rule=f"{NAME}/{rule}",
        severity=Severity.BLOCK,
        message=message,
        place="manifest.signature",
        fix="Export and sign the package again; it was changed after it was signed.",
    )
