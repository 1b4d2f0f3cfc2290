"""What a registry's log proves of one release that is judged, and what its status note takes back.

`trust` and `verify` hold the registry's own word against both, as `install` does with its plan: so
there is one verdict. Nothing is counted or written for it but what is remembered of the log.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ctxmcp import planning
from ctxmcp.standing import TAKEN_BACK
from registry_core.errors import RegistryError, Tampered
from registry_core.names import Reference, Version
from registry_core.trust import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ctxmcp.lock import Lock
    from ctxmcp.planning import Source
    from registry_core.operations.install import Planned
    from registry_core.operations.trust import Trusted
    from registry_core.operations.verify import Verified


@dataclass(frozen=True, slots=True)
class Consulted:
    """What came of asking: what speaks against a release, what was proven, what was not looked at.

    Only one of the last two says something.
    """

    against: tuple[str, ...] = ()
    proven: str = ""
    not_checked: str = ""


async def judged(source: Source, lock: Lock, asked: str, said: Trusted) -> Trusted:
    """Hold a verdict against log and status note. Raises Tampered for one on something else."""
    _check_same(asked, said.ref)
    if said.verdict is Verdict.REFUSE:  # no more than that can come of it
        return said
    found = await _consult(source, lock, said.ref, said.sha256, told=False)
    if found.against:
        reasons = [*found.against, *said.reasons]
        return said.model_copy(update={"verdict": Verdict.REFUSE, "reasons": reasons})
    last = f"proven: {found.proven}" if found.proven else f"not checked: {found.not_checked}"
    return said.model_copy(update={"reasons": [*said.reasons, last]})


async def verified(source: Source, lock: Lock, asked: str, said: Verified) -> Verified:
    """Hold what a registry says that it verified against the same; raises the same."""
    if len(said.checked) != 1:
        raise Tampered("what was verified", expected="one release", found=str(len(said.checked)))
    checked = said.checked[0]
    _check_same(asked, checked.what)
    found = await _consult(source, lock, checked.what, checked.sha256, told=True)
    ok = checked.ok and not found.against
    with_log = checked.model_copy(
        update={"ok": ok, "problems": [*checked.problems, *found.against]}
    )
    missing = [found.not_checked] if found.not_checked else []
    return said.model_copy(update={"ok": ok, "checked": [with_log], "not_checked": missing})


def _check_same(asked: str, answered: str) -> None:
    """See that a registry speaks of what it was asked about."""
    wanted, found = Reference.parse(asked), Reference.parse(answered)
    exact = found.selector if isinstance(found.selector, Version) else None
    if found.name != wanted.name or exact is None or not planning.satisfies(exact, wanted):
        raise Tampered("what the registry speaks of", expected=str(wanted), found=str(found))


async def _consult(source: Source, lock: Lock, ref: str, sha256: str, *, told: bool) -> Consulted:
    """Ask; `told` says that whoever reads the answer knows by other words what is yanked."""
    try:
        given = {"refs": [ref], "alone": True}
        plan = await planning.ask(source, [Reference.parse(ref)], given, lock)
        release = _same(plan.releases, ref, sha256)
        if plan.standing is None:
            without = "no log" if plan.log is None else "no status note"
            return Consulted(not_checked=f"{TAKEN_BACK}: the registry shows {without}")
        if not told:
            release = release.model_copy(update={"yanked": False})
        against = await plan.standing.against(release)
    except Tampered as error:
        return Consulted((f"{error.message}. {error.hint}".strip(),))
    except RegistryError as error:
        return Consulted(not_checked=f"{TAKEN_BACK}: {error.message}")
    words = tuple(f"the registry's status note takes it back: {reason}" for reason in against)
    return Consulted(words, proven=plan.proven)


def _same(plan: Iterable[Planned], ref: str, sha256: str) -> Planned:
    """Return the release that was judged. Raises Tampered where the plan is of other bytes."""
    planned = {release.ref: release for release in plan}
    if ref not in planned or planned[ref].sha256 != sha256:
        found = ", ".join(f"{one.ref} {one.sha256}" for one in planned.values())
        raise Tampered(f"the bytes of {ref}", expected=sha256, found=found)
    return planned[ref]
