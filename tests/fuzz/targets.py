"""Every reader of strangers' bytes, as a function of bytes: what the fuzzers feed.

A reader gives a value or raises a RegistryError; `attempt` lets every other exception through.
What is read is used a little as well, because much is read only when it is used.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import zstandard
from pydantic import ValidationError

from ctxmcp import continuity, following, http, keyholder, lock, logs, policy, remote, sse, terminal
from ctxmcp.hosts import Audience
from ctxmcp.hosts.layout import Named, lay_out
from registry_core import archives, canonical, dsse, keys, stripe
from registry_core.archives import contents, pkzip, ustar
from registry_core.domains import parse_domain
from registry_core.errors import Invalid, RegistryError
from registry_core.events import leaves
from registry_core.events import search as event_search
from registry_core.events.redaction import Detail
from registry_core.formats import (
    File,
    agent,
    attestation,
    ctxpkg,
    reading,
    skill,
    strict_json,
    tool,
    yaml,
)
from registry_core.names import (
    Kind,
    PackageName,
    Range,
    Reference,
    Version,
    newest_first,
    parse_namespace,
    parse_selector,
    shown,
)
from registry_core.operations import CATALOG
from registry_core.operations.keys import KeyChain
from registry_core.packages import advisories
from registry_core.search import terms
from registry_core.signin import parse_email
from registry_core.signing import SigningKey, is_valid
from registry_core.transparency import checkpoints, handover, notes, proofs, tiles, witness
from registry_core.transparency.merkle import is_consistent
from registry_core.verification import Binding, Report, meaning, quarantine, verify
from registry_core.verification import policy as admission
from transports import access
from transports.dialects import osv

Target = Callable[[bytes], object]

LOG = notes.Signer("log.example/fuzz", SigningKey(b"the seed of a log, just 32 bytes"))
KEY = SigningKey(b"a seed for tests, thirty-two byt")
MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
NAME, ONE = PackageName.parse("@acme/review"), Version.parse("1.0.0")
MOST = 1024 * 1024


def attempt(target: Target, data: bytes) -> object:
    """Feed a reader; None where it refuses."""
    try:
        return target(data)
    except RegistryError as error:
        assert error.message
        str(error).encode("utf-8", "surrogatepass")
        return None


def text(data: bytes) -> str:
    """Every text can be made, halves of characters too, as JSON lets them in."""
    try:
        return data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def value(data: bytes) -> Any:
    """A JSON value, as whoever reads it has it from `json` or from `strict_json`."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        raise Invalid("no JSON") from None


def members(data: bytes) -> dict[str, Any]:
    found = value(data)
    return found if isinstance(found, dict) else {"value": found}


def each(*readers: Callable[[str], object]) -> Target:
    """Let several readers of texts have the same one."""

    def all_of_them(data: bytes) -> object:
        given = text(data)
        return [attempt(lambda _, reader=reader: reader(given), data) for reader in readers]

    return all_of_them


# Packages and what they are made of


def _strict_json(data: bytes) -> object:
    found = strict_json.read(data, max_bytes=MOST)
    return [strict_json.compact(found.source(member)) for member in found.members]


def _yaml(data: bytes) -> object:
    given = text(data)
    for read in (yaml.strings, yaml.typed, yaml.lenient):
        found = attempt(lambda _, read=read: read(given), data)
        if isinstance(found, dict):
            attempt(lambda _, found=found: (agent.validate(found), agent.lint(found)), data)
            attempt(lambda _, found=found: tool.validate(found), data)
            attempt(lambda _, found=found: skill.conforms(found), data)
    return None


def _examined(data: bytes, filename: str = "") -> object:
    candidate = reading.recognise(data, filename)
    binding = Binding(NAME, ONE)
    report = verify(candidate, binding)
    Report.from_json(json.loads(json.dumps(report.as_json())))
    named = Named(NAME, ONE, candidate)
    return report, lay_out(named, Audience((".claude/skills",), ()), linking=False)


def _skill(data: bytes) -> object:
    given = text(data)
    attempt(lambda _: skill.lint(given), data)
    skill.frontmatter(given)
    entries = (archives.Entry("SKILL.md", given.encode("utf-8", "surrogatepass")),)
    candidate = skill.read_entries(entries, folder_name="review")
    return skill.lint(candidate), verify(candidate)


def _agent(data: bytes) -> object:
    entries = (archives.Entry("agent.yaml", data), archives.Entry("PROMPT.md", data))
    return verify(agent.read_entries(entries))


def _tool(data: bytes) -> object:
    attempt(lambda _: tool.manifest_of(text(data)), data)
    return verify(tool.read(data, "tool.py"))


