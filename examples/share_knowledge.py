"""Two agents of a team: one plans and remembers, the other goes on from there.

    python examples/share_knowledge.py my-team

On a server this takes a token with the scopes search, knowledge and sessionMutations.
"""

import asyncio
import sys

from ctxmcp.client import Client


async def plan(client: Client) -> None:
    """Decide something, and say so where the others look."""
    await client.knowledge.remember("auth tokens", "opaque, 256 bits", category="decision")
    await client.session.save({"goal": "log in", "open": ["form", "tests"]}, reasoning="the plan")


async def go_on(client: Client) -> None:
    """Read what was decided, and leave the session as it is now."""
    for fact in (await client.knowledge.search("which tokens for auth")).facts:
        print(f"{fact.category}: {fact.key} = {fact.value} (says {fact.remembered_by})")
    session = await client.session.get()
    left = session.state["open"][1:]
    await client.session.save({"open": left}, expected_version=session.version)
    print(f"{session.state['goal']}: left to do: {', '.join(left)}")


async def main(workspace: str) -> None:
    """Let one work after the other."""
    async with Client(workspace=workspace, channel="feat/auth") as client:
        await plan(client)
        await go_on(client)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:2]))
