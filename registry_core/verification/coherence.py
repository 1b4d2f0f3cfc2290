"""Kind, layers and payload of a ctxpkg belong together.

    kind       must have                                       must not have
    context    -                                               addon, documents
    skills     a file                                          addon
    agent      `agent.yaml`                                    addon
    tool       exactly one `.py` file                          addon
    addon      a manifest, and a module or an `[mcp]` table    documents
    grammar    -                                               addon, documents

A member that is null counts as absent. Modules are WebAssembly. Knowledge has its four members,
and the layer `checkpoint` comes with `content.checkpoint`, in schema 2 and kind context only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from registry_core.formats import Candidate, File, ctxpkg
from registry_core.names import Kind, shown
from registry_core.verification.report import Binding, Finding, Severity

NAME = "coherence"

_KNOWLEDGE = ("facts", "patterns", "insights", "exported_at")
_WASM = b"\0asm"


def check(candidate: Candidate, binding: Binding | None) -> Iterator[Finding] | None:
    """Apply the rules of the table; does not apply to other formats."""
    if candidate.format != ctxpkg.FORMAT:
        return None
    return _findings(candidate)


def _findings(candidate: Candidate) -> Iterator[Finding]:
    for rule, holds, place, words in _RULES:
        if not holds(candidate):
            yield _finding(rule, Severity.BLOCK, words, place)
    strange = _not_wasm(candidate)
    if strange:
        words = f"{shown(strange.path, 256)} is no WebAssembly module"
        yield _finding("module", Severity.BLOCK, words, "content.addon.modules")
    lost = sorted(set(candidate.manifest.get("executables", ())) - _paths(candidate))
    if lost:
        words = f"{shown(lost[0], 256)} is no file of the package"
        yield _finding("executables", Severity.WARNING, words, "manifest.executables")


def _finding(rule: str, severity: Severity, message: str, place: str) -> Finding:
    return Finding(
        rule=f"{NAME}/{rule}",
        severity=severity,
        message=message,
        place=place,
        fix="Create the package again with the kind its payload has.",
    )


def _paths(candidate: Candidate) -> set[str]:
    return {file.path for file in candidate.files}


def _has(candidate: Candidate, member: str) -> bool:
    return candidate.content.get(member) is not None


def _documents_allowed(candidate: Candidate) -> bool:
    return candidate.kind in ctxpkg.DOCUMENT_KINDS or not _has(candidate, "documents")


def _addon_allowed(candidate: Candidate) -> bool:
    return candidate.kind is Kind.ADDON or not _has(candidate, "addon")


def _documents_present(candidate: Candidate) -> bool:
    return candidate.kind not in ctxpkg.DOCUMENT_KINDS or bool(
        _has(candidate, "documents") and candidate.content["documents"].get("files")
    )


def _agent(candidate: Candidate) -> bool:
    return candidate.kind is not Kind.AGENT or candidate.file("agent.yaml") is not None


def _tool(candidate: Candidate) -> bool:
    scripts = [file for file in candidate.files if file.path.endswith(".py")]
    return candidate.kind is not Kind.TOOL or len(scripts) == 1


def _addon_manifest(candidate: Candidate) -> bool:
    manifest = candidate.file(ctxpkg.ADDON_MANIFEST)
    return candidate.kind is not Kind.ADDON or bool(manifest and manifest.data.strip())


def _addon_payload(candidate: Candidate) -> bool:
    return candidate.kind is not Kind.ADDON or bool(
        candidate.powers.mcp_servers or _module_paths(candidate)
    )


def _module_paths(candidate: Candidate) -> set[str]:
    addon: Mapping[str, Any] = candidate.content.get("addon") or {}
    return {module["path"] for module in addon.get("modules", ())}


def _not_wasm(candidate: Candidate) -> File | None:
    modules = _module_paths(candidate)
    return next(
        (f for f in candidate.files if f.path in modules and not f.data.startswith(_WASM)), None
    )


def _knowledge(candidate: Candidate) -> bool:
    if not _has(candidate, "knowledge"):
        return True
    found = candidate.content["knowledge"]
    return isinstance(found, Mapping) and all(member in found for member in _KNOWLEDGE)


def _checkpoint(candidate: Candidate) -> bool:
    layers = candidate.manifest.get("layers")
    declared = isinstance(layers, list) and "checkpoint" in layers
    if not declared and not _has(candidate, "checkpoint"):
        return True
    return (
        declared
        and _has(candidate, "checkpoint")
        and candidate.kind is Kind.CONTEXT
        and candidate.manifest["schema_version"] == 2
    )


_RULES: tuple[tuple[str, Callable[[Candidate], bool], str, str], ...] = (
    ("documents", _documents_allowed, "content.documents", "this kind has no documents"),
    ("addon", _addon_allowed, "content.addon", "only kind addon has an addon"),
    ("no-documents", _documents_present, "content.documents.files", "this kind needs a file"),
    ("agent", _agent, "content.documents.files", "an agent needs agent.yaml at its root"),
    ("tool", _tool, "content.documents.files", "a tool is exactly one .py file"),
    ("addon-manifest", _addon_manifest, "content.addon.manifest_toml", "is missing or empty"),
    ("addon-payload", _addon_payload, "content.addon", "needs a module or an [mcp] table"),
    (
        "knowledge",
        _knowledge,
        "content.knowledge",
        f"must be an object with {', '.join(_KNOWLEDGE)}",
    ),
    (
        "checkpoint",
        _checkpoint,
        "content.checkpoint",
        "the layer and the member come together, in schema 2 and kind context only",
    ),
)
