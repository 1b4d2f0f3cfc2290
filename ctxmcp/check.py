"""Verification on the user's machine, offline: an artifact, a file, a folder, what is installed.

`read_artifact` is the gate: what comes from a registry and what is kept of it passes the same
checks as at publishing, under the name, version, kind and signer it has to have.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ctxmcp import lock as locking
from ctxmcp.hosts import PACKAGES, Audience
from ctxmcp.hosts.layout import Named, extension, lay_out
from ctxmcp.logs import check_proof
from ctxmcp.standing import TAKEN_BACK
from registry_core.errors import (
    InvalidName,
    InvalidVersion,
    NotFound,
    RegistryError,
    Rejected,
    Tampered,
    TooLarge,
)
from registry_core.formats import MAX_ARTIFACT, Candidate, reading
from registry_core.names import Kind, PackageName, Range, Reference, Version
from registry_core.operations.verify import Checked, Verified
from registry_core.transparency.notes import Verifier
from registry_core.verification import Binding, Finding, Outcome, Report, verify

if TYPE_CHECKING:
    from pathlib import Path

    from ctxmcp.lock import Lock, Locked
    from ctxmcp.staging import Places

_FORMATS = {"application/vnd.ctxpkg+json": "ctxpkg", "text/x-python": "tool"}
_ENDINGS = {media_type: extension(media_type) for media_type in _FORMATS}
_OFFLINE = f"{TAKEN_BACK}: `audit` asks the registry"
_ALTERED = "Do not use it; get it again, or ask its publisher."


def digest_of(data: bytes) -> str:
    """Return the SHA-256 of bytes, lowercase hex."""
    return hashlib.sha256(data).hexdigest()


def check_digest(what: str, data: bytes, expected: str) -> None:
    """Raise Tampered unless bytes have a digest."""
    found = digest_of(data)
    if found != expected:
        raise Tampered(what, expected=expected, found=found, hint=_ALTERED)


def read_artifact(
    data: bytes,
    media_type: str,
    under: Binding,
    *,
    kind: Kind,
    signer: str | None,
) -> Named:
    """Read and verify an artifact as the release it is said to be.

    Raises InvalidPackage, Tampered (another package, version, kind or signer, or altered
    bytes) and Rejected (every other check).
    """
    return read_reported(data, media_type, under, kind=kind, signer=signer)[0]


def read_reported(
    data: bytes,
    media_type: str,
    under: Binding,
    *,
    kind: Kind,
    signer: str | None,
) -> tuple[Named, Report]:
    """Do the same, and return the report of its checks too."""
    known = _FORMATS.get(media_type)
    candidate = reading.read(data, known) if known else reading.recognise(data)
    report = verify(candidate, under)
    ref = f"{under.name}@{under.version}"
    _check_identity(ref, candidate, report, kind)
    if report.blocking:
        raise Rejected(report)
    if report.signer != signer:
        expected, found = signer or "nobody", report.signer or "nobody"
        raise Tampered(f"the signer of {ref}", expected=expected, found=found, hint=_ALTERED)
    return Named(under.name, under.version, candidate), report


def _check_identity(ref: str, candidate: Candidate, report: Report, kind: Kind) -> None:
    if candidate.kind is not kind:
        raise Tampered(f"the kind of {ref}", expected=kind, found=candidate.kind, hint=_ALTERED)
    for finding in report.blocking:
        check = finding.rule.partition("/")[0]
        if check == "binding":
            found = f"{candidate.name}@{candidate.version}"
            raise Tampered("the package itself", expected=ref, found=found, hint=_ALTERED)
        if check == "signature":
            raise Tampered(ref, expected="a valid signature", found=finding.message, hint=_ALTERED)
    for digest in candidate.digests:
        if digest.expected != digest.found:
            what = f"{ref}, manifest.integrity.{digest.claim}"
            raise Tampered(what, expected=digest.expected, found=digest.found, hint=_ALTERED)


def everything(places: Places) -> Verified:
    """Check every installed package. Raises NotFound where there is no lock."""
    lock = locking.read(places.project)
    if not lock.packages:
        raise NotFound(
            f"nothing is installed in {places.project}",
            hint="Name a file, a folder or @ns/name@version.",
        )
    return _verified(locked(lock, places), _OFFLINE)


def locked(lock: Lock, places: Places) -> list[Checked]:
    """Check each package of a lock, in its order."""
    return [_installed(entry, places) for entry in lock.packages.values()]


def installed(places: Places, target: str) -> Verified | None:
    """Check an installed package; None where the target is no reference to one."""
    entry = _locked(target, locking.read(places.project))
    return _verified([_installed(entry, places)], _OFFLINE) if entry else None


def on_disk(found: Path, shown: str) -> Verified:
    """Check a file or folder on disk."""
    return _verified([_file(found, shown)])


def read_path(found: Path) -> Candidate:
    """Read a file or folder from disk, whatever format it has."""
    if found.is_dir():
        return reading.read_folder(found)
    with found.open("rb") as file:
        data = file.read(MAX_ARTIFACT + 1)
    if len(data) > MAX_ARTIFACT:
        raise TooLarge(f"{found} is longer than {MAX_ARTIFACT:,} bytes")
    return reading.recognise(data, found.name)


def _verified(checked: list[Checked], *not_checked: str) -> Verified:
    ok = all(one.ok for one in checked)
    return Verified(ok=ok, checked=checked, not_checked=list(not_checked))


def _checked(what: str, problems: list[str], sha256: str) -> Checked:
    return Checked(what=what, ok=not problems, problems=problems, sha256=sha256)


def _locked(target: str, lock: Lock) -> Locked | None:
    try:
        reference = Reference.parse(target)
    except (InvalidName, InvalidVersion):
        return None
    entry = lock.packages.get(str(reference.name))
    if entry is None:
        return None
    version, selector = Version.parse(entry.version), reference.selector
    if isinstance(selector, Version):
        return entry if version == selector else None
    return entry if not isinstance(selector, Range) or selector.holds(version) else None


def _installed(entry: Locked, places: Places) -> Checked:
    problems = [
        *_target_problems(entry, places),
        *_artifact_problems(entry, places),
        *_log_problems(entry),
    ]
    return _checked(entry.ref, problems, entry.artifact_sha256)


def _target_problems(entry: Locked, places: Places) -> Iterator[str]:
    if entry.pending:
        yield "an installation was interrupted: run `ctxmcp install` to finish it"
    for target, expected in sorted(entry.targets.items()):
        try:
            found = places.state(target)
        except RegistryError as error:
            yield f"{target}: {error.message}"
            continue
        if found is None:
            yield f"{target}: is missing"
        elif found != expected:
            yield f"{target}: expected {expected}, found {found}"


def _log_problems(entry: Locked) -> Iterator[str]:
    """Verify the proof that the registry's log has what is installed, where the lock keeps one."""
    if entry.log is None:
        return
    expected = {
        "name": entry.name,
        "version": entry.version,
        "sha256": entry.artifact_sha256,
        "kind": entry.kind.value,
        "signer": entry.signer or None,
    }
    try:
        check_proof(entry.log, Verifier.parse(entry.log.key), expected)
    except RegistryError as error:
        yield f"ctxmcp.lock: {error.message}"


