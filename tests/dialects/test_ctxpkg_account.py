"""What an account owns, through ctxpkg's API: tokens, namespaces, teams; and who may change it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator
from sqlalchemy import update

from dialects.requirements import claims
from registry_core.accounts import MOST_NAMESPACES
from registry_core.callers import OWNER, Scope
from registry_core.schema import tokens
from registry_core.tokens import MOST_ACTIVE
from served import EVERYBODY, Served, at, bearing
from world import World

ME = "/api/v1/account"
TOKENS, NAMESPACES, TEAMS = (f"{ME}/{end}" for end in ("tokens", "namespaces", "teams"))


@pytest.fixture
async def served(sqlite_world: World):
    async with Served.inside(sqlite_world, EVERYBODY) as inside:
        yield inside


class Person:
    """Somebody with a token of his account."""

    def __init__(self, served: Served, text: str) -> None:
        self.served = served
        self.text = text

    @classmethod
    async def named(
        cls, served: Served, handle: str, scope: Scope = Scope.PUBLISH, **more: Any
    ) -> Person:
        return cls(served, (await served.world.account(handle, scope, **more))[0])

    async def does(self, method: str, path: str, body: Any = None) -> httpx.Response:
        return await self.served.http.request(
            method, path, json=body, headers=bearing(self.text) if self.text else {}
        )

    async def get(self, path: str) -> Any:
        return (await self.does("GET", path)).json()


def is_refused(response: httpx.Response, status: int) -> bool:
    body = response.json()
    return response.status_code == status and isinstance(body["error"], str) and bool(body["code"])


# --- tokens


@claims("ctxpkg.auth.tokens", "ctxpkg.token.once")
async def test_a_token_is_shown_once_and_does_what_it_says(served: Served) -> None:
    ada = await Person.named(served, "ada")
    made = await ada.does("POST", TOKENS, {"name": "CI", "scope": "publish"})
    assert made.status_code == 201
    assert made.headers["cache-control"] == "no-store"
    token = made.json()
    assert token["token"].startswith("ctxp_")
    assert (token["name"], token["scope"], token["namespace"]) == ("CI", "publish", None)
    listed = await ada.get(TOKENS)
    assert token["token"] not in str(listed)
    assert token["id"] in {one["id"] for one in listed["tokens"]}
    assert (await served.put(token["token"], "@ada/review")).status_code == 201


async def test_a_token_for_reading_installs_and_no_more(served: Served) -> None:
    ada = await Person.named(served, "ada")
    await served.put(ada.text, "@ada/plans", private=True)
    reading = (await ada.does("POST", TOKENS, {"name": "CI"})).json()["token"]
    assert reading.startswith("ctxr_")
    assert (await served.get(at("@ada/plans", "1.0.0", "download"), reading)).status_code == 200
    assert is_refused(await served.put(reading, "@ada/plans", "1.1.0"), 403)


async def test_a_token_for_one_namespace_opens_no_other(served: Served) -> None:
    ada = await Person.named(served, "ada")
    await ada.does("POST", NAMESPACES, {"namespace": "@acme"})
    asked = {"name": "CI", "scope": "push", "namespace": "acme"}
    only = Person(served, (await ada.does("POST", TOKENS, asked)).json()["token"])
    assert (await served.put(only.text, "@acme/review")).status_code == 201
    assert is_refused(await served.put(only.text, "@ada/review"), 403)
    more = await only.does("POST", TOKENS, {"name": "x"})
    assert more.json()["namespace"] == "acme"
    assert is_refused(await only.does("POST", TOKENS, {"name": "x", "namespace": "ada"}), 403)
    assert is_refused(await only.does("POST", TOKENS, {"name": "x", "scope": "publish"}), 403)


async def test_a_revoked_token_opens_nothing_from_then_on(served: Served) -> None:
    ada = await Person.named(served, "ada")
    made = (await ada.does("POST", TOKENS, {"name": "CI"})).json()
    assert (await served.get(ME, made["token"])).status_code == 200
    assert (await ada.does("DELETE", f"{TOKENS}/{made['id']}")).status_code == 204
    assert is_refused(await served.get(ME, made["token"]), 401)
    assert made["id"] not in str(await ada.get(TOKENS))
    assert is_refused(await ada.does("DELETE", f"{TOKENS}/{made['id']}"), 404)


async def test_a_token_revokes_itself_and_none_that_is_stronger(served: Served) -> None:
    ada = await Person.named(served, "ada")
    strong = (await ada.get(TOKENS))["tokens"][0]["id"]
    made = (await ada.does("POST", TOKENS, {"name": "weak"})).json()
    weak = Person(served, made["token"])
    assert is_refused(await weak.does("DELETE", f"{TOKENS}/{strong}"), 403)
    assert (await weak.does("DELETE", f"{TOKENS}/{made['id']}")).status_code == 204


async def test_a_token_expires_when_it_was_said_to(served: Served) -> None:
    ada, registry = await Person.named(served, "ada"), served.world.registry
    now = registry.clock()
    over = {"name": "x", "expires_at": (now - timedelta(seconds=1)).isoformat()}
    assert is_refused(await ada.does("POST", TOKENS, over), 400)
    soon = {"name": "x", "expires_at": (now + timedelta(days=1)).isoformat()}
    made = (await ada.does("POST", TOKENS, soon)).json()
    assert made["expires_at"].endswith("Z")

    async def aged(connection):
        mine = tokens.c.id == made["id"]
        await connection.execute(update(tokens).where(mine).values(expires_at=now))

    await registry.journal.write(aged)
    assert is_refused(await served.get(ME, made["token"]), 401)


async def test_a_namespace_has_ten_tokens_at_most(served: Served) -> None:
    ada = await Person.named(served, "ada")
    asked = {"name": "CI", "namespace": "ada"}
    made = [(await ada.does("POST", TOKENS, asked)).status_code for _ in range(MOST_ACTIVE + 1)]
    assert made == [201] * MOST_ACTIVE + [409]


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"name": ""},
        {"name": "x" * 101},
        {"name": "a\nb"},
        {"name": "x", "scope": "admin"},
        {"name": "x", "namespace": "No Name"},
        {"name": "x", "expires_at": "2099-01-01T00:00:00"},
        {"name": "x", "owner": True},
    ],
)
async def test_what_is_no_token_is_400(served: Served, body: Any) -> None:
    ada = await Person.named(served, "ada")
    assert is_refused(await ada.does("POST", TOKENS, body), 400)


# --- namespaces


async def test_a_namespace_is_whose_claimed_it_first(served: Served) -> None:
    ada, bob = [await Person.named(served, name) for name in ("ada", "bob")]
    claimed = await ada.does("POST", NAMESPACES, {"namespace": "acme"})
    assert claimed.status_code == 201
    assert (claimed.json()["namespace"], claimed.json()["team"]) == ("acme", None)
    assert claimed.json()["role"] == "admin"
    assert is_refused(await bob.does("POST", NAMESPACES, {"namespace": "acme"}), 409)
    assert [one["namespace"] for one in (await ada.get(NAMESPACES))["namespaces"]] == [
        "acme",
        "ada",
    ]
    assert (await served.put(ada.text, "@acme/review")).status_code == 201
    assert is_refused(await served.put(bob.text, "@acme/review", "1.1.0"), 403)


async def test_an_account_owns_so_many_namespaces_and_a_team_too(served: Served) -> None:
    ada = await Person.named(served, "ada")
    await ada.does("POST", TEAMS, {"team": "backend"})
    for team in ("", "backend"):
        asked = [{"namespace": f"acme{team}-{n}", "team": team} for n in range(MOST_NAMESPACES)]
        done = [(await ada.does("POST", NAMESPACES, one)).status_code for one in asked]
        assert done == [201] * (MOST_NAMESPACES - 1) + [409]  # one has the name of its owner


@pytest.mark.parametrize("name", ["official", "x", "Acme", "-a-", "a/b", "", "x" * 33])
async def test_what_is_no_namespace_or_nobodys_is_400(served: Served, name: str) -> None:
    ada = await Person.named(served, "ada")
    assert is_refused(await ada.does("POST", NAMESPACES, {"namespace": name}), 400)
    assert is_refused(await ada.does("POST", TEAMS, {"team": name}), 400)


# --- teams


async def test_members_of_a_team_publish_by_their_roles_in_what_it_owns(served: Served) -> None:
    people = {name: await Person.named(served, name) for name in ("ada", "bob", "cy", "eve")}
    ada = people["ada"]
    made = await ada.does("POST", TEAMS, {"team": "backend", "display_name": "Backend"})
    assert made.status_code == 201
    assert [(one["handle"], one["role"]) for one in made.json()["members"]] == [("ada", "admin")]
    for who, role in (("bob", "write"), ("cy", "read")):
        put = await ada.does("PUT", f"{TEAMS}/backend/members/{who}", {"role": role})
        assert put.status_code == 200
    claimed = await ada.does("POST", NAMESPACES, {"namespace": "acme", "team": "backend"})
    assert claimed.json()["team"] == "backend"
    held = (await people["cy"].get(NAMESPACES))["namespaces"]
    assert [(one["namespace"], one["role"]) for one in held] == [
        ("acme", "read"),
        ("backend", "read"),
        ("cy", "admin"),
    ]
    for name, status in {"bob": 201, "cy": 403, "eve": 403}.items():
        put = await served.put(people[name].text, "@acme/review", private=True)
        assert put.status_code == status, name
    yank = await served.http.delete(
        at("@acme/review", "1.0.0"), headers=bearing(people["bob"].text)
    )
    assert is_refused(yank, 403)
    seen = {
        name: (await served.get(at("@acme/review", "index.json"), one.text)).status_code
        for name, one in people.items()
    }
    assert seen == {"ada": 200, "bob": 200, "cy": 200, "eve": 404}
    gone = await ada.does("DELETE", f"{TEAMS}/backend/members/bob")
    assert gone.status_code == 204
    assert is_refused(await served.put(people["bob"].text, "@acme/review", "1.1.0"), 403)


async def test_an_owner_gives_a_namespace_to_a_team_and_to_nobody_else(served: Served) -> None:
    ada, bob = [await Person.named(served, name) for name in ("ada", "bob")]
    await ada.does("POST", TEAMS, {"team": "backend"})
    await bob.does("POST", TEAMS, {"team": "others"})
    await ada.does("POST", NAMESPACES, {"namespace": "acme"})
    owner = f"{NAMESPACES}/acme/owner"
    assert is_refused(await ada.does("PUT", owner, {"team": "others"}), 404)
    assert is_refused(await ada.does("PUT", owner, {"team": "bob"}), 404)
    assert is_refused(await bob.does("PUT", owner, {"team": "others"}), 403)
    given = await ada.does("PUT", owner, {"team": "backend"})
    assert (given.status_code, given.json()["team"]) == (200, "backend")
    await ada.does("POST", TEAMS, {"team": "another"})
    assert is_refused(await ada.does("PUT", owner, {"team": "another"}), 403)


async def test_a_team_is_there_for_its_members_alone(served: Served) -> None:
    ada, eve = [await Person.named(served, name) for name in ("ada", "eve")]
    await ada.does("POST", TEAMS, {"team": "backend", "description": "We build."})
    assert is_refused(await eve.does("GET", f"{TEAMS}/backend"), 404)
    assert (await eve.get(TEAMS)) == {"teams": []}
    [mine] = (await ada.get(TEAMS))["teams"]
    assert (mine["team"], mine["description"], mine["role"]) == ("backend", "We build.", "admin")
    taken = await eve.does("POST", TEAMS, {"team": "ada"})
    assert is_refused(taken, 409)


async def test_a_team_keeps_an_admin_and_knows_its_people(served: Served) -> None:
    ada = await Person.named(served, "ada")
    await ada.does("POST", TEAMS, {"team": "backend"})
    members = f"{TEAMS}/backend/members"
    assert is_refused(await ada.does("DELETE", f"{members}/ada"), 409)
    assert is_refused(await ada.does("PUT", f"{members}/ada", {"role": "read"}), 409)
    assert is_refused(await ada.does("PUT", f"{members}/nobody", {"role": "read"}), 404)
    assert is_refused(await ada.does("PUT", f"{members}/ada", {"role": "owner"}), 400)


# --- who may not

WRITES: list[tuple[str, str, Any]] = [
    ("POST", TOKENS, {"name": "x"}),
    ("POST", NAMESPACES, {"namespace": "fresh"}),
    ("PUT", f"{NAMESPACES}/acme/owner", {"team": "backend"}),
    ("POST", TEAMS, {"team": "fresh"}),
    ("PUT", f"{TEAMS}/backend/members/eve", {"role": "admin"}),
    ("DELETE", f"{TEAMS}/backend/members/ada", None),
    ("DELETE", f"{TOKENS}/{{token}}", None),
]
READS = [ME, TOKENS, NAMESPACES, TEAMS, f"{TEAMS}/backend"]


async def a_team(served: Served) -> dict[str, str]:
    """Let ada have a namespace, a team and a token; return where each write goes."""
    ada = await Person.named(served, "ada")
    await ada.does("POST", NAMESPACES, {"namespace": "acme"})
    await ada.does("POST", TEAMS, {"team": "backend"})
    mine = (await ada.get(TOKENS))["tokens"][0]["id"]
    return {path: path.format(token=mine) for _, path, _ in WRITES}


async def test_nobody_reads_or_writes_without_a_good_token(served: Served) -> None:
    where, registry = await a_team(served), served.world.registry
    revoked, account = await served.world.account("eve")
    [one] = await registry.tokens.of_account(account.id)
    await registry.tokens.revoke(one.id, OWNER)
    expired, _ = await served.world.account("late", expires_at=registry.clock())
    for text in ("", "nonsense", "ctxp_" + "x" * 43, revoked, expired):
        somebody = Person(served, text)
        for path in READS:
            assert is_refused(await somebody.does("GET", path), 401)
        for method, path, body in WRITES:
            refused = await somebody.does(method, where[path], body)
            assert is_refused(refused, 401), (method, path)
            assert refused.headers["www-authenticate"].startswith("Bearer")


async def test_a_token_of_a_namespace_alone_has_no_account(served: Served) -> None:
    where = await a_team(served)
    somebody = Person(served, await served.token("acme"))
    for path in READS:
        assert is_refused(await somebody.does("GET", path), 403)
    for method, path, body in WRITES:
        assert is_refused(await somebody.does(method, where[path], body), 403), (method, path)


async def test_a_weaker_token_changes_nothing_of_the_account(served: Served) -> None:
    where = await a_team(served)
    reading = await Person.named(served, "ada", Scope.READ)
    narrow = await Person.named(served, "ada", namespace="acme")
    for method, path, body in WRITES:
        assert is_refused(await reading.does(method, where[path], body), 403), (method, path)
        if (method, path) != ("POST", TOKENS):
            assert is_refused(await narrow.does(method, where[path], body), 403), (method, path)


async def test_another_account_or_team_changes_nothing(served: Served) -> None:
    where = await a_team(served)
    eve = await Person.named(served, "eve")
    await eve.does("POST", TEAMS, {"team": "others"})
    bob = await Person.named(served, "bob")
    added = f"{TEAMS}/backend/members/bob"
    ada = await Person.named(served, "ada")
    await ada.does("PUT", added, {"role": "write"})
    before = [await ada.get(path) for path in READS]
    for somebody, status in ((eve, 404), (bob, 403)):
        for method, path, body in WRITES[4:6]:
            assert is_refused(await somebody.does(method, where[path], body), status)
        revoke = f"{TOKENS}/{{token}}"
        assert is_refused(await somebody.does("DELETE", where[revoke]), 404)
        claim = {"namespace": "fresh", "team": "backend"}
        assert is_refused(await somebody.does("POST", NAMESPACES, claim), status)
        owner = f"{NAMESPACES}/acme/owner"
        assert is_refused(await somebody.does("PUT", owner, {"team": "backend"}), status)
        weak = {"name": "x", "namespace": "acme"}
        assert is_refused(await somebody.does("POST", TOKENS, weak), 403)
    assert [await ada.get(path) for path in READS] == before


# --- the description


async def test_answers_are_what_the_document_says(served: Served) -> None:
    ada = await Person.named(served, "ada")
    document = (await served.get("/openapi.json")).json()
    await served.world.account("bob")
    for method, path, body in [
        ("POST", NAMESPACES, {"namespace": "acme"}),
        ("POST", TEAMS, {"team": "backend"}),
        ("PUT", f"{TEAMS}/backend/members/bob", {"role": "read"}),
        ("PUT", f"{NAMESPACES}/acme/owner", {"team": "backend"}),
        ("POST", TOKENS, {"name": "CI", "namespace": "acme"}),
        *(("GET", path, None) for path in READS),
        ("DELETE", f"{TEAMS}/backend/members/bob", None),
    ]:
        template = path.replace("/acme", "/{ns}").replace("/backend", "/{team}")
        described = document["paths"][template.replace("/bob", "/{who}")][method.lower()]
        assert described["security"] == [{"bearerAuth": []}, {"session": []}]
        given = await ada.does(method, path, body)
        said = described["responses"][str(given.status_code)]
        if body is not None:
            Draft202012Validator(
                described["requestBody"]["content"]["application/json"]["schema"]
            ).validate(body)
        if given.content:
            schema = said["content"]["application/json"]["schema"]
            Draft202012Validator(schema).validate(given.json())


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        (TOKENS, "GET, HEAD, POST"),
        (f"{TOKENS}/1", "DELETE"),
        (at("@acme/review", "1.0.0"), "DELETE, PUT"),
        ("/csreg/api/v1/teams", "GET, HEAD, POST"),
        ("/v1/session/mutate", "POST"),
    ],
)
async def test_a_wrong_method_is_told_every_right_one(
    sqlite_world: World, path: str, methods: str
) -> None:
    async with Served.inside(sqlite_world) as served:
        refused = await served.http.request("TRACE", path)
    assert refused.status_code == 405
    assert refused.headers["allow"] == methods
