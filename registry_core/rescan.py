"""Scanning again what is stored: today's rules over releases that were published under others.

A release that today's rules have looked at is passed over, so whoever stops in between goes on
there the next time. What depends on more than the bytes (the change since the version before, how
new the name was) stays as it was found. What would be refused today is held, not deleted: a
reviewer decides, and who installed it is told by the events.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from registry_core.errors import RegistryError
from registry_core.formats import reading
from registry_core.verification import CHECKS, Binding, Report, rules_of_today, verify

if TYPE_CHECKING:
    from collections.abc import Callable

    from registry_core.callers import Caller
    from registry_core.packages.rescans import Changed, Due
    from registry_core.registry import Registry

BATCH = 100

_RUN_AGAIN = frozenset(check.NAME for check in CHECKS)


@dataclass
class Rescanned:
    """What a run came to so far. Each entry is `@ns/name@version`, some with words behind it."""

    rules: str
    total: int
    scanned: int = 0
    changed: list[str] = field(default_factory=list)
    held: list[str] = field(default_factory=list)
    verdicts: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)


async def rescan(
    registry: Registry, caller: Caller, tell: Callable[[int, int, str], object]
) -> Rescanned:
    """Scan everything that today's rules have not looked at; `tell` hears done, total and what."""
    rules = await asyncio.to_thread(rules_of_today, registry.policy.digest)
    done = Rescanned(rules, await registry.rescans.count(rules))
    last = 0
    while batch := await registry.rescans.due(rules, after=last, limit=BATCH):
        for due in batch:
            await _one(registry, caller, due, done)
            tell(done.scanned, done.total, f"{due.name}@{due.version}")
        last = batch[-1].id
    return done


async def _one(registry: Registry, caller: Caller, due: Due, done: Rescanned) -> None:
    ref = f"{due.name}@{due.version}"
    done.scanned += 1
    try:
        found = await _scan(registry, due)
    except RegistryError as error:
        done.unreadable.append(f"{ref}: {error}")
        return
    _note(done, ref, await registry.rescans.record(due, found, done.rules, caller))


async def _scan(registry: Registry, due: Due) -> Report:
    artifact = await registry.blobs.get(due.sha256)
    candidate = await asyncio.to_thread(reading.read, artifact, due.format)
    binding = Binding(due.name, due.version)
    report = await asyncio.to_thread(verify, candidate, binding)
    kept = (section for section in due.report.sections if section.check not in _RUN_AGAIN)
    return registry.policy.applied(report.with_(*kept))


def _note(done: Rescanned, ref: str, changed: Changed) -> None:
    if changed.findings:
        done.changed.append(ref)
    if changed.held:
        done.held.append(ref)
    was, now = changed.verdict
    if was != now:
        done.verdicts.append(f"{ref}: {was} -> {now}")