def _packed(data: bytes) -> object:
    """Pack what is given and read it again: what the writer takes has to be readable."""
    head, _, rest = data.partition(b"\n")
    path, _, body = rest.partition(b"\n")
    written = ctxpkg.write(
        kind=Kind.SKILL,
        name=NAME,
        version=ONE,
        description=text(head),
        files=[
            File("SKILL.md", b"---\nname: review\ndescription: x\n---\n"),
            File(text(path), body),
        ],
        created_at=MOMENT,
        key=KEY,
        tool_version="0.1.0",
    )
    return _examined(written)


def _tar(data: bytes) -> object:
    found = contents.Contents(contents.Limits())
    ustar.read_tar(data, found)
    return found.entries()


def _zip(data: bytes) -> object:
    found = contents.Contents(contents.Limits())
    pkzip.read_zip(data, found)
    return found.entries()


def _zstd(data: bytes) -> object:
    try:
        return ctxpkg._decompressed(data)
    except (ValueError, zstandard.ZstdError):  # whose place its caller knows
        return None


def _gzip(data: bytes) -> object:
    return archives.strip_root(archives.read(data))


def _attestation(data: bytes) -> object:
    found = attestation.read(value(data), {"name": "@acme/review"})
    return found and (found.text("next"), found.envelope.signers)


def _dsse(data: bytes) -> object:
    envelope = dsse.read(value(data))
    return envelope.signers, envelope.unproven, dsse.read(envelope.as_json())


# The log


def _statement(data: bytes) -> object:
    statement = keys.Statement.from_payload(data)
    link = keys.Link(statement, 1, MOMENT)
    return attempt(lambda _: keys.fold(statement.namespace, [link], MOMENT), data)


def _chain(data: bytes) -> object:
    try:
        chain = KeyChain.model_validate(value(data))
    except ValidationError:
        raise Invalid("no chain") from None
    links = keyholder.links(chain)
    attempt(lambda _: keys.fold(chain.namespace, links, MOMENT), data)
    return continuity._Believed.of(None, chain, MOMENT)


def _note(data: bytes) -> object:
    note = notes.parse(data)
    assert notes.parse(str(note).encode()) == note
    return attempt(lambda _: checkpoints.read(data, LOG.verifier, [LOG.witness]), data)


def _handover(data: bytes) -> object:
    chain = handover.split(text(data))
    assert handover.join(chain) in {text(data), f"{text(data)}\n"}
    return handover.line(chain)


def _checkpoint(data: bytes) -> object:
    tree = checkpoints.Checkpoint.parse(data.decode("utf-8", "replace"))  # as in a note
    signed = notes.Note(tree.text, (LOG.sign(tree.text), LOG.cosign(tree.text, 1)))
    return checkpoints.read(str(signed).encode(), LOG.verifier)


def _proof(data: bytes) -> object:
    proof = proofs.Proof.parse(text(data))
    assert proofs.Proof.parse(proof.text) == proof
    return proof.check(b"leaf", LOG.verifier, [LOG.witness])


def _hashes(data: bytes) -> object:
    found = proofs.read_hashes(text(data).split("\n"))
    return [is_consistent(old, new, b"\1" * 32, b"\2" * 32, found) for old, new in ((1, 2), (3, 9))]


def _tile(data: bytes) -> object:
    attempt(lambda _: tiles.Tile.parse(text(data)), data)
    for level, width in ((0, 1), (0, 256), (tiles.ENTRIES, 1), (tiles.ENTRIES, 256)):
        tiles.is_whole(tiles.Tile(level, 0, width), data)
    count = data[0] if data else 0
    return tiles.bundle(tiles.unbundle(data[1:], count)) == data[1:]


def _leaf(data: bytes) -> object:
    shut, _, opening = data[: tiles.MOST_ENTRY].partition(b"\n")
    attempt(lambda _: leaves.Leaf(shut).says(), data)
    return leaves.Leaf(shut, opening, "ab" * 32).says()


def _submission(data: bytes) -> object:
    submission = witness.Submission.parse(text(data))
    origin = submission.origin
    return origin, witness.judge(submission, LOG.verifier, None)


# What this machine keeps, and what a project brings along


def _lock(data: bytes) -> object:
    found = lock.parse(data)
    assert lock.parse(found.text().encode()).packages == found.packages
    memory = logs.Memory.__new__(logs.Memory)
    memory.registry, memory.base = "x", "https://registry.example/api"
    return attempt(lambda _: logs.Demand.of(memory, None, found).seen(), data)


# What a registry answers


def _stream(data: bytes) -> object:
    whole = [*sse.Frames().feed(data)]
    frames = sse.Frames()
    parts = [frame for at in range(0, len(data), 7) for frame in frames.feed(data[at : at + 7])]
    assert parts == whole
    return [following._event(frame) for frame in whole]


