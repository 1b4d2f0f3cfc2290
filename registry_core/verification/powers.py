"""What a package asks for: what its manifest declares, and what its texts show it to use.

    { "declared": {"network": ["*"], "commands": [..]},
      "seen":     {"network": ["api.example.com"], "commands": ["curl"], "files": ["~/.ssh/config"],
                   "environment": ["API_KEY"], "hooks": ["PreToolUse"], "mcp_servers": ["x"]} }

What is seen in text is no proof of use, and what is not seen none of the contrary: a link in a page
is a host, a command that is put together at run time is nothing. It is there to be read, and to be
held against the next version (`change`). Nothing is found wrong here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from functools import cache
from itertools import chain, islice
from typing import Any

import re2  # type: ignore[import-untyped]

from registry_core.formats import Candidate
from registry_core.verification.report import Binding, Finding

NAME = "powers"

KINDS = ("network", "commands", "files", "environment", "hooks", "mcp_servers")

MOST = 64
"""Things of one kind that are listed, at most."""

_LONGEST = 120

_PATTERNS: Mapping[str, str] = {
    "network": r"(?i)\b(?:https?|wss?|ftp)://(?:[^\s/@\"'<>]{0,64}@)?"
    r"([a-z0-9](?:[a-z0-9.-]{0,250})\.[a-z0-9]{2,24}|localhost)\b",
    "files": r"((?:~|\$HOME|\$\{HOME\}|%USERPROFILE%|%APPDATA%)[/\\][\w.][\w./\\-]{0,100}"
    r"|(?:^|[\s\"'`(=])/(?:etc|usr|var|opt|root|home|Users|Library|private|dev|proc)/[\w./-]{1,100})",
    "environment": r"(?:\$\{?|\benviron(?:\.get)?\W{1,3}|\bgetenv\W{1,3}|\bprocess\.env\.|\$env:)"
    r"([A-Z][A-Z0-9_]{2,60})\b",
    "hooks": r"\b(PreToolUse|PostToolUse|UserPromptSubmit|SessionStart|SessionEnd|SubagentStop"
    r"|PreCompact)\b",
    "mcp_servers": r"(?:\bmcp_?[sS]ervers[\"']?\s*[:=]\s*\{\s*[\"']|\bmcp add (?:--?\w+[ =]\S+ )*)"
    r"(\w[\w@./-]{0,80})",
}
_FENCE = (
    r"(?ms)^[ \t]*(?:```|~~~)(?:bash|sh|shell|zsh|fish|console|powershell|ps1|cmd|bat)\b[^\n]*\n"
    r"(.*?)^[ \t]*(?:```|~~~)"
)
_COMMAND = (
    r"(?m)(?:^[ \t]*(?:[$>%] )?|&&|\|\|?|;|\$\()[ \t]*(?:(?:sudo|env|exec|time|[A-Z_]+=\S*) +)*"
    r"([A-Za-z][\w.+-]{0,40}|\.{0,2}/[\w./-]{1,80})(?:[ \t;)|]|$)"
)
_SHELL_FILES = (".sh", ".bash", ".zsh", ".fish", ".ps1", ".bat", ".cmd")
_WORDS = frozenset(
    word
    for group in (
        "if then else elif fi for while until do done case esac in function return exit echo cd",
        "export set unset local read true false test source printf shift break continue declare",
    )
    for word in group.split()
)
"""Of the shell itself: no program that runs."""


def check(candidate: Candidate, binding: Binding | None) -> Iterable[Finding]:
    """Find nothing wrong: what is here are facts."""
    return ()


def facts(candidate: Candidate) -> Mapping[str, Any]:
    """Return what is declared, and what is seen in the texts."""
    declared = {
        name: value if isinstance(value, str) else list(value)
        for name, value in asdict(candidate.powers).items()
        if value
    }
    return {"declared": declared, "seen": seen(candidate)}


def seen(candidate: Candidate) -> dict[str, list[str]]:
    """Look for what the texts of a package use."""
    texts = [*candidate.texts, *candidate.strings]
    data = "\n".join(text.text for text in texts).encode("utf-8", "replace")
    scripts = "\n".join(t.text for t in texts if t.path.endswith(_SHELL_FILES))
    found = {kind: _found(pattern, data) for kind, pattern in _PATTERNS.items()}
    found["network"] = (host.lower().rstrip(".") for host in found["network"])
    found["files"] = (path.strip(" \t\n\"'`(=") for path in found["files"])
    found["commands"] = _commands(data, scripts.encode("utf-8", "replace"))
    listed = {kind: _listed(found[kind]) for kind in KINDS}
    return {kind: names for kind, names in listed.items() if names}


def _found(pattern: str, data: bytes) -> Iterator[str]:
    for match in _compiled(pattern).finditer(data):
        yield match.group(1).decode("utf-8", "replace")


def _commands(data: bytes, scripts: bytes) -> Iterator[str]:
    blocks = (match.group(1) for match in _compiled(_FENCE).finditer(data))
    for block in chain([scripts], blocks):
        for word in _found(_COMMAND, block):
            if word not in _WORDS:
                yield word


def _listed(names: Iterable[str]) -> list[str]:
    """List each name once, in order; the first of too many."""
    return sorted(islice(dict.fromkeys(name[:_LONGEST] for name in names), MOST))


@cache
def _compiled(pattern: str) -> re2._Regexp[bytes]:
    return re2.compile(pattern.encode())
