"""What is checked before a package enters and again before it is installed.

A check is a pure function from a `Candidate` (and the name and version it must have) to findings:
no IO, no clock. `CHECKS` is their order and the order of the sections of a report:

    schema      the fields of a ctxpkg manifest have the values the format allows
    coherence   kind, layers and payload of a ctxpkg belong together
    binding     it is the package and version it is published or installed as
    integrity   the digests it claims are those of its bytes
    signature   its publisher signed name, version and content
    attestation what its publisher states of all of it is true, and signed by the same key
    sizes       artifact, number of files, each file and all of them keep the limits
    paths       every file has a plain relative path, and no two are in each other's way
    secrets     nothing in it looks like a credential
    hidden_text nothing in it hides from a reader
    injection   nothing in it looks like malware delivery or like orders to an agent
    powers      what it asks for: declared, and seen in its texts; finds nothing wrong

`verify` runs them all, always; the caller decides what a blocking finding means. To add a check,
write one module and add one line to `CHECKS`. What a registry knows and a package does not say is
`Known`; where it is given, more sections follow:

    change      it asks for no more than the version before
    names       a new name is not like one that is reserved or popular
    advisories  none of its bytes, and not this version, are known to be bad
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from registry_core.verification.known import Before, Known
from registry_core.verification.names import Naming
from registry_core.verification.report import (
    DOUBTS,
    SCHEMA,
    Binding,
    Check,
    Finding,
    Outcome,
    Report,
    Section,
    Severity,
)

if TYPE_CHECKING:
    from registry_core.verification.checks import (
        CHECKS,
        NOT_LOOKED_AT,
        is_ready,
        prove,
        rules_of_today,
        verify,
    )

__all__ = [
    "CHECKS",
    "DOUBTS",
    "NOT_LOOKED_AT",
    "SCHEMA",
    "Before",
    "Binding",
    "Check",
    "Finding",
    "Known",
    "Naming",
    "Outcome",
    "Report",
    "Section",
    "Severity",
    "is_ready",
    "prove",
    "rules_of_today",
    "verify",
]


def __getattr__(name: str) -> object:
    """Import the checks when the first is asked for: who reads reports needs none of them."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from registry_core.verification import checks  # noqa: PLC0415 - see above

    return getattr(checks, name)
