"""Printing answers and errors: data to standard output, talk to standard error.

With `--json` standard output holds exactly one JSON document, whatever happens: the answer, or
`{"error": .., "code": .., "hint": ..}`. The error is told on standard error as well, so that a
person behind a pipe sees it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeVar

from ctxmcp import terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from ctxmcp.cli.invocation import Invocation
    from registry_core.operation import Model

M = TypeVar("M", bound="Model")


def answer(what: Invocation, output: Model) -> None:
    """Print the output of an operation."""
    from ctxmcp.cli.rendering import lines  # noqa: PLC0415 - renders models, which are heavy

    def written() -> Sequence[str]:
        return lines(_harmless(output), what.paper)

    document(what, output.model_dump(mode="json"), written)


def document(what: Invocation, value: Any, written: Callable[[], Sequence[str]]) -> None:
    """Print `value` as JSON, or what is written of it for people."""
    if what.json:
        put_json(value)
        return
    found = written()
    if found:
        terminal.put("\n".join(found))


def put_json(value: Any) -> None:
    """Print one JSON document."""
    terminal.put(terminal.json_text(json.dumps(value, ensure_ascii=False, indent=2)))


def talk(what: Invocation, text: str) -> None:
    """Say something that nobody has to read."""
    if not what.quiet:
        terminal.say(text)


def working(what: Invocation) -> AbstractContextManager[terminal.Bar]:
    """Show how far the work is, where somebody looks."""
    return terminal.progress(quiet=what.quiet or what.json)


def tell(message: str, *, code: str, hint: str = "", as_json: bool = False) -> None:
    """Print an error."""
    message, hint = terminal.one_line(message), terminal.one_line(hint)
    if as_json:
        put_json({"error": message, "code": code, "hint": hint})
    terminal.say(f"error: {message}")
    if hint:
        terminal.say(f"hint: {hint}")


def _harmless(output: M) -> M:
    """Clean every text in a model: most of them are a publisher's."""
    return type(output).model_validate(_clean(output.model_dump(mode="json")))


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return terminal.harmless(value)
    if isinstance(value, list):
        return [_clean(part) for part in value]
    if isinstance(value, dict):
        return {terminal.one_line(key): _clean(part) for key, part in value.items()}
    return value
