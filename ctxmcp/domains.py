"""The DNS and the web, as far as a stranger may have this server look at them.

- An address is looked up once, and what is connected to is that very address: a name that points
  to a public address at first and into this network afterwards (DNS rebinding) gains nothing.
- It has to be one that everybody reaches, unless it is in a network that whoever runs the registry
  has named.
- No redirect is followed, no proxy is asked, certificates are verified, and there is a bound on
  what is read and on how long it takes.
"""

from __future__ import annotations

import asyncio
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import TYPE_CHECKING, Any

import dns.asyncresolver
import dns.exception
import dns.resolver
import httpx

from ctxmcp.http import parts
from registry_core.errors import NotFound, TooLarge, Unavailable

if TYPE_CHECKING:
    import ssl
    from collections.abc import Sequence
    from ipaddress import IPv4Network

SECONDS = 5.0
"""For one question to the DNS."""

FETCH_SECONDS = 10.0
"""For one page, from the connection to its last byte."""

MOST_PAGE = 16 * 1024
"""Bytes of a page."""

MOST_RECORDS = 100

_GLOBAL = IPv6Network("2000::/3")


class Internet:
    """What is open to everybody, and the private networks that are named."""

    def __init__(
        self,
        networks: Sequence[IPv4Network | IPv6Network] = (),
        *,
        resolver: dns.asyncresolver.Resolver | None = None,
        port: int = 443,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._networks = networks
        self._resolver = resolver
        self._port = port
        self._tls = tls

    async def records(self, name: str) -> Sequence[str]:
        found = await self._asked(name, "TXT")
        return [b"".join(one.strings).decode(errors="replace") for one in found[:MOST_RECORDS]]

    async def lines(self, domain: str, path: str) -> Sequence[str]:
        address = await self._address(domain)
        try:
            async with asyncio.timeout(FETCH_SECONDS):
                return (await self._fetched(domain, address, path)).splitlines()
        except TimeoutError:
            raise Unavailable("its answer takes too long") from None
        except httpx.HTTPError as error:
            raise Unavailable(f"no answer ({type(error).__name__})") from None

    async def _fetched(self, domain: str, address: IPv4Address | IPv6Address, path: str) -> str:
        host = f"[{address}]" if address.version == 6 else str(address)
        async with (
            httpx.AsyncClient(
                verify=self._tls or httpx.create_ssl_context(), trust_env=False, timeout=SECONDS
            ) as client,
            client.stream(
                "GET",
                f"https://{host}:{self._port}{path}",
                headers={"host": domain, "accept": "text/plain", "accept-encoding": "identity"},
                extensions={"sni_hostname": domain},
            ) as response,
        ):
            if response.status_code != httpx.codes.OK:
                raise NotFound(f"it answers {response.status_code}")
            data = bytearray()
            async for part in parts(response):
                data += part
                if len(data) > MOST_PAGE:
                    raise TooLarge(f"it is longer than {MOST_PAGE:,} bytes")
        return data.decode(errors="replace")

    async def _address(self, domain: str) -> IPv4Address | IPv6Address:
        """Return an address of a domain. Raises NotFound where one of them is not for everybody."""
        both = await asyncio.gather(self._asked(domain, "A"), self._asked(domain, "AAAA"))
        found = [ip_address(one.address) for records in both for one in records]
        if not found or not all(map(self._may_reach, found)):
            raise NotFound("it has no address, or one that not everybody reaches")
        return found[0]

    def _may_reach(self, address: IPv4Address | IPv6Address) -> bool:
        return is_public(address) or any(address in network for network in self._networks)

    async def _asked(self, name: str, kind: str) -> Sequence[Any]:
        try:
            if self._resolver is None:
                self._resolver = dns.asyncresolver.Resolver()
            answer = await self._resolver.resolve(f"{name}.", kind, lifetime=SECONDS)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return []
        except (dns.exception.DNSException, OSError) as error:
            raise Unavailable(f"the DNS does not answer ({type(error).__name__})") from None
        return list(answer)


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether everybody reaches an address, and it is no way around to another."""
    if not address.is_global or address.is_multicast:
        return False
    # Of IPv6, what holds an address of IPv4 may lead into the network of whoever translates it.
    return isinstance(address, IPv4Address) or (
        address in _GLOBAL and address.sixtofour is None and address.teredo is None
    )
