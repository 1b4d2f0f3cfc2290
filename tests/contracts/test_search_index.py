"""What every search index promises, whatever is behind it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from registry_core.errors import Unavailable
from registry_core.names import Kind
from registry_core.search import MAX_LIMIT, Entry, Put, Query, Remove, SearchIndex
from registry_core.search.fts5 import Fts5Index
from registry_core.search.tantivy import TantivyIndex

Open = Callable[[Path], Awaitable[SearchIndex]]

BACKENDS: dict[str, Open] = {
    "fts5 file": lambda folder: Fts5Index.open(folder / "search.db"),
    "fts5 memory": lambda _folder: Fts5Index.open(None),
    "tantivy folder": lambda folder: TantivyIndex.open(folder / "search"),
    "tantivy memory": lambda _folder: TantivyIndex.open(None),
}

ALL = Query(namespaces_visible=None, limit=100)


@pytest.fixture(params=BACKENDS)
async def index(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SearchIndex]:
    opened = await BACKENDS[request.param](tmp_path)
    yield opened
    await opened.close()


def package(
    name: str,
    description: str = "",
    *,
    kind: Kind = Kind.SKILL,
    private: bool = False,
    tags: tuple[str, ...] = (),
    body: str = "",
) -> Put:
    return Put(
        Entry(
            key=name,
            name=f"@{name}",
            kind=kind,
            namespace=name.partition("/")[0],
            private=private,
            description=description,
            tags=tags,
            body=body,
        )
    )


SHELF = (
    package("acme/auth-context", "How tokens are checked at the gate", tags=("Security", "jwt")),
    package("acme/auth-tool", "Mints tokens for services", kind=Kind.TOOL, tags=("security",)),
    package("acme/vault", "Secret tokens of the payroll", private=True, tags=("security",)),
    package("zeta/auth-context", "Another one by another publisher"),
    package("zeta/deploy", "Ships a service", body="Run the migrations, then rotate certificates."),
    package("zeta/oauth", "Signing in with a provider"),
    package("zeta/db-migrator", "数据库迁移工具,支持回滚", tags=("数据库",)),
)


async def keys(index: SearchIndex, text: str = "", **given: object) -> list[str]:
    query = Query(text=text, **{"namespaces_visible": None, "limit": 100, **given})  # type: ignore[arg-type]
    return [hit.key for hit in (await index.search(query)).hits]


async def test_a_new_index_is_empty_and_stands_at_zero(index: SearchIndex) -> None:
    assert await index.position() == 0
    found = await index.search(ALL)
    assert (found.hits, found.total) == ((), 0)


async def test_a_later_put_replaces_and_a_remove_forgets(index: SearchIndex) -> None:
    await index.apply(SHELF, 7)
    await index.apply([package("zeta/deploy", "Sails a boat"), Remove("zeta/oauth")], 8)
    assert await index.position() == 8
    assert await keys(index, "boat") == ["zeta/deploy"]
    assert await keys(index, "certificates") == []
    assert await keys(index, "oauth") == []
    assert (await index.search(ALL)).total == len(SHELF) - 1


async def test_removing_what_is_not_there_moves_the_position_only(index: SearchIndex) -> None:
    await index.apply([Remove("no/where")], 1)
    assert await index.position() == 1


@pytest.mark.parametrize("position", [0, 4, 5])
async def test_a_position_that_is_not_beyond_changes_nothing(
    index: SearchIndex, position: int
) -> None:
    await index.apply(SHELF, 5)
    await index.apply([Remove(change.entry.key) for change in SHELF], position)
    assert await index.position() == 5
    assert (await index.search(ALL)).total == len(SHELF)


async def test_the_same_changes_twice_leave_one_entry_each(index: SearchIndex) -> None:
    await index.apply([*SHELF, *SHELF], 1)
    await index.apply(SHELF, 2)
    assert (await index.search(ALL)).total == len(SHELF)
    assert sorted(await keys(index, "tokens")) == [
        "acme/auth-context",
        "acme/auth-tool",
        "acme/vault",
    ]


async def test_cleared_it_is_as_new_and_takes_everything_again(index: SearchIndex) -> None:
    await index.apply(SHELF, 9)
    await index.clear()
    assert await index.position() == 0
    assert (await index.search(ALL)).total == 0
    await index.apply(SHELF, 1)
    assert "zeta/deploy" in await keys(index, "ships")


async def test_any_word_of_a_request_finds_in_any_of_its_forms(index: SearchIndex) -> None:
    await index.apply(SHELF, 1)
    assert await keys(index, "please mint something shiny") == ["acme/auth-tool"]
    assert await keys(index, "the rotating certificate") == ["zeta/deploy"]


@pytest.mark.parametrize("text", ["@acme/auth-context", "acme/auth-context", "ACME/Auth-Context"])
async def test_a_name_that_is_typed_out_comes_first(index: SearchIndex, text: str) -> None:
    await index.apply(SHELF, 1)
    assert (await keys(index, text))[0] == "acme/auth-context"


async def test_a_bare_name_puts_every_package_of_that_name_first(index: SearchIndex) -> None:
    noise = [package(f"noise/n{i}", "auth context auth context") for i in range(5)]
    await index.apply([*noise, *SHELF], 1)
    assert set((await keys(index, "auth-context"))[:2]) == {
        "acme/auth-context",
        "zeta/auth-context",
    }


async def test_the_beginning_of_a_name_finds_it(index: SearchIndex) -> None:
    await index.apply([*SHELF, package("zeta/other", "depl depl depl")], 1)
    assert await keys(index, "depl") == ["zeta/deploy", "zeta/other"]
    assert (await keys(index, "zeta/de"))[0] == "zeta/deploy"
    found = await index.search(Query(text="depl"))
    assert found.total == 2
    assert found.hits[0].matched == ("name",)


async def test_a_piece_of_a_name_that_is_no_word_finds_it(index: SearchIndex) -> None:
    await index.apply(SHELF, 1)
    assert sorted(await keys(index, "contex")) == ["acme/auth-context", "zeta/auth-context"]


async def test_the_words_of_a_name_split_on_case_and_dashes(index: SearchIndex) -> None:
    await index.apply([package("acme/getHTTPWeather_now")], 1)
    for text in ("weather", "http", "getHTTPWeather_now", "now", "gethttpweather"):
        assert await keys(index, f"{text} please") == ["acme/getHTTPWeather_now"], text


async def test_a_tag_that_equals_the_text_comes_before_mentions(index: SearchIndex) -> None:
    loud = package("acme/loud", "code review code review code review")
    tagged = package("acme/quiet", "something else entirely and at length", tags=("Code Review",))
    await index.apply([loud, tagged], 1)
    assert await keys(index, "code review") == ["acme/quiet", "acme/loud"]


async def test_kinds_and_tags_narrow_hits_and_total(index: SearchIndex) -> None:
    await index.apply(SHELF, 1)
    assert await keys(index, "tokens", kinds=frozenset({Kind.TOOL})) == ["acme/auth-tool"]
    assert await keys(index, "", tags=frozenset({"SECURITY", "jwt"})) == ["acme/auth-context"]
    found = await index.search(
        Query(text="tokens", kinds=frozenset({Kind.SKILL, Kind.TOOL}), tags=frozenset({"jwt"}))
    )
    assert found.total == 1


@pytest.mark.parametrize("text", ["", "vault", "acme/vault", "@acme/vault", "vau", "secret tokens"])
async def test_a_private_package_is_not_there_for_others(index: SearchIndex, text: str) -> None:
    await index.apply(SHELF, 1)
    without = [change for change in SHELF if not change.entry.private]
    for visible in (frozenset[str](), frozenset({"zeta", "acm", "acme2"})):
        found = await index.search(Query(text=text, namespaces_visible=visible, limit=100))
        assert "acme/vault" not in [hit.key for hit in found.hits]
        assert not any("payroll" in hit.snippet for hit in found.hits)
        assert found.total == len(found.hits)
        if not text:
            assert found.total == len(without)


@pytest.mark.parametrize("text", ["contex", "contexts-of", "ault"])
async def test_what_others_find_does_not_tell_what_a_private_package_says(
    index: SearchIndex, text: str
) -> None:
    await index.apply(SHELF, 1)
    before = await keys(index, text, namespaces_visible=frozenset())
    await index.apply([package(f"acme/{text}-x", f"{text} {text}", private=True)], 2)
    assert await keys(index, text, namespaces_visible=frozenset()) == before


async def test_a_private_package_is_there_for_its_namespace(index: SearchIndex) -> None:
    await index.apply(SHELF, 1)
    for visible in (frozenset({"acme"}), None):
        assert (await keys(index, "vau", namespaces_visible=visible)) == ["acme/vault"]
        assert "acme/vault" in await keys(index, "payroll", namespaces_visible=visible)


async def test_an_empty_text_lists_everything_by_name_page_by_page(index: SearchIndex) -> None:
    await index.apply(SHELF, 1)
    everything = await keys(index)
    assert everything == sorted(change.entry.key for change in SHELF)
    pages = [
        await index.search(Query(text="  ", namespaces_visible=None, limit=3, offset=offset))
        for offset in (0, 3, 6, 9)
    ]
    assert [hit.key for page in pages for hit in page.hits] == everything
    assert {page.total for page in pages} == {len(SHELF)}
    assert pages[0].hits[0].matched == ()
    assert pages[0].hits[0].snippet == "How tokens are checked at the gate"


async def test_pages_of_a_search_join_without_gap_or_repetition(index: SearchIndex) -> None:
    await index.apply([package(f"acme/p{n:02}", "equal words") for n in range(25)], 1)
    pages = [
        await index.search(Query(text="equal words", limit=10, offset=offset))
        for offset in (0, 10, 20, 30)
    ]
    found = [hit.key for page in pages for hit in page.hits]
    assert found == await keys(index, "equal words")
    assert sorted(found) == [f"acme/p{n:02}" for n in range(25)]
    assert {page.total for page in pages} == {25}


@pytest.mark.parametrize("text", ["", "equal words"])
async def test_a_page_begins_behind_what_was_seen_whatever_came_or_went(
    index: SearchIndex, text: str
) -> None:
    await index.apply([package(f"acme/p{n:02}", "equal words") for n in range(0, 40, 2)], 1)
    every = await keys(index, text)
    assert len(every) == 20
    await index.apply([package("acme/p00x"), Remove(every[4]), Remove(every[5])], 2)
    assert await keys(index, text, limit=10, offset=10, after=every[9]) == every[10:]
    gone = await keys(index, text, limit=100, offset=10, after=every[4])
    assert gone == (await keys(index, text))[10:]


async def test_publishers_and_what_is_verified_narrow_hits_and_total(index: SearchIndex) -> None:
    entries = [replace(change.entry, verified=n % 2 == 0) for n, change in enumerate(SHELF)]
    await index.apply([Put(entry) for entry in entries], 1)
    for text in ("", "tokens"):
        every = await keys(index, text)
        theirs = [key for key in every if key.startswith("acme/")]
        assert await keys(index, text, publishers=frozenset({"acme", "nobody"})) == theirs
        sure = [entry.key for entry in entries if entry.verified]
        assert await keys(index, text, include_unverified=False) == [k for k in every if k in sure]


@pytest.mark.parametrize("text", ["", "tokens"])
async def test_facets_count_what_the_asker_finds_and_nothing_else(
    index: SearchIndex, text: str
) -> None:
    await index.apply(SHELF, 1)
    assert (await index.search(Query(text=text))).facets == {}
    for visible in (frozenset[str](), frozenset({"acme"})):
        query = Query(text=text, namespaces_visible=visible, facets=True, limit=1)
        found = await index.search(query)
        kinds, tags = found.facets["kind"], found.facets["tag"]
        assert sum(kinds.values()) == found.total
        assert sum(found.facets["publisher"].values()) == found.total
        assert found.facets["verified"] == {"false": found.total}
        assert tags["security"] == (3 if visible else 2)
        narrow = await index.search(replace(query, kinds=frozenset({Kind.TOOL})))
        assert narrow.facets["kind"] == {"tool": 1}


@pytest.mark.parametrize("text", ["", "tokens"])
async def test_a_facet_counts_the_categories_that_publishers_gave(
    index: SearchIndex, text: str
) -> None:
    given = ["Security", "security", "", "data \x00 science"]
    entries = [
        replace(change.entry, category=given[number % len(given)], private=False)
        for number, change in enumerate(SHELF)
    ]
    await index.apply([Put(entry) for entry in entries], 1)
    found = await index.search(Query(text=text, facets=True, limit=MAX_LIMIT))
    there = {hit.key for hit in found.hits}
    counts = [entry.category for entry in entries if entry.key in there and entry.category]
    security = sum(category.lower() == "security" for category in counts)
    assert security
    assert found.facets["category"].pop("security") == security
    assert sum(found.facets["category"].values()) == len(counts) - security


async def test_pairs_are_what_says_the_same_and_the_asker_may_see(index: SearchIndex) -> None:
    text = "Extracts tables from scanned invoices and writes them into a spreadsheet"
    twins = [package(f"acme/{n}", text) for n in ("invoices", "invoices-two")]
    hidden = package("acme/invoices-three", text, private=True)
    await index.apply([*SHELF, *twins, hidden], 1)
    found = await index.pairs(Query(limit=10), 0.8)
    assert [{pair.one, pair.other} for pair in found] == [{"acme/invoices", "acme/invoices-two"}]
    assert found[0].similarity > 0.8
    every = await index.pairs(Query(namespaces_visible=None, limit=10), 0.8)
    assert len(every) == 3
    assert await index.pairs(Query(kinds=frozenset({Kind.TOOL})), 0.8) == []


async def test_wild_limits_are_clamped(index: SearchIndex) -> None:
    await index.apply(SHELF, 1)
    assert len((await index.search(Query(limit=-1, offset=-(10**30)))).hits) == 1
    assert (await index.search(Query(limit=10**30))).total == len(SHELF) - 1
    assert (await index.search(Query(offset=10**30))).hits == ()


async def test_a_hit_says_where_it_matched_and_shows_the_place(index: SearchIndex) -> None:
    body = f"{'Filler words come first. ' * 40}Here the quokka appears. {'And more follows. ' * 40}"
    await index.apply([package("acme/animals", "About animals", tags=("quokka",), body=body)], 1)
    (hit,) = (await index.search(Query(text="quokkas"))).hits
    assert hit.matched == ("tags", "body")
    assert "Here the quokka appears." in hit.snippet
    assert hit.snippet.startswith("…")
    assert hit.snippet.endswith("…")
    assert len(hit.snippet) <= 162
    assert hit.score > 0
    (hit,) = (await index.search(Query(text="animal"))).hits
    assert hit.matched == ("name", "description")
    assert hit.snippet == "About animals"


async def test_a_match_deep_in_a_body_is_said_to_be_in_the_body(index: SearchIndex) -> None:
    await index.apply([package("acme/deep", "Text", body=f"{'filler ' * 4000}quokka")], 1)
    (hit,) = (await index.search(Query(text="quokka"))).hits
    assert hit.matched == ("body",)


async def test_a_body_counts_up_to_64_kib(index: SearchIndex) -> None:
    await index.apply([package("acme/long", body=f"{'é' * 40_000} {'x ' * 40_000} quokka")], 1)
    assert await keys(index, "quokka") == []


async def test_a_snippet_is_one_plain_line(index: SearchIndex) -> None:
    text = "a\x00b\x1b[31m red \u202eevil\u202c\r\nnext <b>line</b> \ud800 quokka"
    await index.apply([package("acme/odd", text)], 1)
    (hit,) = (await index.search(Query(text="quokka"))).hits
    assert hit.snippet == "a b [31m red evil next <b>line</b> ? quokka"


@pytest.mark.parametrize("text", ["数据库", "迁移", "数据库迁移", "支持回滚吗"])
async def test_chinese_is_found_without_blanks(index: SearchIndex, text: str) -> None:
    await index.apply(SHELF, 1)
    assert await keys(index, text) == ["zeta/db-migrator"]


async def test_other_scripts_and_accents_are_found(index: SearchIndex) -> None:
    texts = {
        "acme/ja": "データベースの移行を手伝う",
        "acme/ko": "데이터베이스 마이그레이션",
        "acme/th": "ย้ายฐานข้อมูลอย่างปลอดภัย",
        "acme/hi": "डेटाबेस स्थानांतरण",
        "acme/ar": "ترحيل قاعدة البيانات",
        "acme/fr": "Migration de données très éprouvée",
    }
    await index.apply([package(key, text) for key, text in texts.items()], 1)
    asked = {
        "データベース": "acme/ja",
        "마이그레이션": "acme/ko",
        "ฐานข้อมูล": "acme/th",
        "स्थानांतरण": "acme/hi",
        "البيانات": "acme/ar",
        "DONNE\u0301ES": "acme/fr",
        "eprouvee": "acme/fr",
    }
    for text, key in asked.items():
        assert await keys(index, text) == [key], text


HOSTILE = (
    '"',
    '""""',
    "AND OR NOT NEAR",
    "NEAR(a b, 3)",
    "name : x",
    "{name tags} : auth*",
    "^auth",
    "auth*",
    "-auth +tokens",
    "(((((",
    ") OR 1=1 --",
    "'; drop table entry; --",
    "%_\\%",
    "\x00",
    "auth\x00tokens",
    "\ud800\udfff",
    "@",
    "/",
    "@/",
    "\x1f",
    "👩‍👩‍👧‍👦 🚀",
    "\u202etokens\u202c שלום مرحبا",
    "\ufdfa" * 5000,
    "é" * 5000,
    "e\u0301\u0302\u0303" * 3000,
    "据" * 20_000,
    "aB" * 20_000,
    "tokens " * 10_000,
    " ".join(f"word{n}" for n in range(10_000)),
    "x" * 10_000_000,
    "\n\t ",
    "the of and",
    "NaN null [] {}",
    "(a+)+$",
    f"{'a' * 40}!{'.*' * 20}",
    "[" * 300,
    "(?:x" * 100,
    "a{1,9999}{1,9999}",
    "../" * 30,
)


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
async def test_no_text_is_an_error(index: SearchIndex, text: str) -> None:
    await index.apply(SHELF, 1)
    odd = frozenset({text[:500], "a"})
    found = await index.search(Query(text=text, namespaces_visible=odd))
    assert len(found.hits) <= found.total <= len(SHELF) - 1
    assert (await index.search(Query(text=text, tags=odd))).total == 0


