"""What a registry has taken back, as its status note says, and what is demanded of that note.

    signed      by the log's key, and about a tree that the shown one has grown from
    fresh       not expired, not from the future, and not longer than `LONGEST` in force
    forward     not issued before the one that is remembered, nor another one of the same time
    there       where the registry has shown one before

The parts of its list that speak of what is installed are fetched, verified, and kept by their
digests, so that only what has changed is fetched again. What the list takes back and the plan does
not tell of is refused; what is told of (`yanked`) is for who names exactly that release.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from ctxmcp import staging
from registry_core.errors import Invalid, InvalidVersion, NotFound, Tampered
from registry_core.names import Reference, Version, shown
from registry_core.transparency import notes, status
from registry_core.transparency.merkle import is_consistent
from registry_core.transparency.notes import Verifier
from registry_core.transparency.proofs import Proof, read_hashes
from registry_core.transparency.status import MOST_AHEAD, MOST_PART, Entry, Status, seal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from registry_core.errors import Unproven
    from registry_core.operations.install import Planned, Shown
    from registry_core.transparency.checkpoints import Checkpoint

LONGEST = timedelta(days=7)
"""How long a note is believed, whatever it says itself."""

AT_ONCE = 4

TAKEN_BACK = "what was taken back since"
"""What nobody has looked at who has not asked for a status note."""

_EMPTY = hashlib.sha256(b"").hexdigest()
_NUMBER = re.compile(r"[0-9]{1,18}")


class Registry(Protocol):
    """Where the parts come from."""

    async def standing(self, day: str, digest: str) -> bytes:
        """Return a part of the list, not verified."""


def check_note(log: Shown, tree: Checkpoint, before: str, now: datetime) -> None:
    """See that the shown status note is to be believed, where there is one or was one before.

    `before` is the note that is remembered, which was verified. Raises Invalid, Tampered.
    """
    if not log.status:
        if before:
            raise Tampered("the status note", expected="one, as there was before", found="none")
        return
    key = Verifier.parse(log.key)
    said = status.read(_bytes(log.status), key)
    _check_fresh(said, now)
    if before:
        _check_forward(_parsed(before), said)
    old, hashes = said.tree, read_hashes(log.status_consistency)
    if old.size and not is_consistent(old.size, tree.size, old.root, tree.root, hashes):
        what = "the tree of the status note"
        raise Tampered(what, expected=f"the beginning of {tree}", found=str(old))


def read(log: Shown) -> Status:
    """Read a note that was checked."""
    return _parsed(log.status)


def _parsed(note: str) -> Status:
    return Status.parse(notes.parse(_bytes(note)).text)


def _check_fresh(said: Status, now: datetime) -> None:
    until = min(said.expires, said.issued + LONGEST)
    if now >= until:
        raise Tampered(
            "the status note is stale",
            expected=f"one that holds at {now:%Y-%m-%d %H:%M} UTC",
            found=f"it expired at {until:%Y-%m-%d %H:%M}",
        )
    if said.issued > now + MOST_AHEAD:
        raise Tampered(
            "the status note is from the future (or the clock of this machine is wrong)",
            expected=f"issued by {now:%Y-%m-%d %H:%M} UTC",
            found=f"{said.issued:%Y-%m-%d %H:%M}",
        )


def _check_forward(before: Status, now: Status) -> None:
    if now.issued < before.issued or now.tree.size < before.tree.size:
        raise Tampered(
            "the status note was rolled back",
            expected=f"none before that of {before.issued}",
            found=f"that of {now.issued}",
        )
    if now.issued == before.issued and now != before:
        raise Tampered("the status note", expected="the one of that time", found="another one")


@dataclass(frozen=True, slots=True)
class Standing:
    """A status note that is believed, and the parts of its list as far as they are needed."""

    said: Status
    registry: Registry
    folder: Path
    """Where parts are kept."""

    refused: Callable[[Tampered], Unproven]
    """Makes of what was found out an error with evidence."""
    known: dict[str, frozenset[Entry]] = field(default_factory=dict, repr=False)
    """Parts that were read, by their digests."""

    async def check(self, releases: Iterable[Planned]) -> None:
        """Refuse a release that was taken back. Raises Unproven, Unavailable."""
        for release in releases:
            for reason in await self.against(release):
                raise self._hidden(release, reason)

    async def against(self, release: Planned) -> list[str]:
        """Return what the list says against a release that its plan does not tell of."""
        leaf = Proof.parse(release.log.proof).index if release.log else 0
        found = await self.about(_subjects(release))
        return sorted(_reasons(found, release, leaf))

    async def check_files(self, release: Planned, digests: Iterable[str]) -> None:
        """Refuse what has files that are known to be bad; raises the same."""
        for entry in sorted(map(str, await self.about(digests))):
            if not release.yanked:
                raise self._hidden(release, entry)

    def _hidden(self, release: Planned, reason: str) -> Unproven:
        return self.refused(
            Tampered(
                f"{release.ref} was taken back, says the registry's status note",
                expected="a plan that says so",
                found=f"one that hides it: {reason}",
            )
        )

    async def about(self, subjects: Iterable[str]) -> list[Entry]:
        """Return what the list says of subjects. Raises Unproven, Unavailable."""
        wanted = frozenset(subjects)
        turns = asyncio.Semaphore(AT_ONCE)

        async def one(digest: str) -> frozenset[Entry]:
            async with turns:
                if digest not in self.known:
                    self.known[digest] = await self._read_part(digest)
                return self.known[digest]

        needed = {self.said.part_of(subject) for subject in wanted} - {_EMPTY}
        read = await asyncio.gather(*map(one, sorted(needed)))
        return [entry for part in read for entry in part if entry.subject in wanted]

    async def _read_part(self, digest: str) -> frozenset[Entry]:
        try:
            return self.said.read_part(digest, await self._part(digest))
        except (Invalid, NotFound, Tampered) as error:
            what, found = "the list of the status note", error.message
            raise self.refused(Tampered(what, expected="one to read", found=found)) from error

    async def _part(self, digest: str) -> bytes:
        """Return a part as it is kept, or fetch and keep it."""
        path = self.folder / digest
        data = await asyncio.to_thread(_read, path)
        if hashlib.sha256(data).hexdigest() != digest:
            data = await self.registry.standing(self.said.day, digest)
            if hashlib.sha256(data).hexdigest() == digest:
                await asyncio.to_thread(self._keep, path, data)
        return data

    def _keep(self, path: Path, data: bytes) -> None:
        """Keep a part, and none that the note does not name."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for old in self.folder.iterdir():
            if old.name not in self.said.parts and not old.name.startswith("."):
                old.unlink(missing_ok=True)
        staging.write_file(path, data)


