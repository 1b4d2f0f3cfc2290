"""The policy of a user or a project: what may be installed, beside what the registry allows.

`policy.toml` in the user's configuration folder, and `.ctxmcp/policy.toml` in a project. Where
both are there, both have to agree; neither loosens the other.

    version = 1
    signed = true                        no release without a signature
    attested = true                      nothing of which the signature leaves something uncovered
    minimum_age = "72h"                  of a release, in h or d
    refuse = ["hold", "review"]          severities of findings; blocking ones always refuse

    [signers]                            who may sign; "*" is for every other namespace
    "@acme" = ["<64 hex>"]
    "*" = []                             nobody

    maximum_status_age = "24h"           of the registry's status note, without which nothing goes

    [witnesses]                          of the registry's log
    quorum = 1                           how many have vouched for a tree that has the release
    keys = ["witness.example/me+.."]     whose word counts: `ctxmcp witness` prints its own

    [powers]                             what packages may ask for; what is not named here, anything
    seen = true                          also what is only seen in their texts, as a link is
    network = ["api.example.com"]        [] is nothing, "*" in a list anything
    commands = []
    environment = []
    hooks = []
    mcp_servers = []
    filesystem = "read"                  "", "read" or "write"

A member that nobody knows, or of another type, refuses the file: a policy that is misread would
allow too much. Rules about a plan are asked before anything is fetched, the others of each package
before anything of it is written. To add a rule, add a field and a line to `_OF_PLAN` or
`_OF_PACKAGE`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    ValidationError,
    model_validator,
)

from ctxmcp import logs, planning
from registry_core.errors import Invalid, PolicyRefused
from registry_core.names import shown
from registry_core.transparency.notes import COSIGNATURE, Verifier
from registry_core.transparency.proofs import Proof
from registry_core.verification import Severity, powers

if TYPE_CHECKING:
    from ctxmcp.planning import Plan
    from registry_core.formats import Candidate
    from registry_core.operations.install import Planned
    from registry_core.verification import Report

PLACE = ".ctxmcp/policy.toml"
MOST_BYTES = 256 * 1024
_MOST_DOTS = 64

_Names = Annotated[list[Annotated[str, Field(max_length=512)]], Field(max_length=1000)]
_Keys = Annotated[list[Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]], Field(max_length=1000)]
_Span = Annotated[str, Field(pattern=r"^([0-9]{1,5}[hd])?$")]
_Namespace = Annotated[str, Field(pattern=r"^(@[a-z0-9-]{2,32}|\*)$")]


def _witness(text: object) -> Verifier:
    """Read the key of a witness, which signs with times."""
    try:
        found = Verifier.parse(str(text))
    except Invalid as error:
        raise ValueError(error.message) from None
    if found.type != COSIGNATURE:
        raise ValueError(f"{shown(found.text)} is the key of a log, and not of a witness")
    return found


class PowersAllowed(BaseModel):
    """What packages may ask for; None is anything."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seen: StrictBool = False
    network: _Names | None = None
    commands: _Names | None = None
    environment: _Names | None = None
    hooks: _Names | None = None
    mcp_servers: _Names | None = None
    filesystem: Literal["", "read", "write"] = "write"


class Witnesses(BaseModel):
    """Who has to have seen the log, and how many of them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    quorum: Annotated[int, Field(strict=True, ge=0, le=64)]
    keys: Annotated[
        tuple[Annotated[Verifier, BeforeValidator(_witness)], ...], Field(max_length=64)
    ]

    @model_validator(mode="after")
    def _enough(self) -> Witnesses:
        if len({(witness.name, witness.public_key) for witness in self.keys}) < self.quorum:
            raise ValueError("there are fewer keys than the quorum")
        return self


class Policy(BaseModel):
    """One policy file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Literal[1]
    signed: StrictBool = False
    attested: StrictBool = False
    minimum_age: _Span = ""
    maximum_status_age: _Span = ""
    witnesses: Witnesses = Witnesses(quorum=0, keys=())
    refuse: Annotated[list[Severity], Field(max_length=5)] = []
    signers: Annotated[dict[_Namespace, _Keys], Field(max_length=1000)] = {}
    powers: PowersAllowed = PowersAllowed()


@dataclass(frozen=True, slots=True)
class Policies:
    """The policies that hold, each with the file it comes from."""

    found: Sequence[tuple[str, Policy]] = ()

    def check_plan(self, plan: Plan, now: datetime) -> None:
        """Ask what can be asked before anything is fetched. Raises PolicyRefused."""
        for file, policy in self.found:
            asked = Asked.of(plan, policy, now)
            for release in plan.releases:
                for rule, says in _OF_PLAN.items():
                    _refuse(file, rule, release, says(policy, release, asked))

    def check_package(self, release: Planned, candidate: Candidate, report: Report) -> None:
        """Ask what the bytes themselves have to answer. Raises PolicyRefused."""
        for file, policy in self.found:
            for rule, says in _OF_PACKAGE.items():
                _refuse(file, rule, release, says(policy, candidate, report))


@dataclass(frozen=True, slots=True)
class Asked:
    """When a plan is looked at, and what of it is the same for all of its releases."""

    now: datetime
    status_age: timedelta | None
    """None: the registry has no status note."""
    witnessed: tuple[int, ...]
    """The size of the tree that each witness has vouched for, the largest first."""

    @classmethod
    def of(cls, plan: Plan, policy: Policy, now: datetime) -> Asked:
        """Look at a plan; cosignatures of others than the policy's witnesses do not count."""
        keys, note = policy.witnesses.keys, plan.standing
        seen = logs.witnesses(plan.log, keys) if plan.log and keys else {}
        age = now - note.said.issued if note else None
        return cls(now, age, tuple(sorted(seen.values(), reverse=True)))


