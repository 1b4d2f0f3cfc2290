"""Install a package only where it passes rules of your own.

    python examples/review_before_install.py @acme/tidy-imports SIGNER...

SIGNER is the public key of somebody you trust; without one, any signer will do.
"""

import sys
from collections.abc import Iterator
from typing import Any

from ctxmcp.client import SyncClient
from registry_core.errors import Untrusted


def objections(client: SyncClient, ref: str, signers: set[str]) -> Iterator[str]:
    """Say what speaks against a release."""
    verdict, package = client.trust(ref=ref), client.inspect(ref=ref)
    if verdict.verdict != "trusted":
        yield f"the verdict is {verdict.verdict}: {'; '.join(verdict.reasons)}"
    if signers and verdict.signer not in signers:
        yield f"it is signed by {verdict.signer}, whom you did not name"
    if package.permissions:
        yield f"it asks for {', '.join(package.permissions)}"
    yield from (f"{file.path} can be run" for file in package.files if file.executable)


def install(client: SyncClient, ref: str, signers: set[str]) -> Any:
    """Install it. Raises Untrusted."""
    if found := list(objections(client, ref, signers)):
        raise Untrusted("; ".join(found))
    return client.install(refs=[ref])


if __name__ == "__main__":
    with SyncClient() as opened:
        try:
            print(install(opened, sys.argv[1], set(sys.argv[2:])).lock)
        except Untrusted as error:
            sys.exit(f"not installed: {error}")