def _subjects(release: Planned) -> Iterator[str]:
    yield str(Reference.parse(release.ref).name)
    yield release.sha256
    if release.signer:
        yield release.signer
    if release.log and release.log.salt:
        yield seal(release.log.salt, release.ref)


def _reasons(found: Iterable[Entry], release: Planned, leaf: int) -> Iterator[str]:
    """Say what of it speaks against a release that the plan does not tell of."""
    reference = Reference.parse(release.ref)
    for entry in found:
        match entry.word, entry.args:
            case "yanked" | "revoked" | "rejected", (version,) if version != str(
                reference.selector
            ):
                continue
            case "compromised", (namespace, since) if _NUMBER.fullmatch(since):
                against = namespace == f"@{reference.name.namespace}" and leaf >= int(since)
            case "advisory", (_, introduced, fixed):
                against = not release.yanked and _affects(reference, introduced, fixed)
            case ("yanked", _) | ("advisory", (_,)):
                against = not release.yanked
            case _:  # also what this program does not know: it is no praise
                against = True
        if against:
            yield shown(str(entry), 200)


def _affects(reference: Reference, introduced: str, fixed: str) -> bool:
    version = reference.selector
    assert isinstance(version, Version)  # noqa: S101 - a plan names exact versions
    try:
        begun = introduced == "0" or version >= Version.parse(introduced)
        return begun and (fixed == "-" or version < Version.parse(fixed))
    except InvalidVersion:
        return True


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MOST_PART + 1)
    except FileNotFoundError:
        return b""


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogatepass")
