"""The log over HTTP: static files by C2SP tlog-tiles, open to everybody."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from registry_core.signing import SigningKey
from registry_core.transparency import merkle, tiles
from registry_core.transparency.checkpoints import read
from registry_core.transparency.log import Log
from registry_core.transparency.merkle import leaf_hash
from registry_core.transparency.notes import Note, Signer, Verifier
from served import EVERYBODY, Served
from world import World

WITNESS = Signer("witness.example/w1", SigningKey(b"the seed of a witness, 32 bytes."))
NOW = int(datetime.now(UTC).timestamp())


@pytest.fixture
def world(sqlite_world: World) -> World:
    log = sqlite_world.registry.transparency
    witnessed = Log(sqlite_world.registry.journal, log._files, log._signer, [WITNESS.witness])
    return replace(sqlite_world, registry=replace(sqlite_world.registry, transparency=witnessed))


async def test_a_stranger_reads_and_verifies_the_whole_log(world: World) -> None:
    for version in ("1.0.0", "1.1.0", "2.0.0"):
        await world.publish("@acme/review", version)
    await world.publish("@acme/hidden", private=True)
    async with Served.inside(world, EVERYBODY, peer="203.0.113.7") as served:
        key = (await served.get("/log/key")).text.strip()
        answer = await served.get("/log/checkpoint")
        tree = read(answer.content, Verifier.parse(key)).checkpoint
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        assert answer.headers["cache-control"] == "public, max-age=2"
        bundle = await served.get("/log/tile/entries/000.p/5")
        hashes = await served.get("/log/tile/0/000.p/5")
    leaves = tiles.unbundle(bundle.content, tree.size)
    assert [leaf_hash(leaf) for leaf in leaves] == tiles.hashes_of(hashes.content)
    assert merkle.root([leaf_hash(leaf) for leaf in leaves]) == tree.root
    assert b"hidden" not in bundle.content
    for one in (bundle, hashes):
        assert one.headers["content-type"] == "application/octet-stream"
        assert one.headers["cache-control"] == "public, max-age=31536000, immutable"


@pytest.mark.parametrize(
    "path",
    [
        "/log/tile/0/000",
        "/log/tile/0/000.p/3",
        "/log/tile/0/0",
        "/log/tile/entries/000.p/3",
        "/log/tile/0/..%2f..%2fcheckpoint",
        "/log/tile/",
        "/log/",
        "/log/log.key",
    ],
)
async def test_what_is_not_in_the_log_is_404_and_kept_by_no_cache(world: World, path: str) -> None:
    await world.publish("@acme/review")
    async with Served.inside(world) as served:
        answer = await served.get(path)
    assert answer.status_code == 404
    assert answer.headers["cache-control"] == "no-store"
    assert set(answer.json()) == {"error", "code", "hint"}


async def test_a_witness_posts_its_cosignature_and_everybody_sees_it(world: World) -> None:
    await world.publish("@acme/review")
    async with Served.inside(world, EVERYBODY, peer="203.0.113.7") as served:
        answer = await served.get("/log/checkpoint")
        key = Verifier.parse((await served.get("/log/key")).text.strip())
        note = read(answer.content, key).note
        cosigned = str(note.with_([WITNESS.cosign(note.text, NOW)]))
        taken = await served.http.post("/log/cosignatures", content=cosigned)
        assert (taken.status_code, taken.json()) == (200, {"accepted": 1})
        assert (await served.get("/log/checkpoint")).text == cosigned


async def test_cosignatures_that_prove_nothing_have_a_status_each(world: World) -> None:
    await world.publish("@acme/review")
    async with Served.inside(world, EVERYBODY, peer="203.0.113.7") as served:
        text = (await served.get("/log/checkpoint")).text
        body, _, line = text.rpartition("\n\n")
        forged = WITNESS.cosign(f"{body}\n", NOW)
        other = Note(f"{body}\n".replace("\n2\n", "\n7\n"), ())
        for content, status in (
            ("nonsense", 400),
            (text, 403),
            (f"{text}{replace(forged, value=bytes(72)).line}", 403),
            (str(other.with_([WITNESS.cosign(other.text, NOW)])), 404),
            (f"{body}\nmore\n\n{line}", 409),
            ("x" * 100_000, 413),
        ):
            answer = await served.http.post("/log/cosignatures", content=content)
            assert answer.status_code == status, answer.text
        assert (await served.http.put("/log/checkpoint")).status_code == 405


async def test_an_install_plan_over_http_brings_its_proofs(world: World) -> None:
    await world.publish("@acme/review")
    async with Served.inside(world) as served:
        for arguments, proven in (({}, False), ({"seen": []}, True)):
            body = {"name": "install", "arguments": {"refs": ["@acme/review"], **arguments}}
            answer = (await served.http.post("/v1/tools/call", json=body)).json()
            plan = answer["structuredContent"]
            assert (plan["log"] is not None) is proven
            assert (plan["plan"][0]["log"] is not None) is proven
