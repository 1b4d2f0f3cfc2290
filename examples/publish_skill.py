"""Publish a folder with a SKILL.md: rehearse first, then for good.

    ctxmcp keygen                                                # once
    python examples/publish_skill.py ./tidy-imports @acme/tidy-imports 1.0.0

To publish to a server, set CTXPKG_REGISTRY, and CTXPKG_TOKEN to a token with the scope publish.
"""

import sys

from ctxmcp.client import SyncClient
from registry_core.errors import Conflict, RegistryError


def main(folder: str, name: str, version: str) -> None:
    """Publish it, unless this version is there already."""
    with SyncClient() as client:
        rehearsal = client.publish(path=folder, name=name, version=version, dry_run=True)
        for warning in rehearsal.warnings:
            print(f"warning: {warning}")
        try:
            done = client.publish(path=folder, name=name, version=version)
        except Conflict as error:
            sys.exit(f"{error.message}\n{error.hint}")
        print(f"published {done.published}, signed by {done.signer}, SHA-256 {done.sha256}")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:4])
    except RegistryError as error:
        sys.exit(f"{error.code}: {error}")
