"""Being a witness of a registry's log: see that it has only grown, remember it, say so.

known       what was seen the last time; the first time the log's key is pinned
judge       the newest checkpoint has grown from that, or Unproven
remember    before anybody can see the cosignature
hand in     the cosignature, which the registry serves beside its own signature
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ctxmcp.logs import Known, Memory
from registry_core.errors import (
    Conflict,
    Forbidden,
    NotFound,
    Tampered,
    Unavailable,
    Unproven,
)
from registry_core.names import shown
from registry_core.operation import Model
from registry_core.transparency import handover, notes
from registry_core.transparency.checkpoints import read
from registry_core.transparency.notes import Signer, Verifier
from registry_core.transparency.witness import Submission, judge

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ctxmcp.http import Http
    from ctxmcp.remote_log import RemoteLog
    from registry_core.transparency.checkpoints import Checkpoint
    from registry_core.transparency.log import Log
    from registry_core.transparency.notes import Signature

_ATTEMPTS = 3
_SIZE = re.compile(r"(0|[1-9][0-9]{0,18})\n")


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
    memory = _memory(folder, log.registry)
    known = memory.read()
    verifier = await pinned(log, known, key)
    note = await log.checkpoint()
    size, old = read(note, verifier).checkpoint.size, known.read().size if known else 0
    submission = Submission(old, await log.consistency(old, size), note.decode())
    tree, cosignature = _cosign(submission, verifier, signer, memory, seconds)
    await _hand_in(log, str(notes.parse(note).with_([cosignature])), signer)
    return Witnessed(
        registry=log.registry,
        log=verifier.text,
        witness=signer.witness.text,
        seen=old,
        size=tree.size,
        root=notes.encode(tree.root),
    )


def answer(
    body: str, logs: Mapping[str, Verifier], signer: Signer, folder: Path, seconds: int
) -> str:
    """Cosign what a log submits; return the line. `logs` are the known ones, by their origins.

    Raises NotFound for an unknown log, Stale, and what `judge` raises.
    """
    submission = Submission.parse(body)
    log = logs.get(submission.origin)
    if log is None:
        raise NotFound(f"this witness does not know {shown(submission.origin)}")
    _, cosignature = _cosign(submission, log, signer, _memory(folder, log.name), seconds)
    return cosignature.line


async def ask(log: Log, witness: Http) -> int:
    """Ask a witness to cosign this registry's log; return how many of its signatures count.

    Raises Forbidden where the registry does not know that witness, Unavailable where it refuses.
    """
    old = 0
    for _ in range(_ATTEMPTS):
        view = await log.view(seen=[old])
        submission = Submission(old, view.consistency.get(old, ()), str(view.checkpoint))
        status, said = await witness.submit("add-checkpoint", submission.text)
        text = said.decode("utf-8", errors="replace")
        if status == 200:
            cosigned = view.checkpoint.with_(notes.parse_signatures(text))
            return await log.cosign(str(cosigned).encode())
        if status != 409 or not _SIZE.fullmatch(text):
            break
        old = int(text)
    raise Unavailable(
        f"the witness at {witness.root} answers {status}: {shown(text, 200)}",
        hint="Does it know the key of this log, `GET /log/key`?",
    )


def _cosign(
    submission: Submission, log: Verifier, signer: Signer, memory: Memory, seconds: int
) -> tuple[Checkpoint, Signature]:
    """See that a log has grown, remember it, and sign; nothing is signed that is not remembered."""
    known = memory.read()
    try:
        tree = judge(submission, log, known.read() if known else None)
    except Unproven as error:
        raise memory.with_evidence(error, "signed") from None
    if not memory.keep(known, Known(memory.registry, log.text, submission.note)):
        raise Conflict("another witness with this memory is at work", hint="Try again.")
    return tree, signer.cosign(tree.text, seconds)


def _memory(folder: Path, log: str) -> Memory:
    return Memory(folder / "witness", log)


async def pinned(log: RemoteLog, known: Known | None, key: str) -> Verifier:
    """Return the key that the log has to be signed with: as given, as known, or as it says.

    What is given or known may be one that the log had before and has handed over from.
    """
    said = Verifier.parse(key) if key else None
    before = Verifier.parse(known.key) if known else None
    if said is None and before is None:
        return await log.key()
    line = handover.line(await log.handovers())
    now = {line[-1] if one in line else one for one in (said, before) if one is not None}
    if len(now) > 1:
        expected = before.text if before else ""
        raise Tampered(f"the key of the log of {log.registry}", expected=expected, found=key)
    return now.pop()


async def _hand_in(log: RemoteLog, note: str, signer: Signer) -> None:
    try:
        await log.cosign(note)
    except Forbidden as error:
        raise Forbidden(
            error.message,
            hint=f"Ask who runs the registry to set CTXMCP_WITNESSES={signer.witness.text}",
        ) from error
