"""Watch a registry: print what happened, then what happens, until Ctrl-C.

    CTXPKG_REGISTRY=http://127.0.0.1:8080 python examples/watch_registry.py [KIND...]

A restart of the server is survived: the stream goes on where it was.
"""

import asyncio
import sys
from contextlib import suppress

from ctxmcp.client import Client, Event


async def main(kinds: list[str]) -> None:
    """Follow the log for ever."""
    async with Client() as client:
        status = await client.status()
        print(f"{status.server} {status.version} at {status.address}", flush=True)
        async for event in client.events.subscribe(kinds=kinds):
            print(line(event), flush=True)


def line(event: Event) -> str:
    """Return an event in one line."""
    said = event.payload
    about = said.get("name") or said.get("tool") or ""
    version = f"@{said['version']}" if "version" in said else ""
    return f"{event.id:>6} {event.at:%H:%M:%S} {event.actor or '-'}: {event.kind} {about}{version}"


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(main(sys.argv[1:]))
