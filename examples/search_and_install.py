"""Find a package for a task, look at it, and install it into the current folder.

    python examples/search_and_install.py "review a pull request"

The registry is the embedded one, or that of CTXPKG_REGISTRY and CTXPKG_TOKEN.
"""

import sys

from ctxmcp.client import SyncClient


def main(task: str) -> None:
    """Install the best match."""
    with SyncClient() as client:
        found = client.search(query=task, limit=3)
        if not found.hits:
            sys.exit("Nothing fits.")
        for hit in found.hits:
            print(f"{hit.ref}  {hit.kind}  {hit.trust}  {hit.what}")
        package = client.inspect(ref=found.hits[0].ref)
        print(f"{package.ref}: {len(package.files)} files, {package.cost.read} tokens to read")

        done = client.install(refs=[package.ref])
        for written in done.written:
            print(f"{written.what}: {written.path}")
        checked = client.verify()
        print("verified" if checked.ok else "ALTERED")


if __name__ == "__main__":
    main(" ".join(sys.argv[1:]))
