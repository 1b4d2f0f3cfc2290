"""What a registry says it has taken back is demanded, verified, and held against its plan."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from bench import BASE, Liar, Machine, honest

from ctxmcp.cli.endings import Ending, ending
from ctxmcp.desk import Desk
from ctxmcp.logs import Memory
from ctxmcp.remote import Remote
from ctxmcp.standing import read
from registry_core.callers import OWNER
from registry_core.errors import NotFound, Unproven
from registry_core.names import PackageName, Version
from registry_core.operation import Model
from registry_core.operations.install import Installation, Planned, Shown
from registry_core.operations.keys import KeyChains
from registry_core.packages.advisories import Warned
from registry_core.signing import SigningKey
from registry_core.transparency import status
from registry_core.transparency.notes import MOST_BYTES, Signer
from registry_core.transparency.status import MOST_AHEAD, Entry, Status
from served import Served
from world import KEY, World

REVIEW = PackageName("acme", "review")
ONE = Version.parse("1.0.0")
STRANGER = SigningKey(b"the seed of a stranger, 32 bytes")

Change = Callable[[Status], Status]


class Issuer(Liar):
    """A registry that signs the status note it likes, with the parts it likes."""

    note: Callable[[Shown], str]
    parts: Mapping[str, bytes]
    plan: Mapping[str, Any]

    async def invoke(self, name: str, arguments: Mapping[str, Any]) -> Model:
        answer = await super().invoke(name, arguments)
        if isinstance(answer, KeyChains) and "links" in self.plan:
            chains = [c.model_copy(update={"links": self.plan["links"](c)}) for c in answer.chains]
            return answer.model_copy(update={"chains": chains})
        if not isinstance(answer, Installation) or answer.log is None:
            return answer
        log = answer.log.model_copy(update={"status": self.note(answer.log)})
        changed = {name: self.plan[name] for name in self.plan if name in Planned.model_fields}
        plan = [release.model_copy(update=changed) for release in answer.plan]
        return answer.model_copy(update={"plan": plan, "log": log})

    async def standing(self, day: str, digest: str) -> bytes:
        if digest in self.parts:
            return self.parts[digest]
        return await super().standing(day, digest)


def issuing(
    here: Machine,
    change: Change = lambda said: said,
    *,
    parts: Mapping[str, bytes] | None = None,
    signer: Signer | None = None,
    written: Callable[[str], str] = lambda note: note,
    **plan: Any,
) -> Machine:
    signed_by = signer or here.registry.transparency._signer

    def note(log: Shown) -> str:
        return written(str(change(read(log)).sign(signed_by)))

    liar = Issuer(here.registry, BASE, honest, {})
    liar.note, liar.parts, liar.plan = note, parts or {}, plan
    settings = replace(here.settings, registry=BASE)
    return replace(here, desk=Desk(liar, settings, here.project))


def listing(here: Machine, *entries: Entry, **plan: Any) -> Machine:
    """A registry whose list is this one."""
    parts = status.cut(entries)
    digests = status.digests_of(parts)
    named = dict(zip(digests, parts, strict=True))
    return issuing(here, lambda said: replace(said, parts=digests), parts=named, **plan)


def memory(here: Machine) -> Memory:
    return Memory(here.settings.state, BASE, BASE)


async def refused(there: Machine, *refs: str) -> Unproven:
    before, known = there.tree(), memory(there).read()
    with pytest.raises(Unproven) as caught:
        await there.install(*refs)
    assert ending(caught.value) is Ending.VERIFICATION
    assert there.tree() == before
    path = caught.value.hint.partition("The evidence is in ")[2].partition(": show")[0]
    assert Path(path).read_text() == caught.value.evidence  # noqa: ASYNC240 - a test
    if "taken back" not in caught.value.message and "list of" not in caught.value.message:
        assert memory(there).read() == known, "nothing of it is believed"
    return caught.value


async def test_what_was_known_to_be_taken_back_is_told_and_the_note_remembered(
    here: Machine,
) -> None:
    await here.publish("@acme/review")
    done = await here.facing().install("@acme/review")
    assert "what was taken back is known as of 20" in done.proven
    known = memory(here).read()
    assert known is not None
    assert known.status.startswith("ctxmcp status 1\n")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (
            lambda s: replace(
                s, issued=s.issued - timedelta(hours=25), expires=s.issued - timedelta(hours=1)
            ),
            "is stale",
        ),
        (lambda s: replace(s, issued=s.issued - timedelta(days=8)), "is stale"),
        (
            lambda s: replace(
                s,
                issued=s.issued + 2 * MOST_AHEAD,
                expires=s.expires + 2 * MOST_AHEAD,
            ),
            "from the future",
        ),
        (lambda s: replace(s, tree=replace(s.tree, root=bytes(32))), "the beginning of"),
        (lambda s: replace(s, tree=replace(s.tree, size=s.tree.size - 1)), "the beginning of"),
        (lambda s: replace(s, tree=replace(s.tree, size=s.tree.size + 1)), "the beginning of"),
        (lambda s: replace(s, tree=replace(s.tree, origin="a.example/log")), "the log of"),
        (lambda s: replace(s, expires=s.issued), "expires before"),
        (lambda s: replace(s, parts=s.parts * 3), "3 parts"),
    ],
)
async def test_a_note_that_does_not_hold_is_refused(
    here: Machine, change: Change, why: str
) -> None:
    await here.publish("@acme/review")
    assert why in (await refused(issuing(here, change), "@acme/review")).message


@pytest.mark.parametrize(
    "written",
    [
        lambda note: note[: len(note) // 2],
        lambda note: note.replace("ctxmcp status 1\n", ""),
        lambda note: note.replace("\n\n", "\n"),
        lambda note: "\n".join(reversed(note.split("\n"))),
        lambda note: note + "\u2014 a AAAAAAAA\n" * MOST_BYTES,
        lambda note: note.replace("ctxmcp", "ctxmcp\0"),
        lambda _: "\ud800",
    ],
)
async def test_a_note_that_is_none_is_refused(here: Machine, written: Callable[[str], str]) -> None:
    await here.publish("@acme/review")
    await refused(issuing(here, written=written), "@acme/review")


async def test_a_note_by_another_key_is_refused(here: Machine) -> None:
    await here.publish("@acme/review")
    name = here.registry.transparency.key.partition("+")[0]
    error = await refused(issuing(here, signer=Signer(name, STRANGER)), "@acme/review")
    assert "expected 'signed by" in error.message


async def test_a_checkpoint_in_the_place_of_the_note_is_refused(here: Machine) -> None:
    await here.publish("@acme/review")
    there = issuing(here)
    liar = there.desk._connection
    assert isinstance(liar, Issuer)
    liar.note = lambda log: log.checkpoint
    await refused(there, "@acme/review")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda s: replace(s, issued=s.issued - timedelta(seconds=1)), "rolled back"),
        (lambda s: replace(s, parts=(hashlib.sha256(b"x").hexdigest(),)), "another one"),
    ],
)
async def test_a_note_does_not_go_back_nor_say_two_things_at_once(
    here: Machine, change: Change, why: str
) -> None:
    await here.publish("@acme/review")
    await here.facing().install("@acme/review")
    there = issuing(here, change)
    error = await refused(there, "@acme/review")
    assert why in error.message
    assert error.evidence.count("ctxmcp status 1") == 2, "both notes are signed"
    # On a machine that has seen none, the first is the first.
    memory(here).file.unlink()
    assert (await issuing(here, lambda said: said).install("@acme/review")).installed


async def test_a_registry_that_had_a_note_has_one_for_ever(here: Machine) -> None:
    await here.publish("@acme/review")
    none = issuing(here, written=lambda _: "")
    done = await none.install("@acme/review")
    assert (done.installed, "taken back" in done.proven) == (True, False)
    await here.facing().install("@acme/review")
    assert "one, as there was before" in (await refused(none, "@acme/review")).message


@pytest.mark.parametrize(
    "entry",
    [
        Entry("@acme/review", "yanked", ("1.0.0",)),
        Entry("@acme/review", "revoked", ("1.0.0",)),
        Entry("@acme/review", "rejected", ("1.0.0",)),
        Entry("@acme/review", "advisory", ("CTXMCP-2026-0001", "0", "-")),
        Entry("@acme/review", "advisory", ("CTXMCP-2026-0001", "1.0.0", "1.0.1")),
        Entry("SHA256", "advisory", ("CTXMCP-2026-0001",)),
        Entry("FILE", "advisory", ("CTXMCP-2026-0001",)),
        Entry(KEY.public_key, "compromised", ("@acme", "1")),
        Entry(KEY.public_key, "compromised", ("@acme", "x")),
        Entry("@acme/review", "recalled", ("1.0.0", "by", "law")),
        Entry("@acme/review", "yanked", ()),
    ],
)
async def test_what_the_list_takes_back_and_the_plan_hides_is_refused(
    here: Machine, entry: Entry
) -> None:
    made = await here.publish("@acme/review", files={"SKILL.md": SKILL})
    digests = {"SHA256": hashlib.sha256(made).hexdigest(), "FILE": sha256(SKILL)}
    entry = replace(entry, subject=digests.get(entry.subject, entry.subject))
    error = await refused(listing(here, entry, yanked=False), "@acme/review")
    assert str(entry)[:100] in error.found
    assert entry.subject in error.evidence


SKILL = "---\nname: review\ndescription: Reviews.\n---\n# Review\n"


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    "entry",
    [
        Entry("@acme/review", "yanked", ("1.0.1",)),
        Entry("@acme/review", "revoked", ("0.9.0",)),
        Entry("@acme/review", "advisory", ("CTXMCP-2026-0001", "0", "1.0.0")),
        Entry("@acme/review", "advisory", ("CTXMCP-2026-0001", "1.0.1", "-")),
        Entry("@acme/other", "yanked", ("1.0.0",)),
        Entry("0" * 64, "advisory", ("CTXMCP-2026-0001",)),
        Entry(KEY.public_key, "compromised", ("@acme", "2")),
        Entry(KEY.public_key, "compromised", ("@other", "0")),
    ],
)
async def test_what_the_list_says_of_others_stops_nothing(here: Machine, entry: Entry) -> None:
    await here.publish("@acme/review")
    assert (await listing(here, entry).install("@acme/review")).installed


async def test_who_names_what_is_yanked_exactly_is_told_and_has_it(here: Machine) -> None:
    await here.publish("@acme/review", files={"SKILL.md": SKILL})
    await here.registry.packages.yank(REVIEW, ONE, "", OWNER)
    warned = Warned("Bad.", package=REVIEW, sha256=(sha256(SKILL),))
    await here.registry.advisories.publish(warned, OWNER)
    done = await here.facing().install("@acme/review@1.0.0")
    assert "yanked, or known to be bad" in done.notes[0]
    # What was revoked is not told of in a plan: an honest registry has no plan for it.
    revoked = Entry("@acme/review", "revoked", ("1.0.0",))
    await refused(listing(here, revoked, yanked=True), "@acme/review@1.0.0")


async def test_a_yank_of_a_private_release_is_found_by_who_may_see_it(here: Machine) -> None:
    await here.publish("@acme/hidden", private=True)
    await here.registry.packages.yank(PackageName("acme", "hidden"), ONE, "", OWNER)
    error = await refused(issuing(here, yanked=False), "@acme/hidden@1.0.0")
    assert error.found.endswith("yanked'\"")
    assert "hidden" not in error.found.partition("hides it")[2]


async def test_a_revoked_key_whose_chain_is_cut_off_is_refused(here: Machine) -> None:
    await here.publish("@acme/review")
    await here.registry.keychains.revoke("acme", KEY.public_key, 0, "Stolen.", OWNER)

    def cut(chain: Any) -> list[Any]:
        return [link for link in chain.links if json.loads(link.statement)["action"] != "revoke"]

    error = await refused(issuing(here, yanked=False, links=cut), "@acme/review@1.0.0")
    assert f"{KEY.public_key} compromised @acme 0" in error.found


@pytest.mark.parametrize(
    "part",
    [
        b"@acme/review yanked 9.0.0\n@acme/review yanked 1.0.1\n",
        b"no list",
        b"@acme/review yanked %b\n" % (b"1" * status.MOST_PART),
        b"@acme/review advisory x y z\n",
    ],
)
async def test_a_part_that_is_no_list_is_refused(here: Machine, part: bytes) -> None:
    await here.publish("@acme/review")
    (digest,) = status.digests_of([part])
    there = issuing(here, lambda s: replace(s, parts=(digest,)), parts={digest: part})
    await refused(there, "@acme/review")


async def test_a_part_that_is_not_there_or_another_one_is_refused(here: Machine) -> None:
    await here.publish("@acme/review")
    digest = hashlib.sha256(b"@acme/review yanked 9.0.0\n").hexdigest()
    for parts in ({}, {digest: b""}, {digest: b"@acme/review yanked 9.9.9\n"}):
        there = issuing(here, lambda s: replace(s, parts=(digest,)), parts=parts)
        assert "the list of the status note" in (await refused(there, "@acme/review")).message


async def test_parts_are_fetched_once_and_those_of_old_notes_go(here: Machine) -> None:
    await here.publish("@acme/review")
    other = Entry("@acme/other", "yanked", ("1.0.0",))
    await listing(here, other).install("@acme/review")
    (kept,) = memory(here).standing.iterdir()
    asked: list[str] = []

    class Counting(Issuer):
        async def standing(self, day: str, digest: str) -> bytes:
            asked.append(digest)
            return await super().standing(day, digest)

    def counted(*entries: Entry) -> Machine:
        memory(here).file.unlink()
        there = listing(here, *entries)
        assert isinstance(there.desk._connection, Issuer)
        there.desk._connection.__class__ = Counting
        return there

    await counted(other).install("@acme/review")
    assert asked == []
    kept.write_bytes(b"damaged")
    await counted(other).install("@acme/review")
    assert asked == [kept.name]
    await counted(other, Entry("@acme/other", "yanked", ("1.0.1",))).install("@acme/review")
    assert len(asked) == 2
    assert [path.name for path in memory(here).standing.iterdir()] == asked[1:]


async def test_an_empty_list_costs_no_request(here: Machine) -> None:
    await here.publish("@acme/review")
    there = issuing(here)

    async def unasked(day: str, digest: str) -> bytes:
        raise AssertionError((day, digest))

    there.desk._connection.standing = unasked  # type: ignore[method-assign]
    assert (await there.install("@acme/review")).installed


async def test_a_remote_registry_shows_its_note_and_its_list(here: Machine) -> None:
    world = World(here.registry, here.settings.data_dir)
    await here.publish("@acme/review")
    await here.publish("@acme/other")
    await here.registry.packages.yank(REVIEW, ONE, "It leaks.", OWNER)
    async with Served.on_a_port(world) as served, Remote(served.url, "") as remote:
        settings = replace(here.settings, registry=served.url)
        there = replace(here, desk=Desk(remote, settings, here.project))
        done = await there.install("@acme/other")
        assert "known as of" in done.proven
        with pytest.raises(NotFound):
            await remote.standing("2026-01-01", "0" * 64)
    (folder,) = (here.settings.state / "standing").iterdir()
    (part,) = folder.iterdir()
    assert part.read_bytes() == b"@acme/review yanked 1.0.0\n"


async def test_what_is_yanked_and_given_back_can_be_had_at_once(here: Machine) -> None:
    await here.publish("@acme/review")
    await here.facing().install("@acme/review")
    before = memory(here).read()
    await here.registry.packages.yank(REVIEW, ONE, "", OWNER)
    await here.registry.packages.unyank(REVIEW, ONE, "", OWNER)
    await here.facing().install("@acme/review")
    after = memory(here).read()
    assert before is not None
    assert after is not None
    assert read_status(after.status).issued > read_status(before.status).issued


def read_status(note: str) -> Status:
    return Status.parse(note.partition("\n\n")[0] + "\n")
