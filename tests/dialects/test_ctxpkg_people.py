"""Signing in by mail, and the sessions that follow, through HTTP and a real mail server."""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from itertools import product
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select, update

from dialects.requirements import claims
from mail import SENDER, MailServer, link_in
from registry_core.callers import OWNER
from registry_core.schema import sign_ins, tokens
from registry_core.signin import LINK_LIFETIME, Pass
from served import EVERYBODY, Served, at, bearing
from transports.access import Access
from transports.cookies import CSRF_HEADER, csrf_token
from transports.headers import SESSION
from transports.limits import Limits
from world import World

ADA = "ada@example.com"
REQUEST, VERIFY, OUT = (f"/api/v1/auth/{end}" for end in ("request", "verify", "sign-out"))
ME = "/api/v1/account"
TOKENS = f"{ME}/tokens"


@pytest.fixture
async def mail() -> AsyncIterator[MailServer]:
    async with MailServer().running() as running:
        yield running


@pytest.fixture
async def world(tmp_path: Path, mail: MailServer) -> AsyncIterator[World]:
    url = f"sqlite+aiosqlite:///{tmp_path / 'registry.sqlite3'}"
    async with World.open(url, tmp_path, mail.environment) as opened:
        yield opened


@pytest.fixture
async def served(world: World) -> AsyncIterator[Served]:
    async with Served.inside(world, EVERYBODY) as inside:
        yield inside


async def ask(served: Served, email: str = ADA, **headers: str) -> httpx.Response:
    return await served.http.post(REQUEST, json={"email": email}, headers=headers)


async def signed_in(served: Served, mail: MailServer, email: str = ADA) -> dict[str, str]:
    """Sign in as a browser does; return the header that its writes need."""
    assert (await ask(served, email)).status_code == 200
    done = await served.http.get(mail.link())
    assert done.status_code == 200
    return {CSRF_HEADER: done.json()["csrf_token"]}


def is_refused(response: httpx.Response, status: int) -> bool:
    body = response.json()
    return response.status_code == status and isinstance(body["error"], str) and bool(body["code"])


# --- the link


@claims("ctxpkg.auth")
async def test_a_link_comes_by_mail_and_signs_in(served: Served, mail: MailServer) -> None:
    asked = await ask(served)
    assert asked.json()["sent"] is True
    [sent] = mail.taken
    assert (sent["To"], sent["From"]) == (ADA, SENDER)
    assert sent["Auto-Submitted"] == "auto-generated"
    done = await served.http.get(mail.link())
    assert done.status_code == 200
    assert done.json()["account"]["handle"] == "ada"
    assert done.json()["account"]["email"] == ADA
    me = (await served.get(ME)).json()
    assert (me["handle"], me["csrf_token"]) == ("ada", done.json()["csrf_token"])


async def test_the_same_mailbox_is_the_same_account_however_it_is_written(
    served: Served, mail: MailServer
) -> None:
    await signed_in(served, mail)
    await signed_in(served, mail, " ADA@Example.COM ")
    assert (await served.get(ME)).json()["handle"] == "ada"
    await signed_in(served, mail, "ada@example.org")
    assert (await served.get(ME)).json()["handle"] == "ada-2"


async def test_a_link_is_good_once(served: Served, mail: MailServer) -> None:
    await ask(served)
    assert (await served.http.get(mail.link())).status_code == 200
    again = await served.http.get(mail.link())
    unknown = await served.http.get(VERIFY, params={"token": "x" * 43})
    assert is_refused(again, 401)
    assert again.json() == unknown.json()
    assert "set-cookie" not in again.headers
    posted = await served.http.post(VERIFY, json={"token": mail.link().partition("=")[2]})
    assert posted.json() == unknown.json()


async def test_a_link_is_good_for_half_an_hour(served: Served, mail: MailServer) -> None:
    await ask(served)
    registry = served.world.registry

    async def aged(connection):
        [until] = (await connection.execute(select(sign_ins.c.expires_at))).scalars()
        assert until <= registry.clock() + LINK_LIFETIME
        past = registry.clock() - timedelta(seconds=1)
        await connection.execute(update(sign_ins).values(expires_at=past))

    await registry.journal.database.write(aged)
    assert is_refused(await served.http.get(mail.link()), 401)


