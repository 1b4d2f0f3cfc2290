"""Every file has a plain relative path, and no two files are in each other's way.

The rules are those of `archives.check_paths`, which readers apply while they read; here they hold
for every candidate, whichever way it was made.
"""

from __future__ import annotations

from collections.abc import Iterable

from registry_core.archives import check_paths
from registry_core.errors import InvalidPackage
from registry_core.formats import Candidate
from registry_core.verification.report import Binding, Finding, Severity

NAME = "paths"


def check(candidate: Candidate, binding: Binding | None) -> Iterable[Finding]:
    """Report the first path that cannot be written to every disk as it is."""
    try:
        check_paths(file.path for file in candidate.files)
    except InvalidPackage as error:
        return [
            Finding(
                rule=f"{NAME}/unsafe",
                severity=Severity.BLOCK,
                message=error.message,
                place=error.place,
                fix="Rename the file.",
            )
        ]
    return []
