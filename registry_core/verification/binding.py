"""The package is the one it is published or installed as.

A ctxpkg says its name and version itself, and its signature covers both: they must be exactly
`@namespace/name` and SemVer, and those of the binding. In the other formats both may be absent or
free text (a skill called "PDF tools", version 1.0): what is no registry name cannot contradict
one and is marked, what is one must agree.
"""

from __future__ import annotations

from collections.abc import Iterator

from registry_core.errors import InvalidName, InvalidVersion
from registry_core.formats import Candidate, ctxpkg
from registry_core.names import PackageName, Version, shown
from registry_core.verification.report import Binding, Finding, Severity

NAME = "binding"


def check(candidate: Candidate, binding: Binding | None) -> Iterator[Finding]:
    """Compare name and version with the binding, and with their own grammar."""
    yield from _name(candidate, binding)
    yield from _version(candidate, binding)


def _name(candidate: Candidate, binding: Binding | None) -> Iterator[Finding]:
    said = candidate.name
    if (problem := _malformed_name(candidate)) is not None:
        fix = "Export the package under its full name, @namespace/name."
        yield _malformed(candidate, "malformed-name", problem, fix)
    elif binding and said not in _accepted_names(candidate, binding):
        message = f"the package says {shown(said)}, expected {binding.name}"
        yield _mismatch("name", message)


def _accepted_names(candidate: Candidate, binding: Binding) -> set[str]:
    if candidate.format == ctxpkg.FORMAT:
        return {str(binding.name)}
    return {"", str(binding.name), str(binding.name).removeprefix("@"), binding.name.name}


def _malformed_name(candidate: Candidate) -> str | None:
    said = candidate.name
    own = candidate.format == ctxpkg.FORMAT
    if not said and not own:
        return None
    try:
        parsed = PackageName.parse(said if own or "/" in said else f"any/{said}")
    except InvalidName as error:
        return error.message
    return f"{shown(said)} is not written {parsed}" if own and str(parsed) != said else None


def _version(candidate: Candidate, binding: Binding | None) -> Iterator[Finding]:
    said = candidate.version
    if not said and candidate.format != ctxpkg.FORMAT:
        return
    try:
        Version.parse(said)
    except InvalidVersion as error:
        yield _malformed(candidate, "malformed-version", error.message, error.hint)
        return
    if binding and said != str(binding.version):
        yield _mismatch("version", f"the package says {shown(said)}, expected {binding.version}")


def _malformed(candidate: Candidate, rule: str, message: str, fix: str) -> Finding:
    refused = candidate.format == ctxpkg.FORMAT
    return Finding(
        rule=f"{NAME}/{rule}",
        severity=Severity.BLOCK if refused else Severity.WARNING,
        message=message,
        place=rule.removeprefix("malformed-"),
        fix=fix,
    )


def _mismatch(field: str, message: str) -> Finding:
    return Finding(
        rule=f"{NAME}/{field}",
        severity=Severity.BLOCK,
        message=message,
        place=field,
        fix=f"Publish it under the {field} it says, or export it under the one you want.",
    )