async def test_nothing_that_is_kept_or_shown_to_a_browser_is_the_link(
    served: Served, mail: MailServer
) -> None:
    asked = await ask(served)
    secret = mail.link().partition("=")[2]
    assert secret not in str(asked.headers) + asked.text
    async with served.world.registry.journal.database.read() as connection:
        [row] = (await connection.execute(select(sign_ins))).all()
    assert secret not in repr(row)


async def test_a_link_is_of_this_api_alone(served: Served, mail: MailServer) -> None:
    await ask(served)
    secret = mail.link().partition("=")[2]
    other = Pass("agentx", "agentx", timedelta(days=1))
    with pytest.raises(Exception, match="unknown, over or too old"):
        await served.world.registry.sign_in.finish_by_mail(other, secret)
    assert (await served.http.get(mail.link())).status_code == 200


# --- pages


PAGE = {"accept": "text/html,application/xhtml+xml", "sec-fetch-mode": "navigate"}


async def test_the_browser_that_asked_is_signed_in_by_opening_the_link(
    served: Served, mail: MailServer
) -> None:
    await ask(served, **PAGE)
    cross_site = PAGE | {"sec-fetch-site": "cross-site"}  # from a page that shows mail
    assert (await served.http.get(mail.link(), headers=cross_site)).json()["csrf_token"]


async def test_another_browser_and_who_reads_mail_first_use_no_link_up(
    served: Served, mail: MailServer
) -> None:
    await ask(served)
    served.http.cookies.clear()
    head = await served.http.head(mail.link())
    shown = await served.http.get(mail.link(), headers=PAGE)
    for seen in (head, shown):
        assert seen.status_code == 200
        assert "set-cookie" not in seen.headers
        assert seen.headers["content-security-policy"].startswith("default-src 'none'")
        assert seen.headers["cache-control"] == "no-store"
    [action] = re.findall('action="([^"]+)"', shown.text)
    [secret] = re.findall('value="([^"]+)"', shown.text)
    form = {"origin": "http://localhost", "sec-fetch-site": "same-origin"}
    done = await served.http.post(action, data={"token": secret}, headers=form)
    assert done.json()["account"]["handle"] == "ada"
    assert (await served.get(ME)).status_code == 200


async def test_a_browser_that_asked_for_another_link_is_not_signed_in_by_this_one(
    served: Served, mail: MailServer
) -> None:
    await ask(served, "mallory@example.com")
    hers = mail.link()
    served.http.cookies.clear()
    await ask(served)
    shown = await served.http.get(hers, headers=PAGE)
    assert "<form" in shown.text
    assert SESSION not in served.http.cookies


@pytest.mark.parametrize(
    "headers",
    [{"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"}, {"origin": "null"}],
)
async def test_a_page_elsewhere_signs_nobody_in_as_somebody_else(
    served: Served, mail: MailServer, headers: dict[str, str]
) -> None:
    await ask(served)
    secret = mail.link().partition("=")[2]
    done = await served.http.post(VERIFY, data={"token": secret}, headers=headers)
    assert done.status_code in {400, 403}
    assert SESSION not in served.http.cookies
    image = {"accept": "image/*", "sec-fetch-mode": "no-cors", "sec-fetch-site": "cross-site"}
    served.http.cookies.clear()
    assert "<form" in (await served.http.get(mail.link(), headers=image)).text
    assert SESSION not in served.http.cookies


async def test_the_page_says_what_is_in_the_address_as_text(served: Served) -> None:
    text = '"><script>alert(1)</script>'
    shown = await served.http.get(VERIFY, params={"token": text}, headers=PAGE)
    assert "<script>" not in shown.text
    assert is_refused(await served.http.get(VERIFY), 400)


@pytest.mark.parametrize("parameter", ["next", "redirect", "return_to", "then_to"])
async def test_signing_in_leads_nowhere_else(
    served: Served, mail: MailServer, parameter: str
) -> None:
    await ask(served)
    done = await served.http.get(f"{mail.link()}&{parameter}=https://evil.example/")
    assert done.status_code == 200
    assert "location" not in done.headers
    assert "evil.example" not in done.text


