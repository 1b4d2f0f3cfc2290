"""How the outputs of operations look to a person.

`lines` takes a model whose texts are harmless already. An operation without a page of its own
here is shown field by field.
"""

from __future__ import annotations

import json
import textwrap
from functools import singledispatch
from typing import TYPE_CHECKING, Any

import click

from ctxmcp.terminal import Paper, aligned, one_line
from registry_core.operation import Model
from registry_core.operations.advisories import AdvisoryEntry, AdvisoryList
from registry_core.operations.audit import Audited, Standing
from registry_core.operations.calls import CallList
from registry_core.operations.changing import (
    ChannelState,
    PriceState,
    StateNow,
    VisibilityState,
    YankState,
)
from registry_core.operations.download import Located
from registry_core.operations.inspect import Inspected
from registry_core.operations.install import Installation, Planned
from registry_core.operations.keys import KeyChain, KeyChains, KeyChange
from registry_core.operations.publish import PublishedRelease
from registry_core.operations.review import HeldRelease, Reviewed
from registry_core.operations.search import SearchResult
from registry_core.operations.team import Fact, KnowledgeFound, Remembered, Session, SessionList
from registry_core.operations.trust import Trusted
from registry_core.operations.verify import Checked, Verified
from registry_core.operations.versions import VersionEntry, VersionList
from registry_core.packages import Price, State

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_COLOURS = {"ok ": "green", "trusted": "green", "caution": "yellow"}


@singledispatch
def lines(output: Model, on: Paper) -> Sequence[str]:
    """Return the lines that show `output`."""
    rows = [(name, _words(value)) for name, value in output.model_dump(mode="json").items()]
    return aligned([row for row in rows if row[1]], on)


@lines.register(SearchResult)
def _search(output: SearchResult, on: Paper) -> Sequence[str]:
    if not output.hits:
        return ["nothing found"]
    marks = {"signed with warnings": "warned"}
    rows = [
        (hit.ref, hit.kind, marks.get(hit.trust, hit.trust), one_line(hit.what))
        for hit in output.hits
    ]
    shown = aligned(rows, on)
    left = output.total - len(output.hits)
    return [*shown, f"{left} more: --cursor {output.next}"] if output.next else shown


@lines.register(Inspected)
def _inspect(output: Inspected, on: Paper) -> Sequence[str]:
    if output.content.path:
        return output.content.text.splitlines()
    yanked = ", yanked" if output.yanked else ""
    return [
        f"{_bold(output.ref)}  {output.kind}, {output.trust}{yanked}",
        *textwrap.wrap(one_line(output.description), on.columns),
        "",
        *aligned(list(_facts(output)), on),
        "",
        _bold("files"),
        *aligned([(file.path, _size(file.size)) for file in output.files], on, indent="  "),
        *_readme(output),
    ]


def _facts(output: Inspected) -> Iterator[tuple[str, str]]:
    facts = {
        "against it": output.against,
        "withheld": output.withheld,
        "author": output.author,
        "license": output.license,
        "tags": ", ".join(output.tags),
        "published": f"{_moment(output.published_at)}, {output.visibility}",
        "latest": output.latest,
        "signer": output.signer or "nobody",
        "sha256": output.sha256,
        "contents": output.contents,
        "needs": ", ".join(_need(need.name, need.requirement) for need in output.dependencies),
        "asks for": "; ".join(f"{n}: {_words(v)}" for n, v in output.permissions.items() if v)
        or "nothing that it says",
        "seen in text": "; ".join(f"{n}: {_words(v)}" for n, v in output.seen.items()),
        "changed": "; ".join(f"{n}: {_words(v)}" for n, v in output.change.items()),
        "costs": f"about {output.cost.listed:,} tokens always, {output.cost.read:,} when all read",
    }
    yield from ((name, one_line(value)) for name, value in facts.items() if value)


def _withheld(state: State) -> str:
    return "" if state is State.RELEASED else f", {state.upper()}"


def _need(name: str, requirement: str) -> str:
    return f"{name} {requirement}".strip()


def _readme(output: Inspected) -> list[str]:
    content = output.content
    if not content.text:
        return []
    end = content.offset + len(content.text)
    more = f" ({end:,} of {content.total:,} characters: --offset {end})"
    return [
        "",
        _bold("readme") + (more if end < content.total else ""),
        *(f"  {line}".rstrip() for line in content.text.splitlines()),
    ]


