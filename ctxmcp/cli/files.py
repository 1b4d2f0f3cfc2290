"""The commands on files and folders alone: `keygen`, `pack`, `remove` and `accept-key`.

No registry is asked.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ctxmcp import terminal
from ctxmcp.cli.invocation import Command, invocation
from ctxmcp.cli.printing import document, talk
from registry_core.errors import Conflict
from registry_core.names import parse_namespace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ctxmcp.cli.invocation import Invocation
    from ctxmcp.install import Removal
    from registry_core.signing import SigningKey


@click.command(cls=Command)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="File to keep it in.")
def keygen(output: Path | None) -> None:
    """Make a signing key, the key that follows it, and one to recover with."""
    from ctxmcp.keyfiles import Keyfiles  # noqa: PLC0415 - brings the formats

    what = invocation()
    files = Keyfiles(output or what.settings.key_file)
    made = files.generate()
    paths = {"current": files.current, "next": files.next, "recovery": files.recovery}
    told = {n: {"public_key": key.public_key, "path": str(paths[n])} for n, key in made.items()}
    document(what, told.pop("current") | told, lambda: _kept(told, files.current, made))
    talk(what, "Each file is a key: whoever has it signs as you. Now move the other two away,")
    talk(what, "the recovery key to no computer at all; what you pack commits to both.")


def _kept(
    told: Mapping[str, Mapping[str, str]], path: Path, made: Mapping[str, SigningKey]
) -> list[str]:
    return [
        f"public key {made['current'].public_key}",
        f"kept in {path}",
        f"the next key, for `ctxmcp rotate`, in {told['next']['path']}",
        f"the recovery key, for `ctxmcp recover`, in {told['recovery']['path']}",
    ]


@click.command(cls=Command, arguments=[("PATH", "A skill, agent or tool, or a .ctxpkg.")])
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--name", default="", help="@ns/name, where the source does not say it.")
@click.option("--version", default="", help="Where the source does not say it.")
@click.option("--private", is_flag=True, help="Only for the namespace.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="File to write.")
def pack(path: Path, name: str, version: str, *, private: bool, output: Path | None) -> None:
    """Pack and sign a skill, an agent or a tool into a .ctxpkg, without publishing it."""
    from ctxmcp import keyfiles  # noqa: PLC0415 - brings the formats
    from ctxmcp import pack as packing  # noqa: PLC0415 - as above
    from registry_core.formats import ctxpkg  # noqa: PLC0415 - as above

    what = invocation()
    settings = what.settings
    files = keyfiles.Keyfiles(settings.key_file)
    artifact = packing.pack(
        packing.read(path, packing.Label(name, version, private)),
        key=lambda: keyfiles.load(files.current),
        created_at=settings.source_date or datetime.now(UTC),  # noqa: TID251 - the user's clock
        pledge=files.commits(),
    )
    made = ctxpkg.read(artifact)
    file = output or Path(f"{made.name.removeprefix('@').replace('/', '-')}-{made.version}.ctxpkg")
    _write_new(file, artifact)
    found = {"ref": f"{made.name}@{made.version}", "path": str(file), "sha256": made.sha256}
    document(what, found, lambda: [str(file)])


def _write_new(file: Path, data: bytes) -> None:
    from ctxmcp import staging  # noqa: PLC0415 - knows the agent hosts, which takes a while

    if file.exists() and file.read_bytes() != data:
        raise Conflict(f"{file} exists and is another file", hint="Name another: -o FILE.")
    staging.write_file(file, data)


@click.command(cls=Command, arguments=[("REF...", "@ns/name of what is installed.")])
@click.argument("refs", metavar="REF...", nargs=-1, required=True)
def remove(refs: tuple[str, ...]) -> None:
    """Remove packages from the project, and those that only they needed."""
    from ctxmcp import install  # noqa: PLC0415 - knows the agent hosts, which takes a while
    from ctxmcp.staging import Places  # noqa: PLC0415 - as above

    what = invocation()
    project = what.project.absolute()
    site = install.Site(Places(project, what.settings.tools_dir), what.settings.home)
    gone = install.remove(site, refs)
    document(what, gone.model_dump(mode="json"), lambda: _removed(what, gone))


@click.command(
    "accept-key",
    cls=Command,
    arguments=[
        ("NAMESPACE", "Whose key it is, with or without the @."),
        ("KEY", "Its 64 hex characters, or `unsigned`."),
    ],
)
@click.argument("namespace")
@click.argument("key")
def accept_key(namespace: str, key: str) -> None:
    """Believe a key that does not follow from those this project has seen, on your own word."""
    from ctxmcp import continuity, staging  # noqa: PLC0415 - as above

    what = invocation()
    project = what.project.absolute()
    with staging.alone(project):
        pin = continuity.accept(project, parse_namespace(namespace.removeprefix("@")), key.lower())
    document(what, pin.model_dump(), lambda: [f"@{pin.name} may be signed by {key.lower()} here"])


def _removed(what: Invocation, gone: Removal) -> list[str]:
    rows = [(terminal.one_line(place.path), place.what) for place in gone.written]
    return [
        f"removed {', '.join(map(terminal.one_line, gone.removed)) or 'nothing'}",
        *terminal.aligned(rows, what.paper, indent="  "),
        *(f"note: {terminal.one_line(note)}" for note in gone.notes),
    ]