# --- who has an account, and how often


async def test_nobody_is_told_who_has_an_account(served: Served, mail: MailServer) -> None:
    await signed_in(served, mail)
    served.http.cookies.clear()
    await served.world.registry.accounts.set_disabled("ada", OWNER, disabled=True)
    answers = [await ask(served, who) for who in (ADA, "new@example.com", "nobody@example.com")]
    assert len({(one.status_code, one.content) for one in answers}) == 1
    assert len({frozenset(one.headers) for one in answers}) == 1
    assert [sent["To"] for sent in mail.taken[1:]] == [ADA, "new@example.com"]


async def test_a_disabled_account_signs_in_no_more(served: Served, mail: MailServer) -> None:
    await signed_in(served, mail)
    await served.world.registry.accounts.set_disabled("ada", OWNER, disabled=True)
    assert is_refused(await served.get(ME), 401)
    served.http.cookies.clear()
    await ask(served)
    assert is_refused(await served.http.get(mail.link()), 401)


@pytest.mark.parametrize(
    "email",
    ["", "ada", "@x.org", "a b@x.org", "ada@x.org\r\nBcc: eve@x.org", "é@x.org", "a@" + "x" * 300],
)
async def test_what_is_no_address_is_400(served: Served, mail: MailServer, email: str) -> None:
    assert is_refused(await ask(served, email), 400)
    assert not mail.taken


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'{"email": 1}', b"mail=a@x.org", b"\xff", b"a=1&" * 20]
)
async def test_a_body_without_an_address_is_400(served: Served, body: bytes) -> None:
    assert is_refused(await served.http.post(REQUEST, content=body), 400)


async def test_a_form_does_as_well(served: Served, mail: MailServer) -> None:
    assert (await served.http.post(REQUEST, data={"email": ADA})).status_code == 200
    assert mail.taken[0]["To"] == ADA


@claims("ctxpkg.429")
async def test_links_are_limited_by_who_asks_and_by_mailbox(world: World) -> None:
    limits = Limits(requests_per_second=10_000, burst=10_000, links_per_hour=6)
    async with Served.inside(world, EVERYBODY, limits) as served:
        to_ada = [await ask(served) for _ in range(6)]
        assert [one.status_code for one in to_ada] == [200] * 5 + [429]
        another = await ask(served, "bob@example.com")
    for refused in (to_ada[-1], another):
        assert is_refused(refused, 429)
        assert int(refused.headers["retry-after"]) > 0


async def test_an_account_has_no_more_links_sent_than_an_address(
    world: World, mail: MailServer
) -> None:
    limits = Limits(requests_per_second=10_000, burst=10_000, links_per_hour=2)
    text, _ = await world.account("knid")
    async with Served.inside(world, EVERYBODY, limits) as served:
        asked = [
            await served.http.post(REQUEST, json={"email": f"{n}@x.org"}, headers=bearing(text))
            for n in range(3)
        ]
    assert [one.status_code for one in asked] == [200, 200, 429]


async def test_a_mail_server_that_takes_nothing_is_503(served: Served, mail: MailServer) -> None:
    mail.down = True
    assert is_refused(await ask(served), 503)


# --- without a mail server


async def test_without_a_mail_server_the_link_is_in_the_log_of_who_sits_here(
    sqlite_world: World, caplog: pytest.LogCaptureFixture
) -> None:
    async with Served.inside(sqlite_world) as served:
        with caplog.at_level(logging.WARNING):
            asked = await ask(served)
        link = link_in(caplog.text)
        assert link.partition("=")[2] not in asked.text
        done = await served.http.get(link)
    assert done.json()["account"]["handle"] == "ada"


@pytest.mark.parametrize("through_a_proxy", [False, True])
async def test_nowhere_else_is_a_link_written_into_a_log(
    sqlite_world: World, caplog: pytest.LogCaptureFixture, *, through_a_proxy: bool
) -> None:
    headers = {"x-forwarded-for": "192.0.2.1"} if through_a_proxy else {}
    peer = "127.0.0.1" if through_a_proxy else "192.0.2.1"
    async with Served.inside(sqlite_world, peer=peer) as served:
        refused = await ask(served, **headers)
    assert is_refused(refused, 404)
    assert "CTXMCP_SMTP_URL" in refused.json()["error"]
    assert "token=" not in caplog.text


