"""Which names a server answers to: DNS rebinding and posts from foreign pages end here."""

from __future__ import annotations

import httpx
import pytest

from registry_core.errors import Invalid
from served import Served, bearing
from transports.access import Access, Name, read_name, read_origin
from world import World

FAMILIES = ("/api/v1/index.json", "/v1/tools", "/health", "/mcp", "/nothing")
OUTSIDE = Access.of_server(
    "192.0.2.7",
    base_url="https://registry.example",
    allowed=["Other.Example:8443", "[2001:DB8::1]"],
)


async def get(served: Served, path: str, *headers: tuple[str, str]) -> httpx.Response:
    return await served.http.get(path, headers=list(headers))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("localhost", Name("localhost")),
        ("LOCALHOST:8080", Name("localhost", 8080)),
        ("[::1]:80", Name("::1", 80)),
        ("[0:0:0:0:0:0:0:1]", Name("::1")),
        ("127.0.0.1:65535", Name("127.0.0.1", 65535)),
        ("", None),
        (":80", None),
        ("localhost:", None),
        ("localhost:65536", None),
        ("localhost:8080:8080", None),
        ("localhost:-1", None),
        ("localhost:٨", None),
        ("local host", None),
        ("localhost\t", None),
        ("localhost/", None),
        ("user@localhost", None),
        ("::1", None),
        ("[::1", None),
        ("[zz]", None),
        ("[127.0.0.1]x", None),
        ("a" * 300, None),
    ],
)
def test_a_host_is_read_or_is_none(text: str, name: Name | None) -> None:
    assert read_name(text) == name


@pytest.mark.parametrize(
    "text", ["null", "", "localhost", "//localhost", "http://", "http:localhost"]
)
def test_what_is_no_origin_is_read_as_none(text: str) -> None:
    assert read_origin(text) is None


@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost:1", "127.0.0.1:8080", "[::1]:9", "LocalHost:80"],
)
@pytest.mark.parametrize("path", FAMILIES)
async def test_loopback_names_reach_a_loopback_server(served: Served, path: str, host: str) -> None:
    assert (await get(served, path, ("host", host))).status_code != 400


FOREIGN = [
    "evil.example",
    "localhost.evil.example",
    "evil.example:8080",
    "localhost.",
    "127.0.0.1.evil.example",
    "2130706433",
    "0x7f.1",
    "127.1",
    "0.0.0.0",
    "[::ffff:7f00:1]",
    "",
    "localhost:99999",
    "localhost, localhost",
    "http://localhost",
    "x" * 2000,
]


@pytest.mark.parametrize("host", FOREIGN)
async def test_a_foreign_host_is_denied_everywhere(served: Served, host: str) -> None:
    for path in FAMILIES:
        response = await get(served, path, ("host", host))
        assert response.status_code == 400, path
        said = response.json()
        assert said["code"] == "host_denied"
        assert said.get("error_code") == (None if path.startswith("/api/") else "host_denied")
        assert len(response.content) < 500
        assert "x-ratelimit-limit" in response.headers


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("192.0.2.7:80", 200),
        ("registry.example", 200),
        ("registry.example:443", 200),
        ("other.example:8443", 200),
        ("[2001:db8:0::1]:1", 200),
        ("other.example", 400),
        ("other.example:80", 400),
        ("localhost", 400),
        ("127.0.0.1", 400),
    ],
)
async def test_other_names_are_answered_to_where_they_were_named(
    sqlite_world: World, host: str, status: int
) -> None:
    async with Served.inside(sqlite_world, OUTSIDE, peer="192.0.2.9") as served:
        assert (await get(served, "/health", ("host", host))).status_code == status
        origin = ("origin", f"http://{host}")
        right = ("host", "registry.example")
        assert (await get(served, "/health", right, origin)).status_code == status


async def test_two_hosts_are_denied_and_so_is_none(served: Served) -> None:
    twice = await get(served, "/health", ("host", "localhost"), ("host", "localhost"))
    assert (twice.status_code, twice.json()["error_code"]) == (400, "host_denied")
    request = served.http.build_request("GET", "/health")
    del request.headers["host"]
    assert (await served.http.send(request)).json()["error_code"] == "host_denied"


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "https://evil.example:8080", "null", "", "file://", "localhost", "x"],
)
async def test_a_page_of_somewhere_else_can_do_nothing(served: Served, origin: str) -> None:
    yank = {"name": "yank", "arguments": {"ref": "@acme/review@1.0.0", "reason": "evil"}}
    await served.put(await served.token())
    response = await served.http.post("/v1/tools/call", json=yank, headers={"origin": origin})
    assert (response.status_code, response.json()["error_code"]) == (400, "host_denied")
    preflight = await served.http.options("/v1/tools/call", headers={"origin": origin})
    assert preflight.status_code == 400
    assert "access-control-allow-origin" not in preflight.headers
    at_mcp = await served.http.post("/mcp", json={}, headers={"origin": origin})
    assert (at_mcp.status_code, at_mcp.json()["error_code"]) == (403, "host_denied")
    found = await served.http.post("/v1/tools/call", json={"name": "search"})
    assert found.json()["structuredContent"]["total"] == 1


async def test_two_origins_are_denied(served: Served) -> None:
    twice = [("origin", "http://localhost")] * 2
    assert (await get(served, "/health", *twice)).status_code == 400


async def test_a_page_of_this_machine_may_ask(served: Served) -> None:
    for origin in ("http://localhost:5173", "http://127.0.0.1:8080", "https://[::1]"):
        assert (await get(served, "/v1/tools", ("origin", origin))).status_code == 200


async def test_a_token_opens_no_foreign_host(served: Served) -> None:
    headers = {**bearing(await served.token()), "host": "evil.example"}
    assert (await served.http.get("/v1/tools", headers=headers)).status_code == 400


@pytest.mark.parametrize("text", ["", "http://x", "a b", "x:y", "*", "x/y", "x:99999"])
def test_an_allowed_host_that_is_none_is_refused_at_the_start(text: str) -> None:
    with pytest.raises(Invalid, match="is no host name"):
        Access.of_server("127.0.0.1", allowed=[text])


def test_a_server_for_others_has_no_local_owner() -> None:
    for host in ("0.0.0.0", "::", "192.0.2.7", "myhost", ""):
        assert not Access.of_server(host).local_owner
        assert Name("localhost") not in Access.of_server(host).names
    for host in ("127.0.0.1", "localhost", "::1", "127.8.8.8"):
        assert Access.of_server(host).local_owner
        assert not Access.of_server(host, require_token=True).local_owner
