"""The commands `witness` and `monitor`, somebody else's look at a log, and `rotate-log-key`."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ctxmcp import terminal
from ctxmcp.cli.endings import Ending
from ctxmcp.cli.invocation import Command, Invocation, invocation
from ctxmcp.cli.printing import document
from registry_core.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from pathlib import Path

    from ctxmcp.monitoring import Monitored
    from ctxmcp.remote_log import RemoteLog
    from ctxmcp.witnessing import Witnessed
    from registry_core.transparency.notes import Signer

T = TypeVar("T")

_LOG_KEY = click.option(
    "--log-key",
    multiple=True,
    metavar="KEY",
    help="The log's key, if you know it; default: as the first time.",
)


@click.command(cls=Command)
@click.option("--name", default="", help="Your name as a witness, to make a key with.")
@_LOG_KEY
@click.option("--ask", metavar="URL", help="Ask this witness for your own registry's log instead.")
@click.option(
    "--listen",
    type=click.IntRange(1, 65535),
    metavar="PORT",
    help="Let logs come to you: serve C2SP tlog-witness for the --log-key on 127.0.0.1.",
)
def witness(name: str, log_key: tuple[str, ...], ask: str | None, listen: int | None) -> None:
    """Cosign the log of --registry, if it has only grown since the last time.

    Run it every hour or so. Whoever runs the registry has to know your key.
    """
    what = invocation()
    if ask:
        count = asyncio.run(_ask(what, ask))
        document(what, {"accepted": count}, lambda: [f"cosigned by {count} of the witnesses"])
        return
    from ctxmcp import note_keys, witnessing  # noqa: PLC0415 - brings the HTTP client

    if not name and not what.settings.witness_key_file.exists():
        raise Invalid("a witness needs a name", hint="Such as: --name witness.example/me")
    signer = note_keys.load(what.settings.witness_key_file, name)
    state = what.settings.state
    if listen:
        asyncio.run(_listen(listen, log_key, signer, state))
        return
    seen = _with_log(
        what,
        lambda log: witnessing.witness(
            log, signer, state, key="".join(log_key[:1]), seconds=_now()
        ),
    )
    document(what, seen.model_dump(mode="json"), lambda: _witnessed(seen))


async def _ask(what: Invocation, url: str) -> int:
    from ctxmcp import witnessing  # noqa: PLC0415 - as above
    from ctxmcp.http import Http  # noqa: PLC0415
    from ctxmcp.wiring import open_registry  # noqa: PLC0415

    async with open_registry(what.embedded) as registry, Http(f"{url.rstrip('/')}/", "") as http:
        return await witnessing.ask(registry.transparency, http)


async def _listen(port: int, keys: tuple[str, ...], signer: Signer, state: Path) -> None:
    from ctxmcp import serving, witness_server  # noqa: PLC0415 - brings the HTTP server
    from registry_core.transparency.notes import Verifier  # noqa: PLC0415 - as above

    logs = {log.name: log for log in map(Verifier.parse, keys)}
    if not logs:
        raise Invalid("a witness knows the logs it cosigns", hint="Name them: --log-key KEY")
    app = witness_server.create_app(logs, signer, state, _now)
    async with serving.running(app, "127.0.0.1", port) as url:
        terminal.say(f"{signer.witness.text} listens at {url}")
        await serving.told_to_stop()


def _now() -> int:
    return int(time.time())  # noqa: TID251 - the user's clock


@click.command(cls=Command)
@click.option("--namespace", "namespaces", multiple=True, help="One of yours; several are allowed.")
@click.option("--key", "keys", multiple=True, help="A key that signs there; several are allowed.")
@_LOG_KEY
def monitor(namespaces: tuple[str, ...], keys: tuple[str, ...], log_key: tuple[str, ...]) -> int:
    """Read what is new in the log of --registry, and end with 1 where something is alarming.

    Alarming are: anything in your namespaces, a name and version that was published twice, a
    release that none of the namespace's keys in use has signed, a change of keys that does not
    follow the one before it, and another key of the log itself.
    """
    from ctxmcp.monitoring import Watch, monitor  # noqa: PLC0415 - brings the HTTP client

    what = invocation()
    watch = Watch(frozenset(name.removeprefix("@") for name in namespaces), frozenset(keys))
    found = _with_log(
        what, lambda log: monitor(log, watch, what.settings.state, key="".join(log_key[:1]))
    )
    document(what, found.model_dump(mode="json"), lambda: _monitored(what, found))
    return Ending.FAILED if found.alarms else Ending.OK


@click.command("rotate-log-key", cls=Command)
def rotate_log_key() -> None:
    """Let the key of your registry's log hand over to a new one, which everybody follows.

    Every process of the registry needs the new file, and a new start. Keep the old one offline.
    """
    from ctxmcp import note_keys  # noqa: PLC0415 - `--help` needs no keys

    what = invocation()
    key, kept = note_keys.rotate(what.embedded)
    told = {"key": key.text, "file": str(what.embedded.log_key_file), "old": str(kept)}
    document(what, told, lambda: _rotated(told))


def _rotated(told: Mapping[str, str]) -> list[str]:
    return [
        f"the log's key is {told['key']}, in {told['file']}",
        f"the one before is in {told['old']}: move it to where nobody reads it",
        "start every process of this registry again, with the new file",
    ]


def _with_log(what: Invocation, work: Callable[[RemoteLog], Awaitable[T]]) -> T:
    from ctxmcp.remote_log import RemoteLog  # noqa: PLC0415 - brings the HTTP client

    if not what.settings.registry:
        raise Invalid(
            "whose log? One looks at a registry from another machine",
            hint="Name it: --registry https://packages.example",
        )

    async def opened() -> T:
        async with RemoteLog(what.settings.registry) as log:
            return await work(log)

    return asyncio.run(opened())


def _witnessed(seen: Witnessed) -> list[str]:
    grown = f"grown from {seen.seen} to" if seen.size > seen.seen else "still of"
    return [
        f"cosigned {terminal.one_line(seen.registry)}: {grown} {seen.size} leaves",
        f"your key: {seen.witness}",
    ]


def _monitored(what: Invocation, found: Monitored) -> list[str]:
    private = f", {found.sealed} of them about private packages" if found.sealed else ""
    rows: list[Any] = [
        (one.alarm, str(one.position), *map(terminal.one_line, (one.event, one.about, one.detail)))
        for one in found.alarms
    ]
    return [
        f"{terminal.one_line(found.registry)}: {found.size - found.seen} new leaves{private}",
        *terminal.aligned(rows, what.paper, indent="  "),
    ]
