"""The Python client: a registry to program against, embedded or over HTTP.

    async with Client(registry="https://ctx.example.com", token="lctx_t_...") as client:
        found = await client.search(query="review a pull request", limit=5)
        await client.install(refs=[found.hits[0].ref])
        async for event in client.events.subscribe():
            print(event.kind, event.payload)

Without `registry` it works on the embedded one. `SyncClient` is the same without `await`. Errors
are those of `registry_core.errors`, each with a `code`, a `message` and a `hint`.
"""

from ctxmcp.answers import Event, Status, Tool, ToolFailed, ToolResult
from ctxmcp.client.blocking import SyncClient
from ctxmcp.client.coroutines import Client

__all__ = ["Client", "Event", "Status", "SyncClient", "Tool", "ToolFailed", "ToolResult"]
