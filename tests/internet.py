"""A DNS and a web server to look at: real ones on this machine, which say what a test wants."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Any

import dns.asyncresolver
import dns.message
import dns.rcode
import dns.rrset
import trustme

from ctxmcp.domains import Internet

LOOPBACK = (ip_network("127.0.0.0/8"),)


@dataclass
class Names(asyncio.DatagramProtocol):
    """Answers by (name, kind); a name without any is none. `broken` names get no good answer."""

    records: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    _transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, address: Any) -> None:
        question = dns.message.from_wire(data)
        [asked] = question.question
        name, kind = asked.name.to_text(omit_final_dot=True), asked.rdtype.name
        self.asked.append(name)
        answer = dns.message.make_response(question)
        found = self.records.get((name, kind), [])
        if found:
            answer.answer.append(dns.rrset.from_text_list(asked.name, 60, "IN", kind, found))
        elif name in self.broken:
            answer.set_rcode(dns.rcode.REFUSED)
        elif not any(known == name for known, _ in self.records):
            answer.set_rcode(dns.rcode.NXDOMAIN)
        self._transport.sendto(answer.to_wire(), address)


@dataclass
class World:
    """The names, one web server, and a look at them."""

    names: Names
    port: int
    resolver: dns.asyncresolver.Resolver
    trusting: ssl.SSLContext
    answer: bytes = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"
    requests: list[bytes] = field(default_factory=list)

    def says(self, text: str, *headers: str, status: str = "200 OK") -> None:
        head = [f"HTTP/1.1 {status}", f"content-length: {len(text.encode())}", *headers]
        self.answer = ("\r\n".join([*head, "", ""]) + text).encode()

    def seen(self, networks: Any = LOOPBACK) -> Internet:
        return Internet(networks, resolver=self.resolver, port=self.port, tls=self.trusting)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.requests.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(self.answer)
        writer.close()


@asynccontextmanager
async def running(*domains: str) -> AsyncIterator[World]:
    """Run a DNS, and a web server that proves to be these domains; each is on this machine."""
    loop, names = asyncio.get_running_loop(), Names()
    transport, _ = await loop.create_datagram_endpoint(lambda: names, ("127.0.0.1", 0))
    authority = trustme.CA()
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(*domains).configure_cert(serving)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    resolver = dns.asyncresolver.Resolver(configure=False)
    resolver.nameservers = ["127.0.0.1"]
    resolver.port = transport.get_extra_info("sockname")[1]
    names.records = {(domain, "A"): ["127.0.0.1"] for domain in domains}
    world = World(names, 0, resolver, trusting)
    server = await asyncio.start_server(world._serve, "127.0.0.1", 0, ssl=serving)
    world.port = server.sockets[0].getsockname()[1]
    try:
        async with server:
            yield world
    finally:
        transport.close()
