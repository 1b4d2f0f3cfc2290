"""Looking at a stranger's DNS and web server: what is found, and what is never connected to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from ipaddress import ip_address, ip_network

import pytest

from ctxmcp import settings
from ctxmcp.domains import MOST_PAGE, is_public
from internet import World, running
from registry_core.errors import Invalid, NotFound, RegistryError, TooLarge, Unavailable

ACME, PATH = "acme.example", "/.well-known/x.txt"


@pytest.fixture
async def internet() -> AsyncIterator[World]:
    async with running(ACME) as world:
        yield world


async def test_the_records_of_a_name_are_found(internet: World) -> None:
    internet.names.records["_x.acme.example", "TXT"] = ['"one"', '"in " "parts"']
    assert sorted(await internet.seen().records("_x.acme.example")) == ["in parts", "one"]
    assert await internet.seen().records("nowhere.example") == []
    assert await internet.seen().records(ACME) == []
    internet.names.broken.add("broken.example")
    with pytest.raises(Unavailable):
        await internet.seen().records("broken.example")


async def test_a_page_is_read_by_https_from_the_domain_itself(internet: World) -> None:
    internet.says("one\ntwo\n")
    assert list(await internet.seen().lines(ACME, PATH)) == ["one", "two"]
    [request] = internet.requests
    assert request.startswith(f"GET {PATH} HTTP/1.1\r\n".encode())
    assert f"host: {ACME}\r\n".encode() in request.lower()


async def test_nothing_is_asked_of_an_address_that_not_everybody_reaches(internet: World) -> None:
    internet.says("secret")
    with pytest.raises(NotFound):
        await internet.seen(networks=()).lines(ACME, PATH)
    internet.names.records["mixed.example", "A"] = ["127.0.0.1", "10.0.0.1"]
    with pytest.raises(NotFound):
        await internet.seen().lines("mixed.example", PATH)
    with pytest.raises(NotFound):
        await internet.seen().lines("nowhere.example", PATH)
    assert not internet.requests


async def test_a_name_is_looked_up_once_and_that_address_is_connected_to(internet: World) -> None:
    internet.says("text")
    await internet.seen().lines(ACME, PATH)
    assert internet.names.asked == [ACME, ACME]  # for A and for AAAA


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Temporary Redirect"])
async def test_no_redirect_is_followed(internet: World, status: str) -> None:
    internet.says("", f"location: https://{ACME}{PATH}", status=status)
    with pytest.raises(NotFound):
        await internet.seen().lines(ACME, PATH)
    assert len(internet.requests) == 1


async def test_a_server_that_proves_to_be_somebody_else_is_not_read(internet: World) -> None:
    internet.says("text")
    internet.names.records["other.example", "A"] = ["127.0.0.1"]
    with pytest.raises(Unavailable):
        await internet.seen().lines("other.example", PATH)


async def test_what_is_read_has_a_bound(internet: World) -> None:
    internet.says("x" * (MOST_PAGE + 1))
    with pytest.raises(TooLarge):
        await internet.seen().lines(ACME, PATH)
    internet.says("x", "content-encoding: gzip")
    with pytest.raises(RegistryError):
        await internet.seen().lines(ACME, PATH)
    internet.answer = b"no HTTP\r\n\r\n"
    with pytest.raises(Unavailable):
        await internet.seen().lines(ACME, PATH)


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("2606:4700::1111", True),
        *(
            (address, False)
            for address in (
                *("127.0.0.1", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1"),
                *("169.254.169.254", "224.0.0.1", "255.255.255.255", "198.18.0.1", "240.0.0.1"),
                *(
                    "::1",
                    "::",
                    "fe80::1",
                    "fc00::1",
                    "ff02::1",
                    "::ffff:127.0.0.1",
                    "::ffff:8.8.8.8",
                ),
                *("64:ff9b::7f00:1", "2002:7f00:1::", "2001:0:4136:e378::1", "::7f00:1"),
            )
        ),
    ],
)
def test_an_address_is_public_or_it_is_not(address: str, *, public: bool) -> None:
    assert is_public(ip_address(address)) is public


def test_private_networks_are_named_by_who_runs_the_registry() -> None:
    read = settings.read(environment={"CTXMCP_DOMAIN_NETWORKS": "10.0.0.0/8 fd00::/8"})
    assert read.domain_networks == (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))
    with pytest.raises(Invalid):
        settings.read(environment={"CTXMCP_DOMAIN_NETWORKS": "10.0.0.1/8"})