@lines.register(Installation)
def _install(output: Installation, on: Paper) -> Sequence[str]:
    if output.installed:
        rows = [(place.path, place.what) for place in output.written]
        shown = [f"installed into {output.project}", *aligned(rows, on, indent="  ")]
        shown += [f"lock: {output.lock}"] if output.lock else []
    else:
        shown = ["would install", *aligned([_planned(it) for it in output.plan], on, indent="  ")]
    shown += [f"proven: {one_line(output.proven)}"] if output.proven else []
    return [*shown, *(f"note: {one_line(note)}" for note in output.notes)]


def _planned(it: Planned) -> tuple[str, str, str, str]:
    signer = f"signed by {it.signer[:16]}" if it.signer else "unsigned"
    why = "" if it.requested else ", needed by another"
    marks = f"{', yanked' if it.yanked else ''}{', HELD' if it.held else ''}"
    return it.ref, it.kind, _size(it.size), f"{signer}{why}{marks}"


@lines.register(Verified)
def _verify(output: Verified, on: Paper) -> Sequence[str]:
    if not output.checked:
        return ["nothing is installed"]
    return [
        *(line for checked in output.checked for line in _checked(checked)),
        *_not_checked(output.not_checked, on),
    ]


def _checked(checked: Checked) -> Iterator[str]:
    yield f"{_mark('ok ' if checked.ok else 'BAD')} {checked.what}"
    yield from (f"    {one_line(problem)}" for problem in checked.problems)


@lines.register(Audited)
def _audit(output: Audited, on: Paper) -> Sequence[str]:
    return [
        *(line for one in output.releases for line in _audited(one, on)),
        *(["nothing is installed"] if not output.releases else []),
        *(
            line
            for one in output.unlocked
            for line in _wrapped(f"not in the lock: {'; '.join([one.path, *one.advisories])}", on)
        ),
        *_not_checked(output.not_checked, on),
    ]


def _not_checked(what: Sequence[str], on: Paper) -> Iterator[str]:
    return (line for one in what for line in _wrapped(f"not checked: {one}", on))


def _audited(one: Standing, on: Paper) -> Iterator[str]:
    known = one.verdict if one.verdict in {"caution", "refuse"} else "ok "
    yield f"{_mark('BAD' if one.problems else 'refuse' if one.refused else known)} {one.ref}"
    old = f"deprecated: {one.deprecated}{f'; use {one.replacement}' if one.replacement else ''}"
    reasons = one.reasons if one.refused or one.verdict is None else []
    for what in (
        *one.problems,
        *reasons,
        *one.advisories,
        *([old] if one.deprecated else []),
        *([f"there is {one.newest}"] if one.newest else []),
    ):
        yield from (f"    {line}" for line in _wrapped(f"- {one_line(what)}", on))


@lines.register(Trusted)
def _trust(output: Trusted, on: Paper) -> Sequence[str]:
    outcomes: dict[str, list[str]] = {}
    for check, outcome in output.checks.items():
        outcomes.setdefault(outcome, []).append(check)
    return [
        f"{_mark(output.verdict)}  {_bold(output.ref)}",
        *(line for reason in output.reasons for line in _wrapped(f"- {one_line(reason)}", on)),
        *(
            line
            for outcome, checks in outcomes.items()
            for line in _wrapped(f"{outcome}: {', '.join(checks)}", on)
        ),
    ]


@lines.register(PublishedRelease)
def _publish(output: PublishedRelease, on: Paper) -> Sequence[str]:
    done = "would publish" if output.dry_run else "published"
    signer = f"signed by {output.signer[:16]}" if output.signer else "unsigned"
    return [
        f"{done} {_bold(output.published)}",
        f"  {output.kind}, {_size(output.size)}, {output.visibility}, {signer}",
        f"  sha256 {output.sha256}",
        *(f"  warning: {one_line(warning)}" for warning in output.warnings),
        *([_mark("HELD"), *_wrapped(output.next, on)] if output.held else []),
    ]


@lines.register(VersionList)
def _versions(output: VersionList, on: Paper) -> Sequence[str]:
    names: dict[str, list[str]] = {}
    for name, version in {"latest": output.latest, **output.channels}.items():
        names.setdefault(version, []).append(name)
    rows = [_version(entry, names.get(entry.version, [])) for entry in output.versions]
    return [f"{_bold(output.name)}  {output.kind}", *aligned(rows, on, indent="  ")]


