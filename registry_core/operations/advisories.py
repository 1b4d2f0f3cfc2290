"""Telling of what is known to be bad, and what else a publisher says of a whole package."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from registry_core.callers import Scope
from registry_core.errors import Conflict, Invalid, NotFound
from registry_core.names import PackageName
from registry_core.operation import Model, operation
from registry_core.operations.naming import MOST_REFERENCE

if TYPE_CHECKING:
    from registry_core.callers import Caller
    from registry_core.packages.advisories import Advisory
    from registry_core.registry import Registry

_PAGE = 100


class Advise(Model):
    """What is bad, and how one knows it; or which advisory holds no more."""

    summary: str = Field("", max_length=200, description="What it does, in a line.")
    package: str = Field("", max_length=MOST_REFERENCE, description="@ns/name")
    introduced: str = Field("0", max_length=64, description="First version that has it.")
    fixed: str = Field("", max_length=64, description="First version without it.")
    sha256: list[str] = Field(
        default=[], max_length=1000, description="Of files or artifacts, wherever they turn up."
    )
    details: str = Field("", max_length=10_000)
    withdraw: str = Field("", max_length=32, description="Id of an advisory to take back.")


class AdvisoryEntry(Model):
    """One advisory."""

    id: str
    summary: str
    package: str = ""
    introduced: str = "0"
    fixed: str = ""
    sha256: list[str] = Field(default=[])
    published_at: str
    withdrawn: bool = False
    affected: list[str] = Field(default=[], description="Releases it was found on.")


class ListAdvisories(Model):
    """Which advisories."""

    package: str = Field("", max_length=MOST_REFERENCE, description="@ns/name; empty: all.")
    cursor: str = Field("", max_length=32, description="`next` of the last page.")


class AdvisoryList(Model):
    """Advisories by id, also those withdrawn."""

    advisories: list[AdvisoryEntry]
    next: str = Field("", description="Cursor of the next page, if any.")


@operation(
    title="Publish an advisory",
    scope=Scope.REVIEW,
    writes=True,
    ends_in=(Invalid, NotFound, Conflict),
    toolset="more",
)
async def advise(registry: Registry, caller: Caller, given: Advise) -> AdvisoryEntry:
    """Tell of what is known to be bad, by package and versions or by bytes; or take it back."""
    from registry_core.packages.advisories import Warned  # noqa: PLC0415 - brings SQLAlchemy

    if given.withdraw:
        return _entry(await registry.advisories.withdraw(given.withdraw, caller))
    if not given.summary.strip():
        raise Invalid("advise: summary is missing", hint="Say in a line what it does.")
    warned = Warned(
        summary=given.summary,
        details=given.details,
        package=PackageName.parse(given.package) if given.package else None,
        introduced=given.introduced,
        fixed=given.fixed or None,
        sha256=tuple(given.sha256),
    )
    return _entry(await registry.advisories.publish(warned, caller))


@operation(
    title="List advisories",
    scope=Scope.SEARCH,
    ends_in=(Invalid,),
    toolset="more",
    cacheable=True,
)
async def advisories(registry: Registry, caller: Caller, given: ListAdvisories) -> AdvisoryList:
    """List what is known to be bad."""
    package = PackageName.parse(given.package) if given.package else None
    found = await registry.advisories.page(package=package, after=given.cursor, limit=_PAGE)
    return AdvisoryList(
        advisories=[_entry(one) for one in found],
        next=found[-1].id if len(found) == _PAGE else "",
    )


def _entry(one: Advisory) -> AdvisoryEntry:
    return AdvisoryEntry(
        id=one.id,
        summary=one.summary,
        package=str(one.package) if one.package else "",
        introduced=one.introduced,
        fixed=one.fixed or "",
        sha256=list(one.sha256),
        published_at=one.published_at.isoformat(),
        withdrawn=one.withdrawn_at is not None,
        affected=list(one.affected),
    )
