"""The digests a manifest claims are those of the bytes."""

from __future__ import annotations

from collections.abc import Iterable

from registry_core.formats import Candidate, Digest
from registry_core.names import shown
from registry_core.verification.report import Binding, Finding, Severity

NAME = "integrity"


def check(candidate: Candidate, binding: Binding | None) -> Iterable[Finding] | None:
    """Compare every claim; does not apply to formats that claim nothing."""
    if not candidate.digests:
        return None
    return [_mismatch(digest) for digest in candidate.digests if digest.expected != digest.found]


def _mismatch(digest: Digest) -> Finding:
    return Finding(
        rule=f"{NAME}/{digest.claim.replace('_', '-')}",
        severity=Severity.BLOCK,
        message=f"the manifest says {shown(digest.expected, 80)}, the bytes give {digest.found}",
        place=f"manifest.integrity.{digest.claim}",
        fix="Export the package again; it was changed after it was written.",
    )
