"""The maintained secret scanner, in process and offline: Kingfisher with rules of our own.

All its rules are loaded, and those of `secrets.yml`; what a publisher writes beside a secret to
have it ignored does not count. Compiled rules are kept in the cache folder of whoever runs this:
the first start takes 7 s, later ones 0.7 s, and other threads go on meanwhile. Where the package is
missing `engine` gives None.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import metadata, resources
from typing import TYPE_CHECKING

import platformdirs

from registry_core.errors import Unavailable

if TYPE_CHECKING:
    from kingfisher_sdk import Finding, Scanner

MOST_SECONDS = 60.0
"""Seconds of one scan, at most: ten times what the largest package of the slowest kind takes."""

GENERIC = frozenset(
    {"generic-credential-uri", "curl-auth-header", "curl-auth-user", "generic-api-key"}
    | {"generic-password"}
)
"""Rules that say what a secret looks like and not whose it is: they mark and never refuse."""

_OWN = "secrets.yml"


@dataclass(frozen=True, slots=True)
class Match:
    """One match: a rule, and where in the text the secret (or what encodes it) stands."""

    rule: str
    secret: str
    start: int
    end: int
    generic: bool


@dataclass(frozen=True, slots=True)
class Engine:
    """A scanner with its rules compiled."""

    scanner: Scanner
    version: str

    def find(self, text: str) -> Iterator[Match]:
        """Give every match. Raises Unavailable where a scan does not end in time."""
        data = text.encode("utf-8", "replace")
        try:
            found = self.scanner.scan(data, timeout=MOST_SECONDS)
        except TimeoutError as error:
            raise Unavailable("the scan for secrets did not end in time") from error
        for finding in found:
            if finding.visible:
                yield _match(finding, data)


_compiling = threading.Lock()


def engine() -> Engine | None:
    """Return the scanner, compiled once a process, or None where it is not installed."""
    with _compiling:
        return _engine()


def is_compiled() -> bool:
    """Whether `engine` returns at once."""
    return _engine.cache_info().currsize > 0


@cache
def _engine() -> Engine | None:
    try:
        from kingfisher_sdk import DetectionPolicy, Rules, Scanner  # noqa: PLC0415 - 36 MB
    except ImportError:
        return None
    own = resources.files("registry_core.verification") / _OWN
    with resources.as_file(own) as path:
        rules = Rules([path], confidence="low", cache_dir=_cache())
    policy = DetectionPolicy(inline_ignores=False, markup_context=False)
    return Engine(Scanner(rules, policy=policy), version())


def version() -> str:
    """Name scanner and rules, as a report does."""
    own = resources.files("registry_core.verification").joinpath(_OWN).read_bytes()
    digest = hashlib.sha256(own).hexdigest()[:12]
    return f"kingfisher {metadata.version('kingfisher-secret-scanner')} + {digest}"


def _cache() -> str:
    path = platformdirs.user_cache_path("ctxmcp") / "secret-rules"
    return os.fspath(path)


def _match(finding: Finding, data: bytes) -> Match:
    where = finding.location
    start, end = where["start_offset"], where["end_offset"]
    if not data.isascii():
        start, end = (len(data[:at].decode("utf-8", "ignore")) for at in (start, end))
    name = finding.rule_id.rpartition(".")[2]
    return Match(finding.rule_id, finding.secret, start, end, name in GENERIC)