def _artifact_problems(entry: Locked, places: Places) -> Iterator[str]:
    """Read the kept artifact again, and see that the lock says of each file what it says."""
    folder = f"{PACKAGES}/{entry.ref}/package"
    kept = next((t for t in entry.targets if t.startswith(f"{folder}.")), None)
    if kept is None:
        yield f"the lock names no artifact of {entry.ref}"
        return
    try:
        named = _read_kept(entry, places, kept)
    except FileNotFoundError:
        return  # `_target_problems` has said so
    except RegistryError as error:
        yield f"{kept}: {error.message}"
        return
    for placed in lay_out(named, Audience((), ()), linking=True).files:
        locked, own = entry.targets.get(placed.target), digest_of(placed.data)
        if placed.verbatim and locked is not None and locked != own:
            yield f"{placed.target}: the lock says {locked}, the artifact has {own}"


def _read_kept(entry: Locked, places: Places, target: str) -> Named:
    with places.at(target).open("rb") as file:
        data = file.read(MAX_ARTIFACT + 1)
    check_digest(f"artifact of {entry.ref}", data, entry.artifact_sha256)
    return read_artifact(
        data,
        next((m for m, end in _ENDINGS.items() if target.endswith(end)), ""),
        Binding(PackageName.parse(entry.name), Version.parse(entry.version)),
        kind=entry.kind,
        signer=entry.signer or None,
    )


def _file(found: Path, shown: str) -> Checked:
    try:
        candidate = read_path(found)
    except RegistryError as error:
        return _checked(shown, [error.message], "")
    report = verify(candidate)
    problems = [_sentence(finding) for finding in report.blocking]
    return _checked(f"{shown} ({_standing(report)})", problems, candidate.sha256)


def _standing(report: Report) -> str:
    looked = [s.check for s in report.sections if s.outcome is not Outcome.SKIPPED]
    signer = f"signed by {report.signer}" if report.signer else "not signed"
    return f"{signer}; checked: {', '.join(looked)}"


def _sentence(finding: Finding) -> str:
    place = f"{finding.place}: " if finding.place else ""
    return f"{place}{finding.message}"
