"""The catalog: every operation of the registry, and the second of the two doors to them.

A dialect calls an operation with a model of its input (the typed door). Whoever has only a name
and arguments calls `invoke`. There is no third way, so nobody can forget to check the scope.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import json
import time
from typing import TYPE_CHECKING, Any

from registry_core.errors import (
    Forbidden,
    Internal,
    Invalid,
    NotFound,
    RegistryError,
    Unauthenticated,
)
from registry_core.events import Audited, Draft
from registry_core.events.kinds import EventKind
from registry_core.names import shown
from registry_core.operations.advisories import advise, advisories
from registry_core.operations.audit import audit
from registry_core.operations.calls import calls
from registry_core.operations.changing import (
    channel,
    deprecate,
    price,
    revoke,
    unyank,
    visibility,
    yank,
)
from registry_core.operations.download import download
from registry_core.operations.finding import duplicates, similar, suggest, trending
from registry_core.operations.inspect import inspect
from registry_core.operations.install import install
from registry_core.operations.keys import add_key, keys, recover, revoke_key, rotate
from registry_core.operations.publish import publish
from registry_core.operations.review import review
from registry_core.operations.search import search
from registry_core.operations.skills import file, skills
from registry_core.operations.team import (
    knowledge_remember,
    knowledge_search,
    session_get,
    session_list,
    session_mutate,
)
from registry_core.operations.trust import trust
from registry_core.operations.verify import verify
from registry_core.operations.versions import versions

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from registry_core.callers import Caller
    from registry_core.operation import Model, Operation, Surface
    from registry_core.registry import Registry

_LARGE = 64 * 1024

_DENIALS = (Unauthenticated, Forbidden)

CATALOG: Mapping[str, Operation[Any, Any]] = {
    operation.name: operation
    for operation in (
        search,
        inspect,
        install,
        verify,
        publish,
        trust,
        suggest,
        similar,
        trending,
        duplicates,
        versions,
        download,
        skills,
        file,
        yank,
        unyank,
        deprecate,
        review,
        revoke,
        advise,
        advisories,
        audit,
        visibility,
        price,
        channel,
        keys,
        rotate,
        add_key,
        revoke_key,
        recover,
        session_get,
        session_mutate,
        session_list,
        knowledge_remember,
        knowledge_search,
        calls,
    )
}


def find(name: str) -> Operation[Any, Any]:
    """Return the operation called `name`. Raises NotFound."""
    try:
        return CATALOG[name]
    except KeyError:
        raise NotFound(
            f"no operation {shown(name)}", hint=f"There are {', '.join(CATALOG)}."
        ) from None


async def invoke(
    registry: Registry,
    caller: Caller,
    name: str,
    arguments: Mapping[str, Any],
    surface: Surface = "remote",
    arguments_sha256: str = "",
) -> Model:
    """Run an operation by name: look it up, validate, check the scope, run, write it down.

    Who has `digest(arguments)` already says so. Raises Invalid where there is none.
    """
    known = arguments_sha256 or await _digest_aside(arguments)
    with _WrittenDown(registry, caller, name, known):
        operation = find(name)
        output: Model = await operation(registry, caller, operation.read(arguments, surface))
        return output


def repeat(registry: Registry, caller: Caller, name: str, arguments_sha256: str) -> None:
    """Stand for a call that is not run: check the scope, and write it down.

    That is one of a `cacheable` operation whose answer to arguments of this digest is known, for a
    caller who sees the same; or one that the scope forbids.
    """
    with _WrittenDown(registry, caller, name, arguments_sha256):
        find(name).admit(caller)


class _WrittenDown:
    """Notes the call that ends with this context: its line in the audit log, and its event."""

    def __init__(
        self, registry: Registry, caller: Caller, name: str, arguments_sha256: str
    ) -> None:
        self._registry = registry
        self._caller = caller
        self._name = name
        self._digest = arguments_sha256
        self._started = time.perf_counter()

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: object, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        caller, name = self._caller, self._name
        line = Audited(
            at=self._registry.clock(),
            token_id=caller.token_id,
            actor=caller.name,
            operation=name[:64],
            workspace=caller.workspace,
            channel=caller.channel,
            allowed=not isinstance(error, _DENIALS),
            outcome="ok" if error is None else _outcome(error),
            arguments_sha256=self._digest,
            duration_ms=round((time.perf_counter() - self._started) * 1000),
        )
        called = (caller.name, caller.workspace, caller.channel, name)
        self._registry.recorder.note(line, _called(*called) if error is None else None)


def _outcome(error: BaseException) -> str:
    if isinstance(error, asyncio.CancelledError):
        return "cancelled"
    return error.code if isinstance(error, RegistryError) else Internal.code


@functools.lru_cache(maxsize=1024)
def _called(actor: str, workspace: str, channel: str, name: str) -> Draft:
    return Draft(
        EventKind.TOOL_CALL_RECORDED, actor, {"tool": name}, workspace=workspace, channel=channel
    )


async def _digest_aside(arguments: Mapping[str, Any]) -> str:
    """Digest arguments, of which a package may be one, without keeping others waiting."""
    large = any(isinstance(value, str) and len(value) > _LARGE for value in arguments.values())
    return await asyncio.to_thread(digest, arguments) if large else digest(arguments)


def digest(arguments: Mapping[str, Any]) -> str:
    """Return the SHA-256 of arguments, the same for equal ones. Raises Invalid."""
    try:
        text = json.dumps(arguments, sort_keys=True, separators=(",", ":"), default=str)
    except (RecursionError, ValueError, TypeError) as error:
        raise Invalid("the arguments are nested too deeply, or no JSON") from error
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()