async def test_a_hostile_package_can_be_indexed_found_and_removed(index: SearchIndex) -> None:
    for position, text in enumerate(HOSTILE, start=1):
        cut = text[:70_000]
        bad = Put(
            Entry(
                key=cut,
                name=f"@acme/{cut}",
                kind=Kind.SKILL,
                namespace=cut,
                private=True,
                description=cut,
                tags=(cut, ""),
                body=cut,
            )
        )
        await index.apply([bad, bad], position * 2)
        assert len(await keys(index)) == 1
        await keys(index, cut)
        await index.apply([Remove(cut)], position * 2 + 1)
        assert await keys(index) == []


async def test_a_long_request_keeps_its_rarest_words(index: SearchIndex) -> None:
    common = [f"common{n}" for n in range(200)]
    noise = [package(f"noise/n{n}", " ".join(common)) for n in range(4)]
    others = [package(f"other/o{n}", "nothing") for n in range(6)]
    await index.apply([*noise, *others, package("acme/rare", "quokka")], 1)
    assert "acme/rare" in await keys(index, " ".join([*common, "quokka"]))


async def test_readers_see_whole_batches_while_they_are_written(index: SearchIndex) -> None:
    async def write() -> None:
        for n in range(1, 31):
            await index.apply([package(f"a/p{n}", "twin"), package(f"b/p{n}", "twin")], n)

    async def read() -> None:
        for _ in range(30):
            found = await index.search(Query(text="twin", limit=100))
            assert found.total % 2 == 0
            assert len(found.hits) == found.total

    await asyncio.gather(write(), read(), read(), read())
    assert (await index.search(Query(text="twin"))).total == 60


