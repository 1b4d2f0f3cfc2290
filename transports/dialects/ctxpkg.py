"""The ctxpkg registry API, version 1: what the lean-ctx CLI and the ctxpkg website speak.

    GET    /api/v1/index.json                                the catalog of public packages
    GET    /api/v1/search?q=&kind=                           the same items, ranked
    GET    /api/v1/packages/{ns}/{name}/index.json           a package and its versions
    GET    /api/v1/packages/{ns}/{name}/{version}/download   the artifact, byte for byte
    GET    /api/v1/packages/{ns}/{name}/{version}/trust      what was checked when it was published
    GET    /api/v1/badge/{ns}/{name}                         SVG
    GET    /api/v1/publishers/{ns}/index.json                the packages of one namespace
    PUT    /api/v1/packages/{ns}/{name}/{version}            publish
    DELETE /api/v1/packages/{ns}/{name}/{version}?reason=    yank; the bytes stay
    POST   /api/v1/packages/{ns}/{name}/{version}/unyank     take that back (an extension)

A release that has to be looked at first is answered with 201 too, and `held` says so with what was
found; nothing here shows it to anybody else, but a download that asks for it with `include_held`.

Every refusal is JSON with a string `error`, which clients print as it is; `code` is ours, and
`findings` say what the checks of a publish refused. A private package does not exist for whoever
has no token of its namespace; catalog, search, badge and publisher speak of public ones to
everybody. A stale token on a GET is as good as none, so that it locks nobody out of what is
public.
"""

from __future__ import annotations

import asyncio
from dataclasses import asdict, replace
from functools import partial
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from starlette.responses import Response
from starlette.routing import Route

from registry_core import publish as publishing
from registry_core import quality
from registry_core.callers import ANONYMOUS, Scope
from registry_core.errors import (
    Forbidden,
    InvalidName,
    InvalidPackage,
    InvalidVersion,
    NotFound,
    PaymentRequired,
    RegistryError,
    Rejected,
    Unauthenticated,
)
from registry_core.formats import MAX_ARTIFACT
from registry_core.names import Kind, PackageName, Version, parse_namespace, shown
from registry_core.operations.changing import Unyank, Yank, unyank, yank
from registry_core.operations.publish import what_now
from registry_core.packages import State
from registry_core.search import Query
from registry_core.verification import Binding, Outcome, Report
from transports import refusals
from transports.answers import EVERYTHING, Answer, answer, respond
from transports.guards.auth import bearer
from transports.paid import PRIVATE
from transports.state import opened

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Container, Mapping, Sequence
    from datetime import datetime

    from starlette.requests import Request

    from registry_core.callers import Caller
    from registry_core.packages import Package, Release, Summary
    from registry_core.registry import Registry
    from transports.answers import Key

MOST_BODY = (("/api/v1/packages/", MAX_ARTIFACT),)

STATUSES: Mapping[type[RegistryError], int] = {
    **refusals.STATUSES,
    InvalidPackage: 422,
    PaymentRequired: 402,
}
""" "Publish rejected: validation failed or secret scan found high-confidence credentials"."""

CATALOG_FRESH = 300
PACKAGE_FRESH = 60
"""Seconds, as the contract has them."""

MOST_FOUND = 100
"""Results of one search."""

MOST_README = 64 * 1024
"""Characters of a readme in a package index, which clients read up to 10 MiB of."""

SMALL = 256 * 1024
"""Bytes of an artifact that is kept ready."""

NO_REASON = "no reason given"

INERT = "default-src 'none'; sandbox"
"""What a picture may do that somebody opens as a page: nothing."""

_PACKAGE = "/api/v1/packages/{ns}/{name}"
_JSON = "application/json"


def routes() -> list[Route]:
    """Return what this dialect answers."""
    return [
        Route(f"{_PACKAGE}/index.json", package),
        Route(f"{_PACKAGE}/{{version}}/download", download),
        Route("/api/v1/index.json", catalog),
        Route("/api/v1/search", search),
        Route(f"{_PACKAGE}/{{version}}/trust", trust),
        Route("/api/v1/badge/{ns}/{name}", badge),
        Route("/api/v1/publishers/{ns}/index.json", publisher),
        Route(f"{_PACKAGE}/{{version}}", change, methods=["PUT", "DELETE"]),
        Route(f"{_PACKAGE}/{{version}}/unyank", take_yank_back, methods=["POST"]),
    ]


