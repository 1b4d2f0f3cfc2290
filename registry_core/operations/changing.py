"""What the owner of a namespace may change about releases: never their bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from registry_core.callers import Scope
from registry_core.errors import Forbidden, Invalid, InvalidName, NotFound
from registry_core.formats import Visibility
from registry_core.names import PackageName, Version, is_channel
from registry_core.operation import Model, operation
from registry_core.operations.naming import MOST_REFERENCE, exact
from registry_core.packages import Price, State

if TYPE_CHECKING:
    from registry_core.callers import Caller
    from registry_core.packages import Release
    from registry_core.registry import Registry

_ENDS_IN = (NotFound, InvalidName, Forbidden)
_EXACT = "@ns/name@version"


class Yank(Model):
    """The release to withdraw."""

    ref: str = Field(max_length=MOST_REFERENCE, description=_EXACT)
    reason: str = Field(min_length=1, max_length=500, description="Shown to who resolves it.")


class Unyank(Model):
    """The release to bring back."""

    ref: str = Field(max_length=MOST_REFERENCE, description=_EXACT)
    reason: str = Field("", max_length=500, description="Kept in the event log.")


class YankState(Model):
    """How the release stands now."""

    ref: str
    yanked: bool
    reason: str | None


class Revoke(Model):
    """The release that nobody gets any more."""

    ref: str = Field(max_length=MOST_REFERENCE, description=_EXACT)
    reason: str = Field(min_length=1, max_length=500, description="Shown to who asks for it.")


class StateNow(Model):
    """How the release stands now."""

    ref: str
    state: State
    reason: str


class Deprecate(Model):
    """The package that nobody should begin with, and what to use instead."""

    name: str = Field(max_length=MOST_REFERENCE, description="@ns/name")
    reason: str = Field("", max_length=500, description="Shown to everybody.")
    replacement: str = Field("", max_length=100, description="@ns/name to use instead.")
    lift: bool = Field(default=False, description="Take the deprecation back.")


class Deprecation(Model):
    """How the package stands now."""

    name: str
    deprecated: bool
    reason: str = ""
    replacement: str = ""


class SetVisibility(Model):
    """The package and who may see it."""

    name: str = Field(max_length=MOST_REFERENCE, description="@ns/name")
    visibility: Visibility


class VisibilityState(Model):
    """How the package stands now."""

    name: str
    visibility: Visibility


class SetPrice(Model):
    """The package and what it shall cost."""

    name: str = Field(max_length=MOST_REFERENCE, description="@ns/name")
    amount_cents: int = Field(ge=0, le=99_999_999, description="0: it is free.")
    currency: str = Field("usd", pattern="^[a-z]{3}$", description="Such as usd.")


class PriceState(Model):
    """What the package costs now."""

    name: str
    amount_cents: int
    currency: str = ""


class PointChannel(Model):
    """The channel and what it shall mean."""

    ref: str = Field(max_length=MOST_REFERENCE, description=_EXACT)
    channel: str = Field(max_length=64, description="A word such as beta.")


class ChannelState(Model):
    """How the channel stands now."""

    name: str
    channel: str
    version: str


@operation(
    title="Yank a release",
    scope=Scope.PUBLISH,
    writes=True,
    destructive=True,
    ends_in=_ENDS_IN,
    toolset="more",
)
async def yank(registry: Registry, caller: Caller, given: Yank) -> YankState:
    """Take a release out of resolution; who pinned it still gets it, with a warning."""
    name, version = exact(given.ref)
    return _state(name, await registry.packages.yank(name, version, given.reason, caller))


@operation(
    title="Unyank a release", scope=Scope.PUBLISH, writes=True, ends_in=_ENDS_IN, toolset="more"
)
async def unyank(registry: Registry, caller: Caller, given: Unyank) -> YankState:
    """Let a yanked release resolve again."""
    name, version = exact(given.ref)
    await _refuse_compromised(registry, caller, name, version)
    return _state(name, await registry.packages.unyank(name, version, given.reason, caller))


async def _refuse_compromised(
    registry: Registry, caller: Caller, name: PackageName, version: Version
) -> None:
    """Keep withdrawn what a key signed after it was compromised."""
    release = (await registry.packages.find(name, caller)).pick(version)
    ring = await registry.keychains.ring(name.namespace)
    if release.signer and ring.standing(release.signer, release.position) == "revoked":
        raise Forbidden(
            f"{name}@{release.version} was signed by a key that is revoked as compromised",
            hint="Publish the same again as a new version, signed by a key in use.",
        )


@operation(
    title="Revoke a release",
    scope=Scope.PUBLISH,
    writes=True,
    destructive=True,
    ends_in=_ENDS_IN,
    toolset="more",
)
async def revoke(registry: Registry, caller: Caller, given: Revoke) -> StateNow:
    """Serve a release to nobody any more, for ever; a yank leaves it to who pinned it."""
    name, version = exact(given.ref)
    gone = await registry.packages.revoke(name, version, given.reason, caller)
    return StateNow(ref=f"{name}@{gone.version}", state=gone.state, reason=gone.state_reason or "")


@operation(
    title="Deprecate a package", scope=Scope.PUBLISH, writes=True, ends_in=_ENDS_IN, toolset="more"
)
async def deprecate(registry: Registry, caller: Caller, given: Deprecate) -> Deprecation:
    """Tell everybody to use another package; what is there goes on resolving."""
    name = PackageName.parse(given.name)
    replacement = str(PackageName.parse(given.replacement)) if given.replacement else None
    if not given.lift and not given.reason.strip():
        raise Invalid("deprecate: reason is missing", hint="Or --lift to take it back.")
    reason = None if given.lift else given.reason
    package = await registry.packages.deprecate(
        name, reason, None if given.lift else replacement, caller
    )
    return Deprecation(
        name=str(name),
        deprecated=package.deprecated is not None,
        reason=package.deprecated or "",
        replacement=package.replacement or "",
    )


@operation(
    title="Set visibility",
    scope=Scope.PUBLISH,
    writes=True,
    destructive=True,
    ends_in=_ENDS_IN,
    toolset="more",
)
async def visibility(registry: Registry, caller: Caller, given: SetVisibility) -> VisibilityState:
    """Make a package, with all its releases, public or private."""
    name = PackageName.parse(given.name)
    package = await registry.packages.set_visibility(name, given.visibility, caller)
    return VisibilityState(name=str(name), visibility=package.visibility)


@operation(
    title="Set a price",
    scope=Scope.PUBLISH,
    writes=True,
    ends_in=(*_ENDS_IN, Invalid),
    toolset="more",
)
async def price(registry: Registry, caller: Caller, given: SetPrice) -> PriceState:
    """Let a package cost something; who may read in its namespace, or bought it, installs it."""
    asked = Price(given.amount_cents, given.currency) if given.amount_cents else None
    package = await registry.purchases.ask(PackageName.parse(given.name), asked, caller)
    costs = package.price
    return PriceState(
        name=str(package.name),
        amount_cents=costs.amount_cents if costs else 0,
        currency=costs.currency if costs else "",
    )


@operation(title="Point a channel", scope=Scope.PUSH, writes=True, ends_in=_ENDS_IN, toolset="more")
async def channel(registry: Registry, caller: Caller, given: PointChannel) -> ChannelState:
    """Let a channel of a package, such as beta, mean one version."""
    name, version = exact(given.ref)
    if not is_channel(given.channel) or given.channel == "latest":
        raise InvalidName(
            "a channel is a word of a-z, 0-9, '.', '_' and '-', and not `latest`",
            hint="`latest` is always the newest stable version.",
        )
    await registry.packages.point(name, given.channel, version, caller)
    return ChannelState(name=str(name), channel=given.channel, version=str(version))


def _state(name: PackageName, release: Release) -> YankState:
    return YankState(
        ref=f"{name}@{release.version}", yanked=release.yanked, reason=release.yank_reason
    )