def _answer(data: bytes) -> object:
    said = http._json(data)
    for status in (400, 404, 500):
        http._revived(status, said, "words", "")
    attempt(lambda _: remote._result(said), data)
    return [remote._tool(entry) for entry in remote._objects(said.get("tools"))]


def _outputs(data: bytes) -> object:
    """An answer as the output of each operation."""
    found = value(data)
    for operation in CATALOG.values():
        with contextlib.suppress(ValidationError):
            operation.output.model_validate(found)
    return None


def _model(data: bytes) -> object:
    return meaning._said(text(data))


# What callers ask


def _calls(data: bytes) -> object:
    given = members(data)
    for operation in CATALOG.values():
        for surface in ("remote", "local"):
            attempt(lambda _, o=operation, s=surface: o.read(given, s), data)
    return canonical.digest(given)


def _advisory(data: bytes) -> object:
    said = CATALOG["advise"].read(members(data), "remote")
    warned = advisories.Warned(
        said.summary,
        said.details,
        PackageName.parse(said.package) if said.package else None,
        said.introduced,
        said.fixed or None,
        tuple(said.sha256),
    )
    advisories._check(warned)
    made = advisories.Advisory(**advisories._said(warned), id="CTXMCP-2026-0001")
    return warned.affects(ONE), osv.document(made)


def _payment(data: bytes) -> object:
    """What comes by a webhook: its signature, and what is signed."""
    with contextlib.suppress(RegistryError):
        stripe.check(data, text(data), "whsec_test", datetime(2026, 1, 2, tzinfo=UTC))
    return stripe.read(data)


def _words(data: bytes) -> object:
    given = text(data)
    terms.text_terms(given)
    event_search._match(given, Detail("summary"))
    wanted = {"review": terms.beginning("review")}
    said = given.encode(errors="replace")
    return terms.name_terms(given), terms.first_places(said, terms.folded(said, wanted), wanted)


def _terminal(data: bytes) -> object:
    given = text(data)
    once = terminal.harmless(given)
    assert terminal.one_line(once) == " ".join(once.split())
    terminal.cut(once[:200], 40)
    return json.loads(terminal.json_text(json.dumps(given, ensure_ascii=False)))


def _range(given: str) -> object:
    return Range.parse(given).holds(ONE)


def _version(given: str) -> object:
    version = Version.parse(given)
    assert Version.parse(str(version)) == version
    return newest_first([version, ONE])


def _reference(given: str) -> object:
    reference = Reference.parse(given)
    assert Reference.parse(str(reference)) == reference
    return reference


def _name(given: str) -> object:
    name = PackageName.parse(given)
    assert PackageName.parse(str(name)) == name
    return name


class _Web:
    """The whole application, opened when it is first asked."""

    def __init__(self) -> None:
        self._opened: Any = None

    def __call__(self, data: bytes) -> object:
        if self._opened is None:
            from fuzz.web import Web

            self._opened = Web()
        status, body = self._opened(data)
        assert status < 500, (status, body[:500])
        return status

    def close(self) -> None:
        if self._opened is not None:
            self._opened.close()
            self._opened = None


WEB = _Web()

TARGETS: Mapping[str, Target] = MappingProxyType(
    {
        "strict_json": _strict_json,
        "yaml": _yaml,
        "ctxpkg": _examined,
        "packed": _packed,
        "skill": _skill,
        "agent": _agent,
        "tool": _tool,
        "tar": _tar,
        "zip": _zip,
        "gzip": _gzip,
        "zstd": _zstd,
        "dsse": _dsse,
        "attestation": _attestation,
        "statement": _statement,
        "key_chain": _chain,
        "note": _note,
        "note_keys": each(
            notes.Verifier.parse, notes.Signer.parse, notes.parse_signatures, notes.decode
        ),
        "handover": _handover,
        "checkpoint": _checkpoint,
        "proof": _proof,
        "hashes": _hashes,
        "tile": _tile,
        "leaf": _leaf,
        "submission": _submission,
        "lock": _lock,
        "policy": policy.parse,
        "admission": lambda data: admission.read(text(data)),
        "stream": _stream,
        "answer": _answer,
        "outputs": _outputs,
        "model": _model,
        "calls": _calls,
        "advisory": _advisory,
        "payment": _payment,
        "words": _words,
        "terminal": _terminal,
        "quarantine": lambda data: quarantine.summarize(text(data)[:50_000]),
        "names": each(
            _reference, _name, _version, _range, Kind.parse, parse_namespace, parse_selector, shown
        ),
        "addresses": each(parse_email, parse_domain),
        "hosts": each(access.read_name, access.read_origin),
        "signatures": each(
            lambda given: is_valid(given[:128], given.encode("utf-8", "replace"), given[-64:])
        ),
        "web": WEB,
    }
)