def refuse(error: RegistryError) -> Response:
    """Refuse a request as the protocol does."""
    text = f"{error.message}. {error.hint}" if error.hint else error.message
    body: dict[str, Any] = {"error": text, "code": error.code}
    if isinstance(error, Rejected) and error.report is not None:
        body["findings"] = [asdict(finding) for finding in error.report.blocking]
    if isinstance(error, PaymentRequired):
        body["buy_url"] = error.buy_url
    return refusals.response(error, refusals.status(error, STATUSES), body)


async def catalog(request: Request) -> Response:
    """List every public package."""
    registry, kind = opened(request.scope).registry, _kind(request)
    make = partial(_catalog, registry, kind)
    return await _public(request, ("catalog", kind or ""), EVERYTHING, make)


async def search(request: Request) -> Response:
    """Find public packages."""
    registry, kind = opened(request.scope).registry, _kind(request)
    text = request.query_params.get("q", "")
    make = partial(_search, registry, text, kind)
    return await _public(request, ("search", text, kind or ""), EVERYTHING, make)


async def publisher(request: Request) -> Response:
    """Show a namespace and its public packages."""
    registry, kind = opened(request.scope).registry, _kind(request)
    namespace = _or_not_found(parse_namespace, request.path_params["ns"])
    make = partial(_publisher, registry, namespace, kind)
    return await _public(request, ("publisher", namespace, kind or ""), EVERYTHING, make)


async def badge(request: Request) -> Response:
    """Draw a badge with the current version of a public package."""
    name = _name(request)
    make = partial(_badge, opened(request.scope).registry, name)
    return await _public(request, ("badge", str(name)), str(name), make)


async def package(request: Request) -> Response:
    """List the versions of a package, the one to install first."""
    name = _name(request)
    make = partial(_package, opened(request.scope).registry, name)
    return await _visible(request, ("package", str(name)), str(name), make)


async def trust(request: Request) -> Response:
    """Show what was checked when a version was published."""
    name, version = _name(request), request.path_params["version"]
    make = partial(_trust, opened(request.scope).registry, name, version)
    return await _visible(request, ("trust", str(name), version), str(name), make)


async def download(request: Request) -> Response:
    """Give the uploaded bytes, yanked or not."""
    name, version = _name(request), request.path_params["version"]
    held = request.query_params.get("include_held") == "true"
    make = partial(_download, opened(request.scope).registry, name, version, held)
    key = ("download", str(name), version, "held" if held else "")
    return await _visible(request, key, str(name), make)


async def change(request: Request) -> Response:
    """Publish a version, or yank it."""
    if request.method == "PUT":
        return await _publish(request)
    return await _yank(request)


async def take_yank_back(request: Request) -> Response:
    """Let a yanked version resolve again."""
    caller, reference = await _writer(request), _reference(request)
    state = await unyank(opened(request.scope).registry, caller, Unyank(ref=reference))
    return _written({"unyanked": state.ref})


async def _publish(request: Request) -> Response:
    caller = await _writer(request)
    path = request.path_params
    name = PackageName.parse(f"@{path['ns']}/{path['name']}")
    binding = Binding(name, Version.parse(path["version"]))
    # Publishing asks this again; asked here, a refusal does not wait for the body.
    if not caller.may(Scope.PUSH, name.namespace):
        raise Forbidden(f"this token may not publish in @{name.namespace}")
    artifact = await request.body()
    registry = opened(request.scope).registry
    published = await publishing.publish(registry, caller, artifact, under=binding)
    document = {
        "published": f"{published.name}@{published.version}",
        "artifact_sha256": published.candidate.sha256,
        "size_bytes": len(artifact),
        "trust_report": _trust_report(published.report),
    }
    return _written(document | _held(published), 201)


def _held(published: publishing.Published) -> dict[str, Any]:
    if not published.held:
        return {}
    return {
        "held": True,
        "held_because": [asdict(finding) for finding in published.report.held],
        "next": what_now(f"{published.name}@{published.version}"),
    }


