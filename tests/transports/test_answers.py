"""Kept answers: how long, how many, and never an old one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator

import pytest
from sqlalchemy import event

from registry_core.callers import OWNER
from registry_core.errors import NotFound
from registry_core.events import Draft
from registry_core.events.kinds import EventKind
from registry_core.names import PackageName, Version
from served import Served, at
from transports.answers import EVERYTHING, Answer, Answers, answer
from world import World

ABOUT = "@acme/review"


def made(text: str, fresh_for: float = 60) -> Answer:
    return answer(text.encode(), "text/plain", cache="public", fresh_for=fresh_for)


class Maker:
    """Makes answers that count how many were made."""

    def __init__(self, fresh_for: float = 60) -> None:
        self.made = 0
        self.fresh_for = fresh_for

    async def __call__(self) -> Answer:
        self.made += 1
        return made(str(self.made), self.fresh_for)


async def about_package(world: World, kind: EventKind = EventKind.PACKAGE_YANKED) -> None:
    await world.registry.journal.record(Draft(kind, namespace="acme", package="review"))


async def test_an_answer_is_made_once_and_kept(sqlite_world: World) -> None:
    answers = await Answers.open(sqlite_world.registry.journal)
    make = Maker()
    for _ in range(3):
        assert (await answers.get(("a",), about=ABOUT, make=make)).body == b"1"


@pytest.mark.parametrize("about", [ABOUT, EVERYTHING])
async def test_an_event_about_a_package_evicts_what_is_about_it(
    sqlite_world: World, about: str
) -> None:
    answers = await Answers.open(sqlite_world.registry.journal)
    make, other = Maker(), Maker()
    await answers.get(("a",), about=about, make=make)
    await answers.get(("b",), about="@acme/other", make=other)
    await about_package(sqlite_world)
    assert (await answers.get(("a",), about=about, make=make)).body == b"2"
    assert (await answers.get(("b",), about="@acme/other", make=other)).body == b"1"


async def test_an_event_that_changes_no_answer_evicts_nothing(sqlite_world: World) -> None:
    answers = await Answers.open(sqlite_world.registry.journal)
    make = Maker()
    await answers.get(("a",), about=ABOUT, make=make)
    await about_package(sqlite_world, EventKind.PACKAGE_INSTALLED)
    assert (await answers.get(("a",), about=ABOUT, make=make)).body == b"1"


async def test_an_answer_that_was_overtaken_while_it_was_made_is_not_kept(
    sqlite_world: World,
) -> None:
    answers = await Answers.open(sqlite_world.registry.journal)
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow() -> Answer:
        begun.set()
        await go_on.wait()
        return made("old")

    waiting = asyncio.create_task(answers.get(("a",), about=ABOUT, make=slow))
    await begun.wait()
    await about_package(sqlite_world)
    # Who asks after the write does not share what was begun before it.
    assert (await answers.get(("a",), about=ABOUT, make=Maker())).body == b"1"
    go_on.set()
    assert (await waiting).body == b"old"
    assert (await answers.get(("a",), about=ABOUT, make=Maker())).body == b"1"


async def test_an_answer_stored_before_anybody_read_the_event_is_evicted(
    sqlite_world: World,
) -> None:
    answers = await Answers.open(sqlite_world.registry.journal)

    async def overtaken() -> Answer:
        await about_package(sqlite_world)
        return made("old")

    assert (await answers.get(("a",), about=ABOUT, make=overtaken)).body == b"old"
    assert (await answers.get(("a",), about=ABOUT, make=Maker())).body == b"1"


async def test_many_who_ask_at_once_share_one_making(sqlite_world: World) -> None:
    answers = await Answers.open(sqlite_world.registry.journal)
    make = Maker()

    async def slow() -> Answer:
        await asyncio.sleep(0)
        return await make()

    together = await asyncio.gather(
        *(answers.get(("a",), about=ABOUT, make=slow) for _ in range(20))
    )
    assert {one.body for one in together} == {b"1"}


async def test_one_who_gives_up_does_not_take_the_answer_from_the_others(
    sqlite_world: World,
) -> None:
    answers = await Answers.open(sqlite_world.registry.journal)
    go_on = asyncio.Event()

    async def slow() -> Answer:
        await go_on.wait()
        return made("here")

    first, second = (
        asyncio.create_task(answers.get(("a",), about=ABOUT, make=slow)) for _ in range(2)
    )
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    go_on.set()
    assert (await second).body == b"here"


async def test_errors_are_raised_and_not_kept(sqlite_world: World) -> None:
    answers = await Answers.open(sqlite_world.registry.journal)

    async def nothing() -> Answer:
        raise NotFound("no such thing")

    for _ in range(2):
        with pytest.raises(NotFound):
            await answers.get(("a",), about=ABOUT, make=nothing)
    assert (await answers.get(("a",), about=ABOUT, make=Maker())).body == b"1"


async def test_what_may_not_be_kept_is_made_each_time(sqlite_world: World) -> None:
    answers = await Answers.open(sqlite_world.registry.journal)
    make = Maker(fresh_for=0)
    for number in (b"1", b"2"):
        assert (await answers.get(("a",), about=ABOUT, make=make)).body == number


async def test_an_answer_is_made_again_when_its_time_is_over(sqlite_world: World) -> None:
    answers = await Answers.open(sqlite_world.registry.journal)
    make = Maker(fresh_for=1e-9)
    for number in (b"1", b"2"):
        assert (await answers.get(("a",), about=ABOUT, make=make)).body == number


async def test_what_is_kept_is_bounded_and_the_longest_unread_goes_first(
    sqlite_world: World,
) -> None:
    answers = await Answers.open(sqlite_world.registry.journal, most_bytes=10_000)

    def of_size(size: int) -> Callable[[], Awaitable[Answer]]:
        async def make() -> Answer:
            return made("x" * size)

        return make

    for key in "abc":
        await answers.get((key,), about=f"@acme/{key}", make=of_size(2000))
    await answers.get(("a",), about="@acme/a", make=of_size(1))  # read again: `b` is older now
    await answers.get(("d",), about="@acme/d", make=of_size(2000))
    assert len(answers) == 3
    assert len((await answers.get(("a",), about="@acme/a", make=of_size(1))).body) == 2000
    assert len((await answers.get(("b",), about="@acme/b", make=of_size(1))).body) == 1
    await answers.get(("huge",), about="@acme/huge", make=of_size(20_000))
    assert len(answers) > 0


async def test_a_follower_sees_what_another_process_wrote(sqlite_world: World) -> None:
    database = f"sqlite+aiosqlite:///{sqlite_world.folder / 'registry.sqlite3'}"
    answers = await Answers.open(sqlite_world.registry.journal)
    make = Maker()
    await answers.get(("a",), about=ABOUT, make=make)
    async with World.open(database, sqlite_world.folder) as other:
        await about_package(other)
    assert (await answers.get(("a",), about=ABOUT, make=make)).body == b"1"
    following = asyncio.create_task(answers.follow())
    async with asyncio.timeout(150):
        # Nothing in this process tells of the write: there is no event to wait for.
        while (await answers.get(("a",), about=ABOUT, make=make)).body == b"1":  # noqa: ASYNC110
            await asyncio.sleep(0)
    following.cancel()
    with pytest.raises(asyncio.CancelledError):
        await following


@pytest.fixture
def statements(sqlite_world: World) -> Iterator[list[str]]:
    """What is asked of the tables of packages and tokens; following the log goes on always."""
    seen: list[str] = []
    engine = sqlite_world.registry.journal.database._readers.sync_engine

    def note(connection: object, cursor: object, statement: str, *rest: object) -> None:
        if "packages" in statement or "tokens" in statement:
            seen.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    yield seen
    event.remove(engine, "before_cursor_execute", note)


async def test_a_hot_read_touches_no_database(served: Served, statements: list[str]) -> None:
    await served.put(await served.token())
    paths = [
        "/api/v1/index.json",
        "/api/v1/search?q=review",
        at(ABOUT, "index.json"),
        at(ABOUT, "1.0.0", "trust"),
        at(ABOUT, "1.0.0", "download"),
        "/api/v1/badge/acme/review",
        "/api/v1/publishers/acme/index.json",
    ]
    for path in paths:
        await served.get(path)
    statements.clear()
    for path in paths:
        for token in ("", "ctxp_" + "x" * 43):
            assert (await served.get(path, token)).status_code == 200
    assert statements == []
    packages = served.world.registry.packages
    await packages.yank(PackageName("acme", "review"), Version.parse("1.0.0"), "bad", OWNER)
    assert (await served.get(paths[2])).json()["latest"] is None
    assert statements != []
