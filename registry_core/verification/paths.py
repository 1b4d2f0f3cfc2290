"""Every file has a plain relative path, and no two files are in each other's way.

The rules are those of `archives.check_paths`, which readers apply while they read; here they hold
for every candidate, whichever way it was made. A path that some file system cannot hold is marked.

    facts { "contents": sha256 }    of all files together, whatever they are packed in
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from registry_core.archives import check_paths, check_portable
from registry_core.errors import InvalidPackage
from registry_core.formats import Candidate
from registry_core.verification.known import CONTENTS
from registry_core.verification.report import Binding, Finding, Severity

NAME = "paths"


def check(candidate: Candidate, binding: Binding | None) -> Iterator[Finding]:
    """Report the first path that is unsafe, or else the first that is not portable."""
    try:
        check_paths(file.path for file in candidate.files)
    except InvalidPackage as error:
        yield _finding("unsafe", Severity.BLOCK, error)
        return
    try:
        for file in candidate.files:
            check_portable(file.path)
    except InvalidPackage as error:
        yield _finding("portable", Severity.WARNING, error)


def facts(candidate: Candidate) -> Mapping[str, Any]:
    """Return what the files are together."""
    return {CONTENTS: candidate.contents} if candidate.files else {}


def _finding(rule: str, severity: Severity, error: InvalidPackage) -> Finding:
    reason = error.message.removeprefix(f"{error.place}: ")
    return Finding(f"{NAME}/{rule}", severity, reason, error.place, "Rename the file.")
