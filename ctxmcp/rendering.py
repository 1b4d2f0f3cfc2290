r"""What operations return, rendered for a model: the text and the structured half of an answer.

Each half stands alone, because hosts show a model one or the other. Text that the author of a
package wrote is data, and is marked as such in both. The marks carry a word that is drawn anew for
every answer, so that nothing a package says can close them:

    <package-data ref="@acme/pdf@1.2.0" id=5f0c9a2e>
    ...
    </package-data id=5f0c9a2e>

Inside, what looks like such a mark begins with `&lt;`, and characters that nobody sees are written
out as `\u{200b}`.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import singledispatch
from typing import TYPE_CHECKING, Any

from registry_core.operation import Model
from registry_core.operations.inspect import Inspected, Needs
from registry_core.operations.install import Installation, Planned
from registry_core.operations.review import Reviewed
from registry_core.operations.search import Found, SearchResult
from registry_core.operations.trust import Trusted
from registry_core.operations.verify import Verified
from registry_core.operations.versions import VersionEntry, VersionList
from registry_core.packages import State

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from registry_core.errors import RegistryError

MOST_REFUSAL = 2000
"""Characters of an error, at most."""

_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\ud800-\udfff\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
_LIKE_A_MARK = re.compile(
    r"[<\uff1c\ufe64\u2039\u2329\u27e8\u3008\u300a](?=[\W_]{0,8}package[\W_]{0,4}data)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Marks:
    """The marks around package text in one answer."""

    word: str

    @classmethod
    def fresh(cls) -> Marks:
        """Draw a word that no package can know."""
        return cls(secrets.token_hex(4))

    def block(self, text: str, ref: str = "") -> str:
        """Mark text of one or more lines."""
        label = f' ref="{ref}"' if ref else ""
        data = _data(text).removesuffix("\n")
        return f"<package-data{label} id={self.word}>\n{data}\n</package-data id={self.word}>"

    def inline(self, text: str) -> str:
        """Mark a text that stands on a line."""
        return f"<package-data id={self.word}>{_data(text)}</package-data id={self.word}>"


def _data(text: str) -> str:
    return _LIKE_A_MARK.sub("&lt;", visible(text))


def visible(text: str) -> str:
    """Write out the characters that nobody sees but a model reads or a terminal obeys."""
    return _UNSEEN.sub(_written_out, text.replace("\r\n", "\n"))


def line(text: str) -> str:
    """Return `text` visible and on one line."""
    return " ".join(visible(text).split())


def _written_out(found: re.Match[str]) -> str:
    return f"\\u{{{ord(found[0]):x}}}"


def refusal(error: RegistryError) -> str:
    """Say what is wrong, and what to do next."""
    wrong = line(error.message)[:MOST_REFUSAL].rstrip(".")
    return f"{wrong}. {line(error.hint)}".rstrip()


def structured(output: Model, marks: Marks) -> dict[str, Any]:
    """Return the structured half: plain values, without empty ones that go without saying."""
    return _structured(output, output.model_dump(mode="json"), marks, getattr(output, "ref", ""))


def _structured(model: Model, dumped: dict[str, Any], marks: Marks, ref: str) -> dict[str, Any]:
    shown = {}
    for name, field in type(model).model_fields.items():
        value = dumped[name]
        if not field.is_required() and value in ("", [], {}, None):
            continue
        if _is_package_text(field):
            shown[name] = _marked(value, marks, ref)
        else:
            shown[name] = _nested(getattr(model, name), value, marks, ref)
    return shown


def _nested(value: Any, dumped: Any, marks: Marks, ref: str) -> Any:
    if isinstance(value, Model):
        return _structured(value, dumped, marks, ref)
    if isinstance(value, list):
        return [_nested(*pair, marks, ref) for pair in zip(value, dumped, strict=True)]
    return dumped


def _is_package_text(field: FieldInfo) -> bool:
    extra = field.json_schema_extra
    return isinstance(extra, dict) and "x-package-text" in extra


def _marked(value: Any, marks: Marks, ref: str) -> Any:
    if isinstance(value, list):
        return [_marked(part, marks, ref) for part in value]
    if isinstance(value, dict):
        return {line(key): _marked(part, marks, ref) for key, part in value.items()}
    if not value or not isinstance(value, str):
        return value
    return marks.block(value, ref) if "\n" in value else marks.inline(value)


def text(output: Model, marks: Marks) -> str:
    """Return the text half: compact lines with the same facts."""
    return "\n".join(_lines(output, marks))


@singledispatch
def _lines(output: Model, marks: Marks) -> Iterator[str]:
    for name, value in structured(output, marks).items():
        yield f"{name}: {value if isinstance(value, str) else _json(value)}"


@_lines.register
def _(output: SearchResult, marks: Marks) -> Iterator[str]:
    more = f"; next page: cursor={output.next}" if output.next else ""
    yield f"{len(output.hits)} of {output.total} packages, best first{more}"
    if output.hits:
        yield marks.block("\n".join(map(_hit, output.hits)))


def _hit(hit: Found) -> str:
    why = f"; matched {', '.join(hit.why)}" if hit.why else ""
    snippet = f" | {line(hit.snippet)}" if hit.snippet else ""
    return f"{hit.ref} ({hit.kind}, {hit.trust}{why}) {line(hit.what)}{snippet}"


@_lines.register
def _(output: Inspected, marks: Marks) -> Iterator[str]:
    yanked = ", YANKED" if output.yanked else ""
    yield (
        f"{output.ref}: {output.kind}, {output.visibility}, {output.trust}{yanked},"
        f" published {output.published_at}, latest {output.latest or 'none'}"
    )
    contents = f", contents {output.contents}" if output.contents else ""
    yield f"signer {output.signer or 'none'}, sha256 {output.sha256}{contents}, {output.size} bytes"
    yield f"tokens: {output.cost.listed} when listed, {output.cost.read} when all is read"
    if output.against:
        yield f"AGAINST IT: {marks.inline(line(output.against))}"
    if output.withheld:
        yield f"NOT RELEASED: {line(output.withheld)}"
    if output.dependencies:
        yield f"needs {_joined(map(_need, output.dependencies))}"
    yield marks.block("\n".join(_said(output)), output.ref)
    yield from _content(output, marks)


def _need(needs: Needs) -> str:
    return f"{needs.name} {line(needs.requirement)}" + (" (optional)" if needs.optional else "")


def _said(output: Inspected) -> Iterator[str]:
    """List what the author says of the package."""
    yield f"description: {line(output.description)}"
    yield f"author: {line(output.author)}; license: {line(output.license)}"
    if output.tags:
        yield f"tags: {_joined(map(line, output.tags))}"
    yield f"permissions: {_json(output.permissions) if output.permissions else 'nothing said'}"
    if output.seen:
        yield f"seen in text: {line(_json(output.seen))}"
    if output.change:
        yield f"change: {line(_json(output.change))}"
    yield f"files: {len(output.files)}"
    for file in output.files:
        executable = ", executable" if file.executable else ""
        yield f"  {line(file.path)} ({file.size} bytes, sha256 {file.sha256}{executable})"


def _content(output: Inspected, marks: Marks) -> Iterator[str]:
    content = output.content
    if not content.text:
        yield f"no {'text there' if content.path or content.offset else 'readme'}"
        return
    end = content.offset + len(content.text)
    more = f"; read on with offset={end}" if end < content.total else ""
    what = "file" if content.path else "readme"
    yield f"{what}, characters {content.offset}-{end} of {content.total}{more}:"
    yield marks.block(content.text, output.ref)


@_lines.register
def _(output: Installation, marks: Marks) -> Iterator[str]:
    if output.installed:
        yield f"installed into {output.project}" + (f", lock {output.lock}" if output.lock else "")
    else:
        yield "a plan only: nothing was written"
    for planned in output.plan:
        yield _planned(planned)
    for written in output.written:
        yield f"{written.what}: {line(written.path)}"
    if output.proven:
        yield f"proven: {line(output.proven)}"
    for note in output.notes:
        yield f"note: {line(note)}"


def _planned(planned: Planned) -> str:
    marks = ["" if planned.requested else "dependency"]
    marks += ["YANKED"] * planned.yanked + ["HELD"] * planned.held
    return (
        f"{planned.ref}: {_joined(filter(None, [planned.kind, *marks]))}; {planned.size} bytes,"
        f" {planned.media_type}, sha256 {planned.sha256}, signer {planned.signer or 'none'},"
        f" from {planned.url}; needs {_joined(planned.dependencies) or 'nothing'}"
    )


@_lines.register
def _(output: Verified, marks: Marks) -> Iterator[str]:
    wrong = sum(not checked.ok for checked in output.checked)
    yield f"{'ok' if output.ok else 'NOT OK'}: {len(output.checked)} checked, {wrong} wrong"
    for checked in output.checked:
        digest = f" (sha256 {checked.sha256})" if checked.sha256 else ""
        yield f"{'ok' if checked.ok else 'WRONG'}: {line(checked.what)}{digest}"
        for problem in checked.problems:
            yield f"  {line(problem)}"
    yield from (f"not checked: {line(what)}" for what in output.not_checked)


@_lines.register
def _(output: Trusted, marks: Marks) -> Iterator[str]:
    yield f"{output.ref}: {output.verdict}"
    for reason in output.reasons:
        yield f"- {line(reason)}"
    if output.checks:
        yield f"checks: {_joined(f'{check} {outcome}' for check, outcome in output.checks.items())}"
    yield f"signer {output.signer or 'none'} ({output.continuity}), sha256 {output.sha256}"
    if output.report is not None:
        yield f"report: {visible(_json(output.report))}"


@_lines.register
def _(output: VersionList, marks: Marks) -> Iterator[str]:
    channels = [f"{name} is {version}" for name, version in output.channels.items()]
    known = _joined([f"latest {output.latest or 'none'}", *channels])
    yield f"{output.name}: {output.kind}, {len(output.versions)} versions, {known}"
    for entry in output.versions:
        yield _version(entry, marks)


def _version(entry: VersionEntry, marks: Marks) -> str:
    yanked = f"; YANKED {marks.inline(line(entry.yank_reason or ''))}" if entry.yanked else ""
    if entry.state is not State.RELEASED:
        yanked += f"; {entry.state.upper()} {line(entry.state_reason)}"
    return (
        f"{entry.version}: {entry.published_at}, {entry.size} bytes, sha256 {entry.sha256},"
        f" signer {entry.signer or 'none'}, {entry.downloads} downloads{yanked}"
    )


@_lines.register
def _(output: Reviewed, marks: Marks) -> Iterator[str]:
    if output.state is not None:
        yield f"{output.ref} is {output.state}: {line(output.reason)}"
        return
    yield f"{len(output.held)} held" + (f"; next page: cursor={output.next}" if output.next else "")
    for release in output.held:
        yield (
            f"{release.ref}: {release.kind}, published {release.published_at} by"
            f" {release.published_by}, signer {release.signer or 'none'}, sha256 {release.sha256}"
        )
        for why in release.why:
            place = f" in {marks.inline(line(why.place))}" if why.place else ""
            yield f"- {why.rule}: {line(why.message)}{place}"


def _joined(parts: Iterable[str]) -> str:
    return ", ".join(parts)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
