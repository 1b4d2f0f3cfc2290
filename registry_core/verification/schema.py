"""The fields of a ctxpkg manifest have the values the format allows.

The reader has refused wrong types where a candidate needs the field; the rules here are about
values, and about the fields only a manifest knows. Unknown fields are tolerated.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from registry_core.errors import InvalidName, InvalidVersion
from registry_core.formats import Candidate, Dependency, ctxpkg
from registry_core.names import PackageName, Range
from registry_core.verification.report import Binding, Finding, Severity

NAME = "schema"

_Manifest = Mapping[str, Any]

_NAME = re.compile(r"[A-Za-z0-9._@/-]{1,128}")
_VERSION = re.compile(r"[A-Za-z0-9_+-][A-Za-z0-9._+-]{0,63}")
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,18})?"
    r"([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_STATS = (
    "knowledge_facts",
    "graph_nodes",
    "graph_edges",
    "pattern_count",
    "gotcha_count",
    "compression_ratio",
)


def check(candidate: Candidate, binding: Binding | None) -> Iterator[Finding] | None:
    """Apply every rule; does not apply to other formats."""
    if candidate.format != ctxpkg.FORMAT:
        return None
    return _findings(candidate)


def _findings(candidate: Candidate) -> Iterator[Finding]:
    for field, holds, words in _RULES:
        if not holds(candidate.manifest):
            yield Finding(
                rule=f"{NAME}/{field.replace('_', '-')}",
                severity=Severity.BLOCK,
                message=words,
                place=f"manifest.{field}",
                fix="Export the package again with a current lean-ctx or ctxmcp.",
            )
    problem = next(filter(None, map(_unresolvable, candidate.dependencies)), None)
    if problem:
        yield Finding(
            rule=f"{NAME}/dependency",
            severity=Severity.WARNING,
            message=problem,
            place="manifest.dependencies",
            fix="Write dependencies as @namespace/name with a range such as ^1.2.",
        )


def _unresolvable(dependency: Dependency) -> str | None:
    try:
        PackageName.parse(dependency.name)
        Range.parse(dependency.requirement)
    except (InvalidName, InvalidVersion) as error:
        return error.message
    return None


def _name(manifest: _Manifest) -> bool:
    return bool(_NAME.fullmatch(manifest["name"]))


def _version(manifest: _Manifest) -> bool:
    return bool(_VERSION.fullmatch(manifest["version"]))


def _schema_version(manifest: _Manifest) -> bool:
    return manifest["schema_version"] in {1, 2}


def _kind(manifest: _Manifest) -> bool:
    return bool(manifest["schema_version"] != 1 or manifest.get("kind", "context") == "context")


def _is_time(value: object) -> bool:
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        return False
    try:
        datetime.fromisoformat(value.upper())
    except ValueError:
        return False
    return True


def _layers(manifest: _Manifest) -> bool:
    layers = manifest.get("layers")
    if not isinstance(layers, list) or not _texts(layers):
        return False
    known = set(layers) <= set(ctxpkg.LAYERS) and len(set(layers)) == len(layers)
    return known and bool(layers or manifest["schema_version"] != 1)


def _provenance(manifest: _Manifest) -> bool:
    found = manifest.get("provenance")
    return (
        isinstance(found, Mapping)
        and all(isinstance(found.get(key), str) for key in ("tool", "tool_version"))
        and all(_nullable_text(found.get(key)) for key in ("project_hash", "source_session_id"))
    )


def _stats(manifest: _Manifest) -> bool:
    if "stats" not in manifest:
        return True
    found = manifest["stats"]
    return isinstance(found, Mapping) and all(_is_count(found.get(field)) for field in _STATS)


def _compatibility(manifest: _Manifest) -> bool:
    found = manifest.get("compatibility")
    return found is None or (
        isinstance(found, Mapping)
        and _nullable_text(found.get("min_lean_ctx_version"))
        and all(_texts(found.get(k, [])) for k in ("target_languages", "target_frameworks"))
    )


def _is_count(value: object) -> bool:
    return type(value) in {int, float}


def _nullable_text(value: object) -> bool:
    return value is None or isinstance(value, str)


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


_RULES: tuple[tuple[str, Callable[[_Manifest], bool], str], ...] = (
    ("schema_version", _schema_version, "must be 1 or 2"),
    ("kind", _kind, "only kind context exists in schema 1"),
    ("name", _name, "must be 1 to 128 of A-Z a-z 0-9 . _ @ / -"),
    ("version", _version, "must be 1 to 64 of A-Z a-z 0-9 . _ + -, not starting with a dot"),
    ("description", lambda manifest: "description" in manifest, "is missing"),
    ("created_at", lambda m: _is_time(m.get("created_at")), "must be an RFC 3339 time"),
    (
        "updated_at",
        lambda m: m.get("updated_at") is None or _is_time(m["updated_at"]),
        "must be an RFC 3339 time, or null",
    ),
    (
        "layers",
        _layers,
        f"must be an array of different ones of {', '.join(ctxpkg.LAYERS)}; empty in schema 2 only",
    ),
    ("provenance", _provenance, "must be an object with strings tool and tool_version"),
    ("stats", _stats, f"must have all of {', '.join(_STATS)}"),
    ("compatibility", _compatibility, "must be an object of the format's own fields"),
    ("scope", lambda manifest: _nullable_text(manifest.get("scope")), "must be a string"),
)
