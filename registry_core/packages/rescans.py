"""The statements of scanning again: what was not scanned with today's rules, and what was found.

The newest report stands with its release, every report in `reports`, by content and rule sets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, insert, select, update

from registry_core import keyring
from registry_core.events.kinds import EventKind
from registry_core.names import PackageName, Version
from registry_core.packages import State
from registry_core.packages.store import about, load, settle, verdict_event
from registry_core.schema import packages, release_details, releases, reports
from registry_core.verification import Report

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Select
    from sqlalchemy.ext.asyncio import AsyncConnection

    from registry_core.callers import Caller
    from registry_core.events.journal import Journal
    from registry_core.packages import Package, Release
    from registry_core.packages.store import Weigh


@dataclass(frozen=True, slots=True)
class Due:
    """A release that today's rules have not looked at."""

    id: int
    name: PackageName
    version: Version
    format: str
    sha256: str
    report: Report
    rules: str
    """What that report went by."""


@dataclass(frozen=True, slots=True)
class Changed:
    """What scanning a release again changed; `verdict` is (before, now)."""

    findings: bool
    held: bool
    verdict: tuple[str, str]


class Rescans:
    """The scans of one registry."""

    def __init__(self, journal: Journal, weigh: Weigh) -> None:
        self._journal = journal
        self._weigh = weigh

    async def count(self, rules: str) -> int:
        """Count the releases that these rules have not looked at."""
        async with self._journal.database.read() as connection:
            statement = _due(select(func.count()).select_from(releases), rules)
            return int((await connection.execute(statement)).scalar_one())

    async def due(self, rules: str, *, after: int, limit: int) -> Sequence[Due]:
        """Return such releases with an id after one, in order."""
        statement = _due(
            select(
                releases.c.id,
                packages.c.namespace,
                packages.c.name,
                releases.c.version,
                releases.c.format,
                releases.c.sha256,
                release_details.c.report,
                release_details.c.rules,
            ).join(packages, packages.c.id == releases.c.package_id),
            rules,
        )
        statement = statement.where(releases.c.id > after).order_by(releases.c.id).limit(limit)
        async with self._journal.database.read() as connection:
            rows = (await connection.execute(statement)).all()
        return [
            Due(
                row.id,
                PackageName(row.namespace, row.name),
                Version.parse(row.version),
                row.format,
                row.sha256,
                Report.from_json(row.report),
                row.rules,
            )
            for row in rows
        ]

    async def record(self, due: Due, found: Report, rules: str, caller: Caller) -> Changed:
        """Write a newer report beside the older one; what it holds is held from now on."""

        async def work(connection: AsyncConnection) -> Changed:
            before = await _whole(connection, due.name)
            release = before.exactly(due.version)
            await self._keep(connection, due, found, rules)
            held = release.state is State.RELEASED and bool(_newly(due.report, found))
            if held:
                await _hold(connection, release, found)
            after = await settle(connection, due.name, self._journal.now())
            ring = await keyring.ring(self._journal, connection, due.name.namespace)
            changed = Changed(
                _signs(due.report) != _signs(found),
                held,
                (
                    self._weigh(before, release, due.report.as_json(), ring),
                    self._weigh(after, after.exactly(due.version), found.as_json(), ring),
                ),
            )
            await self._tell(connection, after, due, found, changed, caller)
            return changed

        return await self._journal.write(work)

    async def _keep(self, connection: AsyncConnection, due: Due, found: Report, rules: str) -> None:
        known = select(reports.c.rules).where(reports.c.artifact_sha256 == due.sha256)
        there = set((await connection.execute(known)).scalars())
        for by, report in ((due.rules, due.report), (rules, found)):
            if by not in there:
                row = {
                    "artifact_sha256": due.sha256,
                    "rules": by,
                    "made_at": self._journal.now(),
                    "outcome": str(report.outcome),
                    "report": report.as_json(),
                }
                await connection.execute(insert(reports), row)
        await connection.execute(
            update(release_details)
            .where(release_details.c.release_id == due.id)
            .values(report=found.as_json(), rules=rules)
        )

    async def _tell(
        self,
        connection: AsyncConnection,
        package: Package,
        due: Due,
        found: Report,
        changed: Changed,
        caller: Caller,
    ) -> None:
        release = package.exactly(due.version)
        payload = {
            "version": str(due.version),
            "sha256": due.sha256,
            "report_sha256": found.sha256,
        }
        drafts = []
        if changed.findings:
            drafts.append(about(package, EventKind.RELEASE_RESCANNED, caller, payload))
        if changed.held:
            drafts.append(about(package, EventKind.RELEASE_HELD, caller, payload))
        because = EventKind.RELEASE_RESCANNED
        draft = verdict_event(package, release, changed.verdict, because, caller)
        drafts += [draft] if draft else []
        for each in drafts:
            await self._journal.append(connection, each)


def _due(statement: Select[Any], rules: str) -> Select[Any]:
    """Leave out what is not served any more, and what these rules have looked at."""
    return statement.join(release_details, release_details.c.release_id == releases.c.id).where(
        release_details.c.rules != rules,
        releases.c.state.in_([State.RELEASED.value, State.HELD.value]),
    )


async def _whole(connection: AsyncConnection, name: PackageName) -> Package:
    package = await load(connection, name)
    assert package is not None  # noqa: S101 - packages are never deleted
    return package


async def _hold(connection: AsyncConnection, release: Release, found: Report) -> None:
    why = "; ".join(dict.fromkeys(f.rule for f in (*found.blocking, *found.held)))
    await connection.execute(
        update(releases)
        .where(releases.c.id == release.id)
        .values(state=State.HELD.value, state_reason=why, state_by=None)
    )


def _newly(before: Report, now: Report) -> set[str]:
    """Return the rules that refuse or hold now and did neither before: others were decided on."""
    known = {finding.rule for finding in (*before.blocking, *before.held)}
    return {finding.rule for finding in (*now.blocking, *now.held)} - known


def _signs(report: Report) -> set[tuple[str, str, str]]:
    return {(finding.rule, finding.severity.value, finding.place) for finding in report.findings}