async def _yank(request: Request) -> Response:
    caller, reference = await _writer(request), _reference(request)
    reason = request.query_params.get("reason", "").strip()[:500] or NO_REASON
    given = Yank(ref=reference, reason=reason)
    state = await yank(opened(request.scope).registry, caller, given)
    return _written({"yanked": state.ref, "reason": state.reason})


async def _writer(request: Request) -> Caller:
    caller = await bearer(request.scope).caller()
    if caller is ANONYMOUS:
        raise Unauthenticated(
            "this needs a publish token",
            hint="Send `Authorization: Bearer ctxp_...`; `ctxmcp token create` makes one.",
        )
    return caller


def _written(document: Mapping[str, Any], status: int = 200) -> Response:
    body = refusals.encode(document)
    return Response(body, status, {"cache-control": "no-store"}, media_type=_JSON)


async def _public(
    request: Request, key: Key, about: str, make: Callable[[Caller], Awaitable[Answer]]
) -> Response:
    """Answer what is the same for everybody."""
    answers = opened(request.scope).answers
    return respond(request, await answers.get(key, about=about, make=partial(make, ANONYMOUS)))


async def _visible(
    request: Request, key: Key, about: str, make: Callable[[Caller], Awaitable[Answer]]
) -> Response:
    """Answer what everybody may see, and else what this caller may see."""
    state = opened(request.scope)
    try:
        ready = await state.answers.get(key, about=about, make=partial(make, ANONYMOUS))
    except (NotFound, PaymentRequired):
        caller = await bearer(request.scope).reader()
        if caller is ANONYMOUS:
            raise
        ready = await make(caller)
    response = respond(request, ready)
    if ready.counts and request.method == "GET" and response.status_code == 200:
        state.registry.usage.count_download(*ready.counts)
    return response


def _or_not_found(parse: Callable[[str], Any], text: str) -> Any:
    """Read a part of a path; what cannot be a name is not there."""
    try:
        return parse(text)
    except (InvalidName, InvalidVersion) as error:
        raise NotFound(error.message, hint=error.hint) from None


def _name(request: Request) -> PackageName:
    path = request.path_params
    found: PackageName = _or_not_found(PackageName.parse, f"@{path['ns']}/{path['name']}")
    return found


def _reference(request: Request) -> str:
    version = _or_not_found(Version.parse, request.path_params["version"])
    return f"{_name(request)}@{version}"


def _kind(request: Request) -> Kind | None:
    text = request.query_params.get("kind")
    return Kind.parse(text) if text else None


async def _catalog(registry: Registry, kind: Kind | None, caller: Caller) -> Answer:
    found = await registry.packages.list(caller, kind=kind)
    verified = await registry.domains.verified()
    return await asyncio.to_thread(_catalog_document, found, verified)


def _catalog_document(found: Sequence[Summary], verified: Container[str]) -> Answer:
    items = [_item(package, verified) for package in found]
    return _lasting({"schema": "ctxpkg-registry-index-v1", "packages": items})


async def _search(registry: Registry, text: str, kind: Kind | None, caller: Caller) -> Answer:
    found = await registry.indexer.search(
        Query(
            text=text,
            kinds=frozenset([kind]) if kind else frozenset(),
            tags=frozenset(),
            namespaces_visible=frozenset(),
            limit=MOST_FOUND,
            offset=0,
        )
    )
    # What comes near without serving the query is no result here, where nothing could say so.
    fitting = found.hits if found.fits else ()
    packages = await registry.packages.by_id([int(hit.key) for hit in fitting])
    hits = [packages[int(hit.key)] for hit in fitting if int(hit.key) in packages]
    shown = [package for package in hits if package.latest and not package.private]
    verified = await registry.domains.verified()
    results = [_item(package, verified) for package in shown]
    return _lasting({"count": len(results), "query": text, "results": results}, PACKAGE_FRESH)


async def _publisher(
    registry: Registry, namespace: str, kind: Kind | None, caller: Caller
) -> Answer:
    found = await registry.packages.list(caller, namespace=namespace)
    if not found:
        raise NotFound(f"no publisher {shown(namespace)}")
    verified = await registry.domains.verified()
    items = [_item(package, verified) for package in found if kind in {None, package.kind}]
    domains = verified.get(namespace, [])
    return _lasting({"namespace": namespace, "verified_domains": domains, "packages": items})


