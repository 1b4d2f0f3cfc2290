"""How a command ends: the exit codes, and which error leads to which.

A script branches on the number and a person reads the words, so both are promises: the README's
table is compared with `EXIT_CODES` by a test.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from registry_core import errors

if TYPE_CHECKING:
    from collections.abc import Mapping


class Ending(IntEnum):
    """Exit codes."""

    OK = 0
    FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    AUTH = 4
    UNREACHABLE = 5
    VERIFICATION = 6
    POLICY = 7
    CONFLICT = 8
    INTERRUPTED = 130


EXIT_CODES: Mapping[int, str] = {
    Ending.OK: "done",
    Ending.FAILED: "failed for a reason of its own; the message says which",
    Ending.USAGE: "the command itself makes no sense: unknown option, malformed name or version",
    Ending.NOT_FOUND: "no such package, version, file or token, or none that you may see",
    Ending.AUTH: "no token, or one that may not do this",
    Ending.UNREACHABLE: "the registry or its store cannot be reached",
    Ending.VERIFICATION: "verification failed: altered, unreadable or refused by a check",
    Ending.POLICY: "refused by policy: the verdict on it is `refuse`, or a rule of yours says no",
    Ending.CONFLICT: "it exists already, excludes another, or the lock is out of date",
    Ending.INTERRUPTED: "interrupted",
}

_ENDINGS: Mapping[type[errors.RegistryError], Ending] = {
    errors.RegistryError: Ending.FAILED,
    errors.Invalid: Ending.USAGE,
    errors.InvalidPackage: Ending.VERIFICATION,
    errors.TooLarge: Ending.VERIFICATION,
    errors.Rejected: Ending.VERIFICATION,
    errors.Tampered: Ending.VERIFICATION,
    errors.Untrusted: Ending.POLICY,
    errors.NotFound: Ending.NOT_FOUND,
    errors.Unauthenticated: Ending.AUTH,
    errors.Forbidden: Ending.AUTH,
    errors.Conflict: Ending.CONFLICT,
    errors.Unavailable: Ending.UNREACHABLE,
}


def ending(error: errors.RegistryError) -> Ending:
    """Return the exit code for an error: that of its nearest class in the table."""
    return next(_ENDINGS[kind] for kind in type(error).__mro__ if kind in _ENDINGS)
