"""What a registry knows and a package does not say: given to the checks that need it.

The checks stay pure: whoever runs them looks these things up first. Where nobody does, as on the
machine that installs, those checks have no section in the report.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from registry_core.verification import advisories
from registry_core.verification.names import Naming

CONTENTS = "contents"
"""The fact of a report that says what all files of a package are together."""


@dataclass(frozen=True, slots=True)
class Before:
    """The released version before this one, as it is recorded."""

    version: str
    sha256: str
    signer: str | None
    files: Mapping[str, str]
    """Path -> SHA-256."""
    dependencies: Mapping[str, str]
    """Name -> requirement."""
    declared: Mapping[str, Any] = field(default_factory=dict)
    seen: Mapping[str, Any] | None = None
    """Powers seen in its text; None where nobody looked."""


@dataclass(frozen=True, slots=True)
class Known:
    """Everything that a registry knows about a candidate beforehand."""

    before: Before | None = None
    naming: Naming | None = None
    """Where nothing was released under this name yet."""
    advisories: tuple[advisories.Known, ...] | None = None
    """What is in force against it."""
