"""The artifact, the number of files, each file and all of them together keep the limits."""

from __future__ import annotations

from collections.abc import Iterator

from registry_core.formats import MAX_ARTIFACT, MAX_CONTENT, MAX_FILE, MAX_FILES, Candidate
from registry_core.names import shown
from registry_core.verification.report import Binding, Finding, Severity

NAME = "sizes"


def check(candidate: Candidate, binding: Binding | None) -> Iterator[Finding]:
    """Compare four sizes with their limits; of several files that are too large name the first."""
    files = candidate.files
    yield from _over("artifact", "bytes in the artifact", len(candidate.artifact), MAX_ARTIFACT)
    yield from _over("file-count", "files", len(files), MAX_FILES)
    yield from _over("total", "bytes in all files", sum(file.size for file in files), MAX_CONTENT)
    largest = max(files, key=lambda file: file.size, default=None)
    if largest:
        place = shown(largest.path, 256)
        yield from _over("file", "bytes in a file", largest.size, MAX_FILE, place)


def _over(rule: str, what: str, found: int, limit: int, place: str = "") -> Iterator[Finding]:
    if found > limit:
        yield Finding(
            rule=f"{NAME}/{rule}",
            severity=Severity.BLOCK,
            message=f"{found} {what}, at most {limit}",
            place=place,
            fix="Leave out what an agent does not need, or split the package.",
        )