# --- sessions


@claims("ctxpkg.auth.sessions")
async def test_a_session_is_a_cookie_that_no_script_and_no_other_page_has(
    served: Served, mail: MailServer, world: World
) -> None:
    await ask(served)
    done = await served.http.get(mail.link())
    given = done.headers["set-cookie"]
    assert given.startswith(f"{SESSION}=ctxs_")
    attributes = {part.strip().lower() for part in given.split(";")[1:]}
    assert {"httponly", "samesite=lax", "path=/"} <= attributes
    assert "secure" not in attributes
    assert served.http.cookies[SESSION] not in done.text
    async with world.registry.journal.database.read() as connection:
        rows = (await connection.execute(select(tokens))).all()
    assert served.http.cookies[SESSION].removeprefix("ctxs_") not in repr(rows)


@pytest.mark.parametrize("url", ["https://localhost", "http://registry.example"])
async def test_away_from_this_machine_a_cookie_is_sent_with_tls_alone(
    world: World, mail: MailServer, url: str
) -> None:
    access = Access.of_server("127.0.0.1", allowed=["registry.example"])
    async with Served.inside(world, access) as served:
        asked = await served.http.post(f"{url}{REQUEST}", json={"email": ADA})
        done = await served.http.get(f"{url}{VERIFY}?{mail.link().partition('?')[2]}")
    for cookie in (asked.headers["set-cookie"], done.headers["set-cookie"]):
        assert {"secure", "httponly", "samesite=lax"} <= set(cookie.lower().split("; "))


async def test_behind_a_proxy_browsers_are_known_by_the_address_that_they_use(
    world: World, mail: MailServer
) -> None:
    proxied = World(replace(world.registry, base_url="https://registry.example"), world.folder)
    access = Access.of_server("127.0.0.1", base_url="https://registry.example")
    async with Served.inside(proxied, access) as served:
        await ask(served)
        here = mail.link().replace("https://registry.example", "http://localhost")
        done = await served.http.get(here)
        assert "secure" in done.headers["set-cookie"].lower().split("; ")
        session = {"cookie": f"{SESSION}={done.cookies[SESSION]}"}
        csrf = {CSRF_HEADER: done.json()["csrf_token"]}
        for origin, status in (("https://registry.example", 201), ("http://127.0.0.1", 403)):
            headers = session | csrf | {"origin": origin}
            made = await served.http.post(TOKENS, json={"name": "CI"}, headers=headers)
            assert made.status_code == status


async def test_who_signs_in_is_never_given_a_session_that_was_there_before(
    served: Served, mail: MailServer
) -> None:
    planted = "ctxs_" + "a" * 43
    served.http.cookies.set(SESSION, planted, domain="localhost.local", path="/")
    await ask(served)
    done = await served.http.get(mail.link())
    assert planted not in done.headers["set-cookie"]
    alone = {"cookie": f"{SESSION}={planted}"}
    served.http.cookies.clear()
    assert is_refused(await served.http.get(ME, headers=alone), 401)
    await signed_in(served, mail)
    first = served.http.cookies[SESSION]
    await signed_in(served, mail)
    assert served.http.cookies[SESSION] != first


async def test_signing_out_ends_the_session_everywhere(served: Served, mail: MailServer) -> None:
    csrf = await signed_in(served, mail)
    session = served.http.cookies[SESSION]
    out = await served.http.post(OUT, headers=csrf)
    assert out.status_code == 204
    assert SESSION not in served.http.cookies
    again = {"cookie": f"{SESSION}={session}"}
    assert is_refused(await served.http.get(ME, headers=again), 401)
    assert is_refused(await served.http.post(OUT, headers=again | csrf), 401)


async def test_signing_out_is_for_sessions(served: Served) -> None:
    text, _ = await served.world.account("knid")
    assert is_refused(await served.http.post(OUT), 401)
    assert is_refused(await served.http.post(OUT, headers=bearing(text)), 401)
    assert (await served.get(ME, text)).status_code == 200


