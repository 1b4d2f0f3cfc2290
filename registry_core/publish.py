"""Publishing, as named stages: read, admit, verify, store, record.

    read     bytes -> Candidate; refuses what cannot be read one way only
    admit    may this caller publish this name and version; nothing written yet
    verify   every check, against what is known beforehand; a model may read on, where one is set
    judge    whether its signer is the namespace's, and it follows what was published before; a
             blocking finding of either ends here, with the report
    store    the blob under its digest; a crash after it leaves a blob that nothing names
    record   one transaction: the release, what its package says now, and the event

A finding of the severity `hold` does not end it: the release is recorded as held, whole, and
resolves to nothing until a reviewer has looked at it.

The release exists when `record` has committed and at no time before. Two that race for one version
meet in that transaction: one is recorded, the other is a Conflict.
"""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from registry_core import keys, quality
from registry_core.errors import Internal, Rejected, TooLarge
from registry_core.formats import MAX_ARTIFACT, Candidate, Visibility, ctxpkg
from registry_core.keys import Signing
from registry_core.names import PackageName, Version
from registry_core.packages import Claim, Details, NewRelease, State
from registry_core.verification import (
    Before,
    Binding,
    Finding,
    Known,
    Naming,
    Report,
    Severity,
    is_ready,
    meaning,
    rules_of_today,
    verify,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from registry_core.callers import Caller
    from registry_core.packages import Package
    from registry_core.registry import Registry

MAX_BODY = 64 * 1024
"""Characters of a release that search reads."""

MAX_README = 256 * 1024
"""Characters of a readme that are kept beside the release; the file itself stays whole."""


_FEW = 32 * 1024
"""Bytes that are read and checked in less time than a thread needs to be handed them."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Published:
    """What publishing gives, and what a rehearsal would have given."""

    name: PackageName
    version: Version
    candidate: Candidate
    report: Report
    visibility: Visibility
    signing: Signing
    judged: tuple[Finding, ...]
    """What the keys of the namespace have to say of its signer; part of the report."""
    advisories: tuple[dict[str, str], ...] = ()
    """Those in force against it, by id and summary; it was not refused for them."""

    @property
    def held(self) -> bool:
        """Whether somebody has to look at it before it resolves."""
        return bool(self.report.held)


async def publish(
    registry: Registry,
    caller: Caller,
    artifact: bytes,
    *,
    under: Binding | None = None,
    read: Callable[[bytes], Candidate] = ctxpkg.read,
) -> Published:
    """Publish bytes, under the name and version they carry or (`under`) must carry.

    Raises InvalidPackage, TooLarge, Forbidden, Conflict, Rejected, Unavailable.
    """
    rehearsed = await rehearse(registry, caller, artifact, under=under, read=read)
    stored = await registry.blobs.put(artifact)
    if stored != rehearsed.candidate.sha256:
        raise Internal("the blob store keeps a blob under another digest than its own")
    visibility = await registry.packages.record(_new_release(rehearsed), caller)
    return replace(rehearsed, visibility=visibility)


async def rehearse(
    registry: Registry,
    caller: Caller,
    artifact: bytes,
    *,
    under: Binding | None = None,
    read: Callable[[bytes], Candidate] = ctxpkg.read,
) -> Published:
    """Do everything that publishing does up to storing: authorisation and every check."""
    if len(artifact) > MAX_ARTIFACT:
        raise TooLarge(
            f"the package has {len(artifact):,} bytes, at most {MAX_ARTIFACT:,} are taken",
            hint="Leave out what an agent does not read.",
        )
    few = len(artifact) <= _FEW
    candidate = await _work(partial(read, artifact), here=few)
    binding = under or Binding(PackageName.parse(candidate.name), Version.parse(candidate.version))
    claim = Claim(binding.name, binding.version, candidate.kind, candidate.visibility)
    package, ring = await registry.packages.admit(claim, caller)
    known = await _known(registry, package, candidate, binding)
    report = await _work(partial(verify, candidate, binding, known), here=few and is_ready())
    if registry.reader is not None and not report.blocking:
        report = meaning.read(report, await registry.reader.look(candidate))
    signing = Signing.of(candidate, report)
    judged = keys.judge(ring, signing)
    report = _with_keys(report, (*judged, *_follows(candidate, package)))
    report = registry.policy.applied(report)
    if report.blocking:
        raise Rejected(report)
    visibility = package.visibility if package else candidate.visibility
    bad = tuple({"id": one.id, "summary": one.summary} for one in known.advisories or ())
    return Published(
        binding.name, binding.version, candidate, report, visibility, signing, judged, bad
    )


async def _known(
    registry: Registry, package: Package | None, candidate: Candidate, binding: Binding
) -> Known:
    """Look up what the checks cannot know of the bytes alone."""
    naming = None
    if package is None or not package.releases:
        near = await registry.popular.near(binding.name)
        naming = Naming(binding.name, near, registry.policy.names.reserved)
    bad = await registry.advisories.against(binding.name, binding.version, candidate.known_by)
    return Known(await _before(registry, package, binding.version), naming, bad)


async def _before(registry: Registry, package: Package | None, new: Version) -> Before | None:
    """Say what is known of the released version before this one, or else of the newest."""
    if package is None or not package.releases:
        return None
    versions = {release.version: release for release in package.releases}
    version = max((v for v in versions if v < new), default=max(versions))
    release = versions[version]
    details = await registry.packages.details(release)
    asked = Report.from_json(details.report).facts("powers")
    return Before(
        version=str(version),
        sha256=release.sha256,
        signer=release.signer,
        files={file["path"]: file["sha256"] for file in details.files},
        dependencies={d["name"]: d["requirement"] for d in release.dependencies},
        declared=asked.get("declared", release.powers),
        seen=asked.get("seen"),
    )


def _with_keys(report: Report, findings: tuple[Finding, ...]) -> Report:
    return replace(report, sections=(*report.sections, keys.section(findings)))


def _follows(candidate: Candidate, package: Package | None) -> tuple[Finding, ...]:
    """See that the version before, which the packer has seen, is one that was published here."""
    prev = candidate.attestation.text("prev") if candidate.attestation else ""
    if not prev or prev in {r.sha256 for r in (package.releases if package else ())}:
        return ()
    message = f"it says that it follows {prev}, which was not published here"
    fix = "Publish it where it was packed for, or pack it again from its source."
    return (Finding("keys/prev", Severity.REVIEW, message, "attestation.prev", fix),)


async def _work(work: Callable[[], T], *, here: bool) -> T:
    """Do what is short here, where handing it over costs more, and else in a thread."""
    return work() if here else await asyncio.to_thread(work)


def _new_release(rehearsed: Published) -> NewRelease:
    candidate, report = rehearsed.candidate, rehearsed.report
    warned = any(section.outcome == "warned" for section in report.sections)
    return NewRelease(
        rehearsed.name,
        rehearsed.version,
        candidate.kind,
        candidate.visibility,
        row={
            **columns(candidate),
            "signer": report.signer,
            "outcome": "warned" if warned else "passed",
        },
        details=Details(
            files=listing(candidate),
            readme=_storable(candidate.readme, MAX_README),
            body=_storable(_body(candidate), MAX_BODY),
            report=report.as_json(),
            rules=rules_of_today(report.policy),
        ),
        state=State.HELD if report.held else State.RELEASED,
        advisories=rehearsed.advisories,
        why_held="; ".join(dict.fromkeys(f.rule for f in report.held)) or None,
        signing=rehearsed.signing,
        judged=rehearsed.judged,
    )


def columns(candidate: Candidate) -> dict[str, Any]:
    """Return the columns of a release that its artifact alone decides on."""
    return {
        "format": candidate.format,
        "media_type": candidate.media_type,
        "sha256": candidate.sha256,
        "size": len(candidate.artifact),
        "description": candidate.description,
        "author": candidate.author,
        "license": candidate.license,
        "tags": list(candidate.tags),
        "category": candidate.category,
        "dependencies": [asdict(dependency) for dependency in candidate.dependencies],
        "powers": {name: value for name, value in asdict(candidate.powers).items() if value},
        **asdict(quality.cost(candidate)),
    }


def listing(candidate: Candidate) -> tuple[dict[str, Any], ...]:
    """Return what is recorded of each file."""
    return tuple(file.row for file in candidate.files)


def _body(candidate: Candidate) -> str:
    """Join what search reads: the readme first, then every other text, until there is enough."""
    parts, length = [candidate.readme], len(candidate.readme)
    texts = (file.text for file in candidate.files)
    for text in (*texts, *quality.facts(candidate)):
        if length > MAX_BODY:
            break
        if text and text != candidate.readme:
            parts.append(text)
            length += len(text)
    return "\n".join(parts)


def _storable(text: str, limit: int) -> str:
    """Cut a text, and drop NUL, which PostgreSQL does not store."""
    return text[:limit].replace("\x00", "")