NONE = Policies()


def read(project: Path, user: Path | None) -> Policies:
    """Read the policies of a user and of a project. Raises Invalid for a file that is none."""
    paths = [(str(user), user)] if user else []
    found = [(name, _read(path)) for name, path in [*paths, (PLACE, project / PLACE)]]
    return Policies(tuple((name, policy) for name, policy in found if policy is not None))


def _read(path: Path) -> Policy | None:
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Invalid(f"the policy {path} cannot be read: {error.strerror}") from error
    return parse(data, str(path))


def parse(data: bytes, name: str = PLACE) -> Policy:
    """Read the bytes of a policy. Raises Invalid for everything that is not exactly one."""
    if len(data) > MOST_BYTES:
        raise _invalid(name, f"longer than {MOST_BYTES:,} bytes")
    try:
        text = data.decode("utf-8")
        # tomllib takes quadratic time and memory for one dotted key.
        if max(line.count(".") for line in text.split("\n")) > _MOST_DOTS:
            raise _invalid(name, f"a line has more than {_MOST_DOTS} dots")
        return Policy.model_validate(tomllib.loads(text))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part)[:80] for part in first["loc"])
        raise _invalid(name, f"{place}: {first['msg']}") from None
    except (ValueError, RecursionError) as error:
        raise _invalid(name, f"no TOML: {shown(str(error), 200)}") from None


def _invalid(name: str, message: str) -> Invalid:
    return Invalid(f"the policy {name}: {message}", hint="Nothing is installed until it is right.")


def _refuse(file: str, rule: str, release: Planned, reason: str) -> None:
    if reason:
        raise PolicyRefused(
            f"{release.ref} {reason}",
            rule=rule,
            hint=f"That is what `{rule}` in {file} says. Nothing was installed.",
        )


def _signed(policy: Policy, release: Planned, asked: Asked) -> str:
    return "is not signed" if policy.signed and release.signer is None else ""


def _signers(policy: Policy, release: Planned, asked: Asked) -> str:
    name = f"@{planning.split(release)[0].namespace}"
    allowed = policy.signers.get(name, policy.signers.get("*"))
    if allowed is None or release.signer in allowed:
        return ""
    return f"is signed by {release.signer or 'nobody'}, and not by whom you allow for {name}"


def _age(policy: Policy, release: Planned, asked: Asked) -> str:
    if not policy.minimum_age:
        return ""
    age = asked.now - _moment(release)
    return (
        ""
        if age >= _span(policy.minimum_age)
        else f"was published {_hours(age)} ago, and that is too new"
    )


def _span(text: str) -> timedelta:
    return timedelta(hours=int(text[:-1]) * (24 if text[-1] == "d" else 1))


def _status(policy: Policy, release: Planned, asked: Asked) -> str:
    if not policy.maximum_status_age:
        return ""
    if asked.status_age is None:
        return "comes from a registry without a status note, which may have taken it back"
    if asked.status_age <= _span(policy.maximum_status_age):
        return ""
    return f"may have been taken back: the status note is {_hours(asked.status_age)} old"


def _quorum(policy: Policy, release: Planned, asked: Asked) -> str:
    quorum = policy.witnesses.quorum
    if not quorum:
        return ""
    leaf = Proof.parse(release.log.proof).index if release.log else None
    count = sum(leaf is not None and leaf < size for size in asked.witnessed)
    return (
        "" if count >= quorum else f"was seen in the log by {count} of your witnesses, not {quorum}"
    )


def _moment(release: Planned) -> datetime:
    try:
        moment = datetime.fromisoformat(release.published_at)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise Invalid(f"the registry does not say when {release.ref} was published")
    return moment


def _hours(age: timedelta) -> str:
    return f"{max(0, int(age.total_seconds() // 3600))} hours"


def _attested(policy: Policy, candidate: Candidate, report: Report) -> str:
    if not policy.attested or not report.not_covered:
        return ""
    return f"is not attested: its signature does not cover {', '.join(report.not_covered[:4])}, …"


def _severities(policy: Policy, candidate: Candidate, report: Report) -> str:
    found = next((f for f in report.findings if f.severity in policy.refuse), None)
    return f"has a finding of severity {found.severity}: {found.message}" if found else ""


def _powers(policy: Policy, candidate: Candidate, report: Report) -> str:
    allowed, asked = policy.powers, asdict(candidate.powers)
    seen = report.facts(powers.NAME).get("seen", {}) if allowed.seen else {}
    for power in ("network", "commands", "environment", "hooks", "mcp_servers"):
        may: list[str] | None = getattr(allowed, power)
        for wish in (*asked[power], *seen.get(power, ())):
            if may is not None and wish not in may and "*" not in may:
                return f"asks for {power} {shown(wish)}"
    if seen.get("files") and not allowed.filesystem:
        return f"names the file {shown(seen['files'][0])}"
    if _LEVELS.index(asked["filesystem"]) > _LEVELS.index(allowed.filesystem):
        return f"asks to {asked['filesystem']} files"
    return ""


_LEVELS = ("", "read", "write")

_OF_PLAN: dict[str, Callable[[Policy, Planned, Asked], str]] = {
    "signed": _signed,
    "signers": _signers,
    "minimum_age": _age,
    "maximum_status_age": _status,
    "witnesses": _quorum,
}

_OF_PACKAGE: dict[str, Callable[[Policy, Candidate, Report], str]] = {
    "attested": _attested,
    "refuse": _severities,
    "powers": _powers,
}