async def test_a_session_ends_when_its_time_is_over(served: Served, mail: MailServer) -> None:
    await signed_in(served, mail)
    registry = served.world.registry

    async def aged(connection):
        past = registry.clock() - timedelta(seconds=1)
        await connection.execute(update(tokens).values(expires_at=past))

    await registry.journal.write(aged)
    assert is_refused(await served.get(ME), 401)
    assert (await served.get("/api/v1/index.json")).status_code == 200


async def test_a_session_reads_what_is_private_to_its_account(
    served: Served, mail: MailServer
) -> None:
    await served.world.publish("@ours/plans", private=True)
    address = at("@ours/plans", "index.json")
    await signed_in(served, mail)
    assert is_refused(await served.get(address), 404)
    await served.world.registry.accounts.give("ours", "ada", OWNER)
    seen = await served.get(address)
    assert seen.headers["cache-control"] == "private, no-store"
    assert seen.json()["visibility"] == "private"
    served.http.cookies.clear()
    assert is_refused(await served.get(address), 404)


async def test_a_token_counts_before_a_session(served: Served, mail: MailServer) -> None:
    await signed_in(served, mail)
    text, _ = await served.world.account("knid")
    me = (await served.get(ME, text)).json()
    assert me["handle"] == "knid"
    assert "csrf_token" not in me
    assert is_refused(await served.get(ME, "ctxp_" + "x" * 43), 401)


async def test_a_session_means_nothing_outside_the_api_that_it_is_of(
    served: Served, mail: MailServer
) -> None:
    csrf = await signed_in(served, mail)
    assert (await served.get("/v1/tools")).status_code == 401
    assert (await served.get("/csreg/api/v1/users/me")).status_code == 401
    team = await served.http.post("/csreg/api/v1/teams", json={"slug": "x-team"}, headers=csrf)
    assert team.status_code == 401


# --- forgery


FORGED = [
    {},
    {CSRF_HEADER: ""},
    {CSRF_HEADER: "x"},
    {CSRF_HEADER: csrf_token("ctxs_" + "a" * 43)},
    {CSRF_HEADER: "right", "origin": "https://evil.example"},
    {CSRF_HEADER: "right", "origin": "http://localhost:81"},
    {CSRF_HEADER: "right", "origin": "null"},
    {CSRF_HEADER: "right", "sec-fetch-site": "cross-site"},
    {CSRF_HEADER: "right", "sec-fetch-site": "same-site"},
]
WRITES = [
    ("POST", OUT),
    ("POST", TOKENS),
    ("DELETE", f"{TOKENS}/0123456789abcdef"),
    ("POST", f"{ME}/namespaces"),
    ("PUT", f"{ME}/namespaces/ada/owner"),
    ("POST", f"{ME}/teams"),
    ("PUT", f"{ME}/teams/backend/members/ada"),
    ("DELETE", f"{ME}/teams/backend/members/ada"),
    ("PUT", at("@ada/review", "1.0.0")),
    ("DELETE", at("@ada/review", "1.0.0")),
    ("POST", at("@ada/review", "1.0.0", "unyank")),
]


async def test_a_session_writes_nothing_for_a_page_of_another_place(
    served: Served, mail: MailServer
) -> None:
    right = await signed_in(served, mail)
    for (method, path), headers in product(WRITES, FORGED):
        sent = {k: right[k] if v == "right" else v for k, v in headers.items()}
        response = await served.http.request(method, path, json={}, headers=sent)
        assert is_refused(response, 400 if "host_denied" in response.text else 403), sent
    assert len((await served.get(TOKENS)).json()["tokens"]) == 1


async def test_a_page_of_this_server_writes_with_its_session(
    served: Served, mail: MailServer
) -> None:
    csrf = await signed_in(served, mail)
    page = {"origin": "http://localhost", "sec-fetch-site": "same-origin"} | csrf
    made = await served.http.post(TOKENS, json={"name": "CI"}, headers=page)
    assert made.status_code == 201
    assert made.json()["token"].startswith("ctxr_")