def _version(entry: VersionEntry, names: list[str]) -> tuple[str, ...]:
    signer = f"signed by {entry.signer[:16]}" if entry.signer else "unsigned"
    yanked = [f"yanked: {one_line(entry.yank_reason or '')}"] if entry.yanked else []
    return (
        entry.version,
        _moment(entry.published_at),
        _size(entry.size),
        signer,
        f"{entry.downloads:,} downloads",
        ", ".join([*names, *yanked, *_standing(entry)]),
    )


def _standing(entry: VersionEntry) -> list[str]:
    if entry.state is State.RELEASED:
        return []
    return [f"{entry.state.upper()}: {one_line(entry.state_reason)}"]


@lines.register(Reviewed)
def _review(output: Reviewed, on: Paper) -> Sequence[str]:
    if output.state is not None:
        return [f"{output.ref} is {output.state}: {one_line(output.reason)}"]
    if not output.held:
        return ["nothing is held"]
    shown = [line for release in output.held for line in _waiting(release, on)]
    return [*shown, f"more: --cursor {output.next}"] if output.next else shown


def _waiting(release: HeldRelease, on: Paper) -> Iterator[str]:
    signer = f"signed by {release.signer[:16]}" if release.signer else "unsigned"
    by = f"{_moment(release.published_at)} by {release.published_by}"
    yield f"{_bold(release.ref)}  {release.kind}, {signer}, {by}"
    for why in release.why:
        place = f" ({one_line(why.place)})" if why.place else ""
        yield from _wrapped(f"- {why.rule}: {one_line(why.message)}{place}", on)


@lines.register(StateNow)
def _state_now(output: StateNow, on: Paper) -> Sequence[str]:
    return [f"{output.ref} is {output.state}: {one_line(output.reason)}"]


@lines.register(AdvisoryList)
def _advisories(output: AdvisoryList, on: Paper) -> Sequence[str]:
    if not output.advisories:
        return ["there are no advisories"]
    shown = [line for one in output.advisories for line in _advisory(one, on)]
    return [*shown, f"more: --cursor {output.next}"] if output.next else shown


@lines.register(AdvisoryEntry)
def _advisory(output: AdvisoryEntry, on: Paper) -> Sequence[str]:
    withdrawn = "  withdrawn" if output.withdrawn else ""
    versions = f" from {output.introduced}" + (f" to before {output.fixed}" * bool(output.fixed))
    about = f"{output.package}{versions}" if output.package else "wherever the bytes turn up"
    return [
        f"{_bold(output.id)}  {about}{withdrawn}",
        *_wrapped(one_line(output.summary), on),
        *(f"  sha256 {digest}" for digest in output.sha256),
        *(f"  found on {ref}" for ref in output.affected),
    ]


@lines.register(CallList)
def _calls(output: CallList, on: Paper) -> Sequence[str]:
    rows = [
        (_moment(one.at), one.token or "-", one.caller, one.operation, one.outcome, str(one.id))
        for one in output.calls
    ]
    more = [f"older: --before {output.next}"] * bool(output.next)
    return [*aligned(rows, on), *more] if rows else ["nobody has called anything"]


@lines.register(Located)
def _download(output: Located, on: Paper) -> Sequence[str]:
    yanked = (", yanked" if output.yanked else "") + _withheld(output.state)
    return [
        f"{_bold(output.ref)}  {_size(output.size)}{yanked}",
        f"  sha256 {output.sha256}",
        f"  wrote {output.written}" if output.written else f"  {output.url}",
    ]


@lines.register(YankState)
def _yank(output: YankState, on: Paper) -> Sequence[str]:
    if not output.yanked:
        return [f"{output.ref} resolves again"]
    return [f"{output.ref} is yanked: {one_line(output.reason or '')}"]


@lines.register(KeyChains)
def _keys(output: KeyChains, on: Paper) -> Sequence[str]:
    return [line for chain in output.chains for line in _chain(chain, on)]


