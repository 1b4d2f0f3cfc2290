"""Everything that can go wrong in a registry, once.

    RegistryError
     +-- Invalid                 the request itself makes no sense
     |    +-- InvalidName        not a namespace, package name, kind or reference
     |    +-- InvalidVersion     not a semantic version, or not a range of them
     |    +-- InvalidPackage     the bytes cannot be read as a package
     |    +-- TooLarge           more bytes, files or characters than a limit allows
     +-- Rejected                readable, and refused by a check; carries the report
     +-- Untrusted               the caller's side refuses what verification allowed
     |    +-- PolicyRefused      a rule of the caller's policy file says no; carries the rule
     |    +-- UnknownSigner      a key that does not follow from those known; carries both
     +-- NotFound                no such package, version, file or token, or none that may be seen
     |    +-- NothingMatches     versions exist, and none satisfies what was asked
     |    +-- Held               it exists, and nobody gets it before somebody has looked at it
     |    +-- Revoked            it existed, and nobody gets it any more
     +-- Unauthenticated         no token, or one that is unknown or revoked
     |    +-- Expired            a token or a sign-in that was good once, and is not any more
     +-- Forbidden               known, and not allowed to do this
     |    +-- PaymentRequired    for whoever has bought it; carries where that is done
     +-- Conflict                it exists already, or exists differently
     |    +-- DependencyConflict two packages ask for versions that exclude each other
     |    +-- DependencyCycle    a package depends on itself through others
     |    +-- LockOutOfDate      what the lock file says cannot be installed as asked
     +-- Tampered                bytes are not what was signed or recorded; carries both digests
     |    +-- Unproven           the registry's log contradicts it, or itself; carries the evidence
     +-- Unavailable             the registry or its store cannot be reached now
     |    +-- RateLimited        more requests than a limit allows; carries when there is room again
     |    |    +-- ConcurrencyLimited   too many of them at the same time
     |    +-- TimedOut           the work took longer than it may, and was given up
     +-- Internal                a promise of this program is broken; never the caller's fault

Each class has a stable `code`. Transports map classes to statuses and the command line to exit
codes, each in one table of its own; nothing here knows of either.
"""

from __future__ import annotations

from typing import Any, ClassVar


class RegistryError(Exception):
    """The root: `message` says what is wrong, `hint` (may be empty) what to do next."""

    code: ClassVar[str] = "error"

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".rstrip()


class Invalid(RegistryError):
    """The request itself makes no sense."""

    code = "invalid"


class InvalidName(Invalid):
    """Not a namespace, package name, kind or reference."""

    code = "invalid_name"


class InvalidVersion(Invalid):
    """Not a semantic version, or not a range of them."""

    code = "invalid_version"


class InvalidPackage(Invalid):
    """The bytes cannot be read as a package; `place` is where reading stopped."""

    code = "invalid_package"

    def __init__(self, message: str, *, place: str = "", hint: str = "") -> None:
        super().__init__(f"{place}: {message}" if place else message, hint=hint)
        self.place = place


class TooLarge(Invalid):
    """More bytes, files or characters than a limit allows."""

    code = "too_large"


class Rejected(RegistryError):
    """Readable, and refused by a check of the registry.

    `report` is the `verification.Report`; None where the error came from another process, which
    sends its words alone.
    """

    code = "rejected"
    report: Any = None

    def __init__(self, report: Any) -> None:
        found = report.blocking
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        first = found[0]
        place = f"{first.place}: " if first.place else ""
        super().__init__(f"{place}{first.message}{more}", hint=first.fix)
        self.report = report


class Untrusted(RegistryError):
    """The caller's side refuses what verification allowed."""

    code = "untrusted"


class PolicyRefused(Untrusted):
    """A rule of the caller's policy file says no; `rule` is its name in the file."""

    code = "policy_refused"
    rule = ""

    def __init__(self, message: str, *, rule: str, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.rule = rule


class UnknownSigner(Untrusted):
    """A key that does not follow from those that are known of its namespace."""

    code = "unknown_signer"
    known: tuple[str, ...] = ()
    found = ""

    def __init__(self, message: str, *, known: tuple[str, ...], found: str, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.known = known
        self.found = found


class NotFound(RegistryError):
    """No such package, version, file or token, or none that the caller may see."""

    code = "not_found"


class NothingMatches(NotFound):
    """Versions exist, and none satisfies what was asked."""

    code = "nothing_matches"


class Held(NotFound):
    """It exists, and nobody gets it before somebody has looked at it, or at all."""

    code = "held"


class Revoked(NotFound):
    """It existed, and nobody gets it any more."""

    code = "revoked"


class Unauthenticated(RegistryError):
    """No token, or one that is unknown or revoked."""

    code = "unauthenticated"


class Expired(Unauthenticated):
    """A token or a sign-in that was good for a time, or once, and is not any more."""

    code = "expired"


class Forbidden(RegistryError):
    """Known, and not allowed to do this."""

    code = "forbidden"


class PaymentRequired(Forbidden):
    """For whoever has bought it; `buy_url` is where that is done, if somewhere."""

    code = "payment_required"
    buy_url = ""

    def __init__(self, message: str, *, buy_url: str, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.buy_url = buy_url


class Conflict(RegistryError):
    """It exists already, or exists differently."""

    code = "conflict"


class DependencyConflict(Conflict):
    """Two packages ask for versions of a third that exclude each other."""

    code = "dependency_conflict"


class DependencyCycle(Conflict):
    """A package depends on itself through others; the message prints the circle."""

    code = "dependency_cycle"


class LockOutOfDate(Conflict):
    """What the lock file says cannot be installed as asked."""

    code = "lock_out_of_date"


class Tampered(RegistryError):
    """Bytes are not what was signed or recorded.

    `expected` and `found` are the two digests (or other values) that had to be equal.
    """

    code = "tampered"
    what = ""
    expected = ""
    found = ""

    def __init__(self, what: str, *, expected: str, found: str, hint: str = "") -> None:
        super().__init__(f"{what}: expected {expected}, found {found}", hint=hint)
        self.what = what
        self.expected = expected
        self.found = found


class Unproven(Tampered):
    """A registry's log does not prove what the registry says, or contradicts what it said before.

    `evidence` holds what the log has signed, for whoever has to be convinced.
    """

    code = "unproven"
    evidence = ""

    def __init__(
        self, what: str, *, expected: str, found: str, evidence: str = "", hint: str = ""
    ) -> None:
        super().__init__(what, expected=expected, found=found, hint=hint)
        self.evidence = evidence


class Unavailable(RegistryError):
    """The registry or its store cannot be reached now; trying again later may help."""

    code = "unavailable"


class RateLimited(Unavailable):
    """More requests than a limit allows; `retry_after` is in how many seconds there is room."""

    code = "rate_limited"
    retry_after: float | None = None

    def __init__(self, message: str, *, retry_after: float | None = None, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after


class ConcurrencyLimited(RateLimited):
    """Too many requests, or streams, of one caller at the same time."""

    code = "concurrency_limited"


class TimedOut(Unavailable):
    """The work took longer than it may, and was given up."""

    code = "request_timeout"


class Internal(RegistryError):
    """A promise of this program is broken; never the caller's fault."""

    code = "internal"


def revive(code: str, message: str, hint: str = "") -> RegistryError | None:
    """Make the error again that another process sent as code and words; None for a foreign code."""
    kinds: list[type[RegistryError]] = [RegistryError]
    for kind in kinds:
        kinds.extend(kind.__subclasses__())
        if kind.code == code:
            error = kind.__new__(kind)
            RegistryError.__init__(error, message, hint=hint)
            return error
    return None
