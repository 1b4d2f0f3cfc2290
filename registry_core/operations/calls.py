"""Reading the audit log: who called what, where, and how it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from registry_core.callers import Scope
from registry_core.operation import Model, operation, package_text

if TYPE_CHECKING:
    from registry_core.callers import Caller
    from registry_core.registry import Registry

_PAGE = 100


class ListCalls(Model):
    """Which calls."""

    denied: bool = Field(default=False, description="Only those that were turned away.")
    token: str = Field("", max_length=16, description="Only those of the token with this id.")
    before: int = Field(0, ge=0, lt=2**63, description="`next` of the last page.")


class Call(Model):
    """One call, and never its arguments."""

    id: int
    at: str
    token: str | None = Field(description="The token's id; null: at this machine, or none.")
    caller: str
    operation: str = Field(json_schema_extra=package_text())
    workspace: str
    channel: str
    allowed: bool
    outcome: str = Field(description="ok, or the code of the error.")
    arguments_sha256: str
    duration_ms: int


class CallList(Model):
    """Calls, the newest first."""

    calls: list[Call]
    next: int = Field(description="0: there are no older ones.")


@operation(title="Read the audit log", scope=Scope.AUDIT, toolset="team")
async def calls(registry: Registry, caller: Caller, given: ListCalls) -> CallList:
    """List the calls of operations, allowed or denied, the newest first."""
    found = await registry.recorder.latest(
        before=given.before, token_id=given.token, denied=given.denied, limit=_PAGE
    )
    shown = [
        Call(
            id=line.id,
            at=line.at.isoformat(),
            token=line.token_id,
            caller=line.actor,
            operation=line.operation,
            workspace=line.workspace,
            channel=line.channel,
            allowed=line.allowed,
            outcome=line.outcome,
            arguments_sha256=line.arguments_sha256,
            duration_ms=line.duration_ms,
        )
        for line in found
    ]
    return CallList(calls=shown, next=shown[-1].id if len(shown) == _PAGE else 0)
