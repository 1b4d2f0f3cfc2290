"""The commands `token create`, `token list` and `token revoke`.

They work on the embedded registry, on the machine that holds it: whoever holds the data folder
may let others in, and nobody over the network may.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from ctxmcp import terminal
from ctxmcp.cli.invocation import Group, Invocation, invocation
from ctxmcp.cli.printing import document, talk
from registry_core.callers import OWNER, ROLES, Scope
from registry_core.errors import Invalid
from registry_core.names import parse_namespace, shown

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from datetime import datetime

    from registry_core.registry import Registry
    from registry_core.tokens import Token, Tokens


@click.group(cls=Group)
def token() -> None:
    """Let others publish to your registry, or install its private packages."""


@token.command()
@click.option("--namespace", help="A package token: for this namespace, with or without the @.")
@click.option("--account", help="A user's token: of this account, which is made if it is missing.")
@click.option(
    "--scope",
    help="publish, push or read of packages; else those of the team server, with commas.",
)
@click.option("--role", type=click.Choice(list(ROLES)), help="Adds the scopes of a role.")
@click.option("--workspace", "workspaces", multiple=True, help="Only there; several are allowed.")
@click.option("--name", "label", required=True, help="What you will recognise it by.")
def create(
    namespace: str | None,
    account: str | None,
    scope: str | None,
    role: str | None,
    workspaces: tuple[str, ...],
    label: str,
) -> None:
    """Make a token; it is shown this once and kept as a digest only."""
    from registry_core.tokens import Grant  # noqa: PLC0415 - brings SQLAlchemy

    what = invocation()
    grant = Grant(
        label=label,
        scopes=_scopes(scope, team=not (namespace or account)),
        namespace=parse_namespace(namespace.removeprefix("@")) if namespace else None,
        role=role or "",
        workspaces=frozenset(workspaces) or None,
    )

    async def mint(registry: Registry) -> tuple[str, Token]:
        owned = replace(grant, account=await _account(registry, account), brand="sk")
        return await registry.tokens.mint(owned if account else grant, OWNER)

    text, made = _with_registry(what, mint)
    document(what, {"token": text, **_shown(made)}, lambda: [text])
    talk(what, f"token {made.id} opens {_opens(made)}; keep it, it is shown once")


async def _account(registry: Registry, handle: str | None) -> str | None:
    """Return the id of an account, made for whoever the owner of the registry says it is."""
    from registry_core.accounts import Identity  # noqa: PLC0415 - brings SQLAlchemy

    if handle is None:
        return None
    name = parse_namespace(handle.removeprefix("@"))
    there = await registry.accounts.of_handles([name])
    found = there.get(name) or await registry.accounts.known(Identity("local", name, name))
    return found.id


def _scopes(text: str | None, *, team: bool) -> frozenset[Scope]:
    """Read --scope; for the team server `read` and `write` stand for groups of its scopes."""
    if text is None:
        return frozenset() if team else frozenset({Scope.PUBLISH})
    groups = _TEAM_WORDS if team else {}
    return frozenset().union(*(groups.get(word) or {_scope(word)} for word in text.split(",")))


def _scope(word: str) -> Scope:
    try:
        return Scope(word.strip())
    except ValueError:
        raise Invalid(
            f"unknown scope {shown(word)}", hint=f"Scopes are {', '.join(Scope)}, and write."
        ) from None


_TEAM_WORDS = {
    "read": ROLES["viewer"],
    "write": ROLES["member"] - ROLES["viewer"],
}


@token.command("list")
@click.option("--namespace", help="Only of this one.")
def list_(namespace: str | None) -> None:
    """List tokens, without what they open doors with."""
    what = invocation()
    owned = parse_namespace(namespace.removeprefix("@")) if namespace else None
    found = _with_tokens(what, lambda it: it.list(owned))
    document(what, {"tokens": [_shown(one) for one in found]}, lambda: _table(what, found))


@token.command()
@click.argument("id_", metavar="ID")
def revoke(id_: str) -> None:
    """Let a token open nothing from now on."""
    what = invocation()
    gone = _with_tokens(what, lambda it: it.revoke(id_, OWNER))
    document(what, _shown(gone), lambda: [f"token {gone.id} opens nothing any more"])


def _with_tokens(what: Invocation, work: Callable[[Tokens], Awaitable[Any]]) -> Any:
    return _with_registry(what, lambda registry: work(registry.tokens))


def _with_registry(what: Invocation, work: Callable[[Registry], Awaitable[Any]]) -> Any:
    async def opened() -> Any:
        from ctxmcp.wiring import open_registry  # noqa: PLC0415 - brings SQLAlchemy

        async with open_registry(what.embedded) as registry:
            return await work(registry)

    return asyncio.run(opened())


def _table(what: Invocation, found: Sequence[Token]) -> list[str]:
    if not found:
        return ["there are no tokens"]
    rows = [(one.id, _opens(one), _state(one), terminal.one_line(one.label)) for one in found]
    return terminal.aligned(rows, what.paper)


def _opens(one: Token) -> str:
    where = f" in @{one.namespace}" if one.namespace else ""
    return ",".join(sorted(one.scopes)) + where


def _state(one: Token) -> str:
    return f"revoked {one.revoked_at:%Y-%m-%d}" if one.revoked_at else f"{one.created_at:%Y-%m-%d}"


def _shown(one: Token) -> dict[str, Any]:
    return {
        "id": one.id,
        "namespace": one.namespace,
        "scopes": sorted(one.scopes),
        "role": one.role,
        "workspaces": None if one.workspaces is None else sorted(one.workspaces),
        "name": one.label,
        "created_at": _iso(one.created_at),
        "revoked_at": _iso(one.revoked_at),
    }


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