def _item(package: Summary, verified: Container[str]) -> dict[str, Any]:
    release = package.latest
    return {
        "namespace": package.name.namespace,
        "name": package.name.name,
        "scoped_name": str(package.name),
        "kind": _kind_word(package.kind),
        "description": release.description if release else "",
        "latest_version": str(release.version) if release else None,
        "versions": package.release_count,
        "downloads": package.downloads,
        "updated_at": _moment(package.updated_at),
        "tags": list(release.tags) if release else [],
        "verified": package.name.namespace in verified,
        "visibility": package.visibility,
        **_worth(package),
    }


def _worth(package: Summary) -> dict[str, Any]:
    """Say how good it is, what it saves and what it costs."""
    points, roi = quality.points(package), None
    if (release := package.latest) and release.source_tokens and release.distilled_tokens:
        roi = {
            "source_tokens": release.source_tokens,
            "distilled_tokens": release.distilled_tokens,
            "saved_tokens": release.source_tokens - release.distilled_tokens,
        }
    return {
        "quality": sum(points.values()) if points else None,
        "roi": roi,
        "price": asdict(package.price) if package.price else None,
    }


async def _package(registry: Registry, name: PackageName, caller: Caller) -> Answer:
    found = await _released(registry, name, caller)
    readme = ""
    if found.latest:
        readme = found.readme(await registry.packages.details(found.latest))[:MOST_README]
    document = {
        "schema": "ctxpkg-registry-package-v1",
        "namespace": name.namespace,
        "name": name.name,
        "scoped_name": str(name),
        "kind": _kind_word(found.kind),
        "description": found.latest.description if found.latest else "",
        "latest": str(found.latest.version) if found.latest else None,
        "visibility": found.visibility,
        # Clients install the first that is not yanked, in this order, and read no `latest`.
        "versions": [_version(release) for release in found.releases],
        "readme": readme,
        **_worth(found),
        "quality_breakdown": quality.points(found),
    }
    if found.deprecated is not None:
        document |= {"deprecated": found.deprecated, "replacement": found.replacement}
    return _about_package(refusals.encode(document), _JSON, private=found.private)


async def _released(registry: Registry, name: PackageName, caller: Caller) -> Package:
    """Find a package; of one whose only versions are held nobody is told."""
    found = await registry.packages.find(name, caller)
    if not found.releases:
        raise NotFound(f"no version of {name} is released")
    return found


def _version(release: Release) -> dict[str, Any]:
    entry = {
        "version": str(release.version),
        "artifact_sha256": release.sha256,
        "size_bytes": release.size,
        "signer_public_key": release.signer,
        "yanked": release.avoided,
        "downloads": release.downloads,
        "published_at": _moment(release.published_at),
    }
    return entry | ({"yank_reason": release.why_avoided} if release.avoided else {})


async def _trust(registry: Registry, name: PackageName, version: str, caller: Caller) -> Answer:
    found = await registry.packages.find(name, caller)
    release = _release(found, version, told=caller.is_told_of(name.namespace))
    details = await registry.packages.details(release)
    document = {"trust_report": _trust_report(Report.from_json(details.report))}
    return _about_package(
        refusals.encode(document),
        _JSON,
        private=found.private or release.state is not State.RELEASED,
    )


async def _download(
    registry: Registry,
    name: PackageName,
    version: str,
    held: bool,  # noqa: FBT001 - it is what was asked for
    caller: Caller,
) -> Answer:
    found = await registry.packages.find(name, caller)
    release = _release(found, version, told=held or caller.is_told_of(name.namespace))
    if release.state not in {State.RELEASED, State.HELD}:
        raise found.refusal_of(release)
    await registry.purchases.admit(found, caller)
    filename = f"{name.namespace}-{name.name}-{release.version}.ctxpkg"
    headers = [
        ("x-ctxpkg-sha256", release.sha256),
        ("content-disposition", f'attachment; filename="{filename}"'),
    ]
    yanked = [("x-ctxpkg-yanked", "true")] if release.avoided else []
    ready = _about_package(
        await registry.blobs.get(release.sha256),
        "application/octet-stream",
        # The bytes never change, the mark may: a cache that asks again has to see a new ETag.
        etag=f"{release.sha256}{'-yanked' if release.avoided else ''}",
        headers=[*headers, *yanked],
        private=found.private or found.price is not None or release.state is not State.RELEASED,
    )
    return replace(ready, counts=(found.id, release.id))


