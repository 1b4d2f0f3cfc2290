"""Being a witness of a registry's log: see that it has only grown, remember it, say so.

known       what was seen the last time; the first time the log's key is pinned
judge       the newest checkpoint has grown from that, or Unproven
remember    before anybody can see the cosignature
hand in     the cosignature, which the registry serves beside its own signature
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctxmcp.logs import Known, Memory
from registry_core.errors import Conflict, Forbidden, Tampered, Unproven
from registry_core.operation import Model
from registry_core.transparency import notes
from registry_core.transparency.checkpoints import read
from registry_core.transparency.notes import Signer, Verifier
from registry_core.transparency.witness import Submission, judge

if TYPE_CHECKING:
    from pathlib import Path

    from ctxmcp.remote_log import RemoteLog


class Witnessed(Model):
    """What a witness has seen and signed."""

    registry: str
    log: str
    witness: str
    seen: int
    size: int
    root: str


async def witness(
    log: RemoteLog, signer: Signer, folder: Path, *, key: str, seconds: int
) -> Witnessed:
    """Cosign the newest checkpoint of a log, if it has only grown. `key` may pin the log's.

    Raises Unproven for another history, Forbidden where the registry does not know the witness.
    """
    memory = Memory(folder / "witness", log.registry)
    known = memory.read()
    verifier = await pinned(log, known, key)
    before = known.read() if known else None
    note = await log.checkpoint()
    size = read(note, verifier).checkpoint.size
    old = before.size if before else 0
    submission = Submission(old, await log.consistency(old, size), note.decode())
    try:
        tree = judge(submission, verifier, before)
    except Unproven as error:
        raise memory.with_evidence(error, "signed") from error
    if not memory.keep(known, Known(log.registry, verifier.text, submission.note)):
        raise Conflict("another witness with this memory is at work", hint="Try again.")
    cosigned = notes.parse(note).with_([signer.cosign(tree.text, seconds)])
    await _hand_in(log, str(cosigned), signer)
    return Witnessed(
        registry=log.registry,
        log=verifier.text,
        witness=signer.witness.text,
        seen=old,
        size=tree.size,
        root=notes.encode(tree.root),
    )


async def pinned(log: RemoteLog, known: Known | None, key: str) -> Verifier:
    """Return the key that the log has to be signed with: as given, as known, or as it says."""
    said = Verifier.parse(key) if key else None
    before = Verifier.parse(known.key) if known else None
    if said and before and said != before:
        raise Tampered(f"the key of the log of {log.registry}", expected=before.text, found=key)
    return said or before or await log.key()


async def _hand_in(log: RemoteLog, note: str, signer: Signer) -> None:
    try:
        await log.cosign(note)
    except Forbidden as error:
        raise Forbidden(
            error.message,
            hint=f"Ask who runs the registry to set CTXMCP_WITNESSES={signer.witness.text}",
        ) from error
