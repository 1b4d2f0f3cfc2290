"""Looking at what is held, and deciding on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from registry_core.callers import Scope
from registry_core.errors import Conflict, Forbidden, Invalid, NotFound
from registry_core.names import Kind
from registry_core.operation import Model, operation, package_text
from registry_core.operations.naming import MOST_REFERENCE, exact
from registry_core.packages import State
from registry_core.verification import Report

if TYPE_CHECKING:
    from registry_core.callers import Caller
    from registry_core.packages import Waiting
    from registry_core.registry import Registry

_EXACT = "@ns/name@version"
_MOST_FINDINGS = 20


class Review(Model):
    """What is looked at, and what becomes of it."""

    ref: str = Field(
        "", max_length=MOST_REFERENCE, description=f"{_EXACT}; empty: list what is held."
    )
    decision: Literal["release", "reject", "hold", "revoke"] | None = Field(
        None, description="What becomes of it."
    )
    reason: str = Field("", max_length=500, description="Shown to its publisher, and kept.")
    cursor: str = Field("", max_length=20, description="`next` of the last page.")


class HeldFinding(Model):
    """Why a release is held, in one place of it."""

    rule: str
    message: str
    place: str = Field(json_schema_extra=package_text())


class HeldRelease(Model):
    """One release that waits."""

    ref: str
    kind: Kind
    sha256: str
    signer: str | None
    published_at: str
    published_by: str
    why: list[HeldFinding]


class Reviewed(Model):
    """What is held, oldest first; or how the release stands now."""

    held: list[HeldRelease] = Field(default=[])
    next: str = Field("", description="Cursor of the next page, if any.")
    ref: str = ""
    state: State | None = None
    reason: str = ""


_PAGE = 50


@operation(
    title="Review what is held",
    scope=Scope.REVIEW,
    writes=True,
    ends_in=(NotFound, Invalid, Conflict, Forbidden),
    toolset="more",
)
async def review(registry: Registry, caller: Caller, given: Review) -> Reviewed:
    """List the releases that are held and why; release or reject one; hold or revoke another."""
    if given.decision is None:
        return await _list(registry, given)
    name, version = exact(given.ref)
    if not given.reason.strip():
        raise Invalid("review: a decision needs a reason", hint="Its publisher will read it.")
    acts = {
        "release": registry.packages.release,
        "reject": registry.packages.reject,
        "hold": registry.packages.hold,
        "revoke": registry.packages.revoke,
    }
    decided = await acts[given.decision](name, version, given.reason, caller)
    return Reviewed(
        ref=f"{name}@{decided.version}", state=decided.state, reason=decided.state_reason or ""
    )


async def _list(registry: Registry, given: Review) -> Reviewed:
    if given.cursor and not given.cursor.isdecimal():
        raise Invalid("review: cursor is not one that a review returned")
    if given.ref:
        raise Invalid(
            "review: say what becomes of it", hint="--decision release, reject, hold or revoke."
        )
    found = await registry.packages.waiting(after=int(given.cursor or 0), limit=_PAGE)
    full = len(found) == _PAGE
    return Reviewed(
        held=[_held(one) for one in found], next=str(found[-1].release.id) if full else ""
    )


def _held(one: Waiting) -> HeldRelease:
    release, findings = one.release, Report.from_json(one.report).held
    said = [HeldFinding(rule=f.rule, message=f.message, place=f.place) for f in findings]
    if release.state_by:
        said.insert(0, HeldFinding(rule="review", message=release.state_reason or "", place=""))
    return HeldRelease(
        ref=f"{one.name}@{release.version}",
        kind=one.kind,
        sha256=release.sha256,
        signer=release.signer,
        published_at=release.published_at.isoformat(),
        published_by=release.published_by,
        why=said[:_MOST_FINDINGS],
    )