def _chain(chain: KeyChain, on: Paper) -> Iterator[str]:
    said = [f"next key {'committed' if chain.next else 'not committed'}"]
    said.append(f"recovery key {'committed' if chain.recovery else 'not committed'}")
    yield (
        f"{_bold(f'@{chain.namespace}')}  {', '.join(said)}"
        if chain.keys
        else (f"{_bold(f'@{chain.namespace}')}  nothing was signed yet")
    )
    rows = [
        (
            key.key,
            key.standing
            + ("" if key.revoked_since is None else f" since position {key.revoked_since}"),
            f"{key.came_by} {_moment(key.since)}",
        )
        for key in chain.keys
    ]
    yield from aligned(rows, on, indent="  ")
    for moment in chain.broken:
        yield f"  continuity broken {_moment(moment)}: the registry's owner replaced the keys"


@lines.register(KeyChange)
def _key_change(output: KeyChange, on: Paper) -> Sequence[str]:
    done = {
        "rotate": "signs with a new key",
        "add": "signs with one key more",
        "revoke": "has revoked a key",
        "recover": "gets a new key in place of all others",
    }
    return [
        f"{_bold(f'@{output.namespace}')} {done[output.action]}: {output.key}",
        f"  from {_moment(output.counts_from)} on, position {output.position} of the event log",
        f"  keys in use: {', '.join(output.in_use) or 'none'}",
        *(f"  {one_line(note)}" for note in output.notes),
    ]


@lines.register(VisibilityState)
def _visibility(output: VisibilityState, on: Paper) -> Sequence[str]:
    return [f"{output.name} is {output.visibility}"]


@lines.register(PriceState)
def _price(output: PriceState, on: Paper) -> Sequence[str]:
    price = Price(output.amount_cents, output.currency)
    return [f"{output.name} {f'costs {price}' if output.amount_cents else 'is free'}"]


@lines.register(ChannelState)
def _channel(output: ChannelState, on: Paper) -> Sequence[str]:
    return [f"{output.name}@{output.channel} is {output.version}"]


@lines.register(Session)
def _session(output: Session, on: Paper) -> Sequence[str]:
    place = f"{output.workspace}:{output.channel}"
    if not output.version:
        return [f"{_bold(place)}  nobody has changed it"]
    changed = f"version {output.version}, {_moment(output.updated_at)} by {output.updated_by}"
    state = json.dumps(output.state, ensure_ascii=False, indent=2).splitlines()
    return [f"{_bold(place)}  {changed}", *state, *output.notes]


@lines.register(SessionList)
def _sessions(output: SessionList, on: Paper) -> Sequence[str]:
    if not output.sessions:
        return [f"no session in {output.workspace}"]
    rows = [
        (entry.channel, f"version {entry.version}", _moment(entry.updated_at), entry.updated_by)
        for entry in output.sessions
    ]
    shown = aligned(rows, on)
    return [*shown, f"more: --cursor {output.next}"] if output.next else shown


@lines.register(Remembered)
def _remembered(output: Remembered, on: Paper) -> Sequence[str]:
    rows = [(output.outcome, *_fact(output.fact))]
    rows += [("instead of", *_fact(output.superseded))] if output.superseded else []
    return [*aligned(rows, on), *(one_line(note) for note in output.notes)]


@lines.register(KnowledgeFound)
def _knowledge(output: KnowledgeFound, on: Paper) -> Sequence[str]:
    shown = aligned([_fact(fact) for fact in output.facts], on) or ["nothing found"]
    return [*shown, *output.notes]


def _fact(fact: Fact) -> tuple[str, ...]:
    said = f"{_moment(fact.remembered_at)} by {fact.remembered_by}"
    doubt = f", {fact.note}" if fact.note else ""
    return f"{fact.category}/{fact.key}", one_line(fact.value), f"{said}{doubt}"


def _bold(text: str) -> str:
    return click.style(text, bold=True)


def _mark(word: str) -> str:
    return click.style(word, fg=_COLOURS.get(word, "red"), bold=True)


def _wrapped(text: str, on: Paper) -> list[str]:
    return textwrap.wrap(
        text,
        on.columns,
        initial_indent="  ",
        subsequent_indent="    ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _size(count: int) -> str:
    return f"{count:,} B" if count < 10_000 else f"{count / 1000:,.0f} kB"


def _moment(iso: str) -> str:
    return iso[:16].replace("T", " ")


def _words(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(_words, value))
    if isinstance(value, dict):
        return ", ".join(f"{name} {_words(part)}" for name, part in value.items())
    return "" if value is None else one_line(str(value))