async def test_writers_that_race_over_one_log_leave_what_one_would(index: SearchIndex) -> None:
    async def follow(step: int) -> None:
        while (start := await index.position()) < 40:
            end = min(start + step, 40)
            await index.apply([package(f"a/p{n}") for n in range(start + 1, end + 1)], end)

    await asyncio.gather(follow(1), follow(3), follow(7))
    assert sorted(await keys(index)) == sorted(f"a/p{n}" for n in range(1, 41))


async def test_a_failed_batch_leaves_content_and_position_as_they_were(index: SearchIndex) -> None:
    await index.apply(SHELF, 1)
    broken = Put(None)  # type: ignore[arg-type]
    with pytest.raises(AttributeError):
        await index.apply([package("acme/new"), broken], 2)
    assert await index.position() == 1
    assert (await index.search(ALL)).total == len(SHELF)
    await index.apply([package("acme/new")], 2)
    assert "acme/new" in await keys(index)


async def test_an_abandoned_write_is_whole_or_absent(index: SearchIndex) -> None:
    writing = asyncio.create_task(index.apply(SHELF, 3))
    await asyncio.sleep(0)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    await index.apply([package("acme/after")], 4)
    assert (await index.search(ALL)).total in {1, len(SHELF) + 1}


async def test_closed_it_says_so_and_closes_again(index: SearchIndex) -> None:
    await index.close()
    await index.close()
    with pytest.raises(Unavailable, match="closed"):
        await index.search(Query())