async def _badge(registry: Registry, name: PackageName, caller: Caller) -> Answer:
    found = await _released(registry, name, caller)
    text = f"v{found.latest.version}" if found.latest else "yanked"
    return answer(
        svg("ctxpkg", text).encode(),
        "image/svg+xml",
        cache=f"public, max-age={CATALOG_FRESH}",
        fresh_for=CATALOG_FRESH,
        headers=[("content-security-policy", INERT)],
    )


def svg(label: str, text: str) -> str:
    """Draw a badge."""
    left, right = 10 + 7 * len(label), 10 + 7 * len(text)
    title, label, text = (escape(part) for part in (f"{label}: {text}", label, text))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="20" role="img">'
        f"<title>{title}</title>"
        f'<rect width="{left}" height="20" fill="#444"/>'
        f'<rect x="{left}" width="{right}" height="20" fill="#06b"/>'
        '<g fill="#fff" font-family="Verdana,sans-serif" font-size="11" text-anchor="middle">'
        f'<text x="{left / 2:g}" y="14">{label}</text>'
        f'<text x="{left + right / 2:g}" y="14">{text}</text></g></svg>'
    )


def _release(found: Package, version: str, *, told: bool) -> Release:
    """Find a version exactly as it is written: build metadata is part of the address."""
    for release in (*found.releases, *found.withheld):
        if str(release.version) == version:
            if release.state is not State.RELEASED and not told:
                raise found.refusal_of(release)
            return release
    raise NotFound(f"{found.name} has no version {shown(version)}")


def _lasting(document: Mapping[str, Any], seconds: int = CATALOG_FRESH) -> Answer:
    cache = f"public, max-age={seconds}"
    return answer(refusals.encode(document), _JSON, cache=cache, fresh_for=seconds)


def _about_package(
    body: bytes,
    media_type: str,
    *,
    private: bool,
    etag: str = "",
    headers: Sequence[tuple[str, str]] = (),
) -> Answer:
    """Answer about one package: short-lived, and kept nowhere where it is not for everybody."""
    keep = not private and len(body) <= SMALL
    return answer(
        body,
        media_type,
        cache=PRIVATE if private else f"public, max-age={PACKAGE_FRESH}",
        fresh_for=PACKAGE_FRESH if keep else 0,
        etag=etag,
        headers=headers,
    )


def _trust_report(report: Report) -> dict[str, Any]:
    """Say in the protocol's words what was checked, and nothing that was not."""
    outcomes = {section.check: section.outcome for section in report.sections}
    return {
        "schema": _word(outcomes, "schema", "coherence", good="ok", warned="ok"),
        "integrity": _word(outcomes, "integrity", good="verified"),
        "signature": "verified" if report.signer else "unsigned",
        "signer_public_key": report.signer,
        "name_version_match": _holds(outcomes, "binding"),
        "size_within_limit": _holds(outcomes, "sizes"),
        "secret_scan": _word(outcomes, "secrets", good="clean"),
        "artifact_sha256": report.artifact_sha256,
        "covered": list(report.covered),
        "not_covered": list(report.not_covered),
        "findings": [asdict(finding) for finding in report.findings],
        "skipped": [*(c for c, o in outcomes.items() if o is Outcome.SKIPPED), *report.skipped],
    }


def _word(
    outcomes: Mapping[str, Outcome], *checks: str, good: str, warned: str = "warnings"
) -> str:
    """Say how checks ended, by the worst of them; one that was not made is said to be so."""
    words = {
        Outcome.FAILED: "failed",
        Outcome.SKIPPED: "not_checked",
        Outcome.WARNED: warned,
        Outcome.PASSED: good,
    }
    found = {outcomes.get(check, Outcome.SKIPPED) for check in checks}
    return next(word for outcome, word in words.items() if outcome in found)


def _holds(outcomes: Mapping[str, Outcome], check: str) -> bool | None:
    """Tell whether a check passed; None where it did not say."""
    return {Outcome.PASSED: True, Outcome.FAILED: False}.get(outcomes.get(check, Outcome.SKIPPED))


def _kind_word(kind: Kind) -> str:
    return "skills" if kind is Kind.SKILL else str(kind)


def _moment(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
